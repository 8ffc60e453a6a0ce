"""Figures for a study that declares none: one heat map over its first two axes for each final measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assay.report import style
from assay.report.figures import Spec, figure
from assay.results import KEYS, Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 4
"""Figures at most."""


def of(results: Results) -> list[Spec]:
    """The figures of a study's runs."""
    axes = [c for c in results.runs.columns if c not in KEYS and "/" not in c and c != "seconds"]
    if len(axes) < 2:
        return []
    scalars = [c for c in results.runs.columns if "/" in c]
    return [_map(name, i, axes[0], axes[1]) for i, name in enumerate(sorted(scalars, reverse=True)[:MOST])]


def _map(name: str, number: int, rows: str, columns: str) -> Spec:
    @figure(f"map{number}", title=f"{name}, mean over the rest", alt=f"Heat map of {name} by {rows} and {columns}.")
    def draw(results: Results) -> Figure:
        mean = results.runs.group_by(rows, columns).agg(pl.col(name).mean()).sort(rows, columns)
        table = mean.pivot(on=columns, index=rows, values=name)
        values = table.drop(rows).to_numpy()
        drawing = style.figure(style.WIDTH, 0.8 + 0.28 * len(table))
        ax = drawing.subplots()
        picture = ax.imshow(values, aspect="auto", cmap="cividis")
        for (i, j), value in (
            (at, values[at]) for at in [(i, j) for i in range(len(values)) for j in range(values.shape[1])]
        ):
            r, g, b, _ = picture.cmap(picture.norm(value))
            ax.text(j, i, f"{value:.3g}", ha="center", va="center", color="black" if r + g + b > 1.4 else "white")
        ax.set_xticks(range(values.shape[1]), [c for c in table.columns if c != rows])
        ax.set_yticks(range(len(table)), table[rows].cast(pl.String).to_list())
        style.label(ax, x=columns, y=rows)
        return drawing

    return draw
