"""Exact transitions against their moments, one step against many, and limits."""

import numpy as np
import pytest

from assay.solvers.exact_sde import GeometricBrownian, OrnsteinUhlenbeck, brownian


def test_transitions_compose():
    process = OrnsteinUhlenbeck(0.7, 1.3)
    a, q = process.transition(0.4)
    b, r = process.transition(1.1)
    assert process.transition(1.5) == pytest.approx((a * b, b**2 * q + r))


def test_a_small_rate_is_brownian():
    assert OrnsteinUhlenbeck(1e-9, 2.0).transition(3.0) == pytest.approx(brownian(2.0).transition(3.0))


def test_paths_are_the_recursion_with_its_moments():
    noise = np.random.default_rng(0).standard_normal((10, 40_000))
    process = OrnsteinUhlenbeck(0.5, 1.0)
    x = process.paths(1.0, noise, 0.1)
    a, q = process.transition(1.0)
    assert x.shape == (11, 40_000)
    assert x[-1].mean() == pytest.approx(a, abs=5 * np.sqrt(q / 40_000))
    assert x[-1].var() == pytest.approx(q, rel=0.04)
    np.testing.assert_allclose(brownian().paths(0.0, noise, 0.1)[-1], np.sqrt(0.1) * noise.sum(0), atol=1e-12)


def test_geometric_motion_is_the_exponential_of_a_line_without_noise():
    still = GeometricBrownian(0.05, 0.0).paths(2.0, np.ones((4, 1)), 0.25)
    np.testing.assert_allclose(still[:, 0], 2 * np.exp(0.05 * np.linspace(0, 1, 5)))
    noise = np.random.default_rng(1).standard_normal((3, 100_000))
    x = GeometricBrownian(0.05, 0.2).paths(1.0, noise, 0.5)
    assert x[-1].mean() == pytest.approx(np.exp(0.075), abs=5 * x[-1].std() / np.sqrt(100_000))
