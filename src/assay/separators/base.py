"""What every linear separator of Assay is: from theta = 0 it adds a combination of the labelled rows, again and again.

Data a_i with labels y_i in {-1, +1} enter as the rows z_i = y_i a_i, and theta separates them if z_i . theta > 0 for
all i. A step is theta <- theta + Z^T c, in which the coefficients c depend on the products u = Z theta alone. So the
methods differ in c and in nothing else, and u obeys u <- u + Z Z^T c: with few rows of many columns it is enough to
know Z Z^T, and theta need not be formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.registry import Registry

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Rows:
    """Labelled rows, some of which may stand for many equal ones.

    Args:
        z: [m, d], y_i a_i.
        count: [m], how many times each row is there; once each if None.

    Attributes:
        n: number of rows with their multiplicity.
    """

    def __init__(self, z: ArrayLike, count: ArrayLike | None = None) -> None:
        self.z: Array = np.ascontiguousarray(z, dtype=np.float64)
        self.count: Array = np.ones(len(self.z)) if count is None else np.asarray(count, dtype=np.float64)
        self.n = int(self.count.sum())
        # Z (Z^T c) costs 2 m d, the Gram matrix m^2 once it is there.
        self.gram: Array | None = self.z @ self.z.T if len(self.z) <= 2 * self.z.shape[1] else None

    def __len__(self) -> int:
        return len(self.z)

    def products(self, c: Array) -> Array:
        """Z Z^T c, [m]: what a step with coefficients c adds to u."""
        product: Array = self.z @ (self.z.T @ c) if self.gram is None else self.gram @ c
        return product

    @property
    def radius(self) -> float:
        """R, the largest norm of a row."""
        return float(np.sqrt((self.z**2).sum(1).max()))

    def mean(self, values: Array) -> float:
        """The mean of [m] values over all n rows."""
        return float(values @ self.count) / self.n


class Separator:
    """Base class of the methods. A subclass says how to find its coefficients."""

    def start(self, rows: Rows) -> None:
        """Begin anew on these rows, at theta = 0."""

    def coefficients(self, rows: Rows, u: Array, t: int) -> Array:
        """c of the step from theta_t to theta_{t+1}, [m].

        Args:
            rows: Z.
            u: [m], Z theta_t, some of which is <= 0.
            t: steps made so far.
        """
        raise TypeError(f"{type(self).__name__} does not say which rows it adds")

    def bound(self, n: int, radius: float, margin: float) -> float:
        """At how many steps theta separates n rows of norm up to `radius` with this margin; inf if nothing is proved.

        The margin is the largest min_i z_i . theta of a unit vector theta; with a smaller number the bound still holds.
        """
        return np.inf

    def state(self) -> dict[str, Any]:
        """What a method remembers besides theta, as plain containers."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned, after `start`."""


separators = Registry("separator", Separator)
