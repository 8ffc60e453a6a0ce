"""What the paper claims and the checks that were registered for it.

Losses are normalised: training loss by the mean y^2 of the run's own training set, test loss (exact, Eq. 6) by
E y^2 = 3/4. t_tr and t_te are the steps after which they stay below 0.2; a loss that never does counts as T.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import polars as pl
from scipy import stats

from assay.claims import (
    Check,
    Claim,
    Condition,
    Count,
    Exact,
    Interval,
    Measure,
    Read,
    Report,
    Value,
    Values,
    above,
    at_least,
    at_most,
    below,
    difference,
    exact,
    function,
    scalar,
)
from assay.results import Results

ALPHA, EPSILON, SAMPLES = "module.alpha", "module.epsilon", "data.samples"
TOY = ("alpha", "epsilon", "samples", "sigma")
"""The sweeps of the committee machine."""


def slope_of_delay(alphas: Iterable[float] = (0.25, 0.5, 1.0, 2.0)) -> Measure:
    """Per seed, the least-squares slope of log10 t_te - log10 t_tr in log2 alpha."""
    wanted = tuple(alphas)

    @function(Read("alpha", levels=((ALPHA, wanted),)), over="seed")
    def measure(results: Results) -> Values:
        frame = results.of("alpha")
        if frame.is_empty() or "crossing/delay" not in frame.columns:
            return []
        rows = frame.filter(pl.col(ALPHA).is_in(wanted)).drop_nulls("crossing/delay")
        found = []
        for (seed,), part in sorted(rows.group_by(["seed"])):
            if len(part) == len(wanted):
                slope = stats.linregress(np.log2(part[ALPHA]), part["crossing/delay"]).slope
                found.append(Value(str(seed), float(slope), tuple(sorted(part["signature"]))))
        return found

    return measure


@function("alpha")
def rank_correlation(results: Results) -> Values:
    """Spearman's rho of alpha and the mean over seeds of the final test loss."""
    frame = results.of("alpha")
    if frame.is_empty() or "test/loss" not in frame.columns:
        return []
    means = frame.group_by(ALPHA).agg(pl.col("test/loss").mean()).sort(ALPHA)
    if len(means) < 3:
        return []
    rho = float(stats.spearmanr(means[ALPHA], means["test/loss"]).statistic)
    return [Value("all seeds", rho, tuple(sorted(frame["signature"].unique())))]


@function(*TOY)
def growth_error(results: Results) -> Values:
    """The relative error of the predicted growth of |w| in every run that ends with a test loss below 0.02."""
    found: dict[str, Value] = {}
    for experiment in TOY:
        frame = results.of(experiment)
        if frame.is_empty() or "weights/growth_error" not in frame.columns:
            continue
        for row in frame.filter(pl.col("test/loss") < 0.02).iter_rows(named=True):
            unit = f"{experiment}, seed={row['seed']}"
            found[row["signature"]] = Value(unit, abs(row["weights/growth_error"]), (row["signature"],))
    return list(found.values())


def at(experiment: str, name: str, **where: object) -> Measure:
    """A scalar by seed at one value of an experiment's axis."""
    return scalar(experiment, name, **where)  # type: ignore[arg-type]


def largest(name: str) -> list[Condition]:
    """The largest value of a scalar in every sweep of the committee machine."""
    return [Condition(scalar(sweep, name, over="experiment", reduce="max"), at_most(math.inf), sweep) for sweep in TOY]


def by(experiment: str, column: str, names: dict[str, str]) -> list[Condition]:
    """Means over seeds of scalars, for every value of a column."""
    return [Condition(scalar(experiment, key, group=column), at_most(math.inf), name) for key, name in names.items()]


DELAY = {"crossing/delay": "log10 t_te - log10 t_tr"}

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

