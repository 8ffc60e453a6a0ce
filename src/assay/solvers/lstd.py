"""Linear value functions from sampled paths: returns, TD errors, traces, and the linear equations that they solve.

Monte Carlo regression, LSTD(lambda) and the residual-gradient solution are one kind of estimator: with instruments z,
regressors w and targets y, theta solves E z (y - w . theta) = 0. They differ in what is put for z, w and y.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def returns(rewards: Array, terminal: Array, discount: float) -> Array:
    """G_i = r_i + g G_{i+1}, G_K = h.

    Args:
        rewards: [K, n] of the steps.
        terminal: h at the paths' ends, [n].
        discount: g, of one step.

    Returns:
        [K + 1, n].
    """
    found = np.empty((len(rewards) + 1, *rewards.shape[1:]))
    found[-1] = terminal
    for i in range(len(rewards) - 1, -1, -1):
        found[i] = rewards[i] + discount * found[i + 1]
    return found


def td_errors(values: Array, rewards: Array, discount: float) -> Array:
    """d_i = r_i + g J_{i+1} - J_i, [K, n], of values [K + 1, n] and rewards [K, n]."""
    errors: Array = rewards + discount * values[1:] - values[:-1]
    return errors


def traces(gradients: Array, decay: float, weight: float = 1.0) -> Array:
    """xi_i = decay xi_{i-1} + weight grad_i, along the first axis; the eligibility traces of TD(lambda)."""
    found = weight * gradients
    for i in range(1, len(found)):
        found[i] += decay * found[i - 1]
    return found


class LinearEquations:
    """Sums A = sum z w^T [d, d] and b = sum z y [d] over samples; theta solves A theta = b.

    LSTD: z the traces, w = phi_i - g phi_{i+1}, y the rewards. Monte Carlo: z = w = phi_i, y the returns.

    Args:
        size: d.
    """

    def __init__(self, size: int) -> None:
        self.A, self.b = np.zeros((size, size)), np.zeros(size)

    def add(self, z: Array, w: Array, y: Array, weight: float = 1.0) -> None:
        """Add samples: instruments [d, n], regressors [d, n], targets [n]."""
        self.A += weight * (z @ w.T)
        self.b += weight * (z @ y)

    def solve(self) -> Array:
        """theta, [d]."""
        return np.asarray(np.linalg.solve(self.A, self.b), dtype=np.float64)
