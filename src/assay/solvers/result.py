"""What every iterative solver returns: the solution with the work that it took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Solution:
    """The outcome of an iterative solve.

    Attributes:
        x: the approximate solution, [n].
        iterations: iterations until the stopping rule held; the cap where it never did.
        matvecs: products with the system's matrix, counted where they are done.
        sweeps: triangular solves of the relaxation, counted where they are done.
        converged: whether the stopping rule held.
    """

    x: NDArray[np.float64]
    iterations: int
    matvecs: int
    sweeps: int
    converged: bool
