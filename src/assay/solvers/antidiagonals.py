"""Triangular solves on a square grid for many systems at once.

The 5-point stencil couples a point to its four neighbours, so in the natural ordering the points of one anti-diagonal
i + j = k depend on those of the one before it alone. Sweeping diagonal by diagonal does the arithmetic of the natural
ordering and leaves two axes to vectorise over: the points of a diagonal and the systems (columns). Systems may differ
in their constant diagonal and in their relaxation parameter; the off-diagonal entries are -1.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class AntiDiagonals:
    """The points of a side x side grid ordered by anti-diagonals, and the sweeps of the 5-point stencil in this order.

    All methods work in place on arrays [side^2, columns] in anti-diagonal order. L is the strictly lower triangle of
    the stencil matrix in the natural ordering (entries -1), U = L^T.

    Attributes:
        order: [side^2], the natural index (row * side + column) of each point in anti-diagonal order.
    """

    def __init__(self, side: int) -> None:
        rows, columns = np.divmod(np.arange(side * side), side)
        self.order = np.lexsort((rows, rows + columns))
        lengths = [min(k + 1, side, 2 * side - 1 - k) for k in range(2 * side - 1)]
        stops = np.cumsum(lengths)
        diagonals = [slice(int(stop - length), int(stop)) for stop, length in zip(stops, lengths, strict=True)]
        self.first, self.last = diagonals[0], diagonals[-1]
        forward = list(itertools.pairwise(diagonals))
        # (diagonal, its two neighbour slices on the diagonal before or after it)
        self.down = [(target, *_neighbours(source, target)) for source, target in forward]
        self.up = [(source, *_neighbours(target, source)) for source, target in reversed(forward)]

    def lower(self, y: Array, inverse: Array) -> Array:
        """Solve (D + L) x = y in place; `inverse` [columns] holds 1 / the diagonal D of each column."""
        return self._solve(y, inverse, self.first, self.down)

    def upper(self, y: Array, inverse: Array) -> Array:
        """Solve (D + U) x = y in place."""
        return self._solve(y, inverse, self.last, self.up)

    def subtract_lower(self, x: Array, out: Array) -> Array:
        """out <- out - L x."""
        return _gather(x, out, self.down)

    def subtract_upper(self, x: Array, out: Array) -> Array:
        """out <- out - U x."""
        return _gather(x, out, self.up)

    def multiply(self, x: Array, diagonal: Array) -> Array:
        """A x = (D + L + U) x as a new array; `diagonal` [columns] is D."""
        out = -diagonal * x
        _gather(x, out, self.down)
        _gather(x, out, self.up)
        return np.negative(out, out=out)

    @staticmethod
    def _solve(y: Array, inverse: Array, first: slice, steps: list[_Step]) -> Array:
        y[first] *= inverse
        for target, (to_a, from_a), (to_b, from_b) in steps:
            y[to_a] += y[from_a]
            y[to_b] += y[from_b]
            y[target] *= inverse
        return y


_Pair = tuple[slice, slice]
_Step = tuple[slice, _Pair, _Pair]


def _gather(x: Array, out: Array, steps: list[_Step]) -> Array:
    for _, (to_a, from_a), (to_b, from_b) in steps:
        out[to_a] += x[from_a]
        out[to_b] += x[from_b]
    return out


def _neighbours(source: slice, target: slice) -> tuple[_Pair, _Pair]:
    """Which points of `source` add to which of `target`: every point of the shorter diagonal has two neighbours."""
    grows = (target.stop - target.start) > (source.stop - source.start)
    if grows:
        return (slice(target.start, target.stop - 1), source), (slice(target.start + 1, target.stop), source)
    return (target, slice(source.start, source.stop - 1)), (target, slice(source.start + 1, source.stop))
