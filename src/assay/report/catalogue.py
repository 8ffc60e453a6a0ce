"""The catalogue of papers (`papers/catalogue.yaml`): facts about the published works, never about our results."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.config import yamlfile
from assay.system import places


@dataclass(frozen=True)
class Entry:
    """One published work.

    Attributes:
        slug: names it everywhere in this project.
        family: key of its family.
        title, authors, year, venue, arxiv: its citation; year of the first preprint, venue "" where not confirmed.
    """

    slug: str
    title: str
    family: str = ""
    authors: str = ""
    year: int | None = None
    venue: str = ""
    arxiv: str = ""

    @property
    def citation(self) -> str:
        """Authors, venue and year in a line."""
        dated = re.search(r"\b(19|20)\d\d\b", self.venue)
        where = self.venue if dated else ", ".join(filter(None, [self.venue, str(self.year or "")]))
        return ". ".join(filter(None, [self.authors, where]))

    @property
    def url(self) -> str:
        """The preprint's page."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else ""


@dataclass(frozen=True)
class Catalogue:
    """All entries in order, and the names of their families."""

    families: dict[str, str]
    entries: list[Entry]

    def get(self, slug: str) -> Entry:
        """The entry of a slug; a paper that is not in the catalogue gets one with its slug for a title."""
        return next((entry for entry in self.entries if entry.slug == slug), Entry(slug, slug))


def load(path: Path | None = None) -> Catalogue:
    """Read the catalogue.

    Raises:
        ValueError: a slug occurs twice or a family has no name.
    """
    path = path or places.PAPERS / "catalogue.yaml"
    content = yamlfile.load(path) if path.exists() else {"families": {}, "papers": []}
    entries = [Entry(**row) for row in content["papers"]]
    slugs = [entry.slug for entry in entries]
    if len(set(slugs)) < len(slugs):
        raise ValueError(f"{path.name}: a slug occurs twice")
    unnamed = {entry.family for entry in entries} - set(content["families"])
    if unnamed:
        raise ValueError(f"{path.name}: no name for family {', '.join(sorted(unnamed))}")
    return Catalogue(content["families"], entries)


def rows() -> list[dict[str, Any]]:
    """One row a paper for tables: whether it is here, and how its claims came out so far."""
    from assay.report import board

    found = []
    for row in board.rows(reports=places.reports(), claims=lambda slug: []):
        own = row.own
        state = "not here yet" if not row.here else "no results yet" if not own.claims else f"{own.scale} scale"
        tally = own.tally if own.claims else dict.fromkeys(own.tally)
        found.append(
            {"paper": row.entry.slug, "family": row.entry.family, "state": state, **tally, "title": row.entry.title}
        )
    return found
