"""What the paper claims and the checks that were registered for it.

Losses are normalised: training loss by the mean y^2 of the run's own training set, test loss (exact, Eq. 6) by
E y^2 = 3/4. t_tr and t_te are the steps after which they stay below 0.2; a loss that never does counts as T.
"""

from __future__ import annotations

from assay.claims import (
    Check,
    Claim,
    Count,
    Exact,
    Interval,
    Report,
    Value,
    Values,
    exact,
    function,
    scalar,
    spearman,
    table,
)
from assay.results import Results

STANDS_FOR = {"desk": "the paper's toy model; 8 × 8 digits for MNIST and transformers"}

CLAIMS = [
    Claim(
        "C1",
        "A two-layer committee machine trained by plain full-batch gradient descent without regularisation groks on "
        "polynomial regression",
        source="Fig. 1b, 4",
    ),
    Claim(
        "C2",
        "The parameters' norm grows while a network groks, so theories that need it to shrink do not explain grokking",
        source="Fig. 1c, 2",
    ),
    Claim(
        "C3",
        "The test loss is a function of the weights' mean and second moment alone: variance + misalignment + power of "
        "the linear component",
        source="Eq. 6, Fig. 4",
    ),
    Claim(
        "C4",
        "The early phase is kernel regression with the initial tangent kernel; generalisation comes later, by feature "
        "learning",
        source="Fig. 1b, 4",
    ),
    Claim(
        "C5",
        "A larger output scale alpha delays generalisation more and ends at a worse test loss; alpha -> infinity is "
        "regression with the initial tangent kernel",
        source="Fig. 3a, 3e",
    ),
    Claim(
        "C6",
        "A worse alignment of the initial kernel (smaller epsilon) delays generalisation more and ends at a lower test "
        "loss",
        source="Fig. 3b, 3e, App. 10",
    ),
    Claim(
        "C7",
        "Grokking needs a training set of the right size: P = 50 fails, P = 120 groks, at P = 500 training and test "
        "loss fall together",
        source="Fig. 9",
        paper_says="P = 50, 120, 500",
    ),
    Claim(
        "C8",
        "Raising the scale sigma of the weights acts like raising alpha; sigma^2 alpha controls the behaviour",
        source="Fig. 7",
    ),
    Claim(
        "C9",
        "With the j-th eigenvector of the tangent kernel as labels, j = 1 does not grok, j = 70 groks and j = 100 "
        "never generalises",
        source="Fig. 5, 19",
        paper_says="j = 1, 70, 100",
    ),
    Claim(
        "C10",
        "A dynamical mean-field theory describes the dynamics",
        source="abstract of the first version; the text of v3 has no such part",
    ),
    Claim(
        "C11",
        "Alpha controls grokking on MNIST, in a one-layer transformer on modular addition and in a student of a tanh "
        "teacher",
        source="Fig. 6, 8, 12",
        paper_says="MNIST: none at alpha = 1e-4; transformer: none at 0.15, large at 0.5, back at 1.4 with decay 5",
    ),
    Claim(
        "C12",
        "Accuracy curves of regression tasks mislead: the threshold behind them makes grokking appear",
        source="Fig. 17, 18",
        paper_says="threshold 0.001",
    ),
]

ALPHA, EPSILON, SAMPLES = "module.alpha", "module.epsilon", "data.samples"
TOY = ("alpha", "epsilon", "samples", "sigma")
"""The sweeps of the committee machine."""

lazier = scalar("alpha", "crossing/delay", group=ALPHA)
ends = lazier.at(module__alpha=2.0) - lazier.at(module__alpha=0.25)
middle = lazier.at(module__alpha=1.0) - lazier.at(module__alpha=0.5)
slope_of_delay = (3 * ends + middle) / 10
"""Per seed, the least-squares slope of log10 t_te - log10 t_tr in log2 alpha, at its four equal steps."""

loss = scalar("epsilon", "test/loss", group=EPSILON)
delay = scalar("epsilon", "crossing/delay", group=EPSILON)
steps = scalar("epsilon", "crossing/delay_steps", group=EPSILON)
by_size = scalar("samples", "crossing/delay", group=SAMPLES)

CROSSED = {"crossing/train": "t_tr", "crossing/test": "t_te"}
GROKKED = {"crossing/grokked": "grokked", "crossing/censored": "censored"}


