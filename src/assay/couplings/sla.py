"""Successive linearisation: minimise the concave entropy by a sequence of linear programs over the couplings."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from assay.couplings.base import Array, Coupling, couplings


@couplings.register("sla", source="Horst and Tuy, Global Optimization; as a baseline in arXiv 2410.21666")
class SuccessiveLinearisation(Coupling):
    """C <- argmin over couplings C' of sum_ij C'_ij (-log C_ij), from the independent coupling, until it repeats.

    -log C_ij is the entropy's gradient up to a constant, which the fixed total mass makes irrelevant. At the
    independent coupling the cost -log p_i - log q_j is the same for every coupling: the first program is degenerate,
    and the vertex where the solver starts decides what follows.

    Args:
        iterations: the largest number of linear programs.
        floor: stands in for an empty cell's mass inside the logarithm.
    """

    def __init__(self, *, iterations: int = 20, floor: float = 1e-12) -> None:
        self.iterations, self.floor = iterations, floor

    def joint(self, p: Array, q: Array) -> Array:
        """The coupling, [n, m]; its marginals are exact to the solver's tolerance, in practice to 1e-14."""
        n, m = len(p), len(q)
        # Row i: sum_j C_ij = p_i; column j: sum_i C_ij = q_j. One of the n + m equations follows from the others.
        rows = sparse.kron(sparse.eye_array(n), np.ones((1, m)))
        columns = sparse.kron(np.ones((1, n)), sparse.eye_array(m))
        equations = sparse.vstack([rows, columns], format="csc")[:-1]
        right = np.concatenate([p, q])[:-1]
        table = np.outer(p, q)
        for _ in range(self.iterations):
            cost = -np.log(np.maximum(table, self.floor)).ravel()
            found = linprog(cost, A_eq=equations, b_eq=right, bounds=(0, None), method="highs-ds")
            if found.x is None:
                raise ArithmeticError(f"no coupling found: {found.message}")
            new = np.maximum(found.x, 0.0).reshape(n, m)
            if np.allclose(new, table, rtol=0, atol=1e-12):
                break
            table = new
        return table
