"""What the paper claims, and the checks that were registered before any run.

Cells of the experiments on free features are judged by their best seed or by the median of seeds, as each check says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import polars as pl

from assay.claims import (
    Check,
    Claim,
    Count,
    Exact,
    Measure,
    Read,
    Report,
    Value,
    Values,
    exact,
    function,
    scalar,
    share,
    table,
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

GEOMETRY = {"nc1": "NC1", "nc2/products/frame": "NC2, products", "nc2/features/frame": "NC2, features"}
GEOMETRY |= {"nc3/frame": "NC3"}
DESCENT = {"descent/loss/excess": "loss/minimum - 1"} | {f"descent/{name}": text for name, text in GEOMETRY.items()}
NETWORK = {"loss/ratio": "loss/minimum"} | GEOMETRY
NETWORK |= {"closest/etf": "distance to ETF", "cosine": "mean |cos|", "correlation": "correlation"}
"""What reports show, by scalar."""


def best(name: str, arm: str) -> Measure:
    """Of free features, by depth, a scalar of the seed with the lowest loss."""

    @function(Read("layers", arms=(arm,)))
    def measure(results: Results) -> Values:
        runs = results.of("layers", arm=arm)
        if name not in runs.columns:
            return []
        cells = runs.sort("depth", "loss/final", "seed").group_by("depth", maintain_order=True)
        return [
            Value(f"depth={depth}", part[name][0], tuple(part["signature"]), f"depth={depth}", {"depth": depth})
            for (depth,), part in cells
        ]

    return measure


def median(name: str, arm: str) -> Measure:
    """Of free features, by depth, the median over seeds of a scalar."""
    return scalar("layers", name, arm, over="depth", reduce="median")


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
        Value(f"{cell}, n={row['n']}", float((row["size"] < DEAD) == (row["ratio"] > 1)), row["runs"])
        for cell, rows in lowest(results).items()
        for row in rows
        if abs(row["ratio"] - 1) > NEAR
    ]


CELL = ("module.classes", "module.depth", "module.c")


def of_cell(name: str, reduce: Literal["min", "mean", "max"] = "min") -> Measure:
    """With cross entropy, by (K, M, c), the least over seeds of a scalar, or what `reduce` makes of them."""
    return scalar("cross_entropy", name, over=(), group=CELL, reduce=reduce)


@function("cross_entropy")
def etf_over_best(results: Results) -> Values:
    """The ETF's loss less the least competitor's: the other candidates, and L-BFGS from random starts."""
    etf, others, descent = (of_cell(f"loss/{name}")(results) for name in ("etf", "competitor", "lbfgs"))
    return [
        replace(a, unit=a.group, value=a.value - min(b.value, c.value))
        for a, b, c in zip(etf, others, descent, strict=True)
    ]


def polished(start: str) -> Measure:
    """By depth, the share of polishes from a start that end within 1e-6 of the theoretical minimum."""
    excess = unit("threshold", "excess", over=("seed", "level"), group="module.depth", reduce="min", start=start)
    return share(excess < 1e-6).called(f"at the minimum, start: {start}")


CONVERGED = 1.5
"""Above this ratio of the loss to the theoretical minimum, a network says nothing about the theory."""


def network(name: str) -> Measure:
    """By depth, the mean over seeds of a scalar."""
    return scalar("network", name, "imbalanced", over="module.depth")


def converged(measure: Measure) -> Measure:
    """A measure's values for networks that came near the minimum."""

    @function(*measure.reads)
    def kept(results: Results) -> Values:
        near = {ratio.unit for ratio in network("loss/ratio")(results) if ratio.value <= CONVERGED}
        return [v for v in measure(results) if v.unit in near]

    return kept


