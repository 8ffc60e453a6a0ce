"""The board: every paper of the catalogue, each claim a mark, every mark computed.

A paper's marks come from verdicts that `assay.claims.judge` wrote: those committed with the paper
(`papers/<slug>/results/<scale>/verdicts.json`), or newer ones of this machine (`reports/<slug>/<scale>/`). Papers that
are here without results show their claims as untested; papers that are not here yet are said to be so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.errors import UserError
from assay.report import catalogue as books
from assay.report import readme, wording
from assay.report.catalogue import Catalogue, Entry
from assay.review.verdicts import read
from assay.system import places

SCALES = ("desk", "paper")
"""Scales whose verdicts the board shows; smoke runs give none. The first with results is a paper's own mark."""

OTHERS = "others"

COMMITTED = "committed"
"""What `verdicts.json` beside a page says under `from` where the page shows committed results."""

Claims = list[dict[str, Any]]

Outdated = Callable[[str, str], Sequence[str]]
"""For a paper and a scale, the experiments and arms whose committed results are older than the code, in words."""


@dataclass(frozen=True)
class Marks:
    """A paper's claims at one scale, and where they come from.

    Attributes:
        scale: their scale.
        claims: each with id, statement and verdict; how many checks hold, and what machines say where they disagree.
        local: whether they are of this machine's runs.
        page: the page behind them.
        stands_for: what the scale's setting stands in for, in words.
        warnings: what is wrong beyond the claims: checks of the code, checks that could not be judged, older results.
    """

    scale: str
    claims: Claims
    local: bool = False
    page: str = ""
    stands_for: str = ""
    warnings: Sequence[str] = ()

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
    outdated: Outdated | None = None,
) -> list[Row]:
    """All papers in the catalogue's order, then those that only this checkout has.

    Args:
        catalogue: the catalogue of the checkout by default.
        papers: folder of the papers.
        reports: folder of this machine's verdicts and pages; None leaves them out, e.g. for the README.
        claims: the claims of a paper that is here without results; its `claims.py` by default.
        outdated: tells which committed results are older than the code; by default nothing is said of that.
    """
    papers = papers or places.PAPERS
    catalogue = catalogue or books.load(papers / "catalogue.yaml")
    known = {entry.slug for entry in catalogue.entries}
    found = sorted(path.parent.name for path in papers.glob("*/claims.py"))
    entries = [*catalogue.entries, *(Entry(slug, slug, OTHERS) for slug in found if slug not in known)]
    where = _Where(papers, reports, outdated or (lambda slug, scale: ()))
    return [_row(entry, entry.slug in found, where, claims or _declared) for entry in entries]


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
    outdated: Outdated | None = None,
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
    board = rows(catalogue=catalogue, papers=papers, reports=reports, claims=claims, outdated=outdated)
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
        told=_told,
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
        f"Each sign is a claim at the scale that its row names, not a judgement of the paper: {legend}.",
    ]
    if cells:
        parts.append(
            readme.table(["paper", "family", "claims", "reproduced", "what stands in, and what to know"], cells)
        )
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


@dataclass(frozen=True)
class _Where:
    """Where verdicts are looked for."""

    papers: Path
    reports: Path | None
    outdated: Outdated


def _row(entry: Entry, here: bool, where: _Where, claims: Callable[[str], Claims]) -> Row:
    if not here:
        return Row(entry, here)
    marks = [found for scale in SCALES if (found := _marks(entry.slug, scale, where))]
    if marks:
        return Row(entry, here, marks, judged=True)
    declared = [{"held": "", "apart": "", **claim} for claim in claims(entry.slug)]
    return Row(entry, here, [Marks("desk", declared, page=_page(entry.slug, "smoke", where.reports))])


def _marks(slug: str, scale: str, where: _Where) -> Marks | None:
    """This machine's verdicts if there are any, else the committed ones."""
    places_to_look = [(where.papers / slug / "results" / scale / "verdicts.json", False)]
    if where.reports is not None:
        places_to_look.insert(0, (where.reports / slug / scale / "verdicts.json", True))
    for path, local in places_to_look:
        try:
            content = read(path) if path.exists() else None
        except UserError:
            if not local:
                raise
            continue  # `assay report` writes it anew; one paper's file must not keep the others from being shown
        if content is not None and not (local and content.get("from") == COMMITTED):
            apart = _apart(where.papers / slug / "results" / scale, content, local)
            claims = [
                {
                    **{key: claim[key] for key in ("id", "statement", "verdict")},
                    "held": wording.held(claim["holds"]),
                    "apart": apart.get(claim["id"], ""),
                }
                for claim in content["claims"]
            ]
            warnings = wording.warnings(content, () if local else where.outdated(slug, scale))
            page = _page(slug, scale, where.reports)
            return Marks(scale, claims, local, page, wording.stands_for(content), warnings)
    return None


def _apart(folder: Path, content: Mapping[str, Any], local: bool) -> dict[str, str]:
    """By claim: what machines say of it, where they don't all say the same."""
    from assay.report import replications

    sweeps = replications.everything(folder)
    if not sweeps:
        return {}
    return replications.disagreements(replications.of_here(content) if local else sweeps[0], content, sweeps)


def _told(claim: Mapping[str, Any], scale: str) -> str:
    """A claim's mark in words: "refuted at desk scale (1 of 2 checks holds): what the paper says"."""
    held = ", ".join(filter(None, [claim["held"], claim["apart"]]))
    return f"{wording.mark(claim['verdict'], scale)}{f' ({held})' if held else ''}: {claim['statement']}"


def _page(slug: str, scale: str, reports: Path | None) -> str:
    """A paper's page, relative to the folder of reports; "" where there is none."""
    page = f"{slug}/{scale}/index.html"
    return page if reports is not None and (reports / page).exists() else ""


def _declared(slug: str) -> Claims:
    """The claims that a paper declares, all of them untested; none where it cannot be loaded."""
    from assay.config import loading

    try:
        module = loading.paper_module(slug, "claims")
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
    reproduced = f"{own.tally['reproduced']} of {len(own.claims)} at {own.scale} scale"
    apart = [f"{claim['id']}: {claim['apart']}" for claim in own.claims if claim["apart"]]
    told = "; ".join(filter(None, [own.stands_for, *own.warnings, *apart]))
    return [name, readme.escape(family), signs, reproduced, readme.escape(told)]
