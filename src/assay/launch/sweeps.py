"""A sweep as a thing on disk: who asked for what, which jobs were submitted for it, and what their tasks have noted.

    outputs/sweeps/<id>/                    mode 0700: job pickles are code to whoever loads them
        sweep.json                          paper, scale, options, profile
        jobs/<n>.json                       one submission: its runs with configuration and code digest, its tasks
        jobs/<n>.id                         the scheduler's id, once there is one
        notes/<n>-<task>.jsonl              what a task did: runs started and ended, why it stopped
        tries/<signature>.json              how often a run was lost, by class
        meetings/<job>-<restart>            where the first process of a run over several listens
        submitit/                           submitit's scripts, pickles and logs

The truth about a run is its record; everything here only says what was asked of the scheduler. Files are written
whole; a task writes its own notes only, and what submits holds the sweep's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from assay.errors import UserError, unknown
from assay.records.store import Lock, Store, storage_error, write_atomically
from assay.system import places


@dataclass(frozen=True)
class Limits:
    """What one task of a job asks for: the resource class.

    Args:
        minutes: its time limit.
        memory_gb: memory of each node.
        cpus: CPUs of each process.
        gpus: GPUs of each node.
        side: runs side by side.
        nodes: nodes of a run that is spread over several.
        processes: processes of such a run on each node.
        alone: the task is one sitting of a timing, and such tasks come one after the other.
    """

    minutes: int
    memory_gb: float
    cpus: int
    gpus: int = 0
    side: int = 1
    nodes: int = 1
    processes: int = 1
    alone: bool = False

    @property
    def spread(self) -> bool:
        """Whether a task is one run of several processes."""
        return self.nodes * self.processes > 1


@dataclass(frozen=True)
class Wanted:
    """A run of a job: its configuration, the code it was submitted with, and the hash of the record it replaces."""

    config: dict[str, Any]
    code: str
    replaces: str | None = None


@dataclass
class Job:
    """One submission: an array of tasks (or a single one), all of one resource class.

    Attributes:
        number: counts the sweep's submissions.
        name: what the scheduler calls it; known before it is submitted, so that one that got lost can be found.
        limits: what a task asks for.
        tasks: signatures of each task's runs.
        runs: what each run is.
        submitted: seconds since the epoch.
        id: the scheduler's id; None while (or if never) submitted.
    """

    number: int
    name: str
    limits: Limits
    tasks: list[list[str]]
    runs: dict[str, Wanted] = field(default_factory=dict)
    submitted: float = 0.0
    id: str | None = None

    def task_id(self, index: int) -> str:
        """The scheduler's name of a task; a job of one task is no array."""
        return f"{self.id}_{index}" if len(self.tasks) > 1 else str(self.id)


