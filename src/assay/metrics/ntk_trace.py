"""The diagonal of a neural tangent kernel: how fast gradient descent moves a network's output at each point."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap


def ntk_diagonal(net: nn.Module, points: Tensor, chunk: int = 256) -> Tensor:
    """sum_o ||d net_o(x) / d theta||^2 at each point, [N]; its sum over points is the trace of the kernel.

    Args:
        net: [N, D] -> [N, O], differentiable under `torch.func.vmap`; theta are its parameters that have gradients.
        points: [N, D].
        chunk: points at a time; memory is chunk * O * number of parameters.
    """
    theta = {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}

    def at(values: dict[str, Tensor], point: Tensor) -> Tensor:
        out: Tensor = functional_call(net, values, (point[None],))[0]
        return out

    jacobian = vmap(jacrev(at), (None, 0))
    parts = []
    for some in points.split(chunk):
        blocks = jacobian(theta, some)
        parts.append(torch.stack([block.flatten(1).square().sum(1) for block in blocks.values()]).sum(0))
    return torch.cat(parts)
