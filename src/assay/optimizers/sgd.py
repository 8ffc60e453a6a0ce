"""Stochastic gradient descent with the choices that papers differ in written out.

`torch.optim.SGD` has neither decoupled decay nor a damped buffer that starts at zero, so the update stands here; where
both apply, it agrees with torch's step by step (tested).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from assay.optimizers.base import optimizers


@optimizers.register("sgd", source="torch.optim.SGD; decoupled decay as in arXiv 1711.05101")
class SGD(Optimizer):
    """x <- x - lr (M + decay), with M = momentum M + g, or the average M = momentum M + (1 - momentum) g.

    Args:
        params: parameters or groups.
        lr: learning rate.
        momentum: memory of the buffer M, which starts at zero.
        ema: whether M is an average of gradients (damped) rather than their decayed sum.
        nesterov: look ahead by one more step of the buffer.
        weight_decay: strength of the decay lambda.
        decoupled: whether lambda x acts on the weights directly; otherwise it is added to the gradient.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float = 0.1,
        momentum: float = 0.9,
        ema: bool = False,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.ema, self.nesterov, self.decoupled = ema, nesterov, decoupled

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of all parameters that have a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
            gradients = [p.grad for p in params]
            if decay and self.decoupled:
                torch._foreach_mul_(params, 1 - lr * decay)
            elif decay:
                gradients = list(torch._foreach_add(gradients, params, alpha=decay))
            torch._foreach_add_(params, self._directions(params, gradients, momentum), alpha=-lr)

    def _directions(self, params: list[nn.Parameter], gradients: list[Any], momentum: float) -> list[Any]:
        if momentum == 0:
            return gradients
        for p in params:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum"] for p in params]
        share = 1 - momentum if self.ema else 1.0
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients, alpha=share)
        if not self.nesterov:
            return buffers
        ahead = list(torch._foreach_mul(buffers, momentum))
        torch._foreach_add_(ahead, gradients, alpha=share)
        return ahead
