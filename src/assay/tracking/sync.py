"""W&B: a window on the records, never on the critical path.

By default a run writes only its event log, and `assay wandb sync` sends records afterwards. With WANDB_MODE set to
offline or online, runs stream live through Lightning's WandbLogger. Either way the run's id is its signature with six
digits of its code digest, and name, tags, configuration, summary and history are the same: both ways go through
`open_run`, `log_row` and `close_run`.

What is sent is an allowlist: the canonical configuration, the curves, the scalars. Git state, code, console output,
system statistics, host name and requirements are switched off. What W&B hears of the environment is an allowlist, too:
whether, where and how to send is the user's, what a run is and what it is called is ours.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from assay.config import compose
from assay.errors import RunFailed, UserError
from assay.records.digest import digits_of
from assay.records.store import Lock, Record, Store, write_atomically
from assay.registry import KINDS
from assay.system import places

Mode = Literal["online", "offline"]

STEP = "trainer/global_step"
"""The key under which Lightning's WandbLogger logs the step."""

PATIENCE = 30.0
"""Seconds that a run waits at its end, or a start waits for the server, before W&B is given up."""

SYNC_PATIENCE = 300.0
"""Seconds that `sync` waits for one run's upload."""

USERS = {
    "whether anything goes out": r"MODE|DISABLED",
    "where it goes": r"BASE_URL|APP_URL|ENTITY|ORGANIZATION|PROJECT",
    "as whom": r"API_KEY|IDENTITY_TOKEN_FILE|CREDENTIALS_FILE",
    "over which line": r"HTTP_TIMEOUT|FILE_PUSHER_TIMEOUT|INSECURE_DISABLE_SSL|HTTPS?_PROXY|LOGIN_TIMEOUT"
    r"|(X|_)_(PROXIES|EXTRA_HTTP_HEADERS|(FILE_STREAM|FILE_TRANSFER|GRAPHQL)_\w+)",
    "where the client keeps its own files": r"DIR|CONFIG_DIR|DATA_DIR|CACHE_DIR|ARTIFACT_DIR",
    "what the client says": r"SILENT|QUIET|DEBUG|CORE_DEBUG|ERROR_REPORTING",
    "the client's helper process": r"SERVICE|X_EXECUTABLE|(X|_)_SERVICE_WAIT",
}
"""The variables (without WANDB_) that W&B may see, by what they are about.

All others would make the run another one than its record is (WANDB_RUN_ID, WANDB_RESUME, WANDB_FORK_FROM; under
WANDB_SWEEP_ID or WANDB_LAUNCH the client drops the id that it is given), name it otherwise (WANDB_NAME,
WANDB_RUN_GROUP, WANDB_JOB_TYPE, WANDB_TAGS, WANDB_NOTES), or send what is ours to withhold (WANDB_CONFIG_PATHS,
WANDB_HOST, WANDB_GIT_COMMIT, WANDB_SAVE_CODE). Every field of the client's settings has its variable, new ones with
each version, so those that stay are listed and not those that go."""

NOT_SENT = "Fatal error while uploading data"
"""What the client says, as a warning, when it gives an upload up; the run finishes all the same."""

_said: list[str] = []
"""What the client said of the run that was opened last."""

_live_is_off = False
"""Set once W&B has failed in this process: no further run of it pays for the same trouble."""


# -- what a run is called -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Identity:
    """Everything about a W&B run that is known before its first number."""

    id: str
    name: str
    group: str
    kind: str
    tags: tuple[str, ...]
    config: dict[str, Any]
    project: str = field(default_factory=lambda: project())


def project() -> str:
    """The W&B project: `assay`, or what WANDB_PROJECT says."""
    return os.environ.get("WANDB_PROJECT") or "assay"


def run_id(signature: str, code: str) -> str:
    """A run's id: the same computation by other code is another run."""
    return f"{signature}-{digits_of(code)[:6]}"


