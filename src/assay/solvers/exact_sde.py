"""Diffusions whose transitions are known: paths without discretisation error, as functions of given noise.

Paths are a function of standard normals, so that two step sizes, two starts or two methods can share their noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """dX = -rate X dt + scale dW; with rate 0 it is Brownian motion times `scale`.

    Args:
        rate: of the pull to zero, at least 0.
        scale: the noise's factor.
    """

    rate: float
    scale: float = 1.0

    def transition(self, t: float) -> tuple[float, float]:
        """(a, q) with X_t given X_0 = x distributed as N(a x, q)."""
        if self.rate == 0:
            return 1.0, self.scale**2 * t
        return math.exp(-self.rate * t), -(self.scale**2) * math.expm1(-2 * self.rate * t) / (2 * self.rate)

    def paths(self, x0: float | Array, noise: Array, dt: float) -> Array:
        """X at the times 0, dt, ..., K dt.

        Args:
            x0: start, a number or [n].
            noise: [K, n] standard normals.
            dt: time between two points.

        Returns:
            [K + 1, n].
        """
        a, q = self.transition(dt)
        x = np.empty((len(noise) + 1, *noise.shape[1:]))
        x[0] = x0
        for i, z in enumerate(noise):
            x[i + 1] = a * x[i] + math.sqrt(q) * z
        return x


def brownian(scale: float = 1.0) -> OrnsteinUhlenbeck:
    """Brownian motion times `scale`."""
    return OrnsteinUhlenbeck(0.0, scale)


@dataclass(frozen=True)
class GeometricBrownian:
    """dX = drift X dt + volatility X dW."""

    drift: float
    volatility: float

    def paths(self, x0: float | Array, noise: Array, dt: float) -> Array:
        """X at the times 0, dt, ..., K dt, [K + 1, n], from a start (a number or [n]) and normals [K, n]."""
        steps = (self.drift - 0.5 * self.volatility**2) * dt + self.volatility * math.sqrt(dt) * noise
        log = np.concatenate([np.zeros_like(steps[:1]), np.cumsum(steps, axis=0)])
        paths: Array = x0 * np.exp(log)
        return paths
