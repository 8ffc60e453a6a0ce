"""FISTA against scipy and against a closed form."""

import numpy as np
import pytest
import scipy.optimize
import torch

from assay.solvers.fista import NotConverged, fista


def quadratics(n=3, d=8):
    generator = torch.Generator().manual_seed(9)
    a = torch.randn(n, d, d, generator=generator, dtype=torch.float64)
    q = a @ a.mT / d + 0.1 * torch.eye(d, dtype=torch.float64)
    b = 3 * torch.randn(n, d, generator=generator, dtype=torch.float64)
    return q, b, 1 / torch.linalg.eigvalsh(q)[:, -1:]


def gradient_of(q, b):
    return lambda x: (q @ x.unsqueeze(-1)).squeeze(-1) - b


def test_without_a_penalty_it_solves_the_linear_systems():
    q, b, step = quadratics()
    x = fista(gradient_of(q, b), lambda v, step: v, torch.zeros_like(b), step)
    torch.testing.assert_close(x, torch.linalg.solve(q, b), rtol=0, atol=1e-8)


def test_in_a_box_it_agrees_with_scipy():
    q, b, step = quadratics()
    x = fista(gradient_of(q, b), lambda v, step: v.clamp(-1, 1), torch.zeros_like(b), step).numpy()
    for i in range(len(q)):
        matrix, vector = q[i].numpy(), b[i].numpy()
        found = scipy.optimize.lsq_linear(
            np.linalg.cholesky(matrix).T, np.linalg.solve(np.linalg.cholesky(matrix), vector), (-1, 1), tol=1e-14
        )
        np.testing.assert_allclose(x[i], found.x, atol=1e-7)
        assert np.abs(x[i]).max() == 1, "the box must matter"


def test_says_when_it_did_not_arrive():
    q, b, step = quadratics()
    with pytest.raises(NotConverged, match="5 iterations"):
        fista(gradient_of(q, b), lambda v, step: v, torch.zeros_like(b), step, limit=5)
