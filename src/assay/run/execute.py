"""One run, from a configuration to a record: seed, build, fit, finish, write.

Everything that runs goes through `execute`: a worker of a sweep, a task on a cluster, `python -m assay.train` and
`assay run`. It owns the run's lock, resumes from the newest valid checkpoint, and leaves a record or, when the run
failed, a record that says why.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import math
import os
import resource
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import torch

from assay.config import compose
from assay.errors import DataMissing, ProcessLost, UserError
from assay.module import Diverged, PaperModule
from assay.records import digest
from assay.records.codes import code_of, holds
from assay.records.store import Lock, Record, StorageError, Store, storage_error, write_atomically
from assay.run.build import build, move_data
from assay.system import contents, places
from assay.system.lightning import LightningEnvironment, callback_connector, pl

if TYPE_CHECKING:
    from assay.run.team import Team

# Lightning's remarks (devices found, tips, why fit ended) say nothing that a run's own lines do not.
for _name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
    logging.getLogger(_name).setLevel(logging.ERROR)

# Lightning tells torch to ask for GPUs through NVML, to be safe before a fork. torch's optimizers ask at every step,
# and without a GPU each time loads the library anew: 0.3 ms, a tenth of a small network's step. Runs that use a GPU
# are not forked, so the usual question will do.
os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)

# Lightning lets installed packages add callbacks to every Trainer, and looks through the metadata of all packages for
# them: 20 ms a run. A run has the callbacks that stand here and no others.
callback_connector._load_external_callbacks = lambda group: []  # type: ignore[attr-defined]

CHECKPOINT_SECONDS = 60.0
KEEP_CHECKPOINTS = 2
FROM_THE_START = "from the start"


class Interrupted(Exception):
    """The run was asked to stop; its checkpoint lets the next one go on."""


@dataclass
class Hooks:
    """What the surroundings want to know of a run, or tell it.

    Attributes:
        should_stop: asked at every block end; True interrupts with a checkpoint.
        progress: told (steps done, total) at block ends.
        logger: a Lightning logger that receives the curves live, if any.
        checkpoint_seconds: time between two checkpoints; 0 for one at every block end.
        interactive: someone is watching: what they got wrong is said at once instead of being recorded.
        computed: set by `execute`: whether it did the run, or found a record that someone else had just written.
    """

    should_stop: Callable[[], bool] = lambda: False
    progress: Callable[[int, int], None] = lambda done, total: None
    logger: Any = None
    checkpoint_seconds: float = field(
        default_factory=lambda: float(os.environ.get("ASSAY_CHECKPOINT_SECONDS", CHECKPOINT_SECONDS))
    )
    interactive: bool = False
    computed: bool = False


def execute(
    config: Mapping[str, Any], store: Store, hooks: Hooks | None = None, again: bool = False, debug: bool = False
) -> Record | None:
    """Do one run and keep its record.

    Args:
        config: a configuration as `compose.assemble` returns it.
        store: where its record goes.
        hooks: what to ask and tell while running.
        again: run even if there is a record that is done and fresh.
        debug: let an exception through instead of recording it.

    Returns:
        The record, or None while someone else is at this run.

    Raises:
        Interrupted: `hooks.should_stop` said so; a checkpoint is kept.
        UserError: results cannot be written.
    """
    hooks = hooks or Hooks()
    if math.prod(compose.processes(config["trainer"])) > 1:
        from assay.run.team import joined

        try:
            with joined(config, store.paper, store.folder.parent) as team:
                return _execute(config, store, hooks, again, debug, team)
        except ProcessLost as error:  # they did not find together
            if debug:
                raise
            signature = compose.signature(config)
            store.write_failed(signature, code_of(config, store), config, "node", _scrub(str(error)))
            return store.read(signature)
    return _execute(config, store, hooks, again, debug)


def _execute(
    config: Mapping[str, Any], store: Store, hooks: Hooks, again: bool, debug: bool, team: Team | None = None
) -> Record | None:
    signature = compose.signature(config)
    folder = store.run_folder(signature)
    lock = Lock(folder)
    try:
        if not lock.acquire():
            return None
    except OSError as error:
        raise storage_error(error, folder) from None
    try:
        code = code_of(config, store)
        known = store.read(signature)
        if known is not None and known.status == "done" and holds(known, code) and not again:
            return known
        record = _attempt(dict(config), signature, code, store, folder, hooks, debug, team)
        if lock.owned():  # a late finish by a former owner is discarded
            store.write(record)
            if record.status == "done":
                store.forget_run(signature)
        return record
    finally:
        lock.release()


def _attempt(
    config: dict[str, Any],
    signature: str,
    code: str,
    store: Store,
    folder: Path,
    hooks: Hooks,
    debug: bool,
    team: Team | None,
) -> Record:
    started = time.time()
    hooks.computed = True
    record = Record(signature, code, "done", config)
    try:
        with contents.watched() as read:
            module = _built(config, store, folder, team)
        record.data = contents.sums(path for path in read if not path.is_relative_to(store.folder.absolute()))
        log = _EventLog(folder / "events.jsonl")
        checkpoints = _Checkpoints(folder, signature, code, record.data)
        state = checkpoints.newest()
        if team is not None:
            team.begin(state or FROM_THE_START)
        if state is not None:
            module.resume(state)
        log.keep_until(module.steps_done)
        _fit(module, config, hooks, log, checkpoints)
        module.finish()
        log.write({"step": module.steps_done, "scalars": module.scalars})
        log.close()
        record.scalars = {name: float(value) for name, value in module.scalars.items()}
        record.units = module.units
        record.curves = {name: {"step": [*c.step], "value": [*c.value]} for name, c in module.curves.items()}
        record.artefacts = {name: store.keep_artefact(_npz(arrays)) for name, arrays in module.artefacts.items()}
    except (Interrupted, StorageError):
        raise
    except OSError as error:
        if (
            error.errno is not None
            and isinstance(storage_error(error, folder), StorageError)
            and error.errno in (28, 122, 30)
        ):
            raise storage_error(error, folder) from None
        _fail(record, error)
    except Exception as error:
        if debug or (hooks.interactive and isinstance(error, UserError)):
            raise
        _fail(record, error)
    record.provenance = {
        "seconds": round(time.time() - started, 4),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "threads": torch.get_num_threads(),
        **({"processes": team.place.world} if team is not None else {}),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **digest.commit(),
        "versions": digest.versions(),
        "machine": digest.machine(),
        "schema": compose.SIGNATURE_SCHEMA,
    }
    if torch.cuda.is_available() and config["trainer"]["device"] == "cuda":
        record.provenance["gpu"] = torch.cuda.get_device_name()
        record.provenance["gpu_peak_mib"] = torch.cuda.max_memory_allocated() // 2**20
    return record


def follow(config: Mapping[str, Any], store: Store) -> None:
    """Do a run's steps as one of several processes, none of whose results anyone looks at but the gradients.

    Returns when the run has ended, or was stopped, or has nothing left to do.
    """
    from assay.run.team import joined

    with joined(config, store.paper, store.folder.parent) as team:
        folder = store.run_folder(compose.signature(config))
        module = _built(config, store, folder, team)
        state = team.begin()
        if state is None:
            return
        if state != FROM_THE_START:
            module.resume(state)
        with contextlib.suppress(Interrupted):
            _train(module, config, [_AtFollowersBlockEnds(team)])


def _built(config: Mapping[str, Any], store: Store, folder: Path, team: Team | None) -> PaperModule:
    module = build(config, store, folder, team)
    if team is not None and not module.spreads():
        raise UserError(f"{config['module']['name']} runs on one device with these parts: leave trainer.devices at 1")
    return module


def make_trainer(
    config: Mapping[str, Any], callbacks: list[Any], logger: Any = None, team: Team | None = None
) -> pl.Trainer:
    """A Lightning Trainer with everything switched off that Assay does itself."""
    cuda = config["trainer"]["device"] == "cuda"
    if cuda and not torch.cuda.is_available():
        raise UserError("trainer.device=cuda: this machine has no usable GPU (try trainer=cpu)")
    # Slurm's variables describe the job, not this run.
    nodes, devices = compose.processes(config["trainer"])
    plugins: list[Any] = [LightningEnvironment()]
    spread: dict[str, Any] = {}
    if team is not None:
        from assay.run.team import environment

        plugins = [environment(team)]
        spread = {"strategy": "ddp", "num_nodes": nodes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            accelerator="gpu" if cuda else "cpu",
            devices=devices,
            precision={"32": "32-true", "64": "64-true"}.get(
                config["trainer"]["precision"], config["trainer"]["precision"]
            ),
            max_epochs=1,
            logger=logger or False,
            callbacks=callbacks,
            plugins=plugins,
            **spread,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
        )
    # Signals have one owner and it is not Lightning: its handler of SIGTERM would broadcast in the middle of a sum of
    # gradients, and wait for processes that may be gone.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


def _fit(
    module: PaperModule, config: Mapping[str, Any], hooks: Hooks, log: _EventLog, checkpoints: _Checkpoints
) -> None:
    _train(module, config, [_AtBlockEnds(module, hooks, log, checkpoints)], hooks.logger)


def _train(module: PaperModule, config: Mapping[str, Any], callbacks: list[Any], logger: Any = None) -> None:
    plain = {**config, "trainer": {**config["trainer"], "device": "cpu"}} if module.device_free else config
    trainer = make_trainer(plain, callbacks, logger, module.team)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module)
    if not module.device_free:
        # Lightning has taken the module back to the CPU; `finish` finds it beside its data again.
        module.to("cuda" if config["trainer"]["device"] == "cuda" else "cpu")


class _AtBlockEnds(pl.Callback):
    """Measures, logs, checkpoints and listens for a stop, at block ends only."""

    def __init__(self, module: PaperModule, hooks: Hooks, log: _EventLog, checkpoints: _Checkpoints) -> None:
        self.hooks, self.events, self.checkpoints = hooks, log, checkpoints
        self.total = module.total
        self.measured = set(module.measure_at(self.total))
        self.saved = time.monotonic()
        self.began_at = module.steps_done

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        move_data(pl_module)
        if pl_module.steps_done == 0 and 0 in self.measured:
            self._measure(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if pl_module.team is not None:
            pl_module.team.agree(pl_module.buffers())
        if pl_module.steps_done in self.measured:
            self._measure(trainer, pl_module)
        done = pl_module.steps_done
        self.hooks.progress(done, self.total)
        last = done >= self.total
        stop = not last and self.hooks.should_stop()
        if pl_module.team is not None:
            stop = pl_module.team.any(stop)
        if not last and (stop or time.monotonic() - self.saved >= self.hooks.checkpoint_seconds):
            self.events.flush()
            self.checkpoints.save(pl_module)
            self.saved = time.monotonic()
        if stop:
            raise Interrupted(f"stopped after step {done} of {self.total}")

    def _measure(self, trainer: pl.Trainer, module: PaperModule) -> None:
        values = module.take_measurement()
        if values:
            self.events.write({"step": module.steps_done, **values})
            if trainer.logger is not None:
                trainer.logger.log_metrics(values, step=module.steps_done)


class _AtFollowersBlockEnds(pl.Callback):
    """What a follower does at block ends: take over what its rows alone have made, and stop when it is told to."""

    def __init__(self, team: Team) -> None:
        self.team = team

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        move_data(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        self.team.agree(pl_module.buffers())
        if self.team.any(False):
            raise Interrupted


class _EventLog:
    """A run's local event log: one JSON line a measurement; what dashboards are fed from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[bytes] = []

    def keep_until(self, step: int) -> None:
        """Drop events after a step: they belong to work that was lost and is done again."""
        kept: list[bytes] = []
        if step and self.path.exists():
            for line in self.path.read_bytes().splitlines():
                try:
                    event = orjson.loads(line)
                except orjson.JSONDecodeError:
                    break
                if event["step"] <= step and "scalars" not in event:
                    kept.append(line)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("wb")
        self.file.write(b"".join(line + b"\n" for line in kept))
        self.file.flush()

    def write(self, event: Mapping[str, Any]) -> None:
        """Append an event; non-finite numbers become words."""
        clean = {k: v if not isinstance(v, float) or np.isfinite(v) else str(v) for k, v in event.items()}
        self.file.write(orjson.dumps(clean) + b"\n")

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self.file.flush()

    def close(self) -> None:
        """Finish the log."""
        self.file.close()


