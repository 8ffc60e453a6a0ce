"""What the paper claims, and the checks that were registered before any run.

Iterations are counted to separation; a run that does not get there is censored at its cap. On images the unit is the
pair of classes: the five subsamples of a pair are not independent of each other.
"""

from __future__ import annotations

from assay import statistics
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
    exact,
    function,
    scalar,
    slope,
    table,
)
from assay.results import Results
from assay.separators import BatchPerceptron, NormalizedBatchPerceptron, NormalizedLRGD, Perceptron, Separator

STANDS_FOR = {"desk": "500 images of Fashion-MNIST pairs for 1,000 to 10,000 of four data sets"}

CLAIMS = [
    Claim(
        "C1",
        "From theta_0 = 0, theta_t / gamma tends to the iterate of a batch perceptron for every t as the step size "
        "gamma grows, for almost all data sets.",
        source="Thm 3.2; Figs. 2, 3, 8, 10",
    ),
    Claim("C2", "The batch perceptron separates within n R^2/mu^2 iterations.", source="Thm 3.3"),
    Claim(
        "C3",
        "A larger step size gives higher losses and more oscillation before accuracy 1, and yet fewer iterations; of "
        "0.001, ..., 100 the fastest are 1, 10 and 100.",
        source="Figs. 1, 4, 5",
    ),
    Claim(
        "C4",
        "Loss and gradient norm do not tell progress: on some data f(theta_1) and ||grad f(theta_1)|| are large or "
        "stay away from 0, and theta_2 separates.",
        source="Thm 4.1",
    ),
    Claim(
        "C5",
        "Gradient descent with an ever larger step is not optimal: there is a data set with mu and R of order one on "
        "which it needs a number of iterations in proportion to n.",
        source="Thm 5.1",
    ),
    Claim("C6", "The normalised batch perceptron needs at most R^2/mu^2 iterations.", source="Thm 5.3"),
    Claim(
        "C7",
        "Normalised gradient descent needs at most R^2/mu^2 + 2 log(2n - 1)/(gamma mu^2) iterations.",
        source="Thm 6.1",
    ),
    Claim(
        "C8",
        "On the worst case of a thousand rows normalised descent needs few iterations, plain descent many.",
        source="Table 1",
        paper_says="normalised: 2, 2, 16, 157 iterations at gamma = 100, 10, 1, 0.1; plain: 308 at 100",
    ),
    Claim(
        "C9",
        "On an imbalanced set normalised descent needs fewer iterations than plain descent.",
        source="Table 1, FashionMNIST",
        paper_says="normalised: 311, 349, 353, 504 at gamma = 100, 10, 1, 0.1; plain: 538 at 100",
    ),
    Claim(
        "C10",
        "On a balanced set plain descent is slightly better.",
        source="Table 1, FashionMNIST",
        paper_says="plain: 2778, 2928 at gamma = 10, 100; normalised: 3160, 3351, 3359 at 100, 1, 10",
    ),
    Claim(
        "C11",
        "As gamma grows the bias towards the largest margin is lost: the batch perceptron does not find it.",
        source="Sec. 8",
    ),
]

LR = {"lr_0p001": 0.001, "lr_0p01": 0.01, "lr_0p1": 0.1, "lr_1": 1.0, "lr_10": 10.0, "lr_100": 100.0}
"""Plain gradient descent's arms and their step sizes."""

BOUNDED: dict[str, Separator] = {
    "bp": BatchPerceptron(),
    "perceptron": Perceptron(),
    "nbp": NormalizedBatchPerceptron(),
    "nlr_0p1": NormalizedLRGD(gamma=0.1),
    "nlr_1": NormalizedLRGD(gamma=1.0),
    "nlr_10": NormalizedLRGD(gamma=10.0),
    "nlr_100": NormalizedLRGD(gamma=100.0),
}
"""The arms that a theorem bounds."""

PAIR, ROWS = "pair", "data.rows"

NEVER = 1e12
"""Stands for infinitely many iterations."""

iterations, censored = (
    scalar("balanced", name, over=(PAIR, "seed"), group="arm") for name in ("iterations", "censored")
)
counted = (iterations + NEVER * censored).median("seed")
"""By pair and arm, the median count over subsamples, where a censored run counts as infinitely many."""

small = counted.only(arm=("lr_0p001", "lr_0p01", "lr_0p1")).min("arm")
large = counted.only(arm=("lr_1", "lr_10", "lr_100")).min("arm")
"""By pair, the smallest median count of the step sizes below 1, and of those from 1 on."""

peak = scalar("balanced", "loss/peak", over=PAIR, group="arm", reduce="median")
"""By pair and arm, the median over subsamples of the largest loss before separation."""


def log_ratio(experiment: str, over: tuple[str, ...] = (PAIR, "seed"), group: tuple[str, ...] = ()) -> Measure:
    """By pair, the mean over subsamples of log(iterations of plain descent / of normalised descent), gamma = 100.

    A censored run enters as its cap.
    """
    plain, normalised = (scalar(experiment, "iterations", arm, over, group) for arm in ("lr_100", "nlr_100"))
    return (plain / normalised).log().mean("seed")


