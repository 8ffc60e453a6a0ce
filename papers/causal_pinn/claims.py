"""What the paper claims, and the checks that were registered before any run.

The error is ||u - reference|| / ||reference|| over all times, points and components. S is the sum of the residual
losses of all slices but the last: min w = exp(-eps S) where the weights have no term of the initial condition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.stats import spearmanr

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

STANDS_FOR = {"desk": "small networks, Lorenz to t = 1, for the paper's networks and T = 20"}

CLAIMS = [
    Claim(
        "C1",
        "Causal weights alone turn a failing physics-informed network into an accurate one: Allen-Cahn.",
        source="Table 1; Fig. 1",
        paper_says="rel. L2: plain 4.98e-1, time marching 1.68e-2, causal MLP 1.43e-3, causal modified MLP 1.39e-4 "
        "(Fig. 15: 2.46e-4); quoted from others: adaptive time sampling 2.33e-2, self-attention 2.10e-2",
    ),
    Claim(
        "C2",
        "Plain networks violate causality: their residuals are large near t = 0 and nearly 0 later, and the "
        "convergence rate C(t) of the tangent kernel grows with t.",
        source="Fig. 2",
    ),
    Claim(
        "C3",
        "min w > delta is a practical measure of convergence; to stop there saves cost and does not hurt.",
        source="Figs. 4, 17 to 19",
    ),
    Claim(
        "C4",
        "A tolerance eps that is too small or too large hurts; annealing it over an increasing list works best.",
        source="Sec. 3",
    ),
    Claim(
        "C5",
        "The chaotic Lorenz system is solved to T = 20.",
        source="Sec. 5.3",
        paper_says="rel. L2 of x, y, z: 1.139e-2, 1.656e-2, 7.038e-3",
    ),
    Claim(
        "C6",
        "The Kuramoto-Sivashinsky equation is solved, in its regular and its chaotic regime.",
        source="Fig. 9",
        paper_says="rel. L2: 3.49e-4 and 2.26e-2 (the text says 2.46e-2)",
    ),
    Claim(
        "C7",
        "Two-dimensional decaying turbulence at Re = 100 is solved to T = 1.",
        source="Sec. 5.4",
        paper_says="rel. L2 of u, v, w: 3.90e-2, 2.61e-2, 3.53e-2",
    ),
    Claim(
        "C8",
        "The weights cost next to nothing, and Taylor-mode differentiation is faster than nested.",
        source="Sec. 3, remark 3; Sec. 5.2",
        paper_says="3 to 5 times as fast for Kuramoto-Sivashinsky, on a GPU",
    ),
    Claim(
        "C9",
        "It is the first success of physics-informed networks on such systems; a claim of novelty that no experiment "
        "can test.",
        source="Sec. 1",
    ),
]

FIXED = {"eps_0p001": 1e-3, "eps_0p1": 1e-1, "eps_10": 10.0}
"""The arms with one tolerance for all steps, and it."""

CAUSAL = [*FIXED, "annealed", "annealed_stop"]
"""The arms with eps > 0."""

Row = tuple[float, str]


def finals(results: Results, experiment: str, arm: str, name: str) -> dict[int, Row]:
    """By seed, a final number of an arm's run, and the run."""
    frame = results.of(experiment, arm=arm)
    if frame.is_empty() or name not in frame.columns:
        return {}
    rows = frame.filter(pl.col(name).is_not_null()).sort("seed").iter_rows(named=True)
    return {row["seed"]: (float(row[name]), row["signature"]) for row in rows}


def log_ratio(experiment: str, arm: str, other: str) -> Measure:
    """By seed, log(error of one arm / error of another)."""
    return (scalar(experiment, "error/all", arm) / scalar(experiment, "error/all", other)).log()


def states(results: Results, arm: str, ends_only: bool = False) -> list[tuple[float, float, str]]:
    """(S, error, run) of an arm every 500 steps, with the last state of a run that ended between two of them."""
    ends = [finals(results, "lorenz", arm, name) for name in ("residual/earlier", "error/all", "steps/done")]
    last = {s: (ends[0][s][0], ends[1][s][0], ends[0][s][1]) for s in ends[0] if s in ends[1] and s in ends[2]}
    if ends_only:
        return list(last.values())
    curves = [
        results.curve("lorenz", name, arm).select("signature", "step", pl.col("value").alias(name))
        for name in ("residual/earlier", "error")
        if len(results.curve("lorenz", name, arm))
    ]
    if len(curves) < 2:
        return []
    both = curves[0].join(curves[1], on=["signature", "step"]).filter(pl.col("step") > 0).sort("signature", "step")
    found = [(row[2], row[3], row[0]) for row in both.iter_rows()]
    measured = {(row[0], row[1]) for row in both.iter_rows()}
    return found + [row for seed, row in last.items() if (row[2], int(ends[2][seed][0])) not in measured]


