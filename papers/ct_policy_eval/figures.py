"""Figures: fitted values, MSTDE's th2 against the step, errors against the step, traces between CLSTD and ML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import MissingData, figure, need
from assay.results import Results
from papers.ct_policy_eval.claims import DT, METHODS, distances
from papers.ct_policy_eval.population import Population
from papers.ct_policy_eval.problems import BASES, E1, E2

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"mstde": "mean-square TD error", "ml": "martingale loss", "ctd": "CTD(0)"}
LOOKS = style.looks(METHODS)
RENAMED = pl.col("arm").replace({"residual": "mstde"})
"""The network's arm that follows the TD error's gradient looks like the TD error's minimiser."""

ONLINE = {"ctd_0": "CTD(0)", "ctd_0_5": "CTD(0.5)", "ctd_0_9": "CTD(0.9)"}


def _means(results: Results, experiment: str, columns: list[str]) -> pl.DataFrame:
    """Means over seeds by step, ascending."""
    frame = need(results.of(experiment), f"runs of {experiment}")
    return frame.group_by(DT).agg(pl.col(columns).mean()).sort(DT)


@figure(
    "values",
    title="Minimising the mean-square TD error flattens the value function",
    alt="Left: J(0, x) for Brownian motion by the three objectives and in truth, the mean-square TD error far off. "
    "Right: the price of a call at half its life by a network and three losses, and the Black-Scholes price.",
)
def values(results: Results) -> Figure:
    """E1 at the finest step, and E4."""
    fig = style.figure(height=3.8)
    axes = fig.subplots(1, 2)
    columns = [f"theta/{name}/{j}" for name in METHODS for j in (0, 1)]
    finest = _means(results, "brownian", columns).row(0, named=True)
    x = np.linspace(-2, 2, 81)
    for name in METHODS:
        look = {**LOOKS[name], "marker": ""}
        fitted = x**2 + finest[f"theta/{name}/0"] + finest[f"theta/{name}/1"] * x**2
        axes[0].plot(x, fitted, label=NAMES[name], **look)
    axes[0].plot(x, x**2 + 1, ":", color=style.INK, label="truth", zorder=4)
    style.label(axes[0], "x", "J(0, x)", title=f"E1: Brownian motion, dt = {finest[DT]:g}")
    style.legend(axes[0])
    units = results.of("option", "units")
    if len(units):
        units = units.with_columns(RENAMED).group_by("arm", "x").agg(pl.col("price", "truth").mean()).sort("x")
        for name in METHODS:
            rows = units.filter(pl.col("arm") == name)
            axes[1].plot(rows["x"], rows["price"], label=NAMES[name], **{**LOOKS[name], "marker": ""})
        axes[1].plot(rows["x"], rows["truth"], ":", color=style.INK, label="Black-Scholes", zorder=4)
    style.label(axes[1], "price of the stock / strike", "J(T/2, x)", title="E4: a call")
    return fig


@figure(
    "theta2",
    title="MSTDE's minimiser goes to -2, the least quadratic variation; the truth is 0",
    alt="Coefficient th2 against the step on E1: that of the mean-square TD error falls from -1.25 at dt = 0.2 towards "
    "-2, those of the martingale loss and CTD(0) stay at 0. Dots are means over seeds, lines the exact values.",
)
def theta2(results: Results) -> Figure:
    """Means over seeds with the population's curves."""
    means = _means(results, "brownian", [f"theta/{name}/1" for name in METHODS])
    steps = [E1.horizon / k for k in (5, 7, 10, 14, 20, 30, 50, 100, 200)]
    populations = [Population(E1, BASES["even"], dt).solutions() for dt in steps]
    fig = style.figure()
    ax = fig.subplots()
    for method in METHODS:
        look = LOOKS[method]
        exact = [population[method][1] for population in populations]
        ax.plot(steps, exact, color=look["color"], linestyle=look["linestyle"], linewidth=1.2)
        ax.plot(means[DT], means[f"theta/{method}/1"], look["marker"], color=look["color"], label=NAMES[method])
    style.threshold(ax, -2, "least quadratic variation")
    ax.set_xscale("log")
    style.label(ax, "step dt", "th2")
    style.legend(ax, loc="center right")
    return fig


