"""L-BFGS to machine precision, for smooth problems whose first-order method stops short of the minimum.

scipy's L-BFGS-B without bounds, in float64, stopped by the gradient alone: the usual test on the decrease of the value
ends a run at a relative error of 1e-9, which closed forms can be compared with no further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
ValueAndGradient = Callable[[Array], tuple[float, Array]]
"""x [n] to f(x) and its gradient [n]."""


@dataclass(frozen=True)
class Polished:
    """Where a search ended.

    Attributes:
        x: the last point, [n].
        value: f there.
        gradient: largest entry of the gradient there.
        iterations: steps taken.
    """

    x: Array
    value: float
    gradient: float
    iterations: int


def lbfgs(
    value_and_gradient: ValueAndGradient, x: Array, *, gtol: float = 1e-10, memory: int = 30, limit: int = 5000
) -> Polished:
    """Minimise a smooth function from x; a line search that finds no decrease, at rounding, ends the search too.

    Args:
        value_and_gradient: the function, with its gradient.
        x: start, [n].
        gtol: on the largest entry of the gradient.
        memory: pairs of steps and gradient differences that are kept.
        limit: most iterations.
    """
    from scipy.optimize import minimize

    options = {"ftol": 0.0, "gtol": gtol, "maxcor": memory, "maxiter": limit, "maxfun": 10 * limit}
    found = minimize(value_and_gradient, x, jac=True, method="L-BFGS-B", options=options)
    return Polished(np.asarray(found.x), float(found.fun), float(np.abs(found.jac).max()), int(found.nit))


def polish(
    params: Sequence[Tensor],
    objective: Callable[[], Tensor],
    *,
    gtol: float = 1e-10,
    memory: int = 30,
    limit: int = 5000,
) -> Polished:
    """Minimise `objective`, a scalar function of the float64 tensors `params`, by autograd; they end at the minimum.

    Raises:
        ValueError: a parameter is not in float64; rounding would end the search long before `gtol`.
    """
    if any(p.dtype != torch.float64 for p in params):
        raise ValueError("polish: parameters must be float64")
    sizes = [p.numel() for p in params]

    def put(x: Array) -> None:
        with torch.no_grad():
            for p, part in zip(params, torch.from_numpy(x.copy()).split(sizes), strict=True):
                p.copy_(part.view_as(p))

    def value_and_gradient(x: Array) -> tuple[float, Array]:
        put(x)
        value = objective()
        gradients = torch.autograd.grad(value, list(params))
        return value.item(), torch.cat([g.reshape(-1) for g in gradients]).numpy(force=True)

    start = torch.cat([p.detach().reshape(-1) for p in params]).numpy(force=True)
    found = lbfgs(value_and_gradient, start, gtol=gtol, memory=memory, limit=limit)
    put(found.x)
    return found