def indicator(ends_only: bool = False) -> Measure:
    """Spearman's correlation of S and the error over all causal arms, seeds and moments, as one value."""

    @function(Read("lorenz", arms=tuple(CAUSAL)))
    def measure(results: Results) -> Values:
        rows = [row for arm in CAUSAL for row in states(results, arm, ends_only)]
        if len(rows) < 3:
            return []
        found = float(spearmanr([row[0] for row in rows], [row[1] for row in rows]).statistic)
        return [Value("all causal runs", found, tuple(sorted({row[2] for row in rows})))]

    return measure


def fired(results: Results) -> list[int]:
    """Seeds in which the stopping rule ended at least one tolerance's turn early."""
    return [seed for seed, (times, _) in finals(results, "lorenz", "annealed_stop", "steps/fired").items() if times > 0]


STOPPED = "seeds in which the rule acted"


@function(Read("lorenz", arms=("annealed_stop",)))
def times_fired(results: Results) -> Values:
    """How many seeds that are."""
    known = finals(results, "lorenz", "annealed_stop", "steps/fired")
    if not known:
        return []
    return [Value(STOPPED, float(len(fired(results))), tuple(sorted(run for _, run in known.values())))]


def stopping(name: str) -> Measure:
    """Over the seeds in which the rule acted: the geometric mean of stopped over not stopped.

    Nothing where fewer than three are left: the two arms are then nearly the same runs, and the check is inconclusive.
    """

    @function(Read("lorenz", arms=("annealed_stop", "annealed")))
    def measure(results: Results) -> Values:
        stop, full = (finals(results, "lorenz", arm, name) for arm in ("annealed_stop", "annealed"))
        seeds = [seed for seed in fired(results) if seed in full]
        if len(seeds) < 3:
            return []
        if name == "steps/done":
            ratio = sum(stop[s][0] for s in seeds) / sum(full[s][0] for s in seeds)
        else:
            ratio = math.exp(np.mean([math.log(stop[s][0] / full[s][0]) for s in seeds]))
        return [Value(STOPPED, ratio, tuple(run for s in seeds for run in (stop[s][1], full[s][1])))]

    return measure


@function(Read("lorenz", arms=("annealed", *FIXED)), over="seed")
def annealed_less_median(results: Results) -> Values:
    """By seed, log(error of the annealed arm / median error of the three fixed tolerances)."""
    annealed = finals(results, "lorenz", "annealed", "error/all")
    fixed = [finals(results, "lorenz", arm, "error/all") for arm in FIXED]
    found = []
    for seed, (error, run) in annealed.items():
        if all(seed in arm for arm in fixed):
            median = float(np.median([arm[seed][0] for arm in fixed]))
            found.append(Value(str(seed), math.log(error / median), (run, *(arm[seed][1] for arm in fixed))))
    return found


def reports(experiment: str, arms: Sequence[str], names: Sequence[tuple[str, str]]) -> list[Condition]:
    """A final number of every arm, for a report."""
    return [
        Condition(scalar(experiment, name, arm), at_most(math.inf), f"{text}, {arm}")
        for name, text in names
        for arm in arms
    ]


LORENZ_ARMS = ["pinn", *CAUSAL]
AC_ARMS = ["pinn", "causal", "time_marching"]

