"""Exact checks: factored against dense steps, invariances and gradients of the Z-loss, its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import softplus

from assay.exact import ExactModule, collect, exact
from assay.linalg import FactoredSphericalLinear
from assay.losses import ZLoss
from assay.module import modules
from assay.seeds import Seeds

SEEDS = Seeds(0)
D, WIDTH, STEPS = 50, 6, 200


def normal(*shape: int, name: tuple[str | int, ...]) -> Tensor:
    """Standard normal numbers of an axis."""
    return torch.from_numpy(SEEDS.numpy(*name).standard_normal(shape))


@exact("1")
def factored_steps() -> Mapping[str, float]:
    """After 200 steps on summed losses: largest deviations of W, Q and wbar from dense gradient descent by autograd."""
    worst = {"weights": 0.0, "q": 0.0, "wbar": 0.0, "inputs": 0.0, "clipped": 0.0}
    for m in (1, 8):
        w = 0.1 * normal(D, WIDTH, name=("start",))
        layer, loss = FactoredSphericalLinear(w), ZLoss()
        limited = FactoredSphericalLinear(w, clip=0.5)
        for t in range(STEPS):
            h = normal(m, WIDTH, name=("h", m, t))
            y = torch.from_numpy(SEEDS.numpy("y", m, t).integers(D, size=m))
            found = layer.step(h, y, loss, 0.1)
            limited.step(h, y, loss, 0.1)
            weight, inputs = w.clone().requires_grad_(), h.clone().requires_grad_()
            loss(inputs @ weight.T, y).sum().backward()
            assert weight.grad is not None and inputs.grad is not None
            worst["inputs"] = max(worst["inputs"], float((found.inputs - inputs.grad).abs().max()))
            w = w - 0.1 * weight.grad
        worst["weights"] = max(worst["weights"], float((layer.weight() - w).abs().max()))
        worst["q"] = max(worst["q"], float((layer.q - w.T @ w).abs().max()))
        worst["wbar"] = max(worst["wbar"], float((layer.wbar - w.sum(0)).abs().max()))
        worst["clipped"] += limited.clipped
    return worst


@exact("2")
def invariances() -> Mapping[str, float]:
    """L(k o + t) = L(o), 1.g = 0, (o - mu).g = 0, autograd against the closed gradient, and L(one-hot)."""
    worst = {"invariance": 0.0, "shift": 0.0, "scale": 0.0, "gradient": 0.0, "one_hot": 0.0}

    def note(name: str, value: Tensor) -> None:
        worst[name] = max(worst[name], float(value.abs().max()))

    for classes in (5, 50, 300):
        o = normal(20, classes, name=("o", classes))
        y = torch.from_numpy(SEEDS.numpy("targets", classes).integers(classes, size=20))
        for a, b in ((0.3, 1.0), (1.0, 0.0), (3.0, 28.0)):
            loss = ZLoss(a=a, b=b)
            value = loss(o, y)
            for k, t in ((0.1, -3.0), (1.0, 3.0), (10.0, 1.0)):
                note("invariance", (loss(k * o + t, y) - value) / value.clamp_min(1))
            alpha, beta, gamma = loss.coefficients(o.gather(1, y[:, None])[:, 0], o.sum(1), o.square().sum(1), classes)
            g = alpha[:, None] + beta[:, None] * o
            g[torch.arange(20), y] += gamma
            note("shift", g.sum(1))
            note("scale", ((o - o.mean(1, keepdim=True)) * g).sum(1))
            leaf = o.clone().requires_grad_()
            (automatic,) = torch.autograd.grad(loss(leaf, y).sum(), leaf)
            note("gradient", automatic - g)
            one_hot = torch.eye(classes, dtype=torch.float64)[:1]
            expected = softplus(torch.tensor(a * (b - math.sqrt(classes - 1)), dtype=torch.float64)) / a
            note("one_hot", loss(one_hot, torch.tensor([0])) - expected)
    return worst


@exact("3")
def hinge() -> Mapping[str, float]:
    """The largest distance from max(0, b - z_c) over log(2)/a, z_c = b (where it is one) included."""
    worst = 0.0
    z = torch.cat([torch.linspace(-5, 20, 501, dtype=torch.float64), torch.tensor([3.0], dtype=torch.float64)])
    for a in (1.0, 10.0, 100.0, 1000.0):
        gap = ZLoss(a=a, b=3.0).of_z(z) - (3.0 - z).clamp_min(0)
        worst = max(worst, float(gap.abs().max()) / (math.log(2) / a))
    return {"ratio": worst}


@modules.register("z_loss/exact")
class Exact(ExactModule):
    """Runs the functions above."""

    checks = collect(__name__)
