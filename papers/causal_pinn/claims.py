"""What the paper claims, and the checks that were registered before any run.

The error is ||u - reference|| / ||reference|| over all times, points and components. S is the sum of the residual
losses of all slices but the last: min w = exp(-eps S) where the weights have no term of the initial condition.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import polars as pl
from scipy.stats import spearmanr

from assay.claims import (
    Check,
    Claim,
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
    share,
    table,
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

FIXED = ("eps_0p001", "eps_0p1", "eps_10")
"""The arms with one tolerance for all steps."""

CAUSAL = (*FIXED, "annealed", "annealed_stop")
"""The arms with eps > 0."""

LORENZ_ARMS = ("pinn", *CAUSAL)

error = scalar("lorenz", "error/all", group="arm")
median_of_fixed = scalar("lorenz", "error/all", FIXED, reduce="median")
steps = scalar("lorenz", "steps/done", group="arm")
fired = scalar("lorenz", "steps/fired", "annealed_stop")
"""By seed, how many tolerances' turns the stopping rule ended early."""

ac_error = scalar("allen_cahn", "error/all", group="arm")
ac_log_ratio = (ac_error.at(arm="causal") / ac_error.at(arm="pinn")).log()


def ends(results: Results) -> pl.DataFrame:
    """S and the error at the end of each causal run."""
    runs = results.of("lorenz")
    if not {"residual/earlier", "error/all", "steps/done"} <= set(runs.columns):
        return pl.DataFrame()
    step = pl.col("steps/done").cast(pl.Int64).alias("step")
    found = runs.filter(pl.col("arm").is_in(CAUSAL)).select("signature", step, "residual/earlier", error="error/all")
    return found.drop_nulls()


def states(results: Results) -> pl.DataFrame:
    """S and the error every 500 steps of each causal run, with the last state of one that ended between two of them."""
    curves, last = results.of("lorenz", "curves"), ends(results)
    if curves.is_empty() or last.is_empty():
        return pl.DataFrame()
    names = ("residual/earlier", "error")
    curves = curves.filter(pl.col("arm").is_in(CAUSAL), pl.col("name").is_in(names), pl.col("step") > 0)
    moment = ("signature", "step")
    points = curves.pivot("name", index=moment, values="value").drop_nulls().select(last.columns)
    return pl.concat([points, last], how="vertical_relaxed").unique(moment, keep="first", maintain_order=True)


def indicator(moments: Callable[[Results], pl.DataFrame]) -> Measure:
    """Spearman's correlation of S and the error over all causal arms, seeds and moments, as one value."""

    @function(Read("lorenz", arms=CAUSAL))
    def measure(results: Results) -> Values:
        rows = moments(results)
        if len(rows) < 3:
            return []
        found = float(spearmanr(rows["residual/earlier"], rows["error"]).statistic)
        return [Value("all causal runs", found, tuple(sorted(set(rows["signature"]))))]

    return measure


def acted(measure: Measure) -> Measure:
    """A measure's values in the seeds in which the stopping rule acted.

    Nothing where fewer than three are left: the two arms are then nearly the same runs, and the check is inconclusive.
    """

    @function(*measure.reads, *fired.reads, over="seed")
    def kept(results: Results) -> Values:
        seeds = {v.unit for v in fired(results) if v.value > 0}
        found = [v for v in measure(results) if v.unit in seeds]
        return found if len(found) >= 3 else []

    return kept


steps_ratio = acted(steps.at(arm="annealed_stop")).mean() / acted(steps.at(arm="annealed")).mean()
"""Steps in all, stopped over not stopped."""

error_log_ratio = acted((error.at(arm="annealed_stop") / error.at(arm="annealed")).log()).mean()


@function(*error_log_ratio.reads, over=())
def error_ratio(results: Results) -> Values:
    """The geometric mean of the errors' ratio, stopped over not stopped."""
    return [replace(v, value=math.exp(v.value)) for v in error_log_ratio(results)]


