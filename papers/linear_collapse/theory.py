"""The global minimisers in closed form (squared error), and the candidates for the minimiser (cross entropy).

Squared error. With A = W_M ... W_1 the best features are H = A^T (A A^T + N lH I)^-1 Y, which leaves
(lH/2) tr[Y^T (A A^T + N lH I)^-1 Y]. The cheapest layers with a given product share its singular values sig evenly,
lW_j s_j^2 equal for all j, and cost (M/2) (prod lW)^(1/M) sig^(2/M). With x_k = (sig_k^2 / (N lH))^(1/M) what is left
is one scalar problem a class,

    min over x >= 0 of (1/2N) [n_k / (x^M + 1) + B x],    B = M N (N lH prod lW)^(1/M).

Cross entropy. For a matrix Z [K, K] of mean logits the penalties come to ((M+1)/2) c sum_i s_i(Z)^(2/(M+1)) with
c = (lH n prod lW)^(1/(M+1)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space
from scipy.optimize import brentq, minimize_scalar

from assay.linalg.schatten import schatten_power
from assay.metrics.neural_collapse import etf_gram
from assay.models.unconstrained_features import UnconstrainedFeatures

Array = NDArray[np.float64]

# -- the scalar problem -----------------------------------------------------------------------------------------------


def threshold(depth: int) -> float:
    """t_M = (M-1)^((M-1)/M) / M, t_1 = 1: x = 0 is the minimiser where B/n_k is larger (minority collapse)."""
    return 1.0 if depth == 1 else (depth - 1) ** ((depth - 1) / depth) / depth


def tie(depth: int) -> float:
    """The other minimiser at B/n_k = t_M: (M-1)^(1/M)."""
    return (depth - 1) ** (1 / depth) if depth > 1 else 0.0


def scalar_cost(x: Array | float, ratio: float, depth: int) -> Array | float:
    """1/(x^M + 1) + (B/n) x."""
    return 1 / (np.power(x, depth) + 1) + ratio * np.asarray(x)


def largest_root(ratio: float, depth: int) -> float | None:
    """The largest x > 0 with M x^(M-1) / (x^M + 1)^2 = B/n; None if there is none.

    Right of its maximum at x^M = (M-1)/(M+1) the left side falls, and it is below M / x^(M+1).
    """
    if depth == 1:
        return ratio**-0.5 - 1 if ratio < 1 else None
    top = ((depth - 1) / (depth + 1)) ** (1 / depth)

    def excess(x: float) -> float:
        return depth * x ** (depth - 1) / (x**depth + 1) ** 2 - ratio

    if excess(top) <= 0:
        return None
    return float(brentq(excess, top, (depth / ratio) ** (1 / (depth + 1)), xtol=1e-15, rtol=1e-15))


def scalar_minimiser(ratio: float, depth: int) -> float:
    """The global minimiser: the largest root below t_M, else 0."""
    root = largest_root(ratio, depth)
    return root if root is not None and ratio < threshold(depth) else 0.0


def decay_for(total: float, samples: int, depth: int) -> float:
    """The decay l = lH = lW_j at which B = `total`."""
    return ((total / (depth * samples)) ** depth / samples) ** (1 / (depth + 1))


# -- squared error ----------------------------------------------------------------------------------------------------


class Prediction:
    """What the theory says of a problem with squared error; with a bias the classes must be balanced.

    Without a bias the modes are the classes, V = I. With one, Y - 11^T/K has n (I - 11^T/K) as its Gram matrix: the
    modes are K - 1 directions V [K, K-1] orthogonal to 1, each with n samples. Only min(d, K) modes can be alive.

    Args:
        problem: the model with its decays.
    """

    def __init__(self, problem: UnconstrainedFeatures) -> None:
        assert problem.error == "squared"
        self.problem = problem
        if problem.bias:
            assert len(set(problem.counts)) == 1, "the closed form with a bias is for balanced classes"
            self.basis = null_space(np.ones((1, problem.classes)))
        else:
            self.basis = np.eye(problem.classes)
        self.n = np.full(self.basis.shape[1], problem.counts[0]) if problem.bias else np.array(problem.counts)
        self.shrink = problem.samples * problem.decay_h
        """N lH."""
        self.decay = math.prod(problem.decay_w)
        m = problem.depth
        self.total = m * problem.samples * (self.shrink * self.decay) ** (1 / m)
        """B."""

    @cached_property
    def x(self) -> Array:
        """Minimisers x_k of the scalar problems."""
        x = np.array([scalar_minimiser(self.total / n, self.problem.depth) for n in self.n])
        x[np.argsort(-self.n, kind="stable")[self.problem.width :]] = 0.0
        return x

    def squares(self, x: Array) -> Array:
        """sig_k^2 = N lH x_k^M."""
        return self.shrink * x**self.problem.depth

    @property
    def sig2(self) -> Array:
        """sig_k^2 at the minimum."""
        return self.squares(self.x)

    @property
    def loss(self) -> float:
        """(1/2N) sum_k [n_k / (x_k^M + 1) + B x_k]; with a bias there are K - 1 terms."""
        value = self.n / (self.x**self.problem.depth + 1) + self.total * self.x
        return float(value.sum() / (2 * self.problem.samples))

    def layer_squares(self, x: Array) -> Array:
        """s_{j,k}^2 = sig_k^(2/M) (prod lW)^(1/M) / lW_j, [M, modes]."""
        even = self.squares(x) ** (1 / self.problem.depth) * self.decay ** (1 / self.problem.depth)
        return even / np.array(self.problem.decay_w)[:, None]

    def _matrix(self, diagonal: Array) -> Array:
        return (self.basis * diagonal) @ self.basis.T

    @property
    def gram(self) -> Array:
        """A A^T = V diag(sig^2) V^T."""
        return self._matrix(self.sig2)

    def gram_of_product(self, j: int) -> Array:
        """The Gram matrix of W_M ... W_{j+1}, j = 0, ..., M-1."""
        return self._matrix(self.layer_squares(self.x)[j:].prod(0))

    @property
    def feature_gram(self) -> Array:
        """Hbar^T Hbar = V diag(sig^2 / (sig^2 + N lH)^2) V^T; its diagonal holds ||hbar_k||^2."""
        return self._matrix(self.sig2 / (self.sig2 + self.shrink) ** 2)

    @property
    def cross(self) -> Array:
        """A Hbar = V diag(sig^2 / (sig^2 + N lH)) V^T."""
        return self._matrix(self.sig2 / (self.sig2 + self.shrink))

    @property
    def row_scale(self) -> Array:
        """D: row w_k is (sig_k^2 + N lH) h_k^T, [K]."""
        scale = self.sig2 + self.shrink
        return np.full(self.problem.classes, scale[0]) if self.problem.bias else scale

    def factors(self, x: Array, generator: np.random.Generator) -> Array:
        """theta with those x_k: even layers with random orthonormal inner bases, the best H; minimal at x = `self.x`.

        Needs d of at least the number of modes.
        """
        problem = self.problem
        spectra = np.sqrt(self.layer_squares(x))
        weights = chain(self.basis, spectra, random_bases(problem.width, spectra.shape, generator))
        a = problem.products(weights)[0]
        inverse = np.linalg.inv(a @ a.T + self.shrink * np.eye(problem.classes))
        b = np.full(problem.classes, 1 / problem.classes) if problem.bias else np.zeros(0)
        target = problem.one_hot - b[:, None] if problem.bias else problem.one_hot
        return problem.join(weights, a.T @ inverse @ target, b)


def random_bases(width: int, shape: tuple[int, ...], generator: np.random.Generator) -> list[Array]:
    """Orthonormal columns V_0, ..., V_{M-1}, each [d, modes], for `shape` = (M, modes)."""
    depth, modes = shape
    return [np.linalg.qr(generator.standard_normal((width, modes)))[0] for _ in range(depth)]


def chain(left: Array, spectra: Array, bases: Sequence[Array]) -> list[Array]:
    """W_j = V_j diag(s_j) V_{j-1}^T for j = 1, ..., M with V_M = `left`, spectra [M, modes], bases V_0, ..., V_M-1."""
    ends = [*bases[1:], left]
    return [(out * s) @ inner.T for out, s, inner in zip(ends, spectra, bases, strict=True)]


# -- cross entropy ----------------------------------------------------------------------------------------------------


def circle_code(classes: int) -> Array:
    """cos(2 pi (i - j) / K), [K, K]: the classes on a circle, rank 2."""
    i = np.arange(classes)
    return np.cos(2 * np.pi * (i[:, None] - i) / classes)


def antipodal_pairs(classes: int) -> Array:
    """I_{K/2} (x) [[1, -1], [-1, 1]]: pairs of opposite classes, rank K/2; K even."""
    return np.kron(np.eye(classes // 2), [[1.0, -1.0], [-1.0, 1.0]])


def candidates(classes: int) -> dict[str, Array]:
    """Directions T of the mean logits Z = a T, by name; K even has all three."""
    found = {"etf": etf_gram(classes), "circle": circle_code(classes)}
    return found if classes % 2 else {**found, "antipodal": antipodal_pairs(classes)}


def mean_cross_entropy(z: Array) -> Array:
    """The mean over classes k of the cross entropy of column k of Z [..., K, K] against k, [...]."""
    shifted = z - z.max(-2, keepdims=True)
    chosen = np.diagonal(shifted, axis1=-2, axis2=-1)
    return (np.log(np.exp(shifted).sum(-2)) - chosen).mean(-1)


def scaled_loss(direction: Array, log_a: Array | float, depth: int, c: float) -> Array:
    """The loss at Z = a T with the cheapest factors, for log a of any shape."""
    a = np.exp(np.asarray(log_a, dtype=float))
    power = 2 / (depth + 1)
    penalty = (depth + 1) / 2 * c * schatten_power(direction, power) * a**power
    return mean_cross_entropy(a[..., None, None] * direction) + penalty


def best_scale(direction: Array, depth: int, c: float) -> tuple[float, float]:
    """(a, loss) of the best scale: log a on a grid of 600 points on [-6, 8], then a bounded search beside the best."""
    grid = np.linspace(-6, 8, 600)
    i = int(np.argmin(scaled_loss(direction, grid, depth, c)))
    bounds = (grid[max(i - 1, 0)], grid[min(i + 1, 599)])
    found = minimize_scalar(
        lambda t: float(scaled_loss(direction, t, depth, c)), bounds=bounds, method="bounded", options={"xatol": 1e-12}
    )
    return float(np.exp(found.x)), float(found.fun)


def logit_factors(z: Array, problem: UnconstrainedFeatures, generator: np.random.Generator) -> Array:
    """theta with W_M ... W_1 Hbar = Z [K, K] at the least penalty, for n samples of each class.

    All M + 1 factors have spectra s_j with lambda_j s_j^2 equal, where lambda of Hbar is n lH.
    """
    u, s, vt = np.linalg.svd(z)
    kept = s > s.max() * len(z) * np.finfo(float).eps
    u, s, vt = u[:, kept], s[kept], vt[kept]
    decays = np.array([problem.decay_h * problem.counts[0], *problem.decay_w])
    share = (np.prod(decays) * s**2) ** (1 / len(decays))
    spectra = np.sqrt(share / decays[:, None])  # [M + 1, modes], that of Hbar first
    bases = random_bases(problem.width, (problem.depth, len(s)), generator)
    means = (bases[0] * spectra[0]) @ vt
    return problem.join(chain(u, spectra[1:], bases), means[:, problem.labels])


def nearest_candidate(z: Array) -> tuple[str, float]:
    """The candidate whose normalised spectrum is nearest to that of Z [K, K], and the distance; "zero" for Z = 0.

    Where two candidates share a spectrum (K = 4) the first one is named.
    """
    s = np.linalg.svd(z, compute_uv=False)
    if s[0] < 1e-6:
        return "zero", 0.0
    unit = s / np.linalg.norm(s)
    distances = {}
    for name, direction in candidates(len(z)).items():
        t = np.linalg.svd(direction, compute_uv=False)
        distances[name] = float(np.linalg.norm(unit - t / np.linalg.norm(t)))
    name = min(distances, key=lambda key: distances[key])
    return name, distances[name]
