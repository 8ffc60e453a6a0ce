"""Unpaired translation between two groups of handwritten digits: real data on which bridges are tried in seconds."""

from __future__ import annotations

import numpy as np
import torch

from assay.data.base import Split, data
from assay.data.marginals import Marginals
from assay.data.tabular import sklearn_table
from assay.errors import UserError
from assay.seeds import Seeds


@data.register("digits_translation", source="sklearn.datasets.load_digits (UCI optdigits)")
class DigitsTranslation(Marginals):
    """From images of 0-4 to images of 5-9 (8 x 8 pixels), in principal components.

    Pixels are scaled to [0, 1]; the components are those of all training images of both sides.

    Args:
        dimension: number of principal components, D.
        test_share: part of each side's images that is held out.
    """

    def __init__(self, *, dimension: int = 16, test_share: float = 0.2) -> None:
        super().__init__()
        if not 1 <= dimension <= 64:
            raise UserError(f"data.dimension={dimension}: the images have between 1 and 64 principal components")
        self.dimension, self.test_share = dimension, test_share

    def load(self, seeds: Seeds) -> None:
        """Split each side by the axis `split`, then project."""
        from sklearn.decomposition import PCA

        images, labels = sklearn_table("digits")
        rng = seeds.numpy("split")
        sides = [rng.permutation(np.flatnonzero(side)) for side in (labels < 5, labels >= 5)]
        held_out = [round(self.test_share * len(side)) for side in sides]
        train = [images[side[n:]] / 16 for side, n in zip(sides, held_out, strict=True)]
        test = [images[side[:n]] / 16 for side, n in zip(sides, held_out, strict=True)]
        pca = PCA(self.dimension, svd_solver="full").fit(np.concatenate(train))
        self.train, self.test = (
            Split(torch.from_numpy(pca.transform(x)), torch.from_numpy(pca.transform(y))) for x, y in (train, test)
        )
