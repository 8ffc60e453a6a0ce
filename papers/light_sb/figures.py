"""Figures: trajectories to the swiss roll, unexplained variance of the plan, KL against the number of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from assay.data.toy2d import swiss_roll
from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results
from papers.light_sb.claims import MIXTURE, best_start, rows_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {
    MIXTURE: "LightSB, K = 50",
    "one_gaussian": "one Gaussian, K = 1",
    "sinkhorn": "Sinkhorn, n = 500",
    "independent": "independent",
}
QUOTED = {
    "LightSB (paper)": {
        "0.1": (0.03, 0.08, 0.28, 0.60), "1": (0.05, 0.09, 0.24, 0.62), "10": (0.07, 0.11, 0.21, 0.37)
    },
    "best other (paper)": {
        "0.1": (1.94, 13.67, 11.74, 11.4), "1": (1.04, 9.08, 18.05, 15.23), "10": (1.40, 1.27, 2.36, 1.31)
    },
}  # fmt: skip
"""The poster's table, by eps, at D = 2, 16, 64, 128: its own p0 and p1, so comparable in order only."""


def _eps(frame: pl.DataFrame, column: str = "eps") -> list[str]:
    """The values of an axis named by numbers, ascending."""
    return sorted(frame[column].unique(), key=float)


@figure(
    "roll",
    title="The larger ε, the more volatile the trajectories",
    alt="One panel for each eps: the standard normal (blue) and the swiss roll (grey) as points, and trajectories of "
    "the fitted bridge from one to the other. With small eps they are nearly straight, with large eps they wander.",
    after="toy figure of the poster",
)
def roll(results: Results) -> Figure:
    """Trajectories of the first seed, from the same starting points at every eps."""
    units = need(results.of("volatility", "units"), "trajectories of volatility")
    units = units.filter(pl.col("seed") == units["seed"].min()).sort("t")
    shown = _eps(units)
    generator = torch.Generator().manual_seed(0)
    normal, spiral = torch.randn(400, 2, generator=generator), swiss_roll(600, generator)
    fig = style.figure(style.WIDTH, 3.0)
    axes = np.atleast_1d(fig.subplots(1, len(shown), sharex=True, sharey=True))
    for ax, eps in zip(axes, shown, strict=True):
        ax.plot(*spiral.T.numpy(), ".", color=style.MUTED, markersize=2, alpha=0.45, label="p₁")
        ax.plot(*normal.T.numpy(), ".", color=style.PALETTE["blue"], markersize=2, alpha=0.3, label="p₀")
        for (_,), path in units.filter(pl.col("eps") == eps).group_by(["unit"], maintain_order=True):
            x, y = path["x"].to_numpy(), path["y"].to_numpy()
            ax.plot(x, y, color=style.PALETTE["rust"], linewidth=0.8)
            ax.plot(x[0], y[0], "o", color=style.PALETTE["blue"], markersize=3.5)
            ax.plot(x[-1], y[-1], "s", color=style.PALETTE["rust"], markersize=3.5)
        ax.set_aspect("equal")
        ax.set_xlim(-3, 3)
        ax.set_ylim(-3, 3)
        style.label(ax, "x", "y" if ax is axes[0] else "", title=f"ε = {eps}")
    style.legend(axes[0], loc="lower left", markerscale=4, handletextpad=0.2, borderaxespad=0.1)
    return fig


@figure(
    "benchmark",
    title="Unexplained variance of the conditional plan",
    alt="Unexplained variance in percent, on a logarithmic axis, against the dimension; one panel for each eps, one "
    "line for each method: means over seeds, least to largest shaded. Grey marks are numbers that the paper reports "
    "on its own benchmark.",
    after="benchmark table of the poster",
)
def benchmark(results: Results) -> Figure:
    """cBW2^2-UVP over D."""
    frame = need(_methods(results), "runs of benchmark")
    shown = _eps(frame)
    fig = style.figure(style.WIDTH + 2.4, 3.5)
    axes = np.atleast_1d(fig.subplots(1, len(shown), sharey=True))
    looks = style.looks(NAMES)
    for ax, eps in zip(axes, shown, strict=True):
        for name, text in NAMES.items():
            rows = frame.filter((pl.col("method") == name) & (pl.col("eps") == eps))
            look = {**looks[name], "label": text}
            style.band(ax, rows, "data.dimension", "uvp", None, spread="range", markers=True, **look)
        for (text, table), marker in zip(QUOTED.items(), ("x", "+"), strict=True):
            if eps in table:
                ax.plot((2, 16, 64, 128), table[eps], marker, color=style.MUTED, markeredgewidth=1.2, label=text)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xticks([2, 16, 64, 128], ["2", "16", "64", "128"])
        style.threshold(ax, 5, "5 %" if ax is axes[0] else "")
        style.label(ax, "dimension D", "cBW²-UVP" if ax is axes[0] else "", yunit="%", title=f"ε = {eps}")
    style.legend(axes[-1], outside=True)
    return fig


def _methods(results: Results) -> pl.DataFrame:
    """UVP of every method: columns method, eps, data.dimension, uvp."""
    columns = ("data.dimension", "eps")
    ours = rows_of(results, "benchmark", "test/uvp", *columns)
    discrete = rows_of(results, "sinkhorn", "test/uvp", "reference/uvp_independent", *columns)
    parts = [
        frame.select(method.alias("method"), "eps", "data.dimension", pl.col(value).alias("uvp"))
        for frame, method, value in (
            (ours, pl.col("arm"), "test/uvp"),
            (discrete, pl.lit("sinkhorn"), "test/uvp"),
            (discrete, pl.lit("independent"), "reference/uvp_independent"),
        )
        if len(frame)
    ]
    return pl.concat(parts) if parts else pl.DataFrame()


@figure(
    "samples",
    title="KL to the true plan against the number of samples",
    alt="KL in nats against the number of samples on both sides, both logarithmic: a dot for each seed, their "
    "geometric mean with the 95 % interval of the mean log, the fitted slope, and a line of slope one half.",
)
def samples(results: Results) -> Figure:
    """KL(pi* || pi_theta) of the better of two starts, D = 2, eps = 1."""
    frame = need(best_start(results), "runs of sample_size").filter(pl.col("test/kl") > 0)
    frame = frame.with_columns(pl.col("test/kl").log().alias("log"))
    every, kl = frame["data.samples"].cast(pl.Float64).to_numpy(), frame["test/kl"].to_numpy()
    means = style.summary(frame, "data.samples", "log")
    n, (mean, low, high) = (
        means["data.samples"].to_numpy(),
        (means[c].exp().to_numpy() for c in ("mean", "low", "high")),
    )
    fig = style.figure(5.2, 3.6)
    ax = fig.subplots()
    hue = style.PALETTE["rust"]
    ax.plot(every, kl, "o", color=hue, markersize=3, alpha=0.5, label="seeds")
    ax.errorbar(n, mean, yerr=(mean - low, high - mean), fmt="s", color=hue, label="geometric mean, 95 %")
    if len(means) > 1:
        slope, at_one = np.polyfit(np.log(every), np.log(kl), 1)
        ax.plot(n, np.exp(at_one) * n**slope, color=hue, linewidth=1.2, label=f"fit, slope {slope:.2f}")
        half = mean[0] * (n / n[0]) ** -0.5
        ax.plot(n, half, color=style.MUTED, linewidth=1.0, linestyle=(0, (3, 2)), label="slope −1/2")
    ax.set_xscale("log")
    ax.set_yscale("log")
    style.label(ax, "samples on each side, N", "KL(π* ‖ π)", yunit="nat")
    style.legend(ax)
    return fig
