"""Derivatives by nested reverse mode: slow, general, and what jets are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def nested_derivatives(
    function: Callable[[Tensor], Tensor], points: Tensor, direction: Sequence[float], order: int
) -> list[Tensor]:
    """d^m/ds^m f(x + s d) at s = 0 for m = 0, ..., order, each [N, width], differentiable in what f depends on.

    The points of a batch must not influence each other. Every order differentiates the graph of the one before it, so
    the cost multiplies where that of jets adds up.

    Args:
        function: [N, D] -> [N, width].
        points: [N, D].
        direction: d, [D].
        order: of the highest derivative.
    """
    vector = torch.as_tensor(list(direction), dtype=points.dtype, device=points.device)
    s = torch.zeros(len(points), 1, dtype=points.dtype, device=points.device, requires_grad=True)
    value = function(points + s * vector)
    found = [value]
    for _ in range(order):
        columns = [
            torch.autograd.grad(column.sum(), s, create_graph=True)[0] if column.requires_grad else torch.zeros_like(s)
            for column in found[-1].unbind(1)
        ]
        found.append(torch.cat(columns, 1))
    return found