class _Checkpoints:
    """The newest checkpoints of a run: checksummed, written whole, loaded without running any code."""

    def __init__(self, folder: Path, signature: str, code: str, data: Mapping[str, str]) -> None:
        self.folder = folder
        self.made_of = {"signature": signature, "code": code, "data": dict(data)}

    def save(self, module: PaperModule) -> None:
        """Write a checkpoint and drop all but the last two."""
        buffer = io.BytesIO()
        torch.save({**module.checkpoint(), **self.made_of}, buffer)
        content = buffer.getvalue()
        write_atomically(
            self.folder / f"checkpoint-{module.steps_done:012d}.pt", hashlib.sha256(content).digest() + content
        )
        for old in sorted(self.folder.glob("checkpoint-*.pt"))[:-KEEP_CHECKPOINTS]:
            old.unlink(missing_ok=True)

    def newest(self) -> dict[str, Any] | None:
        """The newest checkpoint that is whole and was made by the same code of the same files; None to start afresh."""
        for path in sorted(self.folder.glob("checkpoint-*.pt"), reverse=True):
            content = path.read_bytes()
            if hashlib.sha256(content[32:]).digest() != content[:32]:
                continue
            state: dict[str, Any] = torch.load(io.BytesIO(content[32:]), weights_only=True)
            if all(state.get(key) == value for key, value in self.made_of.items()):
                return state
        return None


def _npz(arrays: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    plain: dict[str, Any] = {name: np.asarray(value) for name, value in arrays.items()}
    np.savez_compressed(buffer, **plain)
    return buffer.getvalue()


def _fail(record: Record, error: BaseException) -> None:
    record.status = "failed"
    text = "".join(traceback.format_exception(error))
    record.failure = {
        "class": failure_class(error),
        "message": _scrub(f"{type(error).__name__}: {error}")[:2000],
        "traceback": _scrub(text)[-8000:],
    }


def failure_class(error: BaseException) -> str:
    """Which of the known classes of failure an exception belongs to."""
    text = str(error).lower()
    memory = "out of memory" in text or "can't allocate memory" in text or "cannot allocate memory" in text
    if isinstance(error, MemoryError) or memory or getattr(error, "errno", None) == 12:
        return "oom"
    if isinstance(error, (Diverged, FloatingPointError)):
        return "nan"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ProcessLost):
        return "node"
    if isinstance(error, DataMissing):
        return "data"
    return "code"


def _scrub(text: str) -> str:
    """Text without this machine's paths."""
    return text.replace(str(places.ROOT) + os.sep, "").replace(str(Path.home()), "~")
