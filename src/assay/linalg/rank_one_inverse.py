"""The inverse of a damped sum of m outer products in R^d, by products with d x m numbers.

Everywhere F = damp I + (1/m) sum_i g_i g_i^T, as an empirical Fisher matrix is; the normaliser m stands inside. A
d x d matrix is never formed, so that d can be a network's number of weights. `RankOneInverse` is built once and gives
products and single entries; `DynamicRankOneInverse` follows a sliding window of vectors (both arXiv 2107.03356).
`BlockInverse` is the plain way for many small blocks, and what the others are compared with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor

Backend = Literal["paper", "woodbury"]


class Inverse(ABC):
    """F^{-1} as a linear map; any leading axes are a batch of independent matrices (blocks of a larger one)."""

    @abstractmethod
    def product(self, x: Tensor) -> Tensor:
        """F^{-1} x, [..., d], of x [..., d]."""

    @abstractmethod
    def diagonal(self) -> Tensor:
        """The diagonal of F^{-1}, [..., d]."""

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors that it holds."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, Tensor))


class RankOneInverse(Inverse):
    """The static algorithm: m vectors v_i = F_{i-1}^{-1} g_i and m numbers q_i are the whole inverse.

    With F_0 = damp I and F_i = F_{i-1} + g_i g_i^T / m, the Sherman-Morrison formula gives

        v_i = g_i / damp - sum_{j<i} v_j (v_j . g_i) / q_j,    q_i = m + g_i . v_i.

    Building takes O(d m^2), a product O(d m), an entry O(m). The vectors g_i are not kept.

    Args:
        gradients: g_1, ..., g_m, [..., m, d]; leading axes are independent blocks.
        damp: positive.
    """

    def __init__(self, gradients: Tensor, damp: float) -> None:
        m = gradients.shape[-2]
        self.damp = damp
        self.v = gradients / damp
        self.q = gradients.new_zeros(gradients.shape[:-1])
        for i in range(m):
            g = gradients[..., i, :]
            before = self.v[..., :i, :]
            self.v[..., i, :] -= _combine(_dots(before, g) / self.q[..., :i], before)
            self.q[..., i] = m + (g * self.v[..., i, :]).sum(-1)

    def product(self, x: Tensor) -> Tensor:
        """F^{-1} x = x / damp - sum_i v_i (v_i . x) / q_i."""
        return x / self.damp - _combine(_dots(self.v, x) / self.q, self.v)

    def diagonal(self) -> Tensor:
        """1 / damp - sum_i v_i[k]^2 / q_i."""
        return 1 / self.damp - torch.einsum("...mk,...mk,...m->...k", self.v, self.v, 1 / self.q)

    def entry(self, k: int, l: int) -> Tensor:
        """The entry (k, l): 1[k = l] / damp - sum_i v_i[k] v_i[l] / q_i."""
        return (k == l) / self.damp - (self.v[..., k] * self.v[..., l] / self.q).sum(-1)


class DynamicRankOneInverse(Inverse):
    """The dynamic algorithm: the last m vectors in a ring buffer, of which the oldest is overwritten.

    Rows not yet written are zero; they do nothing to F, whose normaliser is m from the start. The m x m parts are kept
    in double precision: with a small damp they lose the digits first. Replacing a vector takes O(d m + m^3), a product
    O(d m + m^2).

    Args:
        gradients: the window to begin with, [m, d]; it is copied.
        damp: positive.
        backend: "paper" follows the publication's recursions; "woodbury" solves one positive definite system.
    """

    def __init__(self, gradients: Tensor, damp: float, backend: Backend = "paper") -> None:
        self.g = gradients.clone()
        self.damp, self.backend, self.last, self.newest = damp, backend, 0, 0
        self.gram = self.g.double() @ self.g.double().T
        self._refresh()

    @classmethod
    def empty(cls, m: int, like: Tensor, damp: float, backend: Backend = "paper") -> DynamicRankOneInverse:
        """An empty window of m vectors like `like`, [d]."""
        return cls(like.new_zeros(m, len(like)), damp, backend)

    def update(self, g: Tensor) -> None:
        """Put g, [d], in the place of the oldest vector."""
        m = len(self.g)
        self.newest = self.last % m
        self.g[self.newest] = g
        row = (self.g @ g).double()
        self.gram[self.newest], self.gram[:, self.newest] = row, row
        self.last += 1
        self._refresh()

    def _refresh(self) -> None:
        """Everything of size m x m, from the Gram matrix S = G G^T.

        The LU factors of A = m I + S / damp without pivoting (safe, as A is positive definite) are those of Cholesky
        with rescaled rows: U = diag(L) L^T. Then U_ij = v_i . g_j for i < j, and q_i = U_ii.
        """
        m = len(self.g)
        eye = torch.eye(m, dtype=self.gram.dtype, device=self.gram.device)
        # Where numbers have left the finite range, so does the factor; the caller sees it in the product.
        self.factor = torch.linalg.cholesky_ex(m * eye + self.gram / self.damp)[0]
        if self.backend == "woodbury":
            return
        scale = self.factor.diagonal()
        self.q = scale**2
        # (D_ji / q_j) over j < i, as the lower triangle of a unit triangular matrix.
        self.ratios = (self.factor * scale / self.q).tril(-1)
        # v_i = sum_{j<=i} B_ij g_j with B_i = e_i / damp - sum_{j<i} (D_ji / q_j) B_j.
        self.b = torch.linalg.solve_triangular(self.ratios + eye, eye / self.damp, upper=False, unitriangular=True)

    def product(self, x: Tensor) -> Tensor:
        """F^{-1} x, [d], of x [d]."""
        if self.backend == "woodbury":
            return x / self.damp - self.coefficients(self.g @ x) @ self.g
        p = (self.g @ x).double() / self.damp
        # y_i = v_i . x = p_i - sum_{j<i} (D_ji / q_j) y_j: a forward substitution.
        y = torch.linalg.solve_triangular(self.ratios, p[:, None], upper=False, unitriangular=True)[:, 0]
        return x / self.damp - ((y / self.q) @ self.b).to(x.dtype) @ self.g

    def coefficients(self, dots: Tensor) -> Tensor:
        """(m I + S / damp)^{-1} (G x) / damp^2, [m], of `dots` = G x; the Woodbury identity."""
        solution = torch.cholesky_solve((dots.double() / self.damp**2)[:, None], self.factor)[:, 0]
        return solution.to(dots.dtype)

    def of_row(self, j: int) -> Tensor:
        """F^{-1} g_j, [d], for a vector of the window: G^T (damp I + S / m)^{-1} e_j.

        Nothing is subtracted here, where `product` takes away from g_j / damp nearly all of it: in single precision
        and with a small damp this form keeps about two digits more.
        """
        unit = torch.zeros(len(self.g), 1, dtype=self.gram.dtype, device=self.gram.device)
        unit[j] = len(self.g) / self.damp
        return torch.cholesky_solve(unit, self.factor)[:, 0].to(self.g.dtype) @ self.g

    def diagonal(self) -> Tensor:
        """1 / damp - |L^{-1} G e_k|^2 / damp^2 with A = L L^T, [d]."""
        half = torch.linalg.solve_triangular(self.factor, self.g.double(), upper=False)
        return (1 / self.damp - (half**2).sum(0) / self.damp**2).to(self.g.dtype)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs."""
        return {"g": self.g, "gram": self.gram, "last": self.last}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.g, self.gram, self.last = state["g"].clone(), state["gram"].clone(), int(state["last"])
        self._refresh()


