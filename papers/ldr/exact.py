"""Exact checks 1, 2, 3 and 7: closed forms, limits, the inner maximiser and population minimisers, in double precision.

Cases are drawn from fixed seeds of their own; everything measured is a number that has to stay within a bound, or a
count of cases out of a fixed number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize, minimize_scalar
from torch import Tensor

from assay.exact import ExactModule, collect, exact
from assay.losses.ldr import aldr_kl, ldr_kl, next_temperature
from assay.module import modules
from assay.seeds import Seeds

SEEDS = Seeds(0)
"""Only the exact cases draw from these axes; a run's seed does not enter."""

Vector = NDArray[np.float64]

K_POPULATION = 5
"""Classes in check 3."""
CUBE = 5.0
"""Scores of check 3 lie in [-5, 5] in every coordinate."""


# -- check 1: special cases and the gradient ------------------------------------------------------------------------


def _bounded_scores(name: str, cases: int) -> list[tuple[Tensor, Tensor, float]]:
    """Scores in [-3, 3] for all K in 2..10, a class and a margin each: [(f [n, K], y [n], c)]."""
    rng = SEEDS.numpy("exact", name)
    batches = []
    for i, k in enumerate(range(2, 11)):
        f = torch.from_numpy(rng.uniform(-3, 3, size=(cases, k)))
        batches.append((f, torch.from_numpy(rng.integers(k, size=cases)), (0.0, 0.1)[i % 2]))
    return batches


@exact("1")
def special_cases() -> Mapping[str, float]:
    """LDR-KL against cross entropy (lambda = 1), the hinge's inner maximum (1e-3) and the mean form (1e4)."""
    cross_entropy, hinge, linear = 0.0, 0.0, 0.0
    for f, y, margin in _bounded_scores("special", 50):
        k = f.shape[1]
        reference = torch.nn.functional.cross_entropy(f, y, reduction="none") - math.log(k)
        cross_entropy = max(cross_entropy, _largest(ldr_kl(f, y, 1.0) - reference))
        gaps = f - f.gather(1, y[:, None]) + margin * (torch.arange(k) != y[:, None]).double()
        # |psi - max| <= lambda log K, attained where one class dominates: the gap is given as a share of that.
        gap = _largest(ldr_kl(f, y, 1e-3, margin) - gaps.max(1).values)
        hinge = max(hinge, gap / (1e-3 * math.log(k)))
        linear = max(linear, _largest(ldr_kl(f, y, 1e4, margin) - gaps.mean(1)))
    return {"cross_entropy": cross_entropy, "hinge_share": hinge, "linear": linear}


@exact("1")
def gradient() -> Mapping[str, float]:
    """Automatic gradient of LDR-KL against p* - onehot(y), with p*_k proportional to exp((f_k + c_k) / lambda)."""
    worst = 0.0
    for f, y, margin in _bounded_scores("gradient", 20):
        onehot = torch.nn.functional.one_hot(y, f.shape[1]).double()
        for lambda_ in (0.1, 1.0, 10.0):
            leaf = f.clone().requires_grad_()
            ldr_kl(leaf, y, lambda_, margin).sum().backward()
            best = torch.softmax((f + margin * (1 - onehot)) / lambda_, dim=1)
            assert leaf.grad is not None
            worst = max(worst, _largest(leaf.grad - (best - onehot)))
    return {"gradient": worst}


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max())


# -- check 2: ALDR's temperature ------------------------------------------------------------------------------------


def _aldr_cases(name: str, cases: int, alpha: tuple[float, float]) -> list[tuple[Tensor, int, float, float]]:
    """Random inner problems: (f + c 1[k != y] [1, K], y, lambda_0, alpha)."""
    rng = SEEDS.numpy("exact", name)
    drawn = []
    for _ in range(cases):
        k = int(rng.integers(3, 11))
        scale = math.exp(rng.uniform(math.log(0.1), math.log(30)))
        f, y = rng.normal(0, scale, size=k), int(rng.integers(k))
        margin = float(rng.choice([0.0, 0.1]))
        lambda_0 = math.exp(rng.uniform(math.log(0.1), math.log(10)))
        tilted = f + margin * (np.arange(k) != y)
        drawn.append((torch.from_numpy(tilted)[None], y, lambda_0, float(rng.uniform(*alpha))))
    return drawn


