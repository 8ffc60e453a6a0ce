"""Optimal Brain Surgeon with an empirical Fisher matrix in the Hessian's place, inverted without being formed.

With F = damp I + (1/m) sum g g^T of m gradients, removing weight k from a minimum of the quadratic model and moving
the others as well as possible costs w_k^2 / (2 [F^{-1}]_kk), and the others move by -w_k F^{-1} e_k / [F^{-1}]_kk.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from assay.linalg import BlockInverse, Inverse, RankOneInverse
from assay.prune.base import Pruner, pruners


@pruners.register("diagonal_fisher", source="arXiv 1801.05787", reduced={"gradients": 4})
class DiagonalFisher(Pruner):
    """Only the diagonal of F: saliency w_k^2 F_kk / 2, and the other weights stay.

    Args:
        gradients: m.
        damp: added to the diagonal.
    """

    def __init__(self, *, gradients: int = 256, damp: float = 1e-5) -> None:
        self.gradients, self.damp = gradients, damp

    def see(self, gradients: Tensor) -> None:
        """Keep the diagonal, [d]."""
        self.diagonal = self.damp + (gradients**2).mean(0)

    def saliency(self, w: Tensor) -> Tensor:
        """w_k^2 F_kk / 2, [d]."""
        return w**2 * self.diagonal / 2


@pruners.register("obs", source="arXiv 2107.03356, Sec. 4; arXiv 2004.14340", reduced={"gradients": 4})
class OBSPruner(Pruner):
    """Saliency w_k^2 / (2 [F^{-1}]_kk); removed weights' updates are summed as if each were removed alone.

    Args:
        gradients: m.
        damp: of F.
        block: F is block-diagonal with blocks of that many consecutive weights (the last one may be shorter), each
            with the full normaliser m; None for the full matrix by the static algorithm.
        update: whether the other weights move; else only the choice is OBS's.
    """

    def __init__(
        self, *, gradients: int = 256, damp: float = 1e-5, block: int | None = None, update: bool = True
    ) -> None:
        self.gradients, self.damp, self.block, self.update = gradients, damp, block, update
        self.inverse: Inverse
        self.diagonal: Tensor

    def see(self, gradients: Tensor) -> None:
        """Build the inverse."""
        if self.block is None:
            self.inverse = RankOneInverse(gradients, self.damp)
        else:
            # Zero gradients fill the last block up: they add damp to F's diagonal there and touch nothing else.
            self.inverse = BlockInverse(self._blocks(gradients).transpose(0, 1), self.damp)
        self.diagonal = self.inverse.diagonal().flatten()[: gradients.shape[1]]

    def saliency(self, w: Tensor) -> Tensor:
        """w_k^2 / (2 [F^{-1}]_kk), [d]."""
        return w**2 / (2 * self.diagonal)

    def answer(self, w: Tensor, removed: Tensor) -> Tensor:
        """w + F^{-1} t with t_k = -w_k / [F^{-1}]_kk at the removed weights and 0 elsewhere, [d]."""
        if not self.update:
            return w
        t = torch.where(removed, -w / self.diagonal, 0.0)
        if self.block is None:
            return w + self.inverse.product(t)
        return w + self.inverse.product(self._blocks(t)).flatten()[: len(w)]

    def _blocks(self, rows: Tensor) -> Tensor:
        """[..., d] cut into [..., blocks, block]."""
        assert self.block is not None
        return pad(rows, (0, -rows.shape[-1] % self.block)).unflatten(-1, (-1, self.block))
