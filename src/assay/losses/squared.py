"""Squared error of raw scores: classification as regression on one-hot targets."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from assay.losses.base import Loss, losses


@losses.register("squared")
class SquaredError(Loss):
    """The squared distance of the scores from the one-hot target, over the outputs summed or averaged.

    Args:
        over_outputs: "sum" is the squared Euclidean distance; "mean" divides it by the number of classes, as
            `torch.nn.MSELoss` does.
    """

    def __init__(self, *, over_outputs: Literal["sum", "mean"] = "sum") -> None:
        super().__init__()
        self.over_outputs = over_outputs

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses, [batch], from scores [batch, classes] and class indices [batch]."""
        target = torch.nn.functional.one_hot(y, scores.shape[1]).to(scores.dtype)
        squares = (scores - target) ** 2
        return squares.sum(1) if self.over_outputs == "sum" else squares.mean(1)
