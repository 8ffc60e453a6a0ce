"""Figures: seconds a step against the number of classes, errors against k, the map of (a, b)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import MissingData, figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = {
    "dense": "softmax, in place",
    "autograd_softmax": "softmax, autograd",
    "autograd_z": "Z-loss, autograd",
    "hierarchical": "hierarchical softmax",
    "factored": "Z-loss, factored",
}
ARMS = {
    "softmax": "softmax",
    "squared": "squared error",
    "taylor": "log-Taylor softmax",
    "spherical": "log-spherical softmax",
    "z": "Z-loss",
}
KS = (1, 5, 10, 20, 50)


@figure(
    "timing",
    title="The factored step does not see the number of classes",
    alt="Seconds a step of the output layer against the number of classes, log-log, for softmax, hierarchical softmax "
    "and the Z-loss by autograd and factored, one example and fifty.",
    after="speed on One Billion Word",
)
def timing(results: Results) -> Figure:
    """A panel for one example a step, one for more."""
    runs = need(results.of("timing"), "times")
    rows = [
        (name, int(m), int(size), float(runs[column][0]))
        for column in runs.columns
        if column.startswith("time/") and "exponent" not in column and "ratio" not in column
        for _, name, m, size in [column.split("/")]
    ]
    times = pl.DataFrame(rows, schema=["name", "m", "size", "seconds"], orient="row").sort("size")
    batches = times["m"].unique().sort().to_list()
    fig = style.figure(height=4.0)
    axes = np.atleast_1d(fig.subplots(1, len(batches), sharey=True))
    for ax, m in zip(axes, batches, strict=True):
        for name, look in style.looks(METHODS).items():
            mine = times.filter((pl.col("name") == name) & (pl.col("m") == m))
            ax.plot(mine["size"], mine["seconds"], **look, label=METHODS[name])
        ax.set(xscale="log", yscale="log")
        style.label(ax, "classes D", "seconds a step" if m == batches[0] else "", title=f"m = {m}")
    style.legend(axes[-1], outside=True)
    return fig


@figure(
    "errors",
    title="Error at k of the next token",
    alt="Test error in per cent at k = 1, 5, 10, 20 and 50 of five losses tuned for k = 10, with 95 % intervals, "
    "and of naming the k commonest tokens.",
    after="Penn Treebank tables",
)
def errors(results: Results) -> Figure:
    """Test errors over k."""
    runs = need(results.of("words"), "runs").filter(pl.col("arm").is_in(list(ARMS)))
    long = pl.concat([runs.select("arm", pl.lit(k).alias("k"), pl.col(f"test/error_{k}").alias("error")) for k in KS])
    fig = style.figure()
    ax = fig.subplots()
    style.band(ax, long, "k", "error", labels=ARMS, markers=True)
    if "unigram/error_1" in runs.columns:
        unigram = [float(runs[f"unigram/error_{k}"].drop_nulls().mean()) for k in KS]
        ax.plot(KS, unigram, color=style.MUTED, linestyle="--", linewidth=1, label="the k commonest tokens")
    ax.set(xscale="log", yscale="log", xticks=KS, xticklabels=[str(k) for k in KS])
    style.label(ax, "k", "test error", yunit="%")
    style.legend(ax, outside=True)
    return fig


@figure(
    "shape",
    title="Error at 10 over the parameters of the Z-loss",
    alt="Validation error at 10 at the best learning rate for each a and b, as shades with the numbers.",
    after="discussion of a and b",
)
def shape(results: Results) -> Figure:
    """The selection's table, least over the learning rates."""
    tables = [row for row in results.selections.get("words", []) if row["per"].get("arm") == "z"]
    if not tables or "loss.a" not in tables[0]["candidates"][0]["values"]:
        raise MissingData("no selection over a and b")
    cells: dict[tuple[float, float], float] = {}
    for row in tables[0]["candidates"]:
        at = (float(row["values"]["loss.a"]), float(row["values"]["loss.b"]))
        if row["score"] is not None:
            cells[at] = min(cells.get(at, np.inf), float(row["score"]))
    a, b = (sorted({at[i] for at in cells}) for i in (0, 1))
    grid = np.array([[cells[x, y] for y in b] for x in a])
    fig = style.figure()
    ax = fig.subplots()
    shades = ax.imshow(grid, cmap="cividis", aspect="auto")
    fig.colorbar(shades, ax=ax, label="validation error at 10 (%)")
    middle = (grid.min() + grid.max()) / 2
    for i in range(len(a)):
        for j in range(len(b)):
            ink = style.PAPER if grid[i, j] < middle else style.INK
            ax.text(j, i, f"{grid[i, j]:.1f}", ha="center", va="center", color=ink)
    ax.set_xticks(range(len(b)), [f"{x:g}" for x in b])
    ax.set_yticks(range(len(a)), [f"{x:g}" for x in a])
    ax.grid(visible=False)
    style.label(ax, "b", "a")
    return fig