CHECKS = [
    Check(
        "1",
        "Weights: w_1 = 1 without and exp(-eps lambda_ic L_ic) with the initial condition in them; both "
        "non-increasing and equal to a double loop to 1e-12 (float64). The gradient of mean(w L) equals that with "
        "constant weights (rel. 1e-10); without detaching them it differs by more than 1e-2 at eps = 0.1 on an "
        "Allen-Cahn start.",
        serves=["C1"],
        kind=Exact(
            [
                Condition(exact("1", "first_a"), at_most(1e-12), "w_1 - 1"),
                Condition(exact("1", "first_b"), at_most(1e-12), "w_1 - exp(-eps L_0)"),
                Condition(exact("1", "rise"), at_most(0), "largest rise of w"),
                Condition(exact("1", "loop_error"), at_most(1e-12), "weights - double loop"),
                Condition(exact("1", "gradient_error"), at_most(1e-10), "gradient - constant weights"),
                Condition(exact("1", "attached_difference"), above(1e-2), "gradient through the weights"),
            ]
        ),
        unit="number",
    ),
    Check(
        "2",
        "Jets against nested autograd for MLP and modified MLP in float64: u, u_t and u_x to u_xxxx, max |jet - "
        "nested| / max |nested| < 1e-9 for each. u, u_x and u_xx at x = -1 and 1 agree to 1e-12 max(1, max |.|).",
        serves=["C8"],
        kind=Exact(
            [
                Condition(exact("2", f"{name}_error_{net}"), below(bound), f"{text}, {net}")
                for net in ("mlp", "modified_mlp")
                for name, bound, text in (("jets", 1e-9, "jets - nested"), ("period", 1e-12, "u(-1) - u(1)"))
            ]
        ),
        unit="number",
    ),
    Check(
        "3",
        "ETDRK4: Allen-Cahn with 256 modes at dt = 1e-4 and half of it differ by < 1e-6 (rel. L2 at t = 1) and from "
        "LSODA (tolerances 1e-10) on the same semi-discretisation by < 1e-5; the order observed on regular "
        "Kuramoto-Sivashinsky at t = .2, from differences at dt = 2.5e-4, 1.25e-4, 6.25e-5, is 4 +- 0.3.",
        serves=[],
        kind=Exact(
            [
                Condition(exact("3", "halved_step"), below(1e-6), "dt - dt/2"),
                Condition(exact("3", "lsoda"), below(1e-5), "ETDRK4 - LSODA"),
                Condition(exact("3", "order_coarse"), between(3.7, 4.3), "order at 2.5e-4"),
                Condition(exact("3", "order_fine"), between(3.7, 4.3), "order at 1.25e-4"),
            ]
        ),
        unit="number",
    ),
    Check(
        "4a",
        "Allen-Cahn, causal against plain, paired by seed: log(error_causal / error_pinn) is negative in 5 of 5 seeds "
        "(and so is its mean).",
        serves=["C1"],
        kind=Count([Condition(log_ratio("allen_cahn", "causal", "pinn"), below(0), "log(causal / plain)")]),
    ),
    Check(
        "4b",
        "Lorenz, annealed without stop against eps = 0, both 6000 steps: the mean of log(error_annealed / error_pinn) "
        "is below 0 (paired t over 5 seeds).",
        serves=["C1"],
        kind=Interval(log_ratio("lorenz", "annealed", "pinn"), below(0), name="log(annealed / plain)"),
    ),
    Check(
        "4r",
        "Allen-Cahn: errors of all arms (time marching in four windows serves no check), and the mean log ratio.",
        serves=["C1"],
        kind=Report(
            [
                *reports("allen_cahn", AC_ARMS, [("error/all", "error")]),
                Condition(
                    log_ratio("allen_cahn", "causal", "pinn").mean("seed"), at_most(math.inf), "log(causal / plain)"
                ),
            ]
        ),
    ),
    Check(
        "5a",
        "Allen-Cahn, plain arm, step 2500: the share of sum_i L_i that the first six of 24 slices carry is > .5 in >= "
        "3 of 5 seeds.",
        serves=["C2"],
        kind=Count(
            [
                Condition(
                    scalar("allen_cahn", "residual/first_quarter", "pinn"), above(0.5), "share of the first quarter"
                )
            ],
            need=3,
        ),
    ),
    Check(
        "5b",
        "Allen-Cahn, plain arm: Spearman's correlation of C(t_i) = sum_j |dR(t_i, x_j)/dtheta|^2 / 24 with t_i is > 0 "
        "at step 0 and at step 1000, in >= 3 of 5 seeds.",
        serves=["C2"],
        kind=Count(
            [
                Condition(
                    scalar("allen_cahn", f"rate/spearman_{step}", "pinn"), above(0), f"Spearman(C, t), step {step}"
                )
                for step in (0, 1000)
            ],
            need=3,
        ),
    ),
    Check(
        "5r",
        "The share of the first quarter and the correlations of C with t of both arms.",
        serves=["C2"],
        kind=Report(
            reports(
                "allen_cahn",
                ["pinn", "causal"],
                [
                    ("residual/first_quarter", "share of the first quarter"),
                    ("rate/spearman_0", "Spearman(C, t), step 0"),
                    ("rate/spearman_1000", "Spearman(C, t), step 1000"),
                    ("rate/spearman_2500", "Spearman(C, t), step 2500"),
                ],
            )
        ),
    ),
    Check(
        "6a",
        "Lorenz: Spearman(S, error) > .5, pooled over the five arms with eps > 0, five seeds, every 500 steps and "
        "the last state of runs that stop early. S = -log(min w)/eps is the unweighted residual: what is tested is the "
        "residual as an indicator of the error.",
        serves=["C3"],
        kind=Count([Condition(indicator(), above(0.5), "Spearman(S, error)")]),
        unit="all causal runs",
    ),
    Check(
        "6b",
        "Lorenz, over the seeds in which the stopping rule acted before a tolerance's 1200 steps were over "
        "(inconclusive if fewer than 3): the stopped arm takes fewer steps in all, and the geometric mean of "
        "error_stop / error_nostop is <= 1.5.",
        serves=["C3"],
        kind=Count(
            [
                Condition(times_fired, at_least(0), "seeds"),
                Condition(stopping("steps/done"), below(1), "steps, stopped / not stopped"),
                Condition(stopping("error/all"), at_most(1.5), "error, stopped / not stopped"),
            ]
        ),
        unit="seeds together",
    ),
    Check(
        "6r",
        "The same correlation at the runs' ends alone (both numbers fall with training); steps taken and turns that "
        "the rule ended.",
        serves=["C3"],
        kind=Report(
            [
                Condition(indicator(ends_only=True), at_most(math.inf), "Spearman(S, error) at the ends"),
                *reports("lorenz", ["annealed_stop"], [("steps/done", "steps"), ("steps/fired", "turns ended early")]),
                *reports("lorenz", LORENZ_ARMS, [("residual/earlier", "S")]),
            ]
        ),
    ),
    Check(
        "7",
        "Lorenz: the annealed arm's error is at most the median error of the fixed tolerances 1e-3, 1e-1 and 10, in >= "
        "4 of 5 seeds (without stop, 6000 steps).",
        serves=["C4"],
        kind=Count([Condition(annealed_less_median, at_most(0), "log(annealed / median of fixed)")], need=4),
    ),
    Check(
        "7r",
        "Lorenz: the whole curve of errors against eps.",
        serves=["C4"],
        kind=Report(reports("lorenz", LORENZ_ARMS, [("error/all", "error")])),
    ),
    Check(
        "7s",
        "Lorenz to t = 1 only: errors by component. The paper's T = 20 stays untested at desk scale.",
        serves=["C5"],
        kind=Report(reports("lorenz", ["pinn", "annealed"], [(f"error/{c}", f"error of {c}") for c in "xyz"])),
    ),
    Check(
        "8a",
        "A step with weights over a step that computes none, Allen-Cahn size, medians of 300 in turns: < 1.10.",
        serves=["C8"],
        kind=Count([Condition(scalar("cost", "time/causal_over_plain"), below(1.10), "causal / plain step")]),
        unit="sitting",
    ),
    Check(
        "8b",
        "u_xxxx on the Allen-Cahn grid and the gradient of the mean of its square, float32, medians of 7: nested "
        "reverse mode takes more than 1.5 times as long as jets.",
        serves=["C8"],
        kind=Count([Condition(scalar("cost", "time/over_jets/nested"), above(1.5), "nested / jets")]),
        unit="sitting",
    ),
    Check(
        "8r",
        "Milliseconds of a step and of the derivative by four routes.",
        serves=["C8"],
        kind=Report(
            [
                *(
                    Condition(scalar("cost", f"time/step_ms/{name}"), at_least(0), f"step, {name}")
                    for name in ("causal", "plain")
                ),
                *(
                    Condition(scalar("cost", f"time/derivative_ms/{name}"), at_least(0), f"u_xxxx, {name}")
                    for name in ("jets", "jets_autograd", "nested", "forward")
                ),
            ]
        ),
    ),
]