@function(*log_ratio("balanced").reads)
def ends(results: Results) -> Values:
    """The ends of the 95 % interval of the mean log-ratio."""
    values = log_ratio("balanced")(results)
    if len(values) < 2:
        return []
    found = statistics.mean_interval([v.value for v in values])
    runs = tuple(sorted(run for v in values for run in v.runs))
    return [Value("all pairs", end, runs, name) for name, end in (("from", found.low), ("to", found.high))]


def of_bound(experiment: str, arm: str) -> Measure:
    """Iterations over the theorem's bound for each run that got there, with the margin's lower bound for mu."""
    sets, kind = ("worst_case_margin", None) if experiment == "worst_case" else ("image_margin", experiment)

    @function(Read(experiment, arms=(arm,)), Read(sets, arms=kind and (kind,)))
    def measure(results: Results) -> Values:
        runs, margins = results.of(experiment, arm=arm), results.of(sets, arm=kind)
        if runs.is_empty() or margins.is_empty():
            return []
        keys = [key for key in (PAIR, ROWS, "seed") if key in runs.columns and key in margins.columns]
        found = []
        for row in runs.join(margins, on=keys).sort(keys).iter_rows(named=True):
            if row["censored"] == 0 and row["margin/lower_bound"] > 0:
                bound = BOUNDED[arm].bound(int(row["margin/rows"]), row["margin/radius"], row["margin/lower_bound"])
                label = f"{row[PAIR]}, seed={row['seed']}" if PAIR in row else f"n={row[ROWS]}"
                found.append(Value(label, row["iterations"] / bound, (row["signature"], row["signature_right"])))
        return found

    return measure.called(f"iterations / bound, {experiment}, {arm}")


def counts(experiment: str) -> list[Condition]:
    """Mean over pairs of the median counts, and the share of censored runs, of every arm."""
    arms = (*LR, *BOUNDED)
    medians = table(experiment, ["iterations"], arms, over=PAIR, reduce="median")
    return medians + table(experiment, {"censored": "share censored"}, arms)


COUNTS = {"nlr_100": 2, "nlr_10": 2, "nlr_1": 16, "nlr_0.1": 157, "lr_100": 308, "lr_1e4": 301, "bp": 301}
"""Iterations on the worst case of a thousand rows."""

GROWTH = {125: 115, 250: 129, 500: 143, 1000: 157, 2000: 171, 4000: 185}
"""Iterations of normalised descent with gamma = 0.1 on the worst case by n: 14 more for twice the rows."""

growth = scalar("worst_case", "iterations", "nlr_0p1", over=ROWS)
power = slope("worst_case", ROWS, "iterations", "bp", per=(), log=True)

