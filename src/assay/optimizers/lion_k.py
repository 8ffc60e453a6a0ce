"""Lion-K: Lion's update with the subgradient of any convex K in place of the sign."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from assay.optimizers.base import optimizers
from assay.optimizers.kappas import L1, Kappa

SIGN = L1()


@optimizers.register("lion_k", source="arXiv 2310.05898")
class LionK(Optimizer):
    """Lion-K with decoupled weight decay; with K = l1 it is Lion (arXiv 2302.06675).

    With the gradient g_t at x_t, m_0 = 0 and dK a subgradient of K, a step is

        u_t     = beta1 m_t - (1 - beta1) g_t                 (1)
        x_{t+1} = x_t + lr (dK(u_t) - weight_decay x_t)       (2)
        m_{t+1} = beta2 m_t - (1 - beta2) g_t                 (3)

    so that m is *minus* the average gradient, and (1) weighs the old m: the gradient enters it twice.

    Args:
        params: parameters or groups; `lr`, `beta1`, `beta2` and `weight_decay` may differ between groups.
        lr: the step size.
        beta1: weight of the memory in the direction (1).
        beta2: memory of the average (3).
        weight_decay: lambda. The weights end in dom K* / lambda; for Lion in the box |x_i| <= 1/lambda.
        kappa: the function K.
        norm: what one vector is where K is a norm: each parameter tensor, all parameters together, or each row of
            each parameter (its last axis), e.g. one problem of many. Separable K are the same for all three.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float = 1e-4,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        kappa: Kappa = SIGN,
        norm: Literal["tensor", "global", "row"] = "tensor",
    ) -> None:
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay})
        self.kappa, self.norm = kappa, norm

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of all parameters that have a gradient."""
        members = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        ahead = [self._ahead(params, group["beta1"]) for params, group in zip(members, self.param_groups, strict=True)]
        # A global norm spans the groups, so all of (1) comes before any of (2).
        directions = iter(self._subgradients(list(chain(*ahead))))
        for params, group in zip(members, self.param_groups, strict=True):
            self._move(params, list(islice(directions, len(params))), group)

    def _ahead(self, params: list[Any], beta1: float) -> list[Tensor]:
        if not params:
            return []
        for p in params:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        u = list(torch._foreach_mul([self.state[p]["momentum"] for p in params], beta1))
        torch._foreach_add_(u, [p.grad for p in params], alpha=beta1 - 1)  # (1)
        return u

    def _subgradients(self, us: list[Tensor]) -> list[Tensor]:
        if self.norm == "row":
            return [self.kappa.subgradient(u) for u in us]
        if self.norm == "tensor" or self.kappa.separable:
            return self.kappa.subgradients(us)
        whole = self.kappa.subgradient(torch.cat([u.flatten() for u in us]))
        return [part.view_as(u) for part, u in zip(whole.split([u.numel() for u in us]), us, strict=True)]

    def _move(self, params: list[Any], directions: list[Tensor], group: dict[str, Any]) -> None:
        if not params:
            return
        lr, beta2 = group["lr"], group["beta2"]
        torch._foreach_mul_(params, 1 - lr * group["weight_decay"])
        torch._foreach_add_(params, directions, alpha=lr)  # (2)
        momenta = [self.state[p]["momentum"] for p in params]
        torch._foreach_mul_(momenta, beta2)
        torch._foreach_add_(momenta, [p.grad for p in params], alpha=beta2 - 1)  # (3)


@optimizers.register("sign_sgd", source="arXiv 1802.04434 (Signum)")
class SignSGD(LionK):
    """The sign of an average of gradients, with decoupled decay.

    It is Lion with beta1 = beta2: (1) then *is* the new average (3).

    Args:
        params: parameters or groups.
        lr: the step size.
        momentum: memory of the average; 0 is the plain sign of the gradient.
        weight_decay: strength of the decoupled decay.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float = 1e-4,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, beta1=momentum, beta2=momentum, weight_decay=weight_decay)
