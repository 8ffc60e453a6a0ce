"""Distances between samples: closed forms, what they do not see, and repeatable directions."""

import math

import pytest
import torch

from assay.metrics.frechet import frechet_distance
from assay.metrics.sliced_wasserstein import sliced_wasserstein


def normal(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_frechet_of_a_shift_and_a_stretch():
    x = normal(500, 3)
    shift = torch.tensor([1.0, -2.0, 0.5])
    assert float(frechet_distance(x, x)) == pytest.approx(0, abs=1e-9)
    assert float(frechet_distance(x, x + shift)) == pytest.approx(5.25)
    centred = x - x.mean(0)
    assert float(frechet_distance(centred, 3 * centred)) == pytest.approx(4 * float(centred.T.cov().trace()))


def test_frechet_takes_samples_of_different_sizes_and_is_symmetric():
    x, y = normal(300, 2), 2 * normal(50, 2, seed=1)
    assert float(frechet_distance(x, y)) == pytest.approx(float(frechet_distance(y, x)))


def test_sliced_distance_of_a_shift():
    """W2 on a line of a shift by s is |s u|, and E (s u)^2 = |s|^2 / D."""
    x, shift = normal(200, 4), torch.tensor([3.0, 0.0, 0.0, 0.0])
    found = sliced_wasserstein(x, x + shift, torch.Generator().manual_seed(0), projections=4000)
    assert float(found) == pytest.approx(3 / math.sqrt(4), rel=0.05)


def test_the_same_generator_gives_the_same_directions():
    x, y = normal(100, 3), normal(80, 3, seed=1)
    first, again = (float(sliced_wasserstein(x, y, torch.Generator().manual_seed(2))) for _ in range(2))
    assert first == again
