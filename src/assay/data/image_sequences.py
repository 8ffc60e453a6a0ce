"""Images read pixel by pixel, row after row: the usual small task for models of long sequences."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from assay.data.base import data
from assay.data.images import CIFAR10, MNIST, FashionMNIST
from assay.data.labelled import LabelledData, Pool, Prepare
from assay.seeds import Seeds

IMAGES: dict[str, type[LabelledData]] = {"fashion_mnist": FashionMNIST, "mnist": MNIST, "cifar10": CIFAR10}

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey value (ITU-R BT.601), as Pillow and torchvision have them."""


@data.register("image_sequences")
class ImageSequences(LabelledData):
    """Sequences [n, height * width, channels] of an image set, standardised by channel on the training images.

    Args:
        images: the set they come from; its test images are the test data.
        pool: side of the squares of pixels that are averaged to one; 1 leaves the images as they are.
        grey: one channel instead of three.
        train, val, test, stratify, noise, noise_level, noise_classes: see `LabelledData`.
    """

    def __init__(
        self,
        *,
        images: Literal["fashion_mnist", "mnist", "cifar10"] = "fashion_mnist",
        pool: int = 1,
        grey: bool = False,
        **splits: Any,
    ) -> None:
        super().__init__(**splits)
        self.source = IMAGES[images]()
        self.classes = self.source.classes
        self.pool, self.grey = pool, grey

    def read(self) -> tuple[Pool, Pool | None]:
        """The image set's rows."""
        return self.source.read()

    def prepare(self, x: Tensor) -> Prepare:
        """Bytes to averaged, standardised sequences."""
        pixels = self._sequences(x)
        mean, sd = pixels.double().mean((0, 1)), pixels.double().std((0, 1), correction=0).clamp_min(1e-12)
        return lambda rows: self._sequences(rows).sub_(mean.float()).div_(sd.float())

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Fill the splits with n random rows each, of the right shape, for a dry run without the data."""
        self.synthetic_shape = self.source.synthetic_shape  # type: ignore[misc]
        super().synthetic(seeds, n)

    def _sequences(self, rows: Tensor) -> Tensor:
        images = rows.float() / 255
        if self.grey and images.shape[1] == 3:
            images = (images * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        if self.pool > 1:
            images = F.avg_pool2d(images, self.pool)
        return images.flatten(2).transpose(1, 2).contiguous()
