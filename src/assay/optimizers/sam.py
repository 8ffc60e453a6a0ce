"""The ascent step of sharpness-aware minimisation, as a place to be in for a moment.

SAM steps along the gradient taken at theta + rho g/|g|. Any optimizer can make that step; what SAM adds is where the
gradient is taken, so it is a context and not an optimizer:

    gradient at theta
    with perturbed(params, rho):
        gradient again
    optimizer.step()
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

TINY = 1e-12


@contextmanager
def perturbed(params: Iterable[nn.Parameter], rho: float) -> Iterator[None]:
    """Inside, parameters stand at theta + rho g/(|g| + 1e-12) with g their gradients together; then at theta again.

    Source: Foret et al., ICLR 2021 (arXiv 2010.01412). Parameters without a gradient stay where they are.
    """
    moved: list[Tensor] = [p for p in params if p.grad is not None]
    gradients: list[Tensor] = [p.grad for p in moved if p.grad is not None]
    before = [p.detach().clone() for p in moved]
    with torch.no_grad():
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_add_(moved, torch._foreach_mul(gradients, rho / (norm + TINY)))
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(moved, before)


@contextmanager
def frozen_statistics(net: nn.Module) -> Iterator[None]:
    """Inside, batch normalisation leaves its running statistics alone: a second pass must not count twice."""
    layers = [layer for layer in net.modules() if isinstance(layer, _BatchNorm)]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum
