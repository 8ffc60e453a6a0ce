"""Figures: unexplained variance by noise level and by step, Frechet distance by evaluations, paths, emergence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {
    "isotropic": "isotropic",
    "isotropic_std": "isotropic + variance",
    "gaussian": "Gaussian",
    "gmm_10": "GMM, K = 10",
    "gmm_50": "GMM, K = 50",
    "delta": "delta mixture",
}
QUOTED = {
    "Gaussian, CIFAR-10 (paper)": (
        (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
        (0.439, 0.265, 0.182, 0.108, 0.041, 0.0157, 0.0043, 3.5e-4, 3e-5),
    ),
    "delta mixture, CIFAR-10 (paper)": ((0.02, 0.05, 0.1, 0.5, 1, 2), (0.738, 0.370, 0.214, 0.054, 0.0278, 0.0140)),
}
STARTS = {
    "heun/teleport": "Heun, teleported",
    "heun/fewer": "Heun, fewer steps",
    "heun/truncated": "Heun from μ + t e",
    "heun/isotropic": "Heun, isotropic start",
    "dpmpp_2m/teleport": "DPM-Solver++, teleported",
}


def units(results: Results, experiment: str, *columns: str) -> pl.DataFrame:
    """An experiment's units that have these columns filled."""
    frame = results.of(experiment, "units")
    if frame.is_empty() or not set(columns) <= set(frame.columns):
        return pl.DataFrame()
    return frame.drop_nulls(list(columns))


def lines(ax: Axes, frame: pl.DataFrame, x: str, y: str, group: str, names: dict[str, str]) -> None:
    """A line for each name, least to largest over seeds shaded."""
    for name, look in style.looks(names).items():
        rows = frame.filter(pl.col(group) == name)
        style.band(ax, rows, x, y, None, spread="range", markers=True, **{**look, "label": names[name]})


@figure(
    "explained",
    title="What is left of the learned score when a written-down score is taken away",
    alt="1 - EV against the noise level sigma, both logarithmic, one line for each reference score: means over seeds, "
    "least to largest shaded. Grey marks are numbers that the paper reports for CIFAR-10.",
    after="repository, table of CIFAR-10",
)
def explained(results: Results) -> Figure:
    """1 - EV by noise level at the last checkpoint."""
    frame = need(units(results, "scores", "sigma", "unexplained"), "comparisons of scores")
    frame = frame.filter(pl.col("at_step") == frame["at_step"].max())
    fig = style.figure(style.WIDTH, 4.0)
    ax = fig.subplots()
    lines(ax, frame, "sigma", "unexplained", "unit", NAMES)
    for (text, (sigma, share)), marker in zip(QUOTED.items(), ("+", "x"), strict=True):
        ax.plot(sigma, share, marker, color=style.MUTED, markeredgewidth=1.2, label=text)
    ax.set_xscale("log")
    ax.set_yscale("log")
    style.label(ax, "noise level σ", "1 − EV")
    style.legend(ax, outside=True)
    return fig


@figure(
    "frechet",
    title="Distance to real images against evaluations of the network",
    alt="Frechet distance in 64 principal components against the number of evaluations, one line for each way to save "
    "steps: means over seeds, least to largest shaded.",
)
def frechet(results: Results) -> Figure:
    """Frechet distance by NFE."""
    frame = need(units(results, "sampling", "nfe", "frechet"), "samples")
    frame = frame.with_columns((pl.col("sampler") + "/" + pl.col("start")).alias("way"))
    fig = style.figure(style.WIDTH, 3.6)
    ax = fig.subplots()
    lines(ax, frame, "nfe", "frechet", "way", STARTS)
    ax.set_yscale("log")
    style.label(ax, "evaluations", "Fréchet distance, PCA-64")
    style.legend(ax, outside=True)
    return fig


@figure(
    "training",
    title="The Gaussian part of the score is there early",
    alt="1 - EV at sigma = 0.2 against the training step, logarithmic, for the Gaussian score, the delta mixture and "
    "the isotropic Gaussian: means over seeds, least to largest shaded.",
)
def training(results: Results) -> Figure:
    """1 - EV at sigma = .2 by step."""
    frame = need(units(results, "scores", "sigma", "unexplained"), "comparisons of scores")
    frame = frame.filter(pl.col("sigma") == 0.2)
    fig = style.figure(style.WIDTH, 3.4)
    ax = fig.subplots()
    lines(
        ax,
        frame,
        "at_step",
        "unexplained",
        "unit",
        {name: NAMES[name] for name in ("isotropic_std", "gaussian", "delta")},
    )
    ax.set_xscale("symlog", linthresh=50)
    ax.set_yscale("log")
    style.label(ax, "training step", "1 − EV at σ = 0.2")
    style.legend(ax, outside=True)
    return fig


@figure(
    "paths",
    title="How far written-down scores follow the network from the same noise",
    alt="Mean squared distance per dimension to the network's trajectory against sigma, which falls from left to "
    "right, after the common start, for the Gaussian's closed form, the mixture of 50 and the delta mixture.",
)
def paths(results: Results) -> Figure:
    """MSE to the network's path by noise level."""
    frame = need(units(results, "trajectories", "sigma", "mse"), "trajectories")
    # All start from the same noise: the first point is a rounding error, and would take the whole axis.
    frame = frame.filter((pl.col("sigma") > 0) & (pl.col("sigma") < frame["sigma"].max()))
    fig = style.figure(style.WIDTH, 3.4)
    ax = fig.subplots()
    lines(ax, frame, "sigma", "mse", "unit", {"gaussian": "Gaussian", "gmm": "GMM, K = 50", "delta": "delta mixture"})
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.invert_xaxis()
    style.label(ax, "noise level σ", "MSE to the network's path")
    style.legend(ax)
    return fig


@figure(
    "emergence",
    title="Modes of larger variance emerge at larger noise",
    alt="Noise level at which a mode of the denoised image has 90 percent of its last size, against the mode's "
    "variance, both logarithmic: a dot for each of 30 modes and each seed, and the line 0.484 sqrt(lambda).",
)
def emergence(results: Results) -> Figure:
    """sigma_90 by lambda."""
    frame = need(units(results, "trajectories", "variance", "sigma_90"), "modes")
    fig = style.figure(5.2, 3.6)
    ax = fig.subplots()
    ax.plot(
        frame["variance"], frame["sigma_90"], "o", color=style.PALETTE["blue"], markersize=3, alpha=0.6, label="network"
    )
    x = np.geomspace(frame["variance"].min(), frame["variance"].max(), 50)  # type: ignore[arg-type,type-var]
    ax.plot(x, np.sqrt(x * (1 / 0.81 - 1)), color=style.MUTED, linestyle=(0, (3, 2)), label="Gaussian: 0.484 √λ")
    ax.set_xscale("log")
    ax.set_yscale("log")
    style.label(ax, "variance λ of the mode", "σ at 90 %")
    style.legend(ax)
    return fig
