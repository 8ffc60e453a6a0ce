"""Figures: profiles with their bands, the mass over time, shock positions, and errors by member and method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = {"step1": "step 1", "softc": "SoftC", "hardc": "HardC", "probconserv": "ProbConserv"}
MEMBERS = {
    ("diffusion", 1.0): "diffusion, k = 1",
    ("diffusion", 5.0): "diffusion, k = 5",
    ("pme", 6.0): "porous medium, m = 6",
    ("stefan", 0.6): "Stefan, u* = 0.6",
}


def _rows(results: Results, what: str) -> dict[float, pl.DataFrame]:
    """The recorded profile or masses of the first test function, by the least standard deviation of the network."""
    units = results.of("profiles", "units")
    rows = need(units.filter(pl.col("unit") == what) if len(units) else units, "profiles")
    return {float(floor): part for (floor,), part in sorted(rows.group_by(["model.floor"]))}  # type: ignore[arg-type]


@figure(
    "profiles",
    title="Stefan: the solution at t = 0.05, means with two standard deviations",
    alt="A row of four panels for each least standard deviation of the network, a panel for each method: the exact "
    "solution as a dashed line that jumps to zero at the front, the predicted mean as a line and a band of two "
    "standard deviations around it.",
    after="profile figure",
)
def profiles(results: Results) -> Figure:
    """A panel a method, a row a floor."""
    floors = _rows(results, "profile")
    fig = style.figure(style.WIDTH + 2.4, 0.6 + 2.4 * len(floors))
    axes = fig.subplots(len(floors), len(METHODS), sharex=True, sharey="row", squeeze=False)
    for row, (floor, rows) in enumerate(floors.items()):
        for ax, (method, look) in zip(axes[row], style.looks(METHODS).items(), strict=True):
            mine = rows.filter(pl.col("method") == method).sort("x")
            x, mean, sd = (mine[c].to_numpy() for c in ("x", "mean", "sd"))
            ax.plot(x, mine["truth"].to_numpy(), color=style.INK, linestyle=(0, (3, 2)), linewidth=1.0, label="exact")
            ax.plot(x, mean, color=look["color"], label="mean")
            ax.fill_between(x, mean - 2 * sd, mean + 2 * sd, color=look["color"], alpha=0.18, linewidth=0)
            text = f"u (least sd {floor:g})" if method == "step1" else ""
            style.label(ax, "x" if row == len(floors) - 1 else "", text, title="" if row else METHODS[method])
    style.legend(axes[0][0])
    return fig


@figure(
    "mass",
    title="Stefan: the integral over x against time",
    alt="Predicted total mass against time for step 1, SoftC and ProbConserv, with the exact mass as a dashed line, on "
    "which ProbConserv lies; a panel for each least standard deviation of the network.",
    after="conservation figure",
)
def mass(results: Results) -> Figure:
    """U(t) and b(t)."""
    floors = _rows(results, "mass")
    fig = style.figure(height=3.4)
    axes = fig.subplots(1, len(floors), sharey=True, squeeze=False)[0]
    for ax, (floor, rows) in zip(axes, floors.items(), strict=True):
        for method, look in style.looks(METHODS).items():
            mine = rows.filter(pl.col("method") == method).sort("t")
            if len(mine):
                ax.plot(mine["t"], mine["mass"], **look, label=METHODS[method])
        exact = rows.filter(pl.col("method") == rows["method"][0]).sort("t")
        ax.plot(exact["t"], exact["b"], color=style.INK, linestyle=(0, (3, 2)), linewidth=1.0, label="exact, b(t)")
        style.label(ax, "time t", "mass" if ax is axes[0] else "", title=f"least sd {floor:g}")
    style.legend(axes[-1])
    return fig


@figure(
    "shocks",
    title="Stefan: where 1000 draws have their shock",
    alt="Cumulative shares of the shock position over the draws of each method, with the exact position as a vertical "
    "line; a panel for each least standard deviation of the network.",
    after="shock figure",
)
def shocks(results: Results) -> Figure:
    """Distribution functions: histograms of four methods on one axis hide each other."""
    floors = _rows(results, "profile")
    fig = style.figure(height=3.4)
    axes = fig.subplots(1, len(floors), sharey=True, squeeze=False)[0]
    for ax, (floor, rows) in zip(axes, floors.items(), strict=True):
        for method, look in style.looks(METHODS).items():
            mine = rows.filter(pl.col("method") == method).sort("x")
            if len(mine):
                share = np.cumsum(mine["hits"].to_numpy())
                how = {key: look[key] for key in ("color", "linestyle") if key in look}
                ax.step(mine["x"].to_numpy(), share, where="post", **how, label=METHODS[method])
        wet = rows.filter((pl.col("method") == rows["method"][0]) & (pl.col("truth") > 0))
        style.threshold(ax, float(wet["x"].to_numpy().max()), "exact", axis="x")
        style.label(ax, "position", "share of draws up to it" if ax is axes[0] else "", title=f"least sd {floor:g}")
    style.legend(axes[-1], loc="lower right")
    return fig


@figure(
    "errors",
    title="MSE by problem and method at the time of interest",
    alt="One panel for each problem: mean squared errors on a logarithmic axis, a dot for each seed, for step 1, "
    "SoftC, HardC and ProbConserv, with the mean and its interval.",
    after="Tables 1-3",
)
def errors(results: Results) -> Figure:
    """log10 of the geometric mean over test functions, by seed."""
    units = need(results.of("methods", "units"), "test functions")
    shown = [key for key in MEMBERS if len(units.filter(_at(*key)))]
    need(units.filter(pl.any_horizontal(*[_at(*key) for key in shown])) if shown else units.head(0), "test functions")
    fig = style.figure(style.WIDTH + 2.4, 3.4)
    axes = np.atleast_1d(fig.subplots(1, len(shown)))
    for ax, key in zip(axes, shown, strict=True):
        seeds = (
            units.filter(_at(*key)).group_by("method", "seed").agg((pl.col("log_mse").mean() / np.log(10)).alias("y"))
        )
        style.dots(ax, seeds.sort("method", "seed"), "y", "method", order=list(METHODS), labels=METHODS)
        ax.tick_params(axis="x", rotation=40)
        style.label(ax, "", "log₁₀ MSE" if ax is axes[0] else "", title=MEMBERS[key])
    return fig


def _at(member: str, parameter: float) -> pl.Expr:
    return (pl.col("data.member") == member) & (pl.col("parameter") == parameter)
