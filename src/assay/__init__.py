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
    from assay import places
    from assay.errors import unknown
    from assay.reproduce import Session
    from assay.results import Results

    if table not in ("runs", "units", "curves"):
        raise unknown("table", table, ("runs", "units", "curves"))
    results = Session(paper, scale).results()
    committed = places.PAPERS / paper / "results" / scale
    if results.runs.is_empty() and (committed / "results.json").exists():
        results = Results.load(committed)
    frame: polars.DataFrame = getattr(results, table)
    return frame
