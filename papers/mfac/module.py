"""M-FAC at work: as a preconditioner, as a pruner, and against the clock.

    mfac/descent   an optimizer's way to a training loss, watched after every step
    mfac/dense     a classifier to be pruned; keeps its weights
    mfac/prune     one-shot pruning of that classifier to several sparsities
    mfac/gradual   training, then pruning and tuning in turns
    mfac/scaling   times and bytes of the static and the dynamic algorithm against d and m

The algorithms themselves are `assay.linalg` (static and dynamic inverse), `assay.optimizers.MFAC` and `assay.prune`.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from assay.classifier import ClassifierModule
from assay.data.base import Split
from assay.errors import UserError
from assay.linalg import DynamicRankOneInverse, RankOneInverse
from assay.metrics.scaling import medians_in_turns, scaling_exponent
from assay.module import Diverged, PaperModule, even_steps, modules
from assay.prune import Pruner
from assay.seeds import Seeds

SOURCE = "arXiv 2107.03356"
DAMP = 1e-3
"""Of the timed inverses; times do not depend on it."""

# -- the optimizer ----------------------------------------------------------------------------------------------------


@modules.register("mfac/descent", source=f"{SOURCE}, Sec. 5")
class Descent(ClassifierModule):
    """Any optimizer on the mean loss, with the loss of all training rows after every step.

    T is the first step after which that loss is below `target`; one more than the run's length if it never is, or once
    it is not finite. The last batch of an epoch is left out where it would be smaller.

    Args:
        target: the training loss that is to be reached.
    """

    losses: Tensor
    seconds: Tensor

    def __init__(self, *, target: float = 0.1) -> None:
        super().__init__()
        self.target = target

    def build(self) -> None:
        """The network, and room for a loss a step."""
        super().build()
        self.register_buffer("losses", torch.full((self.total + 1,), math.nan, dtype=torch.float64))
        self.register_buffer("seconds", torch.zeros(1, dtype=torch.float64))
        self.losses[0] = self.train_loss()

    def batch(self, step: int) -> Tensor:
        """Positions of a step's rows, [batch]; epochs hold whole batches only."""
        samples, size = len(self.data.train), self.budget.batch or len(self.data.train)
        epoch, within = divmod(step, samples // size)
        return super().batch(epoch * math.ceil(samples / size) + within)

    @torch.no_grad()
    def train_loss(self) -> Tensor:
        """The mean loss of all training rows."""
        return self.loss.mean(self.net(self.data.train.x.to(self.dtype_of_net)), self.data.train.y)

    @property
    def dtype_of_net(self) -> torch.dtype:
        """The precision that the network computes in."""
        return next(self.net.parameters()).dtype

    def objective(self, index: Tensor) -> Tensor:
        """Mean loss on the rows `index`."""
        train = self.data.train
        return self.loss.mean(self.net(train.x[index].to(self.dtype_of_net)), train.y[index], index)

    def advance(self, start: int, stop: int) -> None:
        """Steps start, ..., stop-1; nothing more once the loss is not finite."""
        if not torch.isfinite(self.losses[start]):
            return
        try:
            super().advance(start, stop)
        except Diverged:
            return

    def gradients(self, index: Tensor) -> Tensor:
        """As ever, with the clock started."""
        self.began = time.perf_counter()
        return super().gradients(index)

    def after_step(self, step: int) -> None:
        """Stop the clock, then look at the whole training set."""
        self.seconds += time.perf_counter() - self.began
        self.losses[step + 1] = self.train_loss()

    def measure_at(self, total: int) -> Iterable[int]:
        """About 140 points."""
        return even_steps(total, 138)

    def measure(self) -> Mapping[str, float]:
        """The loss, and the seconds that the steps have taken."""
        return {"train/all": float(self.losses[self.steps_done]), "time/so_far": float(self.seconds)}

    def finish(self) -> None:
        """T, the final loss, what selections compare, and times."""
        reached = (self.losses < self.target).nonzero()
        steps = int(reached[0]) if len(reached) else self.total + 1
        last = float(self.losses[-1])
        self.scalar("steps/to_target", steps)
        self.scalar("train/final", last)
        # Whole steps decide, the final loss (mapped to [0, 1]) between equals.
        self.scalar("steps/score", steps + (last / (1 + last) if math.isfinite(last) else 1.0))
        self.scalar("time/ms_a_step", 1e3 * float(self.seconds) / self.total)
        self.scalar("time/to_target_s", float(self.seconds) * min(steps, self.total) / self.total)


# -- the pruner -------------------------------------------------------------------------------------------------------


def prunable(net: nn.Module) -> list[nn.Parameter]:
    """The weights that may be removed: all matrices and filters, no biases, no normalisation."""
    return [p for p in net.parameters() if p.ndim >= 2]


def count(sparsity: float, d: int) -> int:
    """How many of d weights are removed at a sparsity: floor(sparsity d), as it is meant in decimal numbers."""
    return math.floor(sparsity * d + 1e-9 * d)


def collect_gradients(net: nn.Module, loss: nn.Module, train: Split, seeds: Seeds, m: int, rows: int) -> Tensor:
    """Gradients of the mean loss over `rows` training rows each, in evaluation mode, [m, d].

    Rows are drawn without replacement, until none are left and all are there again; the first gradients are the same
    whatever their number. F of these is the empirical Fisher matrix of means over `rows` samples.
    """
    params, batches = prunable(net), len(train) // rows
    out = torch.empty(m, sum(p.numel() for p in params), dtype=params[0].dtype, device=params[0].device)
    training, _ = net.training, net.eval()
    order = torch.empty(0)
    for i in range(m):
        round_, within = divmod(i, batches)
        if within == 0:
            order = torch.randperm(len(train), generator=seeds.torch("gradients", round_)).to(train.y.device)
        index = order[within * rows : (within + 1) * rows]
        value = loss(net(train.x[index].to(out.dtype)), train.y[index]).mean()
        out[i] = parameters_to_vector(torch.autograd.grad(value, params))
    net.train(training)
    return out


@modules.register("mfac/dense")
class Dense(ClassifierModule):
    """The plain classifier, whose final state is kept as the artefact `net` for others to prune."""

    def finish(self) -> None:
        """Also keep the network."""
        super().finish()
        self.arrays("net", **{name: value.numpy(force=True) for name, value in self.net.state_dict().items()})


@modules.register("mfac/prune", source=f"{SOURCE}, Sec. 4")
class OneShot(PaperModule):
    """Prunes a trained network in one step from one set of gradients; a step of the run is a sparsity.

    Needs `dense`, a run of `mfac/dense` on the same data with the same model.

    Args:
        sparsities: shares of removed weights, each reached from the dense network.
        rows: training rows behind one gradient.
    """

    takes = ("data", "model", "loss", "pruner")
    default_parts: ClassVar[Mapping[str, str]] = {"loss": "cross_entropy"}
    block_steps = 1
    pruner: Pruner

    def __init__(self, *, sparsities: Sequence[float] = (0.5, 0.7, 0.8, 0.9, 0.95), rows: int = 32) -> None:
        super().__init__()
        self.sparsities, self.rows = list(sparsities), rows

    @property
    def total(self) -> int:
        """One step a sparsity."""
        return len(self.sparsities)

    def build(self) -> None:
        """The dense network."""
        self.net = self.model_part(self.data.inputs, self.data.classes)
        with np.load(self.inputs["dense"] / "net.npz") as arrays:
            self.net.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in arrays.items()})
        self.ready = False

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """Prune to the sparsities start, ..., stop-1, each from the dense weights."""
        if not self.ready:
            self.weights = parameters_to_vector(prunable(self.net)).detach().clone()
            if self.pruner.gradients:
                train = self.data.train
                self.pruner.see(
                    collect_gradients(self.net, self.loss, train, self.seeds, self.pruner.gradients, self.rows)
                )
            self.ready = True
        none = torch.zeros_like(self.weights, dtype=torch.bool)
        for sparsity in self.sparsities[start:stop]:
            w, removed = self.pruner.prune(self.weights, none, count(sparsity, len(none)))
            vector_to_parameters(w, prunable(self.net))
            accuracy, loss = self.quality()
            moved = float((w - self.weights)[~removed].norm() / self.weights.norm())
            self.unit(f"{sparsity:g}", sparsity=sparsity, accuracy=accuracy, loss=loss, moved=moved)
        vector_to_parameters(self.weights, prunable(self.net))

    @torch.no_grad()
    def quality(self) -> tuple[float, float]:
        """Accuracy and mean loss on the test rows."""
        test = self.data.test
        if test is None:
            raise UserError("pruning is judged on test rows: data.test must not be 0")
        scores = torch.cat([self.net(part.to(self.weights.dtype)) for part in test.x.split(4096)])
        return float((scores.argmax(1) == test.y).double().mean()), float(self.loss(scores, test.y).mean())


