"""Figures: losses over the sweeps, what the test loss consists of, the map of delays, the weights' norm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results
from papers.grokking_lazy_rich.claims import ALPHA, EPSILON, SAMPLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TERMS = {"linear_power": "linear power", "misalignment": "misalignment", "variance": "variance"}
DELAY = r"$\log_{10}\, t_{\mathrm{test}} / t_{\mathrm{train}}$"
COLOURS = {"linear_power": "gold", "misalignment": "purple", "variance": "cyan"}


def _curves(results: Results, experiment: str, name: str) -> pl.DataFrame:
    """The points of a curve at steps that a logarithmic axis can show."""
    frame = results.curve(experiment, name)
    return frame if frame.is_empty() else frame.filter(pl.col("step") > 0)


def _sweep(ax: Axes, results: Results, experiment: str, axis: str, name: str, symbol: str) -> None:
    """One line for each value of an axis, from dark to light: mean over seeds, least to largest shaded."""
    frame = _curves(results, experiment, name)
    if frame.is_empty():
        return
    values = sorted(frame[axis].unique())
    for value, hue in zip(values, style.sequence(len(values)), strict=True):
        rows = frame.filter(pl.col(axis) == value)
        style.band(ax, rows, "step", "value", None, spread="range", color=hue, label=f"{symbol} = {value:g}")


def _losses(results: Results, experiment: str, axis: str, symbol: str) -> Figure:
    """Training and test loss side by side."""
    need(results.of(experiment), f"runs of {experiment}")
    fig = style.figure(height=3.4)
    left, right = fig.subplots(1, 2, sharey=True)
    for ax, name, title in ((left, "train/loss", "Training"), (right, "test/loss", "Test")):
        _sweep(ax, results, experiment, axis, name, symbol)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylim(1e-4, 3)
        style.label(ax, "step", "loss / loss of f = 0" if ax is left else "", title=title)
    style.legend(right, outside=True)
    return fig


@figure(
    "alpha",
    title="The lazier the network, the later and the less it generalises",
    alt="Training and test loss against steps for six output scales alpha; the dashed line is the test loss of "
    "regression with the initial tangent kernel. Lines are means over seeds, shades go from the least to the largest.",
    after="Fig. 3a",
)
def alpha(results: Results) -> Figure:
    """Losses of the sweep over alpha, with the kernel's test loss."""
    fig = _losses(results, "alpha", ALPHA, "α")
    style.threshold(fig.axes[1], float(results.of("alpha")["kernel/test_loss"].mean()), "initial kernel")  # type: ignore[arg-type]
    return fig


@figure(
    "epsilon",
    title="A worse aligned kernel learns more slowly and ends better",
    alt="Training and test loss against steps for four values of epsilon, means and ranges over seeds.",
    after="Fig. 3b",
)
def epsilon(results: Results) -> Figure:
    """Losses of the sweep over epsilon."""
    return _losses(results, "epsilon", EPSILON, "ε")


@figure(
    "samples",
    title="Too few points fail, many fall together",
    alt="Training and test loss against steps for five sizes of the training set, means and ranges over seeds. At "
    "P = 500 the initial kernel can already express the target exactly.",
    after="Fig. 9",
)
def samples(results: Results) -> Figure:
    """Losses of the sweep over the training set's size."""
    return _losses(results, "samples", SAMPLES, "P")


@figure(
    "decomposition",
    title="What the test loss consists of",
    alt="The three terms of the test loss stacked against steps, for three values of epsilon; the dashed line is the "
    "training loss, the solid line with its shade the test loss with its range over seeds.",
    after="Fig. 4",
)
def decomposition(results: Results) -> Figure:
    """Eq. 6 over a run."""
    need(results.of("epsilon"), "runs of epsilon")
    frame = _curves(results, "epsilon", "test/loss")
    shown = [value for value in (0.1, 0.25, 1.0) if value in frame[EPSILON].unique()]
    fig = style.figure(height=3.3)
    axes = np.atleast_1d(fig.subplots(1, len(shown), sharey=True))
    for ax, value in zip(axes, shown, strict=True):
        curves = {name: _mean(results, f"test/{name}", value) for name in TERMS}
        steps = next(iter(curves.values()))["step"]
        ax.stackplot(
            steps.to_numpy(),
            *(curve["mean"].to_numpy() for curve in curves.values()),
            labels=list(TERMS.values()),
            colors=[style.PALETTE[COLOURS[name]] for name in TERMS],
            alpha=0.6,
        )
        own = frame.filter(pl.col(EPSILON) == value)
        style.band(ax, own, "step", "value", None, spread="range", color=style.INK, linewidth=1.0, label="test")
        train = _curves(results, "epsilon", "train/loss").filter(pl.col(EPSILON) == value)
        look: dict[str, Any] = {"color": style.INK, "linewidth": 1.0, "linestyle": (0, (3, 2)), "label": "training"}
        style.band(ax, train, "step", "value", None, spread="range", **look)
        ax.set_xscale("log")
        style.label(ax, "step", "loss / loss of f = 0" if ax is axes[0] else "", title=f"ε = {value:g}")
    style.legend(axes[-1], outside=True)
    return fig


def _mean(results: Results, name: str, value: float) -> pl.DataFrame:
    frame = _curves(results, "epsilon", name).filter(pl.col(EPSILON) == value)
    return style.summary(frame, "step", "value")


