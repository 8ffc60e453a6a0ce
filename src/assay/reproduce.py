"""Reproduce a paper: plan, run what is missing wave by wave, judge, draw.

This is what `assay reproduce` does, as functions: `Session` ties a paper's study, its store and a scale together, and
everything else that the command line shows (status, report, attest) is computed from it.
"""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from assay import compose, places, tracking
from assay.errors import UserError
from assay.records import Lock, Record, Store, write_atomically
from assay.study import Cell, Plan, Run, Study, make_plan

State = Literal["done", "stale", "failed", "missing", "blocked"]


@dataclass
class Session:
    """A paper at a scale, with where its records go and what the user asked for.

    Args:
        paper: slug.
        scale: "smoke", "desk" or "paper".
        experiments: only these (and what they need); all if empty.
        seeds: another number of seeds than registered.
        overrides: a last layer over every run, e.g. {"trainer": "gpu"}.
        keep_stale: count records made by other code as done, marked on the page.
        outputs: another outputs folder.
        made: a study that is no paper's.
    """

    paper: str
    scale: str = "desk"
    experiments: Sequence[str] = ()
    seeds: int | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    keep_stale: bool = False
    outputs: Path | None = None
    made: Study | None = None

    @cached_property
    def study(self) -> Study:
        """The paper's experiments, or those of a study made up on the spot."""
        return self.made or Study.of(self.paper)

    @cached_property
    def store(self) -> Store:
        """The paper's records."""
        return Store(self.paper, self.outputs)

    def plan(self) -> Plan:
        """Expand the study with the records as they are now."""
        return make_plan(
            self.study, self.scale, self._score,
            seeds=self.seeds, only=self.experiments, overrides=self.overrides,
        )  # fmt: skip

    def _score(self, signature: str, name: str) -> float | None:
        record = self.store.read(signature)
        if record is None or record.status != "done" or self.state(record.config, record) != "done":
            return None
        if name not in record.scalars:
            raise UserError(
                f"selection by '{name}', which run {signature} did not measure; it has {sorted(record.scalars)}"
            )
        return record.scalars[name]

    def state(self, config: Mapping[str, Any], record: Record | None) -> State:
        """What a record (or none) is worth for a configuration, and the code and the data as they are now."""
        from assay.codes import code_of, holds

        if record is None:
            return "missing"
        if record.status == "failed":
            return "failed"
        if not self.store.artefacts_whole(record):
            return "missing"
        return "done" if holds(record, code_of(config, self.store)) or self.keep_stale else "stale"

    def states(self, plan: Plan) -> dict[str, State]:
        """The state of every run of a plan."""
        return {signature: self.state(run.config, self.store.read(signature)) for signature, run in plan.runs.items()}

    def todo(self, plan: Plan, states: Mapping[str, State], tried: Iterable[str] = ()) -> list[Run]:
        """Runs to do now: missing, stale or failed, not tried before in this sweep, with everything they need done."""
        skip = set(tried)
        return [
            run
            for signature, run in plan.runs.items()
            if states[signature] != "done"
            and signature not in skip
            and all(states.get(needed) == "done" for needed in run.needs)
        ]

    def start_over(self) -> None:
        """Set the records of all runs aside, so that they are done again whoever launches them."""
        for signature in self.plan().runs:
            self.store.set_aside(signature)

    def counts(self, plan: Plan, states: Mapping[str, State]) -> dict[str, int]:
        """How many runs are in each state; blocked cells count one each."""
        counts = Counter(states.values())
        waiting = sum(
            1 for s, run in plan.runs.items() if states[s] != "done" and any(states.get(n) != "done" for n in run.needs)
        )
        counts["missing"] -= min(waiting, counts["missing"])
        counts["blocked"] = len(plan.blocked) + waiting
        return {name: counts[name] for name in ("done", "stale", "failed", "missing", "blocked") if counts[name]}

    # -- judging ------------------------------------------------------------------------------------------------

    def results(self, plan: Plan | None = None) -> Any:
        """The tables that checks and figures read."""
        from assay.tables import results_of

        plan = plan or self.plan()
        return results_of(plan, self.store, self.states(plan))

    @property
    def report_folder(self) -> Path:
        """Where the page and the verdicts go."""
        return places.reports() / self.paper / self.scale

    def judge(self, results: Any) -> dict[str, Any]:
        """The verdicts over results."""
        return judge_paper(self.paper, results)


