"""The stream of linear systems: a shifted 5-point matrix and a right-hand side a round."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from assay.data.base import Data, Split, data
from assay.seeds import Seeds
from assay.solvers.problems import truncated_gaussian

SHIFTS = (-0.15, 0.45)
"""The range of the shifts c_t; the least eigenvalue of A is 0.162, so A + c_t I stays positive definite."""

BETA = {"low": (2.0, 6.0), "high": (0.5, 1.5)}
"""Parameters of the Beta laws of (c_t + 0.15) / 0.6; both have mean 1/4, "high" has thrice the variance."""

Array = NDArray[np.float64]


@data.register("shifted_poisson", source="arXiv 2310.02246, Sec. 2.4 and 3.3")
class ShiftedPoisson(Data):
    """Systems (A + c_t I) x = b_t with A = `poisson2d(side)`, c_t random and b_t a truncated Gaussian.

    `train.x` holds the shifts c_t, [instances, 1], which is what a learner may see; `train.y` holds the right-hand
    sides b_t, [instances, side^2]. Round t is a function of (seed, t): a longer stream begins with the shorter one,
    and both laws share their right-hand sides.

    Args:
        law: c_t = -0.15 + 0.6 Beta(2, 6) ("low" variance) or Beta(1/2, 3/2) ("high"); "even" is A itself followed by
            evenly spaced shifts from -0.15 to 0.45, for the study of bounds.
        instances: length T of the stream.
        side: interior grid points a side.
    """

    def __init__(self, *, law: Literal["low", "high", "even"] = "high", instances: int = 2000, side: int = 10) -> None:
        super().__init__()
        self.law, self.instances, self.side = law, instances, side

    def load(self, seeds: Seeds) -> None:
        """Draw the stream from the axes ("shift", t) and ("target", t)."""
        n = self.side**2
        targets = np.stack([truncated_gaussian(n, seeds.numpy("target", t)) for t in range(self.instances)])
        self.train = Split(torch.from_numpy(self.shifts(seeds)[:, None]), torch.from_numpy(targets))

    def shifts(self, seeds: Seeds) -> Array:
        """c_t, [instances]."""
        low, high = SHIFTS
        if self.law == "even":
            return np.append(0.0, np.linspace(low, high, self.instances - 1))
        unit = [seeds.numpy("shift", t).beta(*BETA[self.law]) for t in range(self.instances)]
        return low + (high - low) * np.asarray(unit)

    @property
    def contexts(self) -> Array:
        """The shifts, [instances]."""
        return self.train.x[:, 0].numpy()

    @property
    def targets(self) -> Array:
        """The right-hand sides, [instances, side^2]."""
        return self.train.y.numpy()
