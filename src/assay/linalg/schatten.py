"""Schatten quasi-norms: what decay on the layers of a linear network costs, in terms of the product alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def schatten_power(z: Array, p: float) -> float:
    """sum_i s_i(Z)^p over the singular values of Z [m, n], p > 0: the p-th power of the Schatten p-(quasi-)norm.

    The cheapest factorisation of Z into L factors of at least its rank satisfies
    min over W_L ... W_1 = Z of sum_j ||W_j||_F^2 = L sum_i s_i(Z)^(2/L).
    """
    s = np.linalg.svd(z, compute_uv=False)
    # A singular value that is zero comes out as 1e-17, whose small power is anything but zero.
    s = s[s > max(z.shape) * np.finfo(float).eps * s.max(initial=0.0)]
    return float((s**p).sum())


def schatten_norm(z: Array, p: float) -> float:
    """(sum_i s_i(Z)^p)^(1/p): the trace norm for p = 1, Frobenius for p = 2, a quasi-norm below 1."""
    return schatten_power(z, p) ** (1 / p)