def judge_paper(paper: str, results: Any) -> dict[str, Any]:
    """The verdicts of a paper's claims over results."""
    from assay.claims import judge
    from assay.parts import paper_module

    module = paper_module(paper, "claims")
    if module is None:
        return judge(results, [], [])
    return judge(results, module.CLAIMS, module.CHECKS)


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and diffs, whole or not at all."""
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


@dataclass
class Swept:
    """What a sweep came to."""

    plan: Plan
    states: dict[str, State]
    failed: list[tuple[str, str]]
    interrupted: bool
    seconds: float
    computed: int


def sweep(
    session: Session,
    launch: Callable[[Sequence[Run]], Iterable[Any]],
    stopped: Callable[[], bool] = lambda: False,
) -> Swept:
    """Run everything that is missing, wave by wave; a failed run never stops the others.

    Args:
        session: what to reproduce.
        launch: does a list of runs and returns their outcomes.
        stopped: whether the launcher was interrupted.
    """
    began = time.monotonic()
    session.store.prepare()
    tried: dict[str, str] = {}
    failed: dict[str, str] = {}
    while True:
        plan = session.plan()
        tracking.prepare(session.store, plan)
        states = session.states(plan)
        todo = session.todo(plan, states, tried)
        if not todo or stopped():
            break
        for outcome in launch(todo):
            tried[outcome.signature] = outcome.state
            if outcome.state == "failed":
                failed[outcome.signature] = outcome.message
            if outcome.state == "refused":
                raise UserError(outcome.message)
    computed = sum(1 for state in tried.values() if state in ("done", "failed"))
    return Swept(plan, states, sorted(failed.items()), stopped(), time.monotonic() - began, computed)


def write_report(session: Session, plan: Plan | None = None, strict: bool = False) -> dict[str, Any]:
    """Judge and draw: `verdicts.json`, `index.html`; returns the verdicts."""
    plan = plan or session.plan()
    results = session.results(plan)
    verdicts = session.judge(results)
    folder = session.report_folder
    write_json(folder / "verdicts.json", verdicts)
    draw(session.paper, _with_accounting(results, plan), verdicts, folder, run_details(session, plan), strict)
    return verdicts


def _with_accounting(results: Any, plan: Plan) -> Any:
    """Results whose facts also say what clusters held for the paper's sweeps, where there were any."""
    from assay.launch import sweeps

    if not sweeps.all_sweeps():
        return results
    from assay.launch.accounting import of_paper

    held = of_paper(results.paper, plan.cells)
    sources = {run["source"] for run in held["runs"].values()}
    return replace(results, facts={**results.facts, "held": held["paper"]}) if sources == {"accounting"} else results


def draw(
    paper: str,
    results: Any,
    verdicts: Mapping[str, Any],
    folder: Path,
    details: Mapping[str, Any],
    strict: bool = False,
) -> None:
    """The paper's page with its figures."""
    from assay.parts import paper_module
    from assay.report import figures as drawing
    from assay.report import overview, page

    specs: Any = paper_module(paper, "figures") or ([] if verdicts["claims"] else overview.of(results))
    drawn = drawing.render(specs, results, strict=strict)
    page.write_page(results, verdicts, drawn, folder / "index.html", details=details)


def run_details(session: Session, plan: Plan) -> dict[str, dict[str, Any]]:
    """What the page tells about each run beyond its measurements."""
    details = {}
    for signature, run in plan.runs.items():
        record = session.store.read(signature)
        if record is not None:
            details[signature] = {
                "config": run.config,
                "seconds": record.provenance.get("seconds"),
                "commit": record.provenance.get("commit"),
                "command": command_of(session.paper, signature),
            }
    return details


