"""One run in the foreground, with progress, its numbers and the command that repeats it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import Any

from assay.config import compose
from assay.records.store import Store
from assay.study.session import train_command
from assay.system.entry import INTERRUPTED, last_word, prepared

ADHOC = "adhoc"
"""Store of runs that belong to no paper."""


def run_here(config: Mapping[str, Any], paper: str | None, again: bool = False, debug: bool = False) -> int:
    """Run a configuration; 0 if it is done, 1 if it failed, 130 if it was interrupted.

    Args:
        config: as `compose.assemble` returns it.
        paper: whose store keeps the record.
        again: run although there is a fresh record.
        debug: let an exception through, for a debugger.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from assay.run import execute
    from assay.tracking.sync import live_logger

    console = Console(stderr=False, highlight=False)
    store = Store(paper or ADHOC)
    store.prepare()
    signature = compose.signature(config)
    stop = threading.Event()
    console.print(f"run {signature} ({config['module']['name']}, seed {config['seed']})")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} steps"),
        TimeRemainingColumn(),
    )
    try:
        bars = Progress(*columns, console=console, transient=True, disable=not sys.stdout.isatty())
        with prepared(stop.set), bars as bar:
            task = bar.add_task("running", total=None)
            hooks = execute.Hooks(
                should_stop=stop.is_set,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
                interactive=True,
            )
            with live_logger(store, signature, config) as logger:
                hooks.logger = logger
                record = execute.execute(config, store, hooks, again=again, debug=debug)
    except execute.Interrupted as interrupted:
        last_word(f"{interrupted}; a checkpoint is kept, the same command goes on from it")
        return INTERRUPTED
    if record is None:
        console.print("someone else is at this run; its record will be there when they are done")
        return 1
    if record.status == "failed":
        failure = record.failure or {}
        console.print(f"failed ({failure['class']}): {failure['message']}", markup=False)
        console.print(failure["traceback"], markup=False)
        return 1
    if not hooks.computed:
        console.print(f"nothing computed: the record of {record.provenance.get('finished', 'an unknown date')} holds")
    for name, value in sorted(record.scalars.items()):
        console.print(f"  {name} = {value:.6g}", markup=False)
    console.print(
        f"done in {record.provenance['seconds']:.1f} s; record {store.path(signature)}", markup=False, soft_wrap=True
    )
    console.print(f"repeat it with: {train_command(config, paper)}", markup=False, soft_wrap=True)
    return 0
