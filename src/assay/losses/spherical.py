"""The spherical family: losses that see the scores through the target's score, their sum and their sum of squares.

With o the D scores, c the target, s = sum o_k and q = sum o_k^2, such a loss is a function of (o_c, s, q), and its
gradient is alpha 1 + beta o + gamma e_c with three numbers. That is what lets an output layer be trained at a cost that
does not depend on D (`assay.linalg.FactoredSphericalLinear`; Vincent et al., arXiv 1412.7091).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from assay.errors import UserError
from assay.losses.base import Loss, losses


class Coefficients(NamedTuple):
    """dL/do = alpha 1 + beta o + gamma e_c; each [batch]."""

    alpha: Tensor
    beta: Tensor
    gamma: Tensor


class SphericalLoss(Loss):
    """Base class of the family."""

    @abstractmethod
    def of_sums(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Tensor:
        """The losses, [batch], from o_c, s and q, each [batch], of D = `classes` scores."""

    @abstractmethod
    def coefficients(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Coefficients:
        """The gradient's three numbers, in closed form."""

    def ranking(self, scores: Tensor) -> Tensor:
        """What classes are ranked by, [batch, classes], larger first: the scores, or what is monotone in p_k."""
        return scores

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses, [batch], of scores [batch, classes] and classes y [batch]."""
        target = scores.gather(1, y[:, None])[:, 0]
        return self.of_sums(target, scores.sum(1), scores.square().sum(1), scores.shape[1])


@losses.register("z_loss", source="arXiv 1604.08859")
class ZLoss(SphericalLoss):
    """softplus(a (b - z_c)) / a with z_c = (o_c - mu) / sigma, the standard score of the target among the D scores.

    mu and sigma are the mean and the (biased, 1/D) standard deviation of the scores, so the loss does not change when
    all scores are shifted or scaled, and z_c is at most sqrt(D - 1). There are no probabilities: no perplexity either.

    Args:
        a: sharpness; for a large a the loss is the hinge max(0, b - z_c).
        b: the standard score that is asked for.
    """

    def __init__(self, *, a: float = 1.0, b: float = 0.0) -> None:
        super().__init__()
        if not a > 0:
            raise UserError(f"loss.a={a}: expected a positive number")
        self.a, self.b = float(a), float(b)

    def of_z(self, z: Tensor) -> Tensor:
        """The losses from the standard scores of the targets."""
        return F.softplus(self.a * (self.b - z)) / self.a

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses; sigma in two passes, as q/D - mu^2 cancels where the mean is large."""
        centred = scores - scores.mean(1, keepdim=True)
        sigma = (centred.square().mean(1) + TINY**2).sqrt()
        return self.of_z(centred.gather(1, y[:, None])[:, 0] / sigma)

    def of_sums(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Tensor:
        """From o_c, s and q; in double precision, if the mean is not small against sigma."""
        mu, sigma = _moments(s, q, classes)
        return self.of_z((target - mu) / sigma)

    def coefficients(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Coefficients:
        """The gradient, with rho = sigmoid(a (b - z_c)).

        gamma = -rho / sigma,  beta = rho z_c / (D sigma^2),  alpha = rho / (D sigma) - beta mu.
        """
        mu, sigma = _moments(s, q, classes)
        z = (target - mu) / sigma
        rho = torch.sigmoid(self.a * (self.b - z))
        beta = rho * z / (classes * sigma**2)
        return Coefficients(rho / (classes * sigma) - beta * mu, beta, -rho / sigma)


@losses.register("spherical_squared", source="arXiv 1412.7091")
class SphericalSquaredError(SphericalLoss):
    """The squared distance to the one-hot target, q - 2 o_c + 1."""

    def of_sums(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Tensor:
        """q - 2 o_c + 1."""
        return q - 2 * target + 1

    def coefficients(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Coefficients:
        """(0, 2, -2)."""
        zero = torch.zeros_like(target)
        return Coefficients(zero, zero + 2, zero - 2)


@losses.register("log_taylor_softmax", source="arXiv 1511.05042")
class LogTaylorSoftmax(SphericalLoss):
    """-log p_c with p_k in proportion to 1 + o_k + o_k^2 / 2, the exponential's Taylor polynomial (always positive)."""

    def of_sums(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Tensor:
        """log(D + s + q/2) - log(1 + o_c + o_c^2/2)."""
        return (classes + s + q / 2).log() - (1 + target + target**2 / 2).log()

    def coefficients(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Coefficients:
        """alpha = beta = 1 / (D + s + q/2), gamma = -(1 + o_c) / (1 + o_c + o_c^2/2)."""
        inverse = 1 / (classes + s + q / 2)
        return Coefficients(inverse, inverse, -(1 + target) / (1 + target + target**2 / 2))

    def ranking(self, scores: Tensor) -> Tensor:
        """1 + o + o^2/2, which grows again below o = -1."""
        return 1 + scores + scores**2 / 2


@losses.register("log_spherical_softmax", source="arXiv 1511.05042")
class LogSphericalSoftmax(SphericalLoss):
    """-log p_c with p_k in proportion to o_k^2 + eps.

    Args:
        eps: positive.
    """

    def __init__(self, *, eps: float = 1e-2) -> None:
        super().__init__()
        self.eps = eps

    def of_sums(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Tensor:
        """log(q + D eps) - log(o_c^2 + eps)."""
        return (q + classes * self.eps).log() - (target**2 + self.eps).log()

    def coefficients(self, target: Tensor, s: Tensor, q: Tensor, classes: int) -> Coefficients:
        """alpha = 0, beta = 2 / (q + D eps), gamma = -2 o_c / (o_c^2 + eps)."""
        return Coefficients(
            torch.zeros_like(target), 2 / (q + classes * self.eps), -2 * target / (target**2 + self.eps)
        )

    def ranking(self, scores: Tensor) -> Tensor:
        """o^2: the sign of a score does not matter."""
        return scores**2


TINY = 1e-12
"""Its square is added to the variance, which is 0 where all scores are equal: sigma has a gradient there too."""


def _moments(s: Tensor, q: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the scores."""
    mu = s / classes
    return mu, ((q / classes - mu**2).clamp_min(0) + TINY**2).sqrt()
