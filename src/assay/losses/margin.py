"""Losses phi(z) of the margin z = y f(x): how far a score lies on the right side, and nothing else.

Binary classification knows its losses by phi alone; they stand here once, for the papers that compare or replace them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from assay.errors import UserError
from assay.losses.base import Loss, losses

STEEPEST = 60.0
"""Where the exponential goes over to its tangent: exp(88) is the last that single precision holds."""


def margin(scores: Tensor, y: Tensor) -> Tensor:
    """The margins z of a batch, [B].

    Args:
        scores: [B, 1], the score f of the second of two classes; or [B, K], one score a class.
        y: [B] class indices, 0 or 1 for a single column.

    Returns:
        (2 y - 1) f for one column; for more, the score of the right class minus the highest of the others (for two
        columns this is y f with f their difference).
    """
    if scores.shape[1] == 1:
        return (2 * y - 1) * scores[:, 0]
    right = scores.gather(1, y[:, None])
    others = scores.scatter(1, y[:, None], -math.inf)
    return (right - others.amax(1, keepdim=True)).squeeze(1)


class Phi(Loss):
    """Base class of losses phi(z) of the margin; see `margin` for the scores that they take."""

    def phi(self, z: Tensor) -> Tensor:
        """phi at the margins z, entry by entry."""
        raise TypeError(f"{type(self).__name__} does not define phi")

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, 1] or [B, K] and classes y [B]."""
        return self.phi(margin(scores, y))


@losses.register("bce")
class BCELoss(Phi):
    """Binary cross entropy, the logistic loss: log(1 + exp(-z))."""

    def phi(self, z: Tensor) -> Tensor:
        """log(1 + exp(-z)) without overflow."""
        return -F.logsigmoid(z)


@losses.register("hinge", source="Cortes & Vapnik (1995)")
class HingeLoss(Phi):
    """The hinge of support vector machines: max(0, 1 - z)."""

    def phi(self, z: Tensor) -> Tensor:
        """max(0, 1 - z)"""
        return F.relu(1 - z)


@losses.register("exponential", source="Freund & Schapire (1997)")
class ExponentialLoss(Phi):
    """The loss of boosting: exp(-z); below z = -60 its tangent, so that it stays finite."""

    def phi(self, z: Tensor) -> Tensor:
        """exp(-z), linear below -60."""
        near = z.clamp_min(-STEEPEST)
        return torch.exp(-near) * (1 + near - z)


@losses.register("focal", source="Lin et al., ICCV 2017 (arXiv 1708.02002)")
class FocalLoss(Phi):
    """(1 - p)^gamma log(1 + exp(-z)) with p = 1 / (1 + exp(-z)); not convex for gamma > 0.

    Args:
        gamma: how little a sample counts that is classified well; 0 is the logistic loss.
    """

    def __init__(self, *, gamma: float = 2.0) -> None:
        super().__init__()
        if gamma < 0:
            raise UserError(f"gamma must not be negative, not {gamma}")
        self.gamma = gamma

    def phi(self, z: Tensor) -> Tensor:
        """sigmoid(-z)^gamma log(1 + exp(-z))"""
        return torch.sigmoid(-z) ** self.gamma * -F.logsigmoid(z)
