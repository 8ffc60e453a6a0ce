"""A linear layer with D outputs whose exact gradient step for a spherical loss costs the same whatever D is.

Vincent, de Brebisson and Bouthillier (arXiv 1412.7091). The D x d weights are never touched as a whole: in
W = V U + 1 omega^T a step changes the small U (d x d) and omega (d) and the rows of V that belong to targets;
Q = W^T W and wbar = W^T 1 are carried along, and give the sums s and q of the scores without the scores.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Coefficients(Protocol):
    """The gradient's three numbers for each example; `assay.losses.spherical.Coefficients`."""

    alpha: Tensor
    beta: Tensor
    gamma: Tensor


class Spherical(Protocol):
    """What the layer asks of a loss; `assay.losses.spherical.SphericalLoss`."""

    def of_sums(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Tensor:
        """Losses, [m]."""

    def coefficients(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Coefficients:
        """alpha, beta, gamma, each [m]."""


class Step(NamedTuple):
    """What a step leaves: losses [m] and the gradient with respect to the inputs, [m, d], both before the update."""

    losses: Tensor
    inputs: Tensor


class FactoredSphericalLinear:
    """W = V U + 1 omega^T under plain stochastic gradient descent on a sum of spherical losses.

    Momentum and adaptive rates are not possible: they would need the D x d gradient. The cost of a step on m examples
    is O(d^3 + m d^2 + m^2 d). Only V may be in single precision; everything else is in double.

    Args:
        weight: the start W_0, [D, d]; it is copied.
        clip: the largest |lr beta |h|^2| of an example; where it is exceeded beta is scaled down in all of that
            example's updates, which keeps U away from singular but is no longer the exact gradient. None to be exact.
        dtype: of V.
    """

    def __init__(self, weight: Tensor, clip: float | None = None, dtype: torch.dtype | None = None) -> None:
        self.classes, d = weight.shape
        self.clip, self.clipped = clip, 0
        self.v = weight.to(dtype or weight.dtype, copy=True)
        self.u = torch.eye(d, dtype=torch.float64, device=weight.device)
        self.omega = torch.zeros(d, dtype=torch.float64, device=weight.device)
        self.recompute()

    def recompute(self) -> None:
        """Q = W^T W and wbar = W^T 1 from V: O(D d^2)."""
        total, square = self.v.double().sum(0), self.v.double().T @ self.v.double()
        self.wbar = total @ self.u + self.classes * self.omega
        cross = torch.outer(self.u.T @ total, self.omega)
        self.q = self.u.T @ square @ self.u + cross + cross.T + self.classes * torch.outer(self.omega, self.omega)

    def weight(self) -> Tensor:
        """W, [D, d]: for tests and for use after training."""
        return self.v.double() @ self.u + self.omega

    def rows(self, y: Tensor) -> Tensor:
        """The rows W_c of classes y, [m, d]."""
        return self.v[y].double() @ self.u + self.omega

    def step(self, h: Tensor, y: Tensor, loss: Spherical, lr: float) -> Step:
        """One exact step W <- W - lr sum_i g_i h_i^T on inputs h, [m, d], and classes y, [m].

        Written with examples as rows: h_i is a row of h, and alpha, beta, gamma, s are vectors over examples.
        """
        h = h.double()
        w, hq = self.rows(y), h @ self.q  # W_c and Q h
        target, s, squares = (w * h).sum(1), h @ self.wbar, (h * hq).sum(1)
        losses = loss.of_sums(target, s, squares, self.classes)
        found = loss.coefficients(target, s, squares, self.classes)
        alpha, beta, gamma = found.alpha, self._clipped(found.beta, h, lr), found.gamma
        inputs = torch.outer(alpha, self.wbar) + beta[:, None] * hq + gamma[:, None] * w  # W^T g
        gram = self._gram(alpha, beta, gamma, s, h @ w.T, h @ hq.T, y)

        self.u -= lr * (self.u @ h.T) @ (beta[:, None] * h)
        self.omega = self.omega - lr * (alpha + beta * (h @ self.omega)) @ h
        change = torch.linalg.solve(self.u.T, (gamma[:, None] * h).T).T
        self.v.index_add_(0, y, change.to(self.v.dtype), alpha=-lr)
        cross = inputs.T @ h
        self.q = self.q - lr * (cross + cross.T) + lr**2 * h.T @ gram @ h
        self.wbar = self.wbar - lr * (self.classes * alpha + beta * s + gamma) @ h
        return Step(losses, inputs)

    def _gram(self, alpha: Tensor, beta: Tensor, gamma: Tensor, s: Tensor, n: Tensor, m: Tensor, y: Tensor) -> Tensor:
        """G^T G, [m, m], of the gradients G, [D, m], with n_ij = h_i . w_{c_j} and m_ij = h_i . Q h_j."""
        mixed = torch.outer(alpha, beta * s + gamma) + (beta[:, None] * n) * gamma
        same = (y[:, None] == y).to(alpha.dtype)
        return (
            self.classes * torch.outer(alpha, alpha) + mixed + mixed.T
            + torch.outer(beta, beta) * m + torch.outer(gamma, gamma) * same
        )  # fmt: skip

    def _clipped(self, beta: Tensor, h: Tensor, lr: float) -> Tensor:
        if self.clip is None:
            return beta
        size = (lr * beta).abs() * h.square().sum(1)
        self.clipped += int((size > self.clip).sum())
        return torch.where(size > self.clip, beta * self.clip / size, beta)

    @property
    def condition(self) -> float:
        """The condition number of U."""
        values = torch.linalg.svdvals(self.u)
        return float(values[0] / values[-1])

    def fold(self, low: float = 0.1, high: float = 10.0) -> bool:
        """Put U into V where a singular value of it has left [low, high], and recompute Q and wbar; whether it did."""
        values = torch.linalg.svdvals(self.u)
        if low <= float(values[-1]) and float(values[0]) <= high:
            return False
        self.v = (self.v.double() @ self.u).to(self.v.dtype)
        self.u = torch.eye(len(self.u), dtype=self.u.dtype, device=self.u.device)
        self.recompute()
        return True
