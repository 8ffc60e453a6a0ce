"""What the paper claims, and the checks registered for it before any run.

The paper's tables could not be read; its figures are quoted from reading notes of others and marked as second-hand.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from assay.claims import (
    Amendment,
    Bound,
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
    difference,
    exact,
    function,
    scalar,
)
from assay.results import Results
from assay.statistics import mean_interval

STANDS_FOR = {"desk": "20 epochs of an MLP on Fashion-MNIST for ResNet-50 on ImageNet"}

CLAIMS = [
    Claim(
        "C1",
        "SAM and its relatives cost about twice the base optimizer",
        source="introduction",
        paper_says="second-hand: SAM 2.0 times, ESAM 1.3 times",
    ),
    Claim(
        "C2",
        "SAF costs almost nothing beyond SGD, MESA about 15 %",
        source="tables (unread)",
        paper_says="second-hand: SAF 1.0 times (99 % of SGD's images a second), MESA 1.15 times (85 %)",
    ),
    Claim(
        "C3",
        "SAF beats SAM on ImageNet at SGD's cost",
        source="tables (unread)",
        paper_says="second-hand, ResNet-50, top-1: SGD 76.0, SAM 76.9, ESAM 77.1, SAF 77.8, MESA 77.5",
    ),
    Claim(
        "C4",
        "The trajectory loss measures how fast the training loss changes and acts like SAM's sharpness",
        source="derivation and figures",
    ),
    Claim("C5", "SAF converges to flat minima, as SAM does", source="plots of sharpness and of the landscape"),
    Claim("C6", "SAF generalises better than the base optimizer", source="tables (unread)"),
]

NOISY = {"noise": "noisy"}
CLEAN = {"noise": "clean"}
NAMES = {
    "sgd": "SGD",
    "sam": "SAM",
    "saf": "SAF, λ = 0.3",
    "saf_1": "SAF, λ = 1",
    "mesa": "MESA",
    "smooth": "label smoothing",
}
LAMBDA_MAX, ACCURACY = "sharpness/lambda_max", "test/accuracy"


# -- measures ---------------------------------------------------------------------------------------------------------


def log_flatter(arm: str) -> Measure:
    """log lambda_max of an arm minus that of SGD by seed: at noise 0.2, and averaged over both levels ("pooled")."""

    def logs(results: Results, arm: str) -> dict[tuple[str, str], Value]:
        values = scalar("fashion", LAMBDA_MAX, arm, group="noise")(results)
        return {(v.group, v.unit): replace(v, value=math.log(v.value) if v.value > 0 else math.nan) for v in values}

    @function(Read("fashion", arms=(arm, "sgd")), over="seed")
    def measure(results: Results) -> Values:
        own, base = logs(results, arm), logs(results, "sgd")
        gaps = {
            key: Value(key[1], v.value - base[key].value, v.runs + base[key].runs)
            for key, v in own.items()
            if key in base
        }
        noisy = {seed: gap for (group, seed), gap in gaps.items() if group == "noise=noisy"}
        clean = {seed: gap for (group, seed), gap in gaps.items() if group == "noise=clean"}
        found = [replace(gap, group="noise 0.2") for gap in noisy.values()]
        for seed, gap in noisy.items():
            if seed in clean:
                mean = (gap.value + clean[seed].value) / 2
                found.append(Value(seed, mean, gap.runs + clean[seed].runs, "pooled"))
        return found

    return measure


def lead(arm: str, over: str, **where: str) -> Measure:
    """Test accuracy of an arm minus that of another by seed."""
    return difference(
        scalar("fashion", ACCURACY, arm, **where),
        scalar("fashion", ACCURACY, over, **where),
    )


COURSE = Read("fashion", arms=("sgd",), levels=(("noise", ("noisy",)),))


def course(results: Results) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64], str]]:
    """By seed of SGD at noise 0.2: KL_e and S_rho before the first step of epoch e, for every e that has both; the run.

    KL_e stands on the curve at the end of epoch e, S_rho at the start of every epoch.
    """
    kl, sharp = (results.curve("fashion", name, "sgd", **NOISY) for name in ("trajectory/kl", "sharpness/s_rho"))
    found = {}
    for (seed,), part in sharp.group_by("seed") if len(sharp) else ():
        at = dict(part.select("step", "value").iter_rows())
        epoch = min(step for step in at if step > 0)
        rows = kl.filter(pl.col("seed") == seed).sort("step").select("step", "value").rows()
        pairs = [(value, at[step - epoch]) for step, value in rows if step - epoch in at]
        if len(pairs) > 3:
            x, y = np.array(pairs).T
            found[str(seed)] = (x, y, part["signature"][0])
    return found


@function(COURSE, over="seed")
def spearman(results: Results) -> Values:
    """Spearman's rho of KL_e and S_rho over epochs, by seed."""
    return [
        Value(seed, float(stats.spearmanr(x, y).statistic), (run,)) for seed, (x, y, run) in course(results).items()
    ]


