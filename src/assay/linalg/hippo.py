"""HiPPO-LegS: the linear system that remembers a signal by its Legendre coefficients, and its normal part.

State space models x' = A x + B u start from it. A is far from normal; A = A_N - p p^T with A_N normal is what makes it
tractable, either exactly (diagonal plus low rank) or by leaving p p^T out. Everything here is in double precision.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Real = NDArray[np.float64]
Complex = NDArray[np.complexfloating[Any, Any]]


class Eigenbasis(NamedTuple):
    """M = V diag(values) V^-1: `values` [n], `vectors` V [n, n] with columns of unit length; |Im values| ascends."""

    values: Complex
    vectors: Complex

    @property
    def condition(self) -> float:
        """kappa_2(V)."""
        return float(np.linalg.cond(self.vectors))

    def coordinates(self, b: Real) -> Complex:
        """V^-1 b, [n], by solving."""
        return np.linalg.solve(self.vectors, b.astype(np.complex128))


def hippo_legs(n: int) -> tuple[Real, Real]:
    """The scaled Legendre measure's A [n, n] and B [n].

    A_jk = -sqrt(2j+1) sqrt(2k+1) for j > k, -(j+1) for j = k, 0 for j < k; B_j = sqrt(2j+1), so that ||B|| = n.

    Source: Gu, Dao, Ermon, Rudra and Re (2020), arXiv 2008.07669, Theorem 2.
    """
    b = np.sqrt(2 * np.arange(n) + 1.0)
    a = -np.tril(np.outer(b, b), -1) - np.diag(np.arange(n) + 1.0)
    return a, b


def dplr_split(n: int) -> tuple[Real, Real]:
    """A_N [n, n] and p [n] of A = A_N - p p^T, with A_N = -I/2 + a skew-symmetric matrix and p_j = sqrt(j + 1/2).

    B is sqrt(2) p. Source: Gu, Goel and Re (2022), arXiv 2111.00396, Theorem 1.
    """
    a, b = hippo_legs(n)
    p = b / np.sqrt(2)
    # By its skew part, which p p^T does not touch: the diagonal is -1/2 and the symmetry holds to the last bit.
    return -np.eye(n) / 2 + (a - a.T) / 2, p


def normal_eigenbasis(n: int) -> Eigenbasis:
    """Of A_N, through a Hermitian problem: values -1/2 + i w, and unitary vectors."""
    a_n, _ = dplr_split(n)
    w, vectors = linalg.eigh(-1j * (a_n + np.eye(n) / 2))
    order = np.lexsort((w, np.abs(w)))
    return Eigenbasis(-0.5 + 1j * w[order], vectors[:, order])


def eig_ptd(matrix: Real) -> Eigenbasis:
    """The eigenbasis of a perturbed matrix, which must not be A itself: that one's basis is beyond double precision.

    Args:
        matrix: real, [n, n], e.g. A + E.
    """
    values, vectors = linalg.eig(matrix)
    order = np.lexsort((values.imag, values.real, np.abs(values.imag)))
    vectors = vectors[:, order]
    return Eigenbasis(values[order].astype(np.complex128), vectors / np.linalg.norm(vectors, axis=0))


def states(basis: Eigenbasis, b: Real, w: Real) -> Complex:
    """x(i w) = (i w I - M)^-1 b, [len(w), n], of a diagonalised M."""
    coordinates = basis.coordinates(b)
    found: Complex = (coordinates / (1j * w[:, None] - basis.values)) @ basis.vectors.T
    return found


def legs_states(n: int, w: Real) -> Complex:
    """(i w I - A)^-1 B of HiPPO-LegS, [len(w), n], by forward substitution in O(n) operations for each w.

    With c = sum_{k<j} B_k x_k the j-th row of the triangular system reads (s + j + 1) x_j + B_j c = B_j.
    """
    _, b = hippo_legs(n)
    s, c = 1j * w, np.zeros(len(w), np.complex128)
    x = np.empty((len(w), n), np.complex128)
    for j in range(n):
        x[:, j] = b[j] * (1 - c) / (s + j + 1)
        c += b[j] * x[:, j]
    return x


def rank_one_gain(n: int, w: Real) -> Complex:
    """k(i w) = p^T (i w I - A_N)^-1 p, [len(w)]: 1 in the limit of many states, and as large as 0.4 n^2 before."""
    basis = normal_eigenbasis(n)
    _, p = dplr_split(n)
    found: Complex = (np.abs(basis.vectors.conj().T @ p) ** 2 / (1j * w[:, None] - basis.values)).sum(1)
    return found