CHECKS = [
    Check(
        "1",
        "Eq. 6 in centred form against the test error on 2e5 fresh points at 5 checkpoints: at most 4 Monte-Carlo "
        "standard errors each; closed-form gradient against autograd at steps 0, 10, 100: largest difference over "
        "largest entry below 1e-10",
        serves=["C3"],
        kind=Exact(
            [
                Condition(exact("1", "standard_errors"), at_most(4.0), "standard errors"),
                Condition(exact("1", "gradient_error"), below(1e-10), "gradient error"),
            ]
        ),
    ),
    Check(
        "2",
        "alpha = 1e4, eta_0 = 3, P = 160: training residuals against the closed-form linearised ones, relative L2 "
        "error below 1e-2 at steps 10, 100, 1000; test predictions after 8000 steps against the linearised ones at the "
        "same step below 5e-3, and against regression with the initial kernel below 2e-2",
        serves=["C4"],
        kind=Exact(
            [
                *(
                    Condition(exact("2", f"residual_{step}"), below(1e-2), f"residuals, step {step}")
                    for step in (10, 100, 1000)
                ),
                Condition(exact("2", "prediction"), below(5e-3), "predictions"),
                Condition(exact("2", "regression"), below(2e-2), "gap to regression"),
            ]
        ),
    ),
    Check(
        "3a",
        "Delay log10 t_te - log10 t_tr regressed on log2 alpha over 0.25, 0.5, 1, 2, one slope per seed: above 0",
        serves=["C5"],
        kind=Interval(slope_of_delay(), above(0.0), name="slope"),
    ),
    Check(
        "3b",
        "Final test loss rises with alpha: Spearman's rho of its means over seeds over 0.25 ... 16 at least 0.9",
        serves=["C5"],
        kind=Exact([Condition(rank_correlation, at_least(0.9), "rho")]),
        unit="mean over seeds",
    ),
    Check(
        "4a",
        "At alpha = 1 the final test loss at epsilon = 0.1 is below that at epsilon = 1 in every seed",
        serves=["C6"],
        kind=Count(
            [
                Condition(
                    difference(
                        at("epsilon", "test/loss", module__epsilon=0.1), at("epsilon", "test/loss", module__epsilon=1.0)
                    ),
                    below(0.0),
                    "test loss at 0.1 minus that at 1",
                )
            ]
        ),
    ),
    Check(
        "4b",
        "log10 t_te - log10 t_tr at epsilon = 0.1 minus the same at epsilon = 1, paired by seed: above 0",
        serves=["C6"],
        kind=Interval(
            difference(
                at("epsilon", "crossing/delay", module__epsilon=0.1),
                at("epsilon", "crossing/delay", module__epsilon=1.0),
            ),
            above(0.0),
            name="difference of delays",
        ),
    ),
    Check(
        "4c",
        "Delay in steps, t_te(0.5) - t_tr(0.2), at epsilon = 0.1 minus the same at epsilon = 1. Not judged: training "
        "alone takes some twenty times as many steps at 0.1",
        serves=["C6"],
        kind=Report(
            [
                Condition(
                    difference(
                        at("epsilon", "crossing/delay_steps", module__epsilon=0.1),
                        at("epsilon", "crossing/delay_steps", module__epsilon=1.0),
                    ),
                    above(0.0),
                    "difference in steps",
                ),
                *by("epsilon", EPSILON, {"crossing/train": "t_tr", "crossing/test": "t_te"}),
            ]
        ),
    ),
    Check(
        "5a",
        "In runs of the committee machine that end with a test loss below 0.02: | |w_T|/|w_0| / sqrt(1 + D/(alpha "
        "epsilon Tr M_0)) - 1 | < 0.03, as an exact fit demands",
        serves=[],
        kind=Exact([Condition(growth_error, below(0.03), "relative error")]),
        unit="run",
    ),
    Check(
        "5b",
        "Addition modulo 23: training accuracy passes 0.9 at least a factor 1.2 in steps before test accuracy does, "
        "and |w| at the test crossing is above 1.1 |w_0| and above |w| at the training crossing, in every seed",
        serves=["C2"],
        kind=Count(
            [
                Condition(scalar("modular", "crossing/ratio"), at_least(1.2), "t_te / t_tr"),
                Condition(scalar("modular", "weights/growth_at_test"), above(1.1), "|w(t_te)| / |w_0|"),
                Condition(scalar("modular", "weights/growth_between"), above(1.0), "|w(t_te)| / |w(t_tr)|"),
            ]
        ),
    ),
    Check(
        "6a",
        "Final test loss above 0.5 at P = 50, in every seed",
        serves=["C7"],
        kind=Count([Condition(at("samples", "test/loss", data__samples=50), above(0.5), "test loss")]),
    ),
    Check(
        "6b",
        "Final test loss below 0.01 at P = 500, in every seed (P = 500 exceeds the 495 dimensions of the kernel's "
        "functions, so the lazy limit identifies the target there as well)",
        serves=["C7"],
        kind=Count([Condition(at("samples", "test/loss", data__samples=500), below(0.01), "test loss")]),
    ),
    Check(
        "6c",
        "log10 t_te - log10 t_tr at P = 120 minus the same at P = 500, paired by seed: above 0",
        serves=["C7"],
        kind=Interval(
            difference(
                at("samples", "crossing/delay", data__samples=120), at("samples", "crossing/delay", data__samples=500)
            ),
            above(0.0),
            name="difference of delays",
        ),
    ),
    Check(
        "7a",
        "At epsilon = 0.1 the test loss exceeds 1.05 at a logged step with a training loss below 0.5, in at least 4 of "
        "5 seeds",
        serves=["C1", "C4"],
        kind=Count(
            [Condition(at("epsilon", "test/rise", module__epsilon=0.1), above(1.05), "largest test loss")], need=4
        ),
    ),
    Check(
        "7b",
        "At epsilon = 0.1 the linear-power term falls from its peak to its final value by a factor of at least 5, in "
        "at least 4 of 5 seeds",
        serves=["C1", "C4"],
        kind=Count(
            [Condition(at("epsilon", "test/linear_fall", module__epsilon=0.1), at_least(5.0), "peak / final")], need=4
        ),
    ),
    Check(
        "7c",
        "Largest test loss of the whole run at epsilon = 0.1, and the training loss at that step. Not judged",
        serves=["C1", "C4"],
        kind=Report(
            [
                Condition(at("epsilon", "test/peak", module__epsilon=0.1), at_most(math.inf), "largest test loss"),
                Condition(
                    at("epsilon", "train/at_peak", module__epsilon=0.1), at_most(math.inf), "training loss there"
                ),
            ]
        ),
    ),
    Check(
        "8",
        "(sigma, alpha, epsilon) and (1, alpha sigma, epsilon sigma) with the same unit draw and eta = eta_0 N/alpha^2 "
        "have the same losses over 300 steps, relative 1e-8",
        serves=["C8"],
        kind=Exact([Condition(exact("8", "relative_difference"), at_most(1e-8), "relative difference")]),
    ),
    Check(
        "8r",
        "Delays at sigma = 2, 4 (alpha = 1) beside alpha = 4, 16 (sigma = 1): sigma^2 alpha agrees, epsilon sigma does "
        "not. Not judged",
        serves=["C8"],
        kind=Report(by("sigma", "arm", {**DELAY, "test/loss": "final test loss"})),
    ),
    Check(
        "r1",
        "Test loss at t_tr beside that of regression with the initial kernel (the kernel line of Fig. 1b), over alpha",
        serves=["C4"],
        kind=Report(
            by("alpha", ALPHA, {"test/at_memorisation": "test loss at t_tr", "kernel/test_loss": "kernel regression"})
        ),
    ),
    Check(
        "r2",
        "Grokking by the card's rule (both losses cross 0.2, t_te/t_tr >= 2) and runs in which one never does "
        "(censored at T), as shares of the seeds",
        serves=["C1", "C5", "C7"],
        kind=Report(
            [
                condition
                for sweep, axis in (("alpha", ALPHA), ("epsilon", EPSILON), ("samples", SAMPLES))
                for condition in by(sweep, axis, {"crossing/grokked": "grokked", "crossing/censored": "censored"})
            ]
        ),
    ),
    Check(
        "r3",
        "Steps until 0.9 of the training and of the test points have a squared error below 0.001, beside t_tr and "
        "t_te, over P",
        serves=["C12"],
        kind=Report(
            by(
                "samples",
                SAMPLES,
                {
                    "within/train": "accuracy, training",
                    "within/test": "accuracy, test",
                    "crossing/train": "t_tr",
                    "crossing/test": "t_te",
                },
            )
        ),
    ),
    Check(
        "r4",
        "Stability: the largest relative rise of the training loss in one of the first 50 steps (below 0: it falls in "
        "all)",
        serves=[],
        kind=Report(largest("train/early_rise")),
        unit="run",
    ),
    Check(
        "r5",
        "Delay of accuracy 0.9 over alpha: 8 x 8 digits (desk), MNIST, transformer and tanh student (paper scale)",
        serves=["C11"],
        kind=Report(
            [
                *by("digits", "model.alpha", {"crossing/delay": "digits", "test/accuracy": "digits, test accuracy"}),
                *by("mnist", "model.alpha", {"crossing/delay": "MNIST", "test/accuracy": "MNIST, test accuracy"}),
                *by("transformer", "arm", {"crossing/delay": "transformer"}),
                *by("teacher", "model.alpha", {"crossing/delay": "student"}),
            ]
        ),
    ),
]
