"""PaperModule: the one road that every run takes, whatever it computes.

A network, a bandit, a linear solver and a coupling algorithm are all LightningModules here. A run advances through
*steps* (optimizer steps, rounds, problems); Lightning hands the module one *block* of steps at a time, which keeps
the framework's cost per step negligible. Block ends are where measurements, checkpoints and interruptions happen, and
they are a pure function of the configuration, so that an interrupted run ends with the numbers of a straight one.

A paper extends `PaperModule` (or `GradientModule`, where a step is one step of an optimizer) and fills in:

    build     create networks, data and state, drawing only from `self.seeds`
    advance   do the steps start, ..., stop-1            (GradientModule: `objective` instead)
    measure   numbers for the curves at a block end
    finish    the final scalars, units and artefacts
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from assay.columns import check_name
from assay.data.base import Data
from assay.errors import UserError
from assay.losses.base import Loss
from assay.metrics.scaling import Share, told_to
from assay.registry import Registry
from assay.schedules.base import Schedule
from assay.seeds import Seeds
from assay.system.lightning import pl

if TYPE_CHECKING:
    from assay.run.team import Team


class Diverged(ArithmeticError):
    """The run left the finite numbers."""


@dataclass(frozen=True)
class Budget:
    """The length of a run: a number of steps, or of passes over the training data.

    Args:
        steps: optimizer steps, rounds or problems.
        epochs: passes over the training set (needs data).
        batch: samples a step; None for the full batch.
    """

    steps: int | None = None
    epochs: int | None = None
    batch: int | None = None

    def total(self, samples: int | None) -> int:
        """Steps in all, for a training set of `samples` rows; the last batch of an epoch may be smaller."""
        if self.steps is not None:
            return self.steps
        if self.epochs is None or samples is None:
            raise ValueError("a budget needs steps, or epochs and a training set")
        return self.epochs * math.ceil(samples / (self.batch or samples))


class Block(NamedTuple):
    """The steps start, ..., stop-1. (A tuple, because Lightning takes batches apart and refuses frozen dataclasses.)"""

    start: int
    stop: int


@dataclass
class Curve:
    """A measurement over the run: parallel lists of steps and values."""

    step: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)


class PaperModule(pl.LightningModule):
    """Base class of everything that runs.

    Class attributes:
        takes: the kinds of parts the module uses; only those enter the configuration and the signature.
        block_steps: the longest block. It bounds the work lost when a run is killed and changes no number; where an
            `advance` of the module's own draws from torch's global generators, it calls `reseed` at every step.
        default_parts: what is chosen for a kind that the configuration leaves open.
        alone: the module measures times; no other run is at work on the machine meanwhile, its seeds are sittings
            that are spread over the sweep, and the scalar `time/share` says how much of a core its thread had while it
            measured (see `assay.metrics.scaling.timing`).
        device_free: the module computes in numpy; it runs on the CPU whatever the trainer's device.
        unit_axes: columns of units that tell several rows of one unit apart (a time, a noise level); text does always.

    Attributes set by `attach`:
        seeds: the run's named random axes.
        budget: the run's length.
        data, model, loss, optimizer_part, schedule: the parts taken; models and optimizers as factories.
        inputs: records of other runs that this one needs, by name.
        clip_norm: the largest norm of a gradient (`trainer.clip_norm`), for modules that step along one.
        team: the processes of a run on several devices (`trainer.nodes`, `trainer.devices`); None for the usual one.
    """

    takes: ClassVar[tuple[str, ...]] = ()
    block_steps: ClassVar[int] = 50
    default_parts: ClassVar[Mapping[str, str]] = {"schedule": "constant"}
    alone: ClassVar[bool] = False
    device_free: ClassVar[bool] = False
    unit_axes: ClassVar[tuple[str, ...]] = ()

    team: Team | None = None
    data: Data
    loss: Loss
    model_part: Callable[..., nn.Module]
    schedule: Schedule

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.steps_done = 0
        self.scalars: dict[str, float] = {}
        self.units: list[dict[str, Any]] = []
        self.curves: dict[str, Curve] = {}
        self.artefacts: dict[str, Mapping[str, Any]] = {}
        self.share = Share()
        self._tracked: dict[str, float] = {}
        self._units: set[Any] = set()

    # -- what a paper fills in ------------------------------------------------------------------------------------

    def build(self) -> None:
        """Create networks, data and state. Runs once, on the CPU, before the first step and before any resume."""

    def advance(self, start: int, stop: int) -> None:
        """Do the steps start, ..., stop-1."""
        raise TypeError(f"{type(self).__name__} does not say how to advance")

    def measure(self) -> Mapping[str, float]:
        """Numbers for the curves after `self.steps_done` steps; called at every step of `measure_at`."""
        return {}

    def measure_at(self, total: int) -> Iterable[int]:
        """The steps at which to measure; by default about 50, evenly spaced, the first and last included."""
        return even_steps(total, 50)

    def finish(self) -> None:
        """Set the final `scalars`, `units` and `artefacts`."""

    def extra_state(self) -> dict[str, Any]:
        """State beyond tensors registered in the module, as plain containers and tensors (checkpoints hold no code)."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `extra_state` returned."""

    # -- what a paper calls ---------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """The run's number of steps."""
        return self.budget.total(len(self.data.train) if "data" in self.takes else None)

    def scalar(self, name: str, value: float | Tensor) -> None:
        """Record a final measurement.

        Raises:
            UserError: the name is one of the tables' own, or is there already.
        """
        check_name("a scalar", name)
        if name in self.scalars:
            raise UserError(f"the scalar '{name}' is written twice")
        self.scalars[name] = float(value)

    def unit(self, unit: str | int, **values: str | float) -> None:
        """Record one replicated thing (a problem, a data set, an architecture): its id, named axes and values.

        Raises:
            UserError: a column's name is one of the tables' own, or the unit is there already on the same axes, which
                are its text and `unit_axes`.
        """
        for key in values:
            check_name("a unit's column", key)
        row = {"unit": str(unit), **{key: _plain_number(value) for key, value in values.items()}}
        if len(self._units) < len(self.units):  # those of a checkpoint
            self._units = {self._place(known) for known in self.units}
        if self._place(row) in self._units:
            axes = "".join(f", {key} {value}" for key, value in self._place(row)[1:])
            raise UserError(f"the unit '{unit}'{axes} is written twice; what tells its rows apart goes into unit_axes")
        self._units.add(self._place(row))
        self.units.append(row)

    def _place(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        axes = sorted((key, value) for key, value in row.items() if isinstance(value, str) or key in self.unit_axes)
        return ("unit", row["unit"]), *(pair for pair in axes if pair[0] != "unit")

    def track(self, name: str, value: float | Tensor) -> None:
        """Note a number that `advance` computes anyway, to be put on the curve at the next measurement."""
        self._tracked[name] = value  # type: ignore[assignment]

    def arrays(self, name: str, **arrays: Any) -> None:
        """Keep arrays as an artefact that other runs can need.

        Raises:
            UserError: the name is there already.
        """
        if name in self.artefacts:
            raise UserError(f"the arrays '{name}' are written twice")
        self.artefacts[name] = arrays

    # -- the machinery --------------------------------------------------------------------------------------------

    def attach(
        self,
        seeds: Seeds,
        budget: Budget,
        parts: Mapping[str, Any],
        inputs: Mapping[str, Path],
        clip_norm: float | None = None,
    ) -> None:
        """Give the module its seeds, its length, its parts, the artefacts it needs and its bound on gradients."""
        self.seeds, self.budget, self.inputs, self.clip_norm = seeds, budget, dict(inputs), clip_norm
        for kind, part in parts.items():
            setattr(self, {"optimizer": "optimizer_part", "model": "model_part"}.get(kind, kind), part)

    def blocks(self) -> Iterator[Block]:
        """The blocks from `steps_done` on. Ends fall on multiples of `block_steps` and on every measured step."""
        total = self.total
        ends = {*range(0, total, self.block_steps), total, *self.measure_at(total)}
        for stop in sorted(end for end in ends if self.steps_done < end <= total):
            yield Block(self.steps_done, stop)

    def train_dataloader(self) -> Iterable[Block]:
        """Lightning's loader: a stream of blocks."""
        return _Stream(self)

    def training_step(self, block: Block, batch_idx: int) -> None:
        """One block."""
        self.reseed(block.start)
        # Those of numpy and Python, from which nothing here draws at a step, for libraries that do.
        seed = self.seeds.axis("global", block.start)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        with told_to(self.share):
            self.advance(block.start, block.stop)
        if self.alone:
            self.scalars["time/share"] = float(self.share)
        self.steps_done = block.stop

    def reseed(self, step: int) -> None:
        """Set torch's global generators, from which dropout draws, for a step: a function of (seed, step) alone.

        So a run that was interrupted draws what a straight one does, on a GPU too, and nothing has to be kept for it.
        Of several processes, each has masks of its own.
        """
        rank = 0 if self.team is None else self.team.place.rank
        seed = self.seeds.axis("follower", rank, step) if rank else self.seeds.axis("global", step)
        torch.default_generator.manual_seed(seed)  # 1 us; `torch.manual_seed` takes 70
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)

    def transfer_batch_to_device(self, batch: Block, device: torch.device, dataloader_idx: int) -> Block:
        """A block is two numbers; there is nothing to move."""
        return batch

    def configure_optimizers(self) -> None:
        """Raw optimizers are stepped inside `advance`; Lightning has none to manage."""
        return None

    def spreads(self) -> bool:
        """Whether a run can be spread over several devices."""
        return False

    def take_measurement(self) -> dict[str, float]:
        """Measure now, append to the curves and return the values."""
        tracked = {name: float(value) for name, value in self._tracked.items()}
        values = {**tracked, **{name: float(value) for name, value in self.measure().items()}}
        self._tracked.clear()
        for name, value in values.items():
            if name not in self.curves:
                check_name("a curve", name)
            curve = self.curves.setdefault(name, Curve())
            curve.step.append(self.steps_done)
            curve.value.append(value)
        return values

    def checkpoint(self) -> dict[str, Any]:
        """Everything needed to go on: tensors, numbers and plain containers only."""
        return {
            "steps_done": self.steps_done,
            "module": self.state_dict(),
            "extra": self.extra_state(),
            "tracked": {name: float(value) for name, value in self._tracked.items()},
            "scalars": dict(self.scalars),
            "share": [self.share.computed, self.share.passed],
            "units": list(self.units),
            "curves": {name: {"step": c.step, "value": c.value} for name, c in self.curves.items()},
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.load_state_dict(state["module"])
        self.load_extra_state(state["extra"])
        self.steps_done = state["steps_done"]
        self._tracked = dict(state["tracked"])
        self.scalars, self.units = dict(state["scalars"]), list(state["units"])
        self.share = Share(*state["share"])
        self.curves = {name: Curve(list(c["step"]), list(c["value"])) for name, c in state["curves"].items()}


class GradientModule(PaperModule):
    """A run whose step is one step of an optimizer on `objective`.

    A subclass creates its networks in `build`, calls `self.optimize(...)` there, and defines `objective`.
    """

    optimizer: Optimizer
    optimizer_part: Callable[..., Optimizer]

    def objective(self, index: Tensor) -> Tensor:
        """The scalar to minimise on the training rows `index` ([batch] positions, on the run's device)."""
        raise TypeError(f"{type(self).__name__} does not define its objective")

    def gradients(self, index: Tensor) -> Tensor:
        """Fill every parameter's `.grad` for the rows `index` and return the detached objective.

        By default autograd on `objective`; a paper with its gradient in closed form overrides this.
        """
        loss = self.objective(index)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        return loss.detach()

    def after_step(self, step: int) -> None:
        """Called after each optimizer step."""

    def spreads(self) -> bool:
        """Where steps are the plain ones, and the loss keeps nothing of each sample, which others would not see."""
        plain = type(self).advance is GradientModule.advance
        samples = len(self.data.train) if "data" in self.takes else None
        kept = [*self.loss.buffers()] if "loss" in self.takes else []
        return plain and samples is not None and not any(b.ndim and len(b) == samples for b in kept)

    def shared_gradients(self, index: Tensor) -> Tensor:
        """`gradients` over the rows `index`, dealt out to the run's processes if there are several."""
        if self.team is None:
            return self.gradients(index)
        share = self.team.share(index)
        if len(share):
            loss = self.gradients(share)
        else:  # an epoch's last rows may be fewer than the processes
            self.optimizer.zero_grad(set_to_none=True)
            loss = torch.zeros((), device=self.device)
        params = [p for group in self.optimizer.param_groups for p in group["params"]]
        for p in params:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        return self.team.combine(len(share) / len(index), loss, [p.grad for p in params if p.grad is not None])

    def optimize(self, params: Iterable[nn.Parameter] | Iterable[dict[str, Any]]) -> None:
        """Build the chosen optimizer over parameters or groups; each group's rate is scaled by the schedule."""
        self.optimizer = self.optimizer_part(params)
        self.base_lrs = [group["lr"] for group in self.optimizer.param_groups]
        self._epoch, self._order = -1, torch.empty(0)

    def advance(self, start: int, stop: int) -> None:
        """Optimizer steps start, ..., stop-1."""
        total, losses = self.total, []
        for step in range(start, stop):
            self.reseed(step)
            self.set_rates(step, total)
            losses.append(self.shared_gradients(self.batch(step)))
            if self.clip_norm is not None:
                nn.utils.clip_grad_norm_(
                    [p for group in self.optimizer.param_groups for p in group["params"]], self.clip_norm
                )
            self.optimizer.step()
            self.after_step(step)
        mean = torch.stack(losses).mean()
        if not torch.isfinite(mean):
            raise Diverged(f"the training loss is {mean.item()} at step {stop} of {total}")
        self.track("train/loss", mean)

    def set_rates(self, step: int, total: int) -> None:
        """Scale every group's base learning rate by the schedule."""
        factor = self.schedule.factor(step, total) if "schedule" in self.takes else 1.0
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base * factor

    def batch(self, step: int) -> Tensor:
        """Positions of the training rows of a step, [batch]. The order of epoch e is a function of (seed, e) alone."""
        samples = len(self.data.train)
        size = self.budget.batch or samples
        if size >= samples:  # the full batch has one order: its sums are the same at every step
            if len(self._order) != samples:
                self._order = torch.arange(samples, device=self.device)
            return self._order
        epoch, within = divmod(step, math.ceil(samples / size))
        if epoch != self._epoch:
            order = torch.randperm(samples, generator=self.seeds.torch("order", epoch))
            self._epoch, self._order = epoch, order.to(self.device)
        return self._order[within * size : (within + 1) * size]

    def checkpoint(self) -> dict[str, Any]:
        """The module's checkpoint with the optimizer's state."""
        return {**super().checkpoint(), "optimizer": self.optimizer.state_dict()}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        super().resume(state)
        self.optimizer.load_state_dict(state["optimizer"])


modules: Registry[PaperModule] = Registry("module", PaperModule)


def even_steps(total: int, points: int) -> list[int]:
    """At most `points` + 1 steps from 0 to `total`, evenly spaced, both ends included."""
    return sorted({round(i * total / min(points, max(total, 1))) for i in range(min(points, max(total, 1)) + 1)})


def log_steps(total: int, points: int) -> list[int]:
    """About `points` steps from 0 to `total`, evenly spaced in log, both ends included."""
    grid = {round(math.exp(math.log(total) * i / (points - 1))) for i in range(points)} if total > 1 else set()
    return sorted({0, *grid, total})


class _Stream:
    """The blocks of a module as an iterable with a length, as Lightning likes its loaders."""

    def __init__(self, module: PaperModule) -> None:
        self.module = module

    def __iter__(self) -> Iterator[Block]:
        return self.module.blocks()

    def __len__(self) -> int:
        return sum(1 for _ in self.module.blocks())


def _plain_number(value: Any) -> str | float | int:
    if isinstance(value, (str, int)):
        return value
    return float(value)
