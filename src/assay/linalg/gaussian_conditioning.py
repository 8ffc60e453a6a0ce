"""A Gaussian that is told linear facts: conditioning on G u = b, with noise or exactly.

Everything is computed in double precision whatever comes in: in single precision the constraint itself is lost.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gaussian_linear_conditioning(
    mean: Tensor, cov: Tensor, g: Tensor, b: Tensor, noise: float | Tensor = 0.0
) -> tuple[Tensor, Tensor]:
    """Mean and covariance of u ~ N(mean, cov) given b = G u + e, e ~ N(0, diag(noise)).

        mean' = mean - cov G' S^{-1} (G mean - b),   cov' = cov - cov G' S^{-1} G cov,   S = G cov G' + diag(noise)

    With noise 0, G mean' = b and cov' G' = 0: `cov'` is singular then.

    Source: Bishop (2006), "Pattern Recognition and Machine Learning", Sec. 2.3.3; Hansen et al., arXiv 2302.11002.

    Args:
        mean: [..., n].
        cov: variances [..., n] of independent entries, or covariances [..., n, n]; told apart by the number of axes.
        g: [m, n] or [..., m, n], rows linearly independent.
        b: [..., m].
        noise: variances of the m facts: a number, or [m] or [..., m].

    Returns:
        [..., n] and [..., n, n], float64.
    """
    mean, cov, root, spread, miss = _prepared(mean, cov, g, b, noise)
    return _moved(mean, root, spread, miss), _full(mean, cov) - spread.mT @ spread


def weighted_projection(u: Tensor, cov: Tensor, g: Tensor, b: Tensor) -> Tensor:
    """The point v of {G v = b} that is nearest to u in (v - u)' cov^{-1} (v - u): u - cov G' (G cov G')^{-1} (G u - b).

    It is the mean of `gaussian_linear_conditioning` without noise; with `cov` constant, the orthogonal projection.

    Args:
        u: [..., n].
        cov: [..., n] or [..., n, n], as there.
        g: [m, n] or [..., m, n].
        b: [..., m].

    Returns:
        [..., n], float64.
    """
    mean, _, root, spread, miss = _prepared(u, cov, g, b, 0.0)
    return _moved(mean, root, spread, miss)


def _prepared(
    mean: Tensor, cov: Tensor, g: Tensor, b: Tensor, noise: float | Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Mean and cov in double precision, the Cholesky factor L of S, L^{-1} G cov [..., m, n], and G mean - b."""
    mean, cov, g, b = (x.to(torch.float64) for x in (mean, cov, g, b))
    across = g * cov.unsqueeze(-2) if cov.ndim == mean.ndim else g @ cov
    var = torch.as_tensor(noise, dtype=torch.float64, device=mean.device)
    var = var.expand(g.shape[-2]) if var.ndim == 0 else var
    root = torch.linalg.cholesky(across @ g.mT + torch.diag_embed(var))
    miss = (g @ mean.unsqueeze(-1)).squeeze(-1) - b
    return mean, cov, root, torch.linalg.solve_triangular(root, across, upper=False), miss


def _moved(mean: Tensor, root: Tensor, spread: Tensor, miss: Tensor) -> Tensor:
    step = torch.linalg.solve_triangular(root, miss.unsqueeze(-1), upper=False)
    return mean - (spread.mT @ step).squeeze(-1)


def _full(mean: Tensor, cov: Tensor) -> Tensor:
    return torch.diag_embed(cov) if cov.ndim == mean.ndim else cov
