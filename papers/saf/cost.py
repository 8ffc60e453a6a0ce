"""What a step costs with SGD, SAF, MESA and SAM: counted in passes, and timed in turns in one process.

A step is all from `zero_grad` to `step`, with the reading and writing of SAF's cache and MESA's average; the batch is
ready, so that data and augmentation, which are the same for all, don't water the ratios down.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from assay.data.base import Data, Split
from assay.losses.cross_entropy import CrossEntropy
from assay.metrics.scaling import seconds_in_turns
from assay.models.mlp import MLP
from assay.module import Budget, PaperModule, modules
from assay.optimizers.sgd import SGD
from assay.schedules.constant import Constant
from assay.seeds import Seeds
from papers.saf.module import MESA, SAF, SAM, Descent

METHODS: dict[str, Callable[[], Descent]] = {
    "sgd": lambda: Descent(probe=0),
    "saf": lambda: SAF(lambda_=0.3, start=1, probe=0),
    "mesa": lambda: MESA(lambda_=0.8, start=1, probe=0),
    "sam": lambda: SAM(rho=0.05, probe=0),
}
"""The trajectory terms begin with epoch 2, so that they are timed."""

SHARE = 8000
"""Samples of the epoch whose seconds are given."""


class Noise(Data):
    """Random images and labels: what they show does not matter for the time.

    Args:
        x: the images, [n, ...].
    """

    classes = 10

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.train = Split(x, torch.arange(len(x)) % self.classes)


def ready(method: Descent, seeds: Seeds, data: Data, hidden: Sequence[int], batch: int, lr: float = 0.01) -> Descent:
    """A module of a method, built as a run would build it, for an MLP and SGD with momentum 0.9 and decay 5e-4."""
    parts: dict[str, Any] = {
        "data": data,
        "model": functools.partial(MLP, hidden=list(hidden), init="torch"),
        "loss": CrossEntropy(),
        "optimizer": functools.partial(SGD, lr=lr, momentum=0.9, weight_decay=5e-4),
        "schedule": Constant(),
    }
    method.attach(seeds, Budget(steps=10**6, batch=batch), parts, {})
    method.build()
    return method


class Stepper:
    """Calls steps of a module one by one, on batches that lie ready.

    Attributes:
        forwards, backwards: passes of the last step, through the network or its average, and back.
    """

    def __init__(self, module: Descent) -> None:
        self.module, self.step = module, 0
        x = module.data.train.x[: module.budget.batch]
        module.views = lambda index: x  # type: ignore[method-assign]
        self.forwards = self.backwards = 0

    def __call__(self) -> None:
        """One step."""
        module = self.module
        module.gradients(module.batch(self.step))
        module.optimizer.step()
        module.after_step(self.step)
        self.step += 1

    def counted(self, after: int) -> tuple[int, int]:
        """Forward and backward passes of one step, `after` some others."""
        for _ in range(after):
            self()
        average = getattr(self.module, "average", None)
        hooks = [net.register_forward_hook(self._forward) for net in (self.module.net, average) if net is not None]
        weight = next(p for p in self.module.net.parameters() if p.requires_grad)
        hooks.append(weight.register_post_accumulate_grad_hook(self._backward))
        self()
        for hook in hooks:
            hook.remove()
        return self.forwards, self.backwards

    def _forward(self, *_: object) -> None:
        self.forwards += 1

    def _backward(self, weight: nn.Parameter | Tensor) -> None:
        self.backwards += 1


@modules.register("saf/cost", source="arXiv 2205.14083")
class Cost(PaperModule):
    """Times blocks of steps of the four methods in turns; the first block after a start is not counted.

    Scalars, all of them times: `time/step/<method>`, the median of all steps in seconds; `time/ratio/<method>`, that
    over SGD's; `time/epoch/<method>`, seconds for 8,000 samples.

    Args:
        hidden: widths of the MLP.
        batch: samples a step.
        block: steps of a method before it is the next one's turn.
        rounds: of such turns that count.
    """

    alone: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = ()
    block_steps: ClassVar[int] = 1
    device_free: ClassVar[bool] = True  # the claim is about passes; one thread of a CPU shows them

    def __init__(
        self, *, hidden: Sequence[int] = (1024, 1024), batch: int = 256, block: int = 20, rounds: int = 5
    ) -> None:
        super().__init__()
        self.hidden, self.batch, self.block, self.rounds = tuple(hidden), batch, block, rounds
        self.times: dict[str, list[float]] = {name: [] for name in METHODS}
        self.warm = False

    @property
    def total(self) -> int:
        """A step is a block of every method."""
        return self.rounds

    def build(self) -> None:
        """Four networks on the same images, two batches an epoch."""
        x = torch.randn(2 * self.batch, 784, generator=self.seeds.torch("images"))
        self.steppers = {
            name: Stepper(ready(make(), self.seeds, Noise(x), self.hidden, self.batch))
            for name, make in METHODS.items()
        }

    def advance(self, start: int, stop: int) -> None:
        """Blocks start, ..., stop-1."""
        if not self.warm:
            seconds_in_turns(self.steppers, 1, timed=0, untimed=self.block)
            self.warm = True
        for _ in range(start, stop):
            for name, seconds in seconds_in_turns(self.steppers, 1, timed=self.block).items():
                self.times[name] += seconds

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def finish(self) -> None:
        """Medians and their ratios."""
        medians = {name: statistics.median(seconds) for name, seconds in self.times.items()}
        for name, median in medians.items():
            self.scalar(f"time/step/{name}", median)
            self.scalar(f"time/ratio/{name}", median / medians["sgd"])
            self.scalar(f"time/epoch/{name}", median * math.ceil(SHARE / self.batch))

    def extra_state(self) -> dict[str, Any]:
        """The times so far; networks start anew, which changes no time."""
        return {"times": self.times}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on."""
        self.times = {name: list(seconds) for name, seconds in state["times"].items()}
