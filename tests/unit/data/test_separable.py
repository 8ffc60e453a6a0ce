"""Separable sets: their margins, their labels, rows kept as one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from assay.data import Split
from assay.data.separable import GaussianSeparable, PerceptronWorstCase, gaussian_separable, signed_rows
from assay.metrics.separation import hull_distance
from assay.seeds import Seeds


@pytest.mark.parametrize("least", [0.01, 0.5])
def test_gaussian_points_keep_their_distance(least):
    a, y = gaussian_separable(300, 2, least, np.random.default_rng(1))
    assert set(y) == {-1.0, 1.0}
    assert least - 1e-12 <= hull_distance(a * y[:, None]) < least + 0.1
    assert 100 < (y > 0).sum() < 200


def test_gaussian_sets_follow_their_seed():
    sets = [GaussianSeparable(rows=20, dim=4) for _ in range(3)]
    for part, seed in zip(sets, (1, 1, 2), strict=True):
        part.load(Seeds(seed))
    assert torch.equal(sets[0].train.x, sets[1].train.x)
    assert not torch.equal(sets[0].train.x, sets[2].train.x)
    assert sets[0].train.x.dtype == torch.float64 and sets[0].inputs == (4,)


def test_the_worst_case_is_two_rows_for_many():
    data = PerceptronWorstCase(rows=50)
    data.load(Seeds(0))
    z, count = signed_rows(data.train)
    np.testing.assert_array_equal(z, [[0.5, -1.0], [0.5, 1.0]])
    np.testing.assert_array_equal(count, [1, 49])
    assert hull_distance(z) == pytest.approx(0.5)


def test_signs_of_labels():
    x = torch.ones(2, 3)
    z, count = signed_rows(Split(x, torch.tensor([0, 1])))
    np.testing.assert_array_equal(z[:, 0], [1, -1])
    np.testing.assert_array_equal(signed_rows(Split(x, torch.tensor([1.0, -1.0])))[0], z)
    np.testing.assert_array_equal(count, [1, 1])
