"""Where results come from: this machine's records, what is committed, another commit, or a folder.

Whoever shows, exports or compares results says in one word which ones it means:

    local        the records in outputs/
    committed    papers/<slug>/results/<scale> of this checkout
    HEAD~3, v1   the same as committed in that commit
    a folder     results as `assay publish` writes them, an outputs folder, or a folder with a verdicts.json
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from assay.errors import UserError
from assay.results import Results
from assay.review.verdicts import read
from assay.system import places

TABLES = ("runs.parquet", "units.parquet", "curves.parquet", "results.json")


@dataclass(frozen=True)
class Found:
    """A paper's results at a scale from one source.

    Attributes:
        paper, scale: whose.
        results: the tables; None where only verdicts are there.
        verdicts: as `assay.claims.judge` gives them.
    """

    paper: str
    scale: str
    results: Results | None
    verdicts: dict[str, Any]


def committed_folder(paper: str, scale: str) -> Path:
    """Where a paper's committed results at a scale lie."""
    return places.PAPERS / paper / "results" / scale


def committed(paper: str, scale: str) -> Results | None:
    """The committed results of a paper; None where there are none."""
    folder = committed_folder(paper, scale)
    return Results.load(folder) if (folder / "results.json").exists() else None


def has_records(paper: str, outputs: Path | None = None) -> bool:
    """Whether there are any records of a paper: planning it costs seconds, looking costs nothing."""
    folder = (outputs or places.outputs()) / paper / "records"
    return folder.is_dir() and next(folder.glob("*.jsonl"), None) is not None


def local(paper: str, scale: str, outputs: Path | None = None) -> Results | None:
    """The results of a paper's records in an outputs folder (this machine's by default); None where there are none.

    Records of another folder count whatever code made them, for they were copied to be looked at.
    """
    from assay.study.session import Session

    if not has_records(paper, outputs):
        return None
    results: Results = Session(paper, scale, outputs=outputs, keep_stale=outputs is not None).results()
    return None if results.runs.is_empty() else results


def nearest(paper: str, scale: str) -> Results:
    """This machine's results of a paper, else the committed ones.

    Raises:
        UserError: there are neither.
    """
    results = local(paper, scale) or committed(paper, scale)
    if results is None:
        raise UserError(
            f"{paper} has no results at scale {scale}: `assay reproduce {paper} --scale {scale}` makes some"
        )
    return results


def judged(results: Results) -> Found:
    """Results with the verdicts of the claims as they are in this checkout."""
    from assay.study.session import judge_paper

    return Found(results.paper, results.scale, results, judge_paper(results.paper, results))


def find(word: str, papers: Iterable[str], scale: str) -> dict[str, Found]:
    """All results that a source has of some papers at a scale, by paper.

    Verdicts are those that were committed or written with the results; where there are none, the results are judged.

    Raises:
        UserError: the word names no source.
    """
    papers = list(papers)
    if word == "local":
        found = ((paper, local(paper, scale)) for paper in papers)
        return {paper: judged(results) for paper, results in found if results is not None}
    if word == "committed":
        return _all(places.PAPERS, papers, scale)
    folder = Path(word).expanduser()
    if folder.is_dir():
        return _of_folder(folder.resolve(), papers, scale)
    return _of_commit(word, papers, scale)


def _all(root: Path, papers: Iterable[str], scale: str) -> dict[str, Found]:
    """Results in <root>/<paper>/results/<scale>."""
    found = {}
    for paper in papers:
        one = _read(root / paper / "results" / scale)
        if one is not None:
            found[paper] = one
    return found


def _read(folder: Path) -> Found | None:
    """What one folder of results holds."""
    written = folder / "verdicts.json"
    verdicts = read(written) if written.exists() else None
    if (folder / "results.json").exists():
        results = Results.load(folder)
        return judged(results) if verdicts is None else Found(results.paper, results.scale, results, verdicts)
    if verdicts is None:
        return None
    return Found(verdicts["paper"], verdicts["scale"], None, verdicts)


def _of_folder(folder: Path, papers: list[str], scale: str) -> dict[str, Found]:
    one = _read(folder)
    if one is not None:
        return {one.paper: one}
    found = _all(folder if (folder / "catalogue.yaml").exists() else folder / "papers", papers, scale)
    for paper in papers:
        results = local(paper, scale, folder)
        if results is not None:
            found[paper] = judged(results)
    if not found:
        raise UserError(f"{folder} holds no results at scale {scale}: neither tables, nor verdicts, nor records")
    return found


# -- commits --------------------------------------------------------------------------------------------------------


def _of_commit(word: str, papers: list[str], scale: str) -> dict[str, Found]:
    try:
        commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}").decode().strip()
        listed = _git("ls-tree", "-r", "-z", "--name-only", commit, "--", "papers").decode().split("\0")
    except (OSError, subprocess.SubprocessError):
        raise UserError(f"'{word}' is no folder, no commit, and not one of: local, committed") from None
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name in listed:
            parts = PurePosixPath(name).parts
            if parts[2:4] == ("results", scale) and parts[1] in papers and parts[4:] in _WANTED:
                target = root.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_git("cat-file", "blob", f"{commit}:{name}"))
        return _all(root / "papers", papers, scale)


_WANTED = [(name,) for name in (*TABLES, "verdicts.json")]


def _git(*args: str) -> bytes:
    command = ["git", "-C", str(places.ROOT), *args]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout  # noqa: S603
