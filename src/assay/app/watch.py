"""Verdicts while a sweep runs: `assay report PAPER --watch`.

Whoever runs the sweep (another terminal, a cluster) leaves records; this looks for new ones, judges them and draws the
page again. It computes nothing that the sweep waits for, and takes at most a tenth of a core for drawing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from assay.report import terminal, wording
from assay.study.session import Session, draw, judge_paper, run_details, running, write_json

if TYPE_CHECKING:
    from rich.console import Console

PAUSE = 5.0
"""Seconds between two looks."""

SHARE = 10.0
"""A page is not drawn again before this many times the seconds that drawing it took."""


class Watch:
    """A sweep as seen from its records.

    Args:
        session: which paper and scale.
        now: a clock in seconds.
    """

    def __init__(self, session: Session, now: Callable[[], float] = time.monotonic) -> None:
        self.session, self.now = session, now
        self.plan = session.whole()
        self.others = session.store.signatures() - set(self.plan.runs)
        self.states: dict[str, str] = {}
        self.busy = 0
        self.verdicts: dict[str, Any] = {}
        self.drawn, self.due = True, 0.0

    def look(self) -> bool:
        """Look at the records; judge and draw if there are new ones. Returns whether the verdicts were made anew."""
        states = self.session.states(self.plan)
        others = self.session.store.signatures() - set(self.plan.runs)
        if (self.plan.blocked and states != self.states) or others != self.others:
            self.plan = self.session.whole()  # a selection may have been decided, a further look begun
            self.others = self.session.store.signatures() - set(self.plan.runs)
            states = self.session.states(self.plan)
        self.busy = len(running(self.session, self.plan))
        changed = states != self.states or not self.verdicts
        self.states = dict(states)
        if changed:
            self._judge()
        if not self.drawn and (self.now() >= self.due or self.ended):
            self._draw()
        return changed

    def _judge(self) -> None:
        self.results = self.session.results(self.plan)
        self.verdicts = judge_paper(self.session.paper, self.results)
        write_json(self.session.report_folder / "verdicts.json", self.verdicts)
        self.drawn = False

    def _draw(self) -> None:
        began = self.now()
        details = run_details(self.session, self.plan)
        draw(self.session.paper, self.results, self.verdicts, self.session.report_folder, details)
        self.drawn, self.due = True, self.now() + SHARE * (self.now() - began)

    @property
    def ended(self) -> bool:
        """Whether nothing can run and no one is at work; what waits for a failed run, or for no winner, cannot."""
        left = sum(state not in ("done", "failed") for state in self.states.values())
        waiting = "failed" not in self.states.values() and any(not cell.dead_end for cell in self.plan.blocked)
        return not waiting and not left and not self.busy

    def line(self) -> str:
        """The state in one line."""
        counts = self.session.counts(self.plan, self.states)  # type: ignore[arg-type]
        of = sum(counts.values())
        parts = [f"{counts.get('done', 0)} of {of} runs done", f"{self.busy} running" if self.busy else ""]
        parts += [f"{n} {name}" for name, n in counts.items() if name in ("failed", "stale", "blocked")]
        parts += ["" if self.busy or self.ended else "no one is at work on it"]
        return ", ".join(filter(None, parts))


def watch(session: Session, console: Console, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Show the verdicts of a sweep until it has ended; returns the last ones.

    In a terminal the tables are drawn in place; elsewhere each change is a line.
    """
    seen = Watch(session)
    if not console.is_terminal:
        before: Mapping[str, str] = {}
        while True:
            if seen.look():
                before = _tell(seen, before, console)
            if seen.ended:
                return seen.verdicts
            sleep(PAUSE)
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            seen.look()
            shown = terminal.renderables(seen.verdicts, lines=True)
            live.update(Group(Text(seen.line()), Text(), *shown), refresh=True)
            if seen.ended:
                return seen.verdicts
            sleep(PAUSE)


def _tell(seen: Watch, before: Mapping[str, str], console: Console) -> dict[str, str]:
    """Print the state, and each claim whose verdict is another than before."""
    verdicts = {claim["id"]: claim["verdict"] for claim in seen.verdicts["claims"]}
    moved = [f"{id} {verdict}" for id, verdict in verdicts.items() if before and before.get(id) != verdict]
    line = "; ".join([seen.line(), *(moved or [wording.counts(verdicts.values())])])
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return verdicts
