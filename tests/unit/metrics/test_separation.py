"""Margins by linear program, by the hull's distance and by hand; counts to separation."""

from __future__ import annotations

import numpy as np
import pytest

from assay.data.separable import gaussian_separable
from assay.metrics.separation import hull_distance, iterations_to_separation, margin, separating_direction
from assay.separators import BatchPerceptron, NormalizedBatchPerceptron, Perceptron, Rows


def test_margins_by_hand():
    z = np.array([[3.0, 4.0], [3.0, -4.0]])
    assert margin(z, np.array([2.0, 0.0])) == pytest.approx(3.0)
    assert hull_distance(z) == pytest.approx(3.0)
    assert hull_distance(np.array([[1.0, 1.0]])) == pytest.approx(np.sqrt(2))
    theta = separating_direction(z)
    assert theta is not None and 0 < margin(z, theta) <= 3.0 + 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_the_linear_program_stays_below_the_hull_and_the_hull_above_every_direction(seed):
    generator = np.random.default_rng(seed)
    a, y = gaussian_separable(8, 3, 0.05, generator)
    z = a * y[:, None]
    mu, theta = hull_distance(z), separating_direction(z)
    assert theta is not None
    assert mu >= 0.05 - 1e-12  # the hyperplane that made the labels has this margin
    assert 0 < margin(z, theta) <= mu * (1 + 1e-9)
    some = generator.standard_normal((2000, 3))
    best = max(margin(z, direction) for direction in some)
    assert best <= mu * (1 + 1e-9)
    assert best >= 0.8 * mu  # so the distance is no mere upper bound


def test_what_cannot_be_separated():
    z = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert separating_direction(z) is None
    assert hull_distance(z) == pytest.approx(0, abs=1e-12)
    assert iterations_to_separation(BatchPerceptron(), Rows(z), 50) is None


def test_counts_begin_at_theta_zero_which_separates_nothing():
    assert iterations_to_separation(NormalizedBatchPerceptron(), Rows([[1.0, 0.0]]), 10) == 1
    assert iterations_to_separation(Perceptron(), Rows(np.eye(3)), 10) == 3
    assert iterations_to_separation(Perceptron(), Rows(np.eye(3)), 2) is None