def identity(store: Store, signature: str, code: str, config: Mapping[str, Any]) -> Identity:
    """What a run is called, with the experiments and arms that it belongs to as tags where they are known."""
    cells = _whereabouts(store.paper, store.folder.parent).of(config)
    name = config["module"]["name"]
    if cells:
        name = setting(cells[0].experiment, cells[0].arm, cells[0].axes)
    tags = {word[:64] for cell in cells for word in (cell.experiment, cell.arm)}
    return Identity(
        id=run_id(signature, code),
        name=f"{name[:100]} seed {config['seed']}",
        group=store.paper,
        kind=name[:64],
        tags=tuple(sorted(tags)),
        config=public_config(config),
    )


def setting(experiment: str, arm: str, axes: Mapping[str, Any]) -> str:
    """What all seeds of one setting share: "net/lion [optimizer.lr=0.01]". It is W&B's job type, to group by."""
    values = ", ".join(f"{key}={value}" for key, value in axes.items())
    return f"{experiment}/{arm}{f' [{values}]' if values else ''}"


def public_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a configuration that may leave this machine: known groups, without paths and credentials."""
    allowed = (*KINDS, *compose.OTHER_GROUPS, "budget", "seed", "inputs")
    return {key: _public(config[key]) for key in sorted(config) if key in allowed}


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _public(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_public(item) for item in value]
    if not isinstance(value, str):
        return value
    if Path(value).is_absolute() or value.startswith("~"):
        return Path(value).name
    return re.sub(r"//[^/@\s]*@", "//", value)  # user and password of a URL


# -- where a run stands in its paper's study ------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """An experiment's arm, and the values on its axes."""

    experiment: str
    arm: str
    axes: Mapping[str, Any]


class Whereabouts:
    """Finds the experiments and arms of a configuration, whatever its seed and its device.

    Planning a paper takes up to seconds, so scales are planned one at a time and only until a run is found, and again
    (a selection may have been decided since) only where that costs a small part of the time that has passed.

    Args:
        store: the paper's records; selections are decided by them.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.known: dict[str, list[Place]] = {}
        self.to_plan = _scales(store.paper)
        self.seconds, self.planned_at = 0.0, time.monotonic()

    def of(self, config: Mapping[str, Any]) -> list[Place]:
        """Where a run stands: evaluations before selections; empty if no study knows it."""
        key = _place_key(config)
        noted = _noted(self.store).get(key)
        if noted:
            return [Place(*words) for words in noted]
        if key not in self.known and not self.to_plan and time.monotonic() - self.planned_at > 20 * self.seconds:
            self.to_plan, self.seconds = _scales(self.store.paper), 0.0
        while key not in self.known and self.to_plan:
            self._plan(self.to_plan.pop(0))
        return self.known.get(key, [])

    def _plan(self, scale: str) -> None:
        from assay.study.session import Session

        began = time.monotonic()
        # A study that does not compose any more has nothing to say about old records.
        with contextlib.suppress(UserError):
            session = Session(self.store.paper, scale, seeds=1, outputs=self.store.folder.parent)
            for key, found in _places_of(session.plan()).items():
                self.known.setdefault(key, found)
        self.planned_at = time.monotonic()
        self.seconds += self.planned_at - began


@functools.cache
def _whereabouts(paper: str, outputs: Path) -> Whereabouts:
    return Whereabouts(Store(paper, outputs))


def prepare(store: Store, plan: Any) -> None:
    """What a sweep does once for all its runs, before workers are forked, where they will stream.

    It imports W&B and writes down where the plan's runs stand, so that no worker has to plan the paper again.
    """
    if live_mode() is None:
        return
    with contextlib.suppress(Exception):
        client()
    found = {key: [[p.experiment, p.arm, dict(p.axes)] for p in here] for key, here in _places_of(plan).items()}
    write_atomically(store.folder / "whereabouts.json", orjson.dumps({**_noted(store), **found}))


def _noted(store: Store) -> dict[str, Any]:
    return _read_json(store.folder / "whereabouts.json")


def _places_of(plan: Any) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for cell in sorted((c for c in plan.cells if c.signature), key=lambda c: c.stage):
        here = found.setdefault(_place_key(plan.runs[cell.signature].config), [])
        if not any((p.experiment, p.arm) == (cell.experiment, cell.arm) for p in here):
            here.append(Place(cell.experiment, cell.arm, cell.axes))
    return found


def _place_key(config: Mapping[str, Any]) -> str:
    """A configuration's signature without what differs between seeds and machines."""
    rest = {key: value for key, value in config.items() if key not in ("seed", "trainer", "inputs")}
    return compose.signature({**rest, "trainer": {}, "needs": sorted(config.get("inputs", ()))})