CHECKS = [
    Check(
        "1",
        "Free features: the final loss differs from the formula's by at most 1e-6 of it, and A A^T from "
        "diag(sig_k^2) (with a bias: sig^2 (I - 11^T/K)) by at most 1e-3 of its norm, for the best of 5 seeds in "
        "every cell.",
        ["C3"],
        Exact(
            [
                *(best("loss/difference", arm).called(f"loss, {arm}") <= 1e-6 for arm in ARMS),
                *(best("gram/error", arm).called(f"A A^T, {arm}") <= 1e-3 for arm in ARMS),
            ]
        ),
        unit="M",
    ),
    Check(
        "1r",
        "Where gradient descent alone ends (median over seeds): loss over the minimum, NC1, NC2 and NC3 against the "
        "predicted frame; and how many seeds reach the minimum after L-BFGS.",
        ["C5"],
        Report(
            [
                *table("layers", DESCENT, ARMS, over=(), group="depth", reduce="median"),
                *(
                    share(scalar("layers", "loss/difference", arm, group="depth") < 1e-6)
                    .called(f"share of seeds at the minimum, {arm}")
                    .shown()
                    for arm in ARMS
                ),
            ]
        ),
        unit="M",
    ),
    Check(
        "2",
        "The largest-root rule equals a search (grid, then scipy's minimize_scalar) within 1e-4 (1 + x) where |B/n - "
        "t_M| >= 1e-3, and t_M the threshold by bisection within 1e-6; M = 1, 2, 3, 6, 9.",
        [],
        Exact([exact("2", "x_error", "x") <= 1e-4, exact("2", "threshold_error", "t_M") <= 1e-6]),
        unit="number",
    ),
    Check(
        "3a",
        "Balanced, no bias: over all products W_M ... W_j, the class means and A Hbar the largest distance to the "
        "identity is <= 0.02 and the least distance to the ETF >= 0.2; NC1 <= 1e-6; medians of 5 seeds, every M.",
        ["C1"],
        Count(
            [
                median("distance/identity", "balanced").called("distance to identity") <= 0.02,
                median("closest/etf", "balanced").called("distance to ETF") >= 0.2,
                median("nc1", "balanced").called("NC1") <= 1e-6,
            ]
        ),
        unit="M",
    ),
    Check(
        "3b",
        "Balanced, with a bias: the distance to the ETF is <= 0.02 and that to the identity >= 0.2; NC1 <= 1e-6; "
        "medians of 5 seeds, every M.",
        ["C1"],
        Count(
            [
                median("distance/etf", "bias").called("distance to ETF") <= 0.02,
                median("closest/identity", "bias").called("distance to identity") >= 0.2,
                median("nc1", "bias").called("NC1") <= 1e-6,
            ]
        ),
        unit="M",
    ),
    Check(
        "3r",
        "Classifier rows against (sig_k^2 + N lH) hbar_k, both normalised; medians of 5 seeds.",
        ["C1", "C3"],
        Report(table("layers", {"nc3/rows": "NC3 by rows"}, ARMS, over=(), group="depth", reduce="median")),
        unit="M",
    ),
    Check(
        "4",
        "Imbalanced, M = 1, best seed: the least-squares slope of log ||w_k||^2 on log n_k equals the formula's "
        "within 1 % and is within 0.02 of 1/2.",
        ["C3"],
        Exact(
            [
                best("slope/relative_error", "imbalanced").only(depth="1").called("slope/formula - 1") <= 0.01,
                best("slope/measured", "imbalanced").only(depth="1").called("slope").within(0.48, 0.52),
            ]
        ),
        unit="M",
    ),
    Check(
        "4r",
        "Imbalanced: the same slope and the formula's for every M, best seed; for many samples it tends to M/(M + 1).",
        ["C3"],
        Report(
            [
                best("slope/measured", "imbalanced").called("slope").shown(),
                best("slope/predicted", "imbalanced").called("slope, formula").shown(),
            ]
        ),
        unit="M",
    ),
    Check(
        "5",
        "Lowest loss over three starts and 5 seeds: a class is dead (||hbar_k||^2 < 1e-8 of the largest) iff B/n_k > "
        "t_M, in >= 95 % of the cells (decay, M, class) with |B/n_k - t_M| > 5 % of t_M.",
        ["C4"],
        Count(deaths_as_predicted.called("dead as predicted") >= 1, need=0.95),
        unit="cell",
    ),
    Check(
        "5b",
        "No start ends more than 1e-9 (relative) below the formula's loss.",
        ["C4"],
        Exact(unit("threshold", "excess", over="module.depth", reduce="min").called("loss/formula - 1") >= -1e-9),
        unit="M",
    ),
    Check(
        "5r",
        "The share of polishes that end at the theoretical minimum (within 1e-6), by start.",
        ["C4"],
        Report([polished(start).shown() for start in ("predicted", "alive", "random")]),
        unit="M",
    ),
    Check(
        "6a",
        "For each candidate (ETF, circle, antipodal pairs), explicit balanced factors at the best scale have the "
        "formula's loss to 1e-10, in all cells; with two samples a class and uneven decays too; losses known "
        "beforehand agree to their digits.",
        [],
        Exact(
            [
                exact("6a", "factors_error", "loss of factors - formula") <= 1e-10,
                exact("6a", "general_error", "loss of factors - formula, uneven") <= 1e-10,
                exact("6a", "numbers_error", "losses known beforehand") <= 1e-5,
            ]
        ),
        unit="number",
    ),
    Check(
        "6",
        "The ETF's loss is at most that of the best competitor (circle, antipodal pairs, L-BFGS from 5 random "
        "starts) + 1e-9, in every cell (K, M, c).",
        ["C2"],
        Exact(etf_over_best.called("ETF - best competitor") <= 1e-9),
        unit="cell",
    ),
    Check(
        "6r",
        "By cell: losses of the candidates and of L-BFGS, the share of random starts that end nearest to the ETF's "
        "spectrum, and the rank of what they find.",
        ["C2"],
        Report(
            [
                etf_over_best.called("ETF - best competitor").shown(),
                of_cell("loss/etf").called("loss, ETF").shown(),
                of_cell("loss/circle").called("loss, circle").shown(),
                of_cell("loss/antipodal").called("loss, antipodal").shown(),
                of_cell("loss/lbfgs").called("loss, best L-BFGS").shown(),
                of_cell("found/etf", "mean").called("share of starts at the ETF").shown(),
                of_cell("rank").called("least rank found").shown(),
                of_cell("rank", "max").called("largest rank found").shown(),
            ]
        ),
        unit="cell",
    ),
    Check(
        "7",
        "Fashion-MNIST, imbalanced: over the classes the correlation of ||hbar_k||^2 with the prediction, mean over "
        "3 seeds, is >= 0.9, and the mean |cos| between different class means < 0.15, for each M. Inconclusive where "
        "the loss is above 1.5 times the theoretical minimum.",
        ["C5"],
        Count(
            [
                network("loss/ratio").called("loss/minimum") >= 0,
                converged(network("correlation")).called("correlation") >= 0.9,
                converged(network("cosine")).called("mean |cos|") < 0.15,
            ]
        ),
        unit="M",
    ),
    Check(
        "7r",
        "Fashion-MNIST: the loss over the theoretical minimum, NC1, distances to the predicted frame and to the ETF, "
        "and mean |cos|, imbalanced and balanced; the means over 3 seeds.",
        ["C5"],
        Report(table("network", NETWORK, ("imbalanced", "balanced"), over=(), group="module.depth")),
        unit="M",
    ),
    Check(
        "7s",
        "Networks on CIFAR-10 at full size: mean |cos|, NC1 and the loss over the theoretical minimum.",
        ["C5"],
        Report(
            [
                scalar(name, value, group=columns).called(f"{text}, {name}").shown()
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
        [],
        Exact(
            [
                exact("8", "loss", "loss/formula - 1") <= 1e-12,
                exact("8", "gradient") <= 1e-10,
                exact("8", "geometry", "Gram matrices") <= 1e-10,
                exact("8", "random_start", "L-BFGS over the minimum") <= 1e-9,
                exact("8", "beaten_by", "L-BFGS below the minimum") <= 1e-12,
                exact("8", "gradient_error", "gradient - autograd") <= 1e-12,
                exact("8", "polish_error", "polish - polish by autograd") <= 1e-12,
                exact("8", "schatten_error", "Schatten power") <= 1e-6,
            ]
        ),
        unit="number",
    ),
]
