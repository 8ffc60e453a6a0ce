"""What the estimators estimate: their solutions with expectations in place of sample means, exact to rounding.

X_t is Gaussian, and features, rewards and J are polynomials in x. A conditional expectation over one step is then a
matrix on coefficients, an expectation of a product a bilinear form of Gaussian moments, and nothing is sampled. At a
step dt the solutions are those that infinitely many paths would give; the limits dt -> 0 are integrals over time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hankel

from papers.ct_policy_eval.problems import Basis, GaussianProblem

Array = NDArray[np.float64]
DEGREE = 2
"""Of features, rewards and terminal values."""


def moments(mean: float, variance: float, degree: int) -> Array:
    """E X^k, k = 0, ..., degree, for X ~ N(mean, variance): m_k = mean m_{k-1} + (k - 1) variance m_{k-2}."""
    found = [1.0, mean]
    for k in range(2, degree + 1):
        found.append(mean * found[-1] + (k - 1) * variance * found[-2])
    return np.array(found[: degree + 1])


def step_matrix(a: float, q: float, degree: int) -> Array:
    """P with E[(a x + sqrt(q) z)^k] = sum_l P[k, l] x^l; polynomials c become c @ P."""
    found = np.zeros((degree + 1, degree + 1))
    found[0, 0] = 1
    for k in range(1, degree + 1):
        found[k, 1:] = a * found[k - 1, :-1]
        if k > 1:
            found[k] += (k - 1) * q * found[k - 2]
    return found


def padded(coefficients: tuple[float, ...]) -> Array:
    """Coefficients as [DEGREE + 1]."""
    return np.pad(np.asarray(coefficients, dtype=float), (0, DEGREE + 1 - len(coefficients)))


def zeros(basis: Basis) -> tuple[Array, Array]:
    """A [d, d] and b [d] before anything is added."""
    return np.zeros((len(basis), len(basis))), np.zeros(len(basis))


def solved(A: Array, b: Array) -> Array:
    """The solution of A theta = b, [d]."""
    return np.asarray(np.linalg.solve(A, b), dtype=np.float64)


class Step(NamedTuple):
    """One step of the grid: Gram matrices of monomials now and after it, and polynomials on either side.

    phi and phi_next are [d, 3]; J^th = base + phi . th; reward is what the step earns.
    """

    gram: Array
    gram_next: Array
    phi: Array
    phi_next: Array
    reward: Array


class Population:
    """Expectations along the grid of a problem.

    Args:
        problem: a linear diffusion.
        basis: the class of value functions.
        dt: the step.
    """

    def __init__(self, problem: GaussianProblem, basis: Basis, dt: float) -> None:
        self.problem, self.basis, self.dt = problem, basis, dt
        self.g = math.exp(-problem.discount * dt)
        self.P = step_matrix(*problem.process.transition(dt), DEGREE)
        self.base = padded(problem.terminal)
        self.steps = [self._step(i) for i in range(problem.steps(dt))]

    def _step(self, i: int) -> Step:
        tau, after = self.problem.horizon - i * self.dt, self.problem.horizon - (i + 1) * self.dt
        return Step(
            gram_matrix(self.problem, i * self.dt),
            gram_matrix(self.problem, (i + 1) * self.dt),
            self.basis.coefficients(tau, DEGREE),
            self.basis.coefficients(after, DEGREE),
            padded(self.problem.reward) * self.dt,
        )

    def ml(self) -> Array:
        """Minimiser of ML(th) = (1/2) E sum (G_i - J_i)^2 dt: regress the expected return on phi."""
        (A, b), G = zeros(self.basis), self.base
        for step in reversed(self.steps):
            G = step.reward + self.g * G @ self.P  # E[G_i | X_i = x]
            A = A + step.phi @ step.gram @ step.phi.T
            b = b + step.phi @ step.gram @ (G - self.base)
        return solved(A, b)

    def expected_increments(self) -> Iterator[tuple[Step, Array, Array]]:
        """E[g phi_{i+1} - phi_i | X_i] and the part of E[d_i | X_i] without th, from the last step to the first."""
        for step in reversed(self.steps):
            yield (
                step,
                self.g * step.phi_next @ self.P - step.phi,
                self.g * self.base @ self.P - self.base + step.reward,
            )

    def ctd(self, kappa: float | None = None) -> Array:
        """Solution of E sum xi_i d_i = 0; xi_i = phi_i (kappa None), or the trace that forgets at the rate kappa.

        With a trace the sum over i of decay^(i-j) E[d_i | X_j] comes backwards from its value at j + 1.
        """
        decay = 0.0 if kappa is None else math.exp(-(kappa + self.problem.discount) * self.dt)
        A, b = zeros(self.basis)
        delta, rest = np.zeros((len(self.basis), DEGREE + 1)), np.zeros(DEGREE + 1)
        for step, change, free in self.expected_increments():
            delta, rest = change + decay * delta @ self.P, free + decay * rest @ self.P
            A = A - step.phi @ step.gram @ delta.T
            b = b + step.phi @ step.gram @ rest
        return solved(A, b)

    @cached_property
    def squared_increments(self) -> Array:
        """M [d + 1, d + 1] with E sum d_i^2 = v^T M v for v = (th, 1)."""
        total = np.zeros((len(self.basis) + 1, len(self.basis) + 1))
        for step in self.steps:
            after = self.g * np.vstack([step.phi_next, self.base])
            now = np.vstack([step.phi, self.base - step.reward])
            cross = after @ self.P @ step.gram @ now.T
            total += after @ step.gram_next @ after.T - cross - cross.T + now @ step.gram @ now.T
        return total

    def mstde(self) -> Array:
        """Minimiser of MSTDE(th) = (1/2) E sum d_i^2 / dt."""
        M = self.squared_increments
        return solved(M[:-1, :-1], -M[:-1, -1])

    def solutions(self) -> dict[str, Array]:
        """What the estimators `mstde`, `ml` and `ctd` estimate."""
        return {"mstde": self.mstde(), "ml": self.ml(), "ctd": self.ctd()}

    def scaled_mstde(self, theta: Array) -> float:
        """dt MSTDE(th) = (1/2) E sum d_i^2."""
        v = np.append(theta, 1.0)
        return float(v @ self.squared_increments @ v) / 2


def gram_matrix(problem: GaussianProblem, t: float) -> Array:
    """E[X_t^(i + j)], i, j = 0, ..., DEGREE."""
    a, q = problem.process.transition(t)
    m = moments(a * problem.x0, q, 2 * DEGREE)
    return np.asarray(hankel(m[: DEGREE + 1], m[DEGREE:]))


def generator_matrix(problem: GaussianProblem) -> Array:
    """L of the diffusion on coefficients: -k x p' + (1/2) s^2 p'', polynomials c become c @ matrix."""
    found = np.zeros((DEGREE + 1, DEGREE + 1))
    for k in range(1, DEGREE + 1):
        found[k, k] = -problem.process.rate * k
        if k > 1:
            found[k, k - 2] = 0.5 * problem.process.scale**2 * k * (k - 1)
    return found


