"""The `assay` command. Thin doors to Python functions; heavy imports happen inside the commands."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from assay.errors import RunFailed, UserError
from assay.system.entry import INTERRUPTED, last_word

if TYPE_CHECKING:
    from assay.study.session import Session

app = typer.Typer(
    help="Reproduces machine-learning papers and says, claim by claim, what held up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
records_app = typer.Typer(help="Look after the store of records.", no_args_is_help=True, rich_markup_mode=None)
data_app = typer.Typer(help="Get and check data sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(records_app, name="records")
app.add_typer(data_app, name="data")
wandb_app = typer.Typer(help="Send records to W&B.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(wandb_app, name="wandb")

Paper = Annotated[str, typer.Argument(help="A paper's slug; `assay list` shows them.", metavar="PAPER")]
Scale = Annotated[str, typer.Option(help="smoke (seconds), desk (minutes on two cores) or paper (the paper's own).")]
Experiments = Annotated[list[str] | None, typer.Option("--experiment", "-e", help="Only this experiment; repeatable.")]
Seeds = Annotated[int | None, typer.Option(help="Another number of seeds than registered; finished ones are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Trainer settings, e.g. trainer=gpu.", metavar="[KEY=VALUE]...")
]


USAGE_ERRORS: tuple[type[Any], ...] = typer.BadParameter.__mro__[1:3]
"""What typer raises for a wrong command line; it does not export the classes."""


def main() -> None:
    """Entry point: bad input is one line and exit code 2, failed runs exit with 1."""
    try:
        code = app(standalone_mode=False)  # of an exit that typer has caught, also of a KeyboardInterrupt
    except UserError as error:
        _fail(str(error), error.exit_code)
    except RunFailed as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except OSError as error:
        from assay.records.store import StorageError, storage_error

        known = storage_error(error, Path(error.filename or ".")) if error.errno in (28, 30, 13, 122) else None
        if not isinstance(known, StorageError):
            raise
        _fail(str(known), known.exit_code)
    except Exception as error:
        if isinstance(error, typer.Exit):
            raise SystemExit(error.exit_code) from None
        if isinstance(error, USAGE_ERRORS):
            _fail(" ".join(error.format_message().split()) + " (see --help)", 2)
        if isinstance(error, typer.Abort):
            _fail("aborted", INTERRUPTED)
        raise
    if code == INTERRUPTED:
        _fail("interrupted", INTERRUPTED)
    if code:
        raise SystemExit(code)


def _fail(message: str, code: int) -> NoReturn:
    last_word(f"assay: {message}")
    raise SystemExit(code)


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False)


def _table(rows: Sequence[Mapping[str, Any]], as_json: bool, columns: Iterable[str] | None = None) -> None:
    """Print rows as a table, or as JSON."""
    if as_json:
        print(json.dumps([dict(row) for row in rows], indent=1, default=str))
        return
    from rich.table import Table

    names = list(columns or (rows[0] if rows else ()))
    table = Table(*names, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row.get(name)) for name in names))
    console = _console()
    if not sys.stdout.isatty():
        console.width = 200
    console.print(table, markup=False)


def _session(
    paper: str,
    scale: str,
    experiments: Sequence[str] | None = None,
    seeds: int | None = None,
    overrides: Sequence[str] | None = None,
    keep_stale: bool = False,
) -> Session:
    from assay.config.loading import check_paper
    from assay.study.declared import SCALES
    from assay.study.session import Session

    check_paper(paper)
    if scale not in SCALES:
        from assay.errors import unknown

        raise unknown("scale", scale, SCALES)
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds {seeds}: expected a number of seeds, one or more")
    session = Session(paper, scale, experiments or (), seeds, _trainer_overrides(overrides or ()), keep_stale)
    for name in experiments or ():
        if name not in session.study.experiments:
            from assay.errors import unknown

            raise unknown("experiment", name, session.study.experiments)
    return session


def _trainer_overrides(words: Sequence[str]) -> dict[str, Any]:
    if not words:
        return {}
    from assay import train

    train.guard(words)
    layer = {key: value for key, value, _ in train.parse(words)}
    for key in layer:
        if key.partition(".")[0] != "trainer":
            raise UserError(
                f"'{key}': a registered study changes in its trainer only; for other values use python -m assay.train"
            )
    return layer


# -- running --------------------------------------------------------------------------------------------------------


@app.command()
def reproduce(
    paper: Paper,
    overrides: Overrides = None,
    scale: Scale = "desk",
    experiment: Experiments = None,
    seeds: Seeds = None,
    launcher: Annotated[str, typer.Option(help="local, or slurm.")] = "local",
    workers: Annotated[int, typer.Option(help="Parallel runs; 0 for one a core.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and its cost; run nothing.")] = False,
    keep_stale: Annotated[bool, typer.Option(help="Accept records made by older code; the page marks them.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Repeat finished runs, too.")] = False,
    profile: Annotated[str, typer.Option(help="On Slurm: one of slurm/profiles.")] = "default",
    detach: Annotated[bool, typer.Option("--detach", help="On Slurm: submit, print the sweep's id and end.")] = False,
    looks: Annotated[
        int,
        typer.Option(help="Looks with more seeds at what is undecided: 1 to 3; 0 for three at desk scale, else one."),
    ] = 0,
    minutes: Annotated[
        float | None,
        typer.Option(help="No look that would pass so many minutes, 30 if none; if given, stop then, too."),
    ] = None,
) -> None:
    """Run what is missing of a paper, judge its claims, write its page.

    What is undecided after the registered seeds is looked at again with twice and four times as many.

    \b
    assay reproduce lion_k                       the desk scale, on this machine
    assay reproduce lion_k --dry-run             what that would run, and what it costs
    assay reproduce lion_k --scale smoke         seconds; shows that everything works
    assay reproduce lion_k -e net --seeds 20     more seeds of one experiment
    assay reproduce lion_k --looks 1             the registered seeds and no further look
    assay reproduce lion_k --minutes 5           stop after five minutes; the same command goes on
    assay reproduce saf --scale paper --launcher slurm --detach      on a cluster; then: assay status
    """
    session = _session(paper, scale, experiment, seeds, overrides, keep_stale)
    if launcher not in ("local", "slurm"):
        from assay.errors import unknown

        raise unknown("launcher", launcher, ["local", "slurm"])
    if launcher == "local" and detach:
        raise UserError("--detach needs --launcher slurm; a local sweep ends with its terminal")
    if workers < 0:
        raise UserError(f"--workers {workers}: expected zero or more")
    if not 0 <= looks <= MOST_LOOKS:
        raise UserError(f"--looks {looks}: expected 1 to {MOST_LOOKS}, or 0 for what the scale does by itself")
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise UserError(f"--minutes {minutes:g}: expected a number of minutes above zero")
    from assay.app.finished import still_finished
    from assay.review.relabel import relabel_and_say
    from assay.study.session import check_paper_is_sound

    if dry_run:
        check_paper_is_sound(paper)
        _dry_run(session, workers)
        return
    session.store.prepare()
    if again:
        session.start_over()
    verdicts = None if again else still_finished(session)
    if verdicts is not None:
        _show(session, verdicts)
        return
    check_paper_is_sound(paper)
    relabel_and_say(session.store)
    limit = Limit(looks or (MOST_LOOKS if launcher == "local" and scale == "desk" else 1), minutes)
    if launcher == "slurm":
        _reproduce_on_slurm(session, profile, detach, limit)
    else:
        _reproduce(session, workers, limit)


MOST_LOOKS = 3
USUAL_MINUTES = 30.0


@dataclasses.dataclass(frozen=True)
class Limit:
    """How far `reproduce` goes by itself.

    Attributes:
        looks: at most so many looks.
        minutes: what was asked for; None for the usual half hour, which cuts no first look.
        began: seconds of the monotonic clock.
    """

    looks: int = 1
    minutes: float | None = None
    began: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def until(self) -> float | None:
        """When to stop whatever is running; None for not at all."""
        return None if self.minutes is None else self.began + 60 * self.minutes

    def allows(self, seconds: float) -> bool:
        """Whether a look that takes so many seconds fits."""
        return time.monotonic() - self.began + seconds <= 60 * (self.minutes or USUAL_MINUTES)


def _dry_run(session: Session, workers: int) -> None:
    from assay.launch.local import default_workers
    from assay.launch.progress import clock
    from assay.study.session import cost, estimate

    plan = session.plan()
    states = session.states(plan)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in plan.cells:
        stage = f"selection {cell.stage}" if cell.stage else "evaluation"
        row = rows.setdefault((cell.experiment, stage), {"experiment": cell.experiment, "stage": stage, "runs": 0})
        state = states[cell.signature] if cell.signature else "blocked"
        row["runs"] += 1
        row[state] = row.get(state, 0) + 1
    needs = {name: ", ".join(e.needs.values()) for name, e in session.study.experiments.items()}
    for row in rows.values():
        row["waits for"] = needs[row["experiment"]] or ("its selection" if row.get("blocked") else "")
    _table(
        list(rows.values()),
        False,
        ["experiment", "stage", "runs", "done", "stale", "failed", "missing", "blocked", "waits for"],
    )
    seconds, guesses = estimate(session, plan, states)
    size = workers or default_workers()
    note = f" ({guesses} runs without a precedent)" if guesses else ""
    console = _console()
    console.print(
        f"{len(plan.runs)} distinct runs; open ones take about {clock(seconds)} of one core, "
        f"{clock(seconds / size)} on {size} workers{note}"
    )
    if session.made is None:
        total = cost(session)
        if total.look:
            console.print(f"from the start: one look {_cpu(total.look)}, all looks at most {_cpu(total.all)}")
        if session.scale == "desk" and total.look > 2 * 60 * MOST_MINUTES:
            console.print(
                f"the first look takes more than {MOST_MINUTES} minutes on two cores: {clock(total.look / 2)}"
            )
    _warn(plan)


MOST_MINUTES = 10
"""What a first look at desk scale may take on two cores."""


def _cpu(seconds: float) -> str:
    return f"{seconds / 60:.1f} CPU minutes"


def _warn(plan: Any) -> None:
    for line in plan.warnings:
        _console().print(f"note: {line}", markup=False, soft_wrap=True)


def _show(session: Session, verdicts: Mapping[str, Any]) -> None:
    from assay.report.terminal import print_verdicts

    console = _console()
    print_verdicts(verdicts, console)
    console.print(f"page: {session.report_folder / 'index.html'}", soft_wrap=True)


def _reproduce(session: Session, workers: int, limit: Limit | None = None) -> None:
    from assay.launch.local import default_workers

    limit = limit or Limit()
    size = workers or default_workers()
    _look_on(session, lambda one: _sweep_here(one, size, limit), limit, size)


def _look_on(session: Session, run: Callable[[Session], Any], limit: Limit, size: int | None) -> None:
    """Sweep and judge; while checks are undecided and the limit allows, sweep what they ask for and judge again.

    Args:
        session: what to reproduce.
        run: does a sweep.
        limit: how far to go.
        size: workers on this machine; None on a cluster, where a look's minutes are not known.
    """
    from assay.launch.progress import clock
    from assay.study.session import estimate, write_report

    console = _console()
    whole = dataclasses.replace(session, experiments=(), seeds=None, more=())
    swept = [run(session)]
    verdicts = write_report(whole)
    only = session.study.ordered(session.scale, session.experiments) if session.experiments else ()
    while session.seeds is None and (further := _further(whole, verdicts, only)) is not None:
        plan = further.plan()
        core, _ = estimate(further, plan, further.states(plan))
        if _looks_taken(verdicts, only) >= limit.looks or (size and not limit.allows(core / size)):
            break
        console.print(f"{_undecided(verdicts, only)}: the next look, about {clock(core / (size or 1))}", soft_wrap=True)
        swept.append(run(further))
        if any(state != "done" for state in swept[-1].states.values()):
            verdicts = write_report(whole)
            break
        before, verdicts = _looks_taken(verdicts, only), write_report(whole)
        if _looks_taken(verdicts, only) == before:
            break
    _conclude(session, whole, swept, verdicts)


def _further(whole: Session, verdicts: Mapping[str, Any], only: Sequence[str] = ()) -> Session | None:
    """The session of what undecided checks ask for; None if nothing is asked for."""
    from assay.study.session import next_looks

    more = next_looks(verdicts, only)
    names = list(dict.fromkeys(one.experiment for one in more))
    return dataclasses.replace(whole, more=tuple(more), experiments=names) if more else None


def _looks_taken(verdicts: Mapping[str, Any], only: Sequence[str] = ()) -> int:
    """How many looks have been taken at what asks for another one: the fewest."""
    from assay.study.session import asking

    return min((row["looks"]["taken"] for row in asking(verdicts, only)), default=0)


def _undecided(verdicts: Mapping[str, Any], only: Sequence[str] = ()) -> str:
    """The checks that ask for another look, e.g. "undecided after look 1 of 3: 4a, 6b"."""
    from assay.study.session import asking

    open_checks = asking(verdicts, only)
    taken = _looks_taken(verdicts, only)
    ids = ", ".join(row["id"] for row in open_checks)
    return f"undecided after look {taken} of {len(open_checks[0]['looks']['units'])}: {ids}"


def _sweep_here(session: Session, size: int, limit: Limit) -> Any:
    from assay.app.housekeeping import fetch_needed
    from assay.launch.local import APART, Pool, needs_spawn
    from assay.launch.progress import Display, clock
    from assay.study.session import estimate, sweep
    from assay.system import places

    console = _console()
    plan = session.plan()
    states = session.states(plan)
    counts = session.counts(plan, states)
    open_runs = session.todo(plan, states) or plan.blocked
    _warn(plan)
    if open_runs:
        seconds, guesses = estimate(session, plan, states)
        about = "" if guesses == len(open_runs) else f", about {clock(seconds / size)} on {size} workers"
        console.print(f"{session.paper} ({session.scale}): {_words(counts)}{about}")
    spawn = needs_spawn(next((run.config["trainer"]["device"] for run in plan.runs.values()), "cpu"))
    display = Display(console)
    apart = 0.0 if session.scale == "smoke" else APART
    pool = Pool(session.paper, places.outputs(), size, spawn=spawn, report=display, until=limit.until, apart=apart)

    def launch(runs: Sequence[Any]) -> Any:
        fetch_needed(runs)
        from assay.run import execute  # noqa: F401  (imported once, before the workers are forked)

        display.next_wave()
        return pool.run(runs)

    try:
        with display.showing():
            swept = sweep(session, launch, lambda: pool.stopping)
    finally:
        pool.close()
    if swept.interrupted:
        left = sum(1 for state in swept.states.values() if state != "done")
        if pool.overdue:
            raise RunFailed(f"{limit.minutes:g} minutes are over: {left} runs are open. Go on with the same command.")
        raise RunInterrupted(f"interrupted; finished runs are kept, {left} are open. Go on with the same command.")
    return swept


def _conclude(session: Session, whole: Session, sweeps: Sequence[Any], verdicts: Mapping[str, Any]) -> None:
    """Show what the sweeps of all looks came to; one line and exit code 1 for what failed or could not be judged."""
    from assay.app.finished import remember
    from assay.launch.progress import clock
    from assay.report.replications import differences
    from assay.review.judged import errors

    console = _console()
    _show(whole, verdicts)
    if session.made is None and not session.overrides:
        for line in differences(session.paper, session.scale, verdicts):
            console.print(f"committed results: {line}", markup=False, soft_wrap=True)
    computed = sum(swept.computed for swept in sweeps)
    if computed:
        console.print(f"{computed} runs computed in {clock(sum(swept.seconds for swept in sweeps))}")
    states = {signature: state for swept in sweeps for signature, state in swept.states.items()}
    blocked = list({repr(cell): cell for swept in sweeps for cell in swept.plan.blocked}.values())
    further = _further(whole, verdicts)
    if further is not None:
        _tell_next_look(further, verdicts)
    elif not blocked and all(state == "done" for state in states.values()):
        remember(session, whole.store.signatures() & set(whole.whole().runs))
    failed = [(signature, state) for signature, state in states.items() if state == "failed"]
    lines = []
    if failed:
        where = {signature: cells for swept in sweeps for signature, cells in swept.plan.where().items()}
        from assay.study.session import cell_name

        names = "; ".join(f"{signature} ({cell_name(where[signature][0])})" for signature, _ in failed[:3])
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        waiting = sum(1 for cell in blocked if not cell.dead_end)
        held = f" {waiting} wait for them." if waiting else ""
        lines = [f"{len(failed)} runs failed: {names}{more}. `assay run SIGNATURE --debug` shows why.{held}"]
    lines += dict.fromkeys(cell.dead_end for cell in blocked if cell.dead_end)
    broken = errors(verdicts)
    if broken:
        lines.append(f"{len(broken)} of {len(verdicts['checks'])} checks could not be judged: {'; '.join(broken)}")
    if verdicts.get("figures"):
        lines.append(f"{len(verdicts['figures'])} figures could not be drawn: {'; '.join(verdicts['figures'])}")
    if lines:
        raise RunFailed(" ".join(lines))


def _tell_next_look(further: Session, verdicts: Mapping[str, Any]) -> None:
    """Say what is undecided, and what another look would cost."""
    from assay.launch.progress import clock
    from assay.study.session import estimate

    plan = further.plan()
    core, _ = estimate(further, plan, further.states(plan))
    scale = "" if further.scale == "desk" else f" SCALE={further.scale}"
    look = _looks_taken(verdicts) + 1
    _console().print(
        f"{_undecided(verdicts)}. The next look takes about {clock(core)} of one core: "
        f"make reproduce PAPER={further.paper}{scale} LOOKS={look} MINUTES=600",
        soft_wrap=True,
    )


def _reproduce_on_slurm(session: Session, profile_name: str, detach: bool, limit: Limit) -> None:
    _look_on(session, lambda one: _sweep_on_slurm(one, profile_name, detach), limit, None)


def _sweep_on_slurm(session: Session, profile_name: str, detach: bool) -> Any:
    from assay.app.housekeeping import fetch_needed
    from assay.launch import cluster, profiles
    from assay.launch.watching import Display

    console = _console()
    profile = profiles.load(profile_name)
    plan = session.plan()
    states = session.states(plan)
    open_runs = session.todo(plan, states)
    _warn(plan)
    cluster.see_that_it_fits(profile, session.paper, session.scale, open_runs)
    if open_runs or plan.blocked:
        console.print(f"{session.paper} ({session.scale}): {_words(session.counts(plan, states))}")
    found = cluster.attach(session, profile_name, profile)
    display = Display(console)
    launcher = cluster.launcher_for(session, found, profile, report=display, wait=not detach)
    with display.showing():
        swept = cluster.run(session, launcher, fetch_needed)
    if launcher.cancelled or any(o.state == "interrupted" for o in launcher.outcomes.values()):
        raise RunInterrupted(f"sweep {found.id} was cancelled; finished runs are kept. Go on with the same command.")
    if launcher.stopping:
        follower = cluster.detach(found, profile, launcher)
        more = "" if follower is None else f" (job {follower} goes on with it)"
        text = f"sweep {found.id}: {len(launcher.on_the_way)} runs on their way{more}; `assay status {found.id}`"
        if not detach or launcher.interrupted:
            raise RunInterrupted(f"detached from {text}, or the same command waits for it again")
        print(text)
        raise typer.Exit
    return swept


class RunInterrupted(RunFailed):
    """The sweep was stopped by the user."""

    exit_code = INTERRUPTED


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items()) or "nothing to run"


@app.command()
def cross(
    words: Annotated[
        list[str] | None, typer.Argument(help="Keys with one or several values.", metavar="[KEY=VALUES]...")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of every cell.")] = 3,
    workers: Annotated[int, typer.Option(help="Parallel runs; 0 for one a core.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and its cost; run nothing.")] = False,
) -> None:
    """Run a small matrix of parts, e.g. every loss with some optimizers, and write its page.

    \b
    assay cross                                           all losses x (sgd, adamw) on the digits
    assay cross loss=cross_entropy,ldr_kl optimizer=sgd,lion_k optimizer.lr=0.001,0.01
    assay cross data=fashion_mnist data.train=10000 data.val=2000 model.hidden=[64] schedule=constant,cosine
    """
    from assay.app.cross import SLUG, matrix
    from assay.study.session import Session

    if seeds < 1:
        raise UserError(f"--seeds {seeds}: expected one or more")
    session = Session(SLUG, "desk", made=matrix(words or [], seeds))
    if dry_run:
        _dry_run(session, workers)
    else:
        _reproduce(session, workers)


@app.command()
def run(
    signature: Annotated[str, typer.Argument(help="A run's signature, or its beginning.")],
    paper: Annotated[str | None, typer.Option(help="Look in this paper only (faster).")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Stop in the debugger where the run fails.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the configuration and the command; run nothing.")] = False,
) -> None:
    """Repeat one run in the foreground.

    \b
    assay run 3fa9c1                 repeat it and print its numbers
    assay run 3fa9c1 --debug         open the debugger where it fails
    assay run 3fa9c1 --show          its configuration
    """
    from assay.study.session import find_run, train_command

    slug, _, found = find_run(signature, paper)
    assert found is not None
    if show:
        print(json.dumps(found.config, indent=1))
        print(train_command(found.config, slug))
        return
    from assay.app.foreground import run_here

    try:
        code = run_here(found.config, slug, again=True, debug=debug)
    except UserError:
        raise
    except Exception:
        import pdb
        import traceback

        traceback.print_exc()
        if not sys.stdin.isatty():
            raise SystemExit(1) from None
        pdb.post_mortem()
        raise SystemExit(1) from None
    raise SystemExit(code)


@app.command()
def status(
    paper: Annotated[str | None, typer.Argument(help="A paper's slug or a sweep's id; all papers if none.")] = None,
    scale: Scale = "desk",
    as_json: AsJson = False,
    runs: Annotated[bool, typer.Option("--runs", help="One row a run.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Of a sweep: look again until it has ended.")] = False,
) -> None:
    """How far each paper, each experiment of one, or a sweep on a cluster is.

    \b
    assay status                     all papers, and the sweeps on a cluster
    assay status lion_k              the experiments of one
    assay status lion_k --runs       its runs
    assay status lion_k-desk         a sweep: its runs, the scheduler's word, the reasons of failures
    """
    if paper is not None and "-" in paper:
        _sweep_status(paper, as_json, runs, watch)
        return
    if paper is None:
        rows = []
        from assay.config.loading import papers

        for slug in papers():
            session = _session(slug, scale)
            plan = session.plan()
            rows.append({"paper": slug, "runs": len(plan.runs), **session.counts(plan, session.states(plan))})
        _table(rows, as_json, ["paper", "runs", "done", "stale", "failed", "missing", "blocked"])
        if not as_json:
            _print_sweeps()
        return
    session = _session(paper, scale)
    plan = session.plan()
    states = session.states(plan)
    from assay.study.session import cell_name, running

    busy = set(running(session, plan))
    if runs:
        rows = [
            {
                "signature": cell.signature or "-",
                "state": "running"
                if cell.signature in busy
                else states[cell.signature]
                if cell.signature
                else "blocked",
                "cell": cell_name(cell),
                "reason": _reason(session, cell.signature),
            }
            for cell in plan.cells
        ]
        _table(rows, as_json, ["signature", "state", "cell", "reason"])
        return
    by: dict[str, dict[str, Any]] = {}
    for cell in plan.cells:
        row = by.setdefault(cell.experiment, {"experiment": cell.experiment, "runs": 0})
        state = states[cell.signature] if cell.signature else "blocked"
        shown = "running" if cell.signature in busy else state
        row["runs"] += 1
        row[shown] = row.get(shown, 0) + 1
    _table(
        list(by.values()), as_json, ["experiment", "runs", "done", "running", "stale", "failed", "missing", "blocked"]
    )


def _print_sweeps() -> None:
    from assay.launch.sweeps import all_sweeps

    found = all_sweeps()
    if found:
        from assay.launch.watching import rows, summary

        for sweep in found:
            print(summary(sweep, rows(sweep)))


def _sweep_status(name: str, as_json: bool, every: bool, watch: bool) -> None:
    import time

    from assay.launch.accounting import words_of
    from assay.launch.sweeps import find
    from assay.launch.watching import COLUMNS, overview, rows, summary

    sweep = find(name)
    while True:
        found = rows(sweep)
        if as_json:
            print(json.dumps(found, indent=1))
            return
        shown = found if every else overview(found)
        if shown:
            _table(shown, False, COLUMNS)
        print(summary(sweep, found))
        if not watch or not any(row["state"] in ("waiting", "running") for row in found):
            print(words_of(sweep))
            return
        time.sleep(5.0)
        print()


@app.command()
def cancel(sweep: Annotated[str, typer.Argument(help="A sweep's id; `assay status` lists them.")]) -> None:
    """Cancel a sweep's waiting and running tasks; finished runs are kept, and `reproduce` goes on with the others."""
    from assay.launch import site
    from assay.launch.sweeps import find

    found = find(sweep)
    site.require()
    found.cancel()
    queue = site.queue() or {}
    jobs = {job.id for job in found.jobs() if job.id}
    tasks = [name for name in queue if name.partition("_")[0] in jobs]
    site.cancel([*sorted({name.partition("_")[0] for name in tasks}), *site.named(f"{found.id}.next")])
    print(f"cancelled {len(tasks)} tasks of {found.id}")


