"""SGD, SAM, SAF and MESA on a classifier, and how sharp the minima are that they find.

One SGD step lowers the loss by L(theta_t) - L(theta_{t+1}) ~ eta |g|^2, and SAM's sharpness is
R = max_{|eps| <= rho} L(theta + eps) - L(theta) ~ rho |g|. So the drop is (eta/rho^2) R^2: what the loss fell by over
the last epochs is their accumulated squared sharpness. SAF does not let it fall as fast: it holds outputs near those of
some epochs ago,

    L = L_B + L_tra,   L_tra = (lambda/|B|) sum_{i in B} tau^2 KL(softmax(Y_i^(e - Etilde)/tau) || softmax(f(x_i)/tau)),

with Y_i^(e - Etilde) the output for sample i that was stored Etilde epochs before epoch e. MESA needs no store: its
reference is the output of an average of the weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from assay.classifier import ClassifierModule
from assay.data.augment import random_crops
from assay.data.base import Split
from assay.errors import UserError
from assay.losses.trajectory import OutputCache, TrajectoryKL, trajectory_kl
from assay.metrics.sharpness import (
    LossAt,
    Params,
    filter_normalised,
    hessian_top_eig,
    loss_at,
    loss_slice,
    sam_sharpness,
)
from assay.models.ema import ema_of
from assay.module import modules
from assay.optimizers.sam import frozen_statistics, perturbed

ITERATIONS = 20
"""Of the power iteration at the end of a run."""

WARM_ITERATIONS = 4
"""Of those during a run, which begin with the last eigenvector."""

SLICE = [i / 10 for i in range(-10, 11)]


@modules.register("saf/sgd", source="arXiv 2205.14083, its baseline")
class Descent(ClassifierModule):
    """Plain gradient steps, with what all four methods share: augmentation and measurements.

    Sharpness is measured on the first `probe` training rows with the labels trained on, without augmentation: cross
    entropy without smoothing, decay or trajectory term. Scalars: `sharpness/lambda_max`, `sharpness/s_rho`,
    `train/probe` (that cross entropy), and `time/epoch`, seconds an epoch of training. Units: the loss along a random
    filter-normalised direction. Curves, at the start of every epoch: `sharpness/s_rho`, `train/probe`.

    Args:
        decay: see `ClassifierModule`.
        shift: training images are moved by up to so many pixels.
        flip: and mirrored left to right with probability 1/2.
        pad: what lies beyond their border.
        probe: training rows for sharpness; 0 for none.
        probe_rho: radius of S_rho.
    """

    def __init__(
        self,
        *,
        decay: Literal["all", "weights"] = "all",
        shift: int = 0,
        flip: bool = False,
        pad: float = 0.0,
        probe: int = 1000,
        probe_rho: float = 0.05,
    ) -> None:
        super().__init__(decay=decay)
        self.shift, self.flip, self.pad, self.probe, self.probe_rho = shift, flip, pad, probe, probe_rho
        self.seconds = 0.0

    @property
    def epoch_steps(self) -> int:
        """Steps an epoch."""
        samples = len(self.data.train)
        return math.ceil(samples / (self.budget.batch or samples))

    @property
    def epoch(self) -> int:
        """The epoch of the step at hand, from 0."""
        return self._step // self.epoch_steps

    def batch(self, step: int) -> Tensor:
        """As in the base class; notes the step, which epochs and crops are functions of."""
        self._step = step
        return super().batch(step)

    def views(self, index: Tensor) -> Tensor:
        """The images of a batch, each moved at random; another view of an image in every epoch."""
        x = self.data.train.x[index]
        if not self.shift:
            return x
        padded = F.pad(x, [self.shift] * 4, value=self.pad)
        return random_crops(padded, x.shape[-1], self.seeds.torch("crop", self._step), self.flip)

    def total_loss(self, x: Tensor, index: Tensor) -> Tensor:
        """L on the inputs x of the rows `index`; for SGD L_B alone."""
        return self.loss.mean(self.net(x), self.data.train.y[index], index)

    def backward(self, x: Tensor, index: Tensor) -> Tensor:
        """Fill every parameter's `.grad`; returns L, detached."""
        loss = self.total_loss(x, index)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        return loss.detach()

    def gradients(self, index: Tensor) -> Tensor:
        """The gradient at theta."""
        return self.backward(self.views(index), index)

    def advance(self, start: int, stop: int) -> None:
        """Steps start, ..., stop-1, timed."""
        began = time.perf_counter()
        super().advance(start, stop)
        self.seconds += time.perf_counter() - began

    # -- sharpness ------------------------------------------------------------------------------------------------

    def probe_loss(self) -> tuple[LossAt, Params]:
        """Cross entropy on the probe rows as a function of the parameters, and these."""
        rows = torch.arange(min(self.probe, len(self.data.train)), device=self.data.train.y.device)
        train = self.data.train
        return loss_at(self.net, F.cross_entropy, train.x[rows], train.y[rows])

    def measure(self) -> Mapping[str, float]:
        """Sharpness now, and validation accuracy where there is a validation split."""
        found = dict(super().measure())
        if self.probe:
            self.net.eval()
            found |= self.sharpness(*self.probe_loss())
            self.net.train()
        return found

    def sharpness(self, loss: LossAt, params: Params) -> dict[str, float]:
        """What is measured at the start of an epoch, with the network in evaluation mode."""
        s_rho, here = sam_sharpness(loss, params, self.probe_rho)
        return {"sharpness/s_rho": s_rho, "train/probe": here}

    def measure_at(self, total: int) -> Iterable[int]:
        """At the start of every epoch and at the end."""
        return [*range(0, total, self.epoch_steps), total]

    def finish(self) -> None:
        """Accuracy of the live weights, and the sharpness of the minimum."""
        super().finish()
        self.scalar("time/epoch", self.seconds / max(self.steps_done, 1) * self.epoch_steps)
        if not self.probe:
            return
        self.net.eval()
        loss, params = self.probe_loss()
        s_rho, here = sam_sharpness(loss, params, self.probe_rho)
        self.scalar("sharpness/s_rho", s_rho)
        self.scalar("train/probe", here)
        self.scalar("sharpness/lambda_max", hessian_top_eig(loss, params, ITERATIONS)[0])
        direction = filter_normalised(params, self.seeds.torch("direction"))
        for a, value in zip(SLICE, loss_slice(loss, params, direction, SLICE), strict=True):
            self.unit(f"{a:g}", a=a, loss=value)
        self.net.train()

    def accuracy_of(self, net: torch.nn.Module, split: Split) -> float:
        """Top-1 accuracy of another network of the same shape."""
        live, self.net = self.net, net
        try:
            return self.accuracy(split)
        finally:
            self.net = live

    def extra_state(self) -> dict[str, Any]:
        """The time so far."""
        return {"seconds": self.seconds}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on counting."""
        self.seconds = state["seconds"]


@modules.register("saf/watched_sgd", source="arXiv 2205.14083, its motivation")
class WatchedDescent(Descent):
    """SGD that also computes what it is not trained on: the trajectory KL, an average of its weights, lambda_max.

    Curve `trajectory/kl`: at the end of epoch e, the mean over its samples of tau^2 KL(softmax(Y^(e - window)/tau) ||
    softmax(out/tau)). Curve `sharpness/lambda_max`, by a few power iterations from the last eigenvector. Scalar
    `ema/accuracy`: test accuracy of the average.

    Args:
        window: Etilde, epochs between the outputs that are compared.
        tau: temperature.
        beta: memory of the average.
        decay, shift, flip, pad, probe, probe_rho: see `Descent`.
    """

    kl: Tensor

    def __init__(self, *, window: int = 2, tau: float = 5.0, beta: float = 0.99, **shared: Any) -> None:
        super().__init__(**shared)
        self.window, self.tau, self.beta = window, tau, beta
        self.vector: Params | None = None

    def build(self) -> None:
        """Also the cache, the average and the sum of the divergences."""
        super().build()
        self.cache = OutputCache(len(self.data.train), self.window + 1, self.data.classes)
        self.average = ema_of(self.net, self.beta)
        self.register_buffer("kl", torch.zeros((), dtype=torch.float64))

    def total_loss(self, x: Tensor, index: Tensor) -> Tensor:
        """L_B; the divergence from the stored outputs is summed beside it."""
        out = self.net(x)
        self.cache.store(index, self.epoch, out)
        if self.epoch >= self.window:
            then = self.cache.read(index, self.epoch - self.window)
            self.kl += trajectory_kl(out.detach(), then, self.tau).sum()
        return self.loss.mean(out, self.data.train.y[index], index)

    def after_step(self, step: int) -> None:
        """Move the average; at the end of an epoch note its mean divergence."""
        self.average.update_parameters(self.net)
        if (step + 1) % self.epoch_steps == 0 and self.epoch >= self.window:
            self.track("trajectory/kl", self.kl / len(self.data.train))
            self.kl.zero_()

    def sharpness(self, loss: LossAt, params: Params) -> dict[str, float]:
        """Also the largest eigenvalue."""
        value, self.vector = hessian_top_eig(loss, params, WARM_ITERATIONS, self.vector)
        return {**super().sharpness(loss, params), "sharpness/lambda_max": value}

    def finish(self) -> None:
        """Also the accuracy of the average."""
        super().finish()
        if self.data.test is not None:
            self.scalar("ema/accuracy", self.accuracy_of(self.average.module, self.data.test))

    def extra_state(self) -> dict[str, Any]:
        """Also the last eigenvector."""
        return {**super().extra_state(), "vector": self.vector}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        super().load_extra_state(state)
        self.vector = state["vector"]


@modules.register("saf/sam", source="Foret et al., ICLR 2021 (arXiv 2010.01412)")
class SAM(Descent):
    """theta <- theta - eta grad L(theta + rho g/|g|), g = grad L(theta): two passes on one batch.

    Args:
        rho: how far uphill the second gradient is taken.
        decay, shift, flip, pad, probe, probe_rho: see `Descent`.
    """

    def __init__(self, *, rho: float = 0.05, **shared: Any) -> None:
        super().__init__(**shared)
        self.rho = rho

    def gradients(self, index: Tensor) -> Tensor:
        """The gradient at theta + eps, on the same images; batch statistics count once."""
        x = self.views(index)
        loss = self.backward(x, index)
        with perturbed(self.net.parameters(), self.rho), frozen_statistics(self.net):
            self.backward(x, index)
        return loss


class Trajectory(Descent):
    """What SAF and MESA share: L_tra is added in epochs e > E_start.

    Args:
        lambda_: weight of the trajectory loss.
        tau: its temperature.
        start: E_start.
        decay, shift, flip, pad, probe, probe_rho: see `Descent`.
    """

    def __init__(self, *, lambda_: float, tau: float = 5.0, start: int = 4, **shared: Any) -> None:
        super().__init__(**shared)
        self.term, self.first = TrajectoryKL(lambda_, tau), start
        self.evaluated = 0

    def reference(self, x: Tensor, index: Tensor) -> Tensor:
        """What outputs are held to, [B, C]."""
        raise TypeError(f"{type(self).__name__} has no reference")

    def store(self, out: Tensor, index: Tensor) -> None:
        """Keep the outputs of a batch, where the reference is made of such."""

    def total_loss(self, x: Tensor, index: Tensor) -> Tensor:
        """L_B + L_tra; old outputs were those of another view of the same images."""
        out = self.net(x)
        self.store(out, index)
        loss = self.loss.mean(out, self.data.train.y[index], index)
        if self.epoch <= self.first:
            return loss
        self.evaluated += 1
        return loss + self.term(out, self.reference(x, index))

    def extra_state(self) -> dict[str, Any]:
        """Also how often the term was evaluated."""
        return {**super().extra_state(), "evaluated": self.evaluated}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        super().load_extra_state(state)
        self.evaluated = state["evaluated"]


@modules.register("saf/saf", source="arXiv 2205.14083")
class SAF(Trajectory):
    """The reference is the output of `window` epochs ago, from a cache of n (window + 1) C numbers.

    Args:
        lambda_: weight of the trajectory loss.
        window: Etilde.
        half: keep the cache in half precision.
        tau, start: see `Trajectory`; start must be at least window - 1.
        decay, shift, flip, pad, probe, probe_rho: see `Descent`.
    """

    def __init__(self, *, lambda_: float = 0.3, window: int = 2, half: bool = False, **shared: Any) -> None:
        super().__init__(lambda_=lambda_, **shared)
        if window < 1 or self.first < window - 1:
            raise UserError(f"module.window={window}: expected 1 to module.start + 1 = {self.first + 1} epochs")
        self.window, self.half_cache = window, half

    def build(self) -> None:
        """Also the cache."""
        super().build()
        dtype = torch.float16 if self.half_cache else torch.float32
        self.cache = OutputCache(len(self.data.train), self.window + 1, self.data.classes, dtype)

    def store(self, out: Tensor, index: Tensor) -> None:
        """Y[index, e mod (window + 1)] = out"""
        self.cache.store(index, self.epoch, out)

    def reference(self, x: Tensor, index: Tensor) -> Tensor:
        """Y[index, (e - window) mod (window + 1)]"""
        return self.cache.read(index, self.epoch - self.window)


@modules.register("saf/mesa", source="arXiv 2205.14083")
class MESA(Trajectory):
    """The reference is f_v(x) on the same images, with v_t = beta v_{t-1} + (1 - beta) theta_t, v_0 = theta_0.

    Args:
        lambda_: weight of the trajectory loss.
        beta: memory of the average.
        tau, start: see `Trajectory`.
        decay, shift, flip, pad, probe, probe_rho: see `Descent`.
    """

    def __init__(self, *, lambda_: float = 0.8, beta: float = 0.99, **shared: Any) -> None:
        super().__init__(lambda_=lambda_, **shared)
        self.beta = beta

    def build(self) -> None:
        """Also the average."""
        super().build()
        self.average = ema_of(self.net, self.beta)
        self.average.eval()

    @torch.no_grad()
    def reference(self, x: Tensor, index: Tensor) -> Tensor:
        """f_v(x)"""
        out: Tensor = self.average(x)
        return out

    def after_step(self, step: int) -> None:
        """v_t"""
        self.average.update_parameters(self.net)

    def finish(self) -> None:
        """Also the accuracy of the average, which the method does not use."""
        super().finish()
        if self.data.test is not None:
            self.scalar("ema/accuracy", self.accuracy_of(self.average.module, self.data.test))
