"""T-shirts and shirts as a noisy regression: the real data of the random-feature student."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from assay.data import Split, data
from assay.data.class_pair import ClassPair
from assay.data.labelled import Pool, Prepare
from assay.seeds import Seeds


@data.register("generalization_dynamics/images")
class NoisyPair(ClassPair):
    """Two classes of images with targets -1 and +1; training targets carry Gaussian noise, test targets are clean.

    Pixels are averaged in squares of `pool`, divided by 255, centred by the training mean, and scaled so that the mean
    squared norm is the number of pixels. All tensors are float64.

    Args:
        snr: variance of the clean targets (1) over that of the noise.
        images, pair, pool, train, test: see `ClassPair`.
    """

    def __init__(self, *, snr: float = 1.0, **rest: Any) -> None:
        super().__init__(**rest)
        self.snr, self.noise_variance = snr, 1 / snr

    @property
    def outputs(self) -> int:
        """One number, although there are two classes to draw from."""
        return 1

    def prepare(self, x: Tensor) -> Prepare:
        """Centre and scale on the training rows."""
        pixels = self._squares(x).flatten(1).double()
        mean = pixels.mean(0)
        scale = math.sqrt(pixels.shape[1] / float((pixels - mean).square().sum(1).mean()))
        return lambda rows: (self._squares(rows).flatten(1).double() - mean) * scale

    def _split(self, name: str, part: Pool, prepare: Prepare, seeds: Seeds) -> Split:
        """Rows with targets -1 (first class) and +1, and noise on all but the test rows."""
        clean = 2 * part.y.double() - 1
        if name == "test":
            return Split(prepare(part.x), clean)
        noise = torch.from_numpy(seeds.numpy("noise", name).standard_normal(len(clean)))
        return Split(prepare(part.x), clean + math.sqrt(self.noise_variance) * noise, {"clean": clean})
