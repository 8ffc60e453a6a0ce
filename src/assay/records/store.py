"""Records: what a finished or failed run leaves, and the store that keeps them.

A record is one file of two lines: a header with the checksum and schema version, and the body. It is written to a
temporary name, flushed and renamed, so it is there whole or not at all; a record that does not match its checksum is
found out and its run is done again. Beside the records lie the runs' working folders (event log, checkpoints, lock),
which can be deleted once a run is finished.

    outputs/<paper>/records/<signature>.jsonl
    outputs/<paper>/artefacts/<sha256>.npz
    outputs/<paper>/runs/<signature>/{lock,events.jsonl,checkpoint-*.pt}
    outputs/<paper>/before/<signature>.jsonl    a record whose run is being repeated, until the repetition is there
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import orjson

from assay.errors import UserError
from assay.system import places

SCHEMA_VERSION = 2
MIGRATIONS: dict[int, Any] = {1: lambda body: {**body, "data": None, "also": []}}
"""By old version: a function that turns a body of that version into one of the next."""

REMEMBERED = 2000
"""Records that a store keeps in memory; with more than these, a sweep's records are read again rather than held."""

FAILURES = ("oom", "nan", "timeout", "preempted", "node", "data", "code", "disk")


@dataclass
class Record:
    """What one run left.

    Attributes:
        signature: the run's name.
        code: digest of the code it ran.
        also: further digests for which it was shown to hold: of the same code under a later rule, or of later code
            that gives the same numbers.
        data: by name, the sums of the files that its numbers come from (`assay.system.contents`); None where nobody
            looked.
        status: "done" or "failed".
        config: its configuration.
        scalars, units, curves: its measurements.
        artefacts: file names by artefact name; files are named by their sha256.
        failure: class, message and traceback of a failed run.
        provenance: commit, versions, hardware, seconds.
    """

    signature: str
    code: str
    status: Literal["done", "failed"]
    config: dict[str, Any]
    scalars: dict[str, float] = field(default_factory=dict)
    units: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    artefacts: dict[str, str] = field(default_factory=dict)
    failure: dict[str, str] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    also: list[str] = field(default_factory=list)
    data: dict[str, str] | None = None


class Corrupt(Exception):
    """A record's file is truncated, edited or not a record."""


