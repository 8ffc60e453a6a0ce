"""Pairs of Fashion-MNIST classes with pixels in [0, 1], balanced or not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assay.data import data
from assay.data.class_pair import ClassPair
from assay.data.labelled import Pool, Prepare
from assay.errors import UserError
from assay.seeds import Seeds


@data.register("large_step_lr/pair", source="arXiv 2412.08424, Section 3 and Table 1")
class Pair(ClassPair):
    """Images of two classes as float64 vectors of pixels divided by 255, in random order.

    Nothing is centred and no constant is appended: both would change the margin and the radius. For one seed the images
    of a class come in one order, of which every training set is a beginning.

    Args:
        minority: how many training rows are of the first class; half of them if None.
        images, pair, pool, train, test: see `ClassPair`.
    """

    def __init__(self, *, minority: int | None = None, **rest: Any) -> None:
        super().__init__(**rest)
        self.minority = minority

    def prepare(self, x: Tensor) -> Prepare:
        """Bytes to [0, 1]; float64, because the iterates at large steps are chaotic."""
        return lambda rows: self._squares(rows).flatten(1).double()

    def _order(self, pool: Pool, seeds: Seeds, name: str) -> Tensor:
        """A random order whose first `train` rows hold the classes in the numbers asked for."""
        order = torch.randperm(len(pool), generator=seeds.torch("split", name))
        if name != "train":
            return order
        size = self._count("train", len(pool), len(pool))
        first = size // 2 if self.minority is None else self.minority
        chosen = torch.zeros(len(order), dtype=torch.bool)
        for label, quota in ((0, first), (1, size - first)):
            rows = (pool.y[order] == label).nonzero().squeeze(1)
            if not 0 <= quota <= len(rows):
                raise UserError(f"data: {quota} rows of class {self.pair[label]} are asked for, there are {len(rows)}")
            chosen[rows[:quota]] = True
        return torch.cat([order[chosen], order[~chosen]])
