"""Exact checks 1, 2 and 3: slopes are those of a convex calibrated loss, the gradient, and the size of the draws.

All in double precision, on cases from fixed seeds of their own; a run's seed does not enter.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from assay.exact import ExactModule, collect, exact
from assay.losses.base import Loss
from assay.losses.ens_loss import EnsLoss, along, magnitudes, tempered
from assay.losses.margin import BCELoss, margin
from assay.models.tab_mlp import TabMLP
from assay.module import modules
from assay.seeds import Seeds

SEEDS = Seeds(0)

BATCHES = 1000
DRAWS = 1_000_000


# -- check 1: calibrated and convex -----------------------------------------------------------------------------------


def induced_loss(z: Tensor, g: Tensor) -> Tensor:
    """phi at the margins z [B] whose slope there is g [B], by the trapezoid rule from the smallest margin, [B]."""
    order = z.argsort(stable=True)
    step = z[order].diff() * (g[order][1:] + g[order][:-1]) / 2
    phi = torch.empty_like(z)
    phi[order] = torch.cat([torch.zeros(1, dtype=z.dtype), step.cumsum(0)])
    return phi


def concavity(z: Tensor, g: Tensor) -> float:
    """The largest phi(z_i) + g_i (z_j - z_i) - phi(z_j), relative to max(1, |phi(z_j)|); above 0, phi is not convex."""
    phi = induced_loss(z, g)
    tangent = phi[:, None] + g[:, None] * (z[None] - z[:, None])
    return float(((tangent - phi[None]) / phi.abs().clamp_min(1)[None]).max())


def fall(z: Tensor, g: Tensor) -> float:
    """The largest g_i - g_j over pairs with z_i < z_j; above 0, slopes fall somewhere."""
    drop = (g[:, None] - g[None])[z[:, None] < z[None]]
    return float(drop.max()) if len(drop) else -1.0


@exact("1")
def calibrated_convex() -> Mapping[str, float]:
    """1000 batches of 2 to 256 margins at scales 0.1 to 30, lambda 0 or U(-1, 1): the worst of each condition.

    Every fourth batch has its margins rounded to tenths, for ties. The control: 1000 batches of 128 unsorted slopes.
    """
    worst = {"fall": -1.0, "largest": -1.0, "size": 0.0, "concavity": -1.0}
    broken = 0
    for i in range(BATCHES):
        random, generator = SEEDS.numpy("convex", i), SEEDS.torch("convex", i)
        size, scale = int(random.integers(2, 257)), 10 ** random.uniform(-1, 1.5)
        lambda_ = float(random.uniform(-1, 1)) if i % 2 else 0.0
        z = scale * torch.randn(size, generator=generator, dtype=torch.float64)
        z = z.round(decimals=1) if i % 4 == 0 else z
        v = torch.randn(size, generator=generator, dtype=torch.float64)
        g = tempered(along(magnitudes(v, lambda_), z), z)
        found = {
            "fall": fall(z, g),
            "largest": float(g.max()),
            "size": float(g.abs().max()),
            "concavity": concavity(z, g),
        }
        worst = {name: max(value, found[name]) for name, value in worst.items()}
        z, v = torch.randn(2, 128, generator=generator, dtype=torch.float64)
        broken += concavity(z, tempered(magnitudes(v), z)) > 1e-9
    return {**worst, "unsorted": broken / BATCHES}


# -- check 2: the gradient --------------------------------------------------------------------------------------------


def network() -> nn.Module:
    """A small network with batch normalisation, in training mode."""
    with SEEDS.torch_global("network"):
        return TabMLP((6,), 1, depth=2, width=8).double()


def rows(n: int) -> tuple[Tensor, Tensor]:
    """Inputs [n, 6] and classes [n]."""
    generator = SEEDS.torch("rows")
    x = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    return x, torch.randint(2, (n,), generator=generator)


class Injected(EnsLoss):
    """EnsLoss with the slopes of cross entropy in place of steps 2 to 6: g = phi'(z) = -sigmoid(-z)."""

    def draw(self, z: Tensor) -> Tensor:
        """Slopes at z."""
        return -torch.sigmoid(-z)


@exact("2")
def gradient() -> Mapping[str, float]:
    """The gradient of mean g z against (1/B) sum g_i y_i grad f(x_i), sample by sample; and 100 injected steps."""
    net, (x, y) = network(), rows(40)
    params = list(net.parameters())
    loss = EnsLoss()
    loss.reseed(SEEDS.axis("slopes"))
    f = net(x)
    g = loss.draw(margin(f, y).detach())
    found = torch.autograd.grad(loss(f, y).mean(), params, retain_graph=True)
    expected = [torch.zeros_like(p) for p in params]
    for i in range(len(x)):
        slope = g[i] * (2 * y[i] - 1) / len(x)
        for total, one in zip(expected, torch.autograd.grad(f[i, 0], params, retain_graph=True), strict=True):
            total += slope * one
    error = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
    return {"gradient": error, "trajectory": distance(trained(Injected()), trained(BCELoss()))}


def trained(loss: Loss) -> list[Tensor]:
    """The parameters after 100 steps with momentum on batches of 16."""
    net, (x, y) = network(), rows(160)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for batch in itertools.islice(itertools.cycle(torch.arange(160).split(16)), 100):
        optimizer.zero_grad()
        loss(net(x[batch]), y[batch]).mean().backward()
        optimizer.step()
    return [p.detach() for p in net.parameters()]


def distance(a: list[Tensor], b: list[Tensor]) -> float:
    """The largest difference of two lists of tensors, entry by entry."""
    return max(float((p - q).abs().max()) for p, q in zip(a, b, strict=True))


# -- check 3: the draws -----------------------------------------------------------------------------------------------


@exact("3")
def sizes() -> Mapping[str, float]:
    """The mean of 10^6 clipped slopes; the largest change of one when lambda goes from 0 to 1e-4."""
    v = torch.randn(DRAWS, generator=SEEDS.torch("sizes"), dtype=torch.float64)
    r = magnitudes(v)
    return {"mean": float(r.mean()), "lambda": float((magnitudes(v, 1e-4) - r).abs().max())}


@modules.register("ensloss/exact", source="arXiv 2409.00908")
class EnsExact(ExactModule):
    """The paper's exact checks, one function a step."""

    checks = collect(__name__)
