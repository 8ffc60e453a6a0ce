"""How far labelled rows z_i = y_i a_i are from not being separable, and how soon a method separates them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.separators.base import Rows, Separator

Array = NDArray[np.float64]


def margin(z: Array, theta: Array) -> float:
    """min_i z_i . theta / ||theta||, from z [n, d] and theta [d]; positive where theta separates."""
    return float((z @ theta).min() / np.linalg.norm(theta))


def separating_direction(z: Array) -> Array | None:
    """A vector theta, [d], that separates the rows z [n, d], or None if there is none.

    It maximises t subject to z_i . theta >= t and |theta_j| <= 1, a linear program. Its margin is a lower bound on the
    best one: other than a support vector machine at a finite penalty, it separates whenever that is possible.
    """
    from scipy.optimize import linprog

    n, d = z.shape
    found = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.hstack([-z, np.ones((n, 1))]),
        b_ub=np.zeros(n),
        bounds=[(-1, 1)] * d + [(None, None)],
        method="highs",
    )
    if found.status != 0:
        raise ArithmeticError(f"the linear program of the margin was not solved: {found.message}")
    theta: Array = found.x[:-1]
    return theta if (z @ theta).min() > 0 else None


def hull_distance(z: Array) -> float:
    """The distance of the convex hull of the rows z [n, d] from 0, which is the largest margin; 0 if inseparable.

    min ||Z^T a||^2 + (1 . a - 1)^2 over a >= 0 has its minimum along the nearest point of the hull; non-negative least
    squares finds it exactly. For few rows.
    """
    from scipy.optimize import nnls

    a, _ = nnls(np.vstack([z.T, np.ones(len(z))]), np.append(np.zeros(z.shape[1]), 1.0))
    return float(np.linalg.norm(z.T @ a) / a.sum())


def iterations_to_separation(method: Separator, rows: Rows, cap: int) -> int | None:
    """The smallest t with z_i . theta_t > 0 for all rows, where theta_0 = 0 counts as t = 0; None beyond the cap."""
    method.start(rows)
    u = np.zeros(len(rows))
    for t in range(cap):
        u += rows.products(method.coefficients(rows, u, t))
        if u.min() > 0:
            return t + 1
    return None
