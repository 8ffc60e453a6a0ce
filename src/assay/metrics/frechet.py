"""The Frechet distance between two samples: how far apart their means and covariances are, in given features."""

from __future__ import annotations

from torch import Tensor

from assay.metrics.bures_wasserstein import bures_wasserstein_squared


def frechet_distance(x: Tensor, y: Tensor) -> Tensor:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^{1/2}), squared as in FID, with covariances 1/(n - 1).

    Source: Heusel et al. (2017), arXiv 1706.08500.

    Args:
        x: [n, F] features of one sample.
        y: [m, F] features of the other.

    Returns:
        A scalar.
    """
    x, y = x.double(), y.double()
    return bures_wasserstein_squared(x.mean(0), x.T.cov(), y.mean(0), y.T.cov())
