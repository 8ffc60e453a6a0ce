"""Fashion-MNIST with the pixels' moments as fixed numbers, and noise that hits an exact share of the labels."""

from __future__ import annotations

import torch
from torch import Tensor

from assay.data.base import data
from assay.data.images import FashionMNIST
from assay.data.label_noise import replacement_noise
from assay.data.labelled import LabelledData, Pool, Prepare

MEAN, SD = 0.2860, 0.3530
"""Of all training pixels over 255."""

BLACK = -MEAN / SD
"""What a black pixel becomes; images are padded with it."""


@data.register("saf/fashion_mnist")
class StandardFashion(LabelledData):
    """Fashion-MNIST as images [n, 1, 28, 28], (x/255 - 0.2860)/0.3530.

    Args:
        train, val, test, stratify: see `LabelledData`.
        noise: "uniform" replaces exactly the share `noise_level` of the labels by one of the nine other classes.
        noise_level: that share.
    """

    classes = 10
    synthetic_shape = (1, 28, 28)

    def read(self) -> tuple[Pool, Pool | None]:
        """All images, as bytes."""
        return FashionMNIST().read()

    def prepare(self, x: Tensor) -> Prepare:
        """Bytes to numbers of about unit variance."""
        return lambda rows: rows.float().div_(255).sub_(MEAN).div_(SD)

    def _noisy(self, y: Tensor, generator: torch.Generator) -> Tensor:
        if self.noise == "uniform":
            return replacement_noise(y, self.noise_level, self.classes, generator)[0]
        return super()._noisy(y, generator)
