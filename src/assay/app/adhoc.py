"""Ad-hoc sweeps: the jobs of a Hydra multirun, run like any sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assay.app.foreground import ADHOC
from assay.config import compose
from assay.errors import UserError, unknown
from assay.study.declared import Run
from assay.system import places
from assay.system.entry import INTERRUPTED, last_word

if TYPE_CHECKING:
    from assay.launch.local import Outcome


def run_jobs(jobs: Sequence[Sequence[str]], kind: str, workers: int, profile: str) -> int:
    """Run the jobs of a multirun and print a table; 0, or 1 if a run failed, or 130 if interrupted."""
    from assay import train
    from assay.study.session import check_paper_is_sound

    if kind not in ("local", "slurm"):
        raise unknown("launcher", kind, ["local", "slurm"])
    runs: dict[str, Run] = {}
    words: dict[str, str] = {}
    papers: set[str | None] = set()
    shared = set.intersection(*(set(job) for job in jobs)) if len(jobs) > 1 else set()
    for job in jobs:
        paper, config = train.resolve([(key, value) for key, value, _ in train.parse(job)])
        signature = compose.signature(config)
        runs[signature] = Run(signature, config)
        words.setdefault(signature, " ".join(word for word in job if word not in shared))
        papers.add(paper)
    if len(papers) > 1:
        raise UserError("one multirun covers one paper; start one for each")
    paper = papers.pop()
    if paper is not None:
        check_paper_is_sound(paper)
    slug, listed = paper or ADHOC, list(runs.values())
    smoke = all("scale=smoke" in job for job in jobs)
    outcomes, stopped = _locally(slug, listed, workers, smoke) if kind == "local" else _on_slurm(slug, listed, profile)
    for outcome in outcomes:
        if outcome.state == "refused":
            raise UserError(outcome.message)
    states = {outcome.signature: outcome.state for outcome in outcomes}
    _print(slug, listed, words, states)
    if stopped:
        last_word(stopped)
        return INTERRUPTED
    return 1 if "failed" in states.values() else 0


def _locally(paper: str, runs: list[Run], workers: int, smoke: bool) -> tuple[list[Outcome], str]:
    """Do the runs on this machine; what became of them, and what to say if it was interrupted."""
    from rich.console import Console

    from assay.launch.local import APART, Pool, default_workers, needs_spawn
    from assay.launch.progress import Display
    from assay.records.store import Store

    Store(paper).prepare()
    size = min(workers or default_workers(), len(runs))
    display = Display(Console(highlight=False))
    spawn = any(needs_spawn(run.config["trainer"]["device"]) for run in runs)
    apart = 0.0 if smoke else APART
    pool = Pool(paper, places.outputs(), size, spawn=spawn, report=display, apart=apart)
    from assay.run import execute  # noqa: F401  (imported once, before the fork)

    try:
        with display.showing():
            outcomes = pool.run(runs)
    finally:
        pool.close()
    return outcomes, "interrupted; the same command goes on from here" if pool.stopping else ""


def _on_slurm(paper: str, runs: list[Run], profile_name: str) -> tuple[list[Outcome], str]:
    """Do the runs on a cluster; what became of them, and what to say if jobs are left to go on alone."""
    from rich.console import Console

    from assay.launch import cluster, profiles
    from assay.launch.slurm import Launcher
    from assay.launch.watching import Display
    from assay.records.store import Store

    profile = profiles.load(profile_name)
    Store(paper).prepare()
    cluster.see_that_it_fits(profile, paper, "adhoc", runs)
    found = cluster.attach_adhoc(paper, sorted(run.signature for run in runs), profile_name, profile)
    display = Display(Console(highlight=False))
    launcher = Launcher(found, profile, report=display)
    with display.showing():
        outcomes = launcher.launch(runs)
    stopped = ""
    if launcher.stopping:
        stopped = f"detached from sweep {found.id}; `assay status {found.id}`, or the same command waits for it again"
    elif launcher.cancelled:
        stopped = f"sweep {found.id} was cancelled; the same command goes on from here"
    return outcomes, stopped


def _print(paper: str, runs: list[Run], words: dict[str, str], states: Mapping[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    from assay.records.store import Store

    store = Store(paper)
    table = Table("run", "job", "state", box=None, header_style="bold")
    names = sorted({name for run in runs if (r := store.read(run.signature)) for name in r.scalars})[:6]
    for name in names:
        table.add_column(name, justify="right")
    for run in runs:
        record = store.read(run.signature)
        values = [f"{record.scalars[n]:.5g}" if record and n in record.scalars else "" for n in names]
        table.add_row(run.signature, words[run.signature], states.get(run.signature, "not run"), *values)
    Console(highlight=False).print(table)
