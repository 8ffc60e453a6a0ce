"""SOR against dense algebra, cost tables against the solver they vectorise, and Young's theory."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.solvers import sor as module
from assay.solvers.antidiagonals import AntiDiagonals
from assay.solvers.problems import poisson2d
from assay.solvers.sor import jacobi_radius, optimal_omega, sor, sor_costs, sor_radius, ssor_costs, stationary_costs

SIDE = 5
systems = {"shift": st.floats(-0.1, 1.0), "omega": st.floats(1.0, 1.9), "seed": st.integers(0, 10**6)}


def right_hand_side(seed, columns=None):
    shape = SIDE**2 if columns is None else (SIDE**2, columns)
    return np.random.default_rng(seed).standard_normal(shape)


def splitting(shift, omega):
    """A and SOR's W = D/omega + L, dense."""
    A = poisson2d(SIDE, shift).toarray()
    return A, np.diag(np.diag(A) / omega) + np.tril(A, -1)


def dense_count(A, P, b, tolerance=1e-8):
    """Iterations of x <- x + P^{-1} (b - A x) from zero, with dense solves."""
    x, k = np.zeros(len(b)), 0
    while np.linalg.norm(b - A @ x) >= tolerance * np.linalg.norm(b) or not k:
        x, k = x + np.linalg.solve(P, b - A @ x), k + 1
    return k


@settings(max_examples=20)
@given(**systems)
def test_it_is_the_iteration_as_written(shift, omega, seed):
    A, W = splitting(shift, omega)
    b = right_hand_side(seed)
    found = sor(poisson2d(SIDE, shift), b, omega)
    assert found.converged and found.iterations == dense_count(A, W, b)
    assert np.linalg.norm(b - A @ found.x) < 1e-8 * np.linalg.norm(b)
    assert (found.sweeps, found.matvecs) == (found.iterations, found.iterations + 1)


def test_a_start_counts_from_its_own_residual_and_the_cap_ends_it():
    A, b = poisson2d(SIDE), right_hand_side(0)
    x0 = np.linalg.solve(A.toarray(), b) + 1e-3
    assert (
        sor(A, b, 1.5, x0=x0, tolerance=1e-2).iterations == sor(A, A @ (x0 * 0 - 1e-3), 1.5, tolerance=1e-2).iterations
    )
    capped = sor(A, b, 1.5, cap=3)
    assert (capped.iterations, capped.converged) == (3, False)


@settings(max_examples=20)
@given(**systems)
def test_sweeps_by_anti_diagonals_are_triangular_solves(shift, omega, seed):
    A, _ = splitting(shift, 1.0)
    D, L = np.diag(np.diag(A)), np.tril(A, -1)
    grid, y = AntiDiagonals(SIDE), right_hand_side(seed, columns=2)
    diagonal = np.array([4 + shift, 4 + shift])

    def apply(method, *arguments):
        found = np.empty_like(y)
        found[grid.order] = method(y[grid.order].copy(), *arguments)
        return found

    np.testing.assert_allclose(apply(grid.lower, omega / diagonal), np.linalg.solve(D / omega + L, y), atol=1e-12)
    np.testing.assert_allclose(apply(grid.upper, omega / diagonal), np.linalg.solve(D / omega + L.T, y), atol=1e-12)
    np.testing.assert_allclose(apply(grid.multiply, diagonal), A @ y, atol=1e-12)
    zero = np.zeros_like(y)
    np.testing.assert_allclose(apply(lambda x: grid.subtract_lower(x, zero.copy())), -L @ y, atol=1e-12)
    np.testing.assert_allclose(apply(lambda x: grid.subtract_upper(x, zero.copy())), -L.T @ y, atol=1e-12)


def test_tables_count_as_the_solvers_do_whatever_the_groups(monkeypatch):
    rng = np.random.default_rng(1)
    shift, omega, b = rng.uniform(-0.1, 0.5, 40), rng.uniform(1.0, 1.9, 40), right_hand_side(2, columns=40)
    singly = [sor(poisson2d(SIDE, s), b[:, j], w).iterations for j, (s, w) in enumerate(zip(shift, omega, strict=True))]
    assert sor_costs(SIDE, 4 + shift, omega, b).tolist() == singly
    symmetric = []
    for j, (s, w) in enumerate(zip(shift, omega, strict=True)):
        A, W = splitting(s, w)
        symmetric.append(dense_count(A, w / (2 - w) * W @ np.diag(1 / np.diag(A)) @ W.T, b[:, j]))
    assert ssor_costs(SIDE, 4 + shift, omega, b).tolist() == symmetric
    monkeypatch.setattr(module, "GROUP", 7 * SIDE**2)
    assert sor_costs(SIDE, 4 + shift, omega, b).tolist() == singly


def test_a_table_gives_up_at_the_cap():
    def idle(grid, r, diagonal, omega):
        return r

    costs = stationary_costs(idle, SIDE, np.full(3, 4.0), np.ones(3), right_hand_side(0, 3), tolerance=1e-8, cap=5)
    assert costs.tolist() == [5, 5, 5]


@settings(max_examples=30)
@given(shift=systems["shift"], omega=systems["omega"])
def test_spectral_radii(shift, omega):
    A, W = splitting(shift, omega)
    beta = jacobi_radius(SIDE, shift)
    jacobi = np.eye(len(A)) - A / np.diag(A)[:, None]
    assert np.abs(np.linalg.eigvalsh(jacobi)).max() == pytest.approx(beta)
    best = optimal_omega(beta)
    assert sor_radius(np.array([best]), beta)[0] == pytest.approx(best - 1)
    if abs(omega - best) > 0.01:  # at omega* the matrix is defective and its eigenvalues cannot be computed
        radius = np.abs(np.linalg.eigvals(np.eye(len(A)) - A @ np.linalg.inv(W))).max()
        assert sor_radius(np.array([omega]), beta)[0] == pytest.approx(radius, abs=1e-9)
    assert sor_radius(np.linspace(1, 1.99, 50), beta).min() >= best - 1 - 1e-12


def test_triangular_factors_have_no_fill():
    lower = sp.tril(poisson2d(SIDE)).tocsr()
    factor = module.triangular(lower)
    assert factor.L.nnz + factor.U.nnz == lower.nnz + SIDE**2  # U is the diagonal, L has a unit one
    r = right_hand_side(3)
    np.testing.assert_allclose(lower.T @ factor.solve(r, trans="T"), r, atol=1e-12)
