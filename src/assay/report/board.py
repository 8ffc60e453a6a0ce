"""The board: every paper of the catalogue, each claim a mark, every mark computed.

A paper's marks come from verdicts that `assay.claims.judge` wrote: those committed with the paper
(`papers/<slug>/results/<scale>/verdicts.json`), or newer ones of this machine (`reports/<slug>/<scale>/`). Papers that
are here without results show their claims as untested; papers that are not here yet are said to be so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay import places
from assay.report import catalogue as books
from assay.report import readme, wording
from assay.report.catalogue import Catalogue, Entry

SCALES = ("desk", "paper")
"""Scales whose verdicts the board shows; smoke runs give none. The first with results is a paper's own mark."""

OTHERS = "others"

COMMITTED = "committed"
"""What `verdicts.json` beside a page says under `from` where the page shows committed results."""

Claims = list[dict[str, Any]]


@dataclass(frozen=True)
class Marks:
    """A paper's claims at one scale: each with id, statement and verdict; and where they come from."""

    scale: str
    claims: Claims
    local: bool = False
    page: str = ""

    @property
    def tally(self) -> dict[str, int]:
        """How many claims came out which way."""
        return wording.tally(claim["verdict"] for claim in self.claims)


@dataclass(frozen=True)
class Row:
    """A paper on the board.

    Attributes:
        entry: its citation.
        here: whether this project holds it.
        marks: by scale, the first being the paper's own; for a paper without results one of untested claims.
        judged: whether there are results.
    """

    entry: Entry
    here: bool
    marks: list[Marks] = field(default_factory=list)
    judged: bool = False

    @property
    def own(self) -> Marks:
        """The marks that count in totals."""
        return self.marks[0] if self.marks else Marks("desk", [])


def rows(
    *,
    catalogue: Catalogue | None = None,
    papers: Path | None = None,
    reports: Path | None = None,
    claims: Callable[[str], Claims] | None = None,
) -> list[Row]:
    """All papers in the catalogue's order, then those that only this checkout has.

    Args:
        catalogue: the catalogue of the checkout by default.
        papers: folder of the papers.
        reports: folder of this machine's verdicts and pages; None leaves them out, e.g. for the README.
        claims: the claims of a paper that is here without results; its `claims.py` by default.
    """
    papers = papers or places.PAPERS
    catalogue = catalogue or books.load(papers / "catalogue.yaml")
    known = {entry.slug for entry in catalogue.entries}
    found = sorted(path.parent.name for path in papers.glob("*/claims.py"))
    entries = [*catalogue.entries, *(Entry(slug, slug, OTHERS) for slug in found if slug not in known)]
    return [_row(entry, entry.slug in found, papers, reports, claims or _declared) for entry in entries]


def totals(board: Sequence[Row]) -> dict[str, Any]:
    """Numbers of papers and, by verdict, of claims."""
    claims = [claim["verdict"] for row in board for claim in row.own.claims]
    return {
        "papers": len(board),
        "here": sum(row.here for row in board),
        "judged": sum(row.judged for row in board),
        "claims": len(claims),
        "tally": wording.tally(claims),
    }


