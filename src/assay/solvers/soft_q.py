"""Soft value iteration: the optimal policy of a Markov decision process that also pays for the policy's entropy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

Array = NDArray[np.float64]


def soft_value_iteration(
    transitions: Array, rewards: Array, *, discount: float, beta: float, iterations: int
) -> tuple[Array, Array]:
    """Maximum-entropy action values and policy by repeating the soft Bellman operator from Q = 0.

        Q(s,a) <- r(s,a) + discount * sum_s' P(s'|s,a) V(s'),   V(s) = beta log sum_a exp( Q(s,a) / beta )
        pi(a|s) = exp( (Q(s,a) - V(s)) / beta )

    The operator contracts by `discount` in the sup norm, and |Q| <= (max |r| + beta log A) / (1 - discount).
    A terminal state is one whose transitions are all zero; its value is its reward plus beta log A, since the formula
    knows no state without actions.

    Args:
        transitions: P(s'|s,a), [S, A, S].
        rewards: r(s,a), [S, A]; or r(s), [S].
        discount: in [0, 1).
        beta: temperature, in units of reward; above 0 (the hard maximum is its limit).
        iterations: how often the operator is applied.

    Returns:
        Q and pi, both [S, A].

    Raises:
        ValueError: a temperature that is not positive, or a discount outside [0, 1).
    """
    if not beta > 0 or not 0 <= discount < 1:
        raise ValueError(f"needs beta > 0 and 0 <= discount < 1, got beta={beta}, discount={discount}")
    rewards = rewards[:, None] if rewards.ndim == 1 else rewards
    q = np.zeros(transitions.shape[:2])
    for _ in range(iterations):
        value = beta * logsumexp(q / beta, axis=1)
        q = rewards + discount * (transitions @ value)
    return q, np.asarray(softmax(q / beta, axis=1))
