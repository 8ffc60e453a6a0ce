"""Figures: the Lyapunov function along the flow, weights against their bound, gaps and trajectories for each K."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from assay.optimizers.kappas import L1, L2, GroupL1, Huber, Kappa, Lp, Soft
from assay.report import style
from assay.report.figures import MissingData, figure, need
from assay.results import Results
from assay.seeds import Seeds
from papers.lion_k.claims import LAMBDA
from papers.lion_k.problems import Composite, Quadratics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KAPPAS: dict[str, tuple[str, Kappa]] = {
    "l1": ("ℓ1 (Lion)", L1()),
    "l_1.5": ("ℓ1.5", Lp(p=1.5)),
    "l2": ("ℓ2", L2()),
    "group_l1": ("group ℓ1", GroupL1(size=4)),
    "huber": ("Huber", Huber(e=1.0)),
    "soft": ("soft threshold", Soft(e=1.0)),
}
"""The arms of the quadratic programs: their names on figures, and K as the configuration has it."""

NAMES = {arm: name for arm, (name, _) in KAPPAS.items()}
FLOWS = {"flow_a": "α=1, γ=1, ε=0.5, λ=1", "flow_b": "α=1, γ=0.5, ε=1.5, λ=2", "flow_c": "α=2, γ=1, ε=0.9, λ=1"}
TERMS = {"H/all": "H", "H/loss": "loss", "H/bound": "bound", "H/momentum": "momentum"}
DT = 1e-3


@figure(
    "lyapunov",
    title="H only falls along the flow",
    alt="The Lyapunov function H and its three terms against time on one trajectory; on the right H minus its last "
    "value on a logarithmic axis for three settings of the flow, each falling along a straight line.",
    after="Theorem 3.1",
)
def lyapunov(results: Results) -> Figure:
    """H and its terms on the first trajectory of the first flow; the fall of H for all three."""
    need(results.of("ode", "curves"), "trajectories of the flow")
    fig = style.figure(height=3.4)
    left, right = fig.subplots(1, 2)
    for (name, label), look in zip(TERMS.items(), style.looks(TERMS).values(), strict=True):
        points = results.curve("ode", name, arm="flow_a")
        left.plot(points["step"] * DT, points["value"], label=label, **{**look, "marker": ""})
    style.label(left, "time", "value", title="H and its terms")
    style.legend(left)
    for (arm, label), look in zip(FLOWS.items(), style.looks(FLOWS).values(), strict=True):
        points = results.curve("ode", "H/all", arm=arm)
        if len(points):
            above = points["value"].to_numpy() - points["value"].to_numpy()[-1]
            above = np.where(above > 1e-13, above, np.nan)
            right.semilogy(points["step"] * DT, above, label=label, **{**look, "marker": ""})
    style.label(right, "time", "H - H(end)", title="The fall of H")
    style.legend(right)
    return fig


@figure(
    "weights",
    title="Lion's weights end inside the box, many of them on its wall",
    alt="Histograms of the trained network's weights, one for each lambda, with vertical lines at plus and minus "
    "1/lambda; no weight lies beyond them, and the bars at the lines stand out.",
    after="histograms of weights",
)
def weights(results: Results) -> Figure:
    """One histogram for each λ, shares averaged over seeds."""
    bars = need(results.of("net", "units", arm="lion"), "weights")
    decays = sorted(bars[LAMBDA].unique().to_list())
    fig = style.figure(height=2.1 * -(-len(decays) // 3) + 0.3)
    axes = fig.subplots(-(-len(decays) // 3), min(3, len(decays)), squeeze=False).flatten()
    for ax, decay in zip(axes, decays, strict=False):
        _histogram(ax, bars.filter(pl.col(LAMBDA) == decay), decay)
    for ax in axes[len(decays) :]:
        ax.remove()
    return fig


def _histogram(ax: Axes, bars: pl.DataFrame, decay: float) -> None:
    # At lambda = 0 every seed has edges of its own; the bars' numbers are what they share.
    mean = bars.group_by("unit").agg(pl.col("weight", "share").mean()).sort("weight")
    x, share = mean["weight"].to_numpy(), mean["share"].to_numpy()
    if len(x) < 2:
        raise MissingData("no histogram of the weights in these results")
    ax.bar(x, share, width=x[1] - x[0], color=style.colour("lion"))
    ax.set_yscale("log")
    if decay:
        for edge in (-1 / decay, 1 / decay):
            style.threshold(ax, edge, axis="x")
    style.label(ax, "weight", "share", title=f"λ = {decay:g}" + (f", 1/λ = {1 / decay:g}" if decay else ""))


@figure(
    "entry",
    title="Phase 1 is exponential, whatever the gradients",
    alt="The largest excess of lambda x over dom K* against the step on logarithmic axes, for each K, from a start "
    "outside; and the largest weight of a network as a multiple of 1/lambda, for each lambda.",
    after="Theorem 3.1, phase 1",
)
def entry(results: Results) -> Figure:
    """The excess on quadratic programs from outside; λ max |w| on networks."""
    fig = style.figure(height=3.4)
    left, right = fig.subplots(1, 2)
    excess = results.curve("outside", "excess/max", optimizer__weight_decay=1.0)
    drawn = style.band(
        left, excess.filter(pl.col("value") > 1e-12) if len(excess) else excess, "step", "value", labels=NAMES
    )
    left.set(xscale="symlog", yscale="log")
    style.label(left, "step", "largest excess", title="Quadratic programs, λ = 1")
    style.legend(left)
    largest = results.curve("net", "box/max", arm="lion")
    largest = largest.filter(pl.col(LAMBDA) > 0) if len(largest) else largest
    decays = sorted(largest[LAMBDA].unique().to_list()) if len(largest) else []
    if not drawn and not decays:
        raise MissingData("no runs that start outside")
    for decay, hue in zip(decays, style.sequence(len(decays)), strict=True):
        points = largest.filter(pl.col(LAMBDA) == decay)
        style.band(right, points, "step", "value", None, labels={"": f"λ = {decay:g}"}, color=hue)
    if decays:
        right.set_yscale("log")
        style.threshold(right, 1.0, "1/λ")
    style.label(right, "step", "largest weight", yunit="1/λ", title="MLP on Fashion-MNIST")
    style.legend(right)
    return fig


@figure(
    "gap",
    title="Every K reaches the minimum of its own F",
    alt="The relative gap F - F* averaged over twenty quadratic programs against the step, a line for each K, falling "
    "to the level of rounding as the step size goes to zero.",
    after="its toy figure",
)
def gap(results: Results) -> Figure:
    """The mean gap against steps, one panel for each λ."""
    points = need(results.curve("qp", "gap/mean"), "runs of qp")
    decays = sorted(points[LAMBDA].unique().to_list())
    fig = style.figure(height=3.2)
    axes = fig.subplots(1, len(decays), sharey=True, squeeze=False)[0]
    for ax, decay in zip(axes, decays, strict=True):
        here = points.filter((pl.col(LAMBDA) == decay) & (pl.col("value") > 1e-16) & (pl.col("step") > 0))
        style.band(ax, here, "step", "value", labels=NAMES)
        ax.set(xscale="log", yscale="log")
        style.label(ax, "step", "mean relative gap" if ax is axes[0] else "", title=f"λ = {decay:g}")
    style.legend(axes[0])
    return fig


@figure(
    "plane",
    title="Into the set, then down inside it",
    alt="Trajectories of Lion-K in the plane for six functions K, over level sets of the objective, with the boundary "
    "of the set that bounds the weights: a box, a rounded box, a disk.",
    after="its toy figure",
)
def plane(results: Results) -> Figure:
    """The path from outside, the level sets of F, and the boundary of dom K*/λ for each K."""
    points = need(results.of("toy", "curves"), "trajectories in the plane")
    seed, fig = int(points["seed"].min()), style.figure(height=5.0)  # type: ignore[arg-type]
    axes = fig.subplots(2, 3, sharex=True, sharey=True)
    for ax, (arm, (name, kappa)) in zip(axes.flatten(), KAPPAS.items(), strict=True):
        path = np.stack([results.curve("toy", f"x/{i}", arm=arm, seed=seed)["value"].to_numpy() for i in (1, 2)])
        _landscape(ax, Composite(Quadratics.draw(Seeds(seed), 1, 2), kappa, 1.0), path)
        ax.set_title(name)
    style.label(axes[1, 0], "x₁", "x₂")
    return fig


def _landscape(ax: Axes, composite: Composite, path: np.ndarray) -> None:
    reach = 1.1 * max(1.6, float(np.abs(path).max()))
    grid = np.linspace(-reach, reach, 161)
    x = torch.from_numpy(np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2))
    # One quadratic program at many points: a batch of points instead of a batch of programs.
    f = composite.f
    assert isinstance(f, Quadratics)
    everywhere = Composite(
        Quadratics(f.q.expand(len(x), 2, 2), f.b.expand(len(x), 2)), composite.kappa, composite.decay
    )
    value = everywhere.value(x).reshape(161, 161).numpy()
    outside = everywhere.infeasibility(x).reshape(161, 161).numpy()
    levels = np.quantile(value, np.linspace(0.02, 0.95, 10))
    ax.contour(grid, grid, value, levels=levels, colors=style.GRID, linewidths=0.8)
    ax.contour(grid, grid, outside, levels=[1e-9], colors=style.INK, linewidths=1.2)
    ax.plot(*path, color=style.colour("lion"), linewidth=1.2)
    ax.plot(*path[:, :1], "o", color=style.MUTED)
    ax.plot(*path[:, -1:], "o", color=style.colour("lion"))
    ax.grid(visible=False)
    ax.set_aspect("equal")
