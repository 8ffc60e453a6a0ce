"""The problems with a known answer: what Lion-K should minimise, and how far from the minimum a point is.

The paper says that Lion-K with decay lambda minimises (its Theorem 3.1, with alpha = gamma)

    F(x) = f(x) + K*(lambda x)/lambda.                                                               (F)

All functions take a batch of problems, one a row: x is [n, d], values are [n].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from assay.optimizers.kappas import Kappa
from assay.seeds import Seeds
from assay.solvers.fista import fista


class Smooth(Protocol):
    """A batch of smooth convex functions f."""

    @property
    def shape(self) -> tuple[int, int]:
        """(number of problems n, dimension d)."""

    def value(self, x: Tensor) -> Tensor:
        """f(x), [n]."""

    def gradient(self, x: Tensor) -> Tensor:
        """grad f(x), [n, d]."""

    def lipschitz(self) -> Tensor:
        """Lipschitz constants of the gradients, [n, 1]."""


@dataclass(frozen=True)
class Quadratics:
    """f(x) = x'Qx/2 - b'x.

    Attributes:
        q: [n, d, d], symmetric and positive definite.
        b: [n, d].
    """

    q: Tensor
    b: Tensor

    @classmethod
    def draw(cls, seeds: Seeds, n: int, d: int) -> Quadratics:
        """Q = BB'/d + 0.1 I with B standard normal, b = 3 N(0, I); problem i has its own random axis."""
        q, b = torch.empty(n, d, d, dtype=torch.float64), torch.empty(n, d, dtype=torch.float64)
        for i in range(n):
            random = seeds.numpy("problem", i)
            root = torch.from_numpy(random.standard_normal((d, d)))
            q[i] = root @ root.T / d + 0.1 * torch.eye(d, dtype=torch.float64)
            b[i] = torch.from_numpy(3 * random.standard_normal(d))
        return cls(q, b)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)"""
        return len(self.b), self.b.shape[1]

    def value(self, x: Tensor) -> Tensor:
        """x'Qx/2 - b'x"""
        return (x * (0.5 * self._q(x) - self.b)).sum(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Qx - b"""
        return self._q(x) - self.b

    def lipschitz(self) -> Tensor:
        """Largest eigenvalues."""
        return torch.linalg.eigvalsh(self.q)[:, -1:]

    def ridge(self, decay: float) -> Tensor:
        """(Q + decay I)^-1 b: the minimiser of f(x) + decay |x|^2/2, and of f itself at decay 0."""
        return torch.linalg.solve(self.q + decay * torch.eye(self.b.shape[1], dtype=self.q.dtype), self.b)

    def _q(self, x: Tensor) -> Tensor:
        return torch.bmm(self.q, x.unsqueeze(-1)).squeeze(-1)


@dataclass(frozen=True)
class Logistic:
    """One problem: f(x) = mean over rows of log(1 + exp(-a'x)), with the labels +-1 multiplied into the rows a.

    Attributes:
        rows: [samples, d].
    """

    rows: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """(1, d)"""
        return 1, self.rows.shape[1]

    def value(self, x: Tensor) -> Tensor:
        """Mean logistic loss."""
        return torch.nn.functional.softplus(-x @ self.rows.T).mean(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """-mean of a sigmoid(-a'x)"""
        return -torch.sigmoid(-x @ self.rows.T) @ self.rows / len(self.rows)

    def lipschitz(self) -> Tensor:
        """Largest eigenvalue of A'A / (4 samples)."""
        return torch.linalg.matrix_norm(self.rows, 2).square().reshape(1, 1) / (4 * len(self.rows))


@dataclass(frozen=True)
class Composite:
    """F(x) = f(x) + K*(lambda x)/lambda, the function that Lion-K is said to minimise."""

    f: Smooth
    kappa: Kappa
    decay: float

    def value(self, x: Tensor) -> Tensor:
        """F without the indicator of its domain, [n]; see `infeasibility` for that."""
        return self.f.value(x) + self.kappa.conjugate(self.decay * x) / self.decay

    def infeasibility(self, x: Tensor) -> Tensor:
        """How far x is outside dom K*/lambda, in units of x, [n]."""
        return self.kappa.excess(self.decay * x).amax(-1) / self.decay

    def certificate(self, x: Tensor) -> Tensor:
        """An upper bound on F(x) - min F at a feasible x, [n]; it is zero at the minimiser and needs no solver.

        With g = grad f(x): f(y) >= f(x) + g'(y - x) by convexity, and g'y + K*(lambda y)/lambda >= -K(-g)/lambda by
        Fenchel-Young.
        """
        gradient = self.f.gradient(x)
        pair = self.kappa.conjugate(self.decay * x) + self.kappa.value(-gradient)
        return (gradient * x).sum(-1) + pair / self.decay

    def minimiser(self) -> Tensor:
        """Proximal-gradient solution, [n, d]. The prox is that of K*, rescaled: z = lambda x."""

        def prox(v: Tensor, step: Tensor) -> Tensor:
            return self.kappa.prox_conjugate(self.decay * v, step * self.decay) / self.decay

        start = torch.zeros(self.f.shape, dtype=torch.float64)
        return fista(self.f.gradient, prox, start, 1 / self.f.lipschitz())


def minimum_in_box(f: Quadratics, bound: float) -> Tensor:
    """min f over |x_i| <= bound by scipy's L-BFGS-B, [n]: for Lion an answer that owes nothing to this project."""
    found = [_lbfgsb(Quadratics(f.q[i : i + 1], f.b[i : i + 1]), bound) for i in range(len(f.b))]
    return torch.tensor(found, dtype=torch.float64)


def _lbfgsb(f: Quadratics, bound: float) -> float:
    def value_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        row = torch.from_numpy(x).unsqueeze(0)
        return float(f.value(row)), f.gradient(row)[0].numpy()

    d = f.b.shape[1]
    found = scipy.optimize.minimize(
        value_and_gradient,
        np.zeros(d),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-bound, bound)] * d,
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000},
    )
    return float(found.fun)


