"""The limiting spectrum: its mass, its moments, its density; and that of matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from assay.metrics.marchenko_pastur import Spectrum, density, edges


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 2.0, 4.0])
def test_mass_and_moments(alpha):
    limit = Spectrum.marchenko_pastur(alpha)
    assert limit.weights.sum() + limit.zero == pytest.approx(1, abs=1e-3 if alpha == 1 else 1e-9)
    assert limit.weights @ limit.values == pytest.approx(alpha)  # tr X X^T / N
    assert limit.weights @ limit.values**2 == pytest.approx(alpha + alpha**2)


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_quadrature_agrees_with_the_density(alpha):
    low, high = edges(alpha)
    limit = Spectrum.marchenko_pastur(alpha)
    for function in (np.exp, lambda x: 1 / x):
        integral = quad(lambda x, f=function: f(x) * density(np.array([x]), alpha)[0], low, high)[0]
        assert limit.weights @ function(limit.values) == pytest.approx(integral, rel=1e-5)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
def test_spectra_of_matrices_count_modes_by_rank(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    found = Spectrum.of(x)
    full = np.linalg.eigvalsh(x @ x.T)
    np.testing.assert_allclose(found.values, full[-12:], rtol=1e-10)
    assert found.zero == pytest.approx(max(1 - shape[1] / shape[0], 0))
    assert found.weights.sum() + found.zero == pytest.approx(1)
