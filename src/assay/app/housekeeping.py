"""Housekeeping: clear what nothing needs, and get the data that a paper wants."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assay.records.store import Lock, Store
from assay.study.declared import Run
from assay.system import places

OLD = 3600.0
"""Seconds after which a temporary file belongs to nobody."""


def sweep_up(delete: bool) -> tuple[int, int]:
    """Find (and delete) checkpoints of finished runs, old temporary files and artefacts without a record."""
    doomed: list[Path] = []
    for folder in sorted(path.parent for path in places.outputs().glob("*/records")):
        doomed += _of_store(Store(folder.name))
    size = sum(path.stat().st_size for path in doomed)
    if delete:
        for path in doomed:
            path.unlink(missing_ok=True)
    return len(doomed), size


def _of_store(store: Store) -> list[Path]:
    doomed: list[Path] = []
    wanted: set[str] = set()
    for record in store:
        wanted.update(record.artefacts.values())
        folder = store.run_folder(record.signature)
        if record.status == "done" and not Lock.held(folder):
            doomed += folder.glob("checkpoint-*.pt")
    doomed += [path for path in store.artefact("").glob("*.npz") if path.name not in wanted and _old(path)]
    return doomed + [path for path in store.folder.rglob(".*.tmp") if _old(path)]


def _old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > OLD


def fetch_needed(runs: Iterable[Run]) -> None:
    """Have the data sets of runs on this machine before any of them starts.

    Raises:
        DataMissing: one line for the first that can't be had.
    """
    from assay.data.fetcher import RESOURCES, fetch

    for name in sorted({run.config["data"]["name"] for run in runs if "data" in run.config}):
        if name in RESOURCES:
            fetch(name)


def fetch_for(paper: str) -> list[dict[str, Any]]:
    """Fetch every data set that a paper's experiments choose and that is not here; one row each."""
    from assay.app.part_table import users
    from assay.config import loading
    from assay.data.fetcher import RESOURCES, fetch
    from assay.errors import UserError

    loading.load_paper(paper)
    rows = []
    for (kind, name), papers in sorted(users().items()):
        if kind != "data" or paper not in papers:
            continue
        row = {"data": name, "state": "needs no download", "detail": ""}
        if name in RESOURCES:
            try:
                fetch(name)
                row["state"] = "here"
            except UserError as error:
                row |= {"state": "missing", "detail": str(error)}
        rows.append(row)
    return rows
