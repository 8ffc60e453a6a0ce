"""The Euler-Maruyama scheme for diffusions with constant noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Drift = Callable[[Tensor, float], Tensor]
"""(x [B, D], t) -> [B, D]"""


@torch.no_grad()
def euler_maruyama(
    drift: Drift,
    x: Tensor,
    scale: float,
    steps: int,
    generator: torch.Generator | None = None,
    *,
    start: float = 0.0,
    end: float = 1.0,
    path: bool = False,
) -> Tensor:
    """Simulate dX = drift(X, t) dt + scale dW: X <- X + drift(X, t) h + scale sqrt(h) xi, h = (end - start) / steps.

    The drift is never evaluated at `end`, where drifts of bridges are singular.

    Args:
        drift: see `Drift`.
        x: [B, D] points at time `start`.
        scale: the noise's constant factor.
        steps: number of equal steps.
        generator: a CPU generator of the noise; numbers are then the same on every device.
        start, end: times.
        path: return all times.

    Returns:
        [B, D] points at time `end`, or [steps + 1, B, D] with `path`.
    """
    h = (end - start) / steps
    points = [x]
    for step in range(steps):
        noise = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
        x = x + drift(x, start + step * h) * h + scale * math.sqrt(h) * noise
        if path:
            points.append(x)
    return torch.stack(points) if path else x
