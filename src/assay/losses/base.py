"""What every loss of Assay is: scores and targets in, one value per sample out."""

from __future__ import annotations

from torch import Tensor, nn

from assay.registry import Registry


class Loss(nn.Module):
    """Base class of losses.

    A loss may keep one state per training sample (`prepare` tells it how many there are); `index` then says which
    samples a batch holds.
    """

    def prepare(self, samples: int, classes: int) -> None:
        """Called once before training with the number of training samples and classes."""

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses.

        Args:
            scores: [batch, classes] raw scores (logits).
            y: [batch] class indices.
            index: [batch] positions in the training set, for losses with per-sample state.

        Returns:
            [batch] losses; the mean over the batch is what is minimised.
        """
        raise TypeError(f"{type(self).__name__} does not define forward")

    def mean(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """The mean loss of a batch, what is minimised; a loss overrides it where one fused operation gives it."""
        return self(scores, y, index).mean()


losses = Registry("loss", Loss)
