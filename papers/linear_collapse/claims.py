"""What the paper claims, and the checks that were registered before any run.

Cells of the experiments on free features are judged by their best seed or by the median of seeds, as each check says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from assay.claims import (
    Check,
    Claim,
    Condition,
    Count,
    Exact,
    Measure,
    Read,
    Report,
    Value,
    Values,
    at_least,
    at_most,
    below,
    between,
    exact,
    function,
    scalar,
    unit,
)
from assay.results import Results

STANDS_FOR = {"desk": "an MLP on 3,000 images of Fashion-MNIST for networks on CIFAR-10"}

CLAIMS = [
    Claim(
        "C1",
        "Squared error, balanced classes, M linear layers: at global minima features are class means (NC1), which "
        "form an orthogonal frame without a bias and a simplex ETF with an undecayed last bias (NC2), with "
        "classifier rows parallel to them (NC3), for all products W_M ... W_j.",
        source="Theorems of Sec. 3",
    ),
    Claim(
        "C2",
        "Cross entropy, balanced classes, M linear layers: the same with a simplex ETF.",
        source="theorem on cross entropy",
    ),
    Claim(
        "C3",
        "Squared error, imbalanced classes, no bias: a general orthogonal frame, whose lengths follow from n_k in "
        "closed form.",
        source="Theorems of Sec. 4",
    ),
    Claim(
        "C4",
        "Minority collapse: the vectors of a class are exactly 0 once n_k/N is below a threshold.",
        source="remark on the theorems of Sec. 4",
    ),
    Claim(
        "C5",
        "Direct optimisation and networks on images, balanced and imbalanced, converge to that geometry; the metrics "
        "of neural collapse go towards 0.",
        source="figures on CIFAR-10",
    ),
]

ARMS = ("balanced", "bias", "imbalanced")

# -- free features, squared error -------------------------------------------------------------------------------------


def cells(results: Results, arm: str, depth: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """The runs of an arm of `layers` by depth."""
    frame = results.of("layers", arm=arm)
    found: dict[str, list[dict[str, Any]]] = {}
    if frame.is_empty() or "loss/final" not in frame.columns:
        return found
    for row in frame.drop_nulls("loss/final").sort("seed").iter_rows(named=True):
        if depth is None or row["depth"] == depth:
            found.setdefault(row["depth"], []).append(row)
    return found


def best(arm: str, name: str, depth: str | None = None) -> Measure:
    """By depth, a scalar of the seed with the lowest loss."""

    @function(Read("layers", arms=(arm,)))
    def measure(results: Results) -> Values:
        found = []
        for key, rows in cells(results, arm, depth).items():
            row = min(rows, key=lambda row: row["loss/final"])
            if row.get(name) is not None:
                found.append(Value(f"M={key}", float(row[name]), tuple(row["signature"] for row in rows)))
        return found

    return measure


def median(arm: str, name: str) -> Measure:
    """By depth, the median over seeds of a scalar."""

    @function(Read("layers", arms=(arm,)))
    def measure(results: Results) -> Values:
        return [
            Value(f"M={key}", float(np.median([row[name] for row in rows])), tuple(row["signature"] for row in rows))
            for key, rows in cells(results, arm).items()
        ]

    return measure


def at_minimum(arm: str) -> Measure:
    """By depth, the share of seeds that reach the minimum."""

    @function(Read("layers", arms=(arm,)))
    def measure(results: Results) -> Values:
        return [
            Value(f"M={key}", float(np.mean([row["loss/difference"] < 1e-6 for row in rows])))
            for key, rows in cells(results, arm).items()
        ]

    return measure


def grouped(measure: Measure) -> Measure:
    """A measure's values, each in a group of its own, so that a report lists them."""
    return function(*measure.reads)(lambda results: [replace(v, group=v.unit) for v in measure(results)])


# -- minority collapse ------------------------------------------------------------------------------------------------


