"""Schatten quasi-norms: known norms at p = 1 and 2, zero singular values, and the cheapest factorisation."""

import numpy as np
import pytest

from assay.linalg.schatten import schatten_norm, schatten_power


def matrix():
    return np.random.default_rng(0).standard_normal((5, 3))


def test_known_norms():
    z = matrix()
    assert schatten_norm(z, 1) == pytest.approx(np.linalg.norm(z, "nuc"))
    assert schatten_norm(z, 2) == pytest.approx(np.linalg.norm(z))


def test_zero_singular_values_cost_nothing_at_small_powers():
    u, v = np.random.default_rng(1).standard_normal((2, 6))
    rank_one = np.outer(u, v)
    assert schatten_power(rank_one, 0.1) == pytest.approx(np.linalg.norm(rank_one) ** 0.1)
    assert schatten_power(np.zeros((3, 3)), 0.5) == 0


@pytest.mark.parametrize("layers", [2, 3])
def test_even_factors_reach_it_and_others_do_not_undercut_it(layers):
    z, generator = matrix(), np.random.default_rng(2)
    u, s, vt = np.linalg.svd(z, full_matrices=False)
    share = np.diag(s ** (1 / layers))
    factors = [share @ vt, *[share] * (layers - 2), u @ share]
    bound = layers * schatten_power(z, 2 / layers)
    assert sum((w**2).sum() for w in factors) == pytest.approx(bound)
    for _ in range(20):
        g = np.eye(3) + 0.3 * generator.standard_normal((3, 3))
        moved = [g @ factors[0], factors[1] @ np.linalg.inv(g), *factors[2:]]
        assert sum((w**2).sum() for w in moved) >= bound - 1e-9
