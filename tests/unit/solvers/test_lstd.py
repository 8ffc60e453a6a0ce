"""Returns, TD errors and traces against their definitions; LSTD on a chain whose values are known."""

import numpy as np

from assay.solvers.lstd import LinearEquations, returns, td_errors, traces

RNG = np.random.default_rng(0)


def test_returns_are_discounted_sums_and_errors_of_returns_vanish():
    rewards, end, g = RNG.standard_normal((6, 3)), RNG.standard_normal(3), 0.9
    found = returns(rewards, end, g)
    powers = g ** np.arange(6)
    np.testing.assert_allclose(found[0], powers @ rewards + g**6 * end)
    np.testing.assert_allclose(td_errors(found, rewards, g), 0, atol=1e-14)


def test_traces_are_weighted_sums_of_the_past():
    gradients = RNG.standard_normal((5, 2, 4))
    found = traces(gradients, 0.5, 0.1)
    weights = 0.1 * 0.5 ** np.arange(4, -1, -1)
    np.testing.assert_allclose(found[-1], np.tensordot(weights, gradients, 1))


def test_lstd_finds_the_values_of_a_chain():
    P, r, g = np.array([[0.5, 0.5, 0.0], [0.0, 0.2, 0.8], [0.6, 0.0, 0.4]]), np.array([1.0, -2.0, 0.5]), 0.9
    values = np.linalg.solve(np.eye(3) - g * P, r)
    equations = LinearEquations(3)
    for state in range(3):  # every transition once, weighted by its probability
        for after in range(3):
            z, w = np.eye(3)[:, [state]], np.eye(3)[:, [state]] - g * np.eye(3)[:, [after]]
            equations.add(z, w, r[[state]], P[state, after])
    np.testing.assert_allclose(equations.solve(), values)