@modules.register(
    "mfac/gradual", source=f"{SOURCE}, Sec. 4", reduced={"recomputations": 2, "dense_epochs": 0, "rows": 4}
)
class Gradual(ClassifierModule):
    """Training, then pruning to higher and higher sparsity with tuning in between.

    Within one pruning the share of weights that are left falls geometrically, with fresh gradients each time. After a
    pruning the rate is `tune_lr`, and a tenth of it in the second half of the time until the next one.

    Args:
        dense_epochs: epochs of training before the first pruning; the schedule covers these.
        levels: sparsities to prune to.
        every: epochs from one level to the next; the last is tuned for the rest of the run.
        recomputations: rounds of gradients in one pruning.
        rows: training rows behind one gradient.
        tune_lr: learning rate after a pruning.
    """

    takes = (*ClassifierModule.takes, "pruner")
    pruner: Pruner
    removed: Tensor

    def __init__(
        self,
        *,
        dense_epochs: int = 100,
        levels: Sequence[float] = (0.5, 0.75, 0.875),
        every: int = 2,
        recomputations: int = 16,
        rows: int = 32,
        tune_lr: float = 0.005,
    ) -> None:
        super().__init__()
        self.dense_epochs, self.levels, self.every = dense_epochs, list(levels), every
        self.recomputations, self.rows, self.tune_lr = recomputations, rows, tune_lr

    def build(self) -> None:
        """The network, with all its weights."""
        super().build()
        self.register_buffer("removed", torch.zeros(sum(p.numel() for p in prunable(self.net)), dtype=torch.bool))
        epoch = math.ceil(len(self.data.train) / (self.budget.batch or len(self.data.train)))
        self.dense_steps, self.cycle = self.dense_epochs * epoch, self.every * epoch
        self.prunings = {self.dense_steps + k * self.cycle: level for k, level in enumerate(self.levels)}

    def set_rates(self, step: int, total: int) -> None:
        """The schedule while training densely; then `tune_lr` and a tenth of it in turns."""
        if step < self.dense_steps:
            super().set_rates(step, self.dense_steps)
            return
        level, within = divmod(step - self.dense_steps, self.cycle)
        late = within >= self.cycle / 2 or level >= len(self.levels)
        for group in self.optimizer.param_groups:
            group["lr"] = self.tune_lr * (0.1 if late else 1.0)

    def advance(self, start: int, stop: int) -> None:
        """Steps start, ..., stop-1, with prunings before the steps at which they are due."""
        for step in range(start, stop):
            if step in self.prunings:
                self.prune_to(self.prunings[step])
            super().advance(step, step + 1)

    def prune_to(self, sparsity: float) -> None:
        """Go to a sparsity in rounds; each sees gradients of the weights that are left."""
        d, before = len(self.removed), int((~self.removed).sum())
        after = d - count(sparsity, d)
        for k in range(1, self.recomputations + 1):
            if self.pruner.gradients:
                gradients = collect_gradients(
                    self.net, self.loss, self.data.train, self.seeds, self.pruner.gradients, self.rows
                )
                self.pruner.see(gradients * ~self.removed)
            left = round(before * (after / before) ** (k / self.recomputations))
            w = parameters_to_vector(prunable(self.net)).detach()
            w, removed = self.pruner.prune(w, self.removed, d - left)
            self.removed.copy_(removed)
            vector_to_parameters(w, prunable(self.net))

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """What is removed stays removed."""
        sizes = [p.numel() for p in prunable(self.net)]
        for p, gone in zip(prunable(self.net), self.removed.split(sizes), strict=True):
            p.masked_fill_(gone.view_as(p), 0.0)

    def finish(self) -> None:
        """Also the sparsity."""
        super().finish()
        weights = parameters_to_vector(prunable(self.net))
        self.scalar("sparsity", (weights == 0).double().mean())


