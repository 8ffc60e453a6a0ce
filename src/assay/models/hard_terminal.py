"""A condition at the final time that holds by construction, whatever the network says."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class HardTerminal(nn.Module):
    """J(t, x) = h(x) + (T - t) f(t, x / scale), which equals h at t = T for every network f.

    Without it a residual that only asks J to change little along paths is solved by a constant.

    Args:
        net: f, from [B, 1 + D] to [B, 1].
        terminal: h, from [B, D] to [B].
        horizon: T.
        scale: of the network's inputs x.
    """

    def __init__(
        self, net: nn.Module, terminal: Callable[[Tensor], Tensor], horizon: float, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.net, self.terminal, self.horizon, self.scale = net, terminal, horizon, scale

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """Values [B] at times [B] and points [B, D]."""
        f = self.net(torch.cat([t[:, None], x / self.scale], 1))[:, 0]
        return self.terminal(x) + (self.horizon - t) * f
