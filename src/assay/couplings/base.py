"""What a coupling is: a joint law of two discrete variables whose marginals are given.

Among all couplings the independent one has the largest entropy and the smallest mutual information. Finding the one of
smallest entropy is NP-hard; the parts of this kind are ways to come near it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.registry import Registry

Array = NDArray[np.float64]


class Coupling:
    """Base class of couplings. A coupling is a function without state: equal marginals give equal joint laws."""

    def joint(self, p: Array, q: Array) -> Array:
        """A joint law [n, m] with row sums `p` [n] and column sums `q` [m], each of which sums to one."""
        raise TypeError(f"{type(self).__name__} does not define joint")


def meet(p: Array, q: Array) -> Array:
    """The greatest lower bound of two laws in the majorisation order, [max(n, m)], in descending order.

    Its partial sums are the smaller ones of the two sorted laws' partial sums:
    sum_{i<=k} z_i = min( sum_{i<=k} p_(i), sum_{i<=k} q_(i) ). Every coupling of p and q is majorised by it, so its
    entropy bounds every coupling's from below, and max-seeking is within log2(e) = 1.44 bits of it.

    Source: Cicalese, Gargano, Vaccaro, IEEE Trans. Inf. Theory 65 (2019); the gap: Compton, ISIT 2022.
    """
    size = max(len(p), len(q))
    sums = [np.cumsum(np.sort(np.pad(law, (0, size - len(law))))[::-1]) for law in (p, q)]
    return np.diff(np.minimum(*sums), prepend=0.0)


couplings = Registry("coupling", Coupling)
