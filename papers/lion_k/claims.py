"""The paper's claims and the checks on them, as registered before any run.

The paper's body could not be read; claims are worded after its abstract and its reviews, which also name the theorems.
"gap" is (F(x_T) - F*)/max(1, |F*|) with F(x) = f(x) + K*(lambda x)/lambda.
"""

from __future__ import annotations

from assay.claims import Check, Claim, Count, Exact, Interval, Measure, Report, exact, scalar, slope, spearman, unit

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
EACH = ("arm", LAMBDA)

BOUNDED = (5.0, 10.0, 20.0, 40.0)
"""The λ of check 5 and check 6: every start is outside 1/λ."""

box = scalar("net", "box/max", arm="lion", group=LAMBDA)
early = scalar("net", "train/early", arm="lion", group=LAMBDA)


def violations(experiment: str, *axes: str) -> Measure:
    """Steps in which the excess fell too little, by run."""
    return scalar(experiment, "excess/violations", over=(*axes, "seed"))


CHECKS = [
    Check(
        "1",
        "In every run and step the excess of λx over dom K* (coordinate by coordinate for a box, in the dual norm for "
        "norms) is at most (1 - ηλ) times the one before, plus 1e-6 (nets: 1e-6 max(1, λ max |x|)); starts at zero "
        "and outside",
        ["C4"],
        Exact(
            [
                violations("qp", *EACH).called("violations from zero") <= 0,
                violations("outside", *EACH).called("violations from outside") <= 0,
                violations("steps", "optimizer.lr").called("violations at constant step size") <= 0,
                violations("net", *EACH).called("violations on networks") <= 0,
            ]
        ),
        unit="run",
    ),
    Check(
        "2",
        "Along the flow the largest increase of H between samples is at most 1e-6 of H(0) - H(end), on all ten "
        "trajectories; at 1000 points H' equals its closed form to 1e-10",
        ["C3"],
        Exact(
            [
                unit("ode", "increase", over=("arm", "unit")).called("relative increase") <= 1e-6,
                exact("2", "deviation", "deviation of H'") <= 1e-10,
            ]
        ),
        unit="trajectory",
    ),
    Check(
        "2-control",
        "H with the factor 1 - eps gamma in its last term: the increase along the flow, and the deviation of H'",
        [],
        Report(
            [
                unit("ode", "increase_control", over="unit", group="arm").called("increase").shown(),
                exact("2", "control", "largest deviation").shown(),
            ]
        ),
        unit="trajectory",
    ),
    Check(
        "3a",
        "Lion on quadratic programs: gap to scipy's bounded minimum at most 1e-3 in at least 19 of 20, for each λ",
        ["C1"],
        Count(unit("qp", "gap_scipy", arm="l1", over="unit", group=LAMBDA).called("gap") <= 1e-3, 19),
        unit="problem",
    ),
    Check(
        "3b",
        "From x_0 = 0 the iterate ends inside the constraint set, for Lion max |x_i| <= 1/λ + 1e-9",
        ["C1", "C2"],
        Exact(unit("qp", "infeasibility", over=(*EACH, "unit")).called("infeasibility") <= 1e-9),
        unit="problem",
    ),
    Check(
        "4a",
        "Every other K: gap to the FISTA reference (l_1.5: the Fenchel certificate) at most 5e-3 in at least 18 of 20, "
        "for each λ",
        ["C2", "C6"],
        Count(unit("qp", "gap", over="unit", group=EACH).but(arm="l1").called("gap") <= 5e-3, 18),
        unit="problem",
    ),
    Check(
        "4b",
        "Every other K with a reference: the minimiser of the wrong composite (Huber, soft: box only; norms: no "
        "constraint) is more than ten times as far from x_T as the right one, in at least 18 of 20, for each λ",
        ["C2", "C6"],
        Count(unit("qp", "farther", over="unit", group=EACH).called("distance to wrong - 10 x to right") > 0, 18),
        unit="problem",
    ),
    Check(
        "4c",
        "The FISTA references are minimisers: their Fenchel certificate is at most 1e-8",
        [],
        Exact(unit("qp", "reference", over=(*EACH, "unit")).called("certificate") <= 1e-8),
        unit="problem",
    ),
    Check(
        "5a",
        "Networks trained with Lion at λ in {5, 10, 20, 40} end at the bound: 0.99 <= λ max |w| <= 1.01, in 5 of 5",
        ["C1"],
        Count(box.only(optimizer__weight_decay=BOUNDED).called("λ max |w|").within(0.99, 1.01)),
    ),
    Check(
        "5b",
        "Control: SGD with decoupled decay on the quadratic programs ends at (Q + λI)^-1 b, to 1e-6",
        ["C1"],
        Exact(unit("ridge", "to_ridge", over=(LAMBDA, "unit")).called("distance") <= 1e-6),
        unit="problem",
    ),
    Check(
        "5c",
        "Control: and so it violates the box at λ = 2, λ max |x_i| > 1.05 in at least 18 of 20",
        ["C1"],
        Count(unit("ridge", "box", over="unit", optimizer__weight_decay=2).called("λ max |x|") > 1.05, 18),
        unit="problem",
    ),
    Check(
        "5-report",
        "λ max |w| where nothing is demanded: Lion at λ = 2, networks trained with SGD and AdamW",
        [],
        Report(
            [
                box.at(optimizer__weight_decay=2).called("Lion, λ = 2").shown(),
                scalar("controls", "box/max", group=EACH).called("control").shown(),
            ]
        ),
    ),
    Check(
        "6a",
        "The final training loss grows with λ: Spearman's rho over λ in {5, 10, 20, 40} at least 0.8 in 5 of 5 seeds",
        ["C5"],
        Count(
            spearman("net", LAMBDA, "train/cross_entropy", "lion", optimizer__weight_decay=BOUNDED).called("rho") >= 0.8
        ),
    ),
    Check(
        "6b",
        "After a tenth of the steps the training loss at λ = 10 is below that at λ = 2",
        ["C5"],
        Interval(
            early.at(optimizer__weight_decay=2) - early.at(optimizer__weight_decay=10) > 0,
            name="loss(λ = 2) - loss(λ = 10)",
        ),
    ),
    Check(
        "7",
        "Lion at constant step size η, λ = 1: the gap averaged over the second half and 20 problems falls with η at a "
        "log-log slope in [0.7, 2.2] over η in {1e-1, 3e-2, 1e-2, 3e-3}",
        ["C9"],
        Exact(slope("steps", "optimizer.lr", "gap/second_half", per=(), log=True).called("slope").within(0.7, 2.2)),
        unit="slope",
    ),
    Check(
        "8",
        "Bytes of optimizer state in tensors of their parameter's shape: Lion has exactly half of AdamW's",
        ["C8a"],
        Exact(exact("8", "ratio").equals(0.5)),
        unit="ratio",
    ),
    Check(
        "logistic",
        "Lion-K on full-batch logistic regression: gap to the reference",
        [],
        Report(unit("logistic", "gap", over="unit", group=EACH).called("gap").shown()),
        unit="problem",
    ),
]
