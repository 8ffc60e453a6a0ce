"""What the paper claims, and the checks registered for it before any run.

The paper's tables could not be read; its figures are quoted from reading notes of others and marked as second-hand.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from assay.claims import Amendment, Check, Claim, Condition, Count, Exact, Interval, Report
from assay.measures import Measure, Read, Value, Values, exact, function, scalar, table
from assay.results import Results
from assay.statistics import mean_interval

STANDS_FOR = {"desk": "20 epochs of an MLP on Fashion-MNIST for ResNet-50 on ImageNet"}

CLAIMS = [
    Claim(
        "C1",
        "SAM and its relatives cost about twice the base optimizer",
        "introduction",
        paper_says="second-hand: SAM 2.0 times, ESAM 1.3 times",
    ),
    Claim(
        "C2",
        "SAF costs almost nothing beyond SGD, MESA about 15 %",
        "tables (unread)",
        paper_says="second-hand: SAF 1.0 times (99 % of SGD's images a second), MESA 1.15 times (85 %)",
    ),
    Claim(
        "C3",
        "SAF beats SAM on ImageNet at SGD's cost",
        "tables (unread)",
        paper_says="second-hand, ResNet-50, top-1: SGD 76.0, SAM 76.9, ESAM 77.1, SAF 77.8, MESA 77.5",
    ),
    Claim(
        "C4",
        "The trajectory loss measures how fast the training loss changes and acts like SAM's sharpness",
        "derivation and figures",
    ),
    Claim("C5", "SAF converges to flat minima, as SAM does", "plots of sharpness and of the landscape"),
    Claim("C6", "SAF generalises better than the base optimizer", "tables (unread)"),
]

NAMES = {
    "sgd": "SGD",
    "sam": "SAM",
    "saf": "SAF, λ = 0.3",
    "saf_1": "SAF, λ = 1",
    "mesa": "MESA",
    "smooth": "label smoothing",
}
LAMBDA_MAX = "sharpness/lambda_max"
PASSES = {"sgd": (1, 1), "saf": (1, 1), "mesa": (2, 1), "sam": (2, 2)}
"""Forward and backward passes a step."""


# -- measures ---------------------------------------------------------------------------------------------------------

log_lambda = scalar("fashion", LAMBDA_MAX, group=("arm", "noise")).log()
accuracy = scalar("fashion", "test/accuracy", group=("arm", "noise"))
sgd, sam, saf, mesa = (accuracy.at(arm=arm) for arm in ("sgd", "sam", "saf", "mesa"))
average = scalar("fashion", "ema/accuracy", "sgd", noise="noisy")


def flatter(arm: str, text: str) -> list[Condition]:
    """log lambda_max of an arm minus that of SGD by seed is below 0: at noise 0.2, and averaged over both levels."""
    gap, name = log_lambda.at(arm=arm) - log_lambda.at(arm="sgd"), f"log lambda_max, {text} minus SGD"
    return [gap.at(noise="noisy").called(f"{name}, noise 0.2") < 0, gap.mean("noise").called(f"{name}, pooled") < 0]


def ratio(method: str) -> Measure:
    """Median time of a step over that of SGD."""
    return scalar("cost", f"time/ratio/{method}", net="wide").called(f"{method.upper()}/SGD")


def each(name: str, text: str) -> list[Condition]:
    """A scalar of every arm at noise 0.2, for a report."""
    found = scalar("fashion", name, group="arm", noise="noisy")
    return [found.at(arm=arm).called(f"{text}, {NAMES[arm]}").shown() for arm in NAMES]


COURSE = Read("fashion", arms=("sgd",), levels=(("noise", ("noisy",)),))


def course(results: Results) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64], str]]:
    """By seed of SGD at noise 0.2: KL_e and S_rho before the first step of epoch e, for every e that has both; the run.

    KL_e stands on the curve at the end of epoch e, S_rho at the start of every epoch.
    """
    kl, sharp = (results.curve("fashion", name, "sgd", noise="noisy") for name in ("trajectory/kl", "sharpness/s_rho"))
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
def rho(results: Results) -> Values:
    """Spearman's rho of KL_e and S_rho over epochs, by seed."""
    return [
        Value(seed, float(stats.spearmanr(x, y).statistic), (run,)) for seed, (x, y, run) in course(results).items()
    ]


