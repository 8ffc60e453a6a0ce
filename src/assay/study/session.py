"""Reproduce a paper: plan, run what is missing wave by wave, judge, draw.

This is what `assay reproduce` does, as functions: `Session` ties a paper's study, its store and a scale together, and
everything else that the command line shows (status, report, attest) is computed from it.
"""

from __future__ import annotations

import json
import math
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from assay.config import compose
from assay.errors import UserError
from assay.records.store import Lock, Record, Store, write_atomically
from assay.study.declared import Cell, More, Plan, Run, Seeding, Study, make_plan, seeding, with_needs
from assay.study.selection import SeedRange
from assay.system import places
from assay.tracking import sync

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
        more: further seeds of parts of experiments, as undecided checks ask for them.
    """

    paper: str
    scale: str = "desk"
    experiments: Sequence[str] = ()
    seeds: int | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    keep_stale: bool = False
    outputs: Path | None = None
    made: Study | None = None
    more: Sequence[More] = ()

    @cached_property
    def study(self) -> Study:
        """The paper's experiments, or those of a study made up on the spot."""
        return self.made or Study.of(self.paper)

    @cached_property
    def store(self) -> Store:
        """The paper's records."""
        return Store(self.paper, self.outputs)

    def plan(self) -> Plan:
        """What is to be run: the study with the records as they are now."""
        seeds = seeding(with_needs(self.study, self.more)) if self.more else self.seeds
        return self._planned(seeds, self.experiments)

    def whole(self) -> Plan:
        """What is to be judged: all that is registered, and further seeds whose runs are there.

        It does not depend on what was asked to be run: a verdict is measured against the registration.
        """

        plan = self._planned(None)
        others = self.store.signatures() - set(plan.runs)
        records = [record for s in sorted(others) if (record := self.store.read(s)) is not None]
        seeds = sorted({int(record.config["seed"]) for record in records if record.status == "done"})
        lasts = [e.at(self.scale).seeds.list()[-1] for e in self.study.experiments.values() if self.scale in e.scales]
        if not seeds or seeds[-1] <= min(lasts, default=0):
            return plan
        known = {(cell.experiment, cell.arm, repr(cell.axes), cell.seed) for cell in plan.cells}
        for references in (False, True):  # looks add nothing to references with one seed, `--seeds` does
            more = self._planned(partial(_with_others, seeds, references, self._selecting()))
            for cell in more.evaluation():
                key = (cell.experiment, cell.arm, repr(cell.axes), cell.seed)
                if cell.signature in others and key not in known:
                    known.add(key)
                    plan.cells.append(cell)
                    plan.runs.setdefault(cell.signature, more.runs[cell.signature])
        return plan

    def _selecting(self) -> dict[str, set[int]]:
        """By experiment, the seeds of its selections and of those that it needs: no cell of it has them."""
        found: dict[str, set[int]] = {}
        for name in self.study.ordered(self.scale):  # needed ones first
            experiment = self.study.experiments[name]
            own = {seed for stage in experiment.selections(self.scale) for seed in stage.seeds.list()}
            found[name] = own.union(*(found[other] for other in experiment.needs.values()))
        return found

    def _planned(self, seeds: int | Seeding | None, only: Sequence[str] = ()) -> Plan:
        return make_plan(self.study, self.scale, self._score, seeds=seeds, only=only, overrides=self.overrides)

    def _score(self, signature: str, name: str) -> float | None:
        record = self.store.read(signature)
        if record is not None and self.diverged(record):
            return math.nan
        if record is None or record.status != "done" or self.state(record.config, record) != "done":
            return None
        if name not in record.scalars:
            raise UserError(
                f"selection by '{name}', which run {signature} did not measure; it has {sorted(record.scalars)}"
            )
        return record.scalars[name]

    def state(self, config: Mapping[str, Any], record: Record | None) -> State:
        """What a record (or none) is worth for a configuration, and the code and the data as they are now."""
        from assay.records.codes import code_of, holds

        if record is None:
            return "missing"
        if record.status == "failed":
            return "failed"
        if not self.store.artefacts_whole(record):
            return "missing"
        return "done" if holds(record, code_of(config, self.store)) or self.keep_stale else "stale"

    def diverged(self, record: Record) -> bool:
        """Whether a run has left the finite numbers, with the code as it is now."""
        if record.status != "failed" or (record.failure or {}).get("class") != "nan":
            return False
        return self.state(record.config, replace(record, status="done")) == "done"

    def states(self, plan: Plan) -> dict[str, State]:
        """The state of every run of a plan; a candidate of a selection that diverged is done: it has lost."""
        candidates = plan.candidates()
        found: dict[str, State] = {}
        for signature, run in plan.runs.items():
            record = self.store.read(signature)
            lost = record is not None and signature in candidates and self.diverged(record)
            found[signature] = "done" if lost else self.state(run.config, record)
        return found

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
        from assay.study.tables import results_of

        plan = plan or self.whole()
        return results_of(plan, self.store, self.states(plan))

    @property
    def report_folder(self) -> Path:
        """Where the page and the verdicts go."""
        return places.reports() / self.paper / self.scale

    def judge(self, results: Any) -> dict[str, Any]:
        """The verdicts over results."""
        return judge_paper(self.paper, results)


