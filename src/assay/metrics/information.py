"""Entropy and mutual information of discrete laws, in bits.

Nats and bits are easily confused, and 0 log 0 is easily NaN; every paper that counts information counts it here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, rel_entr, xlogy

Array = NDArray[np.float64]

LN2 = math.log(2.0)


def terms(p: ArrayLike) -> Array:
    """-p log2 p elementwise, 0 at 0; the summands of an entropy. Same shape as `p`."""
    return np.asarray(entr(np.asarray(p, dtype=np.float64))) / LN2


def entropy(p: ArrayLike, axis: int | tuple[int, ...] | None = None) -> Array:
    """H(p) = - sum p log2 p, in bits.

    Args:
        p: probabilities that sum to one over `axis`; they are not normalised here.
        axis: the axes to sum over; all of them by default, so that a matrix [n, m] gives its joint entropy.

    Returns:
        `p`'s shape without `axis`; an array of shape () by default.
    """
    return np.asarray(terms(p).sum(axis=axis))


def binary_entropy(p: ArrayLike) -> Array:
    """h(p) = - p log2 p - (1-p) log2 (1-p), in bits, elementwise for p in [0, 1]."""
    p = np.asarray(p, dtype=np.float64)
    return terms(p) + terms(1.0 - p)


def mutual_information(joint: ArrayLike) -> float:
    """I(X;Y) = D( p(x,y) || p(x) p(y) ), in bits, of a joint law [n, m]; never negative beyond rounding."""
    joint = np.asarray(joint, dtype=np.float64)
    rows, columns = joint.sum(axis=1, keepdims=True), joint.sum(axis=0, keepdims=True)
    # The product p(x) p(y) is never formed: that of two tiny masses would underflow and the divergence be infinite.
    return float((rel_entr(joint, rows) - xlogy(joint, columns)).sum()) / LN2


def conditional_entropy(joint: ArrayLike) -> float:
    """H(Y|X) = H(X,Y) - H(X), in bits, of a joint law [n, m] with X in the rows."""
    joint = np.asarray(joint, dtype=np.float64)
    return float(entropy(joint) - entropy(joint.sum(axis=1)))
