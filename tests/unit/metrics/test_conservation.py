"""Trapezoid weights, signed conservation errors, shock positions, Gaussian likelihoods."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from assay.metrics.conservation import conservation_error, shock_position, trapezoid_weights
from assay.metrics.gaussian_loglik import gaussian_loglik


def test_weights_are_the_trapezoid_rule_on_uneven_points():
    x = torch.tensor([0.0, 0.1, 0.5, 0.6, 2.0], dtype=torch.float64)
    u = x.cos()
    assert float(trapezoid_weights(x) @ u) == pytest.approx(integrate.trapezoid(u.numpy(), x.numpy()), abs=1e-15)
    both = trapezoid_weights(torch.stack([x, 2 * x]))
    torch.testing.assert_close(both[1], 2 * both[0])


def test_errors_are_signed_and_in_double_precision():
    g, b = torch.ones(1, 3), torch.tensor([6.0])
    found = conservation_error(torch.tensor([[1.0, 2.0, 2.5], [1.0, 2.0, 4.0]]), g, b)
    assert found.tolist() == [[-0.5], [1.0]] and found.dtype == torch.float64


def test_a_shock_is_the_first_point_at_or_below_the_level_else_the_last_point():
    x = torch.tensor([0.0, 1.0, 2.0, 3.0])
    u = torch.tensor([[1.0, 0.0, 1.0, -1.0], [1.0, 1.0, 1.0, 1.0], [-1.0, 1.0, 1.0, 1.0]])
    assert shock_position(u, x).tolist() == [1.0, 3.0, 0.0]
    assert shock_position(u[0], x, level=1.0) == 0.0


def test_likelihoods_are_scipys_with_small_variances_clamped():
    y, mean, var = np.array([0.3, -1.0]), np.array([0.1, 0.4]), np.array([0.5, 2.0])
    found = gaussian_loglik(*(torch.from_numpy(v) for v in (y, mean, var)))
    np.testing.assert_allclose(found.numpy(), stats.norm.logpdf(y, mean, np.sqrt(var)))
    zero = torch.zeros(1, dtype=torch.float64)
    assert float(gaussian_loglik(zero, zero, zero, 1e-8)) == pytest.approx(stats.norm.logpdf(0, 0, 1e-4))
