"""Figures: accuracy against cost, sharpness, slices through the minima, and the divergence beside the sharpness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results
from papers.saf.claims import NAMES, course

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT = {**NAMES, "saf": "SAF 0.3", "saf_1": "SAF 1", "smooth": "smoothing"}
COST = {"sgd": "sgd", "smooth": "sgd", "saf": "saf", "saf_1": "saf", "mesa": "mesa", "sam": "sam"}
"""Whose time an arm takes."""

LEVELS = {"clean": "Clean labels", "noisy": "20 % of the labels replaced"}


def _levels(frame: pl.DataFrame) -> list[str]:
    return [level for level in LEVELS if level in frame["noise"].to_list()]


@figure(
    "cost",
    title="Accuracy against the cost of a step",
    alt="Test accuracy against the time of a step relative to SGD, one mark for each method with its 95 % interval "
    "over seeds; a panel without and one with label noise.",
    after="its overview",
)
def cost(results: Results) -> Figure:
    """A panel for each noise level."""
    frame = need(results.of("fashion"), "runs of fashion")
    times = need(results.of("cost"), "times of steps")
    times = times.filter(pl.col("net") == "wide") if "wide" in times["net"].to_list() else times
    levels = _levels(frame)
    fig = style.figure(height=3.4)
    axes = fig.subplots(1, len(levels), squeeze=False)[0]
    for ax, level in zip(axes, levels, strict=True):
        for arm, look in style.looks(NAMES).items():
            rows = frame.filter((pl.col("arm") == arm) & (pl.col("noise") == level))
            if rows.is_empty():
                continue
            at = float(times[f"time/ratio/{COST[arm]}"].mean())  # type: ignore[arg-type]
            rows = rows.with_columns(pl.lit(at).alias("x"), (100 * pl.col("test/accuracy")).alias("y"))
            point = style.summary(rows, "x", "y").row(0, named=True)
            ax.errorbar(
                at, point["mean"], yerr=point["mean"] - point["low"], fmt=look["marker"], color=look["color"],
                label=NAMES[arm],
            )  # fmt: skip
        style.label(ax, "time of a step / SGD's", "test accuracy", yunit="%", title=LEVELS[level])
    style.legend(axes[-1], outside=True)
    return fig


@figure(
    "sharpness",
    title="Sharpness of the minima",
    alt="Largest eigenvalue of the Hessian and S_rho at the end of every run, a column of dots for each method with "
    "the mean and its 95 % interval, with label noise.",
    after="its plots of sharpness",
)
def sharpness(results: Results) -> Figure:
    """lambda_max and S_rho with label noise."""
    frame = need(results.of("fashion"), "runs of fashion").filter(pl.col("noise") == "noisy")
    fig = style.figure(height=3.2)
    axes = fig.subplots(1, 2)
    for ax, (name, text) in zip(
        axes, (("lambda_max", "$\\lambda_{max}$ of the Hessian"), ("s_rho", "$S_\\rho$")), strict=True
    ):
        style.dots(ax, frame, f"sharpness/{name}", order=list(NAMES), labels=SHORT)
        style.label(ax, y=text)
        ax.set_ylim(bottom=0)
        ax.tick_params(axis="x", rotation=35)
    return fig


@figure(
    "slices",
    title="Slices of the training loss through the minima",
    alt="Cross entropy on training rows along a random filter-normalised direction through the final weights of SGD, "
    "SAM, SAF and MESA, with 95 % intervals over seeds.",
    after="its landscapes",
)
def slices(results: Results) -> Figure:
    """A panel for each noise level."""
    frame = need(results.of("fashion", "units"), "slices")
    frame = frame.filter(pl.col("arm").is_in(["sgd", "sam", "saf", "saf_1", "mesa"]))
    levels = _levels(frame)
    fig = style.figure(height=3.2)
    axes = fig.subplots(1, len(levels), squeeze=False)[0]
    for ax, level in zip(axes, levels, strict=True):
        style.band(ax, frame.filter(pl.col("noise") == level), "a", "loss", labels=NAMES)
        style.label(ax, "a, for weights θ + a d", "training cross entropy", title=LEVELS[level])
    style.legend(axes[-1], outside=True)
    return fig


@figure(
    "trajectory",
    title="The divergence from past outputs beside the sharpness, in SGD runs",
    alt="Mean trajectory KL of every epoch against S_rho at the epoch's start, one line of dots for each seed, "
    "coloured by epoch.",
    after="its derivation",
)
def trajectory(results: Results) -> Figure:
    """KL_e against S_rho, and both over epochs."""
    found = course(results)
    need(pl.DataFrame({"seed": list(found)}), "curves of SGD")
    fig = style.figure(height=3.2)
    left, right = fig.subplots(1, 2)
    epochs = max(len(x) for x, _, _ in found.values())
    hues = style.sequence(epochs)
    for x, y, _ in found.values():
        left.scatter(y, x, c=hues[: len(x)], s=10, linewidths=0)
        right.plot(range(2, 2 + len(x)), x / x.max(), color=style.PALETTE["rust"], alpha=0.35, linewidth=1)
        right.plot(range(2, 2 + len(y)), y / y.max(), color=style.PALETTE["blue"], alpha=0.35, linewidth=1)
    right.plot([], [], color=style.PALETTE["rust"], label="trajectory KL")
    right.plot([], [], color=style.PALETTE["blue"], label="$S_\\rho$")
    style.label(
        left, "$S_\\rho$ at the start of the epoch", "trajectory KL of the epoch", title="dark early, light late"
    )
    style.label(right, "epoch", "share of its largest value")
    style.legend(right)
    return fig
