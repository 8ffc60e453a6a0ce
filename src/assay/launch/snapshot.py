"""The code that a job runs: a copy of what was there when it was submitted.

A job may wait for hours while its author goes on editing. So submitting copies the sources once (they are small) into
a folder named by their content, and jobs import from there: they run the code they were submitted with, and never a
mixture.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson

from assay.records import digest as provenance
from assay.records.store import storage_error
from assay.system import places

TOPS = ("src/assay", "src/hydra_plugins", "papers", "conf", "slurm")
LEFT_OUT = ("__pycache__", "results")
"""Folders that no run reads: compiled files, and tables that were published."""


def take(target: Path) -> Path:
    """Copy the sources below `target`, unless the same ones are there; returns the copy's folder.

    Raises:
        UserError: the folder cannot be written.
    """
    files = list(_files())
    digest = hashlib.sha256()
    content = {}
    for path in files:
        content[path] = (places.ROOT / path).read_bytes()
        digest.update(f"{path}\0".encode() + hashlib.sha256(content[path]).digest())
    commit = orjson.dumps(provenance.commit())
    digest.update(commit)
    final = target / digest.hexdigest()[:16]
    if final.is_dir():
        return final
    temporary = target / f".{uuid.uuid4().hex[:8]}.tmp"
    try:
        for path, data in content.items():
            copy = temporary / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
        (temporary / provenance.COMMIT_FILE).write_bytes(commit)
        try:
            temporary.rename(final)
        except OSError:  # someone else was faster with the same content
            if not final.is_dir():
                raise
    except OSError as error:
        raise storage_error(error, target) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return final


def _files() -> Iterator[Path]:
    for top in TOPS:
        for folder, names, files in os.walk(places.ROOT / top):
            names[:] = sorted(name for name in names if name not in LEFT_OUT)
            for file in sorted(files):
                yield (Path(folder) / file).relative_to(places.ROOT)
