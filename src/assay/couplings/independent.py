"""The product of the marginals: the coupling that tells nothing."""

from __future__ import annotations

import numpy as np

from assay.couplings.base import Array, Coupling, couplings


@couplings.register("independent")
class Independent(Coupling):
    """C = p q^T: entropy H(p) + H(q), the largest of all couplings, and no mutual information."""

    def joint(self, p: Array, q: Array) -> Array:
        """The outer product, [n, m]."""
        return np.outer(p, q)
