"""Scores that can be written down: what a diffusion model learns is compared with them, or taught by them.

Each is that of a law of x_0 with noise added, x_sigma = x_0 + sigma e, and is given through its denoiser
D(x, sigma) = E[x_0 | x_sigma = x]: the score is (D - x) / sigma^2. Use double precision: densities are exponentials of
squared distances over sigma^2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

ROWS = 256
"""Points handled at once where every point meets every component."""


class Score:
    """Base class; a subclass gives `denoise` and `log_density`."""

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """D(x, sigma), [B, D] for [B, D]."""
        raise TypeError(f"{type(self).__name__} does not denoise")

    def log_density(self, x: Tensor, sigma: float) -> Tensor:
        """log p_sigma(x), [B] for [B, D]."""
        raise TypeError(f"{type(self).__name__} has no density")

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """The score, the gradient of `log_density`, [B, D]."""
        return (self.denoise(x, sigma) - x) / sigma**2


class GaussianScore(Score):
    """N(mu, Sigma) with Sigma = U diag(lambda) U^T, so that no noise level needs an inverse.

    Args:
        mean: mu, [D].
        variances: lambda, [R].
        basis: U, [D, R] with orthonormal columns, outside of which there is no variance; None for the identity.
    """

    def __init__(self, mean: Tensor, variances: Tensor, basis: Tensor | None = None) -> None:
        self.mean, self.variances, self.basis = mean, variances, basis

    @classmethod
    def of(cls, rows: Tensor) -> GaussianScore:
        """Mean and covariance (1/N) of rows [N, D]; eigenvalues ascend, and there are at most N."""
        return cls(*moments(rows))

    @classmethod
    def isotropic(cls, mean: Tensor, variance: float) -> GaussianScore:
        """The same variance in every direction; 0 for a point mass, whose score is (mu - x) / sigma^2."""
        return cls(mean, torch.full_like(mean, variance))

    def coordinates(self, x: Tensor) -> Tensor:
        """U^T (x - mu), [B, R]."""
        return x - self.mean if self.basis is None else (x - self.mean) @ self.basis

    def point(self, c: Tensor) -> Tensor:
        """mu + U c, [B, D]."""
        return self.mean + (c if self.basis is None else c @ self.basis.T)

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """mu + U diag(lambda / (lambda + sigma^2)) U^T (x - mu)."""
        return self.point(self.variances / (self.variances + sigma**2) * self.coordinates(x))

    def flow(self, x: Tensor, start: float, end: float) -> Tensor:
        """The probability-flow ODE from noise level `start` to `end`, in closed form.

        d ln c_k / d sigma = sigma / (lambda_k + sigma^2) gives c_k(end) = sqrt((lambda_k + end^2) / (lambda_k +
        start^2)) c_k(start); where there is no variance the factor is end / start.
        """
        empty = end / start
        factor = ((self.variances + end**2) / (self.variances + start**2)).sqrt()
        return empty * (x - self.mean) + self.point((factor - empty) * self.coordinates(x))

    def log_density(self, x: Tensor, sigma: float) -> Tensor:
        """log N(x | mu, Sigma + sigma^2 I)."""
        total, left_out = self.variances + sigma**2, x.shape[1] - len(self.variances)
        log_det = total.log().sum() + left_out * math.log(sigma**2)
        # |x - mu|^2 / sigma^2 is right where there is no variance; elsewhere it is too much by this.
        excess = (self.coordinates(x).square() * self.variances / total).sum(1)
        mahalanobis = ((x - self.mean).square().sum(1) - excess) / sigma**2
        return -0.5 * (mahalanobis + log_det + x.shape[1] * math.log(2 * math.pi))


class DeltaMixtureScore(Score):
    """The law that puts 1/N on each of N points: the exact score of a noised training set.

    Args:
        points: y, [N, D].
    """

    def __init__(self, points: Tensor) -> None:
        self.points, self.half_squares = points, points.square().sum(1) / 2

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """sum_i w_i y_i with w = softmax(-|x - y_i|^2 / (2 sigma^2))."""
        return torch.cat([self._logits(part, sigma).softmax(1) @ self.points for part in x.split(ROWS)])

    def log_density(self, x: Tensor, sigma: float) -> Tensor:
        """log (1/N sum_i N(x | y_i, sigma^2 I))."""
        n, d = self.points.shape
        sums = torch.cat([self._logits(part, sigma).logsumexp(1) for part in x.split(ROWS)])
        return sums - x.square().sum(1) / (2 * sigma**2) - math.log(n) - d / 2 * math.log(2 * math.pi * sigma**2)

    def _logits(self, x: Tensor, sigma: float) -> Tensor:
        """-|x - y_i|^2 / (2 sigma^2) up to what all i share, [B, N]."""
        return (x @ self.points.T - self.half_squares) / sigma**2


class GMMScore(Score):
    """A mixture of K Gaussians N(mu_k, U_k diag(lambda_k) U_k^T), of full or of low rank R.

    Args:
        weights: pi, [K], positive.
        means: mu, [K, D].
        variances: lambda, [K, R].
        bases: U, [K, D, R] with orthonormal columns (or zero ones, without variance).
    """

    def __init__(self, weights: Tensor, means: Tensor, variances: Tensor, bases: Tensor) -> None:
        self.log_weights = (weights / weights.sum()).log()
        self.means, self.variances, self.bases = means, variances, bases

    @classmethod
    def of(cls, weights: Tensor, means: Tensor, covariances: Tensor) -> GMMScore:
        """From covariances [K, D, D]."""
        variances, bases = torch.linalg.eigh(covariances)
        return cls(weights, means, variances.clamp_min(0), bases)

    @classmethod
    def clusters(cls, rows: Tensor, labels: Tensor, rank: int | None = None) -> GMMScore:
        """Shares, means and covariances (1/n_k) of the clusters that `labels` [N] make of `rows` [N, D].

        Args:
            rows: the data.
            labels: the cluster of each row; clusters without rows are left out.
            rank: leading eigenpairs kept of every covariance; all if None.
        """
        parts = [rows[labels == k] for k in labels.unique()]
        weights = torch.tensor([len(part) for part in parts]).to(rows)
        means, variances, bases = zip(*map(moments, parts), strict=True)
        most = min(max(map(len, variances)), rank or rows.shape[1])
        # Columns of zeros, without variance, fill up what smaller clusters lack.
        kept = [F.pad(v[-most:], (most - len(v[-most:]), 0)) for v in variances]
        turned = [F.pad(u[:, -most:], (most - u[:, -most:].shape[1], 0)) for u in bases]
        return cls(weights, torch.stack(means), torch.stack(kept), torch.stack(turned))

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """sum_k w_k D_k, w = softmax(log pi_k + log N(x | mu_k, Sigma_k + sigma^2 I)), D_k the component's own."""
        return torch.cat([self._denoise(part, sigma) for part in x.split(ROWS)])

    def _denoise(self, x: Tensor, sigma: float) -> Tensor:
        apart = x - self.means[:, None]  # [K, B, D]
        c = apart @ self.bases
        weights = self._logits(apart, c, sigma).softmax(0)
        shrunk = (self.variances / (self.variances + sigma**2))[:, None] * c
        own = self.means[:, None] + shrunk @ self.bases.mT
        return (weights[..., None] * own).sum(0)

    def log_density(self, x: Tensor, sigma: float) -> Tensor:
        """log sum_k pi_k N(x | mu_k, Sigma_k + sigma^2 I)."""
        constant = x.shape[1] / 2 * math.log(2 * math.pi)
        parts = (part - self.means[:, None] for part in x.split(ROWS))
        return torch.cat([self._logits(apart, apart @ self.bases, sigma).logsumexp(0) for apart in parts]) - constant

    def _logits(self, apart: Tensor, c: Tensor, sigma: float) -> Tensor:
        """log pi_k - log det(Sigma_k + sigma^2 I) / 2 - Mahalanobis / 2, [K, B], for x - mu_k and U_k^T (x - mu_k)."""
        total = self.variances + sigma**2
        left_out = apart.shape[2] - self.variances.shape[1]
        log_det = total.log().sum(1) + left_out * math.log(sigma**2)
        # Outside of the kept directions the variance is sigma^2: |x - mu|^2 / sigma^2 less what they have too much.
        excess = (c.square() * (self.variances / total)[:, None]).sum(2)
        mahalanobis = (apart.square().sum(2) - excess) / sigma**2
        return (self.log_weights - log_det / 2)[:, None] - mahalanobis / 2


def moments(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of rows [N, D]: mean [D], ascending eigenvalues [R] and eigenvectors [D, R] of the covariance with 1/N.

    R is D, or N where there are fewer rows; what is left out has no variance.
    """
    n, d = rows.shape
    mean = rows.mean(0)
    centred = rows - mean
    if n < d:
        _, singular, right = torch.linalg.svd(centred, full_matrices=False)
        return mean, singular.square().flip(0) / n, right.T.flip(1)
    variances, basis = torch.linalg.eigh(centred.T @ centred / n)
    return mean, variances.clamp_min(0), basis
