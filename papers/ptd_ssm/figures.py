"""Figures: gains with and without spikes, what E costs, accuracy by frequency of the noise, the toy task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYSTEMS = {"dplr": "HiPPO", "s4d": "S4D's start", "rank1": "rank1, θ = 0.1 (ours)"}
KINDS = {
    "rank1": "rank1 (ours)",
    "skew": "random skew",
    "ginibre": "Ginibre",
    "opt": "opt (our reading)",
}
ARMS = {
    "s4d": "S4D",
    "ptd_rank1": "rank1, θ = 0.1 (ours)",
    "ptd_opt": "opt (our reading)",
    "hippo": "rank1, θ = 0.01 (near HiPPO)",
}


@figure(
    "gains",
    title="The diagonal start has a spike at every eigenvalue, up to n²/π",
    alt="Norm of (iw - M)^-1 B against the frequency w, log-log, for HiPPO, S4D's start and rank1, n = 32, 64, 128.",
    after="Figs. 1, 2",
)
def gains(results: Results) -> Figure:
    """One panel an n."""
    frame = need(results.of("gains", "units"), "gains")
    sizes = sorted(frame["n"].unique())
    fig = style.figure(height=3.4)
    axes = fig.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    looks = style.looks(SYSTEMS)
    for ax, n in zip(axes, sizes, strict=True):
        for kind in ("s4d", "rank1", "dplr"):
            mine = frame.filter((pl.col("n") == n) & (pl.col("kind") == kind)).sort("w")
            dashes = "--" if kind == "dplr" else "-"
            ax.plot(
                mine["w"], mine["gain"], color=looks[kind]["color"], linestyle=dashes, linewidth=1, label=SYSTEMS[kind]
            )
        ax.set(xscale="log", yscale="log")
        style.label(ax, "frequency w", "gain" if ax is axes[0] else "", title=f"n = {n:g}")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


@figure(
    "perturbations",
    title="What a perturbation costs: conditioning against distance to HiPPO",
    alt="Condition number of the eigenbasis and largest deviation of the state vector from HiPPO's against the "
    "relative norm of E at n = 64, log-log, for rank1, random skew, Ginibre and optimised E that are stable.",
    after="Fig. 4(c)",
)
def perturbations(results: Results) -> Figure:
    """Dots, one a draw, at the largest n up to 64."""
    frame = need(results.of("perturbations", "units"), "perturbations")
    n = max(size for size in frame["n"].unique() if size <= 64)
    fig = style.figure(height=3.8)
    axes = fig.subplots(1, 2)
    for ax, value, text in zip(axes, ("kappa", "deviation"), ("κ of the eigenbasis", "sup deviation"), strict=True):
        for kind, look in style.looks(KINDS).items():
            mine = frame.filter((pl.col("n") == n) & (pl.col("kind") == kind) & (pl.col("stable") == 1)).sort("ratio")
            ax.plot(mine["ratio"], mine[value], look["marker"], color=look["color"], label=KINDS[kind], alpha=0.8)
        ax.set(xscale="log", yscale="log")
        style.label(ax, "‖E‖ / ‖A‖", text)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


@figure(
    "noise",
    title="Accuracy by the frequency of the noise",
    alt="Accuracy on 500 test images against the frequency of an added Fourier mode, with 95 % intervals over seeds, "
    "for the trained classifiers of four starts.",
    after="Fig. 4(a, b)",
)
def noise(results: Results) -> Figure:
    """Mean and interval by frequency."""
    units = need(results.of("robustness", "units"), "accuracies in noise")
    frame = units.with_columns((100 * pl.col("accuracy")).alias("right"), pl.col("frequency").cast(pl.Float64))
    fig = style.figure(height=4.0)
    ax = fig.subplots()
    style.band(ax, frame, "frequency", "right", labels=ARMS)
    style.label(ax, "periods of the noise in a sequence, f", "test accuracy", yunit="%")
    style.legend(ax)
    return fig


@figure(
    "toy",
    title="Amplitude of a sinusoid, read from frozen systems",
    alt="Mean estimated and true amplitude against the frequency s, fitted below 60 and tested up to 120, with 95 % "
    "intervals over seeds, for S4D's start and rank1.",
    after="Fig. 3",
)
def toy(results: Results) -> Figure:
    """Estimated amplitude by tenths of the frequency ranges."""
    frame = need(results.of("toy", "units"), "answers to the toy task")
    frame = frame.with_columns((pl.col("unit").str.extract(r"(\d+)$").cast(pl.Int64) * 6 + 3).alias("inside"))
    frame = frame.with_columns(
        (pl.col("inside") + pl.when(pl.col("split") == "test").then(60).otherwise(0)).cast(pl.Float64).alias("about")
    )
    fig = style.figure()
    ax = fig.subplots()
    style.band(ax, frame, "about", "found", labels=ARMS, markers=True)
    truth = style.summary(frame, "about", "a")
    ax.plot(truth["about"], truth["mean"], color=style.MUTED, linestyle=":", label="truth")
    style.threshold(ax, 60, "fitted below", axis="x")
    style.label(ax, "frequency s", "amplitude a")
    style.legend(ax)
    return fig
