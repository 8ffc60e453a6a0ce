"""Two classes of an image set: the usual binary task where a paper has no data set with two classes at hand."""

from __future__ import annotations

import importlib
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from assay.data.base import data
from assay.data.images import CIFAR10, KMNIST, MNIST, FashionMNIST
from assay.data.labelled import LabelledData, Pool, Prepare
from assay.errors import UserError
from assay.seeds import Seeds

IMAGES: dict[str, type[LabelledData]] = {
    "fashion_mnist": FashionMNIST,
    "mnist": MNIST,
    "kmnist": KMNIST,
    "cifar10": CIFAR10,
}

Scale = Literal["features", "half"]


@data.register("class_pair")
class ClassPair(LabelledData):
    """The images of two classes; 1 is the second class of the pair, 0 the first.

    Args:
        images: the set they come from; its test images of the two classes are the test data.
        pair: the two classes.
        pool: side of the squares of pixels that are averaged to one; 1 leaves the images as they are.
        scale: "features" standardises every pixel on the training images (pixels that are constant there become 0);
            "half" maps bytes to [-1, 1].
        flatten: inputs are vectors [n, pixels] instead of images [n, channels, height, width].
        train, val, test, stratify, noise, noise_level, noise_classes: see `LabelledData`; class-dependent noise flips
            a label.
    """

    classes = 2

    def __init__(
        self,
        *,
        images: Literal["fashion_mnist", "mnist", "kmnist", "cifar10"],
        pair: list[int],
        pool: int = 1,
        scale: Scale = "features",
        flatten: bool = True,
        stratify: bool = True,
        **splits: Any,
    ) -> None:
        super().__init__(stratify=stratify, **splits)
        self.source = IMAGES[images]()
        if len(set(pair)) != 2 or not set(pair) <= set(range(self.source.classes)):
            raise UserError(f"data.pair={pair}: expected two different classes below {self.source.classes}")
        self.pair, self.pool, self.scale, self.flatten = list(pair), pool, scale, flatten

    def read(self) -> tuple[Pool, Pool | None]:
        """The rows of the two classes."""
        pool, test = self.source.read()
        return self._kept(pool), None if test is None else self._kept(test)

    def prepare(self, x: Tensor) -> Prepare:
        """Bytes to averaged squares, scaled."""
        if self.scale == "half":
            return lambda rows: self._shaped(self._squares(rows).sub(0.5).div(0.5))
        scaler = importlib.import_module("sklearn.preprocessing").StandardScaler()
        scaler.fit(self._squares(x).flatten(1).double().numpy())

        def standardised(rows: Tensor) -> Tensor:
            images = self._squares(rows)
            flat = scaler.transform(images.flatten(1).double().numpy())
            return self._shaped(torch.from_numpy(flat).float().view_as(images))

        return standardised

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Fill the splits with n random rows each, of the right shape, for a dry run without the data."""
        self.synthetic_shape = self.source.synthetic_shape  # type: ignore[misc]
        super().synthetic(seeds, n)

    def _shaped(self, images: Tensor) -> Tensor:
        return images.flatten(1) if self.flatten else images

    def _squares(self, rows: Tensor) -> Tensor:
        return F.avg_pool2d(rows.float() / 255, self.pool) if self.pool > 1 else rows.float() / 255

    def _kept(self, pool: Pool) -> Pool:
        rows = torch.isin(pool.y, torch.tensor(self.pair)).nonzero().squeeze(1)
        return Pool(pool.x[rows], (pool.y[rows] == self.pair[1]).long())
