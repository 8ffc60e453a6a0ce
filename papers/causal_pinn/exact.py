"""The weights against a double loop, jets against nested autograd, reference solvers against independent ones."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.fft
import torch
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from assay.autodiff.jets import lines, propagate
from assay.autodiff.nested import nested_derivatives
from assay.data.evolution import AllenCahn, kuramoto_sivashinsky
from assay.exact import ExactModule, collect, exact
from assay.losses.causal_residual import causal_loss, causal_weights
from assay.models.mlp import MLP
from assay.models.modified_mlp import ModifiedMLP
from assay.models.periodic import Periodic
from assay.module import modules
from assay.seeds import Seeds
from assay.solvers.etdrk4 import AllenCahn1D, etdrk4

SEEDS = Seeds(0)


def network(kind: type[nn.Module], hidden: tuple[int, ...] = (48, 48, 48)) -> Periodic:
    """A network of check 4's size in double precision: five modes on [-1, 1]."""
    more = {"activation": "tanh"} if kind is MLP else {}
    make: Any = functools.partial(kind, hidden=hidden, init="xavier_normal", **more)
    with SEEDS.torch_global("init"):
        return Periodic((2,), 1, net=make, period=2.0, modes=5).double()


def grid(times: int, points: int) -> Tensor:
    """(t, x) on [0, 1] x [-1, 1], both ends included, [times * points, 2]."""
    t, x = (torch.linspace(low, 1, n, dtype=torch.float64) for low, n in ((0, times), (-1, points)))
    return torch.cartesian_prod(t, x)


# -- 1: the weights -------------------------------------------------------------------------------------------------


def by_double_loop(losses: Tensor, eps: float, initial: float) -> Tensor:
    """w_i by adding up, for every slice, what comes before it."""
    values = losses.tolist()
    return torch.tensor(
        [math.exp(-eps * (initial + math.fsum(values[k] for k in range(i)))) for i in range(len(values))],
        dtype=torch.float64,
    )


@exact("1")
def weights() -> Mapping[str, float]:
    """Both variants on random losses: the first weight, the order, and the double loop."""
    found = {"first_a": 0.0, "first_b": 0.0, "rise": -math.inf, "loop_error": 0.0}
    for i, eps in enumerate((1e-2, 1e-1, 1.0)):
        losses = torch.from_numpy(SEEDS.numpy("losses", i).exponential(size=40))
        for variant, initial in (("a", 0.0), ("b", 1.7)):
            w = causal_weights(losses, eps, torch.tensor(initial, dtype=torch.float64))
            found[f"first_{variant}"] = max(found[f"first_{variant}"], abs(float(w[0]) - math.exp(-eps * initial)))
            found["rise"] = max(found["rise"], float(w.diff().max()))
            found["loop_error"] = max(
                found["loop_error"], float((w - by_double_loop(losses, eps, initial)).abs().max())
            )
    return found


@exact("1")
def gradient() -> Mapping[str, float]:
    """The gradient of mean(w L) against that with constant weights, and that without detaching them.

    A network for the Allen-Cahn equation at its start, 24 x 48 points, eps = 0.1, lambda_ic = 100; both variants. The
    initial condition's own term is left out: it has no weights, and its gradient is a hundred times as long.
    """
    problem, net, points, eps = AllenCahn(), network(MLP), grid(24, 48), 0.1
    pde = AllenCahn1D(256)
    start = torch.stack([torch.zeros(256, dtype=torch.float64), torch.from_numpy(pde.x)], 1)
    theta = list(net.parameters())

    def losses(in_weights: bool) -> tuple[Tensor, Tensor]:
        residuals = problem.residual(propagate(net, lines(points, problem.directions)))
        first = 100 * (net(start)[:, 0] - torch.from_numpy(pde.initial())).square().mean()
        return residuals.square().reshape(24, 48).mean(1), first if in_weights else torch.zeros_like(first)

    def of(loss: Tensor) -> Tensor:
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, theta)])

    worst, least = 0.0, math.inf
    for in_weights in (False, True):
        slices, first = losses(in_weights)
        ours = of(causal_loss(slices, causal_weights(slices, eps, first)))
        slices, first = losses(in_weights)
        frozen = of(causal_loss(slices, by_double_loop(slices.detach(), eps, float(first.detach()))))
        slices, first = losses(in_weights)
        earlier = torch.cat([slices.new_zeros(1), slices[:-1].cumsum(0)]) + first
        attached = of(causal_loss(slices, torch.exp(-eps * earlier)))
        worst = max(worst, float((ours - frozen).norm() / frozen.norm()))
        least = min(least, float((attached - frozen).norm() / frozen.norm()))
    return {"gradient_error": worst, "attached_difference": least}


