"""Figures: accuracy against noise, the trade-off in lambda, ALDR's temperatures over a run, and the ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from assay.report import style
from assay.report.figures import figure, need
from assay.results import Results
from papers.ldr.claims import ENTRANTS, ranks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SETTINGS = ("clean", "U.3", "U.6", "U.9", "C.1", "C.3", "C.5")
KINDS = {"U": "Uniform noise", "C": "Class-dependent noise"}

NAMES = {
    "ce": "CE",
    "cs": "CS",
    "mae": "MAE",
    "gce": "GCE 0.7",
    "sce": "SCE 0.5",
    "ldr": "LDR, chosen λ",
    "aldr": "ALDR, chosen λ₀",
    **{f"ldr_{key}": f"LDR, λ = {value}" for key, value in (("0p1", 0.1), ("1", 1), ("10", 10))},
    **{f"aldr_{key}": f"ALDR, λ₀ = {value}" for key, value in (("0p1", 0.1), ("1", 1), ("10", 10))},
}


def _levels(results: Results, arms: tuple[str, ...], kind: str) -> pl.DataFrame:
    """Runs of some arms in the settings of one kind of noise, with a column `level`; clean is level 0 of both kinds."""
    frame = results.of("digits")
    if frame.is_empty() or "test/accuracy" not in frame.columns:
        return frame
    setting = pl.col("setting")
    level = pl.when(setting == "clean").then(0.0).otherwise(setting.str.slice(1).cast(pl.Float64, strict=False))
    kept = frame.filter(pl.col("arm").is_in(arms) & ((setting == "clean") | setting.str.starts_with(kind + ".")))
    return kept.with_columns(level.alias("level"), (100 * pl.col("test/accuracy")).alias("accuracy"))


def _against_noise(ax: Axes, results: Results, arms: tuple[str, ...], kind: str, **line: Any) -> None:
    style.band(ax, _levels(results, arms, kind), "level", "accuracy", labels=NAMES, markers=True, **line)
    style.label(ax, "noise level", "clean test accuracy", yunit="%", title=KINDS[kind])


@figure(
    "noise",
    title="How accuracy falls with label noise",
    alt="Test accuracy on digits against the level of uniform and of class-dependent label noise, a line for each "
    "loss, with 95 % intervals over seeds.",
    after="its tables",
)
def noise(results: Results) -> Figure:
    """Top-1 against the noise level, the seven entrants."""
    need(results.of("digits"), "runs of digits")
    fig = style.figure(height=3.8)
    axes = fig.subplots(1, 2, sharey=True)
    for ax, kind in zip(axes, KINDS, strict=True):
        _against_noise(ax, results, ENTRANTS, kind)
    axes[1].set_ylabel("")
    style.legend(axes[1], outside=True)
    return fig


@figure(
    "tradeoff",
    title="Small and large temperatures under uniform noise",
    alt="Test accuracy on digits against the level of uniform label noise, for LDR and for ALDR at three temperatures "
    "each, with 95 % intervals over seeds.",
    after="its synthetic experiment",
)
def tradeoff(results: Results) -> Figure:
    """Top-1 against uniform noise for fixed temperatures."""
    need(results.of("digits"), "runs of digits")
    fig = style.figure()
    axes = fig.subplots(1, 2, sharey=True)
    for ax, loss in zip(axes, ("ldr", "aldr"), strict=True):
        # The same colour and mark stand for the same temperature in both panels.
        for arm, hue, mark in zip(("0p1", "1", "10"), style.sequence(3), style.MARKERS, strict=False):
            _against_noise(ax, results, (f"{loss}_{arm}",), "U", color=hue, marker=mark)
        style.legend(ax)
        ax.set_title(loss.upper())
    axes[1].set_ylabel("")
    return fig


@figure(
    "temperatures",
    title="ALDR's temperatures of clean and of corrupted samples",
    alt="Histograms of the stored temperatures of clean and corrupted training samples of Fashion-MNIST under uniform "
    "noise 0.6, at three moments of a run with lambda_0 = 1; the band is the range over seeds.",
    after="its histograms",
)
def temperatures(results: Results) -> Figure:
    """Histograms of lambda_i at a tenth, half and all of the run."""
    shares = _shares(results)
    steps = sorted(shares["step"].unique())
    shown = sorted({steps[min(1, len(steps) - 1)], steps[len(steps) // 2], steps[-1]})
    fig = style.figure(height=2.8)
    axes = fig.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    hue = {"clean": style.PALETTE["blue"], "corrupted": style.PALETTE["rust"]}
    for ax, step in zip(axes, shown, strict=True):
        for group, colour in hue.items():
            part = shares.filter((pl.col("group") == group) & (pl.col("step") == step))
            points = style.summary(part, "lambda", "share", spread="range")
            x = points["lambda"].to_numpy()
            ax.step(x, points["mean"].to_numpy(), where="mid", color=colour, label=group)
            ax.fill_between(x, points["low"], points["high"], step="mid", color=colour, alpha=0.18, linewidth=0)
        style.label(ax, "temperature $\\lambda_i$", title=f"step {step:,}")
    style.label(axes[0], y="share of samples", yunit="%")
    style.legend(axes[0])
    return fig


def _shares(results: Results) -> pl.DataFrame:
    """Columns step, group, lambda (centre of the bin), share (%), seed; lambda_0 = 1 and alpha = 2."""
    frame = results.of("fashion", "curves", "aldr_1")
    frame = frame.filter(pl.col("setting") == "U.6") if len(frame) else frame
    pattern = r"^lambda/(clean|corrupted)/bin(\d+)$"
    frame = frame.filter(pl.col("name").str.contains(pattern)) if len(frame) else frame
    need(frame, "temperatures of ALDR under uniform noise")
    bins = pl.col("name").str.extract(pattern, 2).cast(pl.Int64)
    frame = frame.with_columns(pl.col("name").str.extract(pattern, 1).alias("group"), bins.alias("bin"))
    width = 0.5 / (frame["bin"].max() + 1)  # type: ignore[operator]
    return frame.select(
        "step",
        "group",
        "seed",
        (0.5 + (pl.col("bin") + 0.5) * width).alias("lambda"),
        (100 * pl.col("value")).alias("share"),
    )


@figure(
    "ranks",
    title="Mean rank of every loss in every noise setting",
    alt="Heat map of the mean rank by test accuracy on digits, seven losses by seven noise settings; 1 is the best.",
    after="its tables",
)
def rank_map(results: Results) -> Figure:
    """Ranks, averaged over seeds, 1 the best; the last column is the mean over settings."""
    found = need(ranks(results), "settings in which every entrant was run")
    table = found.group_by("arm", "setting").agg(pl.col("rank").mean())
    total = found.group_by("arm").agg(pl.col("rank").mean()).with_columns(pl.lit("mean").alias("setting"))
    table = pl.concat([table, total.select(table.columns)])
    order = total.sort("rank")["arm"].to_list()
    columns = [s for s in (*SETTINGS, "mean") if s in table["setting"]]
    cells = {(arm, setting): rank for arm, setting, rank in table.select("arm", "setting", "rank").iter_rows()}
    grid = [[cells[arm, setting] for setting in columns] for arm in order]
    fig = style.figure(height=3.2)
    ax = fig.subplots()
    image = ax.imshow(grid, cmap="cividis_r", vmin=1, vmax=len(ENTRANTS), aspect="auto")
    for i, row in enumerate(grid):
        for j, rank in enumerate(row):
            dark = rank > (1 + len(ENTRANTS)) / 2
            ax.text(j, i, f"{rank:.1f}", ha="center", va="center", fontsize=8, color="#ffffff" if dark else "#1b2430")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(order)), [NAMES[arm] for arm in order])
    ax.grid(visible=False)
    style.label(ax, "noise setting")
    fig.colorbar(image, label="mean rank (1 is best)")
    return fig