def _scales(paper: str) -> list[str]:
    from assay.config.loading import papers
    from assay.study.declared import SCALES

    return list(SCALES) if paper in papers() else []


# -- the W&B run itself ---------------------------------------------------------------------------------------------


def open_run(who: Identity, folder: Path, mode: Mode, patience: float) -> Any:
    """Start or continue a W&B run that carries nothing but what it is given.

    Args:
        who: its id, name, group, job type, tags and configuration.
        folder: W&B's own files go to `wandb/` below it.
        mode: "online", or "offline" for files that `wandb sync` can send.
        patience: seconds to wait for the server, at the start and at the end.
    """
    wandb = client()
    _said.clear()
    wandb.setup(wandb.Settings(silent=True, show_warnings=False, sagemaker_disable=True))
    wandb.termsetup(wandb.Settings(silent=True, show_warnings=False), _Listener())
    if mode == "online" and not wandb.login(prompt=False, verify=False):
        raise UserError("no W&B key on this machine: run `wandb login`, or set WANDB_MODE=offline")
    folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        id=who.id, name=who.name, project=who.project, group=who.group, job_type=who.kind, tags=who.tags,
        config=who.config, dir=folder, mode=mode, resume="allow", settings=_settings(patience),
    )  # fmt: skip
    given = (run.id, run.project, run.settings.mode)
    if given != (who.id, who.project, mode):
        run.finish(exit_code=1)
        raise NotSent(f"asked for the {mode} run {who.project}/{who.id}, it began {given[2]} {given[1]}/{given[0]}")
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return run


class NotSent(Exception):
    """W&B has not got what it was given, or not under its id."""


class _Listener:
    """Where W&B's words to the user go while it is silent."""

    def info(self, text: str) -> None:
        """What needs no one."""

    def warning(self, text: str) -> None:
        """Keep a warning."""
        _said.append(text)

    error = warning


def client() -> Any:
    """W&B's package, for a process whose environment says nothing about a run any more."""
    stays = re.compile(f"WANDB_({'|'.join(USERS.values())})")
    for name in [name for name in os.environ if name.startswith("WANDB_") and not stays.fullmatch(name)]:
        del os.environ[name]
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # crash reports would carry the machine's name
    import wandb

    return wandb


def _settings(patience: float) -> Any:
    import wandb

    return wandb.Settings(
        reinit="create_new",  # never another run of this process
        init_timeout=patience,
        finish_timeout=patience,
        finish_timeout_raises=True,
        console="off",
        disable_git=True,
        disable_code=True,
        save_code=False,
        host="",
        program="",
        program_relpath="",
        symlink=False,  # one name for many runs at once
        silent=True,
        show_warnings=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        sagemaker_disable=True,
    )


def log_row(run: Any, values: Mapping[str, float], step: int) -> None:
    """One row of history. A step that the run has already is ignored by W&B, so rows can be sent again."""
    run.log({**values, STEP: step}, step=step, commit=True)


