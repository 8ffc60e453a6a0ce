"""Figures: information against the limit, gaps, couplings, the game's trade-off and the receiver's belief."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {
    "searched": "optimum (search)",
    "theorem": "Theorem 3",
    "exhaustive": "best partition",
    "greedy": "Algorithm 1",
    "blob_only": "blob only",
    "tail_merge": "tail merge",
    "uniform_quantiser": "uniform quantiser",
    "adaptive_quantiser": "adaptive quantiser",
    "max_seeking": "max-seeking",
    "zero_seeking": "zero-seeking",
    "sla": "successive linearisation",
    "independent": "independent",
}

C, BETA = "module.compression", "module.log_beta"


@figure(
    "encoder",
    title="Information kept against the limit, p = (.7, .2, .1)",
    alt="I(X;T) against R: the optimum by search, Theorem 3's couplings on top of it, and two deterministic schemes "
    "as steps below.",
    after="Fig. 2",
)
def encoder(results: Results) -> Figure:
    """I(X;T) over R; no scheme can pass the diagonal."""
    frame = need(results.of("neighbourhood", "units"), "rates of neighbourhood").sort("rate")
    fig = style.figure(height=4.0)
    ax = fig.subplots()
    curves = ("searched", "theorem", "greedy", "tail_merge")
    looks = style.looks(curves)
    top = float(frame["rate"].max())  # type: ignore[arg-type]
    ax.plot([0, top], [0, top], color=style.MUTED, linewidth=0.8, label="I = R")
    for name in curves:
        if name in frame.columns:
            shown = {**looks[name], "label": NAMES[name]}
            if name == "theorem":
                ax.plot(frame["rate"], frame[name], **{**shown, "linestyle": "none", "markersize": 3})
            else:
                steps = "default" if name == "searched" else "steps-post"
                ax.plot(frame["rate"], frame[name], **{**shown, "marker": ""}, drawstyle=steps)
    style.label(ax, "limit R on H(T)", "I(X;T)", xunit="bit", yunit="bit")
    style.legend(ax)
    return fig


@figure(
    "maps",
    title="The maps that Algorithm 1 and tail merging find",
    alt="I(X;T) against R / H(X) as step functions, one panel a law: binomial and truncated geometric.",
    after="Figs. 9 and 10",
)
def maps(results: Results) -> Figure:
    """Each step is another map; more and finer steps waste less of the limit."""
    frame = need(results.of("mappings", "units"), "maps of mappings").sort("rate")
    laws = frame["law"].unique().sort().to_list()
    fig = style.figure(height=2.4 * -(-len(laws) // 3))
    axes = fig.subplots(-(-len(laws) // 3), min(3, len(laws)), squeeze=False, sharex=True).ravel()
    looks = style.looks(["greedy", "tail_merge"])
    for ax, law in zip(axes, laws, strict=False):
        for arm, look in looks.items():
            part = frame.filter((pl.col("law") == law) & (pl.col("arm") == arm))
            x, y = [*part["rate"], 1.0], [*part["information"], part["information"].max()]
            ax.plot(x, y, **{**look, "marker": ""}, label=NAMES[arm], drawstyle="steps-post")
        style.label(ax, "R / H(X)", "I(X;T)", yunit="bit", title=law)
    style.legend(axes[0])
    return fig


@figure(
    "gaps",
    title="How far the information kept stays below the limit",
    alt="Mean of R - I(X;T) against the size of the alphabet, for limits below and above half of H(X), a line for each "
    "compressor with 95 % intervals over laws.",
)
def gaps(results: Results) -> Figure:
    """Random laws: low limits on the left, high ones on the right."""
    frame = need(results.of("ebim", "units"), "laws of ebim")
    fig = style.figure(height=3.6)
    for ax, (column, title) in zip(
        fig.subplots(1, 2, sharey=True),
        (("low_gap", "R below H(X)/2"), ("high_gap", "R from H(X)/2")),
        strict=True,
    ):
        style.band(ax, frame, "module.symbols", column, labels=NAMES, markers=True)
        style.label(ax, "symbols of X", "mean of R − I(X;T)", yunit="bit", title=title)
    style.legend(fig.axes[0])
    return fig


@figure(
    "couplings",
    title="Joint entropy of couplings of random laws",
    alt="Mean distance of the joint entropy from its majorisation bound against the size of the alphabets, a line for "
    "each coupling, with 95 % intervals over pairs of laws.",
    after="its table of 100 simulations",
)
def couplings(results: Results) -> Figure:
    """Distance from a lower bound that no coupling can pass."""
    frame = need(results.of("couplings", "units"), "pairs of couplings")
    fig = style.figure(height=3.8)
    ax = fig.subplots()
    style.band(ax, frame, "module.symbols", "above_meet", labels=NAMES, markers=True)
    style.threshold(ax, 1.44, "proven for max-seeking: 1.44")
    ax.set_ylim(bottom=0)
    style.label(ax, "symbols of either law", "H(X,Y) − H(p meet q)", yunit="bit")
    style.legend(ax)
    return fig


@figure(
    "tradeoff",
    title="Reward against the receiver's accuracy",
    alt="Accuracy against mean discounted reward, a panel for each compression, a line for each compressor along the "
    "temperature, with 95 % intervals over seeds.",
    after="its figures of Markov coding games",
)
def tradeoff(results: Results) -> Figure:
    """Up and to the right is better; along a line the policy's temperature falls from left to right."""
    frame = need(results.of("coding_game"), "runs of coding_game")
    levels = frame[C].unique().sort().to_list()
    fig = style.figure(height=3.2)
    axes = fig.subplots(1, len(levels), squeeze=False, sharey=True)[0]
    for ax, level in zip(axes, levels, strict=True):
        _trade(ax, frame.filter(pl.col(C) == level))
        style.label(ax, "reward", "accuracy", title=f"c = {level:g}")
        if ax is not axes[0]:
            ax.set_ylabel("")
    style.legend(axes[0], loc="lower left")
    return fig


