"""Conjugate gradients, plain and preconditioned by symmetric SOR, with exact counts of the work done."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from assay.solvers.antidiagonals import AntiDiagonals
from assay.solvers.result import Solution
from assay.solvers.sor import CAP, in_groups, ssor_inverse, triangular

Array = NDArray[np.float64]


class SSORPreconditioner:
    """r -> P^{-1} r with P = X D^{-1} X^T / (omega (2 - omega)), X = D + omega L, L strictly lower.

    Args:
        A: [n, n] symmetric with a positive diagonal.
        omega: relaxation parameter in (0, 2).

    Attributes:
        sweeps: triangular solves done so far.
    """

    def __init__(self, A: sp.csr_array, omega: float) -> None:
        diagonal = A.diagonal()
        self.X = triangular(sp.diags_array(diagonal) + omega * sp.tril(A, -1))
        self.scaled = omega * (2 - omega) * diagonal
        self.sweeps = 0

    def __call__(self, r: Array) -> Array:
        """Apply P^{-1} = omega (2 - omega) X^{-T} D X^{-1}; [n] -> [n]."""
        self.sweeps += 2
        result: Array = self.X.solve(self.scaled * self.X.solve(r), trans="T")
        return result


def cg(
    A: sp.csr_array,
    b: Array,
    *,
    precondition: Callable[[Array], Array] | None = None,
    tolerance: float = 1e-8,
    x0: Array | None = None,
    cap: int = CAP,
) -> Solution:
    """Solve A x = b by conjugate gradients.

    Stops at the first k >= 0 with ||r_k|| <= tolerance ||b||; a good start may need no iteration.

    Args:
        A: [n, n] symmetric positive definite.
        b: [n].
        precondition: r -> P^{-1} r for a symmetric positive definite P; the identity if None.
        tolerance: relative to ||b||.
        x0: [n] start; zeros if None.
        cap: iterations at most.
    """
    x = np.zeros_like(b) if x0 is None else x0.copy()
    r, matvecs, iterations = (b.copy(), 0, 0) if x0 is None else (b - A @ x, 1, 0)
    bound = tolerance * np.linalg.norm(b)
    converged = bool(np.linalg.norm(r) <= bound)
    p, rz = np.zeros_like(b), 1.0
    while not converged and iterations < cap:
        z = r if precondition is None else precondition(r)
        rz, previous = float(r @ z), rz
        p = z + (rz / previous if iterations else 0.0) * p
        q = A @ p
        matvecs += 1
        step = rz / float(p @ q)
        x += step * p
        r = r - step * q
        iterations += 1
        converged = bool(np.linalg.norm(r) <= bound)
    return Solution(x, iterations, matvecs, getattr(precondition, "sweeps", 0), converged)


def ssor_pcg(
    A: sp.csr_array, b: Array, omega: float, *, tolerance: float = 1e-8, x0: Array | None = None, cap: int = CAP
) -> Solution:
    """Solve A x = b by conjugate gradients preconditioned by symmetric SOR; see `cg` and `SSORPreconditioner`."""
    return cg(A, b, precondition=SSORPreconditioner(A, omega), tolerance=tolerance, x0=x0, cap=cap)


def ssor_pcg_costs(
    side: int, diagonal: Array, omega: Array, b: Array, *, tolerance: float = 1e-8, cap: int = CAP
) -> NDArray[np.int64]:
    """Iterations of `ssor_pcg` from zero on many 5-point systems at once.

    In floating point CG amplifies rounding: at omega >= 1.9 about one count in fifty is off by one from `ssor_pcg`,
    which sums in another order (and both from extended precision); below that they agree.

    Args:
        side: the grid is side x side; see `problems.poisson2d`.
        diagonal: [systems], the constant diagonal of each.
        omega: [systems].
        b: [side^2, systems] right-hand sides in the natural ordering, none zero.
        tolerance: relative to ||b||.
        cap: iterations at most; also the cost of a system that did not get there.

    Returns:
        [systems] iteration counts.
    """
    grid = AntiDiagonals(side)
    costs = np.full(len(omega), cap, dtype=np.int64)
    for group in in_groups(len(omega), side):
        costs[group] = _pcg_group(grid, diagonal[group], omega[group], b[np.ix_(grid.order, group)], tolerance, cap)
    return costs


def _pcg_group(grid: AntiDiagonals, d: Array, w: Array, r: Array, tolerance: float, cap: int) -> NDArray[np.int64]:
    costs = np.full(len(w), cap, dtype=np.int64)
    where = np.arange(len(w))
    bound = tolerance**2 * (r * r).sum(0)
    p, rz = np.zeros_like(r), np.ones(len(w))
    for k in range(1, cap + 1):
        z = ssor_inverse(grid, r.copy(), d, w)
        rz, previous = (r * z).sum(0), rz
        p = z + (rz / previous if k > 1 else 0.0) * p
        q = grid.multiply(p, d)
        r = r - rz / (p * q).sum(0) * q
        done = (r * r).sum(0) <= bound
        if done.any():
            costs[where[done]] = k
            if done.all():
                break
            keep = ~done
            where, d, w, bound, rz = where[keep], d[keep], w[keep], bound[keep], rz[keep]
            r, p = np.ascontiguousarray(r[:, keep]), np.ascontiguousarray(p[:, keep])
    return costs


def ssor_cg_bound(A: sp.csr_array, omega: Array, tolerance: float = 1e-8) -> Array:
    """An upper bound on the iterations of SSOR-preconditioned CG from the condition number of P^{-1} A.

    With mu = lambda_max(D A^{-1}), delta = lambda_max((L D^{-1} L^T - D/4) A^{-1}) (Axelsson 1994, Thm 7.17),

        ic(omega) = (2 - omega) / (1 + (2 - omega)^2 / (4 omega) mu + delta omega)
        U(omega)  = 1 + log(sqrt(kappa)/eps + sqrt(kappa/eps^2 - 1)) / -log(1 - 2 / (1 + ic^{-1/2})),

    where kappa = cond_2(A) turns the bound on the error's energy norm into one on the residual (arXiv 2310.02246,
    Thm 2.3).

    Args:
        A: [n, n] symmetric positive definite; handled densely.
        omega: [k] relaxation parameters in [2 sqrt 2 - 2, 2).
        tolerance: eps.

    Returns:
        [k] bounds.
    """
    dense = A.toarray()
    diagonal = np.diag(np.diag(dense))
    L = np.tril(dense, -1)
    eigenvalues = np.linalg.eigvalsh(dense)
    kappa = eigenvalues[-1] / eigenvalues[0]
    mu = scipy.linalg.eigh(diagonal, dense, eigvals_only=True)[-1]
    delta = scipy.linalg.eigh(L @ (L.T / np.diag(dense)[:, None]) - diagonal / 4, dense, eigvals_only=True)[-1]
    ic = (2 - omega) / (1 + (2 - omega) ** 2 / (4 * omega) * mu + delta * omega)
    log_gain = np.log(np.sqrt(kappa) / tolerance + np.sqrt(kappa / tolerance**2 - 1))
    bound: Array = 1 + log_gain / -np.log(1 - 2 / (1 + ic**-0.5))
    return bound
