"""Spherical losses at work: as losses of a language model, against the clock, and over many factored steps.

    z_loss/words       a model of the next token; errors at k = 1, 5, 10, 20, 50
    z_loss/timing      seconds a step of the output layer against the number of classes
    z_loss/stability   long runs of the factored layer beside the dense one, with and without folding

The losses are `assay.losses.ZLoss` and its family, the factored layer is `assay.linalg.FactoredSphericalLinear`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from assay.classifier import ClassifierModule
from assay.data.base import Split
from assay.linalg import FactoredSphericalLinear
from assay.losses import SphericalLoss, ZLoss
from assay.metrics.scaling import medians_in_turns, scaling_exponent
from assay.module import Diverged, PaperModule, even_steps, modules

SOURCE = "arXiv 1604.08859"
KS = (1, 5, 10, 20, 50)


@modules.register("z_loss/words", source=f"{SOURCE}, Sec. 4")
class Words(ClassifierModule):
    """The plain classifier with ranking errors, in per cent, of targets inside the vocabulary.

    Classes are ranked by what the loss says (`SphericalLoss.ranking`). A run that leaves the finite numbers ranks
    nothing: its errors are 100 %. Training targets outside the vocabulary count as a class like the others.
    """

    def advance(self, start: int, stop: int) -> None:
        """Steps start, ..., stop-1; nothing more once the loss is not finite."""
        if not self.finite:
            return
        try:
            super().advance(start, stop)
        except Diverged:
            return

    @property
    def finite(self) -> bool:
        """Whether all weights are finite."""
        return all(bool(torch.isfinite(p).all()) for p in self.net.parameters())

    def measure_at(self, total: int) -> Iterable[int]:
        """Ten points."""
        return even_steps(total, 10)

    def measure(self) -> Mapping[str, float]:
        """Nothing but the training loss that is tracked anyway."""
        return {}

    def finish(self) -> None:
        """Errors and the mean reciprocal rank on validation and test positions."""
        for name in ("val", "test"):
            split = getattr(self.data, name)
            known = split.y != self.data.classes - 1
            ranks = self.ranks(Split(split.x[known], split.y[known]))
            for k in KS:
                self.scalar(f"{name}/error_{k}", 100 * (ranks > k).double().mean())
            self.scalar(f"{name}/mrr", (1 / ranks).mean())
        for k, error in self.unigram_errors().items():
            self.scalar(f"unigram/error_{k}", error)

    def unigram_errors(self) -> dict[int, float]:
        """Errors at k, in per cent, on the test positions of always naming the k commonest known training targets."""
        unknown = self.data.classes - 1
        counts = torch.bincount(self.data.train.y, minlength=self.data.classes)[:unknown]
        y = self.data.test.y[self.data.test.y != unknown]
        # Of tokens as common as each other the first come first; topk leaves that to the device.
        commonest = counts.sort(descending=True, stable=True).indices
        return {k: 100 * float((~torch.isin(y, commonest[:k])).double().mean()) for k in KS}

    @torch.no_grad()
    def ranks(self, split: Split) -> Tensor:
        """The place of each target among the classes, [n], 1 for the best; infinite if the network is not finite."""
        if not self.finite:
            return torch.full((len(split),), math.inf, dtype=torch.float64)
        out = []
        for x, y in zip(split.x.split(4096), split.y.split(4096), strict=True):
            scores = self.net(x)
            order = self.loss.ranking(scores) if isinstance(self.loss, SphericalLoss) else scores
            out.append(1 + (order > order.gather(1, y[:, None])).sum(1))
        return torch.cat(out).double()


# -- time -------------------------------------------------------------------------------------------------------------


def dense_softmax(w: Tensor, h: Tensor, y: Tensor, lr: float) -> Callable[[], object]:
    """A step of softmax cross entropy in closed form: buffers are made once, W is updated in place."""
    scores, rows = h.new_empty(len(h), len(w)), torch.arange(len(h))

    def step() -> Tensor:
        torch.mm(h, w.T, out=scores)
        torch.softmax(scores, 1, out=scores)
        scores[rows, y] -= 1
        inputs = scores @ w
        w.addmm_(scores.T, h, alpha=-lr)
        return inputs

    return step


def hierarchical_softmax(w: Tensor, h: Tensor, y: Tensor, lr: float) -> Callable[[], object]:
    """A step of a two-level softmax: ceil(sqrt D) clusters of as many classes; only touched blocks are updated."""
    d, size = w.shape[1], math.ceil(math.sqrt(len(w)))
    top, leaves = torch.zeros(size, d), torch.zeros(size, size, d)
    cluster, within, rows = y // size, y % size, torch.arange(len(h))

    def step() -> Tensor:
        g = torch.softmax(h @ top.T, 1)
        g[rows, cluster] -= 1
        blocks = leaves[cluster]
        inner = torch.softmax((blocks @ h[:, :, None])[:, :, 0], 1)
        inner[rows, within] -= 1
        inputs = g @ top + (inner[:, None] @ blocks)[:, 0]
        top.addmm_(g.T, h, alpha=-lr)
        leaves.index_add_(0, cluster, inner[:, :, None] * h[:, None], alpha=-lr)
        return inputs

    return step


def factored_z(w: Tensor, h: Tensor, y: Tensor, lr: float) -> Callable[[], object]:
    """A step of the factored layer with the Z-loss; V in single precision, the rest in double."""
    layer, loss = FactoredSphericalLinear(w), ZLoss()
    return lambda: layer.step(h, y, loss, lr)


def by_autograd(
    value: Callable[[Tensor, Tensor], Tensor],
) -> Callable[[Tensor, Tensor, Tensor, float], Callable[[], object]]:
    """A step by autograd of the summed loss, with plain gradient descent."""

    def make(w: Tensor, h: Tensor, y: Tensor, lr: float) -> Callable[[], object]:
        weight, inputs = w.requires_grad_(), h.clone().requires_grad_()

        def step() -> None:
            weight.grad = inputs.grad = None
            value(inputs @ weight.T, y).backward()
            with torch.no_grad():
                weight.sub_(weight.grad, alpha=lr)  # type: ignore[arg-type]

        return step

    return make


METHODS: dict[str, Callable[[Tensor, Tensor, Tensor, float], Callable[[], object]]] = {
    "dense": dense_softmax,
    "hierarchical": hierarchical_softmax,
    "factored": factored_z,
    "autograd_softmax": by_autograd(lambda scores, y: F.cross_entropy(scores, y, reduction="sum")),
    "autograd_z": by_autograd(lambda scores, y: ZLoss()(scores, y).sum()),
}


@modules.register(
    "z_loss/timing",
    source=f"{SOURCE}, Sec. 5",
    reduced={"classes": [50, 100], "d": 4, "fitted": [50, 100], "calls": 2},
)
class Timing(PaperModule):
    """Seconds a step of the output layer alone (forward, backward, update); a step of the run is one batch size.

    Inputs are N(0, I), targets follow Zipf's law, weights start at N(0, 0.1^2). Each method at each D
    is called in one go, after calls that do not count. Seconds are the thread's own.

    Args:
        classes: numbers of classes D.
        batches: examples in a step.
        d: width of the layer's input.
        calls: calls of which the median counts.
        warm_up: calls before them.
        fitted: those D that enter the exponents; ratios are taken at the largest of them.
        autograd_to: the largest D at which the methods by autograd are there, which hold W twice.
        most: the most scores in a step; larger pairs of batch size and D are left out.
    """

    block_steps = 1
    device_free = True  # times of one CPU thread, whatever the trainer's device
    alone = True

    def __init__(
        self,
        *,
        classes: Sequence[int] = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
        batches: Sequence[int] = (1, 50),
        d: int = 64,
        calls: int = 30,
        warm_up: int = 5,
        fitted: Sequence[int] = (10_000, 30_000, 100_000, 300_000),
        autograd_to: int = 300_000,
        most: int = 20_000_000,
    ) -> None:
        super().__init__()
        self.sizes, self.batches, self.d = sorted(classes), list(batches), d
        self.calls, self.warm_up, self.autograd_to, self.most = calls, warm_up, autograd_to, most
        self.fitted = sorted(set(fitted) & set(classes))

    @property
    def total(self) -> int:
        """One step a batch size."""
        return len(self.batches)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """Time the batch sizes start, ..., stop-1."""
        for m in self.batches[start:stop]:
            sizes = [size for size in self.sizes if m * size <= self.most]
            steps = {at: step for size in sizes for at, step in self.steps(m, size).items()}
            for (name, size), seconds in medians_in_turns(steps, 1, timed=self.calls, untimed=self.warm_up).items():
                self.scalar(f"time/{name}/{m}/{size}", seconds)

    def steps(self, m: int, size: int) -> dict[tuple[str, int], Callable[[], object]]:
        """A step of every method on m examples and D = `size` classes, each with weights of its own."""
        generator = self.seeds.torch("layer", m, size)
        w = 0.1 * torch.randn(size, self.d, generator=generator)
        h = torch.randn(m, self.d, generator=generator)
        zipf = 1 / torch.arange(1, size + 1, dtype=torch.float64)
        y = torch.multinomial(zipf, m, replacement=True, generator=generator)
        names = [name for name in METHODS if size <= self.autograd_to or not name.startswith("autograd")]
        return {(name, size): METHODS[name](w.clone(), h, y, 1e-3) for name in names}

    def finish(self) -> None:
        """Exponents over the fitted D, and ratios at the largest of them."""
        for m in self.batches if self.fitted else []:
            last = self.scalars[f"time/factored/{m}/{self.fitted[-1]}"]
            for name in METHODS:
                keys = [f"time/{name}/{m}/{size}" for size in self.fitted]
                if all(key in self.scalars for key in keys):
                    times = [self.scalars[key] for key in keys]
                    self.scalar(f"time/exponent/{name}/{m}", scaling_exponent(self.fitted, times))
                    self.scalar(f"time/ratio/{name}/{m}", times[-1] / last)


# -- stability --------------------------------------------------------------------------------------------------------


@modules.register("z_loss/stability", source="arXiv 1412.7091")
class Stability(PaperModule):
    """A factored layer on inputs of unequal variance, beside the same steps on dense weights.

    h = (N(0, I) + 1) * logspace(0, -log10 30), c = argmax(w h + Gumbel) with fixed w ~ N(0, 1), W_0 ~ N(0, 0.1^2), one
    example a step, lr 0.1, Z-loss with a = 1, b = 0.

    Args:
        fold: whether U is folded into V where a singular value has left [0.1, 10]; looked at every `period` steps.
        period: steps between two looks.
        classes: D.
        d: width of the input.
        single: V, U and omega in single precision.
    """

    block_steps = 1000
    device_free = True

    def __init__(
        self, *, fold: bool = True, period: int = 100, classes: int = 200, d: int = 16, single: bool = False
    ) -> None:
        super().__init__()
        self.fold, self.period, self.classes, self.d, self.single = fold, period, classes, d, single

    def build(self) -> None:
        """Both layers at the same start."""
        draw = self.seeds.numpy("start")
        self.truth = torch.from_numpy(draw.standard_normal((self.classes, self.d)))
        start = torch.from_numpy(0.1 * draw.standard_normal((self.classes, self.d)))
        self.dense, self.layer = start.clone(), FactoredSphericalLinear(start)
        self.scale = torch.logspace(0, -math.log10(30), self.d, dtype=torch.float64)
        self.folds, self.drift, self.worst = 0, 0.0, 1.0

    def measure_at(self, total: int) -> Iterable[int]:
        """A hundred points."""
        return even_steps(total, 100)

    def measure(self) -> Mapping[str, float]:
        """The condition number of U."""
        return {"condition": self.layer.condition}

    def advance(self, start: int, stop: int) -> None:
        """Steps start, ..., stop-1."""
        loss = ZLoss()
        for step in range(start, stop):
            draw = self.seeds.numpy("example", step)
            h = (torch.from_numpy(draw.standard_normal(self.d)) + 1) * self.scale
            y = (self.truth @ h + torch.from_numpy(draw.gumbel(size=self.classes))).argmax()[None]
            self.layer.step(h[None], y, loss, 0.1)
            self.dense_step(h, y, loss)
            if self.single:
                for name in ("v", "u", "omega"):
                    setattr(self.layer, name, getattr(self.layer, name).float().double())
            if (step + 1) % self.period == 0:
                self.look()

    def dense_step(self, h: Tensor, y: Tensor, loss: ZLoss) -> None:
        """W <- W - lr g h^T with the closed gradient of all scores."""
        o = self.dense @ h
        alpha, beta, gamma = loss.coefficients(o[y], o.sum()[None], o.square().sum()[None], self.classes)
        g = alpha + beta * o
        g[y] += gamma
        self.dense.addr_(g, h, alpha=-0.1)

    def look(self) -> None:
        """Drift of Q, then fold if asked for; the condition number that stays."""
        w = self.layer.weight()
        exact = w.T @ w
        self.drift = max(self.drift, float((self.layer.q - exact).abs().max() / exact.abs().max()))
        if self.fold:
            self.folds += self.layer.fold()
        self.worst = max(self.worst, self.layer.condition)

    def finish(self) -> None:
        """Folds, drift, condition numbers and the distance from the dense weights."""
        self.look()
        self.scalar("folds", self.folds)
        self.scalar("drift", self.drift)
        self.scalar("condition/largest", self.worst)
        self.scalar("condition/end", self.layer.condition)
        self.scalar("distance", (self.layer.weight() - self.dense).abs().max() / self.dense.abs().max())

    def extra_state(self) -> dict[str, Any]:
        """Both layers and what was seen."""
        layer = {name: getattr(self.layer, name).clone() for name in ("v", "u", "omega", "q", "wbar")}
        return {"layer": layer, "dense": self.dense.clone(), "seen": [self.folds, self.drift, self.worst]}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore them."""
        for name, value in state["layer"].items():
            setattr(self.layer, name, value.clone())
        self.dense = state["dense"].clone()
        self.folds, self.drift, self.worst = state["seen"]
