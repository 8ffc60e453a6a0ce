"""The log-likelihood of numbers under independent Gaussians."""

from __future__ import annotations

import math

from torch import Tensor


def gaussian_loglik(y: Tensor, mean: Tensor, var: Tensor, least: float = 0.0) -> Tensor:
    """log N(y; mean, var), entry by entry; in nats.

    Args:
        y: observations.
        mean: broadcasts with them.
        var: variances, which may be zero only where `least` is not.
        least: smaller variances count as this one.
    """
    var = var.clamp_min(least)
    return -0.5 * (math.log(2 * math.pi) + var.log() + (y - mean).square() / var)