def command_of(paper: str, signature: str) -> str:
    """The one command that repeats a recorded run."""
    return f"assay run {signature} --paper {paper}"


def train_command(config: Mapping[str, Any], paper: str | None = None) -> str:
    """The `assay.train` command line that gives exactly this configuration, whatever the defaults become."""
    words = [*([f"paper={paper}"] if paper else []), *compose.override_words(config)]
    return " ".join(["python -m assay.train", *map(shlex.quote, words)])


def estimate(session: Session, plan: Plan, states: Mapping[str, State]) -> tuple[float, int]:
    """Core-seconds that the open runs will likely take, and how many of those are a guess."""
    known = precedents(session, plan)
    overall = [s for values in known.values() for s in values]
    mean = sum(overall) / len(overall) if overall else 0.0
    total, guesses = 0.0, 0
    for cell in {c.signature or id(c): c for c in plan.cells}.values():
        if cell.signature is not None and states[cell.signature] == "done":
            continue
        seconds = known.get((cell.experiment, cell.arm)) or known.get((cell.experiment, ""))
        total += sum(seconds) / len(seconds) if seconds else mean
        guesses += not seconds
    return total, guesses


def precedents(session: Session, plan: Plan) -> dict[tuple[str, str], list[float]]:
    """Seconds that earlier runs of each (experiment, arm) and (experiment, "") took.

    They are from the store, and from the committed results.
    """
    known: dict[tuple[str, str], list[float]] = {}

    def add(experiment: str, arm: str, seconds: float) -> None:
        known.setdefault((experiment, arm), []).append(seconds)
        known.setdefault((experiment, ""), []).append(seconds)

    committed = places.PAPERS / session.paper / "results" / session.scale / "runs.parquet"
    if committed.exists():
        import polars as pl

        for row in pl.read_parquet(committed, columns=["experiment", "arm", "seconds"]).iter_rows():
            add(*row)
    for cell in plan.cells:
        record = session.store.read(cell.signature) if cell.signature else None
        if record is not None and record.status == "done":
            add(cell.experiment, cell.arm, record.provenance.get("seconds", 0.0))
    return known


def running(session: Session, plan: Plan) -> list[str]:
    """Signatures that someone alive is working on."""
    return [signature for signature in plan.runs if Lock.held(session.store.run_folder(signature))]


def find_run(signature: str, paper: str | None = None) -> tuple[str, Record | None, Run | None]:
    """A run by (the beginning of) its signature: from the records, or from the plans of the papers."""
    from assay.parts import papers

    slugs = [paper] if paper else [path.parent.name for path in places.outputs().glob("*/records")]
    matches: dict[str, tuple[str, Record | None]] = {}
    for slug in slugs:
        store = Store(slug)
        for path in store.records.glob(f"{signature}*.jsonl"):
            matches[path.stem] = (slug, store.read(path.stem))
    if len(matches) > 1:
        raise UserError(f"'{signature}' begins {len(matches)} runs: {', '.join(sorted(matches)[:4])}")
    for slug, record in matches.values():
        if record is not None:
            compose.load(slug)
            return slug, record, Run(record.signature, record.config)
    for slug in [paper] if paper else papers():
        for scale in ("desk", "smoke", "paper"):
            plan = Session(slug, scale).plan()
            for name, run in plan.runs.items():
                if name.startswith(signature):
                    return slug, None, run
    raise UserError(f"no run '{signature}' among the records or the plans (`assay status PAPER` lists them)")


def cell_name(cell: Cell) -> str:
    """A cell in words."""
    axes = ", ".join(f"{key}={value}" for key, value in cell.axes.items())
    stage = f" (selection {cell.stage})" if cell.stage else ""
    return f"{cell.experiment}/{cell.arm}{f' [{axes}]' if axes else ''} seed {cell.seed}{stage}"