# -- 2: jets --------------------------------------------------------------------------------------------------------


@exact("2")
def jets() -> Mapping[str, float]:
    """Every order of both networks against nested reverse mode, and periodicity."""
    points = grid(5, 17) * torch.tensor([1.0, 0.97], dtype=torch.float64)
    directions = {"t": ((1.0, 0.0), 1), "x": ((0.0, 1.0), 4)}
    found = {}
    for name, kind in (("mlp", MLP), ("modified_mlp", ModifiedMLP)):
        net = network(kind)
        ours = propagate(net, lines(points, directions))
        worst = _apart(ours.value, net(points))
        for direction, (vector, order) in directions.items():
            nested = nested_derivatives(net, points, vector, order)
            for m in range(1, order + 1):
                worst = max(worst, _apart(ours(direction, m), nested[m]))
        found[f"jets_error_{name}"] = worst
        t = torch.linspace(0, 1, 11, dtype=torch.float64)
        left, right = (
            propagate(net, lines(torch.stack([t, torch.full_like(t, x)], 1), {"x": ((0.0, 1.0), 2)})).rows.detach()
            for x in (-1.0, 1.0)
        )
        scale = right.abs().amax((1, 2)).clamp_min(1.0)
        found[f"period_error_{name}"] = float(((left - right).abs().amax((1, 2)) / scale).max())
    return found


def _apart(found: Tensor, reference: Tensor) -> float:
    """max |found - reference| / max |reference|."""
    return float((found - reference).detach().abs().max() / reference.detach().abs().max())


# -- 3: references --------------------------------------------------------------------------------------------------


def _norm(difference: Any, reference: Any) -> float:
    return float(np.linalg.norm(difference) / np.linalg.norm(reference))


@exact("3")
def allen_cahn() -> Mapping[str, float]:
    """ETDRK4 at dt = 1e-4 against half the step, and against LSODA on the same ordinary differential equations."""
    pde = AllenCahn1D(256)
    u0 = pde.initial()
    ends = [
        scipy.fft.irfft(etdrk4(pde.linear, pde.nonlinear, scipy.fft.rfft(u0), 1 / n, n)[-1], pde.modes)
        for n in (10_000, 20_000)
    ]
    other = solve_ivp(lambda t, u: pde.rate(u), (0, 1), u0, method="LSODA", rtol=1e-10, atol=1e-10).y[:, -1]
    return {"halved_step": _norm(ends[0] - ends[1], ends[1]), "lsoda": _norm(ends[0] - other, other)}


@exact("3")
def order() -> Mapping[str, float]:
    """log2 of successive differences of solutions with halved steps: KS, regular case, t = 0.2, 256 modes."""
    pde = kuramoto_sivashinsky("regular", 256)
    start = scipy.fft.rfft(-np.sin(np.pi * pde.x))
    ends = [
        scipy.fft.irfft(etdrk4(pde.linear, pde.nonlinear, start, 0.2 / n, n)[-1], pde.modes)
        for n in (800, 1600, 3200, 6400)
    ]
    apart = [float(np.linalg.norm(a - b)) for a, b in itertools.pairwise(ends)]
    return {"order_coarse": math.log2(apart[0] / apart[1]), "order_fine": math.log2(apart[1] / apart[2])}


@modules.register("causal_pinn/exact")
class Exact(ExactModule):
    """Measures all of the above."""

    checks = collect(__name__)