@figure(
    "map",
    title="Delay over laziness and alignment",
    alt="A heat map of the delay, log10 of t_te over t_tr, over alpha and epsilon, means over seeds; a star marks "
    "cells in which the test loss of a run never crosses 0.2, so that the delay is longer than shown.",
    after="Fig. 3e",
)
def delays(results: Results) -> Figure:
    """Mean delay on the grid."""
    frame = need(results.of("grid"), "runs of grid")
    table = frame.group_by([ALPHA, EPSILON]).agg(pl.col("crossing/delay").mean(), pl.col("crossing/censored").max())
    across, up = sorted(table[ALPHA].unique()), sorted(table[EPSILON].unique())
    delay, censored = (np.full((len(up), len(across)), math.nan) for _ in range(2))
    for row in table.iter_rows(named=True):
        at = up.index(row[EPSILON]), across.index(row[ALPHA])
        delay[at], censored[at] = row["crossing/delay"], row["crossing/censored"]
    fig = style.figure(5.2, 3.4)
    ax = fig.subplots()
    image = ax.imshow(delay, origin="lower", aspect="auto")
    middle = float(np.nanmin(delay) + np.nanmax(delay)) / 2
    for (i, j), value in np.ndenumerate(delay):
        text = f"{value:.2f}{'*' if censored[i, j] else ''}"
        ax.text(j, i, text, ha="center", va="center", color="black" if value > middle else "white", fontsize=8.5)
    ax.grid(visible=False)
    ax.set_xticks(range(len(across)), [f"{value:g}" for value in across])
    ax.set_yticks(range(len(up)), [f"{value:g}" for value in up])
    style.label(ax, "output scale α", "alignment ε")
    fig.colorbar(image, label=DELAY)
    return fig


@figure(
    "norm",
    title="The weights grow while the network groks",
    alt="Left: norm of the weights over its start and test loss of the committee machine at alpha = 1; on this target "
    "an exact fit forces the growth. Right: accuracies and norm on addition modulo 23. Ranges over seeds are shaded.",
    after="Fig. 1c, 2",
)
def norm(results: Results) -> Figure:
    """The weights' norm beside what is learned."""
    need(results.of("modular"), "runs of modular")
    fig = style.figure(height=3.3)
    left, right = fig.subplots(1, 2)
    for ax, experiment, names in (
        (left, "alpha", {"train/loss": "training", "test/loss": "test"}),
        (right, "modular", {"train/accuracy": "training", "test/accuracy": "test"}),
    ):
        for (name, text), hue in zip(names.items(), ("blue", "rust"), strict=True):
            rows = _one(_curves(results, experiment, name))
            style.band(ax, rows, "step", "value", None, spread="range", color=style.PALETTE[hue], label=text)
        twin = ax.twinx()
        weights = _one(results.curve(experiment, "weights/norm"))
        if len(weights):
            start = pl.col("value").sort_by("step").first().over("signature")
            grown = weights.with_columns((pl.col("value") / start).alias("growth")).filter(pl.col("step") > 0)
            dashed: dict[str, Any] = {"color": style.MUTED, "linestyle": (0, (3, 2)), "label": "|w| / |w₀|"}
            style.band(twin, grown, "step", "growth", None, spread="range", **dashed)
        twin.grid(visible=False)
        twin.spines["right"].set_visible(True)
        style.label(twin, y="|w| / |w₀| (dashed)")
        ax.set_xscale("log")
        style.legend(ax, loc="center right" if ax is left else "upper left")
    note = "this target forces\nthe growth"
    left.text(0.97, 0.27, note, transform=left.transAxes, ha="right", fontsize=8, color=style.MUTED)
    style.label(left, "step", "loss / loss of f = 0", title="Committee machine, α = 1")
    style.label(right, "step", "accuracy", title="Addition modulo 23")
    return fig


def _one(frame: pl.DataFrame) -> pl.DataFrame:
    """The runs at alpha = 1, where there is such an axis."""
    return frame.filter(pl.col(ALPHA) == 1.0) if ALPHA in frame.columns else frame


@figure(
    "accuracy",
    title="Through a threshold the same runs look more like grokking",
    alt="Share of training and test points with a squared error below 0.001 (left) and losses (right) against steps at "
    "P = 500, means and ranges over seeds.",
    after="Fig. 17",
)
def accuracy(results: Results) -> Figure:
    """The same runs seen through a threshold and through their loss."""
    need(results.of("samples"), "runs of samples")
    fig = style.figure(height=3.2)
    left, right = fig.subplots(1, 2)
    for ax, measure in ((left, "within"), (right, "loss")):
        for split, text, hue in (("train", "training", "blue"), ("test", "test", "rust")):
            frame = _curves(results, "samples", f"{split}/{measure}")
            rows = frame.filter(pl.col(SAMPLES) == frame[SAMPLES].max())
            style.band(ax, rows, "step", "value", None, spread="range", color=style.PALETTE[hue], label=text)
        ax.set_xscale("log")
        style.legend(ax)
    right.set_yscale("log")
    right.set_ylim(1e-5, 3)
    style.label(left, "step", "share with a squared error < 0.001", title="Accuracy")
    style.label(right, "step", "loss / loss of f = 0", title="Loss")
    return fig


@figure(
    "sigma",
    title="The scale of the weights beside the output scale",
    alt="Delay, log10 of t_te over t_tr, for initial weights times 2 and 4 and for output scales 4 and 16; dots are "
    "seeds, bars 95 % intervals.",
    after="Fig. 7",
)
def sigma(results: Results) -> Figure:
    """Delays at equal sigma^2 alpha."""
    frame = need(results.of("sigma"), "runs of sigma")
    labels = {
        "unit": "σ = α = 1", "sigma_2": "σ = 2", "alpha_4": "α = 4", "sigma_4": "σ = 4", "alpha_16": "α = 16",
    }  # fmt: skip
    fig = style.figure(5.2, 3.2)
    ax = fig.subplots()
    style.dots(ax, frame, "crossing/delay", order=list(labels), labels=labels)
    style.label(ax, y=DELAY)
    return fig
