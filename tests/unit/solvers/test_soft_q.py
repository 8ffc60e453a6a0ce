import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.solvers.soft_q import soft_value_iteration


def random_process(seed, states=5, actions=3):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(states), (states, actions)), rng.standard_normal((states, actions))


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), beta=st.floats(0.01, 10.0), discount=st.floats(0.0, 0.9))
def test_fixed_point_and_policy(seed, beta, discount):
    transitions, rewards = random_process(seed)
    q, policy = soft_value_iteration(transitions, rewards, discount=discount, beta=beta, iterations=400)
    np.testing.assert_allclose(policy.sum(axis=1), 1.0, atol=1e-12)
    # V = E_pi[Q - beta log pi]: the log-sum-exp is the value of the policy with its entropy.
    value = (policy * (q - beta * np.log(np.maximum(policy, 1e-300)))).sum(axis=1)
    np.testing.assert_allclose(q, rewards + discount * transitions @ value, atol=1e-6 * (1 + beta))


def test_low_temperature_is_value_iteration():
    transitions, rewards = random_process(0)
    q, policy = soft_value_iteration(transitions, rewards, discount=0.9, beta=1e-4, iterations=400)
    hard = np.zeros_like(rewards)
    for _ in range(400):
        hard = rewards + 0.9 * transitions @ hard.max(axis=1)
    np.testing.assert_allclose(q, hard, atol=2e-3)
    assert (policy.argmax(axis=1) == hard.argmax(axis=1)).all()


def test_high_temperature_is_uniform():
    transitions, rewards = random_process(1)
    _, policy = soft_value_iteration(transitions, rewards, discount=0.9, beta=1e6, iterations=50)
    np.testing.assert_allclose(policy, 1 / 3, atol=1e-5)


def test_a_state_that_nothing_follows_keeps_its_reward():
    transitions = np.zeros((2, 2, 2))
    transitions[0, :, 1] = 1.0
    q, _ = soft_value_iteration(transitions, np.array([0.0, 1.0]), discount=0.5, beta=0.1, iterations=10)
    np.testing.assert_allclose(q[1], 1.0)
    np.testing.assert_allclose(q[0], 0.5 * (1.0 + 0.1 * math.log(2)))


def test_refuses_a_temperature_of_zero():
    with pytest.raises(ValueError, match="beta"):
        soft_value_iteration(*random_process(0), discount=0.9, beta=0.0, iterations=1)
