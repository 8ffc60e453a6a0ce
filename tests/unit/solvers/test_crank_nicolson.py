"""Feynman-Kac against closed forms, and the order in the step."""

import numpy as np
import pytest

from assay.solvers.crank_nicolson import feynman_kac

X = np.linspace(-8, 8, 401)
MIDDLE = np.abs(X) <= 2


def solve(steps, drift, reward, terminal, discount, horizon=1.0):
    return feynman_kac(X, drift, np.ones_like(X), reward, terminal, horizon, steps, discount)[-1]


def test_a_constant_reward_is_an_annuity():
    found = solve(200, -X, np.ones_like(X), np.zeros_like(X), 0.3)
    np.testing.assert_allclose(found, (1 - np.exp(-0.3)) / 0.3, rtol=1e-5)


def test_brownian_motion_squared_gains_its_time():
    found = solve(50, 0 * X, 0 * X, X**2, 0.0)
    np.testing.assert_allclose(found[MIDDLE], X[MIDDLE] ** 2 + 1, atol=1e-3)


def test_a_wave_decays_and_errors_fall_with_the_square_of_the_step():
    truth = np.sin(X) * np.exp(-0.5 - 0.2)
    errors = [np.abs(solve(steps, 0 * X, 0 * X, np.sin(X), 0.2) - truth)[MIDDLE].max() for steps in (2, 4)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    assert np.abs(solve(200, 0 * X, 0 * X, np.sin(X), 0.2) - truth)[MIDDLE].max() < 2e-4
