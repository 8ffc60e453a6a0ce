"""Spectra of sample covariances, measured and in the limit of large matrices, in one form that theory can sum over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of X X^T with their shares, for X of N rows and P columns.

    Attributes:
        values: [k] eigenvalues that are not zero by rank, however small they are.
        weights: [k] the share of the N directions that each stands for.
        zero: the share of directions outside the span of X, max(1 - P/N, 0).
        alpha: P/N.
    """

    values: Array
    weights: Array
    zero: float
    alpha: float

    @classmethod
    def of(cls, x: Array) -> Spectrum:
        """That of a matrix X, [N, P]."""
        n, p = x.shape
        # By torch, whose threads a run sets: numpy's own fight over the cores where several runs go side by side.
        rows = torch.from_numpy(np.ascontiguousarray(x if n <= p else x.T))
        values = torch.linalg.eigvalsh(rows @ rows.T).numpy()  # the smaller Gram matrix has them all
        return cls(values, np.full(len(values), 1 / n), max(1 - p / n, 0.0), p / n)

    @classmethod
    def marchenko_pastur(cls, alpha: float, nodes: int = 2000) -> Spectrum:
        """The limit N -> infinity at P/N = alpha for independent entries of mean 0 and variance 1/N.

        Density sqrt((lam_+ - lam)(lam - lam_-)) / (2 pi lam) between the edges (1 +- sqrt(alpha))^2. The values are
        nodes of a quadrature, evenly spaced in theta with lam = 1 + alpha + 2 sqrt(alpha) cos(theta), which converges
        exponentially away from alpha = 1.

        Source: Marchenko and Pastur (1967), "Distribution of eigenvalues for some sets of random matrices".
        """
        theta = (np.arange(nodes) + 0.5) * math.pi / nodes
        values = 1 + alpha + 2 * math.sqrt(alpha) * np.cos(theta)
        weights = 2 * alpha * np.sin(theta) ** 2 / (math.pi * values) * (math.pi / nodes)
        return cls(values, weights, max(1 - alpha, 0.0), alpha)


def edges(alpha: float) -> tuple[float, float]:
    """The least eigenvalue that is not zero and the largest, (1 -+ sqrt(alpha))^2."""
    return (1 - math.sqrt(alpha)) ** 2, (1 + math.sqrt(alpha)) ** 2


def density(values: Array, alpha: float) -> Array:
    """The density of the limit at `values`, without the point mass max(1 - alpha, 0) at 0."""
    low, high = edges(alpha)
    inside = np.clip((high - values) * (values - low), 0, None)
    return np.sqrt(inside) / (2 * math.pi * values)
