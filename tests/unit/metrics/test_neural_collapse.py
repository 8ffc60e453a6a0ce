"""Neural collapse: class means, NC1 against its formula with pinv, frames and their scale, cosines."""

import numpy as np
import pytest

from assay.metrics.neural_collapse import (
    class_means,
    etf_gram,
    frame_distance,
    mean_abs_cosine,
    rows_against_means,
    within_over_between,
)

Y = np.repeat(np.arange(3), [5, 3, 2])


def features(noise, d=6, seed=0):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((3, d))[Y] + noise * generator.standard_normal((len(Y), d))


def test_class_means():
    h = features(0.5)
    np.testing.assert_allclose(class_means(h, Y, 3), [h[k == Y].mean(0) for k in range(3)])
    assert (class_means(h, Y, 4)[3] == 0).all()


def test_nc1_is_its_formula():
    h = features(0.5)
    means, mean = class_means(h, Y, 3), h.mean(0)
    within = (h - means[Y]).T @ (h - means[Y]) / len(h)
    between = (means[Y] - mean).T @ (means[Y] - mean) / len(h)
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-10, hermitian=True)) / 3
    assert within_over_between(h, Y, 3) == pytest.approx(expected)
    assert within_over_between(7 * h + 2, Y, 3) == pytest.approx(expected)


def test_nc1_vanishes_with_the_spread():
    assert within_over_between(features(0.0), Y, 3) < 1e-25
    assert within_over_between(features(1e-3), Y, 3) < 1e-4


def test_frames_do_not_see_scale():
    etf = etf_gram(4)
    assert frame_distance(7 * etf, etf) == pytest.approx(0)
    assert frame_distance(np.eye(4), etf) == pytest.approx(np.sqrt(2 - np.sqrt(3)))
    assert frame_distance(np.zeros((4, 4)), etf) == pytest.approx(1)
    assert np.abs(etf.sum(1)).max() < 1e-15 and np.linalg.matrix_rank(etf) == 3


def test_rows_against_means():
    means, scale = features(0)[[0, 5, 8]], np.array([1.0, 2.0, 3.0])
    assert rows_against_means(5 * scale[:, None] * means, means, scale) == pytest.approx(0)
    assert rows_against_means(means, means, scale) > 0.1


def test_cosines():
    assert mean_abs_cosine(np.diag([1.0, 2.0, 3.0])) == 0
    assert mean_abs_cosine(np.linalg.cholesky(etf_gram(4) + 1e-12 * np.eye(4))) == pytest.approx(1 / 3, abs=1e-4)
    assert mean_abs_cosine(np.array([[1.0, 0.0], [-2.0, 0.0]])) == 1