def _reason(session: Session, signature: str | None) -> str:
    record = session.store.read(signature) if signature else None
    failure = record.failure if record and record.status == "failed" else None
    return f"{failure['class']}: {failure['message'].splitlines()[0]}" if failure else ""


# -- looking --------------------------------------------------------------------------------------------------------


@app.command()
def tryout(
    paper: Paper,
    overrides: Overrides = None,
    scale: Scale = "paper",
    experiments: Experiments = None,
    steps: Annotated[int, typer.Option(help="At most so many timed steps of every kind of run.")] = 100,
    seconds: Annotated[float, typer.Option(help="At most about so many seconds for them.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Make some steps of every kind of run at full size: does it fit on this machine's device, how long will it take?

    Missing data sets are made up, of the right shape. Measurements along a run and reading its data are not counted.

    \b
    assay tryout lion_k                            at paper scale, on the devices that its configuration names
    assay tryout lion_k -e imagenet_resnet50       one experiment
    assay tryout ldr trainer=gpu --json            every kind of run on the GPU
    """
    import tempfile

    from assay.run.tryout import full_steps, workloads

    if steps < 1 or seconds <= 0:
        raise UserError(f"--steps {steps} --seconds {seconds}: expected positive numbers")
    plan = _session(paper, scale, experiments, None, overrides).plan()
    rows, console = [], _console()
    with tempfile.TemporaryDirectory() as folder, console.status("") as status:
        for experiment, runs in workloads(plan):
            status.update(f"{experiment}: {runs[0].config['module']['name']}")
            rows.append(_tried(full_steps(experiment, runs, Path(folder), steps, seconds)))
    _table(rows, as_json)


def _tried(load: Any) -> dict[str, Any]:
    row = {**dataclasses.asdict(load), "hours": None if load.hours is None else float(f"{load.hours:.3g}")}
    return {("ms/step" if key == "milliseconds" else "GPU MiB" if key == "mib" else key): row[key] for key in row}


@app.command()
def report(
    paper: Paper,
    scale: Scale = "desk",
    as_json: AsJson = False,
    committed: Annotated[
        bool, typer.Option("--committed", help="Judge the committed results instead of local records.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="During a sweep: again and again, until it has ended.")
    ] = False,
) -> None:
    """Judge and draw from the records that are there; runs nothing.

    \b
    assay report lion_k              verdicts in the terminal, page in reports/
    assay report lion_k --watch      the same beside a sweep that runs elsewhere, until it has ended
    assay report lion_k --committed  the same from papers/lion_k/results
    """
    from assay.report.terminal import print_verdicts
    from assay.review.judged import errors
    from assay.study.session import check_paper_is_sound, write_report

    session = _session(paper, scale)
    check_paper_is_sound(paper)
    if watch:
        if committed or as_json:
            raise UserError("--watch looks at local records and prints tables: leave --committed and --json out")
        from assay.app.watch import watch as look_on
        from assay.report.terminal import make_console

        verdicts = look_on(session, make_console())
    elif committed:
        from assay.report.committed import write_page

        verdicts = write_page(session)
    else:
        verdicts = write_report(session)
    if as_json:
        print(json.dumps(verdicts, indent=1))
        return
    console = _console()
    print_verdicts(verdicts, console)
    console.print(f"page: {session.report_folder / 'index.html'}", soft_wrap=True)
    broken = [*errors(verdicts), *verdicts.get("figures", ())]
    if broken:
        raise RunFailed("; ".join(broken))


@app.command()
def figures(
    paper: Paper,
    scale: Scale = "desk",
    format: Annotated[str, typer.Option("--format", "-f", help="pdf, png or svg.")] = "pdf",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; reports/PAPER/SCALE/figures if none.")
    ] = None,
) -> None:
    """Write a paper's figures as files, from this machine's records or else the committed results.

    \b
    assay figures lion_k                       PDFs for an appendix, in reports/lion_k/desk/figures
    assay figures lion_k --format png -o img   pictures in img/
    """
    from assay.report.files import write_figures

    session = _session(paper, scale)
    written, left_out = write_figures(paper, scale, out or session.report_folder / "figures", format)
    for path in written:
        print(path)
    for name, reason in left_out.items():
        print(f"left out {name}: {reason}", file=sys.stderr)
    if not written:
        raise UserError(f"{paper}: nothing could be drawn from the {scale} results")


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="local, committed, a commit, a folder, or a scale.", metavar="A")],
    b: Annotated[str, typer.Argument(help="The same; what moved from A to B is shown.", metavar="B")],
    paper: Annotated[list[str] | None, typer.Option("--paper", "-p", help="Only this paper; repeatable.")] = None,
    scale: Scale = "desk",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if anything moved beyond noise.")] = False,
    as_json: AsJson = False,
) -> None:
    """Which verdicts and numbers moved between two sets of results, and whether beyond noise.

    \b
    assay compare committed local -p lion_k      what a refactor or a new torch did to your runs
    assay compare v1.0 HEAD                      the committed results of two commits
    assay compare smoke desk -p lion_k           two scales
    assay compare outputs ../other/outputs       two folders of records, or of published results
    """
    from assay.report.moves import print_comparison
    from assay.report.terminal import make_console
    from assay.review.compare import comparisons

    found = list(comparisons(a, b, paper or [], scale))
    if as_json:
        print(json.dumps([one.as_dict() for one in found], indent=1))
    else:
        for one in found:
            print_comparison(one, a, b, make_console())
    if strict and any(one.moved for one in found):
        raise RunFailed("something moved: " + ", ".join(one.paper for one in found if one.moved))


@app.command()
def export(
    papers: Annotated[list[str] | None, typer.Argument(help="Slugs; all papers with results if none.")] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="parquet or csv.")] = "parquet",
    scale: Scale = "desk",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("export"),
    source: Annotated[
        str | None,
        typer.Option("--from", help="local, committed, a commit or a folder; local or else committed if none."),
    ] = None,
) -> None:
    """Write records as tables with a data dictionary, so that others can redo the statistics.

    \b
    assay export                               all papers with results, as parquet, in export/
    assay export lion_k -f csv -o lion         one paper as CSV
    assay export --from committed              what is committed, whatever was run here
    """
    from assay.app.export import export as write

    for path in write(papers or [], scale, out, format, source):
        print(path)


@app.command("list")
def list_papers(as_json: AsJson = False) -> None:
    """The papers, with what is known of their claims."""
    from assay.report.catalogue import rows

    _table(rows(), as_json)


@app.command()
def parts(
    kind: Annotated[str | None, typer.Option(help="Only this kind, e.g. loss.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every registered part: its kind, name, first line of documentation, source, and the papers that use it."""
    from assay.app.part_table import part_rows

    _table(part_rows(kind), as_json, ["kind", "name", "values", "doc", "source", "papers"])


@app.command()
def board() -> None:
    """Write the board over all papers: reports/index.html, and the table in README.md.

    Papers with committed results get the pages that the board leads to, unless this machine's runs have made them.
    """
    from assay.report.board import update_readme, write_board
    from assay.report.committed import older_than_code, write_missing_pages
    from assay.system import places

    console = _console()
    for page in write_missing_pages():
        console.print(f"page: {page}", soft_wrap=True)
    write_board(places.reports() / "index.html", outdated=older_than_code)
    update_readme()
    console.print(f"board: {places.reports() / 'index.html'}", soft_wrap=True)


@app.command()
def publish(
    paper: Paper,
    scale: Scale = "desk",
    committed: Annotated[
        bool, typer.Option("--committed", help="Judge and draw the committed tables again; needs no records.")
    ] = False,
    replication: Annotated[
        bool, typer.Option("--replication", help="Keep what this machine found beside the committed results.")
    ] = False,
) -> None:
    """Write a complete sweep's tables, verdicts and figures to papers/PAPER/results, and update the READMEs.

    \b
    assay publish lion_k                after `assay reproduce lion_k` has ended
    assay publish lion_k --committed    after an amended claim or a changed figure: the committed tables stay
    assay publish lion_k --replication  after the same on another machine: its verdicts are kept beside them
    """
    from assay.report import publish as publishing

    if committed and replication:
        raise UserError("--committed judges what is committed, --replication adds to it: give one of them")
    session = _session(paper, scale)
    if replication:
        print(publishing.replicate(session))
        return
    for path in publishing.publish_again(paper, scale) if committed else publishing.publish(session):
        print(path)


@app.command()
def attest(paper: Paper, scale: Scale = "desk") -> None:
    """Show that older records still hold: rerun one seed of every arm; identical numbers attest the others."""
    from assay.app.attest import attest as check

    session = _session(paper, scale)
    rows = check(session)
    _table(rows, False, ["experiment", "arm", "records", "verdict", "detail"])
    if any(row["verdict"] == "differs" for row in rows):
        raise RunFailed("some numbers differ: those records stay stale; `assay reproduce` runs them again")


@app.command()
def new(slug: Annotated[str, typer.Argument(help="Name of the paper: small letters, digits, underscores.")]) -> None:
    """Write the files of a new paper from a template that runs at once.

    \b
    assay new my_paper               then: assay reproduce my_paper --scale smoke
    """
    from assay.app.scaffold import create
    from assay.system import places

    for path in create(slug):
        print(path.relative_to(places.ROOT))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What this machine has, what is missing, and how to get it."""
    from assay.app.doctor import findings

    rows = findings()
    _table(rows, as_json, ["what", "state", "detail", "how to get it"])
    if any(row["state"] == "missing" and row["needed"] for row in rows):
        raise SystemExit(1)


@app.command()
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Delete; without it, only say what would go.")] = False,
) -> None:
    """Clear what nothing needs: checkpoints of finished runs, temporary files, artefacts without a record."""
    from assay.app.housekeeping import sweep_up

    files, size = sweep_up(delete)
    _console().print(f"{'deleted' if delete else 'would delete'} {files} files, {size / 2**20:.1f} MiB")


@records_app.command("merge")
def records_merge(
    source: Annotated[Path, typer.Argument(help="Another outputs folder, e.g. copied from a cluster.")],
) -> None:
    """Take over the records of another outputs folder that are whole and not here yet."""
    from assay.records.store import merge
    from assay.system import places

    if not source.is_dir():
        raise UserError(f"{source} is no folder")
    copied, refused = merge(source, places.outputs())
    _console().print(f"{copied} records taken over" + (f", {refused} refused as not whole" if refused else ""))


@records_app.command("relabel")
def records_relabel() -> None:
    """Give records of an earlier rule of code digests the present one where their code is the same; nothing is run."""
    from assay.records.store import Store
    from assay.review.relabel import relabel
    from assay.system import places

    for folder in sorted(places.outputs().glob("*/records")):
        store = Store(folder.parent.name)
        _console().print(f"{store.paper}: {relabel(store)} records relabelled")


@records_app.command("check")
def records_check() -> None:
    """Verify every record's checksum."""
    from assay.records.store import Store
    from assay.system import places

    bad = [
        f"{folder.parent.name}/{name}"
        for folder in sorted(places.outputs().glob("*/records"))
        for name in Store(folder.parent.name).corrupt()
    ]
    for name in bad:
        print(name)
    if bad:
        raise RunFailed(f"{len(bad)} records are not whole; reproduce runs them again")
    print("all records are whole")


@data_app.command("fetch")
def data_fetch(paper: Paper) -> None:
    """Get the data sets that a paper's experiments use, e.g. on a cluster's login node."""
    from assay.app.housekeeping import fetch_for

    _table(fetch_for(paper), False, ["data", "state", "detail"])


@data_app.command("verify")
def data_verify() -> None:
    """Check the files of every data set that is here against its sha256."""
    from assay.data import verify_all

    rows = verify_all()
    _table(rows, False)
    if any(str(row.get("state")) == "corrupt" for row in rows):
        raise RunFailed("some files are corrupt; delete them and fetch again")


@wandb_app.callback()
def _wandb() -> None:
    """A window on the records; docs/wandb.md has more."""


@wandb_app.command("sync")
def wandb_sync(
    paper: Annotated[str | None, typer.Argument(help="A paper's slug; all papers if none.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Write offline run folders instead of sending.")] = False,
) -> None:
    """Send finished records to W&B, one after the other; interrupted, the same command goes on.

    \b
    assay wandb sync                 everything that was not sent before
    assay wandb sync lion_k          one paper
    assay wandb sync --offline       files in outputs/PAPER/wandb, for `wandb sync` on another machine
    """
    from assay.config.loading import check_paper
    from assay.tracking.sync import sync

    if paper is not None:
        check_paper(paper)
    console = _console()
    with console.status("W&B") as status:
        sent, skipped = sync(paper, offline, lambda name, at, of: status.update(f"W&B: {name} {at}/{of}"))
    console.print(f"{sent} records {'written' if offline else 'sent'}, {skipped} were there before")


@wandb_app.command("dashboards")
def wandb_dashboards(
    paper: Annotated[
        list[str] | None, typer.Argument(help="Slugs; all papers with results, and the board, if none.")
    ] = None,
    scale: Scale = "desk",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write what would be sent as JSON; send nothing.")
    ] = None,
) -> None:
    """Make a workspace view for each paper and a report for the board, of the runs that `assay wandb sync` sent.

    \b
    assay wandb dashboards               all of them; again, and they are brought up to date
    assay wandb dashboards lion_k        the view of one paper
    assay wandb dashboards --out specs   JSON files in specs/, no account needed
    """
    from assay.config.loading import check_paper
    from assay.tracking import sync as tracking
    from assay.tracking import views

    slugs = [check_paper(slug) for slug in paper or []]
    if out is not None:
        for path in views.write(views.build(slugs, scale, "entity", tracking.project()), out):
            print(path)
        return
    things = views.build(slugs, scale, views.default_entity(), tracking.project())
    console = _console()
    with console.status("W&B") as status:
        urls = views.send(things, lambda name: status.update(f"W&B: {name}"))
    for name, url in urls.items():
        print(f"{name}: {url}")
