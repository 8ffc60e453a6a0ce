"""The encoder's problem over stochastic maps, max I(X;T) subject to H(T) <= R, and the two halves put together.

Two roads to the optimum between deterministic maps: Theorem 3's couplings, which move a little mass of the map next
to the limit, and a numerical search over all encoders that knows nothing of the theorem.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq, minimize

from assay.couplings import Coupling
from assay.metrics.information import entropy, mutual_information
from papers.mec_bottleneck.compressors import (
    Array,
    Compressor,
    cell_masses,
    encoder_joint,
    partition_entropies,
    partitions,
)

TINY = 1e-12
"""Stands in for an empty cell inside logarithms."""


def bottlenecked(p: Array, q: Array, compressor: Compressor, coupling: Coupling, rate: float) -> Array:
    """MEC-B: p(x,y) = sum_t p(x,t) q(y|t), the encoder X -> T from a compressor, T -> Y from a coupling, [n, m]."""
    labels = compressor.labels(p, rate)
    masses = cell_masses(p, labels)
    decoder = np.divide(
        (joint := coupling.joint(masses, q)), masses[:, None], out=np.zeros_like(joint), where=masses[:, None] > 0
    )
    return p[:, None] * decoder[labels]


def widen(joint: Array, eps: float) -> Array:
    """Theorem 3 above a deterministic map: move mass to a new column.

    Of all cells (x,t) the one with the smallest p(x,t)/p(t) gives `eps` (a share of its mass) to a new column of the
    same row. Ties go to the lower index.

    Args:
        joint: p(x,t) of a deterministic map, [n, cells].
        eps: share of the cell's mass that moves, in [0, 1].

    Returns:
        The new joint law, [n, cells + 1].
    """
    share = np.where(joint > 0, joint / joint.sum(axis=0), np.inf)
    x, t = np.unravel_index(np.argmin(share), share.shape)
    wider = np.pad(joint, ((0, 0), (0, 1)))
    wider[x, -1] = eps * joint[x, t]
    wider[x, t] -= wider[x, -1]
    return wider


def narrow(joint: Array, eps: float) -> Array:
    """Theorem 3 below a deterministic map: move mass from the smallest column to the largest.

    In the column with the smallest sum the smallest cell gives `eps` (a share of its mass) to the column with the
    largest sum in the same row. Ties go to the lower index. Shapes as in `widen`, without a new column.
    """
    mass = joint.sum(axis=0)
    small, large = int(np.argmin(mass)), int(np.argmax(mass))
    x = int(np.argmin(np.where(joint[:, small] > 0, joint[:, small], np.inf)))
    moved = joint.copy()
    moved[x, large] += eps * joint[x, small]
    moved[x, small] -= eps * joint[x, small]
    return moved


def gap_filled(p: Array, rate: float) -> float:
    """I(X;T) of the better of Theorem 3's two couplings at H(T) = `rate`, for p [n], n <= 8, and rate <= H(X).

    The deterministic maps next to the limit are found among all set partitions; from the one below mass moves to a new
    column, from the one above to the largest column, until the limit is met exactly.
    """
    entropies = partition_entropies(p)
    below = np.where(entropies <= rate + TINY, entropies, -math.inf)
    above = np.where(entropies >= rate - TINY, entropies, math.inf)
    lower = encoder_joint(p, partitions(len(p))[int(np.argmax(below))])
    upper = encoder_joint(p, partitions(len(p))[int(np.argmin(above))])
    found = []
    for start, move in ((lower, widen), (upper, narrow)):
        if start.shape[1] > 1 or move is widen:
            found.append(_information_at(start, move, rate))
    return max(found)


def _information_at(start: Array, move: Callable[[Array, float], Array], rate: float) -> float:
    """I(X;T) after moving just as much mass that H(T) = rate; -inf if moving all of it is not enough."""

    def excess(eps: float) -> float:
        return float(entropy(move(start, eps).sum(axis=0))) - rate

    first, last = excess(0.0), excess(1.0)
    if abs(first) <= TINY:
        return mutual_information(start)
    if first * last > 0:
        return -math.inf
    return mutual_information(move(start, float(brentq(excess, 0.0, 1.0, xtol=1e-15, rtol=1e-14))))


def searched(p: Array, rate: float, *, starts: int, rng: np.random.Generator, cells: int | None = None) -> float:
    """The largest I(X;T) with H(T) <= `rate` that SLSQP finds over all encoders p(t|x), in bits.

    I(X;T) is convex in the encoder and the constraint is not convex, so there are many local optima: the search
    starts from many random encoders and keeps the best result that satisfies the constraint to 1e-9.

    Args:
        p: law of X, [n].
        rate: limit in bits.
        starts: number of random starts; rows are drawn from Dirichlet laws of random concentration.
        rng: draws the starts.
        cells: size of T's alphabet; n + 1 by default.
    """
    problem = _Encoders(p, cells or len(p) + 1, rate)
    found = (problem.solve(problem.draw(rng)) for _ in range(starts))
    return max((value for value in found if value is not None), default=-math.inf)


class _Encoders:
    """The optimisation problem over w = p(t|x), [n, cells], as SLSQP wants it: flat vectors and gradients."""

    def __init__(self, p: Array, cells: int, rate: float) -> None:
        self.p, self.rate, self.shape = p[:, None], rate, (len(p), cells)
        rows = np.kron(np.eye(len(p)), np.ones(cells))
        self.constraints = (
            {"type": "eq", "fun": lambda w: rows @ w - 1.0, "jac": lambda w: rows},
            {"type": "ineq", "fun": self.room, "jac": self.room_gradient},
        )

    def draw(self, rng: np.random.Generator) -> Array:
        """A random encoder; low concentrations are nearly deterministic."""
        return rng.dirichlet(np.full(self.shape[1], 10.0 ** rng.uniform(-1.5, 0.5)), self.shape[0]).ravel()

    def solve(self, start: Array) -> float | None:
        """I(X;T) at the local optimum reached from a start, or None if it breaks the constraint."""
        found = minimize(
            self.loss,
            start,
            jac=True,
            method="SLSQP",
            bounds=[(0.0, 1.0)] * start.size,
            constraints=self.constraints,
            options={"maxiter": 200, "ftol": 1e-11},
        )
        w = np.clip(found.x.reshape(self.shape), 0.0, None)
        joint = self.p * w / w.sum(axis=1, keepdims=True)
        return mutual_information(joint) if float(entropy(joint.sum(axis=0))) <= self.rate + 1e-9 else None

    def loss(self, flat: Array) -> tuple[float, Array]:
        """-I(X;T) = -sum p(x) w log2(w / p(t)) and its gradient -p(x) log2(w / p(t)); the other terms cancel."""
        w = flat.reshape(self.shape)
        joint = self.p * w
        ratio = np.log2(np.maximum(w, TINY) / np.maximum(joint.sum(axis=0), TINY))
        return -float((joint * ratio).sum()), -(self.p * ratio).ravel()

    def room(self, flat: Array) -> float:
        """R - H(T)."""
        mass = (self.p * flat.reshape(self.shape)).sum(axis=0)
        return self.rate + float((mass * np.log2(np.maximum(mass, TINY))).sum())

    def room_gradient(self, flat: Array) -> Array:
        """p(x) (log2 p(t) + log2 e), [n * cells]."""
        mass = (self.p * flat.reshape(self.shape)).sum(axis=0)
        return (self.p * (np.log2(np.maximum(mass, TINY)) + math.log2(math.e))).ravel()
