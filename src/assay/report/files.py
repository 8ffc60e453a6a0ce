"""A paper's figures as files, for an appendix or a talk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.errors import UserError, unknown
from assay.report import figures as drawing
from assay.review import sources

FORMATS = ("pdf", "png", "svg")


def write_figures(paper: str, scale: str, folder: Path, format: str) -> tuple[list[Path], dict[str, str]]:
    """Draw a paper's figures into a folder.

    Args:
        paper: whose.
        scale: from the results of which scale; this machine's, else the committed ones.
        folder: where to.
        format: "pdf", "png" or "svg".

    Returns:
        The files, and by id why a figure was left out.

    Raises:
        UserError: an unknown format, a paper without figures, or no results.
    """
    from assay.config.loading import paper_module

    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    module = paper_module(paper, "figures")
    if module is None:
        raise UserError(f"{paper} declares no figures")
    known: Any = format
    left_out: dict[str, str] = {}
    return drawing.save(module, sources.nearest(paper, scale), folder, format=known, left_out=left_out), left_out
