"""The local launcher: a pool of warm workers on this machine.

The parent imports torch and the paper's parts but runs nothing in them; workers are forked from it, so a run starts
in milliseconds. Each worker does one run at a time on one thread. A worker that dies takes no other run with it: its
run is tried once more and then recorded as failed. For CUDA, and where fork is not safe, workers are spawned.

While a run is at work whose module says `alone = True`, because it measures times, no other is. The seeds of such a run
are its sittings: what a machine does besides comes and goes within minutes, so that several in one go would tell the
same thing several times. A sitting begins a minute after the one before, as soon as the runs that are at work have
ended; meanwhile the sweep has other things to do, and when it has none left, it waits.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

import orjson

from assay.errors import UserError
from assay.records.store import Store, write_atomically
from assay.registry import KINDS
from assay.study.declared import Run
from assay.system.entry import prepared

HELD_AGAIN = 0.5
"""Seconds until a run that someone else holds is looked at again."""

APART = 60.0
"""Seconds between the beginnings of two sittings."""

WORKER_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
CLUSTER_VARIABLES = ("SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "SUBMITIT_", "PMI_", "PMIX_", "OMPI_")

State = Literal["done", "found", "failed", "held", "interrupted", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What became of one run."""

    signature: str
    state: State
    message: str = ""
    seconds: float = 0.0


@dataclass
class Worker:
    """A worker process, what it is doing, how far it is, and when it last said so."""

    process: Any
    pipe: Connection
    run: Run | None = None
    fraction: float = 0.0
    heard: float = 0.0


