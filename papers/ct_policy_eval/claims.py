"""What the paper claims, and the checks that were registered before any run."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from assay.claims import (
    Check,
    Claim,
    Count,
    Exact,
    Interval,
    Measure,
    Report,
    Value,
    Values,
    as_measure,
    exact,
    function,
    scalar,
    table,
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

DT = "module.dt"
KAPPAS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.01)
METHODS = ("mstde", "ml", "ctd")
ONLINE = ("ctd_0", "ctd_0_5", "ctd_0_9")


def standard_errors(estimate: Measure, target: Measure | float = 0.0) -> Measure:
    """|mean over seeds - target| in standard errors (sd over seeds / sqrt(seeds)), one value."""
    aim = as_measure(target)

    @function(*estimate.reads, *aim.reads)
    def found(results: Results) -> Values:
        values, aims = estimate(results), aim(results)
        if len(values) < 2 or not aims:
            return []
        numbers = np.array([value.value for value in values])
        spread = numbers.std(ddof=1)
        z = math.nan  # where seeds differ by rounding alone there is no error to measure in
        if spread > 1e-12 * np.abs(numbers).max():
            z = abs(numbers.mean() - aims[0].value) / (spread / math.sqrt(len(numbers)))
        return [Value("seeds", float(z), tuple(run for value in values for run in value.runs))]

    return found


@function("brownian")
def falling_error(results: Results) -> Values:
    """How much nearer to -2 the mean th2 of MSTDE's minimiser comes from one step to the next smaller one."""
    errors = (scalar("brownian", "theta/mstde/1", over=DT) + 2).abs()(results)
    return [
        Value(f"{coarse.unit} to {fine.unit}", coarse.value - fine.value, coarse.runs + fine.runs)
        for coarse, fine in pairwise(reversed(errors))
    ]