class BlockInverse(Inverse):
    """The inverse as a dense matrix, of one block or of many at once.

    Args:
        gradients: [..., m, d]; a small d, as d x d matrices are formed.
        damp: positive.
    """

    def __init__(self, gradients: Tensor, damp: float) -> None:
        # In single precision a small damp drowns in the rounding of G^T G, which is then not even positive definite.
        wide = gradients.double()
        fisher = wide.mT @ wide / gradients.shape[-2]
        fisher.diagonal(dim1=-2, dim2=-1).add_(damp)
        self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(fisher)).to(gradients.dtype)

    def product(self, x: Tensor) -> Tensor:
        """F^{-1} x."""
        return (self.inverse @ x[..., None])[..., 0]

    def diagonal(self) -> Tensor:
        """The stored diagonal."""
        return self.inverse.diagonal(dim1=-2, dim2=-1)


def _dots(rows: Tensor, x: Tensor) -> Tensor:
    """The products of every row with x: [..., i] of [..., i, d] and [..., d]."""
    return (rows @ x[..., None])[..., 0]


def _combine(weights: Tensor, rows: Tensor) -> Tensor:
    """The sum of rows with weights: [..., d] of [..., i] and [..., i, d]."""
    return (weights[..., None, :] @ rows)[..., 0, :]
