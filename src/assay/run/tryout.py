"""Trying a big configuration out before it is paid for.

A paper-scale run needs a cluster, but whether its parts fit together can be seen anywhere: the model is built at
full size without memory, and one step is made with the sizes that parts declare as `reduced` and synthetic data of
the right shape. Where there is a device of the right size, `assay tryout` makes some steps of every kind of run at
full size, so that memory and hours are known before a cluster is asked for them.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from assay.config import compose
from assay.data.base import Data
from assay.errors import DataMissing
from assay.module import Block, PaperModule
from assay.records.store import Store
from assay.registry import KINDS
from assay.seeds import Seeds
from assay.study.declared import Plan, Run
from assay.system.lightning import pl

SAMPLES = 16
"""Rows of synthetic data, for a reduced step."""

BATCH = 4

ROWS = {"cifar10": 50_000, "cifar100": 50_000, "imagenet": 1_281_167, "kuzushiji49": 232_365, "tiny_imagenet": 100_000}
"""Training rows of sets that may be missing, as published."""

WARM_UP = 3
"""Steps before the clock starts: kernels are chosen and memory is taken in the first ones."""


def reduce(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with every part at its reduced values, one step long, on the CPU."""
    small = {kind: _reduced(kind, node) if kind in KINDS else node for kind, node in config.items()}
    batch = config["budget"]["batch"]
    small["budget"] = {"steps": 1, "epochs": None, "batch": min(batch, BATCH) if batch else None}
    small["trainer"] = {**config["trainer"], "device": "cpu", "precision": "32", "threads": 1}
    return small


def _reduced(kind: str, node: Mapping[str, Any]) -> dict[str, Any]:
    part = KINDS[kind][node["name"]]
    out = {**node, **part.reduced}
    for key, item in part.fields.items():
        if item.nests and isinstance(node.get(key), Mapping):
            out[key] = _reduced(item.nests, node[key])
    return out


def full_size(config: Mapping[str, Any]) -> int | None:
    """Parameters of the full-size model, built on the meta device; None for a run without one."""
    if "model" not in config or "data" not in config:
        return None
    data: Data = KINDS["data"].build(config["data"])
    _load(data, Seeds(config["seed"]))
    with torch.device("meta"):
        model = KINDS["model"].build(config["model"])(data.inputs, data.outputs)
    return sum(p.numel() for p in model.parameters())


def one_step(config: Mapping[str, Any], needed: Mapping[str, Mapping[str, Any]], folder: Path) -> PaperModule:
    """One real step of the reduced configuration.

    Args:
        config: a full-size configuration.
        needed: by signature, the configurations of the runs that it needs; they are tried out first, in full length.
        folder: where their artefacts may go.
    """
    small = reduce(config)
    store = Store("tryout", folder)
    if small.get("inputs"):
        small["inputs"] = {name: _provide(needed[signature], store) for name, signature in small["inputs"].items()}
    module = _built(small, store, folder)
    block = next(module.blocks())
    module.training_step(type(block)(block.start, block.start + 1), 0)
    module.take_measurement()
    return module


def _provide(config: Mapping[str, Any], store: Store) -> str:
    """Do a needed run, reduced, and return the signature of its record."""
    from assay.run import execute

    small = {**reduce(config), "budget": config["budget"]}
    record = execute.execute(small, store)
    assert record is not None
    if record.status == "failed":
        raise RuntimeError((record.failure or {})["traceback"])
    return compose.signature(small)


@dataclass(frozen=True)
class Workload:
    """What a kind of run takes at full size, without its measurements and without reading its data.

    Attributes:
        experiment, runs: where it stands first in the plan, and how many runs of the plan are of its kind.
        what: its module, data, model and optimizer.
        parameters: of the model; None for a run without one.
        device: where it was tried out.
        milliseconds: a step's, the mean over `steps` steps; None where none were made.
        mib: the most GPU memory that was taken at once, the data set's own left out; None on a CPU.
        total: steps of a run; None where that hangs on data that are not here.
        note: why no step was made.
    """

    experiment: str
    what: str
    runs: int
    parameters: int | None
    device: str
    batch: int | None
    steps: int = 0
    milliseconds: float | None = None
    mib: int | None = None
    total: int | None = None
    note: str = ""

    @property
    def hours(self) -> float | None:
        """Of one run."""
        known = self.milliseconds is not None and self.total is not None
        return self.milliseconds * self.total / 3.6e6 if known else None  # type: ignore[operator]


def workloads(plan: Plan) -> Iterator[tuple[str, list[Run]]]:
    """The kinds of runs of a plan that take steps, with the experiment that each stands in first.

    Runs are of one kind if they share module, data, model, optimizer, batch, device and precision, and every value
    that parts declare as a size (`reduced`).
    """
    where = {signature: cells[0].experiment for signature, cells in plan.where().items()}
    found: dict[str, list[Run]] = {}
    for run in plan.runs.values():
        if run.config["budget"]["steps"] or run.config["budget"]["epochs"]:
            found.setdefault(repr(_kind(run.config)), []).append(run)
    for runs in found.values():
        yield where.get(runs[0].signature, ""), runs


