"""The scheme against closed forms: linear decay, a scalar equation, a vortex array; its order is a check of a paper."""

import math

import numpy as np
import pytest
import scipy.fft

from assay.seeds import Seeds
from assay.solvers.etdrk4 import AllenCahn1D, KuramotoSivashinsky1D, Vorticity2D, coefficients, etdrk4


def test_a_linear_equation_is_exact():
    linear = np.array([-1e6, -1.0, 0.0, 2.0])
    found = etdrk4(linear, lambda v: 0 * v, np.ones(4), 0.1, 10, 5)
    assert found.shape == (3, 4)
    np.testing.assert_allclose(found[-1], np.exp(linear), rtol=1e-12)


def test_coefficients_are_their_limits_at_zero():
    c = coefficients(np.array([0.0]), 0.5)
    np.testing.assert_allclose(
        [c.q[0], c.f1[0], c.f2[0], c.f3[0]], 0.5 * np.array([1 / 2, 1 / 6, 1 / 6, 1 / 6]), rtol=1e-13
    )


def test_a_logistic_equation():
    """v' = v - v^2 from 1/2 is 1 / (1 + e^-t)."""
    found = etdrk4(np.array([1.0]), lambda v: -v * v, np.array([0.5]), 0.05, 40)
    assert found[-1, 0] == pytest.approx(1 / (1 + math.exp(-2)), rel=1e-7)


def test_frames_must_fit():
    with pytest.raises(ValueError, match="multiple"):
        etdrk4(np.array([1.0]), lambda v: 0 * v, np.array([1.0]), 0.1, 10, 3)


def test_phases_of_allen_cahn_are_equilibria():
    pde = AllenCahn1D(32)
    np.testing.assert_allclose(pde.rate(np.ones(32)), 0, atol=1e-13)
    assert abs(pde.initial()[16]) < 1e-15 and pde.initial()[0] == pytest.approx(-1)


def test_a_travelling_frame_conserves_the_mean():
    """Kuramoto-Sivashinsky is in conservation form: the mean of u does not change."""
    pde = KuramotoSivashinsky1D(64, 5.0, 0.5, 0.005, -1.0, 2.0)
    start = scipy.fft.rfft(0.3 - np.sin(np.pi * pde.x))
    end = etdrk4(pde.linear, pde.nonlinear, start, 1e-3, 100)[-1]
    assert end[0] == pytest.approx(start[0], rel=1e-12)
    assert abs(end[1] - start[1]) > 1


def test_taylor_green_vortices_only_decay():
    """w = 2 cos x cos y has no advection; it falls as exp(-2 t / Re)."""
    pde = Vorticity2D(16, reynolds=10.0)
    w = 2 * np.cos(pde.x)[:, None] * np.cos(pde.x)[None, :]
    end = scipy.fft.irfft2(etdrk4(pde.linear, pde.nonlinear, scipy.fft.rfft2(w), 0.1, 10)[-1], (16, 16))
    np.testing.assert_allclose(end, w * math.exp(-0.2), atol=1e-12)
    u, v = pde.velocity(scipy.fft.rfft2(w))
    np.testing.assert_allclose(u, -np.cos(pde.x)[:, None] * np.sin(pde.x)[None, :], atol=1e-12)
    np.testing.assert_allclose(v, np.sin(pde.x)[:, None] * np.cos(pde.x)[None, :], atol=1e-12)


def test_a_random_field_has_its_speed_and_loses_energy():
    pde = Vorticity2D(32)
    start = pde.random_field(Seeds(0).numpy("field"))
    speeds = [np.sqrt(sum(c**2 for c in pde.velocity(v))) for v in etdrk4(pde.linear, pde.nonlinear, start, 5e-3, 20)]
    assert speeds[0].max() == pytest.approx(5.0)
    assert (speeds[1] ** 2).mean() < (speeds[0] ** 2).mean()
