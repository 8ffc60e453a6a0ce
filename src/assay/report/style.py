"""One look for every figure: a method has the same colour on every page of every paper.

The eight colours were searched for, not chosen: any two of them are at least 17 CIELAB units apart for readers with
normal sight, protanopia, deuteranopia and tritanopia (Machado et al. 2009, severity 1), and each has a contrast of at
least 3:1 with the page. Markers and dashes repeat the distinction without colour. Figures are drawn for a light page;
on a page the colours become CSS variables, so that the same SVG is drawn in a dark theme with colours found likewise.

Figures are `matplotlib.figure.Figure` objects without pyplot: no window system and no figures kept behind the scenes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 7.2, 3.6
"""Default size of a figure in inches; on a page two of that width stand side by side, wider ones alone."""

INK, MUTED, GRID, PAPER = "#1b2430", "#566173", "#d8dde5", "#ffffff"
"""Colours of text and axes, of secondary marks, of grid lines, of the page."""

PALETTE = {
    "blue": "#0767be",
    "rust": "#a74102",
    "green": "#0f8a4b",
    "gold": "#b48e0a",
    "cyan": "#00a0d2",
    "purple": "#91508f",
    "wine": "#60142d",
    "slate": "#506a63",
}
DARK = {
    "blue": "#01a2fb",
    "rust": "#fe6336",
    "green": "#2ddc9a",
    "gold": "#fed848",
    "cyan": "#a5dbff",
    "purple": "#eb7fb8",
    "wine": "#ab40b6",
    "slate": "#776e6f",
    "ink": "#e7ebf1",
    "muted": "#a7b1c0",
    "grid": "#333c49",
    "paper": "#171c24",
}
"""The same names on a dark page."""

VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    PAPER: "paper",
    **{value: name for name, value in PALETTE.items()},
}
"""From a colour in a figure to the name of the page's CSS variable (`--fig-<name>`) that replaces it."""

PINNED = {
    # Plain baselines are blue and slate, the usual rivals next; a paper's own method finds rust free.
    "sgd": "blue",
    "gd": "blue",
    "gradient_descent": "blue",
    "cross_entropy": "blue",
    "ce": "blue",
    "softmax": "blue",
    "vanilla": "blue",
    "pinn": "blue",
    "erm": "blue",
    "baseline": "slate",
    "random": "slate",
    "uniform": "slate",
    "theory": "slate",
    "reference": "slate",
    "mse": "slate",
    "squared": "slate",
    "sgd_momentum": "cyan",
    "momentum": "cyan",
    "signsgd": "cyan",
    "sign_sgd": "cyan",
    "adamw": "green",
    "adam": "green",
    "focal": "green",
    "hinge": "green",
    "lion": "rust",
    "lion_k": "rust",
    "sam": "purple",
    "saf": "rust",
    "z_loss": "rust",
    "ldr": "rust",
    "mfac": "rust",
    "logistic": "purple",
    "shampoo": "gold",
    "muon": "gold",
    "lbfgs": "gold",
    "linear": "cyan",
    "polynomial": "purple",
}
"""Method names whose colour never changes, as names in `PALETTE`."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)))

RC: dict[str, Any] = {
    "svg.fonttype": "path",  # the same picture wherever it is opened, whatever fonts are there
    "svg.hashsalt": "assay",  # ids would otherwise differ between two identical runs
    "pdf.fonttype": 42,
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "figure.titlesize": 12,
    "savefig.facecolor": "none",
    "savefig.transparent": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib
    "font.size": 10.5,
    "text.color": INK,
    "mathtext.fontset": "dejavusans",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "axes.formatter.limits": (-3, 4),
    "axes.xmargin": 0.02,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "lines.markeredgewidth": 0.0,
    "errorbar.capsize": 2.5,
    "image.cmap": "cividis",
    "patch.linewidth": 0.0,
}


@contextmanager
def context() -> Iterator[None]:
    """The style's settings, for code that makes or saves a figure; `report.figures.figure` enters it for you."""
    import matplotlib
    from cycler import cycler

    settings: Any = {**RC, "axes.prop_cycle": cycler(color=list(PALETTE.values()))}
    with matplotlib.rc_context(settings):
        yield


def figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An empty figure of that size in inches, laid out so that labels never overlap; add axes with `subplots`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


# -- colours --------------------------------------------------------------------------------------------------------


def colour(name: str) -> str:
    """The colour of a method, by its name alone; of several methods in one figure, ask `colours`."""
    return PALETTE[PINNED.get(name) or _ranked(name)[0]]


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each method of one figure, no two alike up to eight methods.

    Every name asks for its own colour first (`colour`) and gets it unless another name of the figure holds it: pinned
    names come first, then the others by name, so that the order of the arguments changes nothing.
    """
    names = list(dict.fromkeys(names))
    chosen: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (name not in PINNED, name)):
        wishes = [PINNED[name], *_ranked(name)] if name in PINNED else _ranked(name)
        used = [list(chosen.values()).count(PALETTE[wish]) for wish in wishes]
        chosen[name] = PALETTE[wishes[used.index(min(used))]]
    return {name: chosen[name] for name in names}


def looks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Keyword arguments of a line for each method: its colour, a marker, and dashes where a colour comes twice."""
    found: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    for name, hue in colours(names).items():
        turn = seen.get(hue, 0)
        seen[hue] = turn + 1
        marker = MARKERS[(list(PALETTE.values()).index(hue) + turn) % len(MARKERS)]
        found[name] = {"color": hue, "marker": marker, "linestyle": DASHES[turn % len(DASHES)]}
    return found


def sequence(n: int) -> list[str]:
    """`n` colours from dark to light for an ordered quantity (a step size, a width), readable on both pages."""
    import matplotlib
    from matplotlib.colors import to_hex

    cmap = matplotlib.colormaps["viridis"]
    return [to_hex(cmap(0.15 + 0.65 * i / max(1, n - 1))) for i in range(n)]


def _ranked(name: str) -> list[str]:
    """All colour names in an order that depends on the method's name only."""
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    order = list(PALETTE)
    start = digest % len(order)
    return order[start:] + order[:start]


# -- drawing --------------------------------------------------------------------------------------------------------


def band(
    ax: Axes,
    frame: pl.DataFrame,
    x: str,
    y: str,
    group: str | None = "arm",
    *,
    labels: Mapping[str, str] | None = None,
    spread: str = "interval",
    markers: bool = False,
    **line: Any,
) -> dict[str, Any]:
    """Draw the mean of `y` over the rows that share `x`, one line for each value of `group`, with its uncertainty.

    Args:
        ax: where.
        frame: rows of `Results` (one for each seed, problem ... at each `x`); empty frames draw nothing.
        x, y: numeric columns.
        group: column that names the method; None draws one line.
        labels: legend texts by group; the group's name otherwise.
        spread: "interval" shades the 95 % t interval of the mean, "range" from the least to the largest value.
        markers: whether to mark the points as well.
        line: further keyword arguments of the lines.

    Returns:
        The line of each group.
    """
    lines: dict[str, Any] = {}
    if frame.is_empty() or y not in frame.columns or x not in frame.columns:
        return lines
    parts = _parts(frame, group)
    for name, look in looks(parts).items():
        points = summary(parts[name], x, y, spread)
        style = {**look, "label": (labels or {}).get(name, name), **line}
        if not markers and len(points) > 1:
            style.pop("marker")
        (lines[name],) = ax.plot(points[x].to_numpy(), points["mean"].to_numpy(), **style)
        if points["n"].max() > 1:  # type: ignore[operator]
            low, high = points["low"].to_numpy(), points["high"].to_numpy()
            ax.fill_between(points[x].to_numpy(), low, high, color=style["color"], alpha=0.18, linewidth=0)
    return lines


