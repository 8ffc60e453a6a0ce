"""Exact checks 1, 2, 3 and 9: the trajectory loss, the cache, passes a step, and the motivation to first order.

Networks, images and labels are drawn from fixed seeds of their own; a run's seed does not enter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from assay.exact import ExactModule, collect, exact
from assay.losses.trajectory import OutputCache, TrajectoryKL
from assay.metrics.sharpness import loss_at, sam_sharpness
from assay.models.mlp import MLP
from assay.module import modules
from assay.seeds import Seeds
from papers.saf.cost import METHODS, Noise, Stepper, ready
from papers.saf.data import BLACK
from papers.saf.module import SAF, Descent

SEEDS = Seeds(0)

SMALL = (16,)
"""Hidden units where only the wiring is checked."""


# -- check 1: the trajectory loss -------------------------------------------------------------------------------------


@exact("1")
def trajectory_gradient() -> Mapping[str, float]:
    """The gradient in the scores against lambda tau (p - q)/|B| with p, q the softened out, ref; 0 where ref = out."""
    lambda_, tau, generator = 0.3, 5.0, SEEDS.torch("scores")
    out, ref = 3 * torch.randn(2, 32, 10, generator=generator, dtype=torch.float64)
    out.requires_grad_()
    term = TrajectoryKL(lambda_, tau)
    (found,) = torch.autograd.grad(term(out, ref), out)
    with torch.no_grad():
        expected = lambda_ * tau * (torch.softmax(out / tau, 1) - torch.softmax(ref / tau, 1)) / len(out)
    same = term(out, out)
    (still,) = torch.autograd.grad(same, out)
    return {
        "gradient": float((found - expected).abs().max()),
        "same_loss": abs(float(same.detach())),
        "same_gradient": float(still.abs().max()),
    }


@exact("1")
def no_weight_is_sgd() -> Mapping[str, float]:
    """50 steps of SAF with lambda = 0 and of SGD, 4 an epoch, E_start = 2: weights that differ, terms evaluated."""
    shared = {"shift": 2, "pad": BLACK, "probe": 0}
    methods = [SAF(lambda_=0.0, start=2, **shared), Descent(**shared)]  # type: ignore[arg-type]
    x = torch.randn(512, 1, 28, 28, generator=SEEDS.torch("images"))
    saf, sgd = (ready(method, SEEDS, Noise(x), SMALL, 128, lr=0.1) for method in methods)
    for module in (saf, sgd):
        module.advance(0, 50)
    pairs = zip(saf.net.parameters(), sgd.net.parameters(), strict=True)
    assert isinstance(saf, SAF)
    return {"different": sum(int((p != q).sum()) for p, q in pairs), "evaluated": saf.evaluated}


# -- check 2: the cache -----------------------------------------------------------------------------------------------


class SaysEpoch(nn.Module):
    """A network whose every output is the epoch."""

    epoch = 0

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3] times the epoch."""
        return torch.full((len(x), 3), float(self.epoch))


@exact("2")
def cache_reads_back() -> Mapping[str, float]:
    """12 epochs in shuffled order, batches that don't divide the samples, Etilde 1 to 3: largest |read - (e - Etilde)|.

    `unread` counts reads of epochs that have not been, which must all be NaN, for e < Etilde.
    """
    worst, unread = 0.0, 0
    for window in (1, 2, 3):
        net, cache = SaysEpoch(), OutputCache(50, window + 1, 3)
        for epoch in range(12):
            net.epoch = epoch
            for index in torch.randperm(50, generator=SEEDS.torch("order", window, epoch)).split(16):
                cache.store(index, epoch, net(index))
                read = cache.read(index, epoch - window)
                if epoch >= window:
                    worst = max(worst, float((read - (epoch - window)).abs().nan_to_num(math.inf).max()))
                else:
                    unread += int((~read.isnan()).sum())
    return {"error": worst, "unread": unread}


# -- check 3: passes --------------------------------------------------------------------------------------------------


@exact("3")
def passes() -> Mapping[str, float]:
    """Forward and backward passes of one step of each method, once its term is on."""
    x = torch.randn(64, 784, generator=SEEDS.torch("images"))
    found = {}
    for name, make in METHODS.items():
        forwards, backwards = Stepper(ready(make(), SEEDS, Noise(x), SMALL, 32)).counted(after=6)
        found |= {f"{name}_forward": forwards, f"{name}_backward": backwards}
    return found


# -- check 9: the motivation ------------------------------------------------------------------------------------------


@exact("9")
def first_order() -> Mapping[str, float]:
    """(L(theta) - L(theta - eta g))/(eta |g|^2) and S_rho/(rho |g|) at eta = rho/|g| in {1e-5, 1e-6}: their errors.

    A random MLP 784-64-10, 128 random samples, double precision.
    """
    with SEEDS.torch_global("network"):
        net = MLP((784,), 10, hidden=[64], init="torch").double()
    generator = SEEDS.torch("samples")
    x = torch.randn(128, 784, generator=generator, dtype=torch.float64)
    y = torch.randint(10, (128,), generator=generator)
    loss, params = loss_at(net, F.cross_entropy, x, y)
    g, here = torch.func.grad_and_value(loss)(params)
    square = sum(float(v.square().sum()) for v in g.values())

    def descent(eta: float) -> float:
        return abs(float(here.detach() - loss({k: p - eta * g[k] for k, p in params.items()})) / (eta * square) - 1)

    def ascent(eta: float) -> float:
        rho = eta * math.sqrt(square)
        return abs(sam_sharpness(loss, params, rho)[0] / (rho * math.sqrt(square)) - 1)

    found = {}
    for name, error in (("descent", descent), ("ascent", ascent)):
        found |= {name: error(1e-5), f"{name}_ratio": error(1e-5) / error(1e-6)}
    return found


@modules.register("saf/exact", source="arXiv 2205.14083")
class SafExact(ExactModule):
    """The paper's exact checks, one function a step."""

    checks = collect(__name__)