@dataclass(frozen=True)
class Flow:
    """Lion-K in continuous time, and the paper's Lyapunov function for it.

        m' = -alpha grad f(x) - gamma m                                                              (4)
        x' = dK(m - eps (alpha grad f(x) + gamma m)) - lambda x                                      (5)

    A step of size eta of the discrete method matches alpha = gamma = (1 - beta2)/eta, eps gamma = 1 - beta1.
    """

    f: Smooth
    kappa: Kappa
    alpha: float
    gamma: float
    eps: float
    decay: float

    @property
    def c(self) -> float:
        """The factor of H's last term, (1 - eps gamma)/(1 + eps lambda)."""
        return (1 - self.eps * self.gamma) / (1 + self.eps * self.decay)

    def ahead(self, x: Tensor, m: Tensor) -> Tensor:
        """m~ = m - eps (alpha grad f(x) + gamma m): where the momentum is heading."""
        return m - self.eps * (self.alpha * self.f.gradient(x) + self.gamma * m)

    def velocity(self, x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """(x', m')"""
        m_dot = -self.alpha * self.f.gradient(x) - self.gamma * m  # (4)
        x_dot = self.kappa.subgradient(m + self.eps * m_dot) - self.decay * x  # (5)
        return x_dot, m_dot

    def step(self, x: Tensor, m: Tensor, dt: float) -> tuple[Tensor, Tensor]:
        """One step of the classical Runge-Kutta method of order 4."""
        x1, m1 = self.velocity(x, m)
        x2, m2 = self.velocity(x + dt / 2 * x1, m + dt / 2 * m1)
        x3, m3 = self.velocity(x + dt / 2 * x2, m + dt / 2 * m2)
        x4, m4 = self.velocity(x + dt * x3, m + dt * m3)
        return x + dt / 6 * (x1 + 2 * x2 + 2 * x3 + x4), m + dt / 6 * (m1 + 2 * m2 + 2 * m3 + m4)

    def parts(self, x: Tensor, m: Tensor) -> Mapping[str, Tensor]:
        """The three terms of H, each [n]: alpha f, (gamma/lambda) K*(lambda x), and the last without its factor."""
        conjugate = self.kappa.conjugate(self.decay * x)
        return {
            "loss": self.alpha * self.f.value(x),
            "bound": self.gamma / self.decay * conjugate,
            "momentum": conjugate + self.kappa.value(m) - self.decay * (m * x).sum(-1),
        }

    def lyapunov(self, x: Tensor, m: Tensor, factor: float | None = None) -> Tensor:
        """H(x, m) = alpha f + (gamma/lambda) K*(lambda x) + c (K*(lambda x) + K(m) - lambda m'x), [n].

        Args:
            x, m: position and momentum, [n, d].
            factor: another factor in place of c, for a control.
        """
        parts = self.parts(x, m)
        return parts["loss"] + parts["bound"] + (self.c if factor is None else factor) * parts["momentum"]