def _with_others(
    seeds: Sequence[int],
    references: bool,
    selecting: Mapping[str, set[int]],
    name: str,
    arm: str,
    axes: Mapping[str, Any],
    registered: SeedRange,
) -> list[int]:
    """The registered seeds, and those of others that come after them; of references only if told so.

    Runs of selections that are in no plan any more (of another scale, of a candidate that went) leave seeds, too.
    """
    mine = registered.list()
    more = [seed for seed in seeds if seed > mine[-1] and seed not in selecting[name]]
    return mine if registered.n == 1 and not references else [*mine, *more]


def judge_paper(paper: str, results: Any) -> dict[str, Any]:
    """The verdicts of a paper's claims over results."""
    from assay.config.loading import paper_module
    from assay.review.judged import judge

    module = paper_module(paper, "claims")
    if module is None:
        return judge(results, [], [])
    return judge(results, module.CLAIMS, module.CHECKS, getattr(module, "STANDS_FOR", {}).get(results.scale))


def check_paper_is_sound(paper: str, study: Study | None = None) -> None:
    """See that what a paper's author wrote fits together, before anything runs.

    Raises:
        UserError: claims and checks name what is not there, wait for each other in a circle, or cannot be loaded.
    """
    from assay.config.loading import paper_module
    from assay.report.figures import collect
    from assay.review import malformed
    from assay.review.judged import problems

    module, drawn = paper_module(paper, "claims"), paper_module(paper, "figures")
    if drawn is not None:
        collect(drawn)
    found: list[str] = []
    if module is not None:
        found = malformed.lists(module) or problems(module.CLAIMS, module.CHECKS, study or Study.of(paper))
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UserError(f"papers/{paper}/claims.py: {found[0]}{more}")


def asking(verdicts: Mapping[str, Any], only: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """The checks that ask for another look; with `only`, those that read nothing but these experiments."""
    rows = [row for row in verdicts["checks"] if "next" in row.get("looks", {})]
    return [
        row for row in rows if not only or {read["experiment"] for read in row["looks"]["next"]["reads"]} <= {*only}
    ]


def next_looks(verdicts: Mapping[str, Any], only: Sequence[str] = ()) -> list[More]:
    """What undecided checks and their gates ask for: further seeds of what they read, and of nothing else."""
    found: dict[More, None] = {}
    for row in asking(verdicts, only):
        wanted = row["looks"]["next"]
        for read in wanted["reads"]:
            found[More.read({**read, "seeds": wanted["units"]})] = None
    return list(found)


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
        sync.prepare(session.store, plan)
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
    plan = plan or session.whole()
    results = session.results(plan)
    verdicts = session.judge(results)
    folder = session.report_folder
    write_json(folder / "verdicts.json", verdicts)
    broken = draw(session.paper, _with_accounting(results, plan), verdicts, folder, run_details(session, plan), strict)
    if broken:
        verdicts["figures"] = broken
        write_json(folder / "verdicts.json", verdicts)
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
    outdated: Sequence[str] = (),
) -> list[str]:
    """The paper's page with its figures; `outdated` names what of the results is older than the code.

    Returns:
        What was raised by figures that could not be drawn, one line each.
    """
    from assay.config.loading import paper_module
    from assay.report import figures as drawing
    from assay.report import overview, page

    specs: Any = paper_module(paper, "figures") or ([] if verdicts["claims"] else overview.of(results))
    drawn = drawing.render(specs, results, strict=strict)
    page.write_page(results, verdicts, drawn, folder / "index.html", details=details, outdated=outdated)
    return [f"figure {one.id}: {one.reason}" for one in drawn if one.broken]


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


@dataclass(frozen=True)
class Cost:
    """Core-seconds that a paper takes from the start, by precedents.

    Attributes:
        look: of the registered runs with their selections.
        all: with all further looks of every check that may take some.
        guesses: runs without a precedent.
    """

    look: float
    all: float
    guesses: int


def cost(session: Session) -> Cost:
    """What one look and all looks take, whatever is there already."""
    whole = replace(session, experiments=(), seeds=None, more=())
    registered = whole.plan()
    further = replace(whole, more=all_looks(whole)).plan()
    look, guesses = estimate(whole, registered, dict.fromkeys(registered.runs, "missing"))
    every, _ = estimate(whole, further, dict.fromkeys(further.runs, "missing"))
    return Cost(look, every, guesses)


def all_looks(session: Session) -> list[More]:
    """The further seeds that a paper's checks read at their last look."""
    from assay.config.loading import paper_module
    from assay.review.judged import over_seeds
    from assay.statistics import LOOKS

    module = paper_module(session.paper, "claims")
    found: dict[More, None] = {}
    for check in module.CHECKS if module is not None else ():
        here = [e for name in check.experiments if session.scale in (e := session.study.experiments[name]).scales]
        seeds = [n for e in here if (n := e.at(session.scale).seeds.n) > 1]
        if seeds and over_seeds(check):
            last = min(seeds) * LOOKS[check.looks - 1]
            for read in check.reads:
                found[More(read.experiment, last, read.arms, read.levels)] = None
    return list(found)


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
    from assay.config.loading import papers

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
