"""Neural collapse in numbers: NC1 (within classes), NC2 (frames of the means) and NC3 (classifier against means).

All functions take arrays: features h [N, d] with labels y [N], class means [K, d], Gram matrices [K, K]. Targets of NC2
are compared after both sides are divided by their Frobenius norms, so they test angles and relative lengths, not scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
TINY = np.finfo(float).tiny


def class_means(h: Array, y: Labels, classes: int) -> Array:
    """Means of the features of every class, [K, d], not centred; zero where a class has no rows."""
    sums = np.zeros((classes, h.shape[1]))
    np.add.at(sums, y, h)
    return sums / np.maximum(np.bincount(y, minlength=classes), 1)[:, None]


def within_over_between(h: Array, y: Labels, classes: int, rtol: float = 1e-10) -> float:
    """NC1: tr(Sigma_W pinv(Sigma_B)) / K.

    Sigma_W is the mean over samples of (h - hbar_k)(h - hbar_k)^T, Sigma_B the mean over samples of
    (hbar_k - hbar)(hbar_k - hbar)^T, hbar the mean of all samples. Sigma_B has rank K - 1 at most: the pseudo-inverse
    goes through the singular values of the K means, which are zero below `rtol` of the largest.
    """
    means = class_means(h, y, classes)
    share = np.bincount(y, minlength=classes) / len(y)
    centred = np.sqrt(share)[:, None] * (means - h.mean(0))  # [K, d], Sigma_B = centred^T centred
    _, s, v = np.linalg.svd(centred, full_matrices=False)
    kept = s > rtol * s.max(initial=0.0)
    spread = (h - means[y]) @ v[kept].T / s[kept]
    return float((spread**2).sum() / len(y) / classes)


def frame_distance(gram: Array, target: Array) -> float:
    """NC2, NC3: || G/||G|| - T/||T|| ||_F of two matrices [K, K]; a matrix of zeros stays one."""
    return float(np.linalg.norm(_normalised(gram) - _normalised(target)))


def etf_gram(classes: int) -> Array:
    """I - 11^T/K, [K, K]: the Gram matrix of a simplex equiangular tight frame, up to scale."""
    return np.eye(classes) - 1 / classes


def rows_against_means(weights: Array, means: Array, scale: Array) -> float:
    """NC3 by rows: || A/||A|| - D M/||D M|| ||_F; classifier A and means M [K, d], D = diag(scale [K])."""
    return frame_distance(weights, scale[:, None] * means)


def mean_abs_cosine(means: Array) -> float:
    """The mean of |cos| over all pairs of different class means [K, d]."""
    unit = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), TINY)
    rows, columns = np.triu_indices(len(means), 1)
    return float(np.abs((unit @ unit.T)[rows, columns]).mean())


def _normalised(matrix: Array) -> Array:
    return matrix / max(float(np.linalg.norm(matrix)), TINY)
