"""Successive over-relaxation (SOR): the reference iteration, cost tables over many systems, and its spectral theory.

With A = D + L + L^T and W = D/omega + L, SOR repeats x <- x + W^{-1} (b - A x). Its cost is the number of iterations
until the residual has fallen by the factor `tolerance`; how large it is turns on omega.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import SuperLU, splu

from assay.solvers.antidiagonals import AntiDiagonals
from assay.solvers.result import Solution

Array = NDArray[np.float64]
CAP = 10_000
"""Iterations after which a solve is given up."""

GROUP = 800_000
"""Values of one array of a vectorised solve: large enough to hide the calls, small enough for the cache."""


def triangular(matrix: sp.sparray) -> SuperLU:
    """A triangular sparse matrix as an object with a fast `solve` (and `solve(r, trans="T")`); no fill arises."""
    return splu(sp.csc_array(matrix), permc_spec="NATURAL", diag_pivot_thresh=0.0)


def sor(
    A: sp.csr_array, b: Array, omega: float, *, tolerance: float = 1e-8, x0: Array | None = None, cap: int = CAP
) -> Solution:
    """Solve A x = b by SOR in the natural ordering, step by step as it is written down.

    Stops at the first k >= 1 with ||b - A x_k|| < tolerance ||b - A x_0||.

    Args:
        A: [n, n] with a nonzero diagonal.
        b: [n].
        omega: relaxation parameter in (0, 2).
        tolerance: relative to the first residual.
        x0: [n] start; zeros if None.
        cap: iterations at most.
    """
    W = triangular(sp.diags_array(A.diagonal() / omega) + sp.tril(A, -1))
    x = np.zeros_like(b) if x0 is None else x0.copy()
    r = b - A @ x
    matvecs, sweeps, bound = 1, 0, tolerance * np.linalg.norm(r)
    for _ in range(cap):
        x += W.solve(r)
        sweeps += 1
        r = b - A @ x
        matvecs += 1
        if np.linalg.norm(r) < bound:
            return Solution(x, sweeps, matvecs, sweeps, True)
    return Solution(x, sweeps, matvecs, sweeps, False)


def sor_costs(
    side: int, diagonal: Array, omega: Array, b: Array, *, tolerance: float = 1e-8, cap: int = CAP
) -> NDArray[np.int64]:
    """Iterations of SOR from zero on many 5-point systems at once.

    The residual obeys r <- (W - A) W^{-1} r = ((1/omega - 1) D - L^T) W^{-1} r, so the solution is never formed.

    Args:
        side: the grid is side x side; see `problems.poisson2d`.
        diagonal: [columns], the constant diagonal of each system.
        omega: [columns].
        b: [side^2, columns] right-hand sides in the natural ordering.
        tolerance: relative to ||b||.
        cap: iterations at most; also the cost of a system that did not get there.

    Returns:
        [columns] iteration counts, as `sor` gives them.
    """

    def sweep(grid: AntiDiagonals, r: Array, diagonal: Array, omega: Array) -> Array:
        y = grid.lower(r, omega / diagonal)
        return grid.subtract_upper(y, ((1 / omega - 1) * diagonal) * y)

    return stationary_costs(sweep, side, diagonal, omega, b, tolerance=tolerance, cap=cap)


def ssor_costs(
    side: int, diagonal: Array, omega: Array, b: Array, *, tolerance: float = 1e-8, cap: int = CAP
) -> NDArray[np.int64]:
    """Iterations of symmetric SOR, x <- x + P^{-1} (b - A x), from zero; arguments and result as in `sor_costs`.

    P = X D^{-1} X^T / (omega (2 - omega)) with X = D + omega L = omega W.
    """

    def sweep(grid: AntiDiagonals, r: Array, diagonal: Array, omega: Array) -> Array:
        return r - grid.multiply(ssor_inverse(grid, r.copy(), diagonal, omega), diagonal)

    return stationary_costs(sweep, side, diagonal, omega, b, tolerance=tolerance, cap=cap)


def ssor_inverse(grid: AntiDiagonals, r: Array, diagonal: Array, omega: Array) -> Array:
    """P^{-1} r of the SSOR preconditioner for many systems, in place; r [side^2, columns] in anti-diagonal order.

    P^{-1} = omega (2 - omega) X^{-T} D X^{-1} = (2 - omega) / omega * W^{-T} D W^{-1}.
    """
    y = grid.lower(r, omega / diagonal)
    y *= (2 - omega) / omega * diagonal
    return grid.upper(y, omega / diagonal)


Sweep = Callable[[AntiDiagonals, Array, Array, Array], Array]


def stationary_costs(
    sweep: Sweep, side: int, diagonal: Array, omega: Array, b: Array, *, tolerance: float, cap: int
) -> NDArray[np.int64]:
    """Iterations that a stationary method needs, for many systems; `sweep` maps residuals to the next residuals.

    Systems go through in groups of `GROUP` values and leave their group when they are done.
    """
    grid = AntiDiagonals(side)
    costs = np.full(len(omega), cap, dtype=np.int64)
    for group in in_groups(len(omega), side):
        r = b[np.ix_(grid.order, group)]
        bound, d, w = tolerance**2 * (r * r).sum(0), diagonal[group], omega[group]
        alive = np.ones(len(group), dtype=bool)
        for k in range(1, cap + 1):
            r = sweep(grid, r, d, w)
            done = alive & ((r * r).sum(0) < bound)
            if done.any():
                costs[group[done]] = k
                alive &= ~done
                if not alive.any():
                    break
                if alive.mean() < 0.9:
                    r = np.ascontiguousarray(r[:, alive])
                    group, bound, d, w = group[alive], bound[alive], d[alive], w[alive]
                    alive = np.ones(len(group), dtype=bool)
    return costs


def in_groups(systems: int, side: int) -> Iterator[NDArray[np.int64]]:
    """0, ..., systems - 1 in consecutive groups of about `GROUP` values."""
    size = max(GROUP // side**2, 1)
    for start in range(0, systems, size):
        yield np.arange(start, min(start + size, systems))


# -- spectral theory for consistently ordered matrices (Young) --------------------------------------------------------


def jacobi_radius(side: int, shift: float) -> float:
    """beta = rho(I - D^{-1} A) of the shifted 5-point matrix, 4 cos(pi / (side + 1)) / (4 + shift)."""
    return float(4 * np.cos(np.pi / (side + 1)) / (4 + shift))


def optimal_omega(beta: float) -> float:
    """omega* = 1 + (beta / (1 + sqrt(1 - beta^2)))^2, where the spectral radius of SOR is least."""
    return float(1 + (beta / (1 + np.sqrt(1 - beta**2))) ** 2)


def sor_radius(omega: Array, beta: float) -> Array:
    """rho(C_omega), C_omega = I - A W^{-1}, for omega in [1, 2) and Jacobi radius beta.

    1/4 (omega beta + sqrt(omega^2 beta^2 - 4 (omega - 1)))^2 below omega*, omega - 1 from there on. Eigensolvers
    lose half the digits near omega*, where the matrix is defective; the formula does not.
    """
    inside = np.maximum(omega**2 * beta**2 - 4 * (omega - 1), 0.0)
    return np.where(omega < optimal_omega(beta), 0.25 * (omega * beta + np.sqrt(inside)) ** 2, omega - 1)
