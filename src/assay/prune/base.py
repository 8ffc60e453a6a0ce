"""What every pruner does: rank the weights that are left by saliency, remove the lowest, answer for the others."""

from __future__ import annotations

import torch
from torch import Tensor

from assay.registry import Registry


class Pruner:
    """Base class. A pruner sees all weights as one vector, so that layers compete with each other.

    Attributes:
        gradients: how many gradients it wants to see before it prunes.
    """

    gradients: int = 0

    def see(self, gradients: Tensor) -> None:
        """Take in the gradients at the current weights, [gradients, d], zero at removed weights."""

    def saliency(self, w: Tensor) -> Tensor:
        """What removing each weight alone is thought to cost, [d]."""
        raise TypeError(f"{type(self).__name__} does not define a saliency")

    def answer(self, w: Tensor, removed: Tensor) -> Tensor:
        """The weights, [d], once those at `removed` ([d] of bool) are to go; by default the others stay."""
        return w

    def prune(self, w: Tensor, removed: Tensor, gone: int) -> tuple[Tensor, Tensor]:
        """Remove weights until `gone` are; ties go by position.

        Args:
            w: [d] weights.
            removed: [d] of bool, those that are gone already and stay so.
            gone: how many are to be gone afterwards, at least as many as now.

        Returns:
            The new weights and the new `removed`.
        """
        count = gone - int(removed.sum())
        if not 0 <= count <= len(w) - int(removed.sum()):
            raise ValueError(f"{gone} of {len(w)} weights cannot be gone where {int(removed.sum())} are")
        order = self.saliency(w).masked_fill(removed, torch.inf).argsort(stable=True)
        now = torch.zeros_like(removed)
        now[order[:count]] = True
        removed = removed | now
        return self.answer(w, now).masked_fill(removed, 0.0), removed


pruners = Registry("pruner", Pruner)
