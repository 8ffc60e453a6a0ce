"""The Bures-Wasserstein distance: optimal transport between Gaussians, from means and covariances alone."""

from __future__ import annotations

import torch
from torch import Tensor


def bures_wasserstein_squared(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> Tensor:
    """W2^2 between N(mean1, cov1) and N(mean2, cov2).

    |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1^{1/2} C2 C1^{1/2})^{1/2}. Covariances may be singular.

    Source: Dowson and Landau (1982), "The Frechet distance between multivariate normal distributions".

    Args:
        mean1: [..., D].
        cov1: [..., D, D], symmetric positive semi-definite.
        mean2: [..., D].
        cov2: [..., D, D].

    Returns:
        [...], squared distances.
    """
    root = psd_root(cov1)
    cross = torch.linalg.eigvalsh(root @ cov2 @ root).clamp_min(0).sqrt().sum(-1)
    traces = (cov1 + cov2).diagonal(dim1=-2, dim2=-1).sum(-1)
    # Rounding can leave a tiny negative number where the two agree.
    return ((mean1 - mean2).square().sum(-1) + traces - 2 * cross).clamp_min(0)


def psd_root(matrix: Tensor) -> Tensor:
    """The symmetric root of symmetric positive semi-definite matrices, [..., D, D]."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()[..., None, :]) @ vectors.mT


def conditional_bw_uvp(
    plan: tuple[Tensor, Tensor], truth: tuple[Tensor, Tensor], total_variance: float | Tensor
) -> Tensor:
    """Unexplained variance of a conditional plan, in percent: 100 mean_x0 BW2^2(pi(.|x0), pi*(.|x0)) / (Var(p1) / 2).

    Source: Gushchin et al. (2023), arXiv 2306.10161 (cBW2^2-UVP).

    Args:
        plan: conditional means [B, D] and covariances [B, D, D] at B test points.
        truth: the same of the true plan.
        total_variance: trace of the covariance of the target p1.

    Returns:
        A scalar, in percent of half the variance.
    """
    return 100 * bures_wasserstein_squared(*plan, *truth).mean() / (0.5 * total_variance)