def alternate(tilted: Tensor, lambda_0: float, alpha: float) -> tuple[float, float]:
    """Alternate p and lambda from lambda_0, at most 500 rounds or until it moves by less than 1e-12 lambda_0.

    Args:
        tilted: f_k + c_k, [1, K].
        lambda_0, alpha: of the loss.

    Returns:
        The last temperature, and by how much the trail left [lambda_0 (1 - 1/alpha), lambda_0], in units of lambda_0.
    """
    current, outside = lambda_0, -math.inf
    for _ in range(500):
        moved = float(next_temperature(tilted, current, lambda_0, alpha, smoothing=0.0))
        outside = max(outside, (moved - lambda_0) / lambda_0, (lambda_0 * (1 - 1 / alpha) - moved) / lambda_0)
        settled = abs(moved - current) < 1e-12 * lambda_0
        current = moved
        if settled:
            break
    return current, outside


def _inner_value(tilted: Tensor, y: int, lambda_0: float, alpha: float) -> Callable[[float], float]:
    """ALDR's objective of lambda alone; the margin is in `tilted`, which shifts it by a constant and no maximiser."""
    target = torch.tensor([y])
    return lambda x: float(aldr_kl(tilted, target, torch.tensor([[x]], dtype=torch.float64), lambda_0, alpha))


@exact("2")
def alternation() -> Mapping[str, float]:
    """Alternation against scipy's bounded maximisation, 200 cases with alpha in [2, 4] and K in 3..10."""
    error, outside = 0.0, -math.inf
    for tilted, y, lambda_0, alpha in _aldr_cases("alternation", 200, (2.0, 4.0)):
        value = _inner_value(tilted, y, lambda_0, alpha)
        found = minimize_scalar(
            lambda x, value=value: -value(x),
            bounds=(lambda_0 * (1 - 1 / alpha), lambda_0),
            method="bounded",
            options={"xatol": 1e-10 * lambda_0},
        )
        last, left = alternate(tilted, lambda_0, alpha)
        error, outside = max(error, abs(last - float(found.x))), max(outside, left)
    return {"error": error, "outside": outside}


@exact("2")
def alternation_below_two() -> Mapping[str, float]:
    """The share of 1000 cases with alpha in (1, 2) whose alternation ends away from the global maximiser."""
    missed, farthest = 0, 0.0
    for tilted, y, lambda_0, alpha in _aldr_cases("below two", 1000, (1.0, 2.0)):
        best = _global_maximiser(tilted, y, lambda_0, alpha)
        last, _ = alternate(tilted, lambda_0, alpha)
        missed += abs(last - best) > 1e-5
        farthest = max(farthest, abs(last - best) / lambda_0)
    return {"missed_share": missed / 1000, "farthest": farthest}


def _global_maximiser(tilted: Tensor, y: int, lambda_0: float, alpha: float) -> float:
    """By a grid of 400 temperatures and a bounded search around its best point."""
    grid = torch.linspace(lambda_0 * (1 - 1 / alpha), lambda_0, 400, dtype=torch.float64)
    grid = grid.clamp(min=1e-6 * lambda_0)
    rows = tilted.expand(len(grid), -1)
    values = aldr_kl(rows, torch.full((len(grid),), y), grid[:, None], lambda_0, alpha)
    i = int(values.argmax())
    value = _inner_value(tilted, y, lambda_0, alpha)
    around = (float(grid[max(i - 1, 0)]), float(grid[min(i + 1, len(grid) - 1)]))
    found = minimize_scalar(lambda x: -value(x), bounds=around, method="bounded", options={"xatol": 1e-10 * lambda_0})
    return float(found.x)


# -- check 3: which population minimisers rank classes as the posterior does -----------------------------------------


def posteriors() -> list[Vector]:
    """100 class posteriors q ~ Dirichlet(1), K = 5, redrawn until all gaps exceed 0.01."""
    rng = SEEDS.numpy("exact", "posteriors")
    found: list[Vector] = []
    while len(found) < 100:
        q = rng.dirichlet(np.ones(K_POPULATION))
        if np.diff(np.sort(q)).min() > 0.01:
            found.append(q)
    return found


def ldr_risk(f: Vector, q: Vector, lambda_: float, margin: float) -> tuple[float, Vector]:
    """The population risk sum_y q_y psi_lambda(f, y) and its gradient sum_y q_y (p*(y) - onehot(y))."""
    k = len(q)
    gaps = f[None, :] - f[:, None] + margin * (1 - np.eye(k))  # row y, column k
    scaled = gaps / lambda_
    top = scaled.max(1, keepdims=True)
    weights = np.exp(scaled - top)
    total = weights.sum(1, keepdims=True)
    values = lambda_ * (np.log(total[:, 0] / k) + top[:, 0])
    return float(q @ values), q @ (weights / total) - q


def mae_risk(f: Vector, q: Vector) -> tuple[float, Vector]:
    """The population risk sum_y q_y (1 - p_y) of MAE, p = softmax(f), and its gradient."""
    p = np.exp(f - f.max())
    p /= p.sum()
    mean = q @ p
    return float(1 - mean), p * (mean - q)