def write_board(
    out: Path | None = None,
    *,
    catalogue: Catalogue | None = None,
    papers: Path | None = None,
    reports: Path | None = None,
    claims: Callable[[str], Claims] | None = None,
) -> Path:
    """Write the board as one self-contained HTML file; see `rows` for the other arguments.

    Args:
        out: the file; `reports/index.html` by default.

    Returns:
        The file written.
    """
    from assay.report.page import to_html

    reports = reports or places.reports()
    papers = papers or places.PAPERS
    out = out or reports / "index.html"
    catalogue = catalogue or books.load(papers / "catalogue.yaml")
    board = rows(catalogue=catalogue, papers=papers, reports=reports, claims=claims)
    names = {**catalogue.families, OTHERS: "Other papers"}
    # What there is to see comes first: papers with results, then those without, then those that are not here.
    shown = sorted(board, key=lambda row: (not row.judged, not row.here))
    families = [(key, name, [row for row in shown if row.entry.family == key]) for key, name in names.items()]
    content = to_html(
        "board",
        families=[family for family in families if family[2]],
        totals=totals(board),
        tally_of=lambda some: totals(some)["tally"],
        meanings=wording.MEANINGS,
        link=lambda marks: _relative(reports / marks.page, out.parent) if marks.page else "",
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(out)
    return out


def markdown(board: Sequence[Row] | None = None, families: dict[str, str] | None = None) -> str:
    """The board as Markdown for the root README: totals, a table of the papers here, a list of the others.

    Args:
        board: what `rows` gives; by default that of the committed results alone, so that everyone gets the same text.
        families: their names by key.
    """
    board = rows() if board is None else board
    families = families if families is not None else books.load().families
    sums = totals(board)
    legend = ", ".join(f"{wording.EMOJI[verdict]} {verdict}" for verdict in wording.VERDICTS)
    here = [row for row in board if row.here]
    cells = [_cells(row, families) for row in here]
    count = ", ".join(f"{n} {verdict}" for verdict, n in sums["tally"].items() if n)
    parts = [
        f"**{sums['here']} of {sums['papers']} papers are here**, with {wording.plural(sums['claims'], 'claim')}"
        + (f": {count}." if count else "."),
        f"Each sign is a claim: {legend}.",
    ]
    if cells:
        parts.append(readme.table(["paper", "family", "claims", "reproduced"], cells, right=(3,)))
    missing = [row for row in board if not row.here]
    if missing:
        lines = [f"- {_title(row.entry)}" for row in missing]
        summary = f"{wording.plural(len(missing), 'paper')} not here yet"
        parts.append(f"<details><summary>{summary}</summary>\n\n" + "\n".join(lines) + "\n\n</details>")
    return "\n\n".join(parts)


def update_readme(path: Path | None = None) -> bool:
    """Bring the root README's board up to date, from committed results alone; returns whether it changed."""
    return readme.update(path or places.ROOT / "README.md", "board", markdown())


# -- one paper ------------------------------------------------------------------------------------------------------


def _row(entry: Entry, here: bool, papers: Path, reports: Path | None, claims: Callable[[str], Claims]) -> Row:
    if not here:
        return Row(entry, here)
    marks = [found for scale in SCALES if (found := _marks(entry.slug, scale, papers, reports))]
    if marks:
        return Row(entry, here, marks, judged=True)
    return Row(entry, here, [Marks("desk", claims(entry.slug), page=_page(entry.slug, "smoke", reports))])


def _marks(slug: str, scale: str, papers: Path, reports: Path | None) -> Marks | None:
    """This machine's verdicts if there are any, else the committed ones."""
    places_to_look = [(papers / slug / "results" / scale / "verdicts.json", False)]
    if reports is not None:
        places_to_look.insert(0, (reports / slug / scale / "verdicts.json", True))
    for path, local in places_to_look:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        if content is not None and not (local and content.get("from") == COMMITTED):
            keys = ("id", "statement", "verdict")
            claims = [{key: claim[key] for key in keys} for claim in content["claims"]]
            return Marks(scale, claims, local, _page(slug, scale, reports))
    return None


def _page(slug: str, scale: str, reports: Path | None) -> str:
    """A paper's page, relative to the folder of reports; "" where there is none."""
    page = f"{slug}/{scale}/index.html"
    return page if reports is not None and (reports / page).exists() else ""


def _declared(slug: str) -> Claims:
    """The claims that a paper declares, all of them untested; none where it cannot be loaded."""
    from assay import parts

    try:
        module = parts.paper_module(slug, "claims")
    except Exception:  # a paper in the making must not keep the others from being shown
        return []
    declared = getattr(module, "CLAIMS", [])
    return [{"id": claim.id, "statement": claim.statement, "verdict": "untested"} for claim in declared]


def _relative(path: Path, start: Path) -> str:
    import os

    return Path(os.path.relpath(path, start)).as_posix()


def _title(entry: Entry) -> str:
    title = readme.escape(entry.title)
    linked = f"[{title}]({entry.url})" if entry.url else title
    where = readme.escape(", ".join(filter(None, [entry.venue or str(entry.year or "")])))
    return f"{linked} ({where})" if where else linked


def _cells(row: Row, families: dict[str, str]) -> list[str]:
    entry, own = row.entry, row.own
    name = f"[{readme.escape(entry.slug)}](papers/{entry.slug}/README.md): {readme.escape(entry.title)}"
    signs = "".join(wording.EMOJI[claim["verdict"]] for claim in own.claims) or "no claims yet"
    family = families.get(entry.family, "")
    return [name, readme.escape(family), signs, f"{own.tally['reproduced']} of {len(own.claims)}"]
