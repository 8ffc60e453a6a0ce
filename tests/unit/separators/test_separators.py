"""Separators: steps by hand, their bounds, rows kept as one, the two forms of Z Z^T c."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.data.separable import gaussian_separable
from assay.metrics.separation import iterations_to_separation
from assay.separators import (
    LRGD,
    BatchPerceptron,
    NormalizedBatchPerceptron,
    NormalizedLRGD,
    Perceptron,
    Rows,
    separators,
)
from assay.separators.logistic import gradient_norm, logistic_loss

Z = np.array([[1.0, -1.0], [1.0, 4.0]])
METHODS = [LRGD(gamma=10.0), NormalizedLRGD(gamma=10.0), BatchPerceptron(), NormalizedBatchPerceptron(), Perceptron()]


def gaussian(n=12, d=5, seed=0):
    a, y = gaussian_separable(n, d, 0.2, np.random.default_rng(seed))
    return a * y[:, None]


def test_first_steps_by_hand():
    rows, u = Rows(Z), np.zeros(2)
    for method, c in (
        (LRGD(gamma=8.0), [2.0, 2.0]),  # gamma / n * 1/2
        (NormalizedLRGD(gamma=8.0), [4.0, 4.0]),  # gamma times the mean
        (BatchPerceptron(), [0.25, 0.25]),  # half a step
        (NormalizedBatchPerceptron(), [0.5, 0.5]),
        (Perceptron(), [1.0, 0.0]),
    ):
        method.start(rows)
        np.testing.assert_allclose(method.coefficients(rows, u, 0), c)


def test_later_steps_take_the_rows_on_the_wrong_side():
    rows, u = Rows(np.vstack([Z, Z])), np.array([-1.0, 2.0, 0.0, 3.0])
    np.testing.assert_allclose(BatchPerceptron().coefficients(rows, u, 1), [0.25, 0, 0.25, 0])
    np.testing.assert_allclose(NormalizedBatchPerceptron().coefficients(rows, u, 1), [0.5, 0, 0.5, 0])
    w = 1 / (1 + np.exp(u))
    np.testing.assert_allclose(LRGD(gamma=2.0).coefficients(rows, u, 1), w / 2)
    np.testing.assert_allclose(NormalizedLRGD(gamma=2.0).coefficients(rows, u, 1), 2 * w / w.sum())


def test_the_perceptron_goes_round_the_rows():
    rows, method, chosen = Rows(np.eye(4)), Perceptron(), []
    method.start(rows)
    for _ in range(5):
        chosen.append(int(method.coefficients(rows, np.array([-1.0, 1.0, 0.0, -1.0]), 0).argmax()))
    assert chosen == [0, 2, 3, 0, 2]
    again = Perceptron()
    again.start(rows)
    again.load_state(method.state())
    assert again.coefficients(rows, np.array([-1.0, 1.0, 0.0, -1.0]), 0).argmax() == 3


def test_huge_steps_neither_overflow_nor_vanish():
    rows, u = Rows(Z), np.array([-1e6, 1e6])
    np.testing.assert_allclose(LRGD(gamma=1e6).coefficients(rows, u, 1), [5e5, 0.0])
    np.testing.assert_allclose(NormalizedLRGD(gamma=1e6).coefficients(rows, u, 1), [1e6, 0.0])
    assert logistic_loss(rows, u) == pytest.approx(5e5)
    assert gradient_norm(rows, u) == pytest.approx(math.sqrt(2) / 2)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_equal_rows_can_be_kept_as_one(method):
    z, count = np.array([[0.5, -1.0], [0.5, 1.0], [3.0, 1.0]]), [1, 9, 2]
    one = iterations_to_separation(method, Rows(z, count), 10_000)
    assert one == iterations_to_separation(method, Rows(np.repeat(z, count, axis=0)), 10_000)
    assert one is not None and one > 1


def test_products_by_either_form():
    z = gaussian(9, 4)
    direct, gram = Rows(z), Rows(np.hstack([z, np.zeros((9, 9))]))
    assert direct.gram is None and gram.gram is not None
    c = np.arange(9.0)
    np.testing.assert_allclose(direct.products(c), z @ z.T @ c, rtol=1e-12)
    np.testing.assert_allclose(gram.products(c), direct.products(c), rtol=1e-12)


def test_loss_and_gradient_count_rows_with_their_multiplicity():
    z, count, u = gaussian(4, 2), [1, 2, 3, 4], np.array([-1.0, 0.5, 2.0, -3.0])
    kept, all_of_them = Rows(z, count), Rows(np.repeat(z, count, axis=0))
    u_all = np.repeat(u, count)
    assert kept.n == all_of_them.n == 10
    assert logistic_loss(kept, u) == pytest.approx(np.log1p(np.exp(-u_all)).mean())
    w = 1 / (1 + np.exp(u_all))
    assert gradient_norm(kept, u) == pytest.approx(np.linalg.norm(all_of_them.z.T @ w / 10))


def test_bounds():
    radius, margin, n = 2.0, 0.5, 10
    assert BatchPerceptron().bound(n, radius, margin) == 160
    assert NormalizedBatchPerceptron().bound(n, radius, margin) == Perceptron().bound(n, radius, margin) == 16
    assert NormalizedLRGD(gamma=4.0).bound(n, radius, margin) == pytest.approx(16 + 2 * math.log(19))
    assert LRGD(gamma=4.0).bound(n, radius, margin) == math.inf  # nothing is proved at a finite step


def test_they_are_registered():
    names = {"lr_gd", "normalized_lr_gd", "batch_perceptron", "normalized_batch_perceptron", "perceptron"}
    assert names <= {part.name for part in separators}
    assert separators.build({"name": "lr_gd", "gamma": 3}).gamma == 3.0
