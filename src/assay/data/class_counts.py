"""Image sets with a number of rows for each class: the controlled imbalance of studies that count by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch

from assay.data.base import data
from assay.data.class_pair import IMAGES
from assay.data.images import ImageData, Scale
from assay.data.labelled import LabelledData, Pool, Prepare
from assay.errors import UserError
from assay.seeds import Seeds


@data.register("class_counts")
class ClassCounts(LabelledData):
    """The first n_k training images of every class k, in their stored order; the same rows for every seed.

    Args:
        images: the set they come from; its test images are the test data.
        counts: n_k by class; one number stands for all classes.
        scale, flatten: see `ImageData`; moments are those of the rows that are kept.
        test, noise, noise_level, noise_classes: see `LabelledData`.
    """

    def __init__(
        self,
        *,
        images: Literal["fashion_mnist", "mnist", "kmnist", "cifar10"],
        counts: Sequence[int],
        scale: Scale = "standard",
        flatten: bool = True,
        **splits: Any,
    ) -> None:
        super().__init__(**splits)
        self.source = cast(type[ImageData], IMAGES[images])(flatten=flatten, scale=scale)
        self.classes = self.source.classes
        self.counts = list(counts) * (self.classes if len(counts) == 1 else 1)
        if len(self.counts) != self.classes or min(self.counts) < 1:
            raise UserError(f"data.counts={list(counts)}: expected one positive number, or {self.classes} of them")

    def read(self) -> tuple[Pool, Pool | None]:
        """The rows that are kept, and all test rows."""
        pool, test = self.source.read()
        kept = torch.zeros(len(pool), dtype=torch.bool)
        for k, count in enumerate(self.counts):
            rows = (pool.y == k).nonzero().squeeze(1)
            if count > len(rows):
                raise UserError(f"data.counts: {count} rows of class {k} are asked for, there are {len(rows)}")
            kept[rows[:count]] = True
        return pool.rows(kept.nonzero().squeeze(1)), test

    def prepare(self, x: torch.Tensor) -> Prepare:
        """As the set itself does."""
        return self.source.prepare(x)

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Fill the splits with n random rows each, of the right shape, for a dry run without the data."""
        self.synthetic_shape = self.source.synthetic_shape  # type: ignore[misc]
        super().synthetic(seeds, n)
