"""The surrogate costs that the proofs go through, against the true ones (Lemma 2.1, Fig. 1; Thm 2.3, Fig. 4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.module import PaperModule, modules
from assay.solvers.pcg import ssor_cg_bound, ssor_pcg
from assay.solvers.problems import poisson2d
from assay.solvers.sor import jacobi_radius, optimal_omega, sor_costs, sor_radius
from papers.learning_to_relax.data import ShiftedPoisson

EPS = 1e-8
Array = NDArray[np.float64]


def defect_matrix(A: Array, omega: float) -> Array:
    """C_omega = I - A W^{-1}, W = D/omega + L: residuals obey r_k = C_omega^k b; [n, n]."""
    W = np.diag(np.diag(A) / omega) + np.tril(A, -1)
    # A W^{-1} = (W^{-T} A^T)^T
    return np.eye(len(A)) - np.linalg.solve(W.T, A.T).T


@dataclass(frozen=True)
class Surrogate:
    """The near-asymptotic bound on SOR's cost of one instance, for a grid of omegas (Eq. 4).

    Attributes:
        omegas: [k].
        costs: [k] iterations of SOR.
        radius: [k] rho(C_omega).
        tau: the least number with ||C^j||_2 <= (rho + tau (1 - rho))^j at j = cost - 1 for all omegas.
        bound: [k] U(omega) = 1 + log eps / log(rho + tau (1 - rho)).
        optimal: omega*.
    """

    omegas: Array
    costs: NDArray[np.int64]
    radius: Array
    tau: float
    bound: Array
    optimal: float

    @classmethod
    def of(cls, side: int, shift: float, b: Array, omegas: Array) -> Surrogate:
        """Measure it for A + shift I and the right-hand side b, [side^2]."""
        k = len(omegas)
        costs = sor_costs(side, np.full(k, 4 + shift), omegas, np.repeat(b[:, None], k, axis=1), tolerance=EPS)
        A = poisson2d(side, shift).toarray()
        beta = jacobi_radius(side, shift)
        radius = sor_radius(omegas, beta)
        powers = [(int(cost) - 1, omega, rho) for cost, omega, rho in zip(costs, omegas, radius, strict=True)]
        norms = [
            (np.linalg.norm(np.linalg.matrix_power(defect_matrix(A, w), j), 2), j, rho) for j, w, rho in powers if j
        ]
        tau = max((norm ** (1 / j) - rho) / (1 - rho) for norm, j, rho in norms)
        return cls(
            omegas, costs, radius, tau, 1 + np.log(EPS) / np.log(radius + tau * (1 - radius)), optimal_omega(beta)
        )

    @property
    def slack(self) -> float:
        """min (U - cost); the lemma says it is not negative."""
        return float((self.bound - self.costs).min())

    @property
    def rise(self) -> float:
        """The largest rise of U from one omega to the next below omega*; the lemma says there is none."""
        return float(np.diff(self.bound[self.omegas < self.optimal]).max())


@modules.register("learning_to_relax/bounds", source="arXiv 2310.02246, Lemma 2.1 and Thm 2.3")
class Bounds(PaperModule):
    """Compares surrogate and cost on every instance of a stream; a step is an instance.

    Units: one an instance (`slack`, `rise`, `tau`, `ratio_median`, `ratio_max` for SOR; `cg_slack`, `cg_ratio_median`
    for SSOR-CG), and for the first instance one an omega (`omega`, `cost`, `bound`, `asymptotic`).

    Args:
        omegas: size of the grid on [1, 1.99] for SOR.
        cg_omegas: size of the grid on [2 sqrt 2 - 2, 1.95] for SSOR-CG.
    """

    takes = ("data",)
    default_parts = {"data": "shifted_poisson"}
    block_steps = 1
    device_free = True
    data: ShiftedPoisson

    def __init__(self, *, omegas: int = 100, cg_omegas: int = 20) -> None:
        super().__init__()
        self.omegas = np.linspace(1.0, 1.99, omegas)
        self.cg_omegas = np.linspace(2 * np.sqrt(2) - 2, 1.95, cg_omegas)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """Instances start, ..., stop-1."""
        for step in range(start, stop):
            shift, b = float(self.data.contexts[step]), self.data.targets[step]
            sor = Surrogate.of(self.data.side, shift, b, self.omegas)
            A = poisson2d(self.data.side, shift)
            cg_costs = np.array([ssor_pcg(A, b, float(omega), tolerance=EPS).iterations for omega in self.cg_omegas])
            cg_bound = ssor_cg_bound(A, self.cg_omegas, EPS)
            ratio = sor.bound / sor.costs
            self.unit(
                f"{step}",
                shift=shift, slack=sor.slack, rise=sor.rise, tau=sor.tau,
                ratio_median=np.median(ratio), ratio_max=ratio.max(),
                cg_slack=(cg_bound - cg_costs).min(), cg_ratio_median=np.median(cg_bound / cg_costs),
            )  # fmt: skip
            if step == 0:
                self.lines(sor)

    def lines(self, sor: Surrogate) -> None:
        """The curves of Fig. 1, as units."""
        asymptotic = np.log(EPS) / np.log(sor.radius)
        for row in zip(sor.omegas, sor.costs, sor.bound, asymptotic, strict=True):
            omega, cost, bound, estimate = map(float, row)
            self.unit(f"0, {omega:.4g}", omega=omega, cost=cost, bound=bound, asymptotic=estimate)
