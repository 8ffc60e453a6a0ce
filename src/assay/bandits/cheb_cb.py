"""ChebCB: inverse-gap weighting (SquareCB) on a Chebyshev regression of every arm's cost over the context."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.polynomial import chebyshev
from scipy.optimize import lsq_linear

from assay.bandits.base import Array, Bandit, bandits, draw


def constrained_fit(features: Array, targets: Array, bound: Array) -> tuple[Array, float | None]:
    """The minimum-norm least-squares coefficients, or those within |theta| <= bound where that is exceeded.

    Args:
        features: [n, m].
        targets: [n].
        bound: [m].

    Returns:
        theta, [m], and the squared residual norm of the constrained fit; None where no constraint was needed.
    """
    theta = np.asarray(np.linalg.lstsq(features, targets, rcond=None)[0], float)
    if not (np.abs(theta) > bound).any():
        return theta, None
    fit = lsq_linear(features, targets, (-bound, bound))
    return fit.x, 2 * float(fit.cost)


@bandits.register("cheb_cb", source="arXiv 2310.02246, Alg. 2 and the code published with it")
class ChebCB(Bandit):
    """SquareCB with Chebyshev features of a scalar context, its constants read off the costs as they come.

    Follows the published code where it differs from the text: the smallest loss counts as 0, so the Lipschitz
    constant is K / (b - a); the step size grows linearly in t; predictions of (cost - 1) / S are compared with
    cost / S in the estimate of the regression's excess.

    Args:
        degree: number m of Chebyshev polynomials P_0, ..., P_{m-1}.
        low: lower end a of the context interval.
        high: its upper end b.

    Attributes:
        theta: [d, m], one row of coefficients an arm; 0 until the arm has been played.
        eta: inverse-gap parameter; 0 before the first update (uniform play).
        scale: S = K N, K the largest cost so far.
        history: [t, 2 + m]: prediction (made when the arm was played), cost, features.
        played: [t] arms.
    """

    stateful = ("theta", "eta", "scale", "history", "played", "refits")

    def __init__(self, *, degree: int, low: float, high: float) -> None:
        self.degree, self.low, self.high = degree, low, high
        # N = 2 + 4 (b - a) (Lc / K) (1 + log m) with Lc = K / (b - a).
        self.N = 6 + 4 * math.log(degree)

    def start(self, values: Sequence[float]) -> None:
        """Begin anew."""
        super().start(values)
        self.theta: Array = np.zeros((len(values), self.degree))
        self.eta, self.scale, self.refits = 0.0, 0.0, 0
        self.history: Array = np.empty((0, 2 + self.degree))
        self.played = np.empty(0, dtype=np.int64)

    def features(self, context: float) -> Array:
        """(P_0, ..., P_{m-1}) at the context mapped to [-1, 1]; [m]."""
        z = 2 * (context - self.low) / (self.high - self.low) - 1
        row: Array = chebyshev.chebvander(np.asarray([z]), self.degree - 1)[0]
        return row

    def weights(self, context: float) -> Array:
        """p_i = 1 / (d + eta (y_i - y_*)) off the arm with the least prediction, which takes the rest; [d]."""
        y = self.theta @ self.features(context)
        best = int(y.argmin())
        p = 1 / (len(y) + self.eta * (y - y[best]))
        p[best] = 0.0
        p[best] = 1 - p.sum()
        return p

    def choose(self, context: float, generator: np.random.Generator) -> tuple[int, float]:
        """Sample from `weights`."""
        p = self.weights(context)
        arm = draw(p, generator)
        return arm, float(p[arm])

    def update(self, context: float, arm: int, probability: float, cost: float) -> None:
        """Refit the played arm (all arms when S changes) and set the next eta."""
        features = self.features(context)
        row = np.concatenate([[self.theta[arm] @ features, cost], features])
        self.history, self.played = np.vstack([self.history, row]), np.append(self.played, arm)
        predicted, costs = self.history[:, 0], self.history[:, 1]
        largest, t, d, m = float(costs.max()), len(costs), len(self.theta), self.degree
        changed = self.scale != largest * self.N
        self.scale = largest * self.N
        # [1/N, 2 (b - a) Lc / (S j)] = [1/N, 2 / (N j)], j = 1, ..., m - 1
        bound = np.array([1, *(2 / j for j in range(1, m))]) / self.N
        residual = 0.0
        for i in range(d) if changed else (arm,):
            mine = self.played == i
            if mine.any():
                self.theta[i], found = constrained_fit(self.history[mine, 2:], (costs[mine] - 1) / self.scale, bound)
                residual = residual if found is None else found
                self.refits += 1
        # alpha = (pi + 2/pi log(2m+1)) / (2 S (m+1)) (b - a) Lc, and (b - a) Lc = K
        alpha = (math.pi + 2 / math.pi * math.log(2 * m + 1)) / (2 * self.scale * (m + 1)) * largest
        R = float(((predicted - costs / self.scale) ** 2).sum())
        # eta = 2 t sqrt(d t / (R - resnorm + 2 alpha^2 t))
        self.eta = 2 * t * math.sqrt(d * t / max(R - residual + 2 * alpha**2 * t, 1e-12))

    def diagnostics(self) -> Mapping[str, float]:
        """The inverse-gap parameter reached and the number of regressions solved."""
        return {"eta": self.eta, "refits": float(self.refits)}