def pooled(results: Results, dt: float = 0.01) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Solutions of the equations summed over seeds, by unit ("ml" or a kappa), and the runs they came from."""
    units = results.of("ou_linear", "units", module__dt=dt)
    if units.is_empty():
        return {}, ()
    sums = units.group_by("unit").agg(pl.col("^[ab]_[01]+$").sum())
    found = {
        row["unit"]: np.linalg.solve([[row["a_00"], row["a_01"]], [row["a_10"], row["a_11"]]], [row["b_0"], row["b_1"]])
        for row in sums.iter_rows(named=True)
    }
    return found, tuple(sorted(set(units["signature"])))


def distances(results: Results, dt: float = 0.01) -> tuple[dict[float, float], tuple[str, ...]]:
    """||LSTD(kappa) - ML|| from the pooled paths, by kappa."""
    solutions, runs = pooled(results, dt)
    there = [kappa for kappa in KAPPAS if f"{kappa:g}" in solutions]
    return {kappa: float(np.linalg.norm(solutions[f"{kappa:g}"] - solutions["ml"])) for kappa in there}, runs


@function("ou_linear")
def distance(results: Results) -> Values:
    """The pooled distance to ML, a group for each kappa."""
    found, runs = distances(results)
    return [Value("pooled seeds", value, runs, group=f"kappa = {kappa:g}") for kappa, value in found.items()]


@function("ou_linear")
def monotone(results: Results) -> Values:
    """Rank correlation of kappa and the distance to ML, one value from all seeds together."""
    found, runs = distances(results)
    if len(found) < len(KAPPAS):
        return []
    return [Value("pooled seeds", float(spearmanr([*found], [*found.values()]).statistic), runs)]


def linear(name: str) -> Measure:
    """A coefficient on E2 in the class {T - t, (T - t) x}, one value a seed."""
    return scalar("ou_linear", name, module__dt=0.01)


rmse = scalar("option", "rmse", group="arm")

CHECKS = [
    Check(
        "1",
        "With the reward of a step replaced by its conditional mean (dt = .05): E xi d of the true J by Gauss-Hermite "
        "is below 1e-10 for xi = 1, x, sign x on E1 and E2; on one block of 2e4 paths |z| < 4 for all of them, and a J "
        "with C doubled is rejected with |z| > 10 (E1: xi = 1; E2: all three).",
        ["C1"],
        Exact(
            [
                exact("1", "expectation", "largest |E xi d|") < 1e-10,
                *(
                    exact("1", f"true/{name}/{test}", f"true J, {name}, xi = {test}: |z|") < 4
                    for name in ("brownian", "ou")
                    for test in ("1", "x", "sign")
                ),
                exact("1", "wrong/brownian/1", "wrong J, brownian, xi = 1: |z|") > 10,
                *(exact("1", f"wrong/ou/{test}", f"wrong J, ou, xi = {test}: |z|") > 10 for test in ("1", "x", "sign")),
            ]
        ),
    ),
    Check(
        "2",
        "J(0, x) of E2 in closed form against Crank-Nicolson on [-8, 8] (400 cells, 200 steps): error < 1e-3 on |x| <= "
        "3, and the same for r = sin x against its integral; against Monte Carlo from x = -1, 0, 1, 2 (2e4 paths): "
        "within 4 standard errors.",
        [],
        Exact(
            [
                exact("2", "square", "error, r = x^2") < 1e-3,
                exact("2", "sine", "error, r = sin x") < 1e-3,
                exact("2", "monte_carlo", "standard errors from Monte Carlo") <= 4,
            ]
        ),
    ),
    Check(
        "3a",
        "E1, by Gaussian moments: MSTDE is minimised at th1 = 1.000 and th2 = -1.2500, -1.5702, -1.7687, -1.9031, "
        "-1.9508, -1.9752 at dt = .2, .1, .05, .02, .01, .005, to 1e-3; ML and CLSTD give (1, 0) at every dt.",
        ["C2"],
        Exact(
            [
                exact("3a", "th1", "|th1 - 1|") <= 1e-3,
                exact("3a", "th2", "|th2 - registered|") <= 1e-3,
                exact("3a", "ml", "ML - (1, 0)") <= 1e-9,
                exact("3a", "ctd", "CLSTD - (1, 0)") <= 1e-9,
            ]
        ),
    ),
    Check(
        "3b",
        "E1, paths, dt = .005: the mean over 20 seeds of th2 of MSTDE's minimiser lies in [-2.1, -1.85].",
        ["C2"],
        Interval(scalar("brownian", "theta/mstde/1", module__dt=0.005).within(-2.1, -1.85), name="th2 of MSTDE"),
    ),
    Check(
        "3c",
        "E1, paths: the error of that mean against -2 decreases from each dt to the next smaller one.",
        ["C2"],
        Count(falling_error.called("decrease of |mean th2 + 2|") > 0),
        unit="pair of steps",
    ),
    Check(
        "3d",
        "E1, paths: the means over 20 seeds of th2 of ML and of CLSTD are below .1 in size at every dt.",
        ["C2"],
        Count(
            [
                scalar("brownian", "theta/ml/1", over=DT).called("mean th2 of ML").within(-0.1, 0.1),
                scalar("brownian", "theta/ctd/1", over=DT).called("mean th2 of CLSTD").within(-0.1, 0.1),
            ]
        ),
        unit="step",
    ),
    Check(
        "4",
        "E1, dt = .005: dt MSTDE(th) / ((1/2) E <M^th>_T) lies in [.95, 1.05] for five th uniform in [0, 2] x "
        "[-1.5, 2].",
        ["C2"],
        Exact(
            [
                exact("4", "least", "least ratio").within(0.95, 1.05),
                exact("4", "largest", "largest ratio").within(0.95, 1.05),
            ]
        ),
    ),
    Check(
        "5a",
        "E2, class {T - t, (T - t) x}, dt = .01, 20 seeds x 2e4 paths: the mean ML estimate equals the L2 projection "
        "and the mean CLSTD estimate the solution of its orthogonality condition (both of the population at this dt), "
        "each coordinate within 4 standard errors.",
        ["C3"],
        Count(
            [
                standard_errors(linear(f"theta/{method}/{j}"), linear(f"population/{method}/{j}")).called(
                    f"{method}, coefficient {j + 1}: standard errors off"
                )
                <= 4
                for method in ("ml", "ctd")
                for j in (0, 1)
            ]
        ),
        unit="pooled seeds",
    ),
    Check(
        "5b",
        "The first coordinates of the two estimates differ by more than 10 standard errors, paired by seed.",
        ["C3"],
        Count(
            standard_errors(linear("theta/ml/0") - linear("theta/ctd/0")).called("ML - CLSTD in standard errors") > 10
        ),
        unit="pooled seeds",
    ),
    Check(
        "6a",
        "The descent direction of the martingale loss equals the lambda = 1 orthogonality condition path by path (E2, "
        "beta = .2), to 1e-10.",
        ["C4"],
        Exact(exact("6a", "difference", "largest difference") < 1e-10),
    ),
    Check(
        "6b",
        "In the population (dt = .01) the distance of LSTD(kappa) to ML decreases along kappa = 10, 3, 1, .3, .1, .01 "
        "(Spearman 1) and vanishes at kappa = 0.",
        ["C4"],
        Exact(
            [
                exact("6b", "spearman", "Spearman") >= 1 - 1e-12,
                exact("6b", "at_zero", "distance at kappa = 0") <= 1e-10,
            ]
        ),
    ),
    Check(
        "6c",
        "The same with sample means, from the same paths as ML (dt = .01, 20 seeds x 2e4 pooled): Spearman 1.",
        ["C4"],
        Count(monotone.called("Spearman of kappa and distance") >= 1 - 1e-12),
        unit="pooled seeds",
    ),
    Check(
        "6d",
        "E2, dt = .05: the average of online CTD(0) over the last 2500 of 5000 episodes is within 5 % of the "
        "population's CLSTD (relative Euclidean distance), median of 5 seeds.",
        ["C4"],
        Count(scalar("online", "distance/average", "ctd_0").called("distance") < 0.05, need=3),
    ),
    Check(
        "6e",
        "Reported: distances of LSTD(kappa) to ML from the pooled paths; online CTD(lambda) against its own population "
        "solution, average and last iterate.",
        ["C4"],
        Report(
            [
                distance.called("distance to ML").shown(),
                *(
                    scalar("online", f"distance/{which}", arm).called(f"{arm}, {which}").shown()
                    for arm in ONLINE
                    for which in ("average", "last")
                ),
            ]
        ),
    ),
    Check(
        "7",
        "E2, class (T - t){1, x^2}, population: log-log slopes over dt in {.2, .1, .05, .02, .01, .005} of ||th(dt) - "
        "th(0)|| lie in [.9, 1.2] for ML and CLSTD.",
        ["C5"],
        Exact([exact("7", "ml", "slope, ML").within(0.9, 1.2), exact("7", "ctd", "slope, CLSTD").within(0.9, 1.2)]),
    ),
    *(
        Check(
            id,
            f"E4: RMSE against Black-Scholes on the law of X: residual gradient minus {name} is above 0, paired over 5 "
            "seeds.",
            ["C6"],
            Interval(rmse.at(arm="residual") - rmse.at(arm=arm) > 0, name=f"RMSE, residual - {name}"),
        )
        for id, arm, name in (("8a", "ml", "ML"), ("8b", "ctd", "CTD(0)"))
    ),
    Check(
        "8c",
        "Reported, E4: RMSE of each method (over all dates, and at t = 0), and the sum of squared increments of the "
        "fitted and of the true price along paths.",
        ["C6"],
        Report(
            [
                *table(
                    "option",
                    {"rmse": "RMSE", "rmse/first_date": "RMSE at t = 0", "variation/fitted": "variation"},
                    ("ml", "ctd", "residual"),
                ),
                scalar("option", "variation/true", "ml").called("variation, true").shown(),
            ]
        ),
    ),
    Check(
        "E2",
        "Reported: error of J(0, x0) on E2 in the class (T - t){1, x, x^2} x {1, T - t}, by dt.",
        [],
        Report([scalar("ou_full", f"value_error/{method}", group=DT).called(method).shown() for method in METHODS]),
    ),
    Check(
        "E3",
        "Reported: error of J(0, x0) on the LQ problem, by dt, and of online CTD(lambda) at dt = .05.",
        [],
        Report(
            [
                *(scalar("lq", f"value_error/{method}", group=DT).called(method).shown() for method in METHODS),
                *table("online_lq", {"value_error/average": "online"}, ONLINE),
            ]
        ),
    ),
]
