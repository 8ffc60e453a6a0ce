"""Figures: learning curves with theory, errors over size, the map of overtraining, and both nonlinear students."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALPHA = "module.alpha"


@figure(
    "curves",
    title="Learning curves of linear students: descent, the exact formula and its limit agree",
    alt="Generalisation and training error against time for five values of alpha: dots of simulated descent with two "
    "standard errors, dotted lines of the formula for the same inputs, full lines of the limit of large matrices.",
    after="linear figures",
)
def curves(results: Results) -> Figure:
    """E_g and E_t of the first seed over time: dots descent, dotted lines the formula for its X, lines the limit."""
    frame = need(results.of("simulation", "curves"), "curves of the simulation")
    frame = frame.filter(pl.col("seed") == pl.col("seed").min())
    wide = frame.pivot(on="name", index=[ALPHA, "step"], values="value").filter(pl.col("step") > 0).sort("step")
    alphas = sorted(wide[ALPHA].unique())
    fig = style.figure(height=4.2)
    axes = fig.subplots(1, 2)
    for alpha, hue in zip(alphas, style.sequence(len(alphas)), strict=True):
        mine = wide.filter(pl.col(ALPHA) == alpha)
        for ax, name in zip(axes, ("test", "train"), strict=True):
            ax.plot(mine["time"], mine[f"{name}/limit"], color=hue, linewidth=1.3, label=f"α = {alpha:g}")
            ax.plot(mine["time"], mine[f"{name}/for_x"], color=hue, linewidth=1, linestyle=":")
            some = mine.gather_every(4)
            bars = 2 * some[f"{name}/standard_error"]
            ax.errorbar(
                some["time"], some[f"{name}/error"], yerr=bars, fmt="o", color=hue, markersize=3.5, elinewidth=0.8
            )
    for ax, text in zip(axes, ("E_g, new noisy questions", "E_t, training"), strict=True):
        ax.set(xscale="log", yscale="log")
        style.label(ax, "time", text)
    axes[1].set_ylim(1e-2, 5)
    _plain_ticks(axes[0], 1.5, 2, 3, 4, 6)
    for text, look in (
        ("descent", {"marker": "o", "linestyle": "", "markersize": 3.5}),
        ("formula for this X", {"linestyle": ":", "linewidth": 1}),
        ("N → ∞", {"linewidth": 1.3}),
    ):
        axes[1].plot([], [], color=style.INK, label=text, **look)
    handles, names = axes[1].get_legend_handles_labels()
    style.legend(axes[0])
    axes[1].legend(handles[-3:], names[-3:], loc="upper right")
    return fig


def _plain_ticks(ax: Any, *ticks: float) -> None:
    """Numbers, not powers of ten, on a logarithmic axis of less than a decade."""
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_yticks([], minor=True)


@figure(
    "sizes",
    title="Without early stopping the error peaks where there are as many samples as parameters",
    alt="Median final error, error at the best time and error of the best ridge against alpha, for three noise levels, "
    "starting from zero and from weights as large as the teacher's.",
    after="linear figures",
)
def sizes(results: Results) -> Figure:
    """Final, early-stopped and ridge against alpha, a panel an SNR."""
    frame = need(results.of("linear", "units"), "linear students")
    ratios = sorted(frame["snr"].unique())
    fig = style.figure(width=10, height=3.8)
    axes = np.atleast_1d(fig.subplots(1, len(ratios)))
    names = {"final": "t = ∞", "stopped": "best time", "ridge": "best ridge"}
    looks = style.looks(names)
    for ax, snr in zip(axes, ratios, strict=True):
        mine = frame.filter(pl.col("snr") == snr)
        for s02, dash in ((0.0, "-"), (1.0, ":")):
            part = mine.filter(pl.col("s02") == s02).group_by(ALPHA).agg(pl.col(*names).median()).sort(ALPHA)
            for name, text in names.items():
                if name == "ridge" and s02:
                    continue
                label = f"{text}, small start" if not s02 else f"{text}, large start"
                look = {**looks[name], "linestyle": "--" if name == "ridge" else dash}
                ax.plot(part[ALPHA], part[name], label=text if name == "ridge" else label, markersize=3.5, **look)
        ax.set(xscale="log", yscale="log")
        style.label(ax, "α = samples / parameters", title=f"SNR {snr:g}")
    style.label(axes[0], y="E_g, median of draws")
    style.legend(axes[-1], outside=True)
    return fig


@figure(
    "overtraining",
    title="Overtraining is worst near α = 1, whatever the noise",
    alt="Median overtraining relative to the noise's variance as shades over alpha and signal-to-noise ratio, for both "
    "starts, on a log scale.",
    after="linear figures",
)
def overtraining(results: Results) -> Figure:
    """log10 of median O over the noise's variance, a panel a start."""
    frame = need(results.of("linear", "units"), "linear students")
    fig = style.figure(width=10, height=3.2)
    axes = fig.subplots(1, 2, sharey=True)
    alphas, ratios = sorted(frame[ALPHA].unique()), sorted(frame["snr"].unique())
    for ax, s02 in zip(axes, (0.0, 1.0), strict=True):
        part = frame.filter(pl.col("s02") == s02).group_by(ALPHA, "snr").agg(pl.col("overtraining").median())
        known = {(a, r): value for a, r, value in part.select(ALPHA, "snr", "overtraining").iter_rows()}
        grid = np.array([[known.get((a, r), math.nan) * r for a in alphas] for r in ratios])
        shades = ax.imshow(np.log10(np.maximum(grid, 1e-3)), aspect="auto", origin="lower", cmap="cividis", vmin=-3)
        for i, row in enumerate(grid):
            for j, value in enumerate(row):
                dark = np.log10(max(value, 1e-3)) < 0
                text = f"{value:.0f}" if value >= 9.5 else f"{value:.1g}" if value >= 1e-3 else "0"
                ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
        ax.set_xticks(range(len(alphas)), [f"{a:g}" for a in alphas])
        ax.set_yticks(range(len(ratios)), [f"{r:g}" for r in ratios])
        ax.grid(visible=False)
        style.label(ax, "α = samples / parameters", title="from zero" if not s02 else "from weights of variance 1")
    style.label(axes[0], y="SNR")
    fig.colorbar(shades, ax=axes, label="log₁₀ O/σ²")
    return fig