@function(*TOY)
def growth_error(results: Results) -> Values:
    """The relative error of the predicted growth of |w| in every run that ends with a test loss below 0.02."""
    found: dict[str, Value] = {}
    for sweep in TOY:
        for row in results.of(sweep).iter_rows(named=True):
            if row["test/loss"] < 0.02:
                label = f"{sweep}, seed={row['seed']}"
                found[row["signature"]] = Value(label, abs(row["weights/growth_error"]), (row["signature"],))
    return list(found.values())


CHECKS = [
    Check(
        "1",
        "Eq. 6 in centred form against the test error on 2e5 fresh points at 5 checkpoints: at most 4 Monte-Carlo "
        "standard errors each; closed-form gradient against autograd at steps 0, 10, 100: largest difference over "
        "largest entry below 1e-10",
        ["C3"],
        Exact(
            [
                exact("1", "standard_errors", "standard errors") <= 4,
                exact("1", "gradient_error", "gradient error") < 1e-10,
            ]
        ),
    ),
    Check(
        "2",
        "alpha = 1e4, eta_0 = 3, P = 160: training residuals against the closed-form linearised ones, relative L2 "
        "error below 1e-2 at steps 10, 100, 1000; test predictions after 8000 steps against the linearised ones at the "
        "same step below 5e-3, and against regression with the initial kernel below 2e-2",
        ["C4"],
        Exact(
            [
                *(exact("2", f"residual_{step}", f"residuals, step {step}") < 1e-2 for step in (10, 100, 1000)),
                exact("2", "prediction", "predictions") < 5e-3,
                exact("2", "regression", "gap to regression") < 2e-2,
            ]
        ),
    ),
    Check(
        "3a",
        "Delay log10 t_te - log10 t_tr regressed on log2 alpha over 0.25, 0.5, 1, 2, one slope per seed: above 0",
        ["C5"],
        Interval(slope_of_delay.called("slope") > 0),
    ),
    Check(
        "3b",
        "Final test loss rises with alpha: Spearman's rho of its means over seeds over 0.25 ... 16 at least 0.9",
        ["C5"],
        Exact(spearman("alpha", ALPHA, "test/loss", per=()).called("rho") >= 0.9),
        unit="mean over seeds",
    ),
    Check(
        "4a",
        "At alpha = 1 the final test loss at epsilon = 0.1 is below that at epsilon = 1 in every seed",
        ["C6"],
        Count(
            (loss.at(module__epsilon=0.1) - loss.at(module__epsilon=1.0)).called("test loss at 0.1 minus that at 1") < 0
        ),
    ),
    Check(
        "4b",
        "log10 t_te - log10 t_tr at epsilon = 0.1 minus the same at epsilon = 1, paired by seed: above 0",
        ["C6"],
        Interval((delay.at(module__epsilon=0.1) - delay.at(module__epsilon=1.0)).called("difference of delays") > 0),
    ),
    Check(
        "4c",
        "Delay in steps, t_te(0.5) - t_tr(0.2), at epsilon = 0.1 minus the same at epsilon = 1. Not judged: training "
        "alone takes some twenty times as many steps at 0.1",
        ["C6"],
        Report(
            [
                (steps.at(module__epsilon=0.1) - steps.at(module__epsilon=1.0)).called("difference in steps").shown(),
                *table("epsilon", CROSSED, group=EPSILON),
            ]
        ),
    ),
    Check(
        "5a",
        "In runs of the committee machine that end with a test loss below 0.02: | |w_T|/|w_0| / sqrt(1 + D/(alpha "
        "epsilon Tr M_0)) - 1 | < 0.03, as an exact fit demands",
        [],
        Exact(growth_error.called("relative error") < 0.03),
        unit="run",
    ),
    Check(
        "5b",
        "Addition modulo 23: training accuracy passes 0.9 at least a factor 1.2 in steps before test accuracy does, "
        "and |w| at the test crossing is above 1.1 |w_0| and above |w| at the training crossing, in every seed",
        ["C2"],
        Count(
            [
                scalar("modular", "crossing/ratio").called("t_te / t_tr") >= 1.2,
                scalar("modular", "weights/growth_at_test").called("|w(t_te)| / |w_0|") > 1.1,
                scalar("modular", "weights/growth_between").called("|w(t_te)| / |w(t_tr)|") > 1,
            ]
        ),
    ),
    Check(
        "6a",
        "Final test loss above 0.5 at P = 50, in every seed",
        ["C7"],
        Count(scalar("samples", "test/loss", data__samples=50).called("test loss") > 0.5),
    ),
    Check(
        "6b",
        "Final test loss below 0.01 at P = 500, in every seed (P = 500 exceeds the 495 dimensions of the kernel's "
        "functions, so the lazy limit identifies the target there as well)",
        ["C7"],
        Count(scalar("samples", "test/loss", data__samples=500).called("test loss") < 0.01),
    ),
    Check(
        "6c",
        "log10 t_te - log10 t_tr at P = 120 minus the same at P = 500, paired by seed: above 0",
        ["C7"],
        Interval((by_size.at(data__samples=120) - by_size.at(data__samples=500)).called("difference of delays") > 0),
    ),
    Check(
        "7a",
        "At epsilon = 0.1 the test loss exceeds 1.05 at a logged step with a training loss below 0.5, in at least 4 of "
        "5 seeds",
        ["C1", "C4"],
        Count(scalar("epsilon", "test/rise", module__epsilon=0.1).called("largest test loss") > 1.05, need=4),
    ),
    Check(
        "7b",
        "At epsilon = 0.1 the linear-power term falls from its peak to its final value by a factor of at least 5, in "
        "at least 4 of 5 seeds",
        ["C1", "C4"],
        Count(scalar("epsilon", "test/linear_fall", module__epsilon=0.1).called("peak / final") >= 5, need=4),
    ),
    Check(
        "7c",
        "Largest test loss of the whole run at epsilon = 0.1, and the training loss at that step. Not judged",
        ["C1", "C4"],
        Report(
            table(
                "epsilon",
                {"test/peak": "largest test loss", "train/at_peak": "training loss there"},
                module__epsilon=0.1,
            )
        ),
    ),
    Check(
        "8",
        "(sigma, alpha, epsilon) and (1, alpha sigma, epsilon sigma) with the same unit draw and eta = eta_0 N/alpha^2 "
        "have the same losses over 300 steps, relative 1e-8",
        ["C8"],
        Exact(exact("8", "relative_difference", "relative difference") <= 1e-8),
    ),
    Check(
        "8r",
        "Delays at sigma = 2, 4 (alpha = 1) beside alpha = 4, 16 (sigma = 1): sigma^2 alpha agrees, epsilon sigma does "
        "not. Not judged",
        ["C8"],
        Report(
            table("sigma", {"crossing/delay": "log10 t_te - log10 t_tr", "test/loss": "final test loss"}, group="arm")
        ),
    ),
    Check(
        "r1",
        "Test loss at t_tr beside that of regression with the initial kernel (the kernel line of Fig. 1b), over alpha",
        ["C4"],
        Report(
            table(
                "alpha",
                {"test/at_memorisation": "test loss at t_tr", "kernel/test_loss": "kernel regression"},
                group=ALPHA,
            )
        ),
    ),
    Check(
        "r2",
        "Grokking by the card's rule (both losses cross 0.2, t_te/t_tr >= 2) and runs in which one never does "
        "(censored at T), as shares of the seeds",
        ["C1", "C5", "C7"],
        Report(
            [
                *table("alpha", GROKKED, group=ALPHA),
                *table("epsilon", GROKKED, group=EPSILON),
                *table("samples", GROKKED, group=SAMPLES),
            ]
        ),
    ),
    Check(
        "r3",
        "Steps until 0.9 of the training and of the test points have a squared error below 0.001, beside t_tr and "
        "t_te, over P",
        ["C12"],
        Report(
            table(
                "samples",
                {"within/train": "accuracy, training", "within/test": "accuracy, test"} | CROSSED,
                group=SAMPLES,
            )
        ),
    ),
    Check(
        "r4",
        "Stability: the largest relative rise of the training loss in one of the first 50 steps (below 0: it falls in "
        "all)",
        [],
        Report([scalar(sweep, "train/early_rise", over=(), reduce="max").called(sweep).shown() for sweep in TOY]),
        unit="run",
    ),
    Check(
        "r5",
        "Delay of accuracy 0.9 over alpha: 8 x 8 digits (desk), MNIST, transformer and tanh student (paper scale)",
        ["C11"],
        Report(
            [
                *table(
                    "digits",
                    {"crossing/delay": "digits", "test/accuracy": "digits, test accuracy"},
                    group="model.alpha",
                ),
                *table(
                    "mnist", {"crossing/delay": "MNIST", "test/accuracy": "MNIST, test accuracy"}, group="model.alpha"
                ),
                *table("transformer", {"crossing/delay": "transformer"}, group="arm"),
                *table("teacher", {"crossing/delay": "student"}, group="model.alpha"),
            ]
        ),
    ),
]