@figure(
    "rates",
    title="Estimates approach their limits in proportion to the step",
    alt="Euclidean distance of the coefficients to their limit against the step, log-log, for the martingale loss and "
    "CLSTD on E2: exact lines of slope one, and means over seeds that follow them down to sampling noise.",
)
def rates(results: Results) -> Figure:
    """Bias in the population, and the distance of the mean estimate to the limit."""
    columns = [f"{kind}/{name}/{j}" for kind in ("theta", "limit") for name in ("ml", "ctd") for j in (0, 1)]
    means = _means(results, "ou_even", [*columns, "bias/ml", "bias/ctd"])
    fig = style.figure()
    ax = fig.subplots()
    for name, label in (("ml", "martingale loss"), ("ctd", "CLSTD")):
        look = LOOKS[name]
        first, second = ((means[f"theta/{name}/{j}"] - means[f"limit/{name}/{j}"]).to_numpy() for j in (0, 1))
        off = np.hypot(first, second)
        ax.plot(means[DT], means[f"bias/{name}"], color=look["color"], label=f"{label}, exact")
        ax.plot(means[DT], off, look["marker"], color=look["color"], label=f"{label}, mean of the seeds")
    ends = np.array([means[DT].min(), means[DT].max()])
    ax.plot(ends, means["bias/ml"][-1] * ends / ends[1] * 0.6, ":", color=style.MUTED, label="slope 1")
    ax.set(xscale="log", yscale="log")
    style.label(ax, "step dt", "distance to the limit")
    style.legend(ax)
    return fig


@figure(
    "traces",
    title="The slower the trace forgets, the nearer LSTD is to the martingale loss",
    alt="Distance of LSTD(kappa) to the minimiser of the martingale loss against kappa, log-log: exact line and the "
    "estimate from all seeds' paths.",
)
def traces(results: Results) -> Figure:
    """E2, class {tau, tau x}, at dt = 0.01, or at the step there is."""
    frame = need(results.of("ou_linear"), "runs of ou_linear")
    dt = 0.01 if 0.01 in frame[DT] else float(frame[DT].min())  # type: ignore[arg-type]
    found, _ = distances(results, dt)
    if not found:
        raise MissingData("no estimates with traces")
    population = Population(E2, BASES["linear"], dt)
    kappas = np.geomspace(min(found), max(found), 25)
    exact = [np.linalg.norm(population.ctd(float(kappa)) - population.ml()) for kappa in kappas]
    fig = style.figure()
    ax = fig.subplots()
    look = LOOKS["ctd"]
    ax.plot(kappas, exact, color=look["color"], label="exact")
    ax.plot([*found], [*found.values()], look["marker"], color=look["color"], label="all seeds' paths")
    ax.set(xscale="log", yscale="log")
    style.label(ax, "rate κ at which the trace forgets (λ = exp(−κ))", "distance to ML")
    style.legend(ax)
    return fig


@figure(
    "online",
    title="Online CTD(λ) settles at the solution of its own orthogonality condition",
    alt="Relative distance of the coefficients to the population's solution against episodes, for three lambdas.",
)
def online(results: Results) -> Figure:
    """Distances over episodes."""
    need(results.of("online"), "runs of online")
    fig = style.figure()
    ax = fig.subplots()
    style.band(ax, results.curve("online", "distance"), "step", "value", labels=ONLINE)
    ax.set_yscale("log")
    style.threshold(ax, 0.05, "5 %")
    style.label(ax, "episode", "relative distance")
    style.legend(ax)
    return fig


@figure(
    "option",
    title="The TD error's gradient fits the option's price worse",
    alt="Root mean square error against Black-Scholes over training steps, three losses, with intervals over seeds.",
)
def option(results: Results) -> Figure:
    """Errors over training."""
    need(results.of("option"), "runs of option")
    fig = style.figure()
    ax = fig.subplots()
    style.band(ax, results.curve("option", "rmse").with_columns(RENAMED), "step", "value", labels=NAMES)
    ax.set_yscale("log")
    style.label(ax, "step", "RMSE of the price")
    style.legend(ax)
    return fig