def lowest(results: Results) -> dict[tuple[int, float], list[dict[str, Any]]]:
    """By (M, B/t_M), the classes of the solution with the lowest loss over starts and seeds."""
    frame = results.of("threshold", "units")
    if frame.is_empty():
        return {}
    found: dict[tuple[int, float], list[dict[str, Any]]] = {}
    for (depth, level), part in frame.sort("seed", "unit").group_by("module.depth", "level", maintain_order=True):
        low = part.sort("loss", maintain_order=True).row(0, named=True)
        rows = part.filter((pl.col("seed") == low["seed"]) & (pl.col("start") == low["start"]))
        signatures = tuple(sorted(part["signature"].unique()))
        found[int(depth), float(level)] = [{**row, "runs": signatures} for row in rows.iter_rows(named=True)]
    return dict(sorted(found.items()))


DEAD = 1e-8
"""||hbar_k||^2 over that of the largest class, below which a class is dead."""

NEAR = 0.05
"""Cells whose B/n_k is this close to t_M, relatively, are not judged."""


@function("threshold")
def deaths_as_predicted(results: Results) -> Values:
    """1 where a class is dead exactly if B/n_k > t_M; one value a class, decay and depth that are not near the tie."""
    return [
        Value(
            f"M={depth}, B/t={level:g}, n={row['n']:g}",
            float((row["size"] < DEAD) == (row["ratio"] > 1)),
            row["runs"],
        )
        for (depth, level), rows in lowest(results).items()
        for row in rows
        if abs(row["ratio"] - 1) > NEAR
    ]


def found_by(start: str) -> Measure:
    """By depth, the share of polishes from a start that end within 1e-6 of the theoretical minimum."""

    @function("threshold")
    def measure(results: Results) -> Values:
        frame = results.of("threshold", "units")
        if frame.is_empty():
            return []
        runs = frame.filter(pl.col("start") == start).unique(["signature", "level", "start"], maintain_order=True)
        return [
            Value(f"M={depth}", float((part["excess"] < 1e-6).mean()), tuple(part["signature"].unique().sort()))
            for (depth,), part in sorted(runs.group_by("module.depth"), key=lambda item: item[0])
        ]

    return measure


# -- cross entropy ----------------------------------------------------------------------------------------------------

CELL = ("module.classes", "module.depth", "module.c")


def by_cell(results: Results, value: Callable[[list[dict[str, Any]]], float]) -> Values:
    """A value of the runs of each (K, M, c)."""
    frame = results.of("cross_entropy")
    if frame.is_empty() or "loss/etf" not in frame.columns:
        return []
    found = []
    for (classes, depth, c), part in sorted(frame.group_by(CELL), key=lambda item: item[0]):
        rows = list(part.sort("seed").iter_rows(named=True))
        found.append(
            Value(f"K={classes}, M={depth}, c={c:g}", value(rows), tuple(sorted(row["signature"] for row in rows)))
        )
    return found


@function("cross_entropy")
def etf_over_best(results: Results) -> Values:
    """The ETF's loss less the least competitor's: the other candidates, and L-BFGS from random starts."""
    return by_cell(results, _etf_over_best)


def _etf_over_best(rows: list[dict[str, Any]]) -> float:
    competitor = min(min(row["loss/competitor"], row["loss/lbfgs"]) for row in rows)
    return float(rows[0]["loss/etf"] - competitor)


def of_cell(name: str, reduce: Callable[[Iterable[float]], float] = min) -> Measure:
    """By (K, M, c), the least over seeds of a scalar, or what `reduce` makes of them."""
    declare = function("cross_entropy")
    return declare(lambda results: by_cell(results, lambda rows: float(reduce(row[name] for row in rows))))


@function("cross_entropy")
def found_etf(results: Results) -> Values:
    """By (K, M, c), the share of random starts that end nearest to the ETF."""
    return by_cell(results, lambda rows: float(np.mean([row["found/etf"] for row in rows])))


# -- networks ---------------------------------------------------------------------------------------------------------

CONVERGED = 1.5
"""Above this ratio of the loss to the theoretical minimum, a network says nothing about the theory."""


