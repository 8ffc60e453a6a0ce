"""What the paper claims, and the checks that were registered before any run.

Iterations are counted to separation; a run that does not get there is censored at its cap. On images the unit is the
pair of classes: the five subsamples of a pair are not independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

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
    above,
    at_least,
    at_most,
    below,
    between,
    exact,
    function,
    scalar,
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

PAIRS, ROWS = "pair", "data.rows"


def runs(results: Results, experiment: str, arm: str) -> list[dict[str, Any]]:
    """The rows of an arm's finished runs, by pair and seed."""
    frame = results.of(experiment, arm=arm)
    if frame.is_empty() or "iterations" not in frame.columns:
        return []
    keys = [key for key in (PAIRS, ROWS, "seed") if key in frame.columns]
    return list(frame.drop_nulls("iterations").sort(keys).iter_rows(named=True))


def by_pair(
    results: Results, experiment: str, arm: str, value: Callable[[dict[str, Any]], float]
) -> dict[str, tuple[dict[int, float], list[str]]]:
    """For each pair, the values of its subsamples by seed, and their runs."""
    found: dict[str, tuple[dict[int, float], list[str]]] = {}
    for row in runs(results, experiment, arm):
        values, signatures = found.setdefault(str(row[PAIRS]), ({}, []))
        values[row["seed"]] = value(row)
        signatures.append(str(row["signature"]))
    return found


def count(row: dict[str, Any]) -> float:
    """Iterations, infinitely many for a censored run."""
    return math.inf if row["censored"] else float(row["iterations"])


def medians_less(faster: str, slower: str, value: Callable[[dict[str, Any]], float]) -> Measure:
    """By pair, the median over subsamples of one arm less that of another; NaN where both are infinite."""

    @function(Read("balanced", arms=(faster, slower)))
    def measure(results: Results) -> Values:
        one, other = (by_pair(results, "balanced", arm, value) for arm in (faster, slower))
        return [
            Value(pair, _median(one[pair][0]) - _median(other[pair][0]), tuple(sorted(one[pair][1] + other[pair][1])))
            for pair in one
            if pair in other
        ]

    return measure


def _median(values: dict[int, float]) -> float:
    return float(np.median(list(values.values())))


@function(Read("balanced", arms=tuple(LR)))
def fastest_step(results: Results) -> Values:
    """By pair, the step size of plain descent with the smallest median count; the smaller one of equals."""
    medians: dict[str, list[tuple[float, float]]] = {}
    signatures: dict[str, list[str]] = {}
    for arm, gamma in LR.items():
        for pair, (values, names) in by_pair(results, "balanced", arm, count).items():
            medians.setdefault(pair, []).append((_median(values), gamma))
            signatures.setdefault(pair, []).extend(names)
    return [
        Value(pair, min(found)[1] if math.isfinite(min(found)[0]) else math.nan, tuple(sorted(signatures[pair])))
        for pair, found in medians.items()
    ]


def log_ratio(experiment: str) -> Measure:
    """By pair, the mean over subsamples of log(iterations of plain descent / of normalised descent), gamma = 100.

    A censored run enters as its cap.
    """

    @function(Read(experiment, arms=("lr_100", "nlr_100")))
    def measure(results: Results) -> Values:
        plain, normalised = (
            by_pair(results, experiment, arm, lambda row: float(row["iterations"])) for arm in ("lr_100", "nlr_100")
        )
        found = []
        for pair in plain:
            if pair in normalised and plain[pair][0].keys() == normalised[pair][0].keys():
                ratios = [math.log(plain[pair][0][seed] / normalised[pair][0][seed]) for seed in plain[pair][0]]
                found.append(Value(pair, float(np.mean(ratios)), tuple(sorted(plain[pair][1] + normalised[pair][1]))))
        return found

    return measure


def median_over_pairs(measure: Measure) -> Measure:
    """The median of a measure's values as one value."""

    @function(*measure.reads)
    def reduced(results: Results) -> Values:
        values = measure(results)
        if not values:
            return []
        names = tuple(sorted(name for v in values for name in v.runs))
        return [Value("all pairs", float(np.median([v.value for v in values])), names)]

    return reduced