def minimise_on_cube(risk: Callable[[Vector], tuple[float, Vector]]) -> Vector:
    """The minimiser over [-5, 5]^K from the origin (L-BFGS-B, with the gradient)."""
    options = {"gtol": 1e-10, "ftol": 0.0, "maxiter": 10_000, "maxfun": 100_000}
    start, bounds = np.zeros(K_POPULATION), [(-CUBE, CUBE)] * K_POPULATION
    return minimize(risk, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x


def minimise_linear(q: Vector, domain: str) -> Vector:
    """Scores in a set that minimise the linear risk of lambda = infinity, mean_k f_k - sum_y q_y f_y.

    Args:
        q: posterior, [K].
        domain: "simplex", "l1" = {sum f = 0, |f|_1 <= 1}, or "l2" = {sum f = 0, |f|_2 <= 1}.
    """
    k = len(q)
    cost = np.full(k, 1 / k) - q
    if domain == "simplex":
        return linprog(cost, A_eq=np.ones((1, k)), b_eq=[1.0], bounds=(0, None)).x
    if domain == "l1":  # f = u - v with u, v >= 0
        both = np.concatenate([cost, -cost])
        signed = np.concatenate([np.ones(k), -np.ones(k)])[None]
        found = linprog(both, A_ub=np.ones((1, 2 * k)), b_ub=[1.0], A_eq=signed, b_eq=[0.0], bounds=(0, None)).x
        return found[:k] - found[k:]
    ball = [
        {"type": "eq", "fun": lambda f: f.sum(), "jac": lambda f: np.ones(k)},
        {"type": "ineq", "fun": lambda f: 1 - f @ f, "jac": lambda f: -2 * f},
    ]
    return minimize(lambda f: cost @ f, np.zeros(k), jac=lambda f: cost, constraints=ball, method="SLSQP").x


def same_ranks(f: Vector, q: Vector) -> bool:
    """Whether the scores rank all classes as the posterior does, with no ties."""
    return bool((np.diff(f[np.argsort(q)]) > 1e-9).all())


def tied_below_top(f: Vector, q: Vector, last: int) -> bool:
    """Whether the best class is right and the classes ranked 2..last by q have scores within 1e-6 of each other."""
    order = np.argsort(-q)
    rest = f[order[1:last]]
    return bool(np.argmax(f) == order[0] and f[order[0]] > rest.max() + 1e-6 and np.ptp(rest) <= 1e-6)


@exact("3")
def finite_lambda_ranks() -> Mapping[str, float]:
    """(a) Posteriors, of 100, that the minimiser of LDR-KL over the cube ranks in full, by lambda and margin."""
    return {
        f"ranked_lambda{lambda_:g}_margin{margin:g}": sum(
            same_ranks(minimise_on_cube(partial(ldr_risk, q=q, lambda_=lambda_, margin=margin)), q)
            for q in posteriors()
        )
        for lambda_ in (0.5, 1.0)
        for margin in (0.0, 0.1)
    }


@exact("3")
def symmetric_losses_tie() -> Mapping[str, float]:
    """(b, c) Posteriors, of 100: tied below the top on the simplex, the l1 ball and for MAE; ranked on the l2 ball."""
    k = K_POPULATION
    qs = posteriors()
    mae = [minimise_on_cube(partial(mae_risk, q=q)) for q in qs]
    return {
        "tied_simplex": sum(tied_below_top(minimise_linear(q, "simplex"), q, k) for q in qs),
        "tied_l1": sum(tied_below_top(minimise_linear(q, "l1"), q, k - 1) for q in qs),
        "tied_mae": sum(tied_below_top(f, q, k) for f, q in zip(mae, qs, strict=True)),
        "ranked_l2": sum(same_ranks(minimise_linear(q, "l2"), q) for q in qs),
    }


# -- check 7: the symmetric limit ------------------------------------------------------------------------------------


@exact("7")
def symmetric_limit() -> Mapping[str, float]:
    """For 1000 raw f: |sum_y psi(f, y) - c (K - 1)| at lambda = infinity, and the spread of the sum at lambda = 1."""
    f = torch.from_numpy(SEEDS.numpy("exact", "symmetric").normal(0, 3, size=(1000, 10)))
    k, margin = f.shape[1], 0.1
    labels = [torch.full((len(f),), y) for y in range(k)]
    linear = torch.stack([ldr_kl(f, y, math.inf, margin) for y in labels]).sum(0)
    soft = torch.stack([ldr_kl(f, y, 1.0, margin) for y in labels]).sum(0)
    return {"error": _largest(linear - margin * (k - 1)), "spread_lambda1": float(soft.max() - soft.min())}


@modules.register("ldr/exact", source="arXiv 2112.14869")
class LDRExact(ExactModule):
    """The paper's exact checks, one function a step."""

    checks = collect(__name__)