CHECKS = [
    Check(
        "1",
        "Weights: w_1 = 1 without and exp(-eps lambda_ic L_ic) with the initial condition in them; both "
        "non-increasing and equal to a double loop to 1e-12 (float64). The gradient of mean(w L) equals that with "
        "constant weights (rel. 1e-10); without detaching them it differs by more than 1e-2 at eps = 0.1 on an "
        "Allen-Cahn start.",
        ["C1"],
        Exact(
            [
                exact("1", "first_a", "w_1 - 1") <= 1e-12,
                exact("1", "first_b", "w_1 - exp(-eps L_0)") <= 1e-12,
                exact("1", "rise", "largest rise of w") <= 0,
                exact("1", "loop_error", "weights - double loop") <= 1e-12,
                exact("1", "gradient_error", "gradient - constant weights") <= 1e-10,
                exact("1", "attached_difference", "gradient through the weights") > 1e-2,
            ]
        ),
        unit="number",
    ),
    Check(
        "2",
        "Jets against nested autograd for MLP and modified MLP in float64: u, u_t and u_x to u_xxxx, max |jet - "
        "nested| / max |nested| < 1e-9 for each. u, u_x and u_xx at x = -1 and 1 agree to 1e-12 max(1, max |.|).",
        ["C8"],
        Exact(
            [
                exact("2", f"{name}_error_{net}", f"{text}, {net}") < bound
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
        [],
        Exact(
            [
                exact("3", "halved_step", "dt - dt/2") < 1e-6,
                exact("3", "lsoda", "ETDRK4 - LSODA") < 1e-5,
                exact("3", "order_coarse", "order at 2.5e-4").within(3.7, 4.3),
                exact("3", "order_fine", "order at 1.25e-4").within(3.7, 4.3),
            ]
        ),
        unit="number",
    ),
    Check(
        "4a",
        "Allen-Cahn, causal against plain, paired by seed: log(error_causal / error_pinn) is negative in 5 of 5 seeds "
        "(and so is its mean).",
        ["C1"],
        Count(ac_log_ratio.called("log(causal / plain)") < 0),
    ),
    Check(
        "4b",
        "Lorenz, annealed without stop against eps = 0, both 6000 steps: the mean of log(error_annealed / error_pinn) "
        "is below 0 (paired t over 5 seeds).",
        ["C1"],
        Interval((error.at(arm="annealed") / error.at(arm="pinn")).log().called("log(annealed / plain)") < 0),
    ),
    Check(
        "4r",
        "Allen-Cahn: errors of all arms (time marching in four windows serves no check), and the mean log ratio.",
        ["C1"],
        Report(
            [
                *table("allen_cahn", {"error/all": "error"}, ("pinn", "causal", "time_marching")),
                ac_log_ratio.mean().called("log(causal / plain)").shown(),
            ]
        ),
    ),
    Check(
        "5a",
        "Allen-Cahn, plain arm, step 2500: the share of sum_i L_i that the first six of 24 slices carry is > .5 in >= "
        "3 of 5 seeds.",
        ["C2"],
        Count(
            scalar("allen_cahn", "residual/first_quarter", "pinn").called("share of the first quarter") > 0.5, need=3
        ),
    ),
    Check(
        "5b",
        "Allen-Cahn, plain arm: Spearman's correlation of C(t_i) = sum_j |dR(t_i, x_j)/dtheta|^2 / 24 with t_i is > 0 "
        "at step 0 and at step 1000, in >= 3 of 5 seeds.",
        ["C2"],
        Count(
            [
                scalar("allen_cahn", f"rate/spearman_{step}", "pinn").called(f"Spearman(C, t), step {step}") > 0
                for step in (0, 1000)
            ],
            need=3,
        ),
    ),
    Check(
        "5r",
        "The share of the first quarter and the correlations of C with t of both arms.",
        ["C2"],
        Report(
            table(
                "allen_cahn",
                {"residual/first_quarter": "share of the first quarter"}
                | {f"rate/spearman_{step}": f"Spearman(C, t), step {step}" for step in (0, 1000, 2500)},
                ("pinn", "causal"),
            )
        ),
    ),
    Check(
        "6a",
        "Lorenz: Spearman(S, error) > .5, pooled over the five arms with eps > 0, five seeds, every 500 steps and "
        "the last state of runs that stop early. S = -log(min w)/eps is the unweighted residual: what is tested is the "
        "residual as an indicator of the error.",
        ["C3"],
        Count(indicator(states).called("Spearman(S, error)") > 0.5),
        unit="all causal runs",
    ),
    Check(
        "6b",
        "Lorenz, over the seeds in which the stopping rule acted before a tolerance's 1200 steps were over "
        "(inconclusive if fewer than 3): the stopped arm takes fewer steps in all, and the geometric mean of "
        "error_stop / error_nostop is <= 1.5.",
        ["C3"],
        Count(
            [
                share(fired > 0).called("share of seeds in which the rule acted") >= 0,
                steps_ratio.called("steps, stopped / not stopped") < 1,
                error_ratio.called("error, stopped / not stopped") <= 1.5,
            ]
        ),
        unit="seeds together",
    ),
    Check(
        "6r",
        "The same correlation at the runs' ends alone (both numbers fall with training); steps taken and turns that "
        "the rule ended.",
        ["C3"],
        Report(
            [
                indicator(ends).called("Spearman(S, error) at the ends").shown(),
                *table("lorenz", {"steps/done": "steps", "steps/fired": "turns ended early"}, "annealed_stop"),
                *table("lorenz", {"residual/earlier": "S"}, LORENZ_ARMS),
            ]
        ),
    ),
    Check(
        "7",
        "Lorenz: the annealed arm's error is at most the median error of the fixed tolerances 1e-3, 1e-1 and 10, in >= "
        "4 of 5 seeds (without stop, 6000 steps).",
        ["C4"],
        Count(
            (error.at(arm="annealed") / median_of_fixed).log().called("log(annealed / median of fixed)") <= 0, need=4
        ),
    ),
    Check(
        "7r",
        "Lorenz: the whole curve of errors against eps.",
        ["C4"],
        Report(table("lorenz", {"error/all": "error"}, LORENZ_ARMS)),
    ),
    Check(
        "7s",
        "Lorenz to t = 1 only: errors by component. The paper's T = 20 stays untested at desk scale.",
        ["C5"],
        Report(table("lorenz", {f"error/{c}": f"error of {c}" for c in "xyz"}, ("pinn", "annealed"))),
    ),
    Check(
        "8a",
        "A step with weights over a step that computes none, Allen-Cahn size, medians of 300 in turns: < 1.10.",
        ["C8"],
        Count(scalar("cost", "time/causal_over_plain").called("causal / plain step") < 1.10),
        unit="sitting",
    ),
    Check(
        "8b",
        "u_xxxx on the Allen-Cahn grid and the gradient of the mean of its square, float32, medians of 7: nested "
        "reverse mode takes more than 1.5 times as long as jets.",
        ["C8"],
        Count(scalar("cost", "time/over_jets/nested").called("nested / jets") > 1.5),
        unit="sitting",
    ),
    Check(
        "8r",
        "Milliseconds of a step and of the derivative by four routes.",
        ["C8"],
        Report(
            table(
                "cost",
                {f"time/step_ms/{name}": f"step, {name}" for name in ("causal", "plain")}
                | {
                    f"time/derivative_ms/{name}": f"u_xxxx, {name}"
                    for name in ("jets", "jets_autograd", "nested", "forward")
                },
            )
        ),
    ),
]
