"""Assay reproduces machine-learning papers and says, claim by claim, what held up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars

__version__ = "0.1.0"


def load(paper: str, scale: str = "desk", table: str = "runs") -> polars.DataFrame:
    """The records of a paper as a data frame.

    Args:
        paper: its slug, e.g. "lion_k".
        scale: "smoke", "desk" or "paper".
        table: "runs" (one row a run), "units" (one row a replicated thing) or "curves" (one row a point).

    Returns:
        The local records; where there are none, the committed results.

    Raises:
        UserError: an unknown paper, scale or table.
    """
    from assay.config.loading import check_paper
    from assay.errors import unknown
    from assay.review import sources
    from assay.study.declared import SCALES

    check_paper(paper)
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    if table not in ("runs", "units", "curves"):
        raise unknown("table", table, ("runs", "units", "curves"))
    results = sources.local(paper, scale) or sources.committed(paper, scale)
    if results is None:
        import polars as pl

        return pl.DataFrame()
    frame: polars.DataFrame = getattr(results, table)
    return frame
