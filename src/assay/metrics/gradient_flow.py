"""A linear model under gradient flow, at any time at once, through the singular values of its features.

Theory papers train the readout of fixed features. Its whole course is known in closed form, and with it the course of
every prediction; the ridge solutions share the decomposition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LinearFlow:
    """dv/dt = Phi^T (y - Phi v) from v(0) = 0, in the singular basis of Phi = U diag(s) V^T.

    v(t) = V diag((1 - e^{-s^2 t}) / s) U^T y; directions outside the span of the rows of Phi are never entered.

    Attributes:
        right: [features, r], V.
        values: [r], s; r = min(rows, features) whatever their size, because small ones are real.
        projected: [r], U^T y.
        outside: ||y||^2 - ||U^T y||^2, what no v can fit.
    """

    right: Tensor
    values: Tensor
    projected: Tensor
    outside: Tensor

    @classmethod
    def fit(cls, phi: Tensor, y: Tensor) -> LinearFlow:
        """Decompose features [rows, features] for labels [rows]."""
        u, s, vh = torch.linalg.svd(phi, full_matrices=False)
        projected = u.T @ y
        return cls(vh.T, s, projected, (y - u @ projected).square().sum())

    def fractions(self, times: Tensor) -> Tensor:
        """1 - e^{-s^2 t}, how much of each direction is learned: [T, r] at times [T], which may be infinite."""
        return -torch.expm1(-times[:, None] * self.values.square())

    def coordinates(self, times: Tensor) -> Tensor:
        """V^T v(t), [T, r]."""
        return self.fractions(times) / self.values * self.projected

    def weights(self, times: Tensor) -> Tensor:
        """v(t), [T, features]."""
        return self.coordinates(times) @ self.right.T

    def norms(self, times: Tensor) -> Tensor:
        """||v(t)||, [T]."""
        return self.coordinates(times).norm(dim=1)

    def residuals(self, times: Tensor) -> Tensor:
        """||y - Phi v(t)||^2, [T]."""
        left = (1 - self.fractions(times)) * self.projected
        return left.square().sum(1) + self.outside

    def ridge(self, penalties: Sequence[float]) -> Tensor:
        """V^T v of the minimisers of ||y - Phi v||^2 + g ||v||^2, [penalties, r]: the ridge path in this basis."""
        g = torch.tensor(list(penalties), dtype=self.values.dtype, device=self.values.device)[:, None]
        return self.values / (self.values.square() + g) * self.projected

    def predictions(self, phi: Tensor, coordinates: Tensor) -> Tensor:
        """Outputs [rows, k] on features [rows, features] for coordinates [k, r] of `coordinates` or `ridge`."""
        return phi @ self.right @ coordinates.T