def close_run(run: Any, scalars: Mapping[str, float] | None) -> None:
    """Finish a run: with its record's scalars as its summary, or as failed.

    Raises:
        NotSent: W&B has not got it all.
        Exception: what W&B raised, e.g. at a time-out.
    """
    if scalars is not None:
        run.summary.update(dict(scalars))
    run.finish(exit_code=0 if scalars is not None else 1)
    lost = next((text for text in _said if NOT_SENT in text), None)
    if lost is not None:
        raise NotSent(lost)
    if run.settings.mode == "offline" and not Path(run.settings.sync_file).exists():
        raise NotSent("it has written no file")
    shutil.rmtree(run.settings.log_dir, ignore_errors=True)  # its debug log names this machine's folders


def history(curves: Mapping[str, Any]) -> list[tuple[int, dict[str, float]]]:
    """Curves ({name: {"step": [...], "value": [...]}}) as rows in the order of their steps."""
    rows: dict[int, dict[str, float]] = {}
    for name, curve in curves.items():
        for step, value in zip(curve["step"], curve["value"], strict=True):
            rows.setdefault(int(step), {})[name] = value
    return sorted(rows.items())


# -- live -----------------------------------------------------------------------------------------------------------


def live_mode() -> Mode | None:
    """Whether runs stream: what WANDB_MODE says, in the words of W&B, old ones included."""
    modes: dict[str | None, Mode] = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline"}
    return None if switched_off() else modes.get(os.environ.get("WANDB_MODE"))


def switched_off() -> str | None:
    """The variable that switches W&B off, if one does."""
    if os.environ.get("WANDB_MODE") == "disabled":
        return "WANDB_MODE"
    on = os.environ.get("WANDB_DISABLED", "").lower() in ("1", "t", "true", "y", "yes", "on")
    return "WANDB_DISABLED" if on else None


def see_that_it_is_on(else_: str) -> None:
    """See, where somebody asks for W&B itself, that the environment does not say otherwise.

    Raises:
        UserError: naming the variable.
    """
    off = switched_off()
    if off:
        raise UserError(f"{off} is '{os.environ[off]}': unset it {else_}")


@contextlib.contextmanager
def live_logger(store: Store, signature: str, config: Mapping[str, Any]) -> Iterator[Any]:
    """A live W&B logger for a run where the environment asks for one, else None.

    The run's record is written before the logger is closed. Whatever goes wrong with W&B is said once.
    """
    logger = _start(store, signature, config)
    try:
        yield logger
    finally:
        if logger is not None:
            _end(logger, store, signature)


def _start(store: Store, signature: str, config: Mapping[str, Any]) -> Any:
    mode = live_mode()
    if mode is None or _live_is_off:
        return None
    try:
        from assay.records.codes import code_of
        from assay.tracking.live import LiveLogger

        return LiveLogger(store, signature, code_of(config, store), config, mode)
    except UserError:
        raise  # the run itself will say the same
    except Exception as error:
        _give_up(error)
        return None


def _end(logger: Any, store: Store, signature: str) -> None:
    failed = sys.exc_info()[0] is not None
    from assay.records.codes import holds

    record = None if failed else store.read(signature)
    done = record is not None and record.status == "done" and holds(record, logger.code)
    try:
        if logger.close(record.scalars if record is not None and done else None) and done:
            _mark_streamed(store, signature, logger.mode, logger.version)
    except Exception as error:
        _give_up(error)


def _give_up(error: Exception) -> None:
    global _live_is_off
    _live_is_off = True
    print(
        f"assay: W&B does not work here ({_line(error)}); runs go on without it, "
        "`assay wandb sync` sends their records later",
        file=sys.stderr,
        flush=True,
    )
    # What W&B does at the interpreter's end may wait for ever for a helper that does not answer: done here, bounded.
    ending = threading.Thread(target=_tear_down, name="wandb-teardown", daemon=True)
    ending.start()
    ending.join(1.0)


def _tear_down() -> None:
    if "wandb" in sys.modules:
        with contextlib.suppress(Exception):
            sys.modules["wandb"].teardown()


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (re.sub(r"//[^/@\s]*@", "//", text) or type(error).__name__)[:200]


# -- afterwards -----------------------------------------------------------------------------------------------------


