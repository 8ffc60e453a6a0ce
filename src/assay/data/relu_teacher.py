"""Questions to a random ReLU network, answered with noise: the nonlinear student-teacher setting."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from assay.data.base import Data, Split, data
from assay.seeds import Seeds


@data.register("relu_teacher", source="arXiv 1710.03667")
class ReLUTeacher(Data):
    """Inputs x ~ N(0, I); targets are a teacher's outputs plus noise, test targets are clean.

    The teacher is c v . relu(W x) with W ~ N(0, 1/dim), v ~ N(0, 1), no biases, and c such that its outputs have
    standard deviation 1 over the test inputs; they are not centred. All tensors are float64. For one seed, fewer
    training rows are the beginning of more, with the same noise up to its scale.

    Args:
        dim: number of inputs N_i.
        teacher: number N_t of its hidden units.
        samples: training rows P.
        snr: variance of the clean targets (1) over that of the noise.
        tests: test rows, which also set the scale c.

    Attributes:
        noise_variance: of the training targets, 1 / snr.
    """

    def __init__(
        self, *, dim: int = 15, teacher: int = 30, samples: int = 300, snr: float = 1.0, tests: int = 10_000
    ) -> None:
        super().__init__()
        self.dim, self.teacher, self.samples, self.snr, self.tests = dim, teacher, samples, snr, tests
        self.noise_variance = 1 / snr

    def load(self, seeds: Seeds) -> None:
        """Draw teacher, inputs and noise from axes of their own."""
        first = _normal(seeds, ("teacher", "first"), self.teacher, self.dim) / math.sqrt(self.dim)
        readout = _normal(seeds, ("teacher", "readout"), self.teacher)

        def answers(x: Tensor) -> Tensor:
            return torch.relu(x @ first.T) @ readout

        test, train = _normal(seeds, "test", self.tests, self.dim), _normal(seeds, "data", self.samples, self.dim)
        scale = answers(test).std()
        clean = answers(train) / scale
        noise = math.sqrt(self.noise_variance) * _normal(seeds, "noise", self.samples)
        self.train = Split(train, clean + noise, {"clean": clean})
        self.test = Split(test, answers(test) / scale)


def _normal(seeds: Seeds, axis: str | tuple[str, ...], *shape: int) -> Tensor:
    return torch.from_numpy(seeds.numpy(*([axis] if isinstance(axis, str) else axis)).standard_normal(shape))