@dataclass
class Pool:
    """Runs a queue of runs on `size` workers.

    Args:
        paper: slug whose parts the workers need.
        outputs: the outputs folder.
        size: number of workers.
        spawn: start fresh interpreters instead of forking.
        report: called with the pool after every event, for a progress display.
        once: give no run to a worker a second time, neither one whose worker has died nor one that someone else holds.
        until: the monotonic clock at which to stop as on an interrupt; None for never.
        apart: seconds between the beginnings of two sittings, which are runs with `alone` that differ in the seed only.
        clock: seconds since the epoch.
    """

    paper: str
    outputs: Path
    size: int
    spawn: bool = False
    report: Callable[[Pool], None] = lambda pool: None
    once: bool = False
    until: float | None = None
    apart: float = APART
    clock: Callable[[], float] = time.time
    workers: list[Worker] = field(default_factory=list)
    queue: deque[Run] = field(default_factory=deque)
    waiting: list[tuple[float, Run]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    stopping: bool = False
    total: int = 0
    started: float = 0.0

    def run(self, runs: Sequence[Run]) -> list[Outcome]:
        """Do the runs, each once, and return what became of them.

        On an interrupt (Ctrl-C) workers finish their block, keep a checkpoint and stop; the outcomes so far are
        returned with `stopping` set. On a second one the workers are killed.
        """
        self.queue.extend(runs)
        self.total += len(runs)
        self.started = self.started or time.monotonic()
        self.outcomes = []
        with prepared(self._stop, lambda: self._signal(signal.SIGKILL)):
            while self.queue or self.waiting or any(w.run for w in self.workers):
                if self.overdue and not self.stopping:
                    self._stop()
                self._fill()
                self._listen()
                self.report(self)
                if self.stopping and not any(w.run for w in self.workers):
                    break
        return self.outcomes

    def close(self) -> None:
        """End the workers."""
        for worker in self.workers:
            with contextlib.suppress(OSError):
                worker.pipe.send(None)
        for worker in self.workers:
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.terminate()
                worker.process.join()
            worker.pipe.close()
        self.workers.clear()

    @property
    def running(self) -> list[Worker]:
        """Workers that are at a run."""
        return [worker for worker in self.workers if worker.run is not None]

    @property
    def overdue(self) -> bool:
        """Whether the time that it was given is over."""
        return self.until is not None and time.monotonic() >= self.until

    def _stop(self) -> None:
        self.stopping = True
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        """Send a signal to every worker that is at a run."""
        for worker in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.process.pid, number)

    def _fill(self) -> None:
        now = time.monotonic()
        for item in [item for item in self.waiting if item[0] <= now]:
            self.waiting.remove(item)
            self.queue.append(item[1])
        while not self.stopping and (run := self._next()) is not None:
            idle = next((w for w in self.workers if w.run is None), None)
            if idle is None:
                if len(self.workers) >= self.size:
                    return
                idle = self._start()
                self.workers.append(idle)
            self.queue.remove(run)
            if alone(run):
                self.sittings.begin(run, self.clock())
            idle.run, idle.fraction, idle.heard = run, 0.0, time.monotonic()
            try:
                idle.pipe.send((run.signature, run.config))
            except OSError:
                self._buried(idle)
        if self.stopping:  # a worker that was given its run while the others were told
            self._signal(signal.SIGTERM)

    def _next(self) -> Run | None:
        """The run that may start now: a sitting that is due, once nothing is at work; until then no other begins."""
        at_work = [worker.run for worker in self.workers if worker.run is not None]
        if any(alone(run) for run in at_work):
            return None
        sitting = next((run for run in self.queue if alone(run) and self._due_in(run) <= 0), None)
        if sitting is not None:
            return None if at_work else sitting
        return next((run for run in self.queue if not alone(run)), None)

    def _due_in(self, sitting: Run) -> float:
        """Seconds until a sitting may begin; none if the clock says that the last one is still to come."""
        passed = self.clock() - self.sittings.last(sitting)
        return self.apart - passed if passed >= 0 else 0.0

    @property
    def pause(self) -> float:
        """Seconds until the next sitting, where nothing else is left to do."""
        if self.running or self.waiting or not self.queue or not all(map(alone, self.queue)):
            return 0.0
        return max(0.0, min(map(self._due_in, self.queue)))

    @functools.cached_property
    def sittings(self) -> Sittings:
        """When sittings have begun."""
        return Sittings(Store(self.paper, self.outputs).folder / "sittings.json")

    def _start(self) -> Worker:
        context: Any = multiprocessing.get_context("spawn" if self.spawn else "fork")
        ours, theirs = context.Pipe()
        if not self.spawn:
            gc.freeze()  # keep the parent's objects out of the children's collections, and their pages shared
        others = [worker.pipe for worker in self.workers] + [ours]
        args = (self.paper, self.outputs, theirs, os.getpid(), None if self.spawn else others)
        process = context.Process(target=_work, args=args, daemon=True)
        # A signal between the fork and the worker's own handlers would run the parent's handler in the child.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WORKER_SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        gc.unfreeze()
        theirs.close()
        return Worker(process, ours)

    def _listen(self) -> None:
        handles = {w.pipe: w for w in self.workers}
        timeout = 0.2 if self.waiting or self.stopping else 1.0
        if not handles:
            time.sleep(timeout)
        for pipe in wait(list(handles), timeout=timeout) if handles else []:
            worker = handles[pipe]  # type: ignore[index]
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                self._buried(worker)
                continue
            if message[0] == "progress":
                worker.fraction, worker.heard = message[1], time.monotonic()
            else:
                self._finished(worker, Outcome(*message))

    def _finished(self, worker: Worker, outcome: Outcome) -> None:
        run, worker.run = worker.run, None
        if outcome.state == "held" and run is not None and not (self.stopping or self.once):
            self.waiting.append((time.monotonic() + HELD_AGAIN, run))
            return
        self.outcomes.append(outcome)
        if outcome.state == "refused":
            self.stopping = True

    def _buried(self, worker: Worker) -> None:
        """A worker died: its run is tried again while it may be, then recorded as failed."""
        worker.process.join()
        self.workers.remove(worker)
        run, code = worker.run, worker.process.exitcode
        if run is None:
            return
        self.lost[run.signature] = self.lost.get(run.signature, 0) + 1
        if self.stopping:
            self.outcomes.append(Outcome(run.signature, "interrupted"))
        elif self.lost[run.signature] < 2 and not self.once:
            self.queue.appendleft(run)
        else:
            self.outcomes.append(self._mark_lost(run, code))

    def _mark_lost(self, run: Run, code: int | None) -> Outcome:
        from assay.records.codes import code_of

        killed = code == -signal.SIGKILL
        message = f"the worker died ({'killed, probably out of memory' if killed else f'exit code {code}'})"
        message += "" if self.once else ", twice"
        store = Store(self.paper, self.outputs)
        kind = "oom" if killed else "code"
        store.write_failed(run.signature, code_of(run.config, store), run.config, kind, message)
        return Outcome(run.signature, "failed", f"{kind}: {message}")


