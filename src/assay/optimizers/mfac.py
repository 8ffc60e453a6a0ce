"""M-FAC: gradient steps preconditioned by the inverse of a damped empirical Fisher matrix of the last m gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector
from torch.optim import Optimizer

from assay.linalg import DynamicRankOneInverse
from assay.optimizers.base import optimizers


@optimizers.register("mfac", source="arXiv 2107.03356, Sec. 5", reduced={"m": 2})
class MFAC(Optimizer):
    """theta <- theta - lr F^{-1} g with F = damp I + (1/m) sum of g g^T over the last m gradients, this one included.

    The gradients are of mini-batch means, so F is the empirical Fisher matrix of means and not of single samples. All
    parameters together are one vector of length d. The window takes m d numbers, and goes into checkpoints.

    Args:
        params: parameters or groups; `lr` and `weight_decay` may differ between groups.
        lr: the step size. F^{-1} g is about m g / |g|^2 for a gradient unlike the others in the window: at a small
            damp steps are long.
        m: gradients in the window. The normaliser is m from the first step on, when most rows are still zero.
        damp: of F.
        momentum: share mu of the previous direction in v = mu v + (1 - mu) F^{-1} g. It acts after the inverse: of a
            vector outside the window the part orthogonal to it would be multiplied by 1 / damp.
        weight_decay: times theta, added to the gradient before it enters the window.
        backend: how F^{-1} g is computed: by the publication's recursions ("paper"), by the Woodbury identity, or in
            the form that uses that g is in the window and cancels nothing ("window").
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float = 1e-3,
        m: int = 1024,
        damp: float = 1e-5,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        backend: Literal["paper", "woodbury", "window"] = "window",
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.m, self.damp, self.momentum, self.backend = m, damp, momentum, backend
        self.window: DynamicRankOneInverse | None = None
        self.velocity: Tensor | None = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of all parameters; those without a gradient count as having a zero one."""
        step = self.direction(parameters_to_vector(self._gradients()))
        if self.momentum:
            self.velocity = step * (1 - self.momentum) + (0 if self.velocity is None else self.momentum * self.velocity)
            step = self.velocity
        start = 0
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(step[start : start + p.numel()].view_as(p), alpha=-group["lr"])
                start += p.numel()

    def direction(self, g: Tensor) -> Tensor:
        """Put g, [d], into the window and return F^{-1} g, [d]."""
        if self.window is None:
            self.window = self._empty(g)
        self.window.update(g)
        return self.window.of_row(self.window.newest) if self.backend == "window" else self.window.product(g)

    def _empty(self, like: Tensor) -> DynamicRankOneInverse:
        return DynamicRankOneInverse.empty(self.m, like, self.damp, "paper" if self.backend == "paper" else "woodbury")

    def _gradients(self) -> list[Tensor]:
        return [
            (torch.zeros_like(p) if p.grad is None else p.grad) + group["weight_decay"] * p
            for group in self.param_groups
            for p in group["params"]
        ]

    def state_dict(self) -> dict[str, Any]:
        """Also the window and the direction's average."""
        window = None if self.window is None else self.window.state()
        return {**super().state_dict(), "window": window, "velocity": self.velocity}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict({key: state_dict[key] for key in ("state", "param_groups")})
        self.velocity = state_dict["velocity"]
        if state_dict["window"] is not None:
            self.window = self._empty(state_dict["window"]["g"][0])
            self.window.load(state_dict["window"])
