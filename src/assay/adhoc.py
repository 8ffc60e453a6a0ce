"""Ad-hoc sweeps: the jobs of a Hydra multirun, run like any sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay import compose, places
from assay.errors import UserError
from assay.foreground import ADHOC
from assay.study import Run


def run_jobs(jobs: Sequence[Sequence[str]], kind: str, workers: int, profile: str) -> int:
    """Run the jobs of a multirun and print a table; 0, or 1 if a run failed, or 130 if interrupted."""
    from assay import train

    if kind != "local":
        raise UserError(f"hydra/launcher={kind} is not available on this machine")
    runs: dict[str, Run] = {}
    words: dict[str, str] = {}
    papers: set[str | None] = set()
    for job in jobs:
        paper, config = train.resolve([(key, value) for key, value, _ in train.parse(job)])
        signature = compose.signature(config)
        runs[signature] = Run(signature, config)
        words.setdefault(signature, " ".join(job))
        papers.add(paper)
    if len(papers) > 1:
        raise UserError("one multirun covers one paper; start one for each")
    return _sweep(papers.pop() or ADHOC, list(runs.values()), words, workers)


def _sweep(paper: str, runs: list[Run], words: dict[str, str], workers: int) -> int:
    from rich.console import Console
    from rich.table import Table

    from assay.launch.local import Pool, default_workers, needs_spawn
    from assay.progress import Display
    from assay.records import Store

    console = Console(highlight=False)
    store = Store(paper)
    store.prepare()
    size = min(workers or default_workers(), len(runs))
    display = Display(console)
    spawn = any(needs_spawn(run.config["trainer"]["device"]) for run in runs)
    pool = Pool(paper, places.outputs(), size, spawn=spawn, report=display)
    from assay import runner  # noqa: F401  (imported once, before the fork)

    try:
        with display.showing():
            outcomes = pool.run(runs)
    finally:
        pool.close()
    table = Table("run", "job", "state", box=None, header_style="bold")
    shown: dict[str, Any] = {outcome.signature: outcome for outcome in outcomes}
    names = sorted({name for run in runs if (r := store.read(run.signature)) for name in r.scalars})[:6]
    for name in names:
        table.add_column(name, justify="right")
    for run in runs:
        record, outcome = store.read(run.signature), shown.get(run.signature)
        values = [f"{record.scalars[n]:.5g}" if record and n in record.scalars else "" for n in names]
        table.add_row(run.signature, words[run.signature], outcome.state if outcome else "not run", *values)
    console.print(table)
    if pool.stopping:
        console.print("interrupted; the same command goes on from here")
        return 130
    return 1 if any(outcome.state == "failed" for outcome in outcomes) else 0
