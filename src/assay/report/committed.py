"""Pages of committed results, so that a fresh checkout's board leads somewhere.

A page drawn from committed results stands where a page of this machine's runs would stand, and is replaced by it. Its
`verdicts.json` says where it is from, so that the board does not take it for this machine's runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.errors import UserError
from assay.report.board import COMMITTED, SCALES
from assay.report.replications import FILE
from assay.results import Results
from assay.review import sources
from assay.review.outdated import outdated
from assay.study.session import Session, command_of, draw, judge_paper, write_json
from assay.system import places


def write_page(session: Session, configurations: bool = True) -> dict[str, Any]:
    """Judge and draw the committed results of a paper; returns the verdicts.

    Args:
        session: which paper and scale.
        configurations: plan the paper, which takes seconds, so that the page can show each run's configuration.

    Raises:
        UserError: there are none.
    """
    results = sources.committed(session.paper, session.scale)
    if results is None:
        raise UserError(f"{session.paper} has no committed results at scale {session.scale}")
    verdicts = judge_paper(session.paper, results)
    write_json(session.report_folder / "verdicts.json", {**verdicts, "from": COMMITTED})
    details = _details(session, results, configurations)
    older = older_than_code(session.paper, session.scale)
    draw(session.paper, results, verdicts, session.report_folder, details, outdated=older)
    return verdicts


def older_than_code(paper: str, scale: str) -> list[str]:
    """The committed results that are older than the code, in words: "experiment/arm", or that all of them are."""
    older = outdated(paper, scale)
    results = sources.committed(paper, scale)
    arms = 0 if results is None or results.runs.is_empty() else results.runs.select("experiment", "arm").n_unique()
    return ["all of them"] if older and len(older) == arms else [f"{name}/{arm}" for name, arm in older]


def write_missing_pages() -> Iterator[Path]:
    """Draw the pages of committed results that have none, or an older one; yields each page drawn."""
    for path in sorted(places.PAPERS.glob("*/results/*/results.json")):
        paper, scale = path.parts[-4], path.parts[-2]
        session = Session(paper, scale)
        newest = max(path, path.with_name(FILE), key=lambda one: one.stat().st_mtime if one.exists() else 0.0)
        if scale in SCALES and not _current(session.report_folder, newest):
            write_page(session, configurations=False)
            yield session.report_folder / "index.html"


def _current(folder: Path, committed: Path) -> bool:
    """Whether a page stands there that must stay: this machine's own, or one not older than what is committed."""
    page, verdicts = folder / "index.html", folder / "verdicts.json"
    if not page.exists() or not verdicts.exists():
        return False
    own = json.loads(verdicts.read_text(encoding="utf-8")).get("from") != COMMITTED
    return own or page.stat().st_mtime >= committed.stat().st_mtime


def _details(session: Session, results: Results, configurations: bool) -> dict[str, Mapping[str, Any]]:
    """The command of each run, and the configuration of those that the study plans now as it did then."""
    configs: dict[str, Any] = {}
    if configurations:
        try:
            configs = {signature: run.config for signature, run in session.plan().runs.items()}
        except UserError:
            configs = {}
    return {
        signature: {
            "command": command_of(session.paper, signature),
            **({"config": configs[signature]} if signature in configs else {}),
        }
        for signature in (results.runs["signature"].unique().to_list() if len(results.runs) else [])
    }
