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


def _rows(results: Results, what: str) -> pl.DataFrame:
    """The recorded profile or masses of the first test function."""
    units = results.of("profiles", "units")
    return need(units.filter(pl.col("unit") == what) if len(units) else units, "profiles")


@figure(
    "profiles",
    title="Stefan: the solution at t = 0.05, means with two standard deviations",
    alt="Four panels, one for each method: the exact solution as a dashed line that jumps to zero at the front, the "
    "predicted mean as a line and a band of two standard deviations around it.",
    after="profile figure",
)
def profiles(results: Results) -> Figure:
    """A panel a method."""
    rows = _rows(results, "profile").sort("x")
    fig = style.figure(style.WIDTH + 2.4, 3.2)
    axes = fig.subplots(1, len(METHODS), sharey=True)
    for ax, (method, look) in zip(axes, style.looks(METHODS).items(), strict=True):
        mine = rows.filter(pl.col("method") == method)
        x, mean, sd = (mine[c].to_numpy() for c in ("x", "mean", "sd"))
        ax.plot(x, mine["truth"].to_numpy(), color=style.INK, linestyle=(0, (3, 2)), linewidth=1.0, label="exact")
        ax.plot(x, mean, color=look["color"], label="mean")
        ax.fill_between(x, mean - 2 * sd, mean + 2 * sd, color=look["color"], alpha=0.18, linewidth=0)
        style.label(ax, "x", "u" if ax is axes[0] else "", title=METHODS[method])
    style.legend(axes[0])
    return fig


@figure(
    "mass",
    title="Stefan: the integral over x against time",
    alt="Predicted total mass against time for step 1, SoftC and ProbConserv, with the exact mass as a dashed line; "
    "ProbConserv lies on it.",
    after="conservation figure",
)
def mass(results: Results) -> Figure:
    """U(t) and b(t)."""
    rows = _rows(results, "mass").sort("t")
    fig = style.figure(5.2, 3.6)
    ax = fig.subplots()
    for method, look in style.looks(METHODS).items():
        mine = rows.filter(pl.col("method") == method)
        if len(mine):
            ax.plot(mine["t"], mine["mass"], **look, label=METHODS[method])
    exact = rows.filter(pl.col("method") == rows["method"][0])
    ax.plot(exact["t"], exact["b"], color=style.INK, linestyle=(0, (3, 2)), linewidth=1.0, label="exact, b(t)")
    style.label(ax, "time t", "mass")
    style.legend(ax)
    return fig


@figure(
    "shocks",
    title="Stefan: where 1000 draws have their shock",
    alt="Histograms of the shock position for each method, as steps, with the exact position as a vertical line.",
    after="shock figure",
)
def shocks(results: Results) -> Figure:
    """Shares of draws in bins of four grid points."""
    rows = _rows(results, "profile").sort("x")
    fig = style.figure(5.6, 3.6)
    ax = fig.subplots()
    for method, look in style.looks(METHODS).items():
        mine = rows.filter(pl.col("method") == method)
        if len(mine):
            x, hits = mine["x"].to_numpy(), mine["hits"].to_numpy()
            edges = np.append(x[::4], x[-1] + 1e-9)
            share, _ = np.histogram(x, edges, weights=hits)
            ax.stairs(share, edges, color=look["color"], linestyle=look.get("linestyle", "-"), label=METHODS[method])
    truth = rows.filter((pl.col("method") == rows["method"][0]) & (pl.col("truth") > 0))
    style.threshold(ax, float(truth["x"].max()), "exact", axis="x")  # type: ignore[arg-type]
    style.label(ax, "shock position", "share of draws")
    style.legend(ax)
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
