"""How sharp a minimum is: the Hessian's largest eigenvalue, the rise of the loss nearby, and a slice through it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp

Params = dict[str, Tensor]
LossAt = Callable[[Params], Tensor]
"""Parameters by name to a scalar loss."""


def loss_at(net: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> tuple[LossAt, Params]:
    """The loss on fixed rows as a function of a network's parameters, and its parameters now (detached)."""

    def value(params: Params) -> Tensor:
        return loss(functional_call(net, params, (x,)), y)

    return value, {name: p.detach() for name, p in net.named_parameters()}


def hessian_top_eig(
    loss: LossAt, params: Params, iterations: int = 20, start: Params | None = None, seed: int = 0
) -> tuple[float, Params]:
    """The Hessian's eigenvalue of largest size, by power iteration with Hessian-vector products.

    Args:
        loss: of the parameters.
        params: where.
        iterations: Hessian-vector products; the Rayleigh quotient of the last is returned.
        start: a vector to begin with, e.g. that of weights nearby; N(0, I) from `seed` if None.

    Returns:
        The eigenvalue, with its sign, and the last vector of unit length.
    """
    if start is None:
        generator = torch.Generator().manual_seed(seed)
        start = {k: torch.randn(p.shape, generator=generator, dtype=p.dtype).to(p.device) for k, p in params.items()}
    vector, value = _unit(start), 0.0
    for _ in range(iterations):
        product = jvp(grad(loss), (params,), (vector,))[1]
        value = float(sum((vector[k] * product[k]).sum() for k in params))
        vector = _unit(product)
    return value, vector


def sam_sharpness(loss: LossAt, params: Params, rho: float) -> tuple[float, float]:
    """S_rho = L(theta + rho g/|g|) - L(theta) with g the gradient at theta, and L(theta)."""
    gradient, here = torch.func.grad_and_value(loss)(params)
    step = _unit(gradient)
    with torch.no_grad():
        there = loss({k: p + rho * step[k] for k, p in params.items()})
    return float(there - here), float(here)


def filter_normalised(params: Mapping[str, Tensor], generator: torch.Generator) -> Params:
    """A random direction whose rows (a unit's or a filter's weights) are as long as the weights' own; 0 below 2-D.

    Source: Li et al., NeurIPS 2018 (arXiv 1712.09913).
    """
    direction = {}
    for name, p in params.items():
        if p.ndim < 2:
            direction[name] = torch.zeros_like(p)
            continue
        d = torch.randn(p.shape, generator=generator, dtype=p.dtype).to(p.device)
        length = d.flatten(1).norm(dim=1).clamp_min(torch.finfo(p.dtype).tiny)
        scale = p.flatten(1).norm(dim=1) / length
        direction[name] = d * scale.view(-1, *[1] * (p.ndim - 1))
    return direction


@torch.no_grad()
def loss_slice(loss: LossAt, params: Params, direction: Params, at: list[float]) -> list[float]:
    """L(theta + a d) for every a of `at`."""
    return [float(loss({k: p + a * direction[k] for k, p in params.items()})) for a in at]


def _unit(vector: Params) -> Params:
    length = math.sqrt(sum(float(v.double().square().sum()) for v in vector.values()))
    return {k: v / max(length, 1e-30) for k, v in vector.items()}