def dots(
    ax: Axes,
    frame: pl.DataFrame,
    y: str,
    group: str = "arm",
    *,
    order: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[str]:
    """Draw every value of `y` as a small dot in its group's column, and the mean with its 95 % interval beside them.

    Args:
        ax: where; its x axis shows the groups.
        frame: rows of `Results`, one for each seed or unit.
        y: numeric column.
        group: column that names the method.
        order: the groups from left to right; by name otherwise. Groups without rows are left out.
        labels: axis texts by group.

    Returns:
        The groups drawn, from left to right.
    """
    if frame.is_empty() or y not in frame.columns:
        return []
    import numpy as np

    parts = _parts(frame, group)
    names = [name for name in (order or sorted(parts)) if name in parts]
    for position, (name, look) in enumerate(looks(names).items()):
        values = parts[name][y].drop_nulls().drop_nans().to_numpy()
        offsets = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else np.zeros(len(values))
        ax.plot(position + offsets, values, look["marker"], color=look["color"], alpha=0.55, markersize=3.5)
        mean, half, _ = _mean(values)
        ax.errorbar(position + 0.24, mean, yerr=half, fmt=look["marker"], color=look["color"], markersize=6)
    ax.set_xticks(range(len(names)), [(labels or {}).get(name, name) for name in names])
    ax.set_xlim(-0.5, len(names) - 0.4)
    ax.grid(visible=False, axis="x")
    return names


def threshold(ax: Axes, value: float, text: str = "", axis: str = "y") -> None:
    """A dashed line at a value that a check or the paper names, with its text at the end of the line."""
    style: Any = {"color": INK, "linestyle": (0, (3, 2)), "linewidth": 1.0, "zorder": 1.5}
    if axis == "y":
        ax.axhline(value, **style)
        place = ax.get_yaxis_transform()
        ax.text(0.995, value, text, transform=place, ha="right", va="bottom", fontsize=9, color=INK)
    else:
        ax.axvline(value, **style)
        place = ax.get_xaxis_transform()
        ax.text(value, 0.99, f" {text}", transform=place, ha="left", va="top", fontsize=9, color=INK)


def label(ax: Axes, x: str = "", y: str = "", *, xunit: str = "", yunit: str = "", title: str = "") -> None:
    """Name the axes with their units: `label(ax, "time", "accuracy", xunit="s", yunit="%")`."""
    if x:
        ax.set_xlabel(f"{x} ({xunit})" if xunit else x)
    if y:
        ax.set_ylabel(f"{y} ({yunit})" if yunit else y)
    if title:
        ax.set_title(title)


def legend(ax: Axes, *, outside: bool = False, **options: Any) -> None:
    """The legend, if anything is labelled; `outside` puts it to the right of the axes."""
    if ax.get_legend_handles_labels()[1]:
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0} if outside else {}
        ax.legend(**{**place, **options})


def summary(frame: pl.DataFrame, x: str, y: str, spread: str = "interval") -> pl.DataFrame:
    """`x`, mean, low, high and n of `y` at each `x`; see `band` for `spread`. NaN and missing values are left out."""
    import polars as pl

    rows = []
    usable = frame.select(x, pl.col(y).cast(pl.Float64)).drop_nulls().filter(pl.col(y).is_finite())
    for (at,), part in usable.group_by([x], maintain_order=True):
        values = part[y].to_numpy()
        mean, half, n = _mean(values)
        low, high = (values.min(), values.max()) if spread == "range" else (mean - half, mean + half)
        rows.append((at, mean, float(low), float(high), n))
    schema: Any = {x: frame.schema[x], "mean": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort(x)


def _mean(values: Any) -> tuple[float, float, int]:
    """Mean, half width of its 95 % t interval (0 for fewer than two values), number of values."""
    n = len(values)
    if n < 2:
        return (float(values[0]) if n else float("nan")), 0.0, n
    from scipy import stats

    half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5
    return float(values.mean()), float(half), n


def _parts(frame: pl.DataFrame, group: str | None) -> dict[str, pl.DataFrame]:
    if group is None:
        return {"": frame}
    return {str(key): part for (key,), part in sorted(frame.group_by([group]), key=lambda item: str(item[0]))}
