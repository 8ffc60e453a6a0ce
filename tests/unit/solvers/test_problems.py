"""The linear systems against closed forms."""

import numpy as np
import pytest

from assay.solvers.problems import HeatEquation2D, bump, poisson2d, truncated_gaussian


def test_poisson_has_the_eigenvalues_of_the_sine_basis():
    waves = 4 * np.sin(np.pi * np.arange(1, 6) / 12) ** 2
    expected = np.sort((waves[:, None] + waves[None, :]).ravel()) + 0.3
    np.testing.assert_allclose(np.linalg.eigvalsh(poisson2d(5, 0.3).toarray()), expected, atol=1e-12)


def test_truncated_gaussians_stay_inside_and_are_scaled_by_nothing_else():
    rng = np.random.default_rng(0)
    draws = np.stack([truncated_gaussian(100, rng) for _ in range(200)])
    squares = (draws**2).sum(1)
    assert squares.max() <= 100
    assert 85 < squares.mean() < 95  # E[chi^2_100 | <= 100] is about 90.5


def test_bump():
    points = np.array([[0.5, 0.5], [0.5, 0.625], [0.5, 0.75], [0.0, 0.0]])
    np.testing.assert_allclose(bump(points, (0.5, 0.5), 0.25), [1.0, np.exp(1 - 4 / 3), 0.0, 0.0])


def test_diffusivity_is_slow_in_one_half_and_fast_in_the_other():
    heat = HeatEquation2D(8)
    assert heat.diffusivity(0.25) == pytest.approx(0.1)
    assert heat.diffusivity(0.75) == pytest.approx(10.0)


def test_crank_nicolson_is_exact_on_an_eigenvector():
    heat = HeatEquation2D(8)
    heat.source = lambda t: np.zeros(49)
    u = np.sin(np.pi * heat.points[:, 0]) * np.sin(np.pi * heat.points[:, 1])
    rate = 2 * 64 * 4 * np.sin(np.pi / 16) ** 2  # of -Lap_h, near 2 pi^2
    assert rate == pytest.approx(2 * np.pi**2, rel=0.02)
    A, b = heat.system(u, 749)
    half = heat.diffusivity(0.7495) * 1e-3 / 2 * rate
    np.testing.assert_allclose(np.linalg.solve(A.toarray(), b), u * (1 - half) / (1 + half), atol=1e-12)


def test_halving_the_step_quarters_the_error():
    def end(dt):
        heat = HeatEquation2D(6, dt)
        u = heat.initial()
        for step in range(round(0.02 / dt)):
            A, b = heat.system(u, step)
            u = np.linalg.solve(A.toarray(), b)
        return u

    fine = end(1.25e-4)
    errors = [np.abs(end(dt) - fine).max() for dt in (2e-3, 1e-3)]
    assert 3 < errors[0] / errors[1] < 5.5