def encode(record: Record) -> bytes:
    """The two lines of a record's file."""
    body = orjson.dumps(_marked(asdict(record)), option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    header = {"schema_version": SCHEMA_VERSION, "sha256": hashlib.sha256(body).hexdigest()}
    return orjson.dumps(header) + b"\n" + body + b"\n"


def decode(content: bytes) -> Record:
    """A record from its file's content.

    Raises:
        Corrupt: the content does not match its checksum or is not a record.
    """
    header, _, body = content.partition(b"\n")
    body = body.removesuffix(b"\n")
    try:
        head = orjson.loads(header)
        version, checksum = head["schema_version"], head["sha256"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Corrupt("no header") from None
    if hashlib.sha256(body).hexdigest() != checksum:
        raise Corrupt("the checksum does not match")
    loaded = _unmarked(orjson.loads(body))
    while version < SCHEMA_VERSION:
        loaded = MIGRATIONS[version](loaded)
        version += 1
    if version > SCHEMA_VERSION:
        raise Corrupt(f"schema version {version} is newer than this code")
    return Record(**loaded)


# JSON knows no NaN and no infinity; a record must not turn them into null silently.
_WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def _marked(value: Any) -> Any:
    if isinstance(value, float):
        if value != value:
            return {"float": "nan"}
        return {"float": "inf" if value > 0 else "-inf"} if value in (float("inf"), float("-inf")) else value
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_marked(item) for item in value]
    return value


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1 and "float" in value and value["float"] in _WORDS:
            return _WORDS[value["float"]]
        return {key: _unmarked(item) for key, item in value.items()}
    if isinstance(value, list):
        # Long lists of plain numbers are the bulk of a record; they need no second look.
        return [_unmarked(item) if isinstance(item, (dict, list)) else item for item in value]
    return value


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: temporary name in the same folder, flush to disk, rename.

    Raises:
        UserError: the folder cannot be written or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(error, path.parent) from error


class StorageError(UserError):
    """The place where results go cannot take them; `kind` is the failure class."""

    kind = "disk"


def storage_error(error: OSError, folder: Path) -> StorageError:
    """One line for a full disk or an unwritable folder."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"no space left in {_short(folder)}; make room and run again, finished runs are kept")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return StorageError(
            f"cannot write to {_short(folder)} ({str(error.strerror).lower()}); set ASSAY_OUTPUTS to another folder"
        )
    return StorageError(f"cannot write to {_short(folder)} ({error.strerror})")


def _short(folder: Path) -> str:
    try:
        return str(folder.relative_to(places.ROOT))
    except ValueError:
        return str(folder)


class Store:
    """The records of one paper.

    Args:
        paper: its slug.
        root: the outputs folder; `places.outputs()` by default.
    """

    def __init__(self, paper: str, root: Path | None = None) -> None:
        self.paper = paper
        self.folder = (root or places.outputs()) / paper
        self.records = self.folder / "records"
        self._cache: dict[str, tuple[tuple[int, int], Record]] = {}

    def prepare(self) -> None:
        """Make the folders and see that they can be written.

        Raises:
            UserError: they cannot.
        """
        try:
            self.records.mkdir(parents=True, exist_ok=True)
            probe = self.records / f".probe-{uuid.uuid4().hex[:8]}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise storage_error(error, self.folder) from None

    def path(self, signature: str) -> Path:
        """Where a run's record lies."""
        return self.records / f"{signature}.jsonl"

    def run_folder(self, signature: str) -> Path:
        """A run's working folder."""
        return self.folder / "runs" / signature

    def artefact(self, file: str) -> Path:
        """Where an artefact's file lies."""
        return self.folder / "artefacts" / file

    def signatures(self) -> set[str]:
        """The signatures of all records."""
        return {path.stem for path in self.records.glob("*.jsonl")}

    def read(self, signature: str) -> Record | None:
        """A run's record, or None where there is none or it is not whole."""
        path = self.path(signature)
        try:
            stat = path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            known = self._cache.get(signature)
            if known is not None and known[0] == mark:
                return known[1]
            record = decode(path.read_bytes())
        except (FileNotFoundError, Corrupt, TypeError):
            return None
        if record.signature != signature:
            return None
        self._cache[signature] = (mark, record)
        if len(self._cache) > REMEMBERED:
            del self._cache[next(iter(self._cache))]
        return record

    def write_failed(self, signature: str, code: str, config: Mapping[str, Any], kind: str, message: str) -> None:
        """Write down that a run has failed, in words of whoever found it so; not while somebody is at it."""
        lock = Lock(self.run_folder(signature))
        if lock.acquire():
            try:
                failure = {"class": kind, "message": message, "traceback": ""}
                self.write(Record(signature, code, "failed", dict(config), failure=failure))
            finally:
                lock.release()

    def corrupt(self) -> list[str]:
        """Signatures whose file is not a whole record."""
        return [path.stem for path in sorted(self.records.glob("*.jsonl")) if self.read(path.stem) is None]

    def __iter__(self) -> Iterator[Record]:
        for path in sorted(self.records.glob("*.jsonl")):
            record = self.read(path.stem)
            if record is not None:
                yield record

    def write(self, record: Record) -> None:
        """Keep a record; it replaces an older one of the same run."""
        write_atomically(self.path(record.signature), encode(record))
        if record.status == "done":
            self._before(record.signature).unlink(missing_ok=True)

    def label(self, record: Record, code: str, data: dict[str, str] | None = None) -> None:
        """Note in a record a further digest for which it holds, and the sums of files with which it does if given."""
        also = record.also if code in (record.code, *record.also) else [*record.also, code]
        self.write(replace(record, also=also, data=record.data if data is None else data))

    def set_aside(self, signature: str) -> None:
        """Take a record out of the way, so that every launcher does its run again; the old one stays in `before/`."""
        if self.path(signature).exists():
            self._before(signature).parent.mkdir(parents=True, exist_ok=True)
            self.path(signature).replace(self._before(signature))

    def _before(self, signature: str) -> Path:
        return self.folder / "before" / f"{signature}.jsonl"

    def keep_artefact(self, content: bytes) -> str:
        """Keep an artefact's file under its hash; returns the file's name."""
        name = f"{hashlib.sha256(content).hexdigest()}.npz"
        if not self.artefact(name).exists():
            write_atomically(self.artefact(name), content)
        return name

    def artefacts_whole(self, record: Record) -> bool:
        """Whether the files of a record's artefacts are there."""
        return all(self.artefact(file).exists() for file in record.artefacts.values())

    def forget_run(self, signature: str) -> None:
        """Delete a finished run's checkpoints; its event log stays."""
        for path in self.run_folder(signature).glob("checkpoint-*"):
            path.unlink(missing_ok=True)


def input_folder(name: str, needed: str, store: Store | None, folder: Path | None) -> Path:
    """A folder in which a needed run's artefacts lie under their names."""
    record = store.read(needed) if store else None
    if record is None or store is None or folder is None or not store.artefacts_whole(record):
        raise UserError(f"the input '{name}' (run {needed}) is not there; run its experiment first")
    target = folder / "inputs" / name
    target.mkdir(parents=True, exist_ok=True)
    for artefact, file in record.artefacts.items():
        link = target / f"{artefact}.npz"
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(store.artefact(file), target))
    return target


def merge(source: Path, target: Path) -> tuple[int, int]:
    """Copy the whole records and artefacts of one outputs folder into another, newest first; (copied, refused)."""
    copied = refused = 0
    for paper in sorted(path.parent for path in source.glob("*/records")):
        here, there = Store(paper.name, source), Store(paper.name, target)
        there.prepare()
        for path in sorted(here.records.glob("*.jsonl")):
            record, known = here.read(path.stem), there.read(path.stem)
            if record is None:
                refused += 1
            elif known is None or (known.status == "failed" and record.status == "done"):
                for file in record.artefacts.values():
                    if here.artefact(file).exists() and not there.artefact(file).exists():
                        write_atomically(there.artefact(file), here.artefact(file).read_bytes())
                write_atomically(there.path(path.stem), path.read_bytes())
                events = here.run_folder(path.stem) / "events.jsonl"
                if events.exists():
                    there.run_folder(path.stem).mkdir(parents=True, exist_ok=True)
                    shutil.copy2(events, there.run_folder(path.stem) / "events.jsonl")
                copied += 1
    return copied, refused


