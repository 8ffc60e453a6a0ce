"""Label-distributionally robust losses: the worst case over class weights, held back by a divergence to uniform.

The given label is treated as uncertain: nature picks class weights p on the simplex against the learner and pays
lambda * KL(p || 1/K) for leaving the uniform weights. The maximum has a closed form, a log-mean-exp of temperature
lambda, which runs from the Crammer-Singer hinge (lambda -> 0) through cross entropy (1) to a linear, symmetric loss
(infinity). ALDR-KL makes lambda a variable of the inner maximum, one for every training sample.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from assay.errors import UserError
from assay.losses.base import Loss, losses

Normalise = Literal["none", "softplus_mean", "l1"]

SMOOTHING = 1e-5
"""What the official code adds to every class weight, before normalising again, so that no logarithm is infinite."""


def normalised(scores: Tensor, how: Normalise) -> Tensor:
    """Scores on a scale of order one, so that margin and temperature mean the same in every network.

    Both maps keep the order of a sample's scores.

    Args:
        scores: [B, K] raw scores f.
        how: "softplus_mean" is s / mean_k(s) with s = softplus(f); "l1" is f / (mean_k |f| + 1e-8), signs kept.

    Returns:
        [B, K].
    """
    if how == "softplus_mean":
        positive = F.softplus(scores)
        return positive / positive.mean(1, keepdim=True)
    if how == "l1":
        return scores / (scores.abs().mean(1, keepdim=True) + 1e-8)
    return scores


def margins(scores: Tensor, y: Tensor, margin: float) -> Tensor:
    """f_k - f_y + margin * 1[k != y], [B, K]; zero at k = y."""
    column = y[:, None]
    return (scores - scores.gather(1, column) + margin).scatter(1, column, 0.0)


def ldr_kl(scores: Tensor, y: Tensor, lambda_: float | Tensor, margin: float = 0.0) -> Tensor:
    """The closed form of max_p sum_k p_k (f_k - f_y + c_k) - lambda KL(p || 1/K), with c_k = margin * 1[k != y].

    The maximiser is p_k proportional to exp((f_k + c_k) / lambda), and the gradient in f_k is p_k - 1[k = y].

    Args:
        scores: [B, K].
        y: [B] class indices.
        lambda_: temperature, positive, possibly infinite (the mean over classes); a number or [B, 1].
        margin: c.

    Returns:
        [B] values of lambda * log mean_k exp((f_k - f_y + c_k) / lambda).
    """
    gaps = margins(scores, y, margin)
    if isinstance(lambda_, float) and math.isinf(lambda_):
        return gaps.mean(1)
    log_mean_exp = torch.logsumexp(gaps / lambda_, dim=1, keepdim=True) - math.log(scores.shape[1])
    return (lambda_ * log_mean_exp).squeeze(1)


def kl_to_uniform(p: Tensor) -> Tensor:
    """KL(p || 1/K) = log K - H(p), [B, 1], for class weights p [B, K]; between 0 and log K."""
    return torch.xlogy(p, p * p.shape[1]).sum(1, keepdim=True)


def next_temperature(
    scores: Tensor, lambda_: float | Tensor, lambda_0: float, alpha: float, smoothing: float = SMOOTHING
) -> Tensor:
    """One round of the alternation between class weights and temperature.

    p = softmax(f / lambda), then lambda = lambda_0 (1 - KL(p || 1/K) / (alpha log K)), which lies in
    [lambda_0 (1 - 1/alpha), lambda_0]: a sharp p (a confident sample) gets a small temperature.

    Args:
        scores: [B, K] scores; with a margin in them the fixed point is the maximiser of ALDR's objective in lambda.
        lambda_: current temperatures, a number or [B, 1].
        lambda_0: the temperature of a sample about which nothing is known.
        alpha: above 1.
        smoothing: added to p before it is normalised again; 0 for the exact map.

    Returns:
        [B, 1] temperatures.
    """
    p = torch.softmax(scores / lambda_, dim=1)
    if smoothing:
        p = (p + smoothing) / (1 + smoothing * p.shape[1])
    return lambda_0 * (1 - kl_to_uniform(p) / (alpha * math.log(p.shape[1])))


def aldr_kl(scores: Tensor, y: Tensor, lambda_: Tensor, lambda_0: float, alpha: float, margin: float = 0.0) -> Tensor:
    """ALDR-KL at given temperatures: ldr_kl(lambda) - (alpha log K / (2 lambda_0)) (lambda - lambda_0)^2.

    Args:
        scores: [B, K].
        y: [B] class indices.
        lambda_: [B, 1] temperatures; the loss itself is the maximum over them.
        lambda_0: where the penalty on the temperature is zero.
        alpha: strength of the penalty, above 1.
        margin: c.

    Returns:
        [B].
    """
    penalty = 0.5 * alpha * math.log(scores.shape[1]) / lambda_0 * (lambda_ - lambda_0) ** 2
    return ldr_kl(scores, y, lambda_, margin) - penalty.squeeze(1)


def _wide(scores: Tensor) -> Tensor:
    """At least single precision: a temperature of 10 leaves half precision too few digits."""
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores


@losses.register("ldr_kl", source="Zhu, Ying & Yang, ICML 2023 (arXiv 2112.14869)")
class LDRLoss(Loss):
    """LDR-KL: lambda log mean_k exp((s_k - s_y + c 1[k != y]) / lambda) on normalised scores s.

    lambda = 1 and c = 0 without normalisation is cross entropy minus log K; lambda -> 0 is the Crammer-Singer hinge;
    lambda -> infinity is linear and symmetric.

    Args:
        lambda_: temperature, positive.
        margin: c.
        normalise: how scores are put on a fixed scale; see `normalised`.
    """

    def __init__(self, *, lambda_: float = 1.0, margin: float = 0.1, normalise: Normalise = "softplus_mean") -> None:
        super().__init__()
        if not lambda_ > 0:
            raise UserError(f"lambda_ must be positive, not {lambda_}")
        self.lambda_, self.margin, self.normalise = float(lambda_), margin, normalise

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        return ldr_kl(normalised(_wide(scores), self.normalise), y, self.lambda_, self.margin)


@losses.register("aldr_kl", source="Zhu, Ying & Yang, ICML 2023 (arXiv 2112.14869)")
class ALDRLoss(Loss):
    """ALDR-KL: LDR-KL whose temperature is a variable of the inner maximum, one for every training sample.

    A training batch first moves its samples' temperatures by one round (`next_temperature`, without the margin), then
    pays the loss at the new ones, held fixed. Memory is one float a sample, in the buffer `temperatures`.
    Without `index`, or in evaluation mode, nothing is stored.

    Args:
        lambda_0: temperature of a sample about which nothing is known, and the start of all.
        alpha: above 1; temperatures stay in [lambda_0 (1 - 1/alpha), lambda_0].
        margin: c.
        normalise: how scores are put on a fixed scale; see `normalised`.
    """

    temperatures: Tensor

    def __init__(
        self, *, lambda_0: float = 1.0, alpha: float = 2.0, margin: float = 0.1, normalise: Normalise = "l1"
    ) -> None:
        super().__init__()
        if not (lambda_0 > 0 and alpha > 1):
            raise UserError(f"lambda_0 must be positive and alpha above 1, not {lambda_0} and {alpha}")
        self.lambda_0, self.alpha, self.margin, self.normalise = float(lambda_0), float(alpha), margin, normalise
        self.prepare(0, 0)

    def prepare(self, samples: int, classes: int) -> None:
        """One temperature a training sample, all lambda_0."""
        self.register_buffer("temperatures", torch.full((samples,), self.lambda_0))

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]; `index` [B] says whose temperatures move."""
        scaled = normalised(_wide(scores), self.normalise)
        stored = self.lambda_0 if index is None else self.temperatures[index, None]
        moved = next_temperature(scaled.detach(), stored, self.lambda_0, self.alpha)
        if index is not None and self.training:
            self.temperatures[index] = moved.squeeze(1).to(self.temperatures.dtype)
        return aldr_kl(scaled, y, moved, self.lambda_0, self.alpha, self.margin)

    @torch.no_grad()
    def read(self, scores: Tensor, index: Tensor, rounds: int) -> Tensor:
        """The temperatures [B] that `rounds` rounds from the stored ones lead to, for scores [B, K]; stores nothing."""
        scaled = normalised(_wide(scores), self.normalise)
        lambda_ = self.temperatures[index, None]
        for _ in range(rounds):
            lambda_ = next_temperature(scaled, lambda_, self.lambda_0, self.alpha)
        return lambda_.squeeze(1)
