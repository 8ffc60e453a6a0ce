"""Regret by hand."""

import numpy as np
import pytest

from assay.metrics.regret import growth_exponent, regret


def test_regret_is_against_the_best_arm_of_every_prefix():
    costs = [[1, 3], [5, 1], [5, 1]]
    assert regret([3, 5, 1], costs).tolist() == [2, 4, 4]  # best prefixes: 1 (arm 0), 4 (arm 1), 5 (arm 1)


def test_a_fixed_arm_has_no_negative_regret_and_the_best_one_ends_at_zero():
    costs = np.random.default_rng(0).integers(1, 50, (60, 4))
    best = costs.sum(0).argmin()
    for arm in range(4):
        assert (regret(costs[:, arm], costs) >= 0).all()
    assert regret(costs[:, best], costs)[-1] == 0


def test_exponents():
    rounds = [100, 200, 400, 800]
    assert growth_exponent(rounds, [3 * t ** (2 / 3) for t in rounds]) == pytest.approx(2 / 3)
    assert growth_exponent(rounds, [5, 0, 7, 9]) == 0.0
