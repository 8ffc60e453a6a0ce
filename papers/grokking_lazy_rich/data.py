"""The data of this paper alone: Gaussian inputs with a quadratic target, and a random teacher network."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from assay.data import Data, Split, data
from assay.models import MLP
from assay.seeds import Seeds

MEAN_SQUARE = 0.75
"""E y^2 of the quadratic target: (1/4) E g^4 with g a standard normal number."""


@data.register("grokking_lazy_rich/quadratic", source="arXiv 2310.06110, Section 5")
class QuadraticTarget(Data):
    """Inputs x ~ N(0, I/D), target y(x) = (beta . x)^2 / 2 with a random direction beta of length sqrt(D).

    The length makes beta . x a standard normal number; the decomposition of the test loss (Eq. 6) needs it. For one
    seed, a smaller training set is the beginning of a larger one. All tensors are float64.

    Args:
        dim: D.
        samples: P, the number of training points.
        tests: number of fresh test points. The test loss itself is exact and needs none; they serve the alignment of
            the kernel and the share of points within a tolerance.

    Attributes:
        beta: [D].
    """

    beta: Tensor

    def __init__(self, *, dim: int = 30, samples: int = 160, tests: int = 200) -> None:
        super().__init__()
        self.dim, self.samples, self.tests = dim, samples, tests

    def load(self, seeds: Seeds) -> None:
        """Draw direction, training and test points from axes of their own."""
        direction = torch.from_numpy(seeds.numpy("target").standard_normal(self.dim))
        self.beta = direction * math.sqrt(self.dim) / direction.norm()
        self.train = self.draw(seeds, "data", self.samples)
        self.test = self.draw(seeds, "test", self.tests)

    def draw(self, seeds: Seeds, axis: str, n: int) -> Split:
        """n points of the distribution: x [n, D], y [n]."""
        x = torch.from_numpy(seeds.numpy(axis).standard_normal((n, self.dim))) / math.sqrt(self.dim)
        return Split(x, (x @ self.beta) ** 2 / 2)


@data.register("grokking_lazy_rich/teacher", source="Liu et al. (2022), arXiv 2210.01117")
class Teacher(Data):
    """Standard normal inputs [5] with the outputs [5] of a random tanh network 5-100-100-5 as targets.

    Args:
        samples: training points.
        tests: test points.
        hidden: width of the teacher's two hidden layers.
    """

    def __init__(self, *, samples: int = 100, tests: int = 100, hidden: int = 100) -> None:
        super().__init__()
        self.samples, self.tests, self.hidden = samples, tests, hidden

    def load(self, seeds: Seeds) -> None:
        """Draw the teacher and its questions."""
        with seeds.torch_global("target"), torch.no_grad():
            teacher = MLP((5,), 5, hidden=[self.hidden, self.hidden], activation="tanh", init="torch")
            teacher.requires_grad_(False)
        x = torch.randn(self.samples + self.tests, 5, generator=seeds.torch("data"))
        with torch.no_grad():
            y = teacher(x)
        self.train = Split(x[: self.samples], y[: self.samples])
        self.test = Split(x[self.samples :], y[self.samples :])
