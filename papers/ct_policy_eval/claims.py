"""What the paper claims, and the checks that were registered before any run."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from assay.claims import (
    Bound,
    Check,
    Claim,
    Condition,
    Count,
    Exact,
    Interval,
    Measure,
    Report,
    Value,
    Values,
    above,
    as_measure,
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

STANDS_FOR = {"desk": "problems and sizes of our own; the paper's could not be read"}

CLAIMS = [
    Claim(
        "C1",
        "Policy evaluation is equivalent to a martingale condition: J is the value function if and only if "
        "discounted J(t, X_t) plus the reward so far is a martingale (and J(T, .) = h).",
        source="theorem",
    ),
    Claim(
        "C2",
        "The mean-square TD error estimates the quadratic variation of that process; minimising it is wrong.",
        source="theorem and example",
    ),
    Claim(
        "C3",
        "The martingale loss is minimised by the best mean-square approximation of J in the class; its gradient "
        "is that of Monte Carlo.",
        source="theorem",
    ),
    Claim(
        "C4",
        "Martingale orthogonality conditions recover TD(lambda), LSTD and GTD; the test functions decide in which "
        "sense J is approximated.",
        source="algorithms",
    ),
    Claim("C5", "Discretised algorithms converge as the step goes to zero, at a rate.", source="theorem"),
    Claim("C6", "The methods work in numerical experiments and applications.", source="figures"),
]

FINEST = 0.005
DT = "module.dt"
KAPPAS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.01)
METHODS = ("mstde", "ml", "ctd")


def theta(experiment: str, method: str, j: int, **where: Any) -> Measure:
    """A coefficient of an estimate, one value a seed."""
    return scalar(experiment, f"theta/{method}/{j}", **where)


@function("brownian")
def falling_error(results: Results) -> Values:
    """How much nearer to -2 the mean th2 of MSTDE's minimiser comes from one step to the next smaller one."""
    means = scalar("brownian", "theta/mstde/1", over=DT)(results)
    errors = [(v, abs(v.value + 2)) for v in reversed(means)]
    return [
        Value(f"{coarse.unit} to {fine.unit}", worse - better, coarse.runs + fine.runs)
        for (coarse, worse), (fine, better) in pairwise(errors)
    ]


def standard_errors(measure: Measure, target: Measure | float = 0.0) -> Measure:
    """|mean over seeds - target| in standard errors (sd over seeds / sqrt(seeds)), one value."""
    target = as_measure(target)

    @function(*measure.reads, *target.reads)
    def found(results: Results) -> Values:
        values = measure(results)
        aims = target(results)
        if len(values) < 2 or not aims:
            return []
        numbers = np.array([v.value for v in values])
        spread = numbers.std(ddof=1)
        # Where seeds differ by rounding alone there is no error to measure in.
        z = math.nan
        if spread > 1e-12 * np.abs(numbers).max():
            z = abs(numbers.mean() - aims[0].value) / (spread / math.sqrt(len(numbers)))
        return [Value("seeds", float(z), tuple(sorted({run for v in values for run in v.runs})))]

    return found


def off_target(method: str, j: int) -> Condition:
    """An estimate on E2 at dt = .01 against the population's at the same dt."""
    mean = theta("ou_linear", method, j, module__dt=0.01)
    target = scalar("ou_linear", f"population/{method}/{j}", module__dt=0.01)
    return Condition(standard_errors(mean, target), at_most(4), f"{method}, coefficient {j + 1}: standard errors off")


