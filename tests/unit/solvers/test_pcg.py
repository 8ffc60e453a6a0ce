"""Conjugate gradients against direct solvers, in at most n iterations, and the count of their work."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.solvers.pcg import SSORPreconditioner, cg, ssor_cg_bound, ssor_pcg, ssor_pcg_costs
from assay.solvers.problems import poisson2d

SIDE = 6


def right_hand_side(seed, columns=None):
    return np.random.default_rng(seed).standard_normal(SIDE**2 if columns is None else (SIDE**2, columns))


@settings(max_examples=20)
@given(st.floats(-0.1, 1.0), st.floats(0.9, 1.9), st.integers(0, 10**6))
def test_it_solves_the_system(shift, omega, seed):
    A, b = poisson2d(SIDE, shift), right_hand_side(seed)
    truth = np.linalg.solve(A.toarray(), b)
    for found in (cg(A, b), ssor_pcg(A, b, omega)):
        assert found.converged and np.linalg.norm(b - A @ found.x) <= 1.01e-8 * np.linalg.norm(b)
        np.testing.assert_allclose(found.x, truth, atol=1e-6)
        assert found.matvecs == found.iterations


def test_the_preconditioner_is_its_definition():
    A, omega = poisson2d(SIDE, 0.2), 1.4
    D, L = np.diag(A.diagonal()), np.tril(A.toarray(), -1)
    X = D + omega * L
    P = X @ np.linalg.inv(D) @ X.T / (omega * (2 - omega))
    precondition = SSORPreconditioner(A, omega)
    np.testing.assert_allclose(P @ precondition(r := right_hand_side(0)), r, atol=1e-12)
    assert precondition.sweeps == 2


def test_few_distinct_eigenvalues_need_few_iterations():
    A = poisson2d(SIDE)
    values, vectors = np.linalg.eigh(A.toarray())
    b = vectors[:, [0, 5, 20]].sum(1)
    assert len(np.unique(values[[0, 5, 20]].round(9))) == 3
    assert cg(A, b).iterations == 3


def test_starts():
    A, b = poisson2d(SIDE), right_hand_side(1)
    x = np.linalg.solve(A.toarray(), b)
    warm = ssor_pcg(A, b, 1.5, x0=x)
    assert (warm.iterations, warm.converged, warm.matvecs) == (0, True, 1)
    assert ssor_pcg(A, b, 1.5, x0=np.zeros_like(b)).iterations == ssor_pcg(A, b, 1.5).iterations
    capped = cg(A, b, cap=2)
    assert (capped.iterations, capped.converged) == (2, False)


def test_a_table_counts_as_the_solver_does():
    rng = np.random.default_rng(2)
    shift, omega, b = rng.uniform(-0.1, 0.5, 60), rng.uniform(1.0, 1.85, 60), right_hand_side(3, columns=60)
    singly = [
        ssor_pcg(poisson2d(SIDE, s), b[:, j], w).iterations for j, (s, w) in enumerate(zip(shift, omega, strict=True))
    ]
    assert ssor_pcg_costs(SIDE, 4 + shift, omega, b).tolist() == singly


def test_the_bound_holds_and_follows_from_the_condition_number():
    A = poisson2d(SIDE, 0.1)
    omegas = np.linspace(2 * np.sqrt(2) - 2, 1.95, 12)
    bound = ssor_cg_bound(A, omegas)
    worst = np.array([max(ssor_pcg(A, right_hand_side(s), w).iterations for s in range(5)) for w in omegas])
    assert (worst <= bound).all()
    # The bound's 1/ic bounds the condition number of P^{-1} A from above (Axelsson, Thm 7.17).
    kappa = np.linalg.cond(A.toarray())
    gain = np.log(np.sqrt(kappa) / 1e-8 + np.sqrt(kappa / 1e-16 - 1)) / (bound - 1)  # -log(1 - 2/(1 + ic^{-1/2}))
    condition = (2 / (1 - np.exp(-gain)) - 1) ** 2
    for omega, limit in zip(omegas, condition, strict=True):
        precondition = SSORPreconditioner(A, float(omega))
        applied = np.column_stack([precondition(column) for column in A.toarray().T])
        values = np.linalg.eigvals(applied).real
        assert values.max() / values.min() <= limit * (1 + 1e-9)
        assert values.max() <= 1 + 1e-12


@pytest.mark.parametrize("omega", [1.0, 1.5])
def test_preconditioning_pays(omega):
    A, b = poisson2d(20), np.random.default_rng(4).standard_normal(400)
    assert ssor_pcg(A, b, omega).iterations < 0.7 * cg(A, b).iterations
