"""Remembering that nothing is left to do.

Planning imports torch and every part, which takes seconds; when a sweep is complete and its page is written, all that
is needed to know it is a look at the sources and the records. After a complete sweep a small file notes the hashes of
both; as long as they match, `assay reproduce` answers from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.records.store import write_atomically
from assay.system import contents, places

if TYPE_CHECKING:
    from assay.study.session import Session


def remember(session: Session, signatures: Iterable[str]) -> None:
    """Note that a complete sweep's page is written."""
    note = {
        "sources": sources(session),
        "records": records(session, signatures),
        "data": data(session, signatures),
        "report": report(session),
    }
    write_atomically(_note(session), json.dumps(note, indent=1).encode())


def still_finished(session: Session) -> dict[str, Any] | None:
    """The verdicts, if nothing has changed since the sweep was complete; else None."""
    try:
        note = json.loads(_note(session).read_text(encoding="utf-8"))
        same = (
            note["sources"] == sources(session)
            and note["records"] == records(session, note["records"])
            and not contents.changed(note["data"])
            and note["report"] == report(session)
        )
        return json.loads((session.report_folder / "verdicts.json").read_text(encoding="utf-8")) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(session: Session) -> Path:
    return session.store.folder / f"finished-{session.scale}.json"


def sources(session: Session) -> str:
    """Hash of everything that a plan, its verdicts and its page are made from, the records apart."""
    options = [session.seeds, dict(session.overrides), session.keep_stale, sorted(session.experiments)]
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for path in _files(session.paper):
        digest.update(str(path.name).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(paper: str) -> list[Path]:
    code = [path for top in (places.ROOT / "src", places.PAPERS / paper) for path in sorted(top.rglob("*"))]
    kept = [path for path in code if path.suffix in (".py", ".j2", ".css", ".js")]
    lock = places.ROOT / "requirements.lock"
    return [
        *kept,
        *sorted(places.CONF.rglob("*.yaml")),
        *([lock] if lock.exists() else []),
        places.PAPERS / "catalogue.yaml",
    ]


def records(session: Session, signatures: Iterable[str]) -> dict[str, str]:
    """By signature: the hash of the record's file."""
    return {s: hashlib.sha256(session.store.path(s).read_bytes()).hexdigest() for s in sorted(signatures)}


def data(session: Session, signatures: Iterable[str]) -> dict[str, str]:
    """The sums of the files that the records' numbers come from."""
    found = (session.store.read(signature) for signature in signatures)
    return {name: sum_ for record in found if record is not None for name, sum_ in (record.data or {}).items()}


def report(session: Session) -> list[str]:
    """Hashes of the verdicts and the page."""
    files = (session.report_folder / name for name in ("verdicts.json", "index.html"))
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
