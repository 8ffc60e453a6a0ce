"""The paper's claims and the checks on them, as registered before any run.

The paper's body could not be read; claims are worded after its abstract and its reviews, which also name the theorems.
"gap" is (F(x_T) - F*)/max(1, |F*|) with F(x) = f(x) + K*(lambda x)/lambda.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

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
    between,
    difference,
    exact,
    function,
    scalar,
    slope,
    unit,
)
from assay.results import Results

STANDS_FOR = {"desk": "quadratic programs and a Fashion-MNIST MLP for ImageNet and CIFAR-10"}

CLAIMS = [
    Claim("C1", "Lion with weight decay λ minimises f subject to max |x_i| <= 1/λ", "Theorem 3.1 with K = l1"),
    Claim("C2", "Lion-K minimises f(x) + K*(λx)/λ", "Theorem 3.1"),
    Claim("C3", "A Lyapunov function H(x, m) never increases along the flow", "Theorem 3.1"),
    Claim(
        "C4",
        "Phase 1: the distance of λx to dom K* decays exponentially (phase 2, the fall of H inside it, is C3)",
        "Theorem 3.1, Theorem B.9",
    ),
    Claim(
        "C5",
        "A larger λ, a stronger bound, speeds up convergence at some cost in final performance",
        "figure on ImageNet and CIFAR",
    ),
    Claim("C6", "Other K behave as their conjugate predicts", "Table 2 and the toy figure"),
    Claim("C7", "Lion-lp on ImageNet and OpenWebText: the best p depends on the architecture", "section on Lion-lp"),
    Claim("C8a", "Lion keeps one state per weight where AdamW keeps two", "background"),
    Claim("C8b", "Lion trains as well as AdamW or better", "background"),
    Claim("C9", "The analysis carries over to discrete time and non-differentiable K", "Theorem 4.1"),
]

LAMBDA = "optimizer.weight_decay"
BOUNDED = (5.0, 10.0, 20.0, 40.0)
"""The λ of check 5 and check 6: every start is outside 1/λ."""


@function(Read("net", arms=("lion",), levels=((LAMBDA, BOUNDED),)), over="seed")
def rank_correlation(results: Results) -> Values:
    """By seed, Spearman's rho between λ and the final training loss, over the λ of check 5."""
    frame, found = results.of("net", arm="lion"), []
    if frame.is_empty():
        return []
    runs = frame.filter(pl.col(LAMBDA).is_in(BOUNDED)).sort("seed", LAMBDA)
    for (seed,), part in runs.group_by("seed", maintain_order=True):
        ranks, n = part["train/cross_entropy"].rank().to_numpy(), len(part)
        # By the formula for distinct values: exactly 0.8 for one adjacent swap among four, where corrcoef is off by
        # 1e-16.
        rho = 1 - 6 * ((ranks - np.arange(1, n + 1)) ** 2).sum() / (n * (n**2 - 1)) if n > 1 else math.nan
        found.append(Value(str(seed), float(rho), tuple(sorted(part["signature"]))))
    return found


def by_arm(name: str) -> Measure:
    """A number of each quadratic program, for each K and each λ."""
    return unit("qp", name, over="unit", group=("arm", LAMBDA))


RUNS = ("arm", LAMBDA, "seed")

