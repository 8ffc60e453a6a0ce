"""How well a field on a grid keeps an integral, and where it has its shock."""

from __future__ import annotations

import torch
from torch import Tensor


def trapezoid_weights(x: Tensor) -> Tensor:
    """Weights w with w . u = the trapezoid rule's integral of u over sorted points x, [..., n]: half of both gaps."""
    gaps = x.diff(dim=-1) / 2
    zero = torch.zeros_like(x[..., :1])
    return torch.cat([gaps, zero], -1) + torch.cat([zero, gaps], -1)


def conservation_error(u: Tensor, g: Tensor, b: Tensor) -> Tensor:
    """G u - b, signed: by how much fields u [..., n] miss m linear facts g [m, n], b [..., m]; [..., m], float64."""
    return u.to(torch.float64) @ g.to(torch.float64).mT - b.to(torch.float64)


def shock_position(u: Tensor, x: Tensor, level: float = 0.0) -> Tensor:
    """The first grid point at which a field is at most `level`, else the last one.

    Args:
        u: [..., n], fields or draws of them.
        x: [n], the grid in ascending order.
        level: what the field falls to.

    Returns:
        [...], positions.
    """
    low = u <= level
    first = torch.where(low.any(-1), low.to(torch.uint8).argmax(-1), x.shape[-1] - 1)
    return x[first]
