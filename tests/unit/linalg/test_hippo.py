"""HiPPO-LegS and its split; starts of diagonal systems: what they must have in common with the systems they stand for."""

import numpy as np
import pytest

from assay.linalg import dplr_split, eig_ptd, hippo_legs, modes, perturb
from assay.linalg.hippo import legs_states, normal_eigenbasis, rank_one_gain, states


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("n", [1, 2, 7, 32])
def test_the_split_is_normal_and_b_is_root_two_p(n):
    a, b = hippo_legs(n)
    a_n, p = dplr_split(n)
    assert np.allclose(a_n - np.outer(p, p), a, rtol=0, atol=1e-12 * n)
    assert np.array_equal(a_n + a_n.T, -np.eye(n))
    assert np.allclose(b, np.sqrt(2) * p) and np.linalg.norm(b) == pytest.approx(n)
    assert np.allclose(np.diag(a), -np.arange(1, n + 1)) and np.all(np.triu(a, 1) == 0)


def test_the_first_entries_are_those_written_down():
    a, b = hippo_legs(3)
    assert a[2, 1] == pytest.approx(-np.sqrt(15)) and a[1, 0] == pytest.approx(-np.sqrt(3))
    assert b.tolist() == pytest.approx([1, np.sqrt(3), np.sqrt(5)])


@pytest.mark.parametrize("n", [4, 9])
def test_eigenbases_diagonalise_and_are_ordered(n):
    a, _ = hippo_legs(n)
    for matrix, basis in (
        (dplr_split(n)[0], normal_eigenbasis(n)),
        (a + perturb(n, "skew", 0.1, generator()), eig_ptd(a + perturb(n, "skew", 0.1, generator()))),
    ):
        assert np.allclose(matrix @ basis.vectors, basis.vectors * basis.values, atol=1e-10 * n**2)
        assert np.all(np.diff(np.abs(basis.values.imag)) > -1e-9 * n**2)
        assert np.allclose(np.linalg.norm(basis.vectors, axis=0), 1)


def test_states_solve_their_systems():
    n, w = 6, np.array([0.0, 1.3, 20.0])
    a, b = hippo_legs(n)
    expected = np.stack([np.linalg.solve(1j * v * np.eye(n) - a, b) for v in w])
    assert np.allclose(legs_states(n, w), expected, atol=1e-13)
    matrix = a + perturb(n, "rank1", 0.3, generator())
    expected = np.stack([np.linalg.solve(1j * v * np.eye(n) - matrix, b) for v in w])
    assert np.allclose(states(eig_ptd(matrix), b, w), expected, atol=1e-12)


def test_the_gain_of_the_rank_one_term_tends_to_one():
    assert abs(rank_one_gain(256, np.array([0.5]))[0] - 1) < 0.02


def test_rank_one_perturbations_lead_from_hippo_to_its_normal_part():
    n = 8
    a, _ = hippo_legs(n)
    assert np.allclose(a + perturb(n, "rank1", 1.0, generator()), dplr_split(n)[0])
    assert not perturb(n, "rank1", 0.0, generator()).any()


@pytest.mark.parametrize("kind", ["skew", "ginibre"])
def test_random_perturbations_have_the_norm_asked_for(kind):
    a, _ = hippo_legs(12)
    e = perturb(12, kind, 0.03, generator())
    assert np.linalg.norm(e, 2) == pytest.approx(0.03 * np.linalg.norm(a, 2))
    assert np.allclose(e, -e.T) == (kind == "skew")


def test_the_descent_lowers_the_objective_and_stays_stable():
    n = 8
    a, _ = hippo_legs(n)
    short, long = (eig_ptd(a + perturb(n, "opt", 0, generator(), steps=steps)) for steps in (1, 100))
    assert long.condition < short.condition / 2
    assert long.values.real.max() <= -0.5 + 1e-9
    e = perturb(n, "opt", 0, generator(), steps=5)
    assert np.array_equal(e, -e.T)


@pytest.mark.parametrize("n", [7, 8])
@pytest.mark.parametrize("start", ["s4d", "rank1", "skew"])
def test_modes_give_the_real_systems_output(n, start):
    """2 Re over pairs plus the real modes is c exp(A t) B of the whole real system."""
    found = modes(n, start, 0.2, generator(3))
    c, t = generator(1).standard_normal(n), 0.07
    a, b = hippo_legs(n)
    matrix, b = (dplr_split(n)[0], b / 2) if start == "s4d" else (a + perturb(n, start, 0.2, generator(3)), b)
    basis = eig_ptd(matrix)
    expected = (c @ basis.vectors * np.exp(t * basis.values) @ basis.coordinates(b)).real
    got = (found.weights * (c @ found.vectors * np.exp(t * found.values) * found.b).real).sum()
    assert got == pytest.approx(expected, rel=1e-9)
    assert found.weights.sum() == n
    assert found.condition == pytest.approx(basis.condition, rel=1e-6)
    assert np.allclose(found.inverse @ b, found.b)


def test_the_linear_start_has_frequencies_in_steps_of_pi():
    found = modes(8, "s4d_lin", 0, generator())
    assert np.allclose(found.values, -0.5 + 1j * np.pi * np.arange(4)) and np.allclose(found.b, 1)