def network(name: str, arm: str = "imbalanced", judged: bool = True) -> Measure:
    """By depth, the mean over seeds of a scalar; where `judged`, only of networks that came near the minimum."""

    @function(Read("network", arms=(arm,)))
    def measure(results: Results) -> Values:
        frame = results.of("network", arm=arm)
        if frame.is_empty() or name not in frame.columns:
            return []
        found = []
        for (depth,), part in sorted(frame.group_by("module.depth"), key=lambda item: item[0]):
            if not judged or part["loss/ratio"].mean() <= CONVERGED:
                found.append(Value(f"M={depth}", float(part[name].mean()), tuple(part["signature"].sort())))
        return found

    return measure


CHECKS = [
    Check(
        "1",
        "Free features: the final loss differs from the formula's by at most 1e-6 of it, and A A^T from "
        "diag(sig_k^2) (with a bias: sig^2 (I - 11^T/K)) by at most 1e-3 of its norm, for the best of 5 seeds in "
        "every cell.",
        serves=["C3"],
        kind=Exact(
            [
                *(Condition(best(arm, "loss/difference"), at_most(1e-6), f"loss, {arm}") for arm in ARMS),
                *(Condition(best(arm, "gram/error"), at_most(1e-3), f"A A^T, {arm}") for arm in ARMS),
            ]
        ),
        unit="M",
    ),
    Check(
        "1r",
        "Where gradient descent alone ends (median over seeds): loss over the minimum, NC1, NC2 and NC3 against the "
        "predicted frame; and how many seeds reach the minimum after L-BFGS.",
        serves=["C5"],
        kind=Report(
            [
                Condition(grouped(median(arm, f"descent/{name}")), at_least(-1), f"{text}, {arm}")
                for arm in ARMS
                for name, text in (
                    ("loss/excess", "loss/minimum - 1"),
                    ("nc1", "NC1"),
                    ("nc2/products/frame", "NC2, products"),
                    ("nc2/features/frame", "NC2, features"),
                    ("nc3/frame", "NC3"),
                )
            ]
            + [
                Condition(grouped(at_minimum(arm)), at_least(0), f"share of seeds at the minimum, {arm}")
                for arm in ARMS
            ]
        ),
        unit="M",
    ),
    Check(
        "2",
        "The largest-root rule equals a search (grid, then scipy's minimize_scalar) within 1e-4 (1 + x) where |B/n - "
        "t_M| >= 1e-3, and t_M the threshold by bisection within 1e-6; M = 1, 2, 3, 6, 9.",
        serves=[],
        kind=Exact(
            [
                Condition(exact("2", "x_error"), at_most(1e-4), "x"),
                Condition(exact("2", "threshold_error"), at_most(1e-6), "t_M"),
            ]
        ),
        unit="number",
    ),
    Check(
        "3a",
        "Balanced, no bias: over all products W_M ... W_j, the class means and A Hbar the largest distance to the "
        "identity is <= 0.02 and the least distance to the ETF >= 0.2; NC1 <= 1e-6; medians of 5 seeds, every M.",
        serves=["C1"],
        kind=Count(
            [
                Condition(median("balanced", "distance/identity"), at_most(0.02), "distance to identity"),
                Condition(median("balanced", "closest/etf"), at_least(0.2), "distance to ETF"),
                Condition(median("balanced", "nc1"), at_most(1e-6), "NC1"),
            ]
        ),
        unit="M",
    ),
    Check(
        "3b",
        "Balanced, with a bias: the distance to the ETF is <= 0.02 and that to the identity >= 0.2; NC1 <= 1e-6; "
        "medians of 5 seeds, every M.",
        serves=["C1"],
        kind=Count(
            [
                Condition(median("bias", "distance/etf"), at_most(0.02), "distance to ETF"),
                Condition(median("bias", "closest/identity"), at_least(0.2), "distance to identity"),
                Condition(median("bias", "nc1"), at_most(1e-6), "NC1"),
            ]
        ),
        unit="M",
    ),
    Check(
        "3r",
        "Classifier rows against (sig_k^2 + N lH) hbar_k, both normalised; medians of 5 seeds.",
        serves=["C1", "C3"],
        kind=Report([Condition(grouped(median(arm, "nc3/rows")), at_least(0), f"NC3 by rows, {arm}") for arm in ARMS]),
        unit="M",
    ),
    Check(
        "4",
        "Imbalanced, M = 1, best seed: the least-squares slope of log ||w_k||^2 on log n_k equals the formula's "
        "within 1 % and is within 0.02 of 1/2.",
        serves=["C3"],
        kind=Exact(
            [
                Condition(best("imbalanced", "slope/relative_error", "1"), at_most(0.01), "slope/formula - 1"),
                Condition(best("imbalanced", "slope/measured", "1"), between(0.48, 0.52), "slope"),
            ]
        ),
        unit="M",
    ),
    Check(
        "4r",
        "Imbalanced: the same slope and the formula's for every M, best seed; for many samples it tends to M/(M + 1).",
        serves=["C3"],
        kind=Report(
            [
                Condition(grouped(best("imbalanced", "slope/measured")), at_least(0), "slope"),
                Condition(grouped(best("imbalanced", "slope/predicted")), at_least(0), "slope, formula"),
            ]
        ),
        unit="M",
    ),
    Check(
        "5",
        "Lowest loss over three starts and 5 seeds: a class is dead (||hbar_k||^2 < 1e-8 of the largest) iff B/n_k > "
        "t_M, in >= 95 % of the cells (decay, M, class) with |B/n_k - t_M| > 5 % of t_M.",
        serves=["C4"],
        kind=Count([Condition(deaths_as_predicted, at_least(1), "dead as predicted")], need=0.95),
        unit="cell",
    ),
    Check(
        "5b",
        "No start ends more than 1e-9 (relative) below the formula's loss.",
        serves=["C4"],
        kind=Exact(
            [
                Condition(
                    unit("threshold", "excess", over="module.depth", reduce="min"), at_least(-1e-9), "loss/formula - 1"
                )
            ]
        ),
        unit="M",
    ),
    Check(
        "5r",
        "The share of polishes that end at the theoretical minimum (within 1e-6), by start.",
        serves=["C4"],
        kind=Report(
            [
                Condition(grouped(found_by(start)), at_least(0), f"at the minimum, start: {start}")
                for start in ("predicted", "alive", "random")
            ]
        ),
        unit="M",
    ),
    Check(
        "6a",
        "For each candidate (ETF, circle, antipodal pairs), explicit balanced factors at the best scale have the "
        "formula's loss to 1e-10, in all cells; with two samples a class and uneven decays too; losses known "
        "beforehand agree to their digits.",
        serves=[],
        kind=Exact(
            [
                Condition(exact("6a", "factors_error"), at_most(1e-10), "loss of factors - formula"),
                Condition(exact("6a", "general_error"), at_most(1e-10), "loss of factors - formula, uneven"),
                Condition(exact("6a", "numbers_error"), at_most(1e-5), "losses known beforehand"),
            ]
        ),
        unit="number",
    ),
    Check(
        "6",
        "The ETF's loss is at most that of the best competitor (circle, antipodal pairs, L-BFGS from 5 random "
        "starts) + 1e-9, in every cell (K, M, c).",
        serves=["C2"],
        kind=Exact([Condition(etf_over_best, at_most(1e-9), "ETF - best competitor")]),
        unit="cell",
    ),
    Check(
        "6r",
        "By cell: losses of the candidates and of L-BFGS, the share of random starts that end nearest to the ETF's "
        "spectrum, and the rank of what they find.",
        serves=["C2"],
        kind=Report(
            [
                Condition(grouped(etf_over_best), at_least(-math.inf), "ETF - best competitor"),
                Condition(grouped(of_cell("loss/etf")), at_least(0), "loss, ETF"),
                Condition(grouped(of_cell("loss/circle")), at_least(0), "loss, circle"),
                Condition(grouped(of_cell("loss/antipodal")), at_least(0), "loss, antipodal"),
                Condition(grouped(of_cell("loss/lbfgs")), at_least(0), "loss, best L-BFGS"),
                Condition(grouped(found_etf), at_least(0), "share of starts at the ETF"),
                Condition(grouped(of_cell("rank")), at_least(0), "least rank found"),
                Condition(grouped(of_cell("rank", max)), at_least(0), "largest rank found"),
            ]
        ),
        unit="cell",
    ),
    Check(
        "7",
        "Fashion-MNIST, imbalanced: over the classes the correlation of ||hbar_k||^2 with the prediction, mean over "
        "3 seeds, is >= 0.9, and the mean |cos| between different class means < 0.15, for each M. Inconclusive where "
        "the loss is above 1.5 times the theoretical minimum.",
        serves=["C5"],
        kind=Count(
            [
                Condition(network("loss/ratio", judged=False), at_least(0), "loss/minimum"),
                Condition(network("correlation"), at_least(0.9), "correlation"),
                Condition(network("cosine"), below(0.15), "mean |cos|"),
            ]
        ),
        unit="M",
    ),
    Check(
        "7r",
        "Fashion-MNIST: the loss over the theoretical minimum, NC1, distances to the predicted frame and to the ETF, "
        "and mean |cos|, imbalanced and balanced; the means over 3 seeds.",
        serves=["C5"],
        kind=Report(
            [
                Condition(grouped(network(name, arm, judged=False)), at_least(0), f"{text}, {arm}")
                for arm in ("imbalanced", "balanced")
                for name, text in (
                    ("loss/ratio", "loss/minimum"),
                    ("nc1", "NC1"),
                    ("nc2/products/frame", "NC2, products"),
                    ("nc2/features/frame", "NC2, features"),
                    ("nc3/frame", "NC3"),
                    ("closest/etf", "distance to ETF"),
                    ("cosine", "mean |cos|"),
                    ("correlation", "correlation"),
                )
            ]
        ),
        unit="M",
    ),
    Check(
        "7s",
        "Networks on CIFAR-10 at full size: mean |cos|, NC1 and the loss over the theoretical minimum.",
        serves=["C5"],
        kind=Report(
            [
                Condition(scalar(name, value, group=columns), at_least(0), f"{text}, {name}")
                for name, columns in (
                    ("cifar10_balanced", ("arm", "error", "module.depth")),
                    ("cifar10_imbalanced", ("module.depth",)),
                )
                for value, text in (("loss/ratio", "loss/minimum"), ("nc1", "NC1"), ("cosine", "mean |cos|"))
            ]
        ),
    ),
    Check(
        "8",
        "Independent references: explicit minimisers have the formula's loss (1e-12, relative), a gradient of zero "
        "(1e-10) and the predicted geometry (1e-10); L-BFGS from random starts ends there (1e-9) and not below; the "
        "gradient equals autograd's (1e-12), and both polishes agree (1e-12); the cheapest factors of a matrix cost "
        "its Schatten power (1e-6).",
        serves=[],
        kind=Exact(
            [
                Condition(exact("8", "loss"), at_most(1e-12), "loss/formula - 1"),
                Condition(exact("8", "gradient"), at_most(1e-10), "gradient"),
                Condition(exact("8", "geometry"), at_most(1e-10), "Gram matrices"),
                Condition(exact("8", "random_start"), at_most(1e-9), "L-BFGS over the minimum"),
                Condition(exact("8", "beaten_by"), at_most(1e-12), "L-BFGS below the minimum"),
                Condition(exact("8", "gradient_error"), at_most(1e-12), "gradient - autograd"),
                Condition(exact("8", "polish_error"), at_most(1e-12), "polish - polish by autograd"),
                Condition(exact("8", "schatten_error"), at_most(1e-6), "Schatten power"),
            ]
        ),
        unit="number",
    ),
]
