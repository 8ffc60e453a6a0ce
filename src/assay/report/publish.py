"""Publish: from a complete sweep to the committed results of a paper and the tables in the READMEs."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any, Literal

import polars as pl

from assay.errors import UserError
from assay.results import Results
from assay.review.judged import cpu_minutes, errors
from assay.review.outdated import facts_of
from assay.review.sources import committed, committed_folder
from assay.study.session import Session, check_paper_is_sound, judge_paper, write_json
from assay.system import places

MOST_BYTES = 1_000_000
"""What one paper's committed results may weigh."""


def publish(session: Session) -> list[Path]:
    """Write tables, verdicts and figures to `papers/<slug>/results/<scale>` and update the READMEs.

    Raises:
        UserError: the sweep is not complete, or not at the code as it is now, or the results are too large.
    """
    results, _ = _whole_sweep(session)
    return _judge_and_draw(results, tables=True)


def replicate(session: Session) -> Path:
    """Append what this machine's whole sweep gave to the replications of a paper's committed results.

    The committed tables and verdicts stay.

    Raises:
        UserError: as `publish`; or the paper has no committed results, or they are of this machine at this commit.
    """
    from assay.report import replications

    written = replications.add(*_whole_sweep(session))
    update_readmes(session.paper)
    return written


def _whole_sweep(session: Session) -> tuple[Results, dict[str, Any]]:
    """The results of a sweep that is complete, all its looks taken, at the code as it is now; and their verdicts."""
    check_paper_is_sound(session.paper)
    plan = session.whole()
    states = session.states(plan)
    if plan.dead_ends:
        raise UserError("; ".join(plan.dead_ends))
    # Further seeds that no look asks for may be stale or failed: they are left out of the tables.
    asked = {cell.signature for cell in plan.cells if cell.registered or cell.stage}
    open_runs = [s for s, state in states.items() if state != "done" and s in asked]
    if open_runs or plan.blocked or not plan.runs:
        raise UserError(
            f"{session.paper} ({session.scale}) has {len(open_runs) + len(plan.blocked)} runs open; "
            f"`assay reproduce {session.paper} --scale {session.scale}` first"
        )
    results = _light(session.results(plan))
    verdicts = judge_paper(session.paper, results)
    wanted = [row["id"] for row in verdicts["checks"] if "next" in row.get("looks", {})]
    if wanted:
        raise UserError(
            f"{session.paper} ({session.scale}): the rules ask for another look at {', '.join(wanted)}; "
            f"`make reproduce PAPER={session.paper} MINUTES=600` takes all of them"
        )
    if errors(verdicts):
        raise UserError(f"{session.paper} ({session.scale}): {'; '.join(errors(verdicts))}")
    return dataclasses.replace(results, facts={**results.facts, **facts_of(plan)}), verdicts


def publish_again(paper: str, scale: str) -> list[Path]:
    """Judge and draw the committed tables again, after an amended claim or a changed figure; the tables stay.

    Raises:
        UserError: the paper has no committed results at this scale.
    """
    results = committed(paper, scale)
    if results is None:
        raise UserError(f"{paper} has no committed results at scale {scale}; `assay publish {paper}` writes some")
    return _judge_and_draw(results)


def _judge_and_draw(results: Results, tables: bool = False) -> list[Path]:
    """Verdicts and figures beside the tables, which are written first if told so, and the READMEs."""
    folder = committed_folder(results.paper, results.scale)
    verdicts = judge_paper(results.paper, results)
    with tempfile.TemporaryDirectory() as trial:  # what can't be drawn is told before anything is touched
        _figures(results.paper, results, Path(trial), "svg")
    if tables:
        results.save(folder)
    write_json(folder / "verdicts.json", verdicts)
    whole = [*sorted(folder.glob("*.parquet")), folder / "results.json", folder / "verdicts.json"]
    formats: tuple[Literal["svg", "png"], ...] = ("svg", "png")
    for format in formats:  # many curves are lighter as a picture of points
        written = whole + _figures(results.paper, results, folder / "figures", format)
        size = sum(path.stat().st_size for path in written)
        if size <= MOST_BYTES:
            break
    else:
        raise UserError(
            f"{folder} would weigh {size / 1e6:.1f} MB; thin out curves (measure_at) or figures, 1 MB is the limit"
        )
    return written + update_readmes(results.paper)


def _light(results: Results) -> Results:
    """The results with curves in single precision, which halves them; verdicts are computed from what is committed."""
    if results.curves.is_empty():
        return results
    return dataclasses.replace(results, curves=results.curves.with_columns(pl.col("value").cast(pl.Float32)))


def _figures(paper: str, results: Results, folder: Path, format: Literal["svg", "png"]) -> list[Path]:
    from assay.config.loading import paper_module
    from assay.report import figures

    for old in folder.glob("*"):
        old.unlink()
    module = paper_module(paper, "figures")
    return [] if module is None else figures.save(module, results, folder, format=format)


def update_readmes(paper: str | None = None) -> list[Path]:
    """Bring the generated parts of a paper's README (all papers' if None) and of the root README up to date."""
    from assay.config.loading import papers
    from assay.report import board, readme

    changed = []
    for slug in [paper] if paper else papers():
        page, text = places.PAPERS / slug / "README.md", verdicts_text(slug)
        if text is not None and page.exists() and readme.update(page, "verdicts", text):
            changed.append(page)
    root = places.ROOT / "README.md"
    if readme.update(root, "board", board.markdown()):
        changed.append(root)
    return changed


def verdicts_text(paper: str) -> str | None:
    """The generated part of a paper's README, from its committed desk results; None where it has none."""
    from assay.config.loading import paper_module
    from assay.report import readme
    from assay.review.verdicts import read

    path = committed_folder(paper, "desk") / "verdicts.json"
    results = committed(paper, "desk")
    if not path.exists() or results is None:
        return None
    module = paper_module(paper, "claims")
    return readme.render(read(path), None if module is None else cpu_minutes(results, module.CHECKS))
