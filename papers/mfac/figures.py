"""Figures: times against sizes, accuracy against sparsity, training loss against steps and seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIMES = {
    "static/build": "static: build",
    "static/product": "static: product",
    "static/entry": "static: one entry",
    "dynamic/update": "dynamic: exchange a gradient",
    "dynamic/product": "dynamic: product",
}
ARMS = {
    "magnitude": "magnitude",
    "diagonal_fisher": "diagonal Fisher",
    "mfac_10": "M-FAC, blocks of 10",
    "mfac_128": "M-FAC, blocks of 128",
    "mfac": "M-FAC, full",
    "mfac_no_update": "M-FAC, full, no update",
}
OPTIMIZERS = {"sgd": "SGD with momentum", "adam": "Adam", "mfac": "M-FAC"}


def _times(results: Results, axis: str) -> pl.DataFrame:
    """Rows (name, size, seconds) of one axis."""
    runs = need(results.of("scaling"), "times")
    rows = []
    for column in runs.columns:
        if column.startswith("time/") and "/exponent/" not in column and f"/{axis}/" in column:
            _, kind, what, _, d, m = column.split("/")
            rows.append((f"{kind}/{what}", int(d if axis == "d" else m), float(runs[column][0])))
    return pl.DataFrame(rows, schema=["name", "size", "seconds"], orient="row").sort("size")


@figure(
    "scaling",
    title="Time against the length and the number of the vectors",
    alt="Seconds of building, products, single entries and exchanges, against d and against m, log-log, with lines of "
    "slope 1 and 2.",
    after="complexity claims",
)
def scaling(results: Results) -> Figure:
    """Both axes logarithmic, a panel for d and one for m."""
    fig = style.figure(height=4.2)
    axes = fig.subplots(1, 2, sharey=True)
    for ax, axis, text in zip(axes, ("d", "m"), ("vector length d (m = 64)", "vectors m (d = 100,000)"), strict=True):
        times = _times(results, axis)
        for name, look in style.looks(TIMES).items():
            mine = times.filter(pl.col("name") == name)
            if len(mine):
                ax.plot(mine["size"], mine["seconds"], **look, label=TIMES[name])
        for slope, anchor, dash in ((1, "static/product", ":"), (2, "static/build", "--")):
            mine = times.filter(pl.col("name") == anchor)
            if len(mine):
                size = mine["size"].to_numpy().astype(float)
                line = 1.6 * mine["seconds"][0] * (size / size[0]) ** slope
                ax.plot(size, line, color=style.MUTED, linestyle=dash, linewidth=1, label=f"slope {slope}")
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(sizes := times["size"].unique().sort().to_list(), [f"{size:,}" for size in sizes], rotation=30)
        ax.minorticks_off()
        style.label(ax, text, "seconds" if axis == "d" else "")
    style.legend(axes[1], outside=True)
    return fig


@figure(
    "pruning",
    title="One-shot pruning: what is left of the accuracy",
    alt="Test accuracy against sparsity from 50 to 95 percent for magnitude, diagonal Fisher and M-FAC in blocks of "
    "10, of 128, and full with and without the weight update, with 95 % intervals over seeds.",
    after="pruning section",
)
def pruning(results: Results) -> Figure:
    """Accuracy over sparsity, and the dense network's."""
    units = need(results.of("prune", "units"), "pruned networks").filter(pl.col("arm").is_in(list(ARMS)))
    fig = style.figure(height=4.2)
    ax = fig.subplots()
    style.band(
        ax,
        units.with_columns((100 * pl.col("sparsity")).alias("removed"), (100 * pl.col("accuracy")).alias("right")),
        "removed",
        "right",
        labels=ARMS,
        markers=True,
    )
    dense = results.of("dense")
    if len(dense):
        style.threshold(ax, 100 * float(np.mean(dense["test/accuracy"].to_numpy())), "dense")
    style.label(ax, "weights removed", "test accuracy", xunit="%", yunit="%")
    style.legend(ax, outside=True)
    return fig


@figure(
    "digits",
    title="Digits: training loss against steps and against seconds",
    alt="Cross entropy of all training rows against optimizer steps and against seconds in the steps for SGD, Adam and "
    "M-FAC at their best values, a line a seed, with the target 0.1.",
    after="optimization section",
)
def digits(results: Results) -> Figure:
    """Loss over steps (mean with interval) and over seconds (a line a seed)."""
    curve = need(results.curve("digits", "train/all"), "curves of the loss")
    clock = results.curve("digits", "time/so_far").select("signature", "step", pl.col("value").alias("seconds"))
    fig = style.figure(height=4.0)
    left, right = fig.subplots(1, 2, sharey=True)
    style.band(left, curve.filter(pl.col("value") > 0), "step", "value", labels=OPTIMIZERS, spread="range")
    joined = curve.join(clock, on=["signature", "step"]).filter(pl.col("seconds") > 0).sort("signature", "step")
    looks = style.looks(curve["arm"].unique().sort().to_list())
    for (arm, _), line in joined.group_by(["arm", "signature"], maintain_order=True):
        right.plot(line["seconds"], line["value"], color=looks[str(arm)]["color"], linewidth=1)
    for ax, text in ((left, "optimizer step"), (right, "seconds in steps (busy cores)")):
        ax.set(yscale="log")
        style.threshold(ax, 0.1, "target")
        style.label(ax, text, "training loss" if ax is left else "")
    right.set(xscale="log")
    style.legend(left)
    return fig
