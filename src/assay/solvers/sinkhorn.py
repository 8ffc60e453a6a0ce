"""Discrete entropic optimal transport between two samples, and its extension to new points.

The iterations are POT's, in the log domain; what is added is the convention of continuous entropic transport (cost
|x - y|^2 / 2, the same eps) and the conditional plan at points that were not in the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class EntropicPlan:
    """The plan P_ij = exp(log_u_i + log_v_j - |x_i - y_j|^2 / (2 eps)) between uniform weights on x and y.

    Attributes:
        x: [n, D] source sample.
        y: [m, D] target sample.
        eps: strength of the regularisation.
        log_u: [n] scaled dual potentials, including the logs of the weights.
        log_v: [m] the same of the target.
        change: the largest change of a potential eps log v in the last iterations looked at.
    """

    x: Tensor
    y: Tensor
    eps: float
    log_u: Tensor
    log_v: Tensor
    change: float = float("inf")

    def matrix(self) -> Tensor:
        """P, [n, m]."""
        return (self.log_u[:, None] + self.log_v - _cost(self.x, self.y) / self.eps).exp()

    def moments(self, x0: Tensor, chunk: int = 256) -> tuple[Tensor, Tensor]:
        """Mean [B, D] and covariance [B, D, D] of the conditional plan at new points.

        The weights w_j(x0) ~ exp(log_v_j - |x0 - y_j|^2 / (2 eps)) are those of the plan's own rows at x0 = x_i.
        """
        parts = [self._moments(part) for part in x0.split(chunk)]
        return torch.cat([mean for mean, _ in parts]), torch.cat([cov for _, cov in parts])

    def _moments(self, x0: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.softmax(self.log_v - _cost(x0, self.y) / self.eps, -1)
        mean = weights @ self.y
        apart = weights.sqrt()[..., None] * (self.y - mean[:, None])
        return mean, apart.mT @ apart


def sinkhorn(
    x: Tensor,
    y: Tensor,
    eps: float,
    *,
    iterations: int,
    tolerance: float = 0.0,
    start: tuple[Tensor, Tensor] | None = None,
) -> EntropicPlan:
    """Sinkhorn's algorithm in the log domain for cost |x - y|^2 / 2 and uniform weights.

    Source: `ot.sinkhorn` (POT) with method "sinkhorn_log"; Cuturi (2013), arXiv 1306.0895.

    Args:
        x: [n, D] source sample.
        y: [m, D] target sample.
        eps: strength of the regularisation.
        iterations: at most so many, each an update of both potentials.
        tolerance: stop once no potential (in units of cost) moves more than this over 10 iterations; 0 never stops.
        start: log_u and log_v to go on from.
    """
    import ot  # takes seconds to import

    cost, done, change = _cost(x, y), 0, float("inf")
    weights = [torch.full((len(points),), 1 / len(points)).to(points) for points in (x, y)]
    log_u, log_v = start or (torch.zeros_like(weights[0]), torch.zeros_like(weights[1]))
    while done < iterations and (change > tolerance or tolerance == 0):
        now = min(iterations - done, 10 if tolerance else iterations)
        _, log = ot.sinkhorn(
            *weights, cost, eps, method="sinkhorn_log", numItermax=now, stopThr=0.0, warn=False, log=True,
            warmstart=(log_u, log_v),
        )  # fmt: skip
        change = eps * float((log["log_v"] - log_v).abs().max())
        log_u, log_v, done = log["log_u"], log["log_v"], done + now
    return EntropicPlan(x, y, eps, log_u, log_v, change)


def _cost(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|^2 / 2, [n, m]."""
    return 0.5 * torch.cdist(x, y).square()
