"""How a sweep shows its progress: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from assay.launch.local import Pool

PLAIN_SECONDS = 10.0
"""Seconds between two lines where there is no terminal."""

SILENT_SECONDS = 300.0
"""Seconds without a sign of life after which a run is named: runs report at block ends, which are seconds apart."""


class Display:
    """Shows runs done, running and failed, and the time left; pass it to a pool as `report`."""

    def __init__(self, console: Any, done_before: int = 0) -> None:
        self.console = console
        self.done = self.failed = 0
        self.seen = 0
        self.done_before = done_before
        self.live: Any = None
        self.task: Any = None
        self.said = time.monotonic()
        self.began = time.monotonic()

    @contextlib.contextmanager
    def showing(self) -> Iterator[Display]:
        """Show until the block ends."""
        if not sys.stdout.isatty():
            yield self
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        columns = (SpinnerColumn(), BarColumn(bar_width=30), TextColumn("{task.description}"))
        with Progress(*columns, console=self.console, transient=True) as self.live:
            self.task = self.live.add_task("starting workers", total=None)
            yield self
        self.live = None

    def __call__(self, pool: Pool) -> None:
        """Called by the pool after every event."""
        for outcome in pool.outcomes[self.seen :]:
            if outcome.state == "failed":
                self.failed += 1
                self._say(f"failed: {outcome.signature} {outcome.message.splitlines()[0]}")
            elif outcome.state in ("done", "found"):
                self.done += 1
        self.seen = len(pool.outcomes)
        text = self.text(pool)
        if self.live is not None:
            at = self.done + self.failed + sum(w.fraction for w in pool.running)
            self.live.update(self.task, completed=at, total=pool.total, description=text)
        elif time.monotonic() - self.said > PLAIN_SECONDS:
            self._say(text)

    def next_wave(self) -> None:
        """A pool starts its list of outcomes anew with every wave."""
        self.seen = 0

    def text(self, pool: Pool) -> str:
        """The state in one line."""
        parts = [f"{self.done} of {pool.total} done", f"{len(pool.running)} running"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if pool.waiting:
            parts.append(f"{len(pool.waiting)} done by someone else")
        finished = self.done + self.failed + sum(w.fraction for w in pool.running)
        if pool.pause:
            parts.append(f"{clock(pool.pause)} until the next sitting of a timing")
        elif pool.stopping:
            parts.append("stopping at the next block")
        elif finished > 0.5:
            left = (time.monotonic() - self.began) / finished * (pool.total - finished)
            parts.append(f"{clock(left)} left")
        silent = {w.run.signature: time.monotonic() - w.heard for w in pool.running if w.run is not None}
        parts += [f"{clock(s)} without a word from {name[:8]}" for name, s in silent.items() if s > SILENT_SECONDS]
        return ", ".join(parts)

    def _say(self, text: str) -> None:
        self.said = time.monotonic()
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """A duration for people: 42 s, 3 min 10 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s" if seconds < 600 else f"{round(seconds / 60)} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