@function(COURSE, over="seed")
def partial_spearman(results: Results) -> Values:
    """The same given e: Pearson's correlation of what is left of the ranks after a line in e, by seed.

    Missing where ranks follow e exactly: nothing is left but rounding, and the correlation would be 0/0.
    """
    found = []
    for seed, (x, y, run) in course(results).items():
        e = np.arange(len(x), dtype=float)
        left = [_residuals(stats.rankdata(series), e) for series in (x, y)]
        value = float(np.corrcoef(*left)[0, 1])
        if math.isfinite(value):
            found.append(Value(seed, value, (run,)))
    return found


def _residuals(values: NDArray[np.float64], e: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a line in e leaves of values; not numbers where that is rounding."""
    left = values - np.polyval(np.polyfit(e, values, 1), e)
    return left if left.std() > 1e-9 * np.abs(values).max() else np.full_like(left, np.nan)


def flatter_at_equal_loss(arm: str) -> Measure:
    """log lambda_max of an arm at its end minus that of SGD at the epoch whose training cross entropy is nearest."""

    @function(Read("fashion", arms=(arm, "sgd"), levels=COURSE.levels), over="seed")
    def measure(results: Results) -> Values:
        ends = results.of("fashion", arm=arm)
        if ends.is_empty() or LAMBDA_MAX not in ends.columns:
            return []
        found = []
        for row in ends.filter(pl.col("noise") == "noisy").sort("seed").iter_rows(named=True):
            where = {**NOISY, "seed": row["seed"]}
            series = [results.curve("fashion", name, "sgd", **where) for name in ("train/probe", LAMBDA_MAX)]
            if any(one.is_empty() for one in series):
                continue
            both = series[0].join(series[1], on="step", suffix="_lambda")
            near = both.sort((pl.col("value") - row["train/probe"]).abs()).row(0, named=True)
            if row[LAMBDA_MAX] > 0 and near["value_lambda"] > 0:
                gap = math.log(row[LAMBDA_MAX] / near["value_lambda"])
                found.append(Value(str(row["seed"]), gap, (row["signature"], near["signature"])))
        return found

    return measure


@function(Read("fashion", arms=("mesa", "sgd"), levels=COURSE.levels))
def share_of_average(results: Results) -> Values:
    """(EMA of SGD - SGD)/(MESA - SGD) in mean accuracy at noise 0.2, where the interval of MESA's gain is above 0."""
    gain = lead("mesa", "sgd", **NOISY)(results)
    if len(gain) < 2 or not mean_interval([v.value for v in gain]).low > 0:
        return []
    average = difference(scalar("fashion", "ema/accuracy", "sgd", **NOISY), scalar("fashion", ACCURACY, "sgd", **NOISY))
    own = average(results)
    share = sum(v.value for v in own) / sum(v.value for v in gain)
    return [Value("all seeds", share, tuple(run for v in (*own, *gain) for run in v.runs))]


def ratio(method: str, net: str) -> Measure:
    """Median time of a step over that of SGD."""
    return scalar("cost", f"time/ratio/{method}", net=net)


def each(name: str, text: str, bound: Bound, arms: tuple[str, ...] = tuple(NAMES), **where: str) -> list[Condition]:
    """A scalar of every arm, for a report."""
    return [Condition(scalar("fashion", name, arm, **where), bound, f"{text}, {NAMES[arm]}") for arm in arms]


PASSES = {"sgd": (1, 1), "saf": (1, 1), "mesa": (2, 1), "sam": (2, 2)}
"""Forward and backward passes a step."""

CHECKS = [
    Check(
        "1",
        "Double precision: the gradient of L_tra is lambda tau (softmax(out/tau) - softmax(ref/tau))/|B| to 1e-6; "
        "L_tra and its gradient are 0 where ref = out. With lambda = 0, after 50 steps (512 samples, batch 128, "
        "E_start = 2, Etilde = 2, the term evaluated 38 times), SAF's weights equal SGD's bit for bit",
        serves=[],
        kind=Exact(
            [
                Condition(exact("1", "gradient"), at_most(1e-6), "gradient"),
                Condition(exact("1", "same_loss"), at_most(1e-15), "loss at ref = out"),
                Condition(exact("1", "same_gradient"), at_most(1e-15), "gradient at ref = out"),
                Condition(exact("1", "different"), at_most(0), "weights that differ"),
                Condition(exact("1", "evaluated"), between(38, 38), "evaluations of the term"),
            ]
        ),
        unit="case",
    ),
    Check(
        "2",
        "Outputs that say their epoch are read back as e - Etilde in every epoch e >= Etilde, in shuffled order and "
        "with batches that do not divide the samples; before, as not a number",
        serves=[],
        kind=Exact(
            [
                Condition(exact("2", "error"), at_most(0), "|read - (e - Etilde)|"),
                Condition(exact("2", "unread"), at_most(0), "numbers read before they were written"),
            ]
        ),
        unit="case",
    ),
    Check(
        "3a",
        "Forward and backward passes a step: SGD and SAF 1/1, MESA 2/1, SAM 2/2",
        serves=["C1", "C2"],
        kind=Exact(
            [
                Condition(exact("3", f"{method}_{way}"), between(count, count), f"{method} {way}")
                for method, counts in PASSES.items()
                for way, count in zip(("forward", "backward"), counts, strict=True)
            ]
        ),
        unit="step",
    ),
    Check(
        "3b",
        "MLP 784-1024-1024-10, batch 256, one thread, single precision, synthetic input, methods in turns in blocks of "
        "20 steps, the first block dropped, medians of 100 steps: SAF/SGD <= 1.15, MESA/SGD <= 1.5",
        serves=["C2"],
        kind=Exact(
            [
                Condition(ratio("saf", "wide"), at_most(1.15), "SAF/SGD"),
                Condition(ratio("mesa", "wide"), at_most(1.5), "MESA/SGD"),
            ]
        ),
        unit="process",
    ),
    Check(
        "3c",
        "The same run: SAM/SGD in [1.6, 2.4]",
        serves=["C1"],
        kind=Exact([Condition(ratio("sam", "wide"), between(1.6, 2.4), "SAM/SGD")]),
        unit="process",
    ),
    Check(
        "3r",
        "Seconds for an epoch of 8,000 samples, data and augmentation apart; and the ratios for the desk's own network "
        "(784-256-128-10, batch 128), where calls cost as much as arithmetic",
        serves=["C1", "C2"],
        kind=Report(
            [
                *(
                    Condition(scalar("cost", f"time/epoch/{m}", net="wide"), at_most(math.inf), f"s an epoch, {m}")
                    for m in PASSES
                ),
                *(Condition(ratio(m, "desk"), at_most(math.inf), f"{m}/sgd, small network") for m in PASSES),
            ]
        ),
        unit="process",
    ),
    Check(
        "4a",
        "log lambda_max(SAF, lambda = 1) - log lambda_max(SGD), paired over 10 seeds: below 0 with 95 % confidence at "
        "noise 0.2, and averaged over both noise levels",
        serves=["C5"],
        kind=Interval(log_flatter("saf_1"), below(0), name="log lambda_max, SAF minus SGD"),
    ),
    Check(
        "4b",
        "The same for SAM",
        serves=["C5"],
        kind=Interval(log_flatter("sam"), below(0), name="log lambda_max, SAM minus SGD"),
    ),
    Check(
        "4c",
        "Power iteration finds the eigenvalue of largest size; it is positive in every run",
        serves=[],
        kind=Exact([Condition(scalar("fashion", LAMBDA_MAX, over=("arm", "noise", "seed")), above(0), "lambda_max")]),
        unit="run",
    ),
    Check(
        "4r",
        "Noise 0.2: lambda_max and S_rho of every arm; SAF at lambda = 0.3; and flatness against SGD at the epoch with "
        "the nearest training cross entropy, since the Hessian grows with the logits",
        serves=["C5"],
        kind=Report(
            [
                *each(LAMBDA_MAX, "lambda_max", at_most(math.inf), **NOISY),
                *each("sharpness/s_rho", "S_rho", at_most(math.inf), **NOISY),
                *each("train/probe", "training cross entropy", at_most(math.inf), **NOISY),
                Condition(log_flatter("saf"), below(0), "log lambda_max, SAF (0.3) minus SGD"),
                *(
                    Condition(flatter_at_equal_loss(arm), below(0), f"at equal loss, {NAMES[arm]}")
                    for arm in ("saf", "saf_1", "sam", "mesa")
                ),
            ]
        ),
    ),
    Check(
        "5a",
        "Test accuracy of SAF (lambda = 0.3) minus SGD at noise 0.2, paired over 10 seeds: above 0 with 95 % "
        "confidence",
        serves=["C6"],
        kind=Interval(lead("saf", "sgd", **NOISY), above(0), name="accuracy, SAF minus SGD"),
    ),
    Check(
        "5b",
        "Without noise the mean paired difference is at least -0.3 points; the interval is shown",
        serves=["C6"],
        kind=Interval(lead("saf", "sgd", **CLEAN), at_least(-0.003), name="accuracy, SAF minus SGD", margin=math.inf),
    ),
    Check(
        "6",
        "In place of ImageNet: test accuracy of SAF (lambda = 0.3) minus SAM at noise 0.2 has a mean of at least -0.3 "
        "points and an interval above -0.5 points",
        serves=["C3"],
        kind=Interval(lead("saf", "sam", **NOISY), at_least(-0.003), name="accuracy, SAF minus SAM", margin=0.002),
    ),
    Check(
        "7a",
        "SGD at noise 0.2: Spearman's rho over epochs e = 2..19 of KL_e, the mean over the epoch's samples of tau^2 "
        "KL(softmax(Y^(e-2)/tau) || softmax(out/tau)), and S_rho before the first step of e is at least 0.5 in 8 of 10",
        serves=["C4"],
        kind=Count([Condition(spearman, at_least(0.5), "rho")], need=8),
    ),
    Check(
        "7b",
        "As both may share a trend in e: the partial rank correlation given e is positive in 8 of 10",
        serves=["C4"],
        kind=Count([Condition(partial_spearman, above(0), "partial rho")], need=8),
        amended=Amendment(
            "2026-12-01",
            "the same, with 5 of 10 positive: refuted",
            "made after the run: in seeds 1, 2, 9 and 10 the ranks of KL follow the epoch exactly, so that nothing is "
            "left to correlate; the correlation there is 0/0 and the sign that was counted was rounding. What is "
            "undefined is missing, and six of ten seeds decide nothing",
        ),
    ),
    Check(
        "8",
        "Noise 0.2: test accuracies of all arms, of SGD's average of weights, and of SAF held to the last epoch alone; "
        "the share of MESA's gain that the average has, if that gain is above 0 with 95 % confidence",
        serves=["C6"],
        kind=Report(
            [
                *each(ACCURACY, "accuracy", at_most(1), **NOISY),
                Condition(scalar("fashion", "ema/accuracy", "sgd", **NOISY), at_most(1), "accuracy, average of SGD"),
                Condition(scalar("last_epoch", ACCURACY, "saf_last"), at_most(1), "accuracy, SAF with Etilde = 1"),
                Condition(share_of_average, at_most(1), "share of MESA's gain"),
            ]
        ),
    ),
    Check(
        "9",
        "Double precision, random MLP 784-64-10, one batch of 128: (L(theta) - L(theta - eta g))/(eta |g|^2) and "
        "S_rho/(rho |g|) tend to 1: at eta and rho/|g| = 1e-5 the error is below 1e-3, and at 1e-6 it is 10 times "
        "smaller to 5 %",
        serves=["C4"],
        kind=Exact(
            [
                Condition(exact("9", "descent"), below(1e-3), "error of the descent"),
                Condition(exact("9", "ascent"), below(1e-3), "error of the ascent"),
                Condition(exact("9", "descent_ratio"), between(9.5, 10.5), "its fall, descent"),
                Condition(exact("9", "ascent_ratio"), between(9.5, 10.5), "its fall, ascent"),
            ]
        ),
        unit="law",
    ),
]