CHECKS = [
    Check(
        "1",
        "In every run and step the excess of λx over dom K* (coordinate by coordinate for a box, in the dual norm for "
        "norms) is at most (1 - ηλ) times the one before, plus 1e-6 (nets: 1e-6 max(1, λ max |x|)); starts at zero "
        "and outside",
        serves=["C4"],
        kind=Exact(
            [
                Condition(scalar("qp", "excess/violations", over=RUNS), at_most(0), "violations from zero"),
                Condition(scalar("outside", "excess/violations", over=RUNS), at_most(0), "violations from outside"),
                Condition(
                    scalar("steps", "excess/violations", over=("optimizer.lr", "seed")),
                    at_most(0),
                    "violations at constant step size",
                ),
                Condition(scalar("net", "excess/violations", over=RUNS), at_most(0), "violations on networks"),
            ]
        ),
        unit="run",
    ),
    Check(
        "2",
        "Along the flow the largest increase of H between samples is at most 1e-6 of H(0) - H(end), on all ten "
        "trajectories; at 1000 points H' equals its closed form to 1e-10",
        serves=["C3"],
        kind=Exact(
            [
                Condition(unit("ode", "increase", over=("arm", "unit")), at_most(1e-6), "relative increase"),
                Condition(exact("2", "deviation"), at_most(1e-10), "deviation of H'"),
            ]
        ),
        unit="trajectory",
    ),
    Check(
        "2-control",
        "H with the factor 1 - eps gamma in its last term: the increase along the flow, and the deviation of H'",
        serves=[],
        kind=Report(
            [
                Condition(unit("ode", "increase_control", over="unit", group="arm"), at_most(1e-6), "increase"),
                Condition(exact("2", "control"), at_most(1e-10), "largest deviation"),
            ]
        ),
        unit="trajectory",
    ),
    Check(
        "3a",
        "Lion on quadratic programs: gap to scipy's bounded minimum at most 1e-3 in at least 19 of 20, for each λ",
        serves=["C1"],
        kind=Count([Condition(unit("qp", "gap_scipy", arm="l1", over="unit", group=LAMBDA), at_most(1e-3), "gap")], 19),
        unit="problem",
    ),
    Check(
        "3b",
        "From x_0 = 0 the iterate ends inside the constraint set, for Lion max |x_i| <= 1/λ + 1e-9",
        serves=["C1", "C2"],
        kind=Exact(
            [Condition(unit("qp", "infeasibility", over=("arm", LAMBDA, "unit")), at_most(1e-9), "infeasibility")]
        ),
        unit="problem",
    ),
    Check(
        "4a",
        "Every other K: gap to the FISTA reference (l_1.5: the Fenchel certificate) at most 5e-3 in at least 18 of 20, "
        "for each λ",
        serves=["C2", "C6"],
        kind=Count([Condition(by_arm("gap").but(arm="l1"), at_most(5e-3), "gap")], 18),
        unit="problem",
    ),
    Check(
        "4b",
        "Every other K with a reference: the minimiser of the wrong composite (Huber, soft: box only; norms: no "
        "constraint) is more than ten times as far from x_T as the right one, in at least 18 of 20, for each λ",
        serves=["C2", "C6"],
        kind=Count([Condition(by_arm("farther"), above(0), "distance to wrong - 10 x to right")], 18),
        unit="problem",
    ),
    Check(
        "4c",
        "The FISTA references are minimisers: their Fenchel certificate is at most 1e-8",
        serves=[],
        kind=Exact([Condition(unit("qp", "reference", over=("arm", LAMBDA, "unit")), at_most(1e-8), "certificate")]),
        unit="problem",
    ),
    Check(
        "5a",
        "Networks trained with Lion at λ in {5, 10, 20, 40} end at the bound: 0.99 <= λ max |w| <= 1.01, in 5 of 5",
        serves=["C1"],
        kind=Count(
            [
                Condition(
                    scalar("net", "box/max", arm="lion", group=LAMBDA, optimizer__weight_decay=BOUNDED),
                    between(0.99, 1.01),
                    "λ max |w|",
                )
            ]
        ),
    ),
    Check(
        "5b",
        "Control: SGD with decoupled decay on the quadratic programs ends at (Q + λI)^-1 b, to 1e-6",
        serves=["C1"],
        kind=Exact([Condition(unit("ridge", "to_ridge", over=(LAMBDA, "unit")), at_most(1e-6), "distance")]),
        unit="problem",
    ),
    Check(
        "5c",
        "Control: and so it violates the box at λ = 2, λ max |x_i| > 1.05 in at least 18 of 20",
        serves=["C1"],
        kind=Count(
            [Condition(unit("ridge", "box", over="unit", optimizer__weight_decay=2.0), above(1.05), "λ max |x|")],
            18,
        ),
        unit="problem",
    ),
    Check(
        "5-report",
        "λ max |w| where nothing is demanded: Lion at λ = 2, networks trained with SGD and AdamW",
        serves=[],
        kind=Report(
            [
                Condition(
                    scalar("net", "box/max", arm="lion", optimizer__weight_decay=2.0),
                    at_most(1.01),
                    "Lion, λ = 2",
                ),
                Condition(scalar("controls", "box/max", group=("arm", LAMBDA)), at_most(1.05), "control"),
            ]
        ),
    ),
    Check(
        "6a",
        "The final training loss grows with λ: Spearman's rho over λ in {5, 10, 20, 40} at least 0.8 in 5 of 5 seeds",
        serves=["C5"],
        kind=Count([Condition(rank_correlation, at_least(0.8), "rho")]),
    ),
    Check(
        "6b",
        "After a tenth of the steps the training loss at λ = 10 is below that at λ = 2",
        serves=["C5"],
        kind=Interval(
            difference(
                scalar("net", "train/early", arm="lion", optimizer__weight_decay=2.0),
                scalar("net", "train/early", arm="lion", optimizer__weight_decay=10.0),
            ),
            above(0),
            name="loss(λ = 2) - loss(λ = 10)",
        ),
    ),
    Check(
        "7",
        "Lion at constant step size η, λ = 1: the gap averaged over the second half and 20 problems falls with η at a "
        "log-log slope in [0.7, 2.2] over η in {1e-1, 3e-2, 1e-2, 3e-3}",
        serves=["C9"],
        kind=Exact(
            [Condition(slope("steps", "optimizer.lr", "gap/second_half", per=(), log=True), between(0.7, 2.2), "slope")]
        ),
        unit="slope",
    ),
    Check(
        "8",
        "Bytes of optimizer state in tensors of their parameter's shape: Lion has exactly half of AdamW's",
        serves=["C8a"],
        kind=Exact([Condition(exact("8", "ratio"), between(0.5, 0.5), "ratio")]),
        unit="ratio",
    ),
    Check(
        "logistic",
        "Lion-K on full-batch logistic regression: gap to the reference",
        serves=[],
        kind=Report([Condition(unit("logistic", "gap", over="unit", group=("arm", LAMBDA)), at_most(5e-3), "gap")]),
        unit="problem",
    ),
]
