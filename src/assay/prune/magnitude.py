"""Pruning by size: the baseline that needs no gradient."""

from __future__ import annotations

from torch import Tensor

from assay.prune.base import Pruner, pruners


@pruners.register("magnitude")
class Magnitude(Pruner):
    """The smallest weights of the whole network go."""

    def saliency(self, w: Tensor) -> Tensor:
        """|w|, [d]."""
        return w.abs()
