"""The unconstrained features model: linear layers on features that are free variables, one column a sample.

It stands for a network whose backbone can do anything. Everything is one vector theta, so that gradient descent is two
operations a step and a quasi-Newton method can take it as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Error = Literal["squared", "cross_entropy"]


@dataclass(frozen=True)
class UnconstrainedFeatures:
    """f = error(W_M ... W_1 H + b 1^T) + sum_j (lW_j/2) ||W_j||_F^2 + (lH/2) ||H||_F^2, the bias b not decayed.

    The error is ||. - Y||_F^2 / (2N) with Y [K, N] one-hot, or the mean cross entropy. Samples are sorted by class.

    Args:
        counts: samples n_k of each of the K classes, N in all.
        width: d, rows of H [d, N] and of every layer but the last; W_M is [K, d].
        decay_w: lW_1, ..., lW_M; their number is the depth M.
        decay_h: lH.
        error: "squared" or "cross_entropy".
        bias: whether there is a b [K].
    """

    counts: tuple[int, ...]
    width: int
    decay_w: tuple[float, ...]
    decay_h: float
    error: Error = "squared"
    bias: bool = False

    @property
    def depth(self) -> int:
        """M, the number of linear layers."""
        return len(self.decay_w)

    @property
    def classes(self) -> int:
        """K."""
        return len(self.counts)

    @property
    def samples(self) -> int:
        """N."""
        return sum(self.counts)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The class of every sample, [N]."""
        return np.repeat(np.arange(self.classes), self.counts)

    @cached_property
    def one_hot(self) -> Array:
        """Y, [K, N]."""
        return np.eye(self.classes)[:, self.labels]

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of W_1, ..., W_M, H, b; without a bias b is empty."""
        inner: list[tuple[int, ...]] = [(self.width, self.width)] * (self.depth - 1)
        return [*inner, (self.classes, self.width), (self.width, self.samples), (self.classes if self.bias else 0,)]

    @cached_property
    def size(self) -> int:
        """Length of theta."""
        return sum(math.prod(shape) for shape in self.shapes)

    @cached_property
    def _ends(self) -> list[tuple[int, int, tuple[int, ...]]]:
        ends, start = [], 0
        for shape in self.shapes:
            ends.append((start, start + math.prod(shape), shape))
            start = ends[-1][1]
        return ends

    @cached_property
    def _decays(self) -> Array:
        each = [*self.decay_w, self.decay_h, 0.0]
        return np.repeat(each, [math.prod(shape) for shape in self.shapes])

    def split(self, theta: Array) -> tuple[list[Array], Array, Array]:
        """Views of theta: [W_1, ..., W_M], H, b."""
        *weights, h, b = (theta[start:stop].reshape(shape) for start, stop, shape in self._ends)
        return weights, h, b

    def join(self, weights: Sequence[Array], h: Array, b: Array | None = None) -> Array:
        """theta from its parts; a bias that is not given is zero."""
        b = np.zeros(self.shapes[-1]) if b is None else b
        return np.concatenate([part.ravel() for part in (*weights, h, b)])

    def random(self, generator: np.random.Generator, std: float) -> Array:
        """theta with independent normal entries of that standard deviation, the bias zero."""
        theta = std * generator.standard_normal(self.size)
        self.split(theta)[2][...] = 0.0
        return theta

    def products(self, weights: Sequence[Array]) -> list[Array]:
        """W_M ... W_j for j = 1, ..., M, and the identity behind them, each [K, .]."""
        found = [np.eye(self.classes)]
        for w in reversed(weights):
            found.append(found[-1] @ w)
        return found[::-1]

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """f and its gradient [size] in closed form; products of layers are taken from the left, where they are thin."""
        weights, h, b = self.split(theta)
        left = self.products(weights)
        z = left[0] @ h
        if self.bias:
            z += b[:, None]
        value, g = self._error(z)
        gradient = self._decays * theta
        value += 0.5 * float(theta @ gradient)
        for_weights, for_h, for_b = self.split(gradient)
        q = g @ h.T  # the gradient in W_j is (W_M ... W_{j+1})^T G (W_{j-1} ... W_1 H)^T
        for j, w in enumerate(weights):
            for_weights[j] += left[j + 1].T @ q
            q = q @ w.T
        for_h += left[0].T @ g
        if self.bias:
            for_b += g.sum(1)
        return value, gradient

    def _error(self, z: Array) -> tuple[float, Array]:
        """The error of scores z [K, N] and its gradient."""
        n = self.samples
        if self.error == "squared":
            residual = z - self.one_hot
            return float(np.vdot(residual, residual)) / (2 * n), residual / n
        shifted = z - z.max(0)
        odds = np.exp(shifted)
        total = odds.sum(0)
        value = float((np.log(total) - shifted[self.labels, np.arange(n)]).mean())
        return value, (odds / total - self.one_hot) / n
