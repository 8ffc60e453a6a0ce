"""Step 2 of ProbConserv: condition a prediction on the integral form of the law, and what it is compared with.

A prediction on a grid x_1 < ... < x_n at one time is Gaussian, u ~ N(mu, Sigma), with Sigma diagonal for networks and
full for Gaussian processes. The law says G u = b with G the trapezoid rule and b(t) known from the initial and boundary
values. All methods here are the limit of no noise (s_G -> 0 in the paper), in double precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from assay.linalg.gaussian_conditioning import gaussian_linear_conditioning, weighted_projection

ALPHA = 0.9
"""Correlation of neighbours that the diffusion step assumes, after the published code."""
SHARP = 1e-6
"""Standard deviation that stands for "exactly" where the constraint is a row of a least-squares problem."""


class Gaussian(NamedTuple):
    """A prediction.

    Attributes:
        mean: [n].
        cov: variances [n] of independent entries, or covariances [n, n].
    """

    mean: Tensor
    cov: Tensor

    @property
    def var(self) -> Tensor:
        """The variances, [n]."""
        return self.cov if self.cov.ndim == 1 else self.cov.diagonal()


def probconserv(prior: Gaussian, g: Tensor, b: Tensor) -> Gaussian:
    """mu~ = mu - Sigma G' (G Sigma G')^-1 (G mu - b), Sigma~ = Sigma - Sigma G' (G Sigma G')^-1 G Sigma."""
    return Gaussian(*gaussian_linear_conditioning(prior.mean, prior.cov, g, b))


def hardc(prior: Gaussian, g: Tensor, b: Tensor) -> Gaussian:
    """HardC: the same with Sigma replaced by I in the mean; the covariance stays as it was."""
    return Gaussian(weighted_projection(prior.mean, torch.ones_like(prior.mean), g, b), prior.cov)


def with_diffusion(prior: Gaussian, g: Tensor, b: Tensor) -> Gaussian:
    """Artificial diffusion first: G2 u = 0 for the second difference G2, with noise `roughness`; then G u = b."""
    second = second_difference(len(prior.mean)).to(prior.mean)
    zero = torch.zeros(len(second)).to(prior.mean)
    return probconserv(
        Gaussian(*gaussian_linear_conditioning(prior.mean, prior.cov, second, zero, roughness(prior.var))), g, b
    )


def second_difference(n: int) -> Tensor:
    """G2, [n - 2, n], rows [1, -2, 1]."""
    rows = torch.eye(n, dtype=torch.float64)
    return rows[:-2] - 2 * rows[1:-1] + rows[2:]


def roughness(var: Tensor, alpha: float = ALPHA) -> Tensor:
    """Variance of u_0 - 2 u_1 + u_2 for neighbours whose correlations are alpha and alpha^2, [n - 2].

    v0 + 4 v1 + v2 - 4 alpha sqrt(v0 v1) + 2 alpha^2 sqrt(v0 v2) - 4 alpha sqrt(v1 v2).
    """
    sd = var.sqrt()
    s0, s1, s2 = sd[:-2], sd[1:-1], sd[2:]
    return s0**2 + 4 * s1**2 + s2**2 - 4 * alpha * s0 * s1 + 2 * alpha**2 * s0 * s2 - 4 * alpha * s1 * s2


def nonnegative(prior: Gaussian, g: Tensor, b: Tensor, falling: bool = False) -> Tensor:
    """The mean under G u = b and u >= 0, and u not increasing where `falling`; [n].

    One non-negative least-squares problem with the rows u / sigma = mu / sigma and G u / s = b / s at s = 1e-6, since
    Sigma~ is singular and cannot be whitened. A falling u is the sum of non-negative steps from the right.
    """
    sd = prior.var.sqrt()
    a = torch.cat([torch.diag(1 / sd), g / SHARP])
    y = torch.cat([prior.mean / sd, b / SHARP])
    steps = torch.ones(len(sd), len(sd), dtype=sd.dtype).triu() if falling else torch.eye(len(sd), dtype=sd.dtype)
    found, _ = nnls((a @ steps).numpy(), y.numpy(), maxiter=30 * len(sd))
    return steps @ torch.from_numpy(found)


METHODS: dict[str, Callable[[Gaussian, Tensor, Tensor], Gaussian]] = {
    "step1": lambda prior, g, b: prior,
    "hardc": hardc,
    "probconserv": probconserv,
    "diffused": with_diffusion,
}
"""What is made of one trained step 1."""


def schur(mean: Tensor, cov: Tensor, g: Tensor, b: Tensor, noise: float) -> tuple[NDArray[np.float64], ...]:
    """Independent of the above, in numpy: the joint Gaussian of (u, G u + e), conditioned on its last entries."""
    full = np.asarray(torch.diag(cov) if cov.ndim == 1 else cov)
    m, n = g.shape
    map_ = np.vstack([np.eye(n), np.asarray(g)])
    joint = map_ @ full @ map_.T
    joint[n:, n:] += noise * np.eye(m)
    centre = map_ @ np.asarray(mean)
    inverse = np.linalg.inv(joint[n:, n:])
    return (
        centre[:n] + joint[:n, n:] @ inverse @ (np.asarray(b) - centre[n:]),
        joint[:n, :n] - joint[:n, n:] @ inverse @ joint[n:, :n],
    )


def information_left(prior: Gaussian, posterior: Gaussian) -> float:
    """trace(Sigma^-1 Sigma~), which is n - m in theory: E|u - mu~|^2 in the norm of Sigma^-1."""
    full = torch.diag(prior.cov) if prior.cov.ndim == 1 else prior.cov
    return float(torch.linalg.solve(full, posterior.cov).trace())