def sync(
    paper: str | None = None,
    offline: bool = False,
    told: Callable[[str, int, int], None] = lambda paper, done, total: None,
) -> tuple[int, int]:
    """Send finished records to W&B, in the order in which they were finished, one after the other.

    What was sent is marked after each run, so an interrupted sync goes on where it stopped.

    Args:
        paper: whose records; those of all papers if None.
        offline: write offline run folders to outputs/<paper>/wandb instead.
        told: told (paper, records looked at, records) along the way.

    Returns:
        How many records were sent, and how many had been sent before.

    Raises:
        UserError: no records, or another sync of this paper is at work.
        RunFailed: W&B failed; what was sent until then is marked.
    """
    if not offline:
        see_that_it_is_on("to send records, or write files with --offline")
    mode: Mode = "offline" if offline or live_mode() == "offline" else "online"
    sent = skipped = 0
    try:
        for store in _stores(paper):
            for done, total, was_sent in _sync_store(store, mode):
                sent, skipped = sent + was_sent, skipped + (not was_sent)
                told(store.paper, done, total)
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise RunFailed(
            f"W&B: {_line(error)}; {sent} records were sent before, the same command goes on from there"
        ) from error
    return sent, skipped


def _stores(paper: str | None) -> list[Store]:
    if paper is not None:
        if not Store(paper).records.is_dir():
            raise UserError(f"there are no records of '{paper}' in {places.outputs().name}/")
        return [Store(paper)]
    return [Store(folder.parent.name) for folder in sorted(places.outputs().glob("*/records"))]


def _sync_store(store: Store, mode: Mode) -> Iterator[tuple[int, int, bool]]:
    """Send a store's finished records; yields (looked at, of how many, whether it was sent now)."""
    lock = Lock(store.folder / "wandb")
    if not lock.acquire():
        raise UserError(f"another sync of {store.paper} is at work")
    try:
        marks = _read_json(store.folder / "synced.json")
        sent = marks.setdefault(destination(mode), {})
        records = sorted((r for r in store if r.status == "done"), key=_finished)
        for done, record in enumerate(records, 1):
            id_ = run_id(record.signature, record.code)
            if id_ in (sent.get(record.signature), _streamed(store, record.signature, mode)):
                yield done, len(records), False
                continue
            send(record, store, mode)
            sent[record.signature] = id_
            write_atomically(store.folder / "synced.json", orjson.dumps(marks, option=orjson.OPT_INDENT_2))
            yield done, len(records), True
    finally:
        lock.release()


def _finished(record: Record) -> tuple[str, str]:
    return str(record.provenance.get("finished", "")), record.signature


def send(record: Record, store: Store, mode: Mode) -> None:
    """Make one W&B run of one record."""
    who = identity(store, record.signature, record.code, record.config)
    run = open_run(who, store.folder, mode, SYNC_PATIENCE)
    try:
        for step, values in history(record.curves):
            log_row(run, values, step)
        close_run(run, record.scalars)
    except BaseException:
        with contextlib.suppress(Exception):
            run.finish(exit_code=1)
        raise


def destination(mode: Mode) -> str:
    """Where runs go, as a mark of what was sent: without credentials, and the same on every machine."""
    if mode == "offline":
        return f"offline/{project()}"
    server = re.sub(r"^\w+://([^/@]*@)?", "", os.environ.get("WANDB_BASE_URL", "")).rstrip("/")
    return "/".join(["online", *filter(None, (server, os.environ.get("WANDB_ENTITY"))), project()])


def _mark_streamed(store: Store, signature: str, mode: Mode, id_: str) -> None:
    """Live runs end in many processes, so each has a mark of its own."""
    path = store.run_folder(signature) / "streamed.json"
    write_atomically(path, orjson.dumps({**_read_json(path), destination(mode): id_}))


def _streamed(store: Store, signature: str, mode: Mode) -> str | None:
    return _read_json(store.run_folder(signature) / "streamed.json").get(destination(mode))


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none or it is damaged: these files only save work."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
