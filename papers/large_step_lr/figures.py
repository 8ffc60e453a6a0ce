"""Figures: the course of one data set, the worst case against n, the limit, and the counts on images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LR = {
    "lr_0p001": "γ = 0.001",
    "lr_0p01": "γ = 0.01",
    "lr_0p1": "γ = 0.1",
    "lr_1": "γ = 1",
    "lr_10": "γ = 10",
    "lr_100": "γ = 100",
}
NORMALISED = {"nlr_0p1": "γ = 0.1", "nlr_1": "γ = 1", "nlr_10": "γ = 10", "nlr_100": "γ = 100"}
PERCEPTRONS = {"bp": "batch perceptron", "nbp": "normalised batch perceptron", "perceptron": "perceptron"}
NAMES = {
    **{arm: f"GD, {name}" for arm, name in LR.items()},
    **PERCEPTRONS,
    **{arm: f"normalised GD, {name}" for arm, name in NORMALISED.items()},
}
PAIRS = {
    "shirt_boot": "T-shirt, boot",
    "pullover_coat": "pullover, coat",
    "sneaker_boot": "sneaker, boot",
    "dress_bag": "dress, bag",
    "trouser_sandal": "trouser, sandal",
}


@figure(
    "trajectories",
    title="Larger steps: higher losses on the way, and earlier there",
    alt="Accuracy, loss and gradient norm against iterations up to separation, for six step sizes of gradient descent "
    "and the batch perceptron's own iterates, on 500 images of sneakers and boots.",
    after="Fig. 1",
)
def trajectories(results: Results) -> Figure:
    """Three panels over the iterations, all logarithmic but accuracy."""
    frame = need(results.of("trajectories", "curves"), "curves of the trajectories")
    fig = style.figure(height=7.0)
    axes = fig.subplots(3, 1, sharex=True)
    panels = (("train/accuracy", "accuracy"), ("train/loss", "loss"), ("gradient/norm", "gradient norm"))
    looks = {arm: {"color": hue} for arm, hue in zip(LR, style.sequence(len(LR)), strict=True)}
    looks["bp"] = {"color": style.INK, "linestyle": "--"}
    for ax, (name, text) in zip(axes, panels, strict=True):
        for arm, look in looks.items():
            mine = frame.filter((pl.col("arm") == arm) & (pl.col("name") == name) & (pl.col("step") > 0)).sort("step")
            ax.plot(mine["step"], mine["value"], label=LR.get(arm, "batch perceptron, θ̂"), linewidth=1.2, **look)
        ax.set(xscale="log", **({} if name == "train/accuracy" else {"yscale": "log"}))
        style.label(ax, y=text)
    style.label(axes[-1], "iterations")
    style.legend(axes[0], outside=True)
    return fig


@figure(
    "worst_case",
    title="The worst case: in proportion to n for large steps, not for normalised ones",
    alt="Iterations to separation against the number of rows, log-log, with the bounds of the batch perceptron and of "
    "its normalised form.",
    after="Theorem 5.1, Table 1",
)
def worst_case(results: Results) -> Figure:
    """Iterations against n."""
    frame = need(results.of("worst_case"), "runs on the worst case").filter(pl.col("censored") == 0)
    shown = ["lr_1", "lr_10", "lr_100", "bp", "nbp", "perceptron", "nlr_0p1", "nlr_1", "nlr_100"]
    fig = style.figure(height=4.6)
    ax = fig.subplots()
    looks = style.looks([arm for arm in shown if arm in frame["arm"].unique()])
    for size, (arm, look) in zip(np.linspace(7, 3, len(looks)), looks.items(), strict=True):  # several lines coincide
        mine = frame.filter(pl.col("arm") == arm).sort("data.rows") if "data.rows" in frame.columns else frame.head(0)
        ax.plot(mine["data.rows"], mine["iterations"], label=NAMES[arm], markersize=size, linewidth=size / 2, **look)
    margins = results.of("worst_case_margin")
    if len(margins) > 1:
        margins = margins.sort("data.rows")
        n, ratio = (
            margins["margin/rows"].to_numpy(),
            (margins["margin/radius"] / margins["margin/lower_bound"]).to_numpy() ** 2,
        )
        ax.plot(n, n * ratio, color=style.MUTED, linestyle=":", label="n R²/μ²")
        ax.plot(n, ratio, color=style.MUTED, linestyle="-.", label="R²/μ²")
    ax.set(xscale="log", yscale="log")
    sizes = sorted(frame["data.rows"].unique()) if "data.rows" in frame.columns else []
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    style.label(ax, "rows n", "iterations")
    style.legend(ax, outside=True)
    return fig


@figure(
    "limit",
    title="Divided by the step size, gradient descent becomes the batch perceptron",
    alt="Largest relative distance of theta/gamma from the batch perceptron's iterate against gamma, log-log, a line "
    "for each seed.",
    after="Fig. 2",
)
def limit(results: Results) -> Figure:
    """e(gamma), a line a seed."""
    frame = need(results.of("limit", "units"), "errors of the limit")
    fig = style.figure()
    ax = fig.subplots()
    seeds = sorted(frame["seed"].unique())
    for seed, hue in zip(seeds, style.sequence(len(seeds)), strict=True):
        mine = frame.filter(pl.col("seed") == seed).sort("gamma")
        ax.plot(mine["gamma"], mine["error"], marker="o", markersize=4, color=hue, label=f"seed {seed}")
    style.threshold(ax, 1e-6, "check 3, at γ = 10⁸")
    ax.set(xscale="log", yscale="log")
    style.label(ax, "step size γ", "max ‖θ/γ − θ̂‖ / ‖θ̂‖")
    style.legend(ax)
    return fig


@figure(
    "images",
    title="Iterations to separate 500 images of two classes",
    alt="Iterations of every method, a dot a pair of classes (median over subsamples), balanced and with ten images of "
    "one class; hollow where most runs were censored.",
    after="Table 1, Fig. 5",
)
def images(results: Results) -> Figure:
    """Medians by method and pair."""
    fig = style.figure(height=5.2)
    axes = fig.subplots(1, 2, sharey=True)
    order = list(NAMES)[::-1]
    for ax, name, title in zip(
        axes, ("balanced", "imbalanced"), ("250 and 250 images", "10 and 490 images"), strict=True
    ):
        frame = need(results.of(name), f"{name} runs")
        medians = frame.group_by("arm", "pair").agg(pl.col("iterations").median(), pl.col("censored").mean())
        for pair, look in style.looks(sorted(medians["pair"].unique())).items():
            mine = medians.filter(pl.col("pair") == pair).sort("arm")
            y = np.array([order.index(arm) for arm in mine["arm"]])
            filled = mine["censored"].to_numpy() <= 0.5
            for mask, face in ((filled, look["color"]), (~filled, "none")):
                x = mine["iterations"].to_numpy()[mask]
                label = PAIRS[pair] if face != "none" else None
                look_of = {"color": look["color"], "markerfacecolor": face, "markeredgewidth": 1.2}
                ax.plot(x, y[mask], look["marker"], markersize=5, label=label, **look_of)
        ax.set_xscale("log")
        ax.set_yticks(range(len(order)), [NAMES[arm] for arm in order])
        style.label(ax, "iterations (hollow: capped)", title=title)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig
