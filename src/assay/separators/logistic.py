"""Logistic regression by full-batch gradient descent as a linear separator, plain and normalised.

f(theta) = (1/n) sum_i log(1 + exp(-z_i . theta)) (Eq. 2) has the gradient -(1/n) sum_i w_i z_i (Eq. 3) with the weights
w_i = 1 / (1 + exp(z_i . theta)): the probability that the model gives to the wrong label. Equations are those of arXiv
2412.08424.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit

from assay.separators.base import Array, Rows, Separator, separators


@separators.register("lr_gd", source="arXiv 2412.08424, LR+GD in Section 1")
class LRGD(Separator):
    """LR+GD: theta <- theta - gamma grad f(theta).

    Args:
        gamma: step size, of any magnitude.
    """

    def __init__(self, *, gamma: float = 1.0) -> None:
        self.gamma = gamma

    def coefficients(self, rows: Rows, u: Array, t: int) -> Array:
        """(gamma / n) w_i."""
        c: Array = self.gamma / rows.n * rows.count * expit(-u)
        return c


@separators.register("normalized_lr_gd", source="arXiv 2412.08424, Section 6")
class NormalizedLRGD(Separator):
    """Normalized LR+GD: theta <- theta - gamma beta grad f(theta), where 1 / beta is the mean of the weights w_i.

    The step is gamma times the mean of the z_i weighted by w_i, so that it stays of one size until all are right. Some
    w_i is at least 1/2 before that, so beta is finite.

    Args:
        gamma: step size.
    """

    def __init__(self, *, gamma: float = 1.0) -> None:
        self.gamma = gamma

    def coefficients(self, rows: Rows, u: Array, t: int) -> Array:
        """gamma w_i / sum w."""
        w: Array = rows.count * expit(-u)
        return self.gamma / w.sum() * w

    def bound(self, n: int, radius: float, margin: float) -> float:
        """R^2/mu^2 + 2 log(2n - 1) / (gamma mu^2) (Thm 6.1)."""
        return (radius / margin) ** 2 + 2 * math.log(2 * n - 1) / (self.gamma * margin**2)


def logistic_loss(rows: Rows, u: Array) -> float:
    """f = (1/n) sum_i log(1 + exp(-u_i)), however large the u_i are."""
    return rows.mean(np.logaddexp(0.0, -u))


def gradient_norm(rows: Rows, u: Array) -> float:
    """||grad f|| = sqrt(c . Z Z^T c) with c = w / n."""
    c = rows.count * expit(-u) / rows.n
    return math.sqrt(max(float(c @ rows.products(c)), 0.0))
