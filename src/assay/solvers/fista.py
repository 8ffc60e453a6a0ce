"""FISTA with restarts: the reference minimiser of a smooth convex function plus one whose prox is known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class NotConverged(ArithmeticError):
    """The iteration's limit came before its tolerance."""


def fista(
    gradient: Callable[[Tensor], Tensor],
    prox: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    step: Tensor,
    *,
    tolerance: float = 1e-10,
    limit: int = 100_000,
) -> Tensor:
    """Minimise f + g for a batch of independent problems, one a row.

    Accelerated proximal gradient (Beck and Teboulle 2009) whose momentum restarts, row by row, when it points uphill
    (O'Donoghue and Candes 2015), so that it needs no strong-convexity constant.

    Args:
        gradient: gradient of f at [n, d].
        prox: (v, step) -> argmin over z of step g(z) + |z - v|^2/2, both [n, d].
        x: starting points, [n, d].
        step: 1 / (Lipschitz constant of the gradient), [n, 1].
        tolerance: on the largest entry of the prox-gradient step divided by `step`; it is zero at a minimiser.
        limit: most iterations.

    Raises:
        NotConverged: the tolerance was not reached.
    """
    y, t = x, torch.ones_like(step)
    for _ in range(limit):
        new = prox(y - step * gradient(y), step)
        if float(((y - new) / step).abs().max()) <= tolerance:
            return new
        uphill = ((y - new) * (new - x)).sum(-1, keepdim=True) > 0
        t = torch.where(uphill, 1.0, t)
        following = (1 + (1 + 4 * t.square()).sqrt()) / 2
        y = torch.where(uphill, new, new + (t - 1) / following * (new - x))
        x, t = new, following
    raise NotConverged(f"FISTA: no minimiser to {tolerance:g} within {limit} iterations")
