"""Perceptrons: they add rows that are on the wrong side, one at a time or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.separators.base import Array, Rows, Separator, separators


@separators.register("batch_perceptron", source="arXiv 2412.08424, Section 3")
class BatchPerceptron(Separator):
    """th <- th + (1/n) sum of the z_i with z_i . th <= 0; the first step is half as long.

    It is the limit of gradient descent on the logistic loss as the step size grows, theta_t / gamma -> th_t. The half
    comes from the weights there, which are 1/2 at theta = 0.
    """

    def coefficients(self, rows: Rows, u: Array, t: int) -> Array:
        """1/n for rows on the wrong side."""
        wrong: Array = rows.count * (u <= 0)
        return wrong * ((0.5 if t == 0 else 1.0) / rows.n)

    def bound(self, n: int, radius: float, margin: float) -> float:
        """n R^2/mu^2 (Thm 3.3, Eq. 4)."""
        return n * (radius / margin) ** 2


@separators.register("normalized_batch_perceptron", source="arXiv 2412.08424, Theorem 5.3")
class NormalizedBatchPerceptron(Separator):
    """th <- th + the mean of the z_i with z_i . th <= 0, from th = 0, where that is the mean of all."""

    def coefficients(self, rows: Rows, u: Array, t: int) -> Array:
        """1/|S| for the rows S on the wrong side."""
        wrong: Array = rows.count * (u <= 0)
        return wrong / wrong.sum()

    def bound(self, n: int, radius: float, margin: float) -> float:
        """R^2/mu^2 (Thm 5.3)."""
        return (radius / margin) ** 2


@separators.register("perceptron", source="Rosenblatt (1958); bound: Novikoff (1962), Theorem 5.2 of arXiv 2412.08424")
class Perceptron(Separator):
    """th <- th + z_j for one j with z_j . th <= 0: the next one, going round the rows in their order.

    A step is an update; rows that are right are passed over at no cost. Equal rows that are kept as one follow one
    another.
    """

    def start(self, rows: Rows) -> None:
        """Begin at the first row."""
        self.order: NDArray[np.int64] = np.repeat(np.arange(len(rows)), rows.count.astype(np.int64))
        self.position = 0

    def coefficients(self, rows: Rows, u: Array, t: int) -> Array:
        """1 for the next row on the wrong side."""
        wrong = np.flatnonzero(u[self.order] <= 0)
        place = wrong[np.searchsorted(wrong, self.position) % len(wrong)]
        self.position = (int(place) + 1) % len(self.order)
        c = np.zeros(len(rows))
        c[self.order[place]] = 1.0
        return c

    def bound(self, n: int, radius: float, margin: float) -> float:
        """R^2/mu^2."""
        return (radius / margin) ** 2

    def state(self) -> dict[str, Any]:
        """Where to look next."""
        return {"position": self.position}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        self.position = int(state["position"])
