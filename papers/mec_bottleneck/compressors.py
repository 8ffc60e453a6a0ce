"""Compressors: deterministic maps of a finite alphabet to fewer cells under an entropy limit (the encoder X -> T).

For T = g(X) the information kept is I(X;T) = H(T), so an encoder wants H(g(X)) as large as the limit R allows:
entropy-bounded information maximisation (EBIM). A map is given as labels: symbol x goes to cell `labels[x]`.

A receiver rebuilds the map from the law alone, so it is a pure function of it: masses are sorted in descending order
and ties are broken by index.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from assay.metrics.information import entropy, terms
from assay.registry import Registry

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

SLACK = 1e-12
"""Bits by which an entropy may exceed the limit: sums of the same masses in another order differ by less."""


class Compressor:
    """Base class of compressors, stateless."""

    def labels(self, p: Array, rate: float) -> Labels:
        """The cell of each symbol, [n], for masses `p` [n] that sum to one and a limit H(T) <= `rate` in bits.

        Symbols without mass never occur; their cell is arbitrary.
        """
        raise TypeError(f"{type(self).__name__} does not define labels")


compressors = Registry("compressor", Compressor)


def cell_masses(p: Array, labels: Labels) -> Array:
    """The law of T = g(X), [cells]."""
    return np.asarray(np.bincount(labels, weights=p), dtype=np.float64)


def encoder_joint(p: Array, labels: Labels) -> Array:
    """The joint law of X and T = g(X), [n, cells]."""
    table = np.zeros((len(p), int(labels.max()) + 1))
    table[np.arange(len(p)), labels] = p
    return table


@compressors.register("none")
class NoCompression(Compressor):
    """T = X whatever the limit says."""

    def labels(self, p: Array, rate: float) -> Labels:
        """Every symbol its own cell."""
        return np.arange(len(p))


class SortedCompressor(Compressor):
    """Base of compressors that see only the sorted positive masses, and keep all symbols apart where H(X) <= R."""

    def labels(self, p: Array, rate: float) -> Labels:
        """See `Compressor.labels`; the subclass labels the sorted masses."""
        if float(entropy(p)) <= rate + SLACK:
            return np.arange(len(p))
        order = np.argsort(-p, kind="stable")
        support = int(np.count_nonzero(p))
        found = np.zeros(len(p), dtype=np.int64)
        found[order[:support]] = self.merge(p[order[:support]], rate + SLACK)
        return found

    def merge(self, p: Array, rate: float) -> Labels:
        """Cells of the masses `p` [k], positive and in descending order, whose entropy exceeds `rate`."""
        raise TypeError(f"{type(self).__name__} does not define merge")


@compressors.register("greedy", source="arXiv 2410.21666, Algorithm 1")
class GreedyEBIM(SortedCompressor):
    """Algorithm 1: H(X) >= R implies R - I(X;T) <= h(p_2), the binary entropy of the second largest mass.

    State k has the k most probable symbols in one cell, the blob, and the others alone. For k = 1, 2, ... two merges
    are tried: the two smallest cells, which costs little and ends the search; else the next symbol joins the blob,
    which leads to state k + 1. The first result with H(T) <= R is taken. O(n log n) by cumulative sums.
    """

    def merge(self, p: Array, rate: float) -> Labels:
        """The first state that fits, with its two smallest cells merged if that already fits."""
        n, each = len(p), terms(p)
        rest = np.append(np.cumsum(each[::-1])[::-1][1:], 0.0)  # sum over i > k of -p_i log p_i
        blob = terms(np.minimum(np.cumsum(p), 1.0)) + rest  # H of state k, k = 1..n
        saved = float(each[-2] + each[-1] - terms(p[-2] + p[-1]))
        pair = blob[:-1] - saved  # H of state k after merging its two smallest cells
        pair[-1] = 0.0  # state n-1 has but two cells
        k = int(np.argmax((pair <= rate) | (blob[1:] <= rate)))  # state k + 1 in the words above
        cells = np.maximum(np.arange(n) - k, 0)
        if pair[k] <= rate:
            cells[-1] = cells[-2]
            return cells
        return np.maximum(np.arange(n) - (k + 1), 0)


@compressors.register("blob_only")
class BlobOnly(SortedCompressor):
    """The most probable symbol and the k least probable ones in one cell, the others alone; the smallest k that fits.

    A reading of Theorem 2 without Algorithm 1's choice: each merge costs at most h of the mass that joins, so the
    bound h(p_2) holds as well.
    """

    def merge(self, p: Array, rate: float) -> Labels:
        """Merge from the tail into the head."""
        n = len(p)
        joined = np.append(0.0, np.cumsum(p[:0:-1]))  # mass of the k least probable, k = 0..n-1
        alone = np.append(0.0, np.cumsum(terms(p[1:])))[::-1]  # entropy terms of those that stay alone
        k = int(np.argmax(terms(np.minimum(p[0] + joined, 1.0)) + alone <= rate))
        cells = np.arange(n)
        cells[n - k :] = 0
        return cells


@compressors.register("tail_merge", source="Shkel et al. 2017, as cited by arXiv 2410.21666")
class TailMerge(SortedCompressor):
    """The k + 1 least probable symbols in one cell, the others alone; the smallest k that fits.

    The earlier deterministic scheme that the paper compares with; its text could not be read, this is its idea.
    """

    def merge(self, p: Array, rate: float) -> Labels:
        """Merge the tail with itself."""
        n = len(p)
        tail = np.cumsum(p[::-1])  # mass of the k + 1 least probable, k = 0..n-1
        alone = np.append(0.0, np.cumsum(terms(p[:-1])))[::-1]
        k = int(np.argmax(terms(np.minimum(tail, 1.0)) + alone <= rate))
        return np.minimum(np.arange(n), n - 1 - k)


@compressors.register("uniform_quantiser", source="arXiv 2410.21666, Algorithm 5")
class UniformQuantiser(Compressor):
    """m = floor(2^R) contiguous bins of ceil(n / m) symbols in the given order; H(T) <= log2 m <= R.

    It looks at no mass, so in a sequence of laws on the same alphabet the cells never change.
    """

    def labels(self, p: Array, rate: float) -> Labels:
        """Bins of equal count."""
        bins = max(1, math.floor(2.0**rate + 1e-9))
        return np.arange(len(p)) // math.ceil(len(p) / bins)


@compressors.register("adaptive_quantiser")
class AdaptiveQuantiser(SortedCompressor):
    """Sorts the masses and cuts them into m = floor(2^R) cells of equal mass; leaves alone what fits already.

    The fair counterpart of the uniform quantiser: it adapts to the law as Algorithm 1 does. A symbol goes to the cell
    in which the middle of its mass lies.
    """

    def merge(self, p: Array, rate: float) -> Labels:
        """Cells of equal mass in the sorted order."""
        bins = max(1, math.floor(2.0**rate + 1e-9))
        middle = np.cumsum(p) - p / 2
        cells = np.minimum((bins * middle).astype(np.int64), bins - 1)
        return np.unique(cells, return_inverse=True)[1].astype(np.int64)


@compressors.register("exhaustive")
class Exhaustive(Compressor):
    """The best of all set partitions, by trying each; for alphabets of at most eight symbols (Bell(8) = 4140)."""

    def labels(self, p: Array, rate: float) -> Labels:
        """The partition with the largest entropy within the limit; among equals the first."""
        table = partitions(len(p))
        fits = np.where((found := partition_entropies(p)) <= rate + SLACK, found, -1.0)
        return table[int(np.argmax(fits))]


@functools.cache
def partitions(n: int) -> Labels:
    """All set partitions of n symbols as restricted growth strings, [Bell(n), n]; the first has one cell.

    Raises:
        ValueError: for more than eight symbols.
    """
    if n > 8:
        raise ValueError(f"{n} symbols have too many set partitions to try")
    rows = [[0]]
    for _ in range(n - 1):
        rows = [[*row, cell] for row in rows for cell in range(max(row) + 2)]
    table = np.array(rows, dtype=np.int64)
    table.flags.writeable = False
    return table


@functools.cache
def _membership(n: int) -> Array:
    """Whether symbol x is in cell t of each partition, [Bell(n), cells, n]."""
    return (partitions(n)[:, None, :] == np.arange(n)[:, None]).astype(np.float64)


def partition_entropies(p: Array) -> Array:
    """H(g(X)) of every set partition g, [Bell(n)], in the order of `partitions`."""
    return entropy(_membership(len(p)) @ p, axis=1)
