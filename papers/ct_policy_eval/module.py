"""Estimators of a value function from paths, with linear classes J^th = h + phi . th.

    ct_policy_eval/estimate   the losses' minimisers and the roots of orthogonality conditions, from all paths at once
    ct_policy_eval/online     CTD(lambda) and GTD, which update th at every step of a path

Notation follows the paper on a grid t_i = i dt, with g = exp(-beta dt): the TD increment is
d_i = g J_{i+1} - J_i + r_i dt and the return G_i = r_i dt + g G_{i+1}, G_K = h(X_T).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from assay.errors import UserError
from assay.module import Diverged, PaperModule, modules
from assay.solvers.lstd import LinearEquations, returns
from papers.ct_policy_eval.population import Population, limit_ctd, limit_ml
from papers.ct_policy_eval.problems import BASES, PROBLEMS, GaussianProblem, Paths, polynomial

Array = NDArray[np.float64]
SOURCE = "arXiv 2108.06655"
ProblemName = Literal["brownian", "ou", "lq"]
BasisName = Literal["linear", "even", "even_full", "full"]


class Linear(PaperModule):
    """A problem, a class and a step; what both modules below share.

    Args:
        problem: E1, E2 or E3, see `problems.py`.
        basis: features of the class.
        dt: step of the grid.
    """

    device_free = True

    def __init__(self, *, problem: ProblemName = "brownian", basis: BasisName = "even", dt: float = 0.1) -> None:
        super().__init__()
        self.problem, self.basis, self.dt = PROBLEMS[problem], BASES[basis], dt
        self.g = math.exp(-self.problem.discount * dt)

    @property
    def paths(self) -> int:
        """Paths simulated in one step of the run."""
        if self.budget.batch is None:
            raise UserError("how many paths a step simulates has no default: set budget.batch")
        return self.budget.batch

    def simulate(self, step: int) -> Paths:
        """The paths of one step of the run."""
        return self.problem.simulate(self.seeds.numpy("paths", step), self.dt, self.paths)

    def tau(self, i: int) -> float:
        """Time to go at the i-th point of the grid."""
        return self.problem.horizon - i * self.dt

    def fitted(self, theta: Array, tau: float, x: Array) -> Array:
        """J^th at time to go tau, [n] for x [n]."""
        return polynomial(self.problem.terminal, x) + theta @ self.basis(tau, x)

    def record_value(self, name: str, theta: Array) -> None:
        """J^th(0, x0) and its error."""
        start = np.array([self.problem.x0])
        value = float(self.fitted(theta, self.problem.horizon, start)[0])
        self.scalar(f"value/{name}", value)
        self.scalar(f"value_error/{name}", value - float(self.problem.value(self.problem.horizon, start)[0]))


@modules.register("ct_policy_eval/estimate", source=SOURCE)
class Estimate(Linear):
    """All estimators on the same paths; a step of the run is a chunk of `budget.batch` paths.

    Recorded under the names
        mstde        minimiser of MSTDE(th) = (1/2) E sum d_i^2 / dt, the mean-square TD error
        ml           minimiser of ML(th) = (1/2) E sum (G_i - J_i)^2 dt, the martingale loss
        ctd          root of E sum phi_i d_i = 0: CLSTD, what CTD(0) converges to
        kappa        root of E sum xi_i d_i = 0 with xi_i = e^{-(kappa + beta) dt} xi_{i-1} + phi_i dt: CTD(e^-kappa);
                     one unit for each kappa, with its equations A th = b, so that seeds can be pooled
    and, for Gaussian problems, what they estimate with infinitely many paths (`population/...`) and as dt -> 0
    (`limit/...`).

    Args:
        kappas: rates at which traces forget.
    """

    block_steps = 1

    def __init__(
        self,
        *,
        problem: ProblemName = "brownian",
        basis: BasisName = "even",
        dt: float = 0.1,
        kappas: Sequence[float] = (),
    ) -> None:
        super().__init__(problem=problem, basis=basis, dt=dt)
        self.kappas = tuple(float(kappa) for kappa in kappas)

    def build(self) -> None:
        """No path has been seen."""
        size = len(self.basis)
        self.equations = {name: LinearEquations(size) for name in ("mstde", "ml", "ctd")}
        self.traced = [LinearEquations(size) for _ in self.kappas]

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """Add the chunks start, ..., stop-1 to every estimator's equations."""
        for step in range(start, stop):
            self.add(self.simulate(step))

    def add(self, paths: Paths) -> None:
        """One pass along the grid; everything at t_i is known at t_i (adapted), increments point to t_{i+1}."""
        x, rewards = paths
        base = polynomial(self.problem.terminal, x)
        G = returns(rewards, base[-1], self.g)
        decays = [math.exp(-(kappa + self.problem.discount) * self.dt) for kappa in self.kappas]
        phi = self.basis(self.tau(0), x[0])
        xi = [np.zeros_like(phi) for _ in self.kappas]
        for i in range(len(rewards)):
            phi_next = self.basis(self.tau(i + 1), x[i + 1])
            # d_i = free + dphi . th, so E z d = 0 is E z (free - (-dphi) . th) = 0.
            minus_dphi = phi - self.g * phi_next
            free = self.g * base[i + 1] - base[i] + rewards[i]
            self.equations["mstde"].add(minus_dphi, minus_dphi, free)
            self.equations["ml"].add(phi, phi, G[i] - base[i], self.dt)
            self.equations["ctd"].add(phi, minus_dphi, free)
            for trace, decay, equations in zip(xi, decays, self.traced, strict=True):
                trace *= decay
                trace += phi * self.dt
                equations.add(trace, minus_dphi, free)
            phi = phi_next

    def finish(self) -> None:
        """Solutions, their values at the start, and what they estimate."""
        for name, equations in self.equations.items():
            theta = equations.solve()
            self.record("theta", name, theta)
            self.record_value(name, theta)
        if self.traced:
            self.record_equations("ml", self.equations["ml"])
        for kappa, equations in zip(self.kappas, self.traced, strict=True):
            self.record_equations(f"{kappa:g}", equations, kappa=kappa)
        if isinstance(self.problem, GaussianProblem):
            population = Population(self.problem, self.basis, self.dt).solutions()
            for name, theta in population.items():
                self.record("population", name, theta)
            for name, limit in (("ml", limit_ml), ("ctd", limit_ctd)):
                at_zero = limit(self.problem, self.basis)
                self.record("limit", name, at_zero)
                self.scalar(f"bias/{name}", float(np.linalg.norm(population[name] - at_zero)))

    def record(self, kind: str, name: str, theta: Array) -> None:
        """A coefficient vector as scalars."""
        for j, value in enumerate(theta):
            self.scalar(f"{kind}/{name}/{j}", value)

    def record_equations(self, unit: str, equations: LinearEquations, **axes: float) -> None:
        """A's and b's entries, and the solution, as a unit."""
        found = {f"a_{i}{j}": float(equations.A[i, j]) for i, j in np.ndindex(equations.A.shape)}
        for name, values in (("b", equations.b), ("theta", equations.solve())):
            found |= {f"{name}_{i}": float(value) for i, value in enumerate(values)}
        self.unit(unit, **axes, **found)

    def extra_state(self) -> dict[str, Any]:
        """The sums so far."""
        return {
            "sums": [
                [torch.from_numpy(e.A.copy()), torch.from_numpy(e.b.copy())]
                for e in [*self.equations.values(), *self.traced]
            ]
        }

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore them."""
        for e, (A, b) in zip([*self.equations.values(), *self.traced], state["sums"], strict=True):
            e.A, e.b = A.numpy().copy(), b.numpy().copy()


@modules.register("ct_policy_eval/online", source=SOURCE)
class Online(Linear):
    """th moves at every step of a path by the mean over a batch of paths; a step of the run is an episode.

        ctd     th <- th + alpha_k xi_i d_i
        gtd0    w <- w + a2 (xi_i d_i - w),                 th <- th - a1 (grad_th d_i) xi_i^T w
        gtd2    w <- w + a2 (xi_i d_i - xi_i xi_i^T w dt),  th as in gtd0

    with alpha_k = rate / (1 + k / delay) in episode k, a1 = alpha_k, a2 = speed alpha_k. xi_i = phi_i for lam = 0;
    else the trace xi_i = lam^dt e^{-beta dt} xi_{i-1} + phi_i dt, empty at the start of an episode.

    Args:
        method: see above.
        lam: lambda of the trace, per unit of time: lambda per step would lose its meaning as dt -> 0.
        rate, delay: of the step size.
        speed: how much faster w moves than th (GTD).
    """

    block_steps = 100

    def __init__(
        self,
        *,
        problem: ProblemName = "ou",
        basis: BasisName = "linear",
        dt: float = 0.05,
        method: Literal["ctd", "gtd0", "gtd2"] = "ctd",
        lam: float = 0.0,
        rate: float = 0.5,
        delay: float = 200.0,
        speed: float = 4.0,
    ) -> None:
        super().__init__(problem=problem, basis=basis, dt=dt)
        if not 0 <= lam <= 1:
            raise UserError(f"module.lam={lam:g}: lambda lies between 0 and 1")
        self.method, self.lam, self.rate, self.delay, self.speed = method, lam, rate, delay, speed
        self.decay = lam**dt * self.g

    def build(self) -> None:
        """th = w = 0."""
        size = len(self.basis)
        self.theta, self.w, self.tail = np.zeros(size), np.zeros(size), np.zeros(size)
        kappa = -math.log(self.lam) if self.lam else None
        self.target = None
        if isinstance(self.problem, GaussianProblem):
            self.target = Population(self.problem, self.basis, self.dt).ctd(kappa)

    def advance(self, start: int, stop: int) -> None:
        """The episodes start, ..., stop-1. The average runs over the second half of all episodes."""
        for k in range(start, stop):
            self.episode(*self.batch_means(self.simulate(k)), self.rate / (1 + k / self.delay))
            if k >= self.total // 2:
                self.tail += self.theta
        if not np.isfinite(self.theta).all():
            raise Diverged(f"theta is {self.theta} after episode {stop} of {self.total}")

    def batch_means(self, paths: Paths) -> tuple[Array, Array, Array]:
        """Means over the batch at every step i: xi dphi^T [K, d, d], xi free [K, d] and xi xi^T dt [K, d, d].

        With d_i = dphi_i . th + free_i, the mean of xi_i d_i is A_i th + b_i: paths do not depend on th.
        """
        x, rewards = paths
        base = polynomial(self.problem.terminal, x)
        free = self.g * base[1:] - base[:-1] + rewards
        phi = np.stack([self.basis(self.tau(i), x[i]) for i in range(len(x))])
        dphi = self.g * phi[1:] - phi[:-1]
        xi = phi[:-1]
        if self.lam:
            xi = xi * self.dt
            for i in range(1, len(xi)):
                xi[i] += self.decay * xi[i - 1]
        n = x.shape[1]
        b = (xi @ free[:, :, None])[:, :, 0] / n
        return xi @ dphi.swapaxes(1, 2) / n, b, xi @ xi.swapaxes(1, 2) * self.dt / n

    def episode(self, A: Array, b: Array, S: Array, alpha: float) -> None:
        """The updates at t_0, ..., t_{K-1}."""
        for A_i, b_i, S_i in zip(A, b, S, strict=True):
            correlation = A_i @ self.theta + b_i  # mean of xi_i d_i
            if self.method == "ctd":
                self.theta = self.theta + alpha * correlation
                continue
            pull = self.w if self.method == "gtd0" else S_i @ self.w
            self.theta, self.w = (
                self.theta - alpha * A_i.T @ self.w,
                self.w + self.speed * alpha * (correlation - pull),
            )

    def distance(self, theta: Array) -> float:
        """Relative Euclidean distance to the solution that infinitely many paths at this dt would give."""
        assert self.target is not None
        return float(np.linalg.norm(theta - self.target) / np.linalg.norm(self.target))

    def measure(self) -> Mapping[str, float]:
        """Coefficients, and the distance where the solution is known."""
        found = {f"theta/{j}": float(value) for j, value in enumerate(self.theta)}
        return found if self.target is None else {**found, "distance": self.distance(self.theta)}

    def finish(self) -> None:
        """The average of th over the second half, the last th, and their distances to the solution."""
        average = self.tail / (self.total - self.total // 2)
        for j, value in enumerate(average):
            self.scalar(f"theta/average/{j}", value)
        self.record_value("average", average)
        if self.target is not None:
            self.scalar("distance/average", self.distance(average))
            self.scalar("distance/last", self.distance(self.theta))

    def extra_state(self) -> dict[str, Any]:
        """th, w and the sum of th over the second half so far."""
        return {name: torch.from_numpy(getattr(self, name).copy()) for name in ("theta", "w", "tail")}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore them."""
        self.theta, self.w, self.tail = (state[name].numpy().copy() for name in ("theta", "w", "tail"))
