"""Two data sets as the runs want them: digits in double precision, and the first images of Fashion-MNIST."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assay.data.base import data
from assay.data.images import FashionMNIST
from assay.data.labelled import Pool, Prepare
from assay.data.tabular import SklearnData


@data.register("mfac/digits", source="scikit-learn")
class Digits(SklearnData):
    """8 x 8 digits with pixels in [0, 1], in double precision; rows not trained on stay unused.

    Args:
        train: training rows.
    """

    def __init__(self, *, train: int = 1500) -> None:
        super().__init__(table="digits", train=train, test=0, standardise=False)

    def prepare(self, x: Tensor) -> Prepare:
        """Pixels / 16."""
        return lambda rows: rows.to(torch.float64) / 16


@data.register("mfac/fashion_mnist", source="arXiv 1708.07747")
class FirstFashionMNIST(FashionMNIST):
    """Fashion-MNIST with the first training images alone, in their stored order, and all test images.

    Args:
        first: training images.
        test, flatten, scale: see `fashion_mnist`.
    """

    def __init__(self, *, first: int = 10_000, **rest: Any) -> None:
        super().__init__(**rest)
        self.first = first

    def read(self) -> tuple[Pool, Pool | None]:
        """The first rows of the pool."""
        pool, test = super().read()
        return Pool(pool.x[: self.first], pool.y[: self.first]), test
