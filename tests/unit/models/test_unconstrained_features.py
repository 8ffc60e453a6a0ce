"""Unconstrained features: the objective as written down, its gradient by differences, parts as views."""

import itertools

import numpy as np
import pytest

from assay.models.unconstrained_features import UnconstrainedFeatures

CASES = list(itertools.product(("squared", "cross_entropy"), (False, True), (1, 3)))


def model(error="squared", bias=False, depth=2):
    decays = tuple(0.01 * (j + 1) for j in range(depth))
    return UnconstrainedFeatures((3, 2, 1), 4, decays, 0.05, error=error, bias=bias)


@pytest.mark.parametrize(("error", "bias", "depth"), CASES)
def test_the_value_is_the_objective(error, bias, depth):
    problem = model(error, bias, depth)
    theta = problem.random(np.random.default_rng(0), 0.5)
    weights, h, b = problem.split(theta)
    b += np.arange(len(b))
    z = np.linalg.multi_dot([*weights[::-1], h]) + (b[:, None] if bias else 0)
    if error == "squared":
        expected = ((z - problem.one_hot) ** 2).sum() / 12
    else:
        expected = -np.log(np.exp(z)[problem.labels, np.arange(6)] / np.exp(z).sum(0)).mean()
    expected += sum(lam / 2 * (w**2).sum() for lam, w in zip(problem.decay_w, weights, strict=True))
    expected += 0.05 / 2 * (h**2).sum()
    assert problem.value_and_gradient(theta)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("error", "bias", "depth"), CASES)
def test_the_gradient_by_differences(error, bias, depth):
    problem, step = model(error, bias, depth), 1e-6
    theta = problem.random(np.random.default_rng(1), 0.5)
    kept = theta.copy()
    gradient = problem.value_and_gradient(theta)[1]
    assert (theta == kept).all()
    ups, downs = (
        [problem.value_and_gradient(theta + sign * step * e)[0] for e in np.eye(len(theta))] for sign in (1, -1)
    )
    np.testing.assert_allclose(gradient, (np.array(ups) - downs) / (2 * step), atol=1e-8)


def test_parts_are_views_of_one_vector():
    problem = model(bias=True, depth=3)
    theta = np.arange(problem.size, dtype=float)
    weights, h, b = problem.split(theta)
    assert [w.shape for w in weights] == [(4, 4), (4, 4), (3, 4)] and h.shape == (4, 6) and b.shape == (3,)
    np.testing.assert_array_equal(problem.join(weights, h, b), theta)
    h[...] = 0
    assert (theta == 0).sum() == h.size + 1
    assert problem.labels.tolist() == [0, 0, 0, 1, 1, 2] and (problem.one_hot.sum(1) == problem.counts).all()


def test_products_from_the_left():
    problem = model(depth=3)
    weights, _, _ = problem.split(problem.random(np.random.default_rng(2), 1.0))
    products = problem.products(weights)
    np.testing.assert_allclose(products[0], weights[2] @ weights[1] @ weights[0])
    np.testing.assert_allclose(products[2], weights[2])
    np.testing.assert_array_equal(products[3], np.eye(3))