@function(COURSE, over="seed")
def partial_rho(results: Results) -> Values:
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
        ends, found = results.of("fashion", arm=arm), []
        if LAMBDA_MAX not in ends.columns:
            return []
        for row in ends.filter(pl.col("noise") == "noisy").sort("seed").iter_rows(named=True):
            where = {"noise": "noisy", "seed": row["seed"]}
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


gain = (mesa - sgd).at(noise="noisy")
share = (average - sgd.at(noise="noisy")).mean() / gain.mean()


@function(*share.reads)
def share_of_average(results: Results) -> Values:
    """(EMA of SGD - SGD)/(MESA - SGD) in mean accuracy at noise 0.2, where the interval of MESA's gain is above 0."""
    gains = [v.value for v in gain(results)]
    return share(results) if len(gains) > 1 and mean_interval(gains).low > 0 else []


CHECKS = [
    Check(
        "1",
        "Double precision: the gradient of L_tra is lambda tau (softmax(out/tau) - softmax(ref/tau))/|B| to 1e-6; "
        "L_tra and its gradient are 0 where ref = out. With lambda = 0, after 50 steps (512 samples, batch 128, "
        "E_start = 2, Etilde = 2, the term evaluated 38 times), SAF's weights equal SGD's bit for bit",
        [],
        Exact(
            [
                exact("1", "gradient") <= 1e-6,
                exact("1", "same_loss", "loss at ref = out") <= 1e-15,
                exact("1", "same_gradient", "gradient at ref = out") <= 1e-15,
                exact("1", "different", "weights that differ") <= 0,
                exact("1", "evaluated", "evaluations of the term").equals(38),
            ]
        ),
        unit="case",
    ),
    Check(
        "2",
        "Outputs that say their epoch are read back as e - Etilde in every epoch e >= Etilde, in shuffled order and "
        "with batches that do not divide the samples; before, as not a number",
        [],
        Exact(
            [
                exact("2", "error", "|read - (e - Etilde)|") <= 0,
                exact("2", "unread", "numbers read before they were written") <= 0,
            ]
        ),
        unit="case",
    ),
    Check(
        "3a",
        "Forward and backward passes a step: SGD and SAF 1/1, MESA 2/1, SAM 2/2",
        ["C1", "C2"],
        Exact(
            [
                exact("3", f"{method}_{way}", f"{method} {way}").equals(count)
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
        ["C2"],
        Exact([ratio("saf") <= 1.15, ratio("mesa") <= 1.5]),
        unit="process",
    ),
    Check("3c", "The same run: SAM/SGD in [1.6, 2.4]", ["C1"], Exact(ratio("sam").within(1.6, 2.4)), unit="process"),
    Check(
        "3r",
        "Seconds for an epoch of 8,000 samples, data and augmentation apart; and the ratios for the desk's own network "
        "(784-256-128-10, batch 128), where calls cost as much as arithmetic",
        ["C1", "C2"],
        Report(
            [
                *table("cost", {f"time/epoch/{m}": f"s an epoch, {m}" for m in PASSES}, net="wide"),
                *table("cost", {f"time/ratio/{m}": f"{m}/sgd, small network" for m in PASSES}, net="desk"),
            ]
        ),
        unit="process",
    ),
    Check(
        "4a",
        "log lambda_max(SAF, lambda = 1) - log lambda_max(SGD), paired over 10 seeds: below 0 with 95 % confidence at "
        "noise 0.2, and averaged over both noise levels",
        ["C5"],
        Interval(flatter("saf_1", "SAF")),
    ),
    Check("4b", "The same for SAM", ["C5"], Interval(flatter("sam", "SAM"))),
    Check(
        "4c",
        "Power iteration finds the eigenvalue of largest size; it is positive in every run",
        [],
        Exact(scalar("fashion", LAMBDA_MAX, over=("arm", "noise", "seed")).called("lambda_max") > 0),
        unit="run",
    ),
    Check(
        "4r",
        "Noise 0.2: lambda_max and S_rho of every arm; SAF at lambda = 0.3; and flatness against SGD at the epoch with "
        "the nearest training cross entropy, since the Hessian grows with the logits",
        ["C5"],
        Report(
            [
                *each(LAMBDA_MAX, "lambda_max"),
                *each("sharpness/s_rho", "S_rho"),
                *each("train/probe", "training cross entropy"),
                *flatter("saf", "SAF (0.3)"),
                *(
                    flatter_at_equal_loss(arm).called(f"at equal loss, {NAMES[arm]}").shown()
                    for arm in ("saf", "saf_1", "sam", "mesa")
                ),
            ]
        ),
    ),
    Check(
        "5a",
        "Test accuracy of SAF (lambda = 0.3) minus SGD at noise 0.2, paired over 10 seeds: above 0 with 95 % "
        "confidence",
        ["C6"],
        Interval((saf - sgd).at(noise="noisy") > 0, name="accuracy, SAF minus SGD"),
    ),
    Check(
        "5b",
        "Without noise the mean paired difference is at least -0.3 points; the interval is shown",
        ["C6"],
        Interval((saf - sgd).at(noise="clean") >= -0.003, name="accuracy, SAF minus SGD", margin=math.inf),
    ),
    Check(
        "6",
        "In place of ImageNet: test accuracy of SAF (lambda = 0.3) minus SAM at noise 0.2 has a mean of at least -0.3 "
        "points and an interval above -0.5 points",
        ["C3"],
        Interval((saf - sam).at(noise="noisy") >= -0.003, name="accuracy, SAF minus SAM", margin=0.002),
    ),
    Check(
        "7a",
        "SGD at noise 0.2: Spearman's rho over epochs e = 2..19 of KL_e, the mean over the epoch's samples of tau^2 "
        "KL(softmax(Y^(e-2)/tau) || softmax(out/tau)), and S_rho before the first step of e is at least 0.5 in 8 of 10",
        ["C4"],
        Count(rho.called("rho") >= 0.5, need=8),
    ),
    Check(
        "7b",
        "As both may share a trend in e: the partial rank correlation given e is positive in 8 of 10",
        ["C4"],
        Count(partial_rho.called("partial rho") > 0, need=8),
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
        ["C6"],
        Report(
            [
                *each("test/accuracy", "accuracy"),
                average.called("accuracy, average of SGD").shown(),
                scalar("last_epoch", "test/accuracy", "saf_last").called("accuracy, SAF with Etilde = 1").shown(),
                share_of_average.called("share of MESA's gain").shown(),
            ]
        ),
    ),
    Check(
        "9",
        "Double precision, random MLP 784-64-10, one batch of 128: (L(theta) - L(theta - eta g))/(eta |g|^2) and "
        "S_rho/(rho |g|) tend to 1: at eta and rho/|g| = 1e-5 the error is below 1e-3, and at 1e-6 it is 10 times "
        "smaller to 5 %",
        ["C4"],
        Exact(
            [
                exact("9", "descent", "error of the descent") < 1e-3,
                exact("9", "ascent", "error of the ascent") < 1e-3,
                exact("9", "descent_ratio", "its fall, descent").within(9.5, 10.5),
                exact("9", "ascent_ratio", "its fall, ascent").within(9.5, 10.5),
            ]
        ),
        unit="law",
    ),
]