def pooled(results: Results, dt: float = 0.01) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Solutions of the equations summed over seeds, by unit ("ml" or a kappa), and the runs they came from."""
    units = results.of("ou_linear", "units", module__dt=dt)
    if units.is_empty():
        return {}, ()
    names = [f"a_{i}{j}" for i in range(2) for j in range(2)] + ["b_0", "b_1"]
    sums = units.group_by("unit").agg(pl.col(names).sum())
    found = {}
    for row in sums.iter_rows(named=True):
        A = np.array([[row["a_00"], row["a_01"]], [row["a_10"], row["a_11"]]])
        found[row["unit"]] = np.linalg.solve(A, [row["b_0"], row["b_1"]])
    return found, tuple(sorted(set(units["signature"])))


def distances(results: Results, dt: float = 0.01) -> tuple[dict[float, float], tuple[str, ...]]:
    """||LSTD(kappa) - ML|| from the pooled paths, by kappa."""
    solutions, runs = pooled(results, dt)
    there = [kappa for kappa in KAPPAS if f"{kappa:g}" in solutions]
    return {kappa: float(np.linalg.norm(solutions[f"{kappa:g}"] - solutions["ml"])) for kappa in there}, runs


@function("ou_linear")
def monotone(results: Results) -> Values:
    """Rank correlation of kappa and the distance to ML, one value from all seeds together."""
    found, runs = distances(results)
    if len(found) < len(KAPPAS):
        return []
    return [Value("pooled seeds", float(spearmanr([*found], [*found.values()]).statistic), runs)]


def distance_report(kappa: float) -> Condition:
    """The pooled distance at one kappa."""

    @function("ou_linear")
    def measure(results: Results) -> Values:
        found, runs = distances(results)
        return [Value("pooled seeds", found[kappa], runs)] if kappa in found else []

    return Condition(measure, at_least(0), f"distance to ML, kappa = {kappa:g}")


CHECKS = [
    Check(
        "1",
        "With the reward of a step replaced by its conditional mean (dt = .05): E xi d of the true J by Gauss-Hermite "
        "is below 1e-10 for xi = 1, x, sign x on E1 and E2; on one block of 2e4 paths |z| < 4 for all of them, and a J "
        "with C doubled is rejected with |z| > 10 (E1: xi = 1; E2: all three).",
        serves=["C1"],
        kind=Exact(
            [
                Condition(exact("1", "expectation"), below(1e-10), "largest |E xi d|"),
                *(
                    Condition(exact("1", f"true/{name}/{test}"), below(4), f"true J, {name}, xi = {test}: |z|")
                    for name in ("brownian", "ou")
                    for test in ("1", "x", "sign")
                ),
                Condition(exact("1", "wrong/brownian/1"), above(10), "wrong J, brownian, xi = 1: |z|"),
                *(
                    Condition(exact("1", f"wrong/ou/{test}"), above(10), f"wrong J, ou, xi = {test}: |z|")
                    for test in ("1", "x", "sign")
                ),
            ]
        ),
    ),
    Check(
        "2",
        "J(0, x) of E2 in closed form against Crank-Nicolson on [-8, 8] (400 cells, 200 steps): error < 1e-3 on |x| <= "
        "3, and the same for r = sin x against its integral; against Monte Carlo from x = -1, 0, 1, 2 (2e4 paths): "
        "within 4 standard errors.",
        serves=[],
        kind=Exact(
            [
                Condition(exact("2", "square"), below(1e-3), "error, r = x^2"),
                Condition(exact("2", "sine"), below(1e-3), "error, r = sin x"),
                Condition(exact("2", "monte_carlo"), at_most(4), "standard errors from Monte Carlo"),
            ]
        ),
    ),
    Check(
        "3a",
        "E1, by Gaussian moments: MSTDE is minimised at th1 = 1.000 and th2 = -1.2500, -1.5702, -1.7687, -1.9031, "
        "-1.9508, -1.9752 at dt = .2, .1, .05, .02, .01, .005, to 1e-3; ML and CLSTD give (1, 0) at every dt.",
        serves=["C2"],
        kind=Exact(
            [
                Condition(exact("3a", "th1"), at_most(1e-3), "|th1 - 1|"),
                Condition(exact("3a", "th2"), at_most(1e-3), "|th2 - registered|"),
                Condition(exact("3a", "ml"), at_most(1e-9), "ML - (1, 0)"),
                Condition(exact("3a", "ctd"), at_most(1e-9), "CLSTD - (1, 0)"),
            ]
        ),
    ),
    Check(
        "3b",
        "E1, paths, dt = .005: the mean over 20 seeds of th2 of MSTDE's minimiser lies in [-2.1, -1.85].",
        serves=["C2"],
        kind=Interval(theta("brownian", "mstde", 1, module__dt=FINEST), between(-2.1, -1.85), name="th2 of MSTDE"),
    ),
    Check(
        "3c",
        "E1, paths: the error of that mean against -2 decreases from each dt to the next smaller one.",
        serves=["C2"],
        kind=Count([Condition(falling_error, above(0), "decrease of |mean th2 + 2|")]),
        unit="pair of steps",
    ),
    Check(
        "3d",
        "E1, paths: the means over 20 seeds of th2 of ML and of CLSTD are below .1 in size at every dt.",
        serves=["C2"],
        kind=Count(
            [
                Condition(scalar("brownian", f"theta/{method}/1", over=DT), between(-0.1, 0.1), f"mean th2 of {name}")
                for method, name in (("ml", "ML"), ("ctd", "CLSTD"))
            ]
        ),
        unit="step",
    ),
    Check(
        "4",
        "E1, dt = .005: dt MSTDE(th) / ((1/2) E <M^th>_T) lies in [.95, 1.05] for five th uniform in [0, 2] x "
        "[-1.5, 2].",
        serves=["C2"],
        kind=Exact(
            [
                Condition(exact("4", "least"), between(0.95, 1.05), "least ratio"),
                Condition(exact("4", "largest"), between(0.95, 1.05), "largest ratio"),
            ]
        ),
    ),
    Check(
        "5a",
        "E2, class {T - t, (T - t) x}, dt = .01, 20 seeds x 2e4 paths: the mean ML estimate equals the L2 projection "
        "and the mean CLSTD estimate the solution of its orthogonality condition (both of the population at this dt), "
        "each coordinate within 4 standard errors.",
        serves=["C3"],
        kind=Count([off_target(method, j) for method in ("ml", "ctd") for j in (0, 1)]),
        unit="pooled seeds",
    ),
    Check(
        "5b",
        "The first coordinates of the two estimates differ by more than 10 standard errors, paired by seed.",
        serves=["C3"],
        kind=Count(
            [
                Condition(
                    standard_errors(
                        difference(
                            theta("ou_linear", "ml", 0, module__dt=0.01), theta("ou_linear", "ctd", 0, module__dt=0.01)
                        )
                    ),
                    above(10),
                    "ML - CLSTD in standard errors",
                )
            ]
        ),
        unit="pooled seeds",
    ),
    Check(
        "6a",
        "The descent direction of the martingale loss equals the lambda = 1 orthogonality condition path by path (E2, "
        "beta = .2), to 1e-10.",
        serves=["C4"],
        kind=Exact([Condition(exact("6a", "difference"), below(1e-10), "largest difference")]),
    ),
    Check(
        "6b",
        "In the population (dt = .01) the distance of LSTD(kappa) to ML decreases along kappa = 10, 3, 1, .3, .1, .01 "
        "(Spearman 1) and vanishes at kappa = 0.",
        serves=["C4"],
        kind=Exact(
            [
                Condition(exact("6b", "spearman"), at_least(1 - 1e-12), "Spearman"),
                Condition(exact("6b", "at_zero"), at_most(1e-10), "distance at kappa = 0"),
            ]
        ),
    ),
    Check(
        "6c",
        "The same with sample means, from the same paths as ML (dt = .01, 20 seeds x 2e4 pooled): Spearman 1.",
        serves=["C4"],
        kind=Count([Condition(monotone, at_least(1 - 1e-12), "Spearman of kappa and distance")]),
        unit="pooled seeds",
    ),
    Check(
        "6d",
        "E2, dt = .05: the average of online CTD(0) over the last 2500 of 5000 episodes is within 5 % of the "
        "population's CLSTD (relative Euclidean distance), median of 5 seeds.",
        serves=["C4"],
        kind=Count([Condition(scalar("online", "distance/average", "ctd_0"), below(0.05), "distance")], need=3),
    ),
    Check(
        "6e",
        "Reported: distances of LSTD(kappa) to ML from the pooled paths; online CTD(lambda) against its own population "
        "solution, average and last iterate.",
        serves=["C4"],
        kind=Report(
            [
                *(distance_report(kappa) for kappa in KAPPAS),
                *(
                    Condition(scalar("online", f"distance/{which}", arm), at_least(0), f"{arm}, {which}")
                    for arm in ("ctd_0", "ctd_0_5", "ctd_0_9")
                    for which in ("average", "last")
                ),
            ]
        ),
    ),
    Check(
        "7",
        "E2, class (T - t){1, x^2}, population: log-log slopes over dt in {.2, .1, .05, .02, .01, .005} of ||th(dt) - "
        "th(0)|| lie in [.9, 1.2] for ML and CLSTD.",
        serves=["C5"],
        kind=Exact(
            [
                Condition(exact("7", "ml"), between(0.9, 1.2), "slope, ML"),
                Condition(exact("7", "ctd"), between(0.9, 1.2), "slope, CLSTD"),
            ]
        ),
    ),
    *(
        Check(
            id,
            f"E4: RMSE against Black-Scholes on the law of X: residual gradient minus {name} is above 0, paired over 5 "
            "seeds.",
            serves=["C6"],
            kind=Interval(
                difference(scalar("option", "rmse", "residual"), scalar("option", "rmse", arm)),
                above(0),
                name=f"RMSE, residual - {name}",
            ),
        )
        for id, arm, name in (("8a", "ml", "ML"), ("8b", "ctd", "CTD(0)"))
    ),
    Check(
        "8c",
        "Reported, E4: RMSE of each method (over all dates, and at t = 0), and the sum of squared increments of the "
        "fitted and of the true price along paths.",
        serves=["C6"],
        kind=Report(
            [
                *(
                    Condition(scalar("option", name, arm), at_least(0), f"{label}, {arm}")
                    for name, label in (
                        ("rmse", "RMSE"),
                        ("rmse/first_date", "RMSE at t = 0"),
                        ("variation/fitted", "variation"),
                    )
                    for arm in ("ml", "ctd", "residual")
                ),
                Condition(scalar("option", "variation/true", "ml"), at_least(0), "variation, true"),
            ]
        ),
    ),
    Check(
        "E2",
        "Reported: error of J(0, x0) on E2 in the class (T - t){1, x, x^2} x {1, T - t}, by dt.",
        serves=[],
        kind=Report(
            [Condition(scalar("ou_full", f"value_error/{method}", group=DT), Bound(), method) for method in METHODS]
        ),
    ),
    Check(
        "E3",
        "Reported: error of J(0, x0) on the LQ problem, by dt, and of online CTD(lambda) at dt = .05.",
        serves=[],
        kind=Report(
            [
                *(Condition(scalar("lq", f"value_error/{method}", group=DT), Bound(), method) for method in METHODS),
                *(
                    Condition(scalar("online_lq", "value_error/average", arm), Bound(), f"online {arm}")
                    for arm in ("ctd_0", "ctd_0_5", "ctd_0_9")
                ),
            ]
        ),
    ),
]