class Sittings:
    """When the last sitting of each timing began, on disk: a sweep may be interrupted, or be the tasks of a job.

    Args:
        path: a JSON file, {timing: seconds since the epoch}.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def last(self, run: Run) -> float:
        """When a sitting of the same timing began; long ago if there was none."""
        return self._read().get(timing_of(run), 0.0)

    def begin(self, run: Run, now: float) -> None:
        """Note that one begins."""
        write_atomically(self.path, orjson.dumps({**self._read(), timing_of(run): now}))

    def _read(self) -> dict[str, float]:
        try:
            noted: dict[str, float] = orjson.loads(self.path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return noted


def timing_of(run: Run) -> str:
    """What all sittings of a timing share: the configuration but for its seed."""
    rest = {key: value for key, value in run.config.items() if key != "seed"}
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:20]


def alone(run: Run) -> bool:
    """Whether the run's module asks to have the machine to itself."""
    module: Any = KINDS["module"][run.config["module"]["name"]].target
    return bool(module.alone)


def _work(paper: str, outputs: Path, pipe: Connection, parent: int, inherited: list[Connection] | None) -> None:
    """A worker's life: runs come in, outcomes go out; it ends with its parent."""
    try:
        _serve(paper, outputs, pipe, parent, inherited)
    finally:
        # Not through the interpreter's own end: it would tear down, object by object, what the parent still uses.
        sys.stdout.flush()
        sys.stderr.flush()
        if inherited is not None:
            os._exit(0)


def _serve(paper: str, outputs: Path, pipe: Connection, parent: int, inherited: list[Connection] | None) -> None:
    for other in inherited or []:
        other.close()
    stop = {"asked": False}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: stop.update(asked=True))
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # a cluster's warning; the parent deals with it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WORKER_SIGNALS)
    forget_cluster()
    from assay.config import compose
    from assay.run import execute

    compose.load(paper)
    store = Store(paper, outputs)
    told = [0.0]

    def progress(done: int, total: int) -> None:
        now = time.monotonic()
        if now - told[0] > 0.5:
            told[0] = now
            with contextlib.suppress(OSError):
                pipe.send(("progress", done / max(total, 1)))

    def orphaned() -> bool:
        return stop["asked"] or os.getppid() != parent

    while True:
        try:
            while not pipe.poll(0.5):
                if orphaned():
                    return
            message = pipe.recv()
        except (EOFError, OSError):
            return
        if message is None or os.getppid() != parent:
            return
        signature, config = message
        began = time.monotonic()
        outcome = _one(execute, store, signature, config, execute.Hooks(should_stop=orphaned, progress=progress))
        with contextlib.suppress(OSError):
            pipe.send((signature, *outcome, time.monotonic() - began))
        if stop["asked"]:
            return


def _one(runner: Any, store: Store, signature: str, config: dict[str, Any], hooks: Any) -> tuple[State, str]:
    from assay.tracking.sync import live_logger

    try:
        with live_logger(store, signature, config) as logger:
            hooks.logger = logger
            record = runner.execute(config, store, hooks)
    except runner.Interrupted as stopped:
        return "interrupted", str(stopped)
    except UserError as error:
        return "refused", str(error)
    if record is None:
        return "held", ""
    if record.status == "failed":
        return "failed", f"{record.failure['class']}: {record.failure['message']}"
    return ("done" if hooks.computed else "found"), ""


def forget_cluster() -> None:
    """Hide a cluster's job from the runs in it: libraries would take its nodes and tasks for their own."""
    if "SLURM_JOB_ID" in os.environ:
        os.environ["ASSAY_JOB"] = os.environ["SLURM_JOB_ID"]
    for name in [name for name in os.environ if name.startswith(CLUSTER_VARIABLES)]:
        del os.environ[name]


def default_workers() -> int:
    """One worker a core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def needs_spawn(device: str) -> bool:
    """Whether workers must be fresh interpreters: CUDA does not survive a fork, and macOS' libraries do not either."""
    return device == "cuda" or sys.platform == "darwin"