def each(measure: Measure) -> Measure:
    """A measure's values, each in a group of its own, so that a report lists them."""
    return function(*measure.reads)(lambda results: [replace(v, group=v.unit) for v in measure(results)])


def interval_end(measure: Measure, end: Literal["low", "high"]) -> Measure:
    """One end of the 95 % interval of a measure's mean."""

    @function(*measure.reads)
    def reduced(results: Results) -> Values:
        values = measure(results)
        if len(values) < 2:
            return []
        found = getattr(statistics.mean_interval([v.value for v in values]), end)
        return [Value("all pairs", found, tuple(sorted(name for v in values for name in v.runs)))]

    return reduced


def of_bound(experiment: str, arm: str) -> Measure:
    """Iterations over the theorem's bound for each run that got there, with the margin's lower bound for mu."""
    margins = "worst_case_margin" if experiment == "worst_case" else "image_margin"

    @function(Read(experiment, arms=(arm,)), margins)
    def measure(results: Results) -> Values:
        known = _margins(results, experiment)
        found = []
        for row in runs(results, experiment, arm):
            where = known.get((row.get(PAIRS), row.get(ROWS), row["seed"]))
            if where is not None and where["margin/lower_bound"] > 0 and not row["censored"]:
                bound = BOUNDED[arm].bound(
                    int(where["margin/rows"]), where["margin/radius"], where["margin/lower_bound"]
                )
                label = f"{row[PAIRS]}, seed={row['seed']}" if PAIRS in row else f"n={row[ROWS]}"
                signatures = (str(row["signature"]), where["signature"])
                found.append(Value(label, float(row["iterations"]) / bound, signatures))
        return found

    return measure