# -- locks ----------------------------------------------------------------------------------------------------------

BEAT = 5.0
"""Seconds between two beats of a lock's owner."""

STILL = 60.0
"""Seconds without a beat, on the waiter's own clock, after which an owner on another machine counts as dead."""


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="utf-8").strip() if path.exists() else "unknown"


def _machine_id() -> str:
    # A hash: a lock lies on shared storage and must not tell the host's name.
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]


class Lock:
    """One owner a run: an exclusively created file with the owner's machine, boot, process, job and a counter.

    The owner bumps the counter every few seconds. It is dead when its process is gone on this boot of this machine,
    or when the counter stood still for a minute of the waiter's own clock; clocks of two machines are never compared.
    Works on NFS: it relies on exclusive creation and rename only.
    """

    _watched: ClassVar[dict[str, tuple[bytes | None, float]]] = {}

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lock"
        self.token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._beats = 0

    def _content(self) -> bytes:
        owner = {
            "token": self.token,
            "machine": _machine_id(),
            "boot": _boot_id(),
            "pid": os.getpid(),
            "start": _process_start(os.getpid()),
            "job": os.environ.get("ASSAY_JOB"),
            "beats": self._beats,
        }
        return orjson.dumps(owner)

    def acquire(self) -> bool:
        """Try to become the owner; False where someone alive is."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(3):
            if not self._create():
                if not self._clear_dead():
                    return False
                continue
            self._thread = threading.Thread(target=self._beat, daemon=True)
            self._thread.start()
            return True
        return False

    def _create(self) -> bool:
        """Make the lock's file, whole from its first moment: a link to a written file is exclusive, on NFS too."""
        temporary = self.path.with_name(f"lock.{self.token[:8]}.tmp")
        temporary.write_bytes(self._content())
        try:
            os.link(temporary, self.path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _clear_dead(self) -> bool:
        """Move a dead owner's lock away; False where the owner is alive or someone else was faster."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return True
        if not self._dead(content):
            return False
        grave = self.path.with_name(f"lock.dead-{uuid.uuid4().hex[:8]}")
        try:
            self.path.rename(grave)
        except FileNotFoundError:
            return True
        if _token(grave.read_bytes()) != _token(content):
            # Someone else cleared it and took the run between our look and our rename: give it back.
            with contextlib.suppress(FileExistsError):
                os.link(grave, self.path)
            grave.unlink(missing_ok=True)
            return False
        grave.unlink(missing_ok=True)
        return True

    def _dead(self, content: bytes) -> bool:
        try:
            owner = orjson.loads(content)
            here = owner["machine"] == _machine_id()
            if here and owner["boot"] == _boot_id():
                return not _alive(owner["pid"], owner["start"])
            if here and owner["boot"] != "unknown":
                return True
        except (orjson.JSONDecodeError, KeyError, TypeError):
            pass  # half-written: judged by whether it changes
        seen, since = self._watched.get(str(self.path), (None, 0.0))
        if seen != content:
            self._watched[str(self.path)] = (content, time.monotonic())
            return False
        return time.monotonic() - since > STILL

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            if not self.owned():
                return
            self._beats += 1
            temporary = self.path.with_name(f"lock.{self.token[:8]}.tmp")
            try:
                temporary.write_bytes(self._content())
                temporary.replace(self.path)
            except OSError:
                continue

    def owned(self) -> bool:
        """Whether the lock is still ours; a run that lost it must not write its record."""
        try:
            return _token(self.path.read_bytes()) == self.token
        except OSError:
            return False

    def release(self) -> None:
        """Give the run up."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self.owned():
            self.path.unlink(missing_ok=True)

    @classmethod
    def held(cls, folder: Path) -> bool:
        """Whether someone alive owns the run of a folder."""
        path = folder / "lock"
        try:
            return path.exists() and not cls(folder)._dead(path.read_bytes())
        except OSError:
            return False


def _token(content: bytes) -> str | None:
    try:
        token = orjson.loads(content)["token"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return token if isinstance(token, str) else None


def _process_start(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot, so that a reused pid is not taken for its former owner."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def _alive(pid: int, start: int | None) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state != "Z" and (start is None or _process_start(pid) == start)


def index(store: Store) -> list[Mapping[str, Any]]:
    """One row a record, for tables: it is computed from the files and so never out of date."""
    return [
        {
            "signature": record.signature,
            "status": record.status,
            "module": record.config["module"]["name"],
            "seed": record.config["seed"],
            "seconds": record.provenance.get("seconds"),
            "failure": (record.failure or {}).get("class"),
        }
        for record in store
    ]
