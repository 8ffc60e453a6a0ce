"""Figures: residuals and weights over time, errors over the steps, the solution, and errors against eps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import MissingData, figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {
    "pinn": "plain, ε = 0",
    "causal": "causal, annealed to 100",
    "time_marching": "time marching, 4 windows",
    "eps_0p001": "ε = 0.001",
    "eps_0p1": "ε = 0.1",
    "eps_10": "ε = 10",
    "annealed": "annealed, 0.001 to 10",
    "annealed_stop": "annealed, stopped",
}


def profiles(results: Results) -> pl.DataFrame:
    """The slices' losses, weights and rates of the first seed."""
    frame = results.of("allen_cahn", "units")
    if frame.is_empty() or "loss" not in frame.columns:
        raise MissingData("no profiles of the slices in these results")
    frame = frame.filter(pl.col("loss").is_not_null())
    return frame.filter(pl.col("seed") == frame["seed"].min()).sort("at_step", "t")


@figure(
    "slices",
    title="Allen-Cahn: what each slice of time has left, what it counts, and how fast it moves",
    alt="Residual loss, causal weight and convergence rate of the tangent kernel against time at several steps, for "
    "the plain and the causal network; one seed.",
    after="Figs. 2, 3",
)
def slices(results: Results) -> Figure:
    """Rows: L_i, w_i, C(t_i); columns: the two arms."""
    frame = profiles(results)
    arms = [arm for arm in ("pinn", "causal") if arm in frame["arm"].unique()]
    fig = style.figure(height=6.6)
    axes = fig.subplots(3, len(arms), sharex=True, sharey="row", squeeze=False)
    for column, arm in enumerate(arms):
        mine = frame.filter(pl.col("arm") == arm)
        steps = sorted(mine["at_step"].unique())
        for step, hue in zip(steps, style.sequence(len(steps)), strict=True):
            here = mine.filter(pl.col("at_step") == step)
            for row, name in enumerate(("loss", "weight", "rate")):
                axes[row, column].plot(here["t"], here[name], color=hue, label=f"step {step:g}")
        axes[0, column].set_yscale("log")
        axes[2, column].set_yscale("log")
        axes[1, column].set_ylim(-0.05, 1.05)
        style.label(axes[0, column], title=NAMES[arm])
        style.label(axes[2, column], "t")
    for row, text in enumerate(("residual loss Lᵢ", "weight wᵢ", "rate C(tᵢ)")):
        style.label(axes[row, 0], y=text)
    style.legend(axes[0, -1])
    return fig


def errors(results: Results, experiment: str, title: str) -> Figure:
    """Error against the step, a band over seeds; the mean is that of the logarithm."""
    frame = need(results.curve(experiment, "error"), f"errors of {experiment}")
    frame = frame.with_columns(pl.col("value").log10().alias("log"))
    fig = style.figure(height=3.8)
    ax = fig.subplots()
    style.band(ax, frame, "step", "log", labels=NAMES)
    label_logs(ax, frame["log"])
    style.label(ax, "step", "relative L2 error", title=title)
    style.legend(ax, outside=True)
    return fig


def label_logs(ax: Axes, logs: pl.Series) -> None:
    """Name decimal logarithms on the y axis by 1, 2 and 5 times powers of ten."""
    low, high = float(logs.min()), float(logs.max())
    marks = [m * 10.0**k for k in range(int(np.floor(low)) - 1, int(np.ceil(high)) + 1) for m in (1, 2, 5)]
    shown = [mark for mark in marks if low - 0.31 <= np.log10(mark) <= high + 0.31]
    ax.set_yticks([np.log10(mark) for mark in shown], [f"{mark:g}" for mark in shown])


@figure(
    "lorenz",
    title="Lorenz to t = 1: the error during training",
    alt="Relative L2 error against the step for the plain network, three tolerances, and annealing with and without "
    "the stopping rule; geometric means over seeds with their 95 % intervals.",
)
def lorenz(results: Results) -> Figure:
    """Check 4b and 7."""
    return errors(results, "lorenz", "")


@figure(
    "allen_cahn",
    title="Allen-Cahn: the error during training",
    alt="Relative L2 error against the step for the plain network, causal weights and time marching; geometric means "
    "over seeds with their 95 % intervals.",
    after="Table 1",
)
def allen_cahn(results: Results) -> Figure:
    """Check 4a."""
    return errors(results, "allen_cahn", "")


@figure(
    "solution",
    title="Allen-Cahn: reference, prediction and difference",
    alt="Maps over time and space of the reference, and for the plain and the causal network of the prediction and the "
    "absolute difference; one seed.",
    after="Fig. 1",
)
def solution(results: Results) -> Figure:
    """F3."""
    frame = results.of("allen_cahn", "units")
    if frame.is_empty() or "reference" not in frame.columns:
        raise MissingData("no solution in these results")
    frame = frame.filter(pl.col("reference").is_not_null())
    frame = frame.filter(pl.col("seed") == frame["seed"].min()).sort("t", "x")
    arms = [arm for arm in ("pinn", "causal") if arm in frame["arm"].unique()]
    fig = style.figure(width=9.6, height=2.5 * len(arms) + 0.4)
    axes = fig.subplots(len(arms), 3, sharex=True, sharey=True, squeeze=False)
    for row, arm in enumerate(arms):
        mine = frame.filter(pl.col("arm") == arm)
        t, x = mine["t"].unique().sort().to_numpy(), mine["x"].unique().sort().to_numpy()
        reference, u = (mine[name].to_numpy().reshape(len(t), len(x)).T for name in ("reference", "u"))
        for ax, values, text in zip(
            axes[row], (reference, u, abs(u - reference)), ("reference", NAMES[arm], "|difference|"), strict=True
        ):
            limits = {"vmin": -1.0, "vmax": 1.0} if text != "|difference|" else {}
            drawn = ax.pcolormesh(t, x, values, shading="nearest", rasterized=True, **limits)
            fig.colorbar(drawn, ax=ax)
            ax.grid(visible=False)
            style.label(ax, "t" if row == len(arms) - 1 else "", title=text)
        style.label(axes[row, 0], y="x")
    return fig


@figure(
    "tolerance",
    title="Lorenz to t = 1: the final error against the tolerance",
    alt="Final relative L2 error of every arm, a dot a seed and the geometric mean with its 95 % interval.",
)
def tolerance(results: Results) -> Figure:
    """Check 7."""
    frame = need(results.of("lorenz"), "runs of lorenz")
    frame = frame.with_columns(pl.col("error/all").log10().alias("log"))
    order = ["pinn", "eps_0p001", "eps_0p1", "eps_10", "annealed", "annealed_stop"]
    short = ["ε = 0", "0.001", "0.1", "10", "annealed", "annealed,\nstopped"]
    fig = style.figure()
    ax = fig.subplots()
    style.dots(ax, frame, "log", order=order, labels=dict(zip(order, short, strict=True)))
    label_logs(ax, frame["log"])
    style.label(ax, y="relative L2 error")
    return fig
