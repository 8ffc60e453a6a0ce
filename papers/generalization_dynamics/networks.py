"""Nonlinear students: a trained readout of random features, in closed form, and two trained layers, step by step.

generalization_dynamics/readout      student (i): gradient flow of the readout, and the capacity that it reaches
generalization_dynamics/two_layers   student (ii): full-batch descent on both layers
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from assay.data import Data
from assay.errors import UserError
from assay.metrics.gradient_flow import LinearFlow
from assay.models.random_features import RandomFeatures
from assay.module import GradientModule, PaperModule, log_steps, modules
from papers.generalization_dynamics.module import SOURCE, all_times

PENALTIES = np.geomspace(1e-6, 1e4, 61)
"""Of the ridge path."""

CHUNK = 2000
"""Test rows whose features are held at once."""


def noise_of(data: Data) -> float:
    """The variance of the noise on training targets."""
    variance = getattr(data, "noise_variance", None)
    if variance is None:
        raise UserError("this module needs data with noisy training targets and clean test targets")
    return float(variance)


@modules.register("generalization_dynamics/readout", source=f"{SOURCE}, Figs. 6, 7, 9")
class Readout(PaperModule):
    """Student (i): the readout of random ReLU features under gradient flow from zero; one step.

    With Phi [P, N_h] the features of the training inputs, dv/dt = Phi^T (y - Phi v). The error on new noisy questions
    is the mean squared error on the clean test targets plus the noise.
    """

    takes = ("data", "model")
    default_parts = {"model": "random_features"}

    @property
    def total(self) -> int:
        """The flow is solved at once."""
        return 1

    def build(self) -> None:
        """Draw the first layer from the axis `init`."""
        with self.seeds.torch_global("init"):
            net = self.model_part(self.data.inputs, 1)
        if not isinstance(net, RandomFeatures):
            raise UserError("this module's closed form holds for model=random_features only")
        self.net = net

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve: times are not steps."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """Solve the flow at 0, 60 times and infinity, and the ridge path."""
        train, test, noise = self.data.train, self.data.test, noise_of(self.data)
        assert test is not None
        phi = self.net.features(train.x)
        flow = LinearFlow.fit(phi, train.y)
        times = torch.from_numpy(all_times(1e-3, 1e9)).to(phi)
        course = torch.cat([flow.coordinates(times), flow.ridge(PENALTIES.tolist())])
        errors = self.test_errors(flow, course) + noise
        over_time, ridge = errors[: len(times)], errors[len(times) :]
        self.scalar("test/final", over_time[-1])
        self.scalar("test/stopped", over_time.min())
        self.scalar("test/overtraining", over_time[-1] - over_time.min())
        self.scalar("test/ridge", ridge.min())
        self.scalar("test/t_opt", times[over_time.argmin()].clamp(max=1e30))
        self.scalar("train/final", flow.residuals(times)[-1] / len(train))
        self.scalar("eigenvalue/least", flow.values.min() ** 2)
        for name, value in capacities(phi, flow).items():
            self.scalar(f"capacity/{name}", value)

    def test_errors(self, flow: LinearFlow, coordinates: Tensor) -> Tensor:
        """Mean squared errors on the clean test targets, [k], for coordinates [k, r]."""
        test = self.data.test
        assert test is not None
        total = torch.zeros(len(coordinates), dtype=coordinates.dtype, device=coordinates.device)
        for x, y in zip(test.x.split(CHUNK), test.y.split(CHUNK), strict=True):
            total += (flow.predictions(self.net.features(x), coordinates) - y[:, None]).square().sum(0)
        return total / len(test)


def capacities(phi: Tensor, flow: LinearFlow) -> dict[str, float]:
    """Two estimates of the Rademacher complexity of a readout on P points; ours, not the paper's.

    `naive`: of all readouts, sqrt(rank/P). `reachable`: of the ball of radius B that gradient flow from zero ends on,
    B sqrt(tr K)/P with K = Phi Phi^T and B^2 = y^T K^+ y. The first saturates at 1; the second contains the frozen
    subspace, outside of which nothing grows, and the conditioning, as B is large where the least eigenvalue is small.
    """
    rows = len(phi)
    end = torch.tensor([math.inf], dtype=phi.dtype, device=phi.device)
    reach = float(flow.norms(end)[0])
    return {
        "naive": math.sqrt(len(flow.values) / rows),
        "reachable": reach * float(phi.square().sum().sqrt()) / rows,
        "norm": reach,
    }


class Gradients(NamedTuple):
    """Of (1/2P) sum_mu (f(x_mu) - y_mu)^2 in the first layer, [N_h, N_i], and in the readout, [N_h]; and its value."""

    first: Tensor
    readout: Tensor
    value: Tensor


def two_layers(x: Tensor, first: Tensor, readout: Tensor) -> Tensor:
    """f(x) = v . relu(W x), [n]."""
    return torch.relu(x @ first.T) @ readout


def gradients(x: Tensor, y: Tensor, first: Tensor, readout: Tensor) -> Gradients:
    """The gradient in closed form, from x [P, N_i], y [P], W [N_h, N_i] and v [N_h]."""
    hidden = torch.relu(x @ first.T)
    r = hidden @ readout - y
    r = r / len(x)
    back = torch.ops.aten.threshold_backward(torch.outer(r, readout), hidden, 0.0)  # zero where relu is, in one pass
    return Gradients((x.T @ back).T, hidden.T @ r, len(x) / 2 * (r @ r))


@modules.register("generalization_dynamics/two_layers", source=f"{SOURCE}, Figs. 6, 7, 9", reduced={"hidden": 8})
class TwoLayers(GradientModule):
    """Student (ii): both layers of a ReLU network without biases, full-batch descent on half the mean squared error.

    Layers start at N(0, s^2/fan-in). The rate is min(optimizer.lr, 1/(1 + N_h max(s, 1)^2/4)): falling as 1/N_h, it
    keeps the speed of the function comparable over widths.

    Args:
        hidden: N_h.
        scale: s.
        dtype: of weights and data.
    """

    takes = ("data", "optimizer", "schedule")
    block_steps = 500

    first: nn.Parameter
    readout: nn.Parameter
    history: Tensor

    def __init__(
        self, *, hidden: int = 100, scale: float = 1.0, dtype: Literal["float32", "float64"] = "float32"
    ) -> None:
        super().__init__()
        self.hidden, self.scale, self.dtype_ = hidden, scale, getattr(torch, dtype)

    def build(self) -> None:
        """Draw both layers from the axes ("init", layer)."""
        width = math.prod(self.data.inputs)
        first = self.seeds.numpy("init", "first").standard_normal((self.hidden, width)) / math.sqrt(width)
        readout = self.seeds.numpy("init", "readout").standard_normal(self.hidden) / math.sqrt(self.hidden)
        self.first, self.readout = (
            nn.Parameter(torch.from_numpy(self.scale * start).to(self.dtype_)) for start in (first, readout)
        )
        self.optimize([self.first, self.readout])
        most = 1 / (1 + 0.25 * self.hidden * max(self.scale, 1.0) ** 2)
        self.base_lrs = [min(lr, most) for lr in self.base_lrs]
        train, test = self.data.train, self.data.test
        assert test is not None
        self.rows = tuple(part.to(self.dtype_) for part in (train.x, train.y, test.x, test.y))
        self.noise = noise_of(self.data)

    def gradients(self, index: Tensor) -> Tensor:
        """Fill the gradients on all training rows."""
        x, y, *_ = self.rows
        found = gradients(x, y, self.first.detach(), self.readout.detach())
        self.first.grad, self.readout.grad = found.first, found.readout
        return found.value

    def measure_at(self, total: int) -> Iterable[int]:
        """Step 0 and some 60 steps evenly in log."""
        return log_steps(total, 60)

    def measure(self) -> Mapping[str, float]:
        """E_g: the mean squared error on clean test targets plus the noise. E_t: that on the training targets."""
        first, readout = self.first.detach(), self.readout.detach()
        x, y, test_x, test_y = (part.to(first.device) for part in self.rows)
        return {
            "test/error": float((two_layers(test_x, first, readout) - test_y).square().mean()) + self.noise,
            "train/error": float((two_layers(x, first, readout) - y).square().mean()),
        }

    def finish(self) -> None:
        """The errors of the last step, the smallest on the way, and how far apart they are."""
        test, train = self.curves["test/error"], self.curves["train/error"]
        best = min(test.value)
        self.scalar("test/final", test.value[-1])
        self.scalar("test/stopped", best)
        self.scalar("test/overtraining", test.value[-1] - best)
        self.scalar("test/stopped_at", test.step[test.value.index(best)])
        self.scalar("train/final", train.value[-1])
        self.scalar("parameters", self.first.numel() + self.readout.numel())