CHECKS = [
    Check(
        "1",
        "Worst case, n = 1000: the counts of N-LR+GD at gamma = 100, 10, 1, 0.1 and of LR+GD at 100 equal 2, 2, 16, "
        "157 and 308; BP and LR+GD at 1e4 both need 301.",
        ["C8"],
        Exact([exact("1", name).equals(count) for name, count in COUNTS.items()]),
        unit="count",
    ),
    Check(
        "2",
        "Worst case, n = 125 to 4000: the slope of log(iterations) on log(n) is in [0.95, 1.05] for BP; N-LR+GD needs "
        "2 iterations at every n with gamma = 100, and 115, 129, 143, 157, 171, 185 (each +-1) with gamma = 0.1, 14 "
        "more for each doubling.",
        ["C5"],
        Exact(
            [
                power.called("slope of BP").within(0.95, 1.05),
                scalar("worst_case", "iterations", "nlr_100", over=ROWS).called("N-LR+GD, 100").equals(2),
                *(
                    growth.only(data__rows=n).called(f"N-LR+GD, 0.1, n = {n}").within(count - 1, count + 1)
                    for n, count in GROWTH.items()
                ),
            ]
        ),
        unit="n",
    ),
    Check(
        "3",
        "Gaussian set: with e(gamma) the largest norm(theta_t/gamma - th_t)/norm(th_t) over 1 <= t <= min(30, T_BP), "
        "e(1e8) < 1e-6 and e(1e8) < 1e-3 e(1e2) for 5/5 seeds.",
        ["C1"],
        Exact(
            [
                scalar("limit", "limit/error_1e8").called("e(1e8)") < 1e-6,
                scalar("limit", "limit/fall").called("e(1e8)/e(1e2)") < 1e-3,
            ]
        ),
    ),
    Check(
        "3r",
        "Step by step: e(gamma) at the gammas between, and the draws that were replaced.",
        ["C1"],
        Report(
            table(
                "limit",
                {f"limit/error_1e{exponent}": f"e(1e{exponent})" for exponent in range(2, 9)}
                | {"limit/redraws": "draws replaced", "limit/perceptron_steps": "T_BP"},
            )
        ),
    ),
    Check(
        "4",
        "At gamma = 1000: f(theta_1) = 125 +- 1e-9 (= gamma/8), f(theta_2) < 1e-10, norm(grad f(theta_1)) within 1e-6 "
        "of sqrt(2)/2, theta_2/gamma within 1e-6 of (1, 0.25), which separates.",
        ["C4"],
        Exact(
            [
                exact("4", "first_loss_error", "f(theta_1) - 125") <= 1e-9,
                exact("4", "second_loss", "f(theta_2)") < 1e-10,
                exact("4", "first_gradient_error", "norm(grad f(theta_1)) - sqrt(2)/2") <= 1e-6,
                exact("4", "second_gradient", "norm(grad f(theta_2))") < 1e-6,
                exact("4", "direction_error", "theta_2/gamma - (1, 0.25)") <= 1e-6,
                exact("4", "least_product", "least z . theta_2/gamma") > 0,
            ]
        ),
        unit="number",
    ),
    Check(
        "5a",
        "No run exceeds its bound: 300 tiny Gaussian sets with the exact mu, iterations over the bound (tolerance "
        "1e-9).",
        ["C2", "C6", "C7"],
        Exact(
            [
                exact("5a", name, f"iterations / bound, {name}") <= 1 + 1e-9
                for name in ("bp", "nbp", "perceptron", "nlr_0.1", "nlr_1", "nlr_10", "nlr_100")
            ]
        ),
        unit="method",
    ),
    Check(
        "5b",
        "No run exceeds its bound with mu replaced by mu_lb, the margin of a separator that a linear program finds: "
        "worst case and images. Censored runs are skipped.",
        ["C2", "C6", "C7"],
        Exact(
            [
                of_bound(experiment, arm) <= 1 + 1e-9
                for experiment in ("worst_case", "balanced", "imbalanced")
                for arm in BOUNDED
            ]
        ),
        unit="run",
    ),
    Check(
        "6",
        "Fashion-MNIST, balanced: iterations to separate at gamma = 10 are fewer than at gamma = 0.1 in >= 4/5 pairs "
        "(medians over subsamples) and the largest loss before separation is larger in the same pairs. A censored run "
        "counts as infinitely many; both censored does not hold.",
        ["C3"],
        Count(
            [
                (counted.at(arm="lr_10") - counted.at(arm="lr_0p1")).called("iterations, gamma = 10 - gamma = 0.1") < 0,
                (peak.at(arm="lr_10") - peak.at(arm="lr_0p1")).called("largest loss, gamma = 10 - gamma = 0.1") > 0,
            ],
            need=4,
        ),
        unit="pair",
    ),
    Check(
        "6b",
        "Fashion-MNIST, balanced: the smallest median count of the six gammas is at 1, 10 or 100 in >= 4/5 pairs.",
        ["C3"],
        Count((large - small).called("fewest iterations, gamma >= 1 - gamma < 1") < 0, need=4),
        unit="pair",
    ),
    Check(
        "6r",
        "The largest loss before separation over gamma: it grows with gamma nearly by construction.",
        ["C3"],
        Report([(peak.at(arm=arm) / gamma).called(f"max f/gamma, {arm}").shown() for arm, gamma in LR.items()]),
        unit="pair",
    ),
    Check(
        "7",
        "Fashion-MNIST, imbalanced: log(iterations of LR+GD, gamma = 100 / of N-LR+GD, gamma = 100), mean over the "
        "subsamples of a pair, is above 0 (paired t over 5 pairs).",
        ["C9"],
        Interval(log_ratio("imbalanced").called("log(LR+GD / N-LR+GD)") > 0),
        unit="pair",
    ),
    Check(
        "8",
        "Fashion-MNIST, balanced: the median over pairs of the same log-ratio is <= 0.2.",
        ["C10"],
        Count(log_ratio("balanced").median().called("median of log(LR+GD / N-LR+GD)") <= 0.2),
        unit="all pairs",
    ),
    Check(
        "8r",
        "The balanced log-ratio by pair, and the interval of its mean over pairs (paired t).",
        ["C10"],
        Report(
            [
                log_ratio("balanced", ("seed",), (PAIR,)).called("log ratio").shown(),
                ends.called("95 % of the mean").shown(),
            ]
        ),
        unit="pair",
    ),
    Check(
        "7r",
        "Median iterations by arm, mean over pairs, and censored runs: balanced.",
        ["C10"],
        Report(counts("balanced")),
        unit="pair",
    ),
    Check(
        "7s",
        "Median iterations by arm, mean over pairs, and censored runs: imbalanced.",
        ["C9"],
        Report(counts("imbalanced")),
        unit="pair",
    ),
    Check(
        "9",
        "Independent reference: the gradient of f by automatic differentiation equals the closed form, and beta_t grad "
        "f the weighted mean, both to 1e-12 of its norm, at theta = 0 and 20 random theta of norm 1 and 100; u by the "
        "Gram matrix equals Z theta to 1e-9 of the largest |u| over 20 steps.",
        [],
        Exact(
            [
                exact("9", "gradient_error", "gradient - autograd") <= 1e-12,
                exact("9", "normalized_error", "weighted mean - beta autograd") <= 1e-12,
                exact("9", "gram_error", "Gram form - Z theta") <= 1e-9,
            ]
        ),
        unit="number",
    ),
]