def _trade(ax: Axes, frame: pl.DataFrame) -> None:
    arms = frame["arm"].unique().sort().to_list()
    for arm, look in style.looks(arms).items():
        part = frame.filter(pl.col("arm") == arm)
        y = style.summary(part, BETA, "game/accuracy")
        x = style.summary(part, BETA, "game/reward")
        xerr, yerr = ((s["high"] - s["mean"]).to_numpy() for s in (x, y))
        ax.errorbar(x["mean"], y["mean"], xerr=xerr, yerr=yerr, **look, linewidth=1.2, label=NAMES.get(arm, arm))


@figure(
    "belief",
    title="The receiver's belief in the true message",
    alt="Mean belief in the true message against steps of an episode, a line for each compression, a panel for each of "
    "three temperatures, Algorithm 1, with 95 % intervals over seeds.",
    after="its figures of belief",
)
def belief(results: Results) -> Figure:
    """More compression, slower growth."""
    frame = need(results.curve("coding_game", "belief", arm="greedy"), "belief curves")
    betas = frame[BETA].unique().sort().to_list()
    shown = [betas[round(i * (len(betas) - 1) / 2)] for i in range(3)] if len(betas) > 3 else betas
    levels = frame[C].unique().sort().to_list()
    fig = style.figure(height=3.2)
    for ax, beta in zip(fig.subplots(1, len(shown), squeeze=False, sharey=True)[0], shown, strict=True):
        for level, hue in zip(levels, style.sequence(len(levels)), strict=True):
            points = style.summary(frame.filter((pl.col(BETA) == beta) & (pl.col(C) == level)), "step", "value")
            ax.plot(points["step"], points["mean"], color=hue, label=f"c = {level:g}")
            ax.fill_between(points["step"], points["low"], points["high"], color=hue, alpha=0.18, linewidth=0)
        style.label(ax, "step", "belief in the true message", title=f"log β = {beta:g}")
        ax.set_xlim(0, 60)
    style.legend(fig.axes[0])
    return fig