@figure(
    "features",
    title="Random features: the final error peaks at 300 = samples, and so does the reachable capacity",
    alt="Median final error, error at the best time, error of the best ridge and two capacities against the number of "
    "features, log-log.",
    after="Figs. 6, 7",
)
def features(results: Results) -> Figure:
    """Student (i) on the teacher's data and on images."""
    frame = need(results.of("readout"), "runs of student (i)")
    fig = style.figure(width=10, height=3.8)
    axes = fig.subplots(1, 2)
    shown = {
        "test/final": "t = ∞",
        "test/stopped": "best time",
        "test/ridge": "best ridge",
        "capacity/reachable": "reachable capacity",
        "capacity/naive": "naive capacity",
    }
    looks = style.looks(shown)
    for ax, runs, title in (
        (axes[0], frame, "ReLU teacher, 15 inputs"),
        (axes[1], results.of("images"), "T-shirt against shirt"),
    ):
        if runs.is_empty():
            continue
        medians = runs.group_by("model.hidden").agg(pl.col(*shown).median()).sort("model.hidden")
        for name, text in shown.items():
            wide = (
                {"linewidth": 5, "markersize": 8} if name == "test/stopped" else {"markersize": 4}
            )  # ridge lies on it
            ax.plot(medians["model.hidden"], medians[name], label=text, **looks[name], **wide)
        ax.set(xscale="log", yscale="log")
        style.label(ax, "features", "E_g or capacity", title=title)
    style.legend(axes[1], outside=True)
    return fig


@figure(
    "two_layers",
    title="Both layers trained: final error and error at the best time over width",
    alt="Final error and smallest error on the way against the hidden width for three scales of the initial weights, "
    "with intervals over seeds, and the training error at the end with its range over seeds.",
    after="Figs. 6, 7, 9",
)
def two_layers(results: Results) -> Figure:
    """Student (ii)."""
    frame = need(results.of("two_layers"), "runs of student (ii)")
    scales: list[Any] = sorted(frame["module.scale"].unique()) if "module.scale" in frame.columns else [None]
    fig = style.figure(width=10, height=3.8)
    axes = fig.subplots(1, 2)
    for scale, hue in zip(scales, style.sequence(len(scales)), strict=True):
        mine = frame.filter(pl.col("module.scale") == scale) if scale is not None else frame
        name = f"s = {scale:g}" if scale is not None else "s = 1"
        look = {"group": None, "color": hue, "markers": True}
        style.band(axes[0], mine, "module.hidden", "test/final", label=f"end, {name}", linestyle="-", **look)
        style.band(axes[0], mine, "module.hidden", "test/stopped", label=f"best step, {name}", linestyle=":", **look)
        style.band(axes[1], mine, "module.hidden", "train/final", label=name, spread="range", **look)
    for ax, text in zip(axes, ("E_g, mean and 95 % interval", "E_t at the end, mean and range"), strict=True):
        ax.set(xscale="log", yscale="log")
        style.label(ax, "hidden units", text)
    style.threshold(axes[0], 19, "as many weights as samples", axis="x")
    _plain_ticks(axes[0], 1, 1.5, 2, 3, 4)
    style.legend(axes[0], fontsize=8)
    style.legend(axes[1])
    return fig
