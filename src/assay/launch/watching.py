"""How a sweep is going: each run's state from its own record, the scheduler's word beside it, and what failed."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from assay.launch import site
from assay.launch.slurm import Launcher
from assay.launch.sweeps import Job, Sweep, record_mark
from assay.records.codes import holds
from assay.records.store import Lock

COLUMNS = ["run", "state", "scheduler", "task", "where", "reason"]
NO_ANSWER = site.Word("NO ANSWER")
"""What stands for the scheduler's word when it has none; it does not mean that it has forgotten the task."""

PLAIN_SECONDS = 10.0
"""Seconds between two lines where there is no terminal."""


def rows(sweep: Sweep, queue: Mapping[str, site.Word] | None = None) -> list[dict[str, Any]]:
    """One row a run that was ever submitted: state, the scheduler's word, its task, node or reason, why it failed.

    States: done, failed; running (somebody alive is at it), waiting (its task has not started or not come to it, or the
    scheduler does not answer), lost (no task has it any more; `reproduce` submits it again), cancelled.
    """
    if queue is None:
        queue = site.queue() if shutil.which("squeue") else {}
    last: dict[str, tuple[Job, int]] = {}
    for job in sweep.jobs():
        for index, signatures in enumerate(job.tasks):
            last |= dict.fromkeys(signatures, (job, index))
    return [_row(sweep, signature, job, index, queue) for signature, (job, index) in last.items()]


def _row(sweep: Sweep, signature: str, job: Job, index: int, queue: Mapping[str, site.Word] | None) -> dict[str, Any]:
    name = job.task_id(index) if job.id else "-"
    word = NO_ANSWER if queue is None else queue.get(name)
    record = sweep.store.read(signature)
    wanted = job.runs[signature]
    fresh = record is not None and record_mark(sweep.store, signature) != wanted.replaces
    ended = word is None or (word is NO_ANSWER and sweep.cancelled)
    state, reason = "waiting" if not ended else "cancelled" if sweep.cancelled else "lost", ""
    if record is not None and record.status == "done" and holds(record, wanted.code):
        state = "done"
    elif Lock.held(sweep.store.run_folder(signature)):
        state = "running"
    elif record is not None and record.status == "failed" and fresh:
        state = "failed"
        failure = record.failure or {}
        reason = f"{failure['class']}: {failure['message'].splitlines()[0]}"
    if state == "waiting":
        stopped = [note["stop"] for note in sweep.notes(job.number, index) if "stop" in note]
        reason = f"stopped before: {stopped[-1]}" if stopped else ""
    if state == "lost":
        stop: dict[str, Any] = next((n for n in reversed(sweep.notes(job.number, index)) if "stop" in n), {})
        reason = stop.get("message") or stop.get("stop", "")
    return {
        "run": signature,
        "state": state,
        "scheduler": word.state.lower() if word else "",
        "task": name,
        "where": word.detail if word else "",
        "reason": reason,
    }


def summary(sweep: Sweep, found: list[dict[str, Any]]) -> str:
    """A sweep in one line."""
    counts = Counter(str(row["state"]) for row in found)
    parts = [f"{counts[state]} {state}" for state in ("done", "running", "waiting", "lost", "cancelled", "failed")
             if counts[state]]  # fmt: skip
    tasks = Counter(row["scheduler"] for row in {row["task"]: row for row in found}.values() if row["scheduler"])
    words = ", ".join(f"{n} {state}" for state, n in sorted(tasks.items()))
    return f"{sweep.id}: {', '.join(parts) or 'nothing submitted'}" + (f"; tasks: {words}" if words else "")


def overview(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows worth showing where there are many: all but the done and the merely waiting ones."""
    return [row for row in found if row["state"] not in ("done", "waiting")]


class Display:
    """Shows a launcher's progress: a live line in a terminal, plain lines elsewhere."""

    def __init__(self, console: Any) -> None:
        self.console = console
        self.live: Any = None
        self.task: Any = None
        self.said = time.monotonic()
        self.told: set[str] = set()

    @contextlib.contextmanager
    def showing(self) -> Iterator[Display]:
        """Show until the block ends."""
        if not sys.stdout.isatty():
            yield self
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        columns = (SpinnerColumn(), BarColumn(bar_width=30), TextColumn("{task.description}"))
        with Progress(*columns, console=self.console, transient=True) as self.live:
            self.task = self.live.add_task("submitting", total=None)
            yield self
        self.live = None

    def __call__(self, launcher: Launcher) -> None:
        """Called by the launcher after every look."""
        for outcome in launcher.outcomes.values():
            if outcome.state == "failed" and outcome.signature not in self.told:
                self.told.add(outcome.signature)
                self._say(f"failed: {outcome.signature} {outcome.message.splitlines()[0]}")
        text = self.text(launcher)
        if self.live is not None:
            self.live.update(self.task, completed=len(launcher.outcomes), total=launcher.total, description=text)
        elif time.monotonic() - self.said > PLAIN_SECONDS:
            self._say(text)

    def text(self, launcher: Launcher) -> str:
        """The state in one line."""
        states = Counter(outcome.state for outcome in launcher.outcomes.values())
        parts = [f"{states['done'] + states['found']} of {launcher.total} done"]
        tasks = {*launcher.on_the_way.values()}
        running = sum(1 for name in tasks if (word := launcher.queue.get(name)) and word.state == "RUNNING")
        parts.append(f"{running} tasks running, {len(tasks) - running} waiting")
        if states["failed"]:
            parts.append(f"{states['failed']} failed")
        return ", ".join(parts)

    def _say(self, text: str) -> None:
        self.said = time.monotonic()
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