# -- cost -------------------------------------------------------------------------------------------------------------


@modules.register("mfac/scaling", source=f"{SOURCE}, Sec. 3", reduced={"d": [50, 100], "wide": 100, "m": [2, 4]})
class Scaling(PaperModule):
    """Times of building, products and updates against d and m, on random gradients; a step is one of the two axes.

    Sizes are called one after the other, after a call that does not count: `time/...`, which the check reads. Beside
    it, `time/exponent_in_turns/...`, all sizes of an axis are called in turns, so that none of them finds its vectors
    in the caches, the short no more than the long. Seconds are the thread's own.

    Args:
        d: lengths of the vectors, at `window` of them.
        window: m while d varies.
        m: numbers of vectors, at length `wide`.
        wide: d while m varies.
        calls: timed products and entries, of which the median counts; a third as many updates, and 3 builds.
    """

    block_steps = 1
    device_free = True  # times of one CPU thread, whatever the trainer's device
    alone = True

    def __init__(
        self,
        *,
        d: Sequence[int] = (10_000, 30_000, 100_000, 300_000),
        window: int = 64,
        m: Sequence[int] = (16, 32, 64, 128, 256),
        wide: int = 100_000,
        calls: int = 21,
    ) -> None:
        super().__init__()
        self.axes = [("d", [(size, window) for size in d]), ("m", [(wide, count) for count in m])]
        self.calls = calls

    @property
    def total(self) -> int:
        """One step an axis."""
        return len(self.axes)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """Time the axes start, ..., stop-1."""
        for axis, sizes in self.axes[start:stop]:
            self.time(axis, sizes)

    def time(self, axis: str, sizes: Sequence[tuple[int, int]]) -> None:
        """Times and bytes at all sizes (d, m) of an axis."""
        static, dynamic, x, builds = {}, {}, {}, {}
        for d, m in sizes:
            generator = self.seeds.torch("gradients", d, m)
            gradients = torch.randn(m, d, generator=generator, dtype=torch.float64) / math.sqrt(d)
            x[d, m] = torch.randn(d, generator=generator, dtype=torch.float64)
            static[d, m], dynamic[d, m] = RankOneInverse(gradients, DAMP), DynamicRankOneInverse(gradients, DAMP)
            builds[d, m] = functools.partial(RankOneInverse, dynamic[d, m].g, DAMP)
            allowed = 2 * d * m * 8 + 3 * m**2 * 8 + 4 * d * 8
            shares = {"static_bytes": static[d, m].nbytes / allowed, "dynamic_bytes": dynamic[d, m].nbytes / allowed}
            self.unit(f"{axis}: d={d}, m={m}", d=d, m=m, **shares)
        kinds: dict[str, tuple[Mapping[tuple[int, int], Callable[[], object]], int]] = {
            "static/product": ({at: functools.partial(static[at].product, x[at]) for at in sizes}, self.calls),
            "dynamic/product": ({at: functools.partial(dynamic[at].product, x[at]) for at in sizes}, self.calls),
            "static/entry": ({at: functools.partial(static[at].entry, 0, at[0] - 1) for at in sizes}, self.calls),
            "dynamic/update": (
                {at: functools.partial(dynamic[at].update, x[at]) for at in sizes},
                self.calls // 3 or 1,
            ),
        }
        if axis == "m":
            kinds["static/build"] = (builds, min(self.calls, 3))
        for name, (actions, calls) in kinds.items():
            first = 0 if name == "static/build" else 1  # the first build of each size was above
            self.keep(f"time/exponent/{name}", axis, medians_in_turns(actions, 1, timed=calls, untimed=first), name)
            if first:
                self.keep(f"time/exponent_in_turns/{name}", axis, medians_in_turns(actions, calls))

    def keep(self, exponent: str, axis: str, times: Mapping[tuple[int, int], float], name: str = "") -> None:
        """Record the exponent of median seconds at (d, m) along an axis, and the seconds themselves under a name."""
        along = [d if axis == "d" else m for d, m in times]
        self.scalar(f"{exponent}/{axis}", scaling_exponent(along, [*times.values()]))
        for (d, m), seconds in times.items() if name else ():
            self.scalar(f"time/{name}/{axis}/{d}/{m}", seconds)
