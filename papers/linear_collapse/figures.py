"""Figures: the way of descent, lengths against class sizes, candidates for cross entropy, a network's class means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results
from papers.linear_collapse.claims import lowest
from papers.linear_collapse.theory import decay_for, scalar_minimiser, threshold

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = {
    "loss/excess": "loss / minimum − 1",
    "nc1": "NC1",
    "nc2/products/frame": "NC2, products",
    "nc3/frame": "NC3",
}
ARMS = {"balanced": "balanced", "bias": "balanced, with bias", "imbalanced": "imbalanced"}


@figure(
    "descent",
    title="Gradient descent on free features approaches the predicted frame, more slowly with more layers",
    alt="Loss above its minimum, NC1, NC2 and NC3 against iterations, log-log, for each number of layers; balanced, "
    "with a bias, and imbalanced.",
    after="figures on direct optimisation",
)
def descent(results: Results) -> Figure:
    """A row a metric, a column an arm; medians over seeds."""
    frame = need(results.of("layers", "curves"), "curves of the descent")
    depths = sorted(frame["depth"].unique(), key=int)
    hues = dict(zip(depths, style.sequence(len(depths)), strict=True))
    fig = style.figure(height=8.4)
    axes = fig.subplots(len(METRICS), len(ARMS), sharex=True, sharey="row")
    for column, (arm, text) in enumerate(ARMS.items()):
        for row, (name, label) in enumerate(METRICS.items()):
            ax = axes[row][column]
            for depth in depths:
                mine = frame.filter(
                    (pl.col("arm") == arm)
                    & (pl.col("name") == name)
                    & (pl.col("depth") == depth)
                    & (pl.col("step") > 0)
                )
                points = mine.group_by("step").agg(pl.col("value").median()).sort("step")
                ax.plot(
                    points["step"], points["value"].clip(lower_bound=1e-16), color=hues[depth], label=f"M = {depth}"
                )
            ax.set(xscale="log", yscale="log")
            style.label(ax, y=label if column == 0 else "", title=text if row == 0 else "")
    for ax in axes[-1]:
        style.label(ax, "iterations")
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(depths))
    return fig


@figure(
    "lengths",
    title="Small classes collapse to zero where the theory says",
    alt="Squared length of classifier rows against class size at several decays, dots on the theoretical lines, for "
    "one to three layers; the region in which classes are dead at the middle decay is shaded.",
    after="theorems of Sec. 4",
)
def lengths(results: Results) -> Figure:
    """A panel a depth; a line a decay."""
    cells = lowest(results)
    if not cells:
        need(results.of("threshold", "units"), "minima at several decays")
    depths = sorted({depth for depth, _ in cells})
    fig = style.figure(height=4.0)
    axes = np.atleast_1d(fig.subplots(1, len(depths)))
    levels = sorted({level for _, level in cells})
    shown = levels if len(levels) < 4 else [levels[0], levels[len(levels) // 2], levels[-2]]
    for ax, depth in zip(axes, depths, strict=True):
        for level, hue in zip(shown, style.sequence(len(shown)), strict=True):
            rows = cells[depth, level]
            n = np.array([row["n"] for row in rows])
            samples, total = n.sum(), level * threshold(depth)
            decay = decay_for(total, samples, depth)
            line = np.geomspace(n.min() / 1.3, n.max() * 1.3, 400)
            sig2 = samples * decay * np.array([scalar_minimiser(total / at, depth) ** depth for at in line])
            ax.plot(line, sig2, color=hue, linewidth=1.2)
            ax.plot(n, [row["w2"] for row in rows], "o", color=hue, label=f"B/t = {level:g}")
        ax.axvspan(n.min() / 1.3, shown[len(shown) // 2], color=style.MUTED, alpha=0.15, linewidth=0)
        ax.set(xscale="log", xlim=(n.min() / 1.3, n.max() * 1.3))
        ax.set_xticks(n, [f"{at:g}" for at in n])
        ax.minorticks_off()
        style.label(ax, "class size n", "‖w‖²" if ax is axes[0] else "", title=f"M = {depth}")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(shown))
    return fig


CANDIDATES = {"etf": "simplex ETF", "circle": "circle", "antipodal": "antipodal pairs", "lbfgs": "best of L-BFGS"}


@figure(
    "cross_entropy",
    title="With cross entropy and depth, frames of lower rank cost less than the simplex ETF",
    alt="Loss of the ETF, the circle code, antipodal pairs and the best L-BFGS solution against the number of "
    "layers, for four, six and ten classes, at the smaller decay.",
    after="theorem on cross entropy",
)
def cross_entropy(results: Results) -> Figure:
    """A panel a number of classes, at the smallest c."""
    frame = need(results.of("cross_entropy"), "minima of cross entropy")
    frame = frame.filter(pl.col("module.c") == frame["module.c"].min())
    classes = sorted(frame["module.classes"].unique())
    fig = style.figure(height=3.8)
    axes = np.atleast_1d(fig.subplots(1, len(classes)))
    looks = style.looks(CANDIDATES)
    for ax, count in zip(axes, classes, strict=True):
        mine = frame.filter(pl.col("module.classes") == count)
        for name, text in CANDIDATES.items():
            points = mine.group_by("module.depth").agg(pl.col(f"loss/{name}").min()).sort("module.depth")
            look = {
                **looks[name],
                **({"linestyle": "", "marker": "x", "markeredgewidth": 1.5} if name == "lbfgs" else {}),
            }
            ax.plot(points["module.depth"], points[f"loss/{name}"], label=text, **look)
        style.label(ax, "layers M", "loss" if ax is axes[0] else "", title=f"K = {count}")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


@figure(
    "network",
    title="Class means of a trained network have the predicted lengths",
    alt="Squared length of class means against the prediction on Fashion-MNIST with 100 to 500 images a class, a dot "
    "a class and seed, for one and three linear layers.",
    after="figures on CIFAR-10",
)
def network(results: Results) -> Figure:
    """Measured against predicted, a panel a depth."""
    frame = need(results.of("network", "units", "imbalanced"), "class means of networks")
    depths = sorted(frame["module.depth"].unique())
    fig = style.figure(height=3.8)
    for ax, depth in zip(np.atleast_1d(fig.subplots(1, len(depths))), depths, strict=True):
        mine = frame.filter(pl.col("module.depth") == depth).sort("n")
        for seed, hue in zip(seeds := sorted(mine["seed"].unique()), style.sequence(len(seeds)), strict=True):
            part = mine.filter(pl.col("seed") == seed)
            ax.plot(part["h2/predicted"], part["h2"], "o", color=hue, label=f"seed {seed}")
        ends = [mine["h2/predicted"].min(), mine["h2/predicted"].max()]
        ax.plot(ends, ends, color=style.INK, linestyle=":", label="theory")
        style.label(ax, "predicted ‖h‖²", "measured ‖h‖²", title=f"M = {depth}")
        style.legend(ax)
    return fig
