"""Three problems with known value functions J(t, x) = A(t) x^2 + C(t), and linear classes of value functions.

    brownian   E1: X = W, no reward, h = x^2
    ou         E2: dX = -k X dt + s dW, reward x^2, discounted
    lq         E3: linear dynamics and quadratic costs under u = -g X and Gaussian exploration

Everything is in terms of the time to go, tau = T - t.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from assay.solvers.exact_sde import OrnsteinUhlenbeck, brownian

Array = NDArray[np.float64]


class Paths(NamedTuple):
    """Points x [K + 1, n] and what each step earns [K, n] (the reward's rate at its left end times dt)."""

    x: Array
    rewards: Array


def polynomial(coefficients: Sequence[float] | Array, x: Array) -> Array:
    """sum_k c_k x^k."""
    return np.asarray(np.polynomial.polynomial.polyval(x, np.asarray(coefficients)))


@dataclass(frozen=True)
class Problem(ABC):
    """A start, a horizon, a discount rate beta, and h as coefficients of 1, x, x^2."""

    x0: float
    horizon: float
    discount: float = 0.0
    terminal: tuple[float, ...] = (0.0, 0.0, 0.0)

    def steps(self, dt: float) -> int:
        """K."""
        return round(self.horizon / dt)

    @abstractmethod
    def quadratic(self, tau: float) -> tuple[float, float]:
        """(C, A) of the true value function at time to go tau."""

    def value(self, tau: float, x: Array) -> Array:
        """J at time to go tau."""
        c, a = self.quadratic(tau)
        return c + a * x**2

    @abstractmethod
    def simulate(self, generator: np.random.Generator, dt: float, paths: int) -> Paths:
        """`paths` paths from x0 to the horizon."""


@dataclass(frozen=True)
class GaussianProblem(Problem):
    """A linear diffusion; the reward's rate r is given by coefficients of 1, x, x^2."""

    process: OrnsteinUhlenbeck = field(default_factory=brownian)
    reward: tuple[float, ...] = (0.0, 0.0, 0.0)

    def simulate(self, generator: np.random.Generator, dt: float, paths: int) -> Paths:
        """By exact transitions."""
        noise = generator.standard_normal((self.steps(dt), paths))
        x = self.process.paths(self.x0, noise, dt)
        return Paths(x, polynomial(self.reward, x[:-1]) * dt)

    def step_reward(self, dt: float) -> tuple[float, float, float]:
        """E[int_0^dt e^{-beta u} r(X_u) du | X_0 = x] as coefficients of 1, x, x^2, for r = c x^2.

        With it the true J along the grid is a martingale, which it is not with the reward at the step's left end.
        """
        u, w = np.polynomial.legendre.leggauss(20)
        u, w = dt * (u + 1) / 2, w * dt / 2
        moved = [self.process.transition(float(t)) for t in u]
        weight = w * np.exp(-self.discount * u) * self.reward[2]
        return float(weight @ [q for _, q in moved]), 0.0, float(weight @ [a * a for a, _ in moved])


@dataclass(frozen=True)
class Brownian(GaussianProblem):
    """E1: J = x^2 + T - t."""

    def quadratic(self, tau: float) -> tuple[float, float]:
        """(T - t, 1)."""
        return tau, 1.0


@dataclass(frozen=True)
class OU(GaussianProblem):
    """E2: A = (1 - e^{-m tau}) / m with m = 2 k + beta, and C' = beta C - s^2 A in time, C(T) = 0."""

    def quadratic(self, tau: float) -> tuple[float, float]:
        """C in closed form: s^2 / m times the integral of e^{-beta v} (1 - e^{-m (tau - v)}) over 0 < v < tau."""
        k, beta = self.process.rate, self.discount
        m = 2 * k + beta
        a = -math.expm1(-m * tau) / m
        c = -math.expm1(-beta * tau) / beta - (math.exp(-beta * tau) - math.exp(-m * tau)) / (2 * k)
        return self.process.scale**2 / m * c, a


@dataclass(frozen=True)
class LQ(Problem):
    """E3: dX = (a X + b u) dt + (c X + d u) dW with u = -g X + e N(0, 1), reward -(q X^2 + p u^2).

    Paths by the Euler-Maruyama scheme with a fresh action at every step. In the limit the actions act by their law:
    A' + m A = q + p g^2 with m = 2 (a - b g) + (c - d g)^2, and C' + d^2 e^2 A = p e^2, both 0 at T.
    """

    a: float = -0.5
    b: float = 1.0
    c: float = 0.2
    d: float = 0.3
    g: float = 0.5
    e: float = 0.5
    q: float = 1.0
    p: float = 0.5

    def quadratic(self, tau: float) -> tuple[float, float]:
        """Both equations in closed form."""
        m = 2 * (self.a - self.b * self.g) + (self.c - self.d * self.g) ** 2
        scale = (self.q + self.p * self.g**2) / m
        grown = math.expm1(m * tau)
        spread = (self.d * self.e) ** 2
        return spread * scale * (tau - grown / m) - self.p * self.e**2 * tau, -scale * grown

    def simulate(self, generator: np.random.Generator, dt: float, paths: int) -> Paths:
        """Euler-Maruyama."""
        noise = generator.standard_normal((2, self.steps(dt), paths))
        x = np.full((self.steps(dt) + 1, paths), self.x0)
        rewards = np.empty((self.steps(dt), paths))
        for i, (w, explore) in enumerate(zip(*noise, strict=True)):
            u = -self.g * x[i] + self.e * explore
            rewards[i] = -(self.q * x[i] ** 2 + self.p * u**2) * dt
            x[i + 1] = x[i] + (self.a * x[i] + self.b * u) * dt + (self.c * x[i] + self.d * u) * math.sqrt(dt) * w
        return Paths(x, rewards)


E1 = Brownian(x0=0.0, horizon=1.0, terminal=(0.0, 0.0, 1.0))
E2 = OU(x0=1.0, horizon=2.0, discount=0.2, process=OrnsteinUhlenbeck(0.5, 1.0), reward=(0.0, 0.0, 1.0))
E3 = LQ(x0=1.0, horizon=1.0)
PROBLEMS: dict[str, Problem] = {"brownian": E1, "ou": E2, "lq": E3}


@dataclass(frozen=True)
class Basis:
    """Features tau^p x^q, p >= 1: all vanish at T, so that J^th = h + phi . th keeps the terminal condition.

    Args:
        powers: the pairs (p, q).
    """

    powers: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.powers)

    def __call__(self, tau: float, x: Array) -> Array:
        """phi at time to go tau, [d, n] for x [n]; the gradient of J^th in th."""
        phi = np.empty((len(self), *x.shape))
        for row, (p, q) in zip(phi, self.powers, strict=True):
            row[...] = tau**p if q == 0 else tau**p * x if q == 1 else tau**p * x**q
        return phi

    def coefficients(self, tau: float, degree: int) -> Array:
        """phi as polynomials in x, [d, degree + 1]."""
        found = np.zeros((len(self), degree + 1))
        for row, (p, q) in zip(found, self.powers, strict=True):
            row[q] = tau**p
        return found

    def rate(self, tau: float, degree: int) -> Array:
        """d phi / dt as polynomials in x, [d, degree + 1]."""
        found = np.zeros((len(self), degree + 1))
        for row, (p, q) in zip(found, self.powers, strict=True):
            row[q] = -p * tau ** (p - 1)
        return found


BASES = {
    "linear": Basis(((1, 0), (1, 1))),
    "even": Basis(((1, 0), (1, 2))),
    "even_full": Basis(((1, 0), (1, 2), (2, 0), (2, 2))),
    "full": Basis(((1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2))),
}
