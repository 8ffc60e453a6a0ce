"""L-BFGS: to rounding on a quadratic and on a curved valley, on vectors and on tensors."""

import numpy as np
import pytest
import torch

from assay.solvers.lbfgs import lbfgs, polish


def test_a_quadratic_is_solved_to_rounding():
    generator = np.random.default_rng(3)
    a = generator.standard_normal((30, 12))
    q, b = a.T @ a, generator.standard_normal(12)
    found = lbfgs(lambda x: (0.5 * x @ q @ x - b @ x, q @ x - b), np.zeros(12))
    np.testing.assert_allclose(found.x, np.linalg.solve(q, b), atol=1e-9)
    assert found.gradient <= 1e-9 and 0 < found.iterations < 200


def valley(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def test_tensors_end_at_the_minimum():
    x, y = torch.tensor([[-1.2]], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
    x.requires_grad_(), y.requires_grad_()
    found = polish([x, y], lambda: valley(x, y).sum())
    assert found.value < 1e-18
    assert x.item() == pytest.approx(1, abs=1e-8) and y.item() == pytest.approx(1, abs=1e-8)
    assert x.shape == (1, 1) and x.item() == found.x[0]


def test_the_limit_ends_it():
    x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    assert polish([x], lambda: valley(x[0], x[1]), limit=3).iterations == 3


def test_single_precision_is_refused():
    with pytest.raises(ValueError, match="float64"):
        polish([torch.zeros(2, requires_grad=True)], lambda: torch.zeros(()))