def _margins(results: Results, experiment: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """R and mu of an experiment's data sets by pair, number of rows and seed."""
    if experiment == "worst_case":
        frame = results.of("worst_case_margin")
    else:
        frame = results.of("image_margin", arm=experiment)
    return {(row.get(PAIRS), row.get(ROWS), row["seed"]): row for row in frame.iter_rows(named=True)}


def slope_in_rows(arm: str) -> Measure:
    """The least-squares slope of log iterations on log n on the worst case."""

    @function(Read("worst_case", arms=(arm,)))
    def measure(results: Results) -> Values:
        rows = [row for row in runs(results, "worst_case", arm) if not row["censored"]]
        if len(rows) < 3:
            return []
        x, y = ([float(row[key]) for row in rows] for key in (ROWS, "iterations"))
        slope = np.polyfit(np.log(x), np.log(y), 1)[0]
        return [Value("n = 125 to 4000", float(slope), tuple(sorted(str(row["signature"]) for row in rows)))]

    return measure


def at_rows(arm: str, n: int) -> Measure:
    """Iterations on the worst case of n rows."""
    return scalar("worst_case", "iterations", arm, over=ROWS, data__rows=n)


def peak_over_step(arm: str) -> Measure:
    """By pair, the median over subsamples of the largest loss before separation, divided by the step size."""

    @function(Read("balanced", arms=(arm,)))
    def measure(results: Results) -> Values:
        found = by_pair(results, "balanced", arm, lambda row: float(row["loss/peak"]) / LR[arm])
        return [Value(pair, _median(values), tuple(sorted(names))) for pair, (values, names) in found.items()]

    return measure


def counts(experiment: str) -> list[Condition]:
    """Mean over pairs of the median counts, and the number of censored runs, of every arm."""

    def medians(arm: str) -> Measure:
        @function(Read(experiment, arms=(arm,)))
        def measure(results: Results) -> Values:
            found = by_pair(results, experiment, arm, lambda row: float(row["iterations"]))
            return [Value(pair, _median(values), tuple(sorted(names))) for pair, (values, names) in found.items()]

        return measure

    arms = [*LR, *BOUNDED]
    return [
        *(Condition(medians(arm), at_least(0), f"iterations, {arm}") for arm in arms),
        *(Condition(scalar(experiment, "censored", arm), at_least(0), f"share censored, {arm}") for arm in arms),
    ]


GROWTH = dict(zip((125, 250, 500, 1000, 2000, 4000), (115, 129, 143, 157, 171, 185), strict=True))
"""Iterations of normalised descent with gamma = 0.1 on the worst case: 14 more for twice the rows."""

LIMIT = "limit/error_1e8"

CHECKS = [
    Check(
        "1",
        "Worst case, n = 1000: the counts of N-LR+GD at gamma = 100, 10, 1, 0.1 and of LR+GD at 100 equal 2, 2, 16, "
        "157 and 308; BP and LR+GD at 1e4 both need 301.",
        serves=["C8"],
        kind=Exact(
            [
                Condition(exact("1", name), between(expected, expected), name)
                for name, expected in (
                    ("nlr_100", 2),
                    ("nlr_10", 2),
                    ("nlr_1", 16),
                    ("nlr_0.1", 157),
                    ("lr_100", 308),
                    ("lr_1e4", 301),
                    ("bp", 301),
                )
            ]
        ),
        unit="count",
    ),
    Check(
        "2",
        "Worst case, n = 125 to 4000: the slope of log(iterations) on log(n) is in [0.95, 1.05] for BP; N-LR+GD needs "
        "2 iterations at every n with gamma = 100, and 115, 129, 143, 157, 171, 185 (each +-1) with gamma = 0.1, 14 "
        "more for each doubling.",
        serves=["C5"],
        kind=Exact(
            [
                Condition(slope_in_rows("bp"), between(0.95, 1.05), "slope of BP"),
                Condition(scalar("worst_case", "iterations", "nlr_100", over=ROWS), between(2, 2), "N-LR+GD, 100"),
                *(
                    Condition(at_rows("nlr_0p1", n), between(expected - 1, expected + 1), f"N-LR+GD, 0.1, n = {n}")
                    for n, expected in GROWTH.items()
                ),
            ]
        ),
        unit="n",
    ),
    Check(
        "3",
        "Gaussian set: with e(gamma) the largest norm(theta_t/gamma - th_t)/norm(th_t) over 1 <= t <= min(30, T_BP), "
        "e(1e8) < 1e-6 and e(1e8) < 1e-3 e(1e2) for 5/5 seeds.",
        serves=["C1"],
        kind=Exact(
            [
                Condition(scalar("limit", LIMIT), below(1e-6), "e(1e8)"),
                Condition(scalar("limit", "limit/fall"), below(1e-3), "e(1e8)/e(1e2)"),
            ]
        ),
    ),
    Check(
        "3r",
        "Step by step: e(gamma) at the gammas between, and the draws that were replaced.",
        serves=["C1"],
        kind=Report(
            [
                *(
                    Condition(scalar("limit", f"limit/error_1e{exponent}"), at_least(0), f"e(1e{exponent})")
                    for exponent in range(2, 9)
                ),
                Condition(scalar("limit", "limit/redraws"), at_least(0), "draws replaced"),
                Condition(scalar("limit", "limit/perceptron_steps"), at_least(0), "T_BP"),
            ]
        ),
    ),
    Check(
        "4",
        "At gamma = 1000: f(theta_1) = 125 +- 1e-9 (= gamma/8), f(theta_2) < 1e-10, norm(grad f(theta_1)) within 1e-6 "
        "of sqrt(2)/2, theta_2/gamma within 1e-6 of (1, 0.25), which separates.",
        serves=["C4"],
        kind=Exact(
            [
                Condition(exact("4", "first_loss_error"), at_most(1e-9), "f(theta_1) - 125"),
                Condition(exact("4", "second_loss"), below(1e-10), "f(theta_2)"),
                Condition(exact("4", "first_gradient_error"), at_most(1e-6), "norm(grad f(theta_1)) - sqrt(2)/2"),
                Condition(exact("4", "second_gradient"), below(1e-6), "norm(grad f(theta_2))"),
                Condition(exact("4", "direction_error"), at_most(1e-6), "theta_2/gamma - (1, 0.25)"),
                Condition(exact("4", "least_product"), above(0), "least z . theta_2/gamma"),
            ]
        ),
        unit="number",
    ),
    Check(
        "5a",
        "No run exceeds its bound: 300 tiny Gaussian sets with the exact mu, iterations over the bound (tolerance "
        "1e-9).",
        serves=["C2", "C6", "C7"],
        kind=Exact(
            [
                Condition(exact("5a", name), at_most(1 + 1e-9), f"iterations / bound, {name}")
                for name in ("bp", "nbp", "perceptron", "nlr_0.1", "nlr_1", "nlr_10", "nlr_100")
            ]
        ),
        unit="method",
    ),
    Check(
        "5b",
        "No run exceeds its bound with mu replaced by mu_lb, the margin of a separator that a linear program finds: "
        "worst case and images. Censored runs are skipped.",
        serves=["C2", "C6", "C7"],
        kind=Exact(
            [
                Condition(of_bound(experiment, arm), at_most(1 + 1e-9), f"iterations / bound, {experiment}, {arm}")
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
        serves=["C3"],
        kind=Count(
            [
                Condition(medians_less("lr_10", "lr_0p1", count), below(0), "iterations, gamma = 10 - gamma = 0.1"),
                Condition(
                    medians_less("lr_10", "lr_0p1", lambda row: float(row["loss/peak"])),
                    above(0),
                    "largest loss, gamma = 10 - gamma = 0.1",
                ),
            ],
            need=4,
        ),
        unit="pair",
    ),
    Check(
        "6b",
        "Fashion-MNIST, balanced: the smallest median count of the six gammas is at 1, 10 or 100 in >= 4/5 pairs.",
        serves=["C3"],
        kind=Count([Condition(fastest_step, between(1, 100), "fastest gamma")], need=4),
        unit="pair",
    ),
    Check(
        "6r",
        "The largest loss before separation over gamma: it grows with gamma nearly by construction.",
        serves=["C3"],
        kind=Report([Condition(peak_over_step(arm), at_least(0), f"max f/gamma, {arm}") for arm in LR]),
        unit="pair",
    ),
    Check(
        "7",
        "Fashion-MNIST, imbalanced: log(iterations of LR+GD, gamma = 100 / of N-LR+GD, gamma = 100), mean over the "
        "subsamples of a pair, is above 0 (paired t over 5 pairs).",
        serves=["C9"],
        kind=Interval(log_ratio("imbalanced"), above(0), name="log(LR+GD / N-LR+GD)"),
        unit="pair",
    ),
    Check(
        "8",
        "Fashion-MNIST, balanced: the median over pairs of the same log-ratio is <= 0.2.",
        serves=["C10"],
        kind=Count(
            [Condition(median_over_pairs(log_ratio("balanced")), at_most(0.2), "median of log(LR+GD / N-LR+GD)")]
        ),
        unit="all pairs",
    ),
    Check(
        "8r",
        "The balanced log-ratio by pair, and the interval of its mean over pairs (paired t).",
        serves=["C10"],
        kind=Report(
            [
                Condition(each(log_ratio("balanced")), at_most(math.inf), "log ratio"),
                Condition(interval_end(log_ratio("balanced"), "low"), at_most(math.inf), "95 % of the mean, from"),
                Condition(interval_end(log_ratio("balanced"), "high"), at_most(math.inf), "95 % of the mean, to"),
            ]
        ),
        unit="pair",
    ),
    Check(
        "7r",
        "Median iterations by arm, mean over pairs, and censored runs: balanced.",
        serves=["C10"],
        kind=Report(counts("balanced")),
        unit="pair",
    ),
    Check(
        "7s",
        "Median iterations by arm, mean over pairs, and censored runs: imbalanced.",
        serves=["C9"],
        kind=Report(counts("imbalanced")),
        unit="pair",
    ),
    Check(
        "9",
        "Independent reference: the gradient of f by automatic differentiation equals the closed form, and beta_t grad "
        "f the weighted mean, both to 1e-12 of its norm, at theta = 0 and 20 random theta of norm 1 and 100; u by the "
        "Gram matrix equals Z theta to 1e-9 of the largest |u| over 20 steps.",
        serves=[],
        kind=Exact(
            [
                Condition(exact("9", "gradient_error"), at_most(1e-12), "gradient - autograd"),
                Condition(exact("9", "normalized_error"), at_most(1e-12), "weighted mean - beta autograd"),
                Condition(exact("9", "gram_error"), at_most(1e-9), "Gram form - Z theta"),
            ]
        ),
        unit="number",
    ),
]
