"""Figures: accuracy over epochs, one draw of slopes and the loss behind it, wins and losses, the excess risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from assay.losses.ens_loss import along, expected_slopes, magnitudes, tempered
from assay.losses.margin import BCELoss, ExponentialLoss, HingeLoss
from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results
from assay.seeds import Seeds
from papers.ensloss.claims import AXIS, FIXED, table_of
from papers.ensloss.exact import induced_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"ens": "EnsLoss", "bce": "BCE", "hinge": "hinge", "exp": "Exp"}
CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


@figure(
    "epochs",
    title="Test accuracy over the epochs, four losses",
    alt="Test accuracy against epochs on each pair of Fashion-MNIST classes at depth 3, a line for each loss, with 95 "
    "% intervals over seeds.",
    after="its overview",
)
def epochs(results: Results) -> Figure:
    """A panel for each pair."""
    curve = need(results.curve("pairs", "test/accuracy"), "runs of pairs")
    curve = curve.filter((pl.col("model.depth") == 3) & (pl.col("step") > 0))
    curve = curve.with_columns(pl.col("step") * 100 / pl.col("step").max(), pl.col("value") * 100)
    pairs = sorted(curve["pair"].unique())
    rows = (len(pairs) + 2) // 3
    fig = style.figure(height=0.6 + 2.1 * rows)
    axes = fig.subplots(rows, min(3, len(pairs)), squeeze=False)
    for i, (ax, pair) in enumerate(zip(axes.flat, pairs, strict=False)):
        style.band(ax, curve.filter(pl.col("pair") == pair), "step", "value", labels=NAMES)
        names = " / ".join(CLASSES[int(k)] for k in pair.split("-"))
        bottom, left = i >= len(pairs) - 3, i % 3 == 0
        style.label(ax, "epochs" * bottom, "test accuracy" * left, xunit="% of run", yunit="%", title=names)
    style.legend(axes.flat[len(pairs) - 1])
    return fig


@figure(
    "slopes",
    title="One draw of slopes, and the loss whose slopes they are",
    alt="Left: slopes of one random loss against the margin for a batch of 128, with those of BCE, hinge and Exp and "
    "the expected slopes. Right: the losses themselves, shifted to 0 at margin 0.",
)
def slopes(results: Results) -> Figure:
    """A batch of 128 margins from -3 to 3."""
    z = torch.linspace(-3, 3, 128, dtype=torch.float64)
    v = torch.randn(128, generator=Seeds(1).torch("figure"), dtype=torch.float64)
    lists = {
        "ens": ("one draw", tempered(along(magnitudes(v), z), z)),
        "expected": ("expected slopes", tempered(along(expected_slopes(128), z), z)),
    }
    fig = style.figure(height=3.2)
    left, right = fig.subplots(1, 2)
    looks: Any = style.looks([*lists, *FIXED])
    zero = int(z.abs().argmin())
    for name, (text, g) in lists.items():
        look = {key: looks[name][key] for key in ("color", "linestyle")}
        left.step(z, g, where="mid", label=text, **look)
        phi = induced_loss(z, g)
        right.plot(z, phi - phi[zero], label=text, **look)
    for name, loss in (("bce", BCELoss()), ("hinge", HingeLoss()), ("exp", ExponentialLoss())):
        x = z.clone().requires_grad_()
        phi = loss.phi(x)
        (g,) = torch.autograd.grad(phi.sum(), x)
        look = {"color": looks[name]["color"], "linewidth": 1.1}
        left.plot(z, g, label=NAMES[name], **look)
        right.plot(z, (phi - phi[zero]).detach(), label=NAMES[name], **look)
    left.set_ylim(-2.5, 0.1)
    right.set_ylim(-1.5, 4)
    style.label(left, "margin z", "slope")
    style.label(right, "margin z", "loss minus loss at 0")
    style.legend(right)
    return fig


@figure(
    "wins",
    title="Tasks on which EnsLoss is significantly better, not told apart, or worse",
    alt="Stacked bars: for the pairs of image classes and for the tables, the number of tasks on which EnsLoss is "
    "better than BCE, hinge and Exp, is tied, and is worse, by one-sided paired t-tests at 5 %.",
    after="its tables",
)
def wins(results: Results) -> Figure:
    """A bar for each fixed loss."""
    frames = {name: results.of(name) for name in AXIS}
    need(pl.concat(list(frames.values()), how="diagonal_relaxed"), "runs of pairs or tables")
    fig = style.figure(height=2.6)
    axes = fig.subplots(1, 2)
    parts = (("better", style.PALETTE["blue"]), ("tied", style.GRID), ("worse", style.PALETTE["rust"]))
    for ax, (experiment, frame) in zip(axes, frames.items(), strict=True):
        rows = []
        for arm in FIXED:
            table = table_of(results, experiment, arm)
            rows.append([0 if table is None else len(getattr(table, part)) for part, _ in parts])
        start = np.zeros(len(FIXED))
        for column, (part, hue) in enumerate(parts):
            size = np.array([row[column] for row in rows])
            ax.barh(range(len(FIXED)), size, left=start, color=hue, label=part, height=0.6)
            for y, (x, width) in enumerate(zip(start, size, strict=True)):
                if width:
                    ink = style.INK if part == "tied" else style.PAPER
                    ax.text(x + width / 2, y, str(width), ha="center", va="center", color=ink, fontsize=9)
            start += size
        ax.set_yticks(range(len(FIXED)), [f"against {name}" for name in FIXED.values()])
        ax.invert_yaxis()
        ax.locator_params(axis="x", integer=True)
        ax.grid(visible=False)
        style.label(ax, f"{frame[AXIS[experiment]].n_unique() if len(frame) else 0} {experiment}")
    style.legend(axes[1], outside=True)
    return fig


@figure(
    "excess",
    title="The risk beyond the Bayes rule's falls with the number of rows",
    alt="Excess risk on synthetic data against the number of training rows, for EnsLoss and BCE, the rows on a "
    "log scale, with 95 % intervals over seeds.",
)
def excess(results: Results) -> Figure:
    """EnsLoss beside BCE."""
    frame = need(results.of("synthetic"), "runs of synthetic")
    fig = style.figure(height=3.0)
    ax = fig.subplots()
    frame = frame.with_columns((100 * pl.col("test/excess")).alias("points"))
    style.band(ax, frame, "data.train", "points", labels=NAMES, markers=True)
    ax.set(xscale="log", ylim=(0, None))
    ticks = sorted(frame["data.train"].unique())
    ax.set_xticks(ticks, [f"{n:,}" for n in ticks], minor=False)
    ax.minorticks_off()
    style.label(ax, "training rows n", "excess risk", yunit="points")
    style.legend(ax)
    return fig