def _times(problem: GaussianProblem) -> Iterator[tuple[float, float]]:
    """Nodes (tau, weight) of Gauss's rule on the horizon; the integrands are products of exponentials and powers."""
    for u, w in zip(*np.polynomial.legendre.leggauss(40), strict=True):
        yield problem.horizon * (u + 1) / 2, w * problem.horizon / 2


def limit_ml(problem: GaussianProblem, basis: Basis) -> Array:
    """The L2(dt x law) projection of J on the class, [d]."""
    (A, b), base = zeros(basis), padded(problem.terminal)
    for tau, w in _times(problem):
        gram, phi = gram_matrix(problem, problem.horizon - tau), basis.coefficients(tau, DEGREE)
        c, a = problem.quadratic(tau)
        A = A + w * phi @ gram @ phi.T
        b = b + w * phi @ gram @ (np.array([c, 0.0, a]) - base)
    return solved(A, b)


def limit_ctd(problem: GaussianProblem, basis: Basis) -> Array:
    """Solution of E int phi (J_t + L J - beta J + r) dt = 0 in the class, [d]."""
    (A, b), base, L = zeros(basis), padded(problem.terminal), generator_matrix(problem)
    L = L - problem.discount * np.eye(DEGREE + 1)
    for tau, w in _times(problem):
        gram, phi = gram_matrix(problem, problem.horizon - tau), basis.coefficients(tau, DEGREE)
        A = A - w * phi @ gram @ (basis.rate(tau, DEGREE) + phi @ L).T
        b = b + w * phi @ gram @ (base @ L + padded(problem.reward))
    return solved(A, b)


def limit_mstde_brownian(theta: Array) -> float:
    """(1/2) E <M^th>_T for `brownian` and features tau {1, x^2}: (1/2) int 4 t (1 + th2 (1 - t))^2 dt."""
    return float(1 + 2 / 3 * theta[1] + theta[1] ** 2 / 6)