class Sweep:
    """A sweep in its folder.

    Args:
        folder: outputs/sweeps/<id>.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._jobs: dict[int, Job] = {}

    @property
    def id(self) -> str:
        """The sweep's name."""
        return self.folder.name

    @cached_property
    def about(self) -> dict[str, Any]:
        """What was asked for: paper, scale, options, profile."""
        content: dict[str, Any] = orjson.loads((self.folder / "sweep.json").read_bytes())
        return content

    @cached_property
    def store(self) -> Store:
        """Where its records go."""
        return Store(self.about["paper"], self.folder.parent.parent)

    @property
    def submitit(self) -> Path:
        """Submitit's folder."""
        return self.folder / "submitit"

    def describe(self, about: Mapping[str, Any]) -> None:
        """Make the folder, for its owner alone, and write down what was asked for."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            for name in ("jobs", "notes", "tries", "meetings", "submitit"):
                (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise storage_error(error, self.folder) from None
        write_atomically(self.folder / "sweep.json", orjson.dumps(dict(about), option=orjson.OPT_INDENT_2))
        self.__dict__.pop("about", None)

    # -- jobs -------------------------------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """Everything that was submitted, oldest first."""
        for path in sorted((self.folder / "jobs").glob("*.json")):
            number = int(path.stem)
            known = self._jobs.get(number)
            if known is None:
                content = orjson.loads(path.read_bytes())
                runs = {signature: Wanted(**wanted) for signature, wanted in content.pop("runs").items()}
                limits = Limits(**content.pop("limits"))
                known = self._jobs[number] = Job(**content, limits=limits, runs=runs)
            noted = path.with_suffix(".id")
            if known.id is None and noted.exists():
                known.id = noted.read_text(encoding="utf-8").strip() or None
        return [self._jobs[number] for number in sorted(self._jobs)]

    def job(self, number: int) -> Job:
        """One of its jobs."""
        self.jobs()
        return self._jobs[number]

    def add(self, job: Job) -> None:
        """Write down what is about to be submitted."""
        content = {**asdict(job), "submitted": time.time()}
        content.pop("id")
        write_atomically(self.folder / "jobs" / f"{job.number:04d}.json", orjson.dumps(content))

    def submitted(self, job: Job, identifier: str) -> None:
        """Write down the scheduler's id; "" for a submission that got lost."""
        write_atomically(self.folder / "jobs" / f"{job.number:04d}.id", identifier.encode())
        job.id = identifier or None

    def unresolved(self) -> list[Job]:
        """Jobs of which it is not known whether they were submitted: who did it was killed in between."""
        return [job for job in self.jobs() if not (self.folder / "jobs" / f"{job.number:04d}.id").exists()]

    # -- notes ------------------------------------------------------------------------------------------------------

    def note(self, job: int, index: int, **what: Any) -> None:
        """Append to a task's notes; a full disk must not end the task."""
        line = orjson.dumps({"t": round(time.time(), 2), **what}) + b"\n"
        with contextlib.suppress(OSError), (self.folder / "notes" / f"{job:04d}-{index}.jsonl").open("ab") as file:
            file.write(line)

    def notes(self, job: int, index: int) -> list[dict[str, Any]]:
        """A task's notes."""
        try:
            lines = (self.folder / "notes" / f"{job:04d}-{index}.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            with contextlib.suppress(orjson.JSONDecodeError):
                found.append(orjson.loads(line))
        return found

    def tries(self, signature: str) -> dict[str, int]:
        """How often a run was lost, by class."""
        try:
            counts: dict[str, int] = orjson.loads((self.folder / "tries" / f"{signature}.json").read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        return counts

    def count(self, signature: str, kind: str) -> int:
        """Count a loss of a run; returns how many of the kind there were."""
        counts = self.tries(signature)
        counts[kind] = counts.get(kind, 0) + 1
        write_atomically(self.folder / "tries" / f"{signature}.json", orjson.dumps(counts))
        return counts[kind]

    def forget_tries(self, signatures: Sequence[str]) -> None:
        """Start counting anew: somebody asked for these runs again."""
        for signature in signatures:
            (self.folder / "tries" / f"{signature}.json").unlink(missing_ok=True)

    # -- who submits ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the sweep while deciding what to submit; waits for whoever else does."""
        lock = Lock(self.folder)
        try:
            while not lock.acquire():
                time.sleep(0.5)
        except OSError as error:
            raise storage_error(error, self.folder) from None
        try:
            yield
        finally:
            lock.release()

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled it after its last submission."""
        return (self.folder / "cancelled").exists()

    def cancel(self, cancelled: bool = True) -> None:
        """Mark it as cancelled, or as wanted again."""
        path = self.folder / "cancelled"
        if cancelled:
            path.touch()
        else:
            path.unlink(missing_ok=True)


def folder_of_sweeps() -> Path:
    """Where sweeps lie."""
    return places.outputs() / "sweeps"


def all_sweeps() -> list[Sweep]:
    """Every sweep, oldest first."""
    found = [path.parent for path in folder_of_sweeps().glob("*/sweep.json")]
    return [Sweep(path) for path in sorted(found, key=lambda path: path.stat().st_mtime)]


def find(name: str) -> Sweep:
    """A sweep by its id.

    Raises:
        UserError: there is none.
    """
    known = {sweep.id: sweep for sweep in all_sweeps()}
    if name not in known:
        raise unknown("sweep", name, known)
    return known[name]


def identify(paper: str, scale: str, options: Mapping[str, Any]) -> str:
    """The id of a sweep: the same request has the same id, so that a second `reproduce` finds the first."""
    asked = {key: value for key, value in options.items() if value}
    if not asked:
        return f"{paper}-{scale}"
    text = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    return f"{paper}-{scale}-{hashlib.sha256(text).hexdigest()[:6]}"


def record_mark(store: Store, signature: str) -> str | None:
    """A hash of a run's record as it is now, to tell a new one from it."""
    try:
        return hashlib.sha256(store.path(signature).read_bytes()).hexdigest()[:16]
    except FileNotFoundError:
        return None


def guarded(folder: Path) -> None:
    """Refuse to load pickles from a folder that others could have written to.

    Raises:
        UserError: naming the folder.
    """
    stat = folder.stat()
    if stat.st_mode & 0o077 or stat.st_uid != os.getuid():
        raise UserError(f"{folder} must belong to you alone (chmod 700): jobs load code from it")
