"""Figures: the surrogate bound, the learners' totals, the growth of regret, and omega on the heat equation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAWS = {"high": "High variance, Beta(1/2, 3/2)", "low": "Low variance, Beta(2, 6)"}
NAMES = {
    "tsallis_inf": "Tsallis-INF",
    "tsallis_inf_code": "Tsallis-INF, code",
    "tsallis_inf_cb": "Tsallis-INF-CB",
    "cheb_cb": "ChebCB",
    "fixed_1_0": "ω = 1",
    "fixed_1_2": "ω = 1.2",
    "fixed_1_3": "ω = 1.3",
    "fixed_1_4": "ω = 1.4",
    "fixed_1_5": "ω = 1.5",
    "fixed_1_6": "ω = 1.6",
    "fixed_1_75": "ω = 1.75",
    "fixed_1_8": "ω = 1.8",
    "fixed_1_95": "ω = 1.95",
    "oracle": "oracle",
    "cg": "plain CG",
}
SHOWN = ["tsallis_inf", "tsallis_inf_cb", "cheb_cb", "fixed_1_4", "fixed_1_6", "fixed_1_8", "oracle"]
"""Slower fixed omegas would leave no room for the others."""


def _learners(results: Results, name: str) -> pl.DataFrame:
    need(results.of("learners"), "runs of the learners")
    return results.curve("learners", name)


@figure(
    "surrogate",
    title="The surrogate stays above the cost and has its minimum near it",
    alt="Iterations of SOR, the near-asymptotic bound U and the asymptotic estimate against omega, on a log scale.",
    after="Fig. 1",
)
def surrogate(results: Results) -> Figure:
    """Cost, U and the asymptotic estimate on A itself."""
    units = need(results.of("bounds", "units"), "bounds")
    lines = units.filter(pl.col("bound").is_not_null()).sort("omega")
    fig = style.figure()
    ax = fig.subplots()
    shown = {"cost": "SOR iterations", "bound": "U(ω)", "asymptotic": "log ε / log ρ(C_ω)"}
    for name, look in style.looks(shown).items():
        ax.plot(lines["omega"], lines[name], color=look["color"], linestyle=look["linestyle"], label=shown[name])
    ax.set_yscale("log")
    style.label(ax, "relaxation parameter ω", "iterations")
    style.legend(ax)
    return fig


@figure(
    "totals",
    title="ChebCB pays least; Tsallis-INF follows the best fixed omega",
    alt="Mean iterations an instance so far against the number of instances, for the learners, three fixed omegas and "
    "the oracle, in both laws, with 95 % intervals over seeds.",
    after="Fig. 2 centre-left, Fig. 5",
)
def totals(results: Results) -> Figure:
    """Running mean of the cost, a panel a law."""
    curve = _learners(results, "cost/total_so_far")
    curve = curve.with_columns((pl.col("value") / pl.col("step")).alias("mean")).filter(pl.col("arm").is_in(SHOWN))
    fig = style.figure(height=3.8)
    axes = fig.subplots(1, 2, sharey=False)
    for ax, (law, title) in zip(axes, LAWS.items(), strict=True):
        style.band(ax, curve.filter(pl.col("data.law") == law), "step", "mean", labels=NAMES)
        style.label(ax, "instances", "iterations an instance, so far", title=title)
        ax.set_ylim(bottom=0)
    style.legend(axes[1], outside=True)
    return fig


@figure(
    "regret",
    title="Regret against the best fixed omega grows slower than the number of instances",
    alt="Cumulative regret of Tsallis-INF as derived and as in the code against the number of instances, log-log, with "
    "lines of slope 2/3 and 1.",
    after="Thm 2.1",
)
def regret(results: Results) -> Figure:
    """Regret over rounds, both axes logarithmic."""
    curve = _learners(results, "regret")
    curve = curve.filter(pl.col("arm").is_in(["tsallis_inf", "tsallis_inf_code"]) & (pl.col("value") > 0))
    fig = style.figure()
    axes = fig.subplots(1, 2)
    for ax, (law, title) in zip(axes, LAWS.items(), strict=True):
        mine = curve.filter(pl.col("data.law") == law)
        style.band(ax, mine, "step", "value", labels=NAMES)
        if len(mine):
            first, last = mine["step"].min(), mine["step"].max()
            start = mine.filter(pl.col("step") == first)["value"].mean()
            ends = np.array([first, last], dtype=float)
            for slope, dash in ((1.0, ":"), (2 / 3, "--")):
                line = start * (ends / ends[0]) ** slope
                ax.plot(ends, line, color=style.MUTED, linestyle=dash, linewidth=1, label=f"slope {slope:.2g}")
        ax.set(xscale="log", yscale="log")
        style.label(ax, "instances", "regret (iterations)", title=title)
    style.legend(axes[0])
    return fig


@figure(
    "heat_totals",
    title="Heat equation, nx = 25: iterations of the whole simulation",
    alt="Total SSOR-CG iterations of the learners beside plain CG and five fixed omegas.",
    after="Fig. 6",
)
def heat_totals(results: Results) -> Figure:
    """Total iterations by method, a dot a seed."""
    frames = [need(results.of(name), f"runs of {name}") for name in ("heat", "heat_fixed")]
    frame = pl.concat([f.select("arm", "module.nx", "iterations/total") for f in frames])
    frame = frame.filter((pl.col("arm") != "direct") & (pl.col("module.nx") == pl.col("module.nx").min()))
    order = (
        frame.group_by("arm").agg(pl.col("iterations/total").mean()).sort("iterations/total", "arm")["arm"].to_list()
    )
    fig = style.figure()
    ax = fig.subplots()
    style.dots(ax, frame, "iterations/total", order=order, labels=NAMES)
    ax.set_ylim(bottom=0)
    ax.tick_params(axis="x", rotation=30)
    style.label(ax, "", "iterations in total")
    return fig


@figure(
    "heat_omega",
    title="On the heat equation learners move omega with the diffusivity",
    alt="Iterations that each omega would need over simulation time as shades, with the omegas that learners "
    "chose in the first seed and the best omega of the grid.",
    after="Fig. 2 centre-right",
)
def heat_omega(results: Results) -> Figure:
    """Cost over time and omega, and what was chosen."""
    cells = need(results.of("heat_map", "units"), "map of costs").sort("omega", "time_step")
    steps, omegas = cells["time_step"].unique().sort().to_numpy(), cells["omega"].unique().sort().to_numpy()
    costs = cells["iterations"].to_numpy().reshape(len(omegas), len(steps))
    fig = style.figure(height=4.0)
    ax = fig.subplots()
    shades = ax.contourf(steps, omegas, costs, levels=12, cmap="cividis", alpha=0.75)
    fig.colorbar(shades, ax=ax, label="iterations")
    curve = results.curve("heat", "omega")
    if len(curve):
        curve = curve.filter(
            (pl.col("module.nx") == pl.col("module.nx").min()) & (pl.col("seed") == pl.col("seed").min())
        )
    arms = [arm for arm in ("tsallis_inf", "cheb_cb") if len(curve) and arm in curve["arm"]]
    for arm, look in style.looks(arms).items():
        mine = curve.filter(pl.col("arm") == arm).sort("step")
        smooth = mine["value"].rolling_mean(5, min_samples=1, center=True)
        # A pale edge keeps the line readable on dark and on light shades.
        ax.plot(mine["step"], smooth, color=style.PAPER, linewidth=3.2)
        ax.plot(mine["step"], smooth, color=look["color"], label=f"{NAMES[arm]} (mean of 5)")
    ax.plot(steps, omegas[costs.argmin(0)], ".", color=style.INK, markersize=3, label="best of the grid")
    style.label(ax, "time step", "relaxation parameter ω")
    ax.grid(visible=False)
    style.legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    return fig
