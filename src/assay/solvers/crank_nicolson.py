"""The Crank-Nicolson scheme for expected discounted rewards of a diffusion in one dimension (Feynman-Kac)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_banded

Array = NDArray[np.float64]


def feynman_kac(
    x: Array, drift: Array, variance: Array, reward: Array, terminal: Array, horizon: float, steps: int, discount: float
) -> Array:
    """J(t, x) = E[int_t^T e^{-beta (u - t)} r(X_u) du + e^{-beta (T - t)} h(X_T) | X_t = x] on a grid.

    In the time to go tau = T - t: J_tau = b J_x + (1/2) s^2 J_xx - beta J + r, J = h at tau = 0. Differences are
    central inside; in the end rows J_xx = 0 and J_x is one-sided. Near the ends that is wrong for curved J: look at
    the middle.

    Args:
        x: [m] evenly spaced points.
        drift: b at the points, [m].
        variance: s^2 at the points, [m].
        reward: r at the points, [m].
        terminal: h at the points, [m].
        horizon: T.
        steps: number of equal time steps.
        discount: beta.

    Returns:
        [steps + 1, m]; row k is J at time to go k T / steps.
    """
    dx, h = x[1] - x[0], horizon / steps
    lower, middle, upper = (np.zeros_like(x) for _ in range(3))
    inner = slice(1, -1)
    first, second = drift[inner] / (2 * dx), variance[inner] / (2 * dx**2)
    lower[inner], middle[inner], upper[inner] = second - first, -2 * second, second + first
    middle[0], upper[0] = -drift[0] / dx, drift[0] / dx
    lower[-1], middle[-1] = -drift[-1] / dx, drift[-1] / dx
    middle -= discount
    # scipy's bands: entry [1 + i - j, j] is the matrix's (i, j).
    bands = np.stack([np.roll(-upper, 1), -middle, np.roll(-lower, -1)]) * (h / 2)
    bands[1] += 1
    u = np.empty((steps + 1, len(x)))
    u[0] = terminal
    for k in range(steps):
        flow = middle * u[k]
        flow[1:] += lower[1:] * u[k, :-1]
        flow[:-1] += upper[:-1] * u[k, 1:]
        u[k + 1] = solve_banded((1, 1), bands, u[k] + h / 2 * flow + h * reward)
    return u
