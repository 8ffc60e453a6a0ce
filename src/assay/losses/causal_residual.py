"""Residual losses that respect time's order: a slice of time counts once all earlier ones are solved.

The plain residual loss of a physics-informed network can be small at late times on top of a wrong early solution. With
losses L_1, ..., L_n of slices in the order of time, L_0 of the initial condition and tolerance eps,

    w_i = exp(-eps (L_0 + sum_{k<i} L_k)),   loss = (1/n) sum_i w_i L_i + L_0,

where the weights are constants for the gradient: were they not, growing early residuals would lower the loss. All
weights near 1 mean that all residuals are small compared with 1/eps.
"""

from __future__ import annotations

import torch
from torch import Tensor


def causal_weights(slices: Tensor, eps: float, initial: Tensor | float = 0.0) -> Tensor:
    """w [n] of slice losses [n] in the order of time, without gradient.

    Args:
        slices: L_1, ..., L_n.
        eps: tolerance; 0 gives the plain loss.
        initial: L_0, where the initial condition is to be solved before the first slice counts; w_1 = 1 without it.
    """
    losses = slices.detach()
    earlier = torch.cat([losses.new_zeros(1), torch.cumsum(losses[:-1], 0)])
    known = initial.detach() if isinstance(initial, Tensor) else initial
    return torch.exp(-eps * (earlier + known))


def causal_loss(slices: Tensor, weights: Tensor, initial: Tensor | float = 0.0) -> Tensor:
    """(1/n) sum_i w_i L_i + L_0, a scalar."""
    return (weights * slices).mean() + initial


def solved(weights: Tensor, delta: float) -> bool:
    """The stopping rule: min_i w_i > delta."""
    return bool(weights.min() > delta)