def _kind(config: Mapping[str, Any]) -> list[Any]:
    parts = [_sizes(kind, config[kind]) for kind in ("module", "data", "model") if kind in config]
    optimizer = config["optimizer"]["name"] if "optimizer" in config else None
    return [*parts, optimizer, config["budget"]["batch"], config["trainer"]["device"], config["trainer"]["precision"]]


def _sizes(kind: str, node: Mapping[str, Any]) -> list[Any]:
    part = KINDS[kind][node["name"]]
    nested = [_sizes(item.nests, node[key]) for key, item in part.fields.items() if item.nests and node.get(key)]
    return [node["name"], *((key, node[key]) for key in sorted(part.reduced)), *nested]


def full_steps(experiment: str, runs: list[Run], folder: Path, steps: int = 100, seconds: float = 5.0) -> Workload:
    """Make some steps of a kind of run at full size, where its trainer says, on synthetic data if its own are missing.

    Args:
        experiment, runs: as `workloads` gives them; the first run is the one that is tried out.
        folder: for what the run writes.
        steps, seconds: at most so many steps beyond the `WARM_UP`, for about that time.

    Raises:
        UserError: the trainer's device is not on this machine.
    """
    from assay.run import execute

    config = runs[0].config
    cuda = config["trainer"]["device"] == "cuda"
    row: dict[str, Any] = {
        "experiment": experiment,
        "what": " ".join(config[k]["name"] for k in ("module", "data", "model", "optimizer") if k in config),
        "runs": len(runs),
        "parameters": None,
        "device": torch.cuda.get_device_name() if cuda and torch.cuda.is_available() else config["trainer"]["device"],
        "batch": config["budget"]["batch"],
    }
    if runs[0].needs:
        return Workload(**row, note="needs artefacts of other runs")
    samples = 2 * (config["budget"]["batch"] or SAMPLES // 2)
    clock = _Clock(seconds)
    trainer = execute.make_trainer(config, [clock])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = _built(config, Store("tryout", folder), folder, samples)
            row["parameters"] = sum(p.numel() for p in module.parameters()) or None
            made_up = "data" in config and len(module.data.train) == samples
            row["total"] = _total(module, config, made_up)
            module.blocks = lambda: _blocks(min(module.total, WARM_UP + steps))  # type: ignore[method-assign]
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            trainer.fit(module)
    except DataMissing as error:
        return Workload(**row, note=str(error))
    except torch.cuda.OutOfMemoryError:
        return Workload(**row, note="out of memory")
    except _Enough:
        pass
    if cuda:
        row["mib"] = (torch.cuda.max_memory_allocated() - clock.data) // 2**20
    if not clock.steps:
        return Workload(**row, note=f"ended within its first {WARM_UP} steps")
    return Workload(**row, steps=clock.steps, milliseconds=float(f"{clock.seconds / clock.steps * 1e3:.3g}"))


def _total(module: PaperModule, config: Mapping[str, Any], made_up: bool) -> int | None:
    """A run's steps with its real data; None where they are missing and nobody knows how many rows they have."""
    if config["budget"]["steps"]:
        return int(config["budget"]["steps"])
    if "data" not in config:
        return module.total
    rows = len(module.data.train) if not made_up else config["data"].get("train") or ROWS.get(config["data"]["name"])
    return module.budget.total(rows) if isinstance(rows, int) else None


def _blocks(total: int) -> Iterator[Block]:
    """The warm-up in single steps, then blocks that double in length: what a block costs beside its steps fades."""
    start, length = 0, 1
    while start < total:
        stop = min(start + length, total)
        yield Block(start, stop)
        start, length = stop, 1 if stop <= WARM_UP else 2 * length


class _Enough(Exception):
    """The clock has seen enough."""


class _Clock(pl.Callback):
    """Times blocks, the device's work included, and stops the run when it has seen enough."""

    def __init__(self, seconds: float) -> None:
        self.long = seconds
        self.steps, self.seconds = 0, 0.0
        self.data = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        from assay.run.build import move_data

        before = torch.cuda.memory_allocated()
        move_data(pl_module)
        self.data = torch.cuda.memory_allocated() - before

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        self.begun = _now(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Block, *_: Any) -> None:
        took = _now(pl_module) - self.begun
        if batch.start >= WARM_UP:
            self.steps += batch.stop - batch.start
            self.seconds += took
        # A step of minutes is its own measurement.
        elif took >= self.long:
            self.steps, self.seconds = 1, took
        if self.seconds >= self.long:
            raise _Enough


def _now(module: Any) -> float:
    if module.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _built(config: Mapping[str, Any], store: Store, folder: Path, samples: int = SAMPLES) -> PaperModule:
    from assay.run.build import build

    return build(config, store, folder, load=lambda data, seeds: _load(data, seeds, samples))


def _load(data: Data, seeds: Seeds, samples: int = SAMPLES) -> None:
    """Load data, made up where the set is not on this machine (ASSAY_OFFLINE forbids fetching)."""
    try:
        data.load(seeds)
    except DataMissing:
        if not hasattr(data, "synthetic"):
            raise
        data.synthetic(seeds, samples)
