"""Greedy couplings: repeatedly match a remaining mass of one law with one of the other.

Each match uses up a row or a column, so a coupling of n and m symbols has at most n + m - 1 entries.
"""

from __future__ import annotations

import heapq

import numpy as np

from assay.couplings.base import Array, Coupling, couplings

TIE = 1e-15
"""Gaps between masses that differ by less than rounding count as equal."""


@couplings.register(
    "max_seeking", source="Kocaoglu et al., AAAI 2017; within .53 bits of the optimum: arXiv 2302.11838"
)
class MaxSeeking(Coupling):
    """Matches the largest remaining masses of both laws; ties go to the lower index. O(n log n)."""

    def joint(self, p: Array, q: Array) -> Array:
        """The coupling, [n, m]; its marginals are exact to rounding."""
        table = np.zeros((len(p), len(q)))
        rows = [(-mass, i) for i, mass in enumerate(p.tolist()) if mass > 0]
        columns = [(-mass, j) for j, mass in enumerate(q.tolist()) if mass > 0]
        heapq.heapify(rows)
        heapq.heapify(columns)
        i = j = 0
        while rows and columns:
            (a, i), (b, j) = rows[0], columns[0]  # masses are negative: the heap's least is the largest mass
            mass = max(a, b)
            table[i, j] = -mass
            _use(rows, a - mass, i)
            _use(columns, b - mass, j)
        # Sums that differ in their last digits leave a remainder; a row or column must not lose its mass to that.
        for mass, row in rows:
            table[row, j] -= mass
        for mass, column in columns:
            table[i, column] -= mass
        return table


@couplings.register("zero_seeking", source="arXiv 2410.21666")
class ZeroSeeking(Coupling):
    """Matches the two remaining masses that are closest to equal, so that both are nearly used up; ties go to the
    largest mass, then to the lower index. O(n m (n + m)).

    The paper's text for this variant could not be read; this is a reconstruction from its name and its aim.
    """

    def joint(self, p: Array, q: Array) -> Array:
        """The coupling, [n, m]; its marginals are exact to rounding."""
        table = np.zeros((len(p), len(q)))
        rows, columns = p.astype(np.float64), q.astype(np.float64)
        for _ in range(len(p) + len(q) - 1):
            active = (rows[:, None] > 0) & (columns[None, :] > 0)
            if not active.any():
                break
            gap = np.where(active, np.abs(rows[:, None] - columns[None, :]), np.inf)
            mass = np.minimum(rows[:, None], columns[None, :])
            i, j = np.unravel_index(np.argmax(np.where(gap <= gap.min() + TIE, mass, -1.0)), gap.shape)
            used = mass[i, j]
            table[i, j] += used
            rows[i] -= used
            columns[j] -= used
        # As above: rounding must not cost a row or column its mass.
        table[:, j] += rows
        table[i, :] += columns
        return table


def _use(heap: list[tuple[float, int]], rest: float, index: int) -> None:
    """Replace the heap's top by what is left of it."""
    if rest < 0:
        heapq.heapreplace(heap, (rest, index))
    else:
        heapq.heappop(heap)
