"""Exact checks: martingales, value functions against two independent computations, biases by Gaussian moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from assay.exact import ExactModule, collect, exact
from assay.module import modules
from assay.seeds import Seeds
from assay.solvers.crank_nicolson import feynman_kac
from assay.solvers.lstd import returns, td_errors, traces
from papers.ct_policy_eval.population import Population, limit_ctd, limit_ml, limit_mstde_brownian
from papers.ct_policy_eval.problems import BASES, E1, E2, OU, GaussianProblem, polynomial

Array = NDArray[np.float64]
SEEDS = Seeds(0)
DTS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
KAPPAS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.01)
MSTDE_TH2 = (-1.2500, -1.5702, -1.7687, -1.9031, -1.9508, -1.9752)
"""th2 of E1's MSTDE minimiser at the steps DTS, as registered."""

STEP, BLOCK = 0.05, 20_000

TESTS: dict[str, Callable[[Array], Array]] = {"1": np.ones_like, "x": lambda x: x, "sign": np.sign}
"""Test functions xi_i = f(X_i)."""


def value(problem: GaussianProblem, tau: float, x: Array, scale: float = 1.0) -> Array:
    """J with its part C(t) multiplied by `scale`."""
    c, a = problem.quadratic(tau)
    return scale * c + a * x**2


@exact("1")
def martingale_by_quadrature() -> Mapping[str, float]:
    """Largest |E xi_i d_i| of the true J over the grid and test functions, by Gauss-Hermite on (X_i, X_{i+1})."""
    z, w = np.polynomial.hermite_e.hermegauss(20)
    w = w / w.sum()
    worst = 0.0
    for problem in (E1, E2):
        a, q = problem.process.transition(STEP)
        g, reward = math.exp(-problem.discount * STEP), problem.step_reward(STEP)
        for i in range(problem.steps(STEP)):
            factor, variance = problem.process.transition(i * STEP)
            x = factor * problem.x0 + math.sqrt(variance) * z
            tau, after = problem.horizon - i * STEP, a * x[:, None] + math.sqrt(q) * z
            d = g * value(problem, tau - STEP, after) - value(problem, tau, x)[:, None]
            d += polynomial(reward, x)[:, None]
            worst = max(worst, *(abs(float(w @ (xi(x) * (d @ w)))) for xi in TESTS.values()))
    return {"expectation": worst}


@exact("1")
def martingale_by_paths() -> Mapping[str, float]:
    """|z| of the sum of xi_i d_i over one block of paths, for the true J and for one with C doubled."""
    found = {}
    for name, problem in (("brownian", E1), ("ou", E2)):
        x = problem.simulate(SEEDS.numpy("block", name), STEP, BLOCK).x
        g, rewards = math.exp(-problem.discount * STEP), polynomial(problem.step_reward(STEP), x[:-1])
        for truth, scale in (("true", 1.0), ("wrong", 2.0)):
            taus = [problem.horizon - i * STEP for i in range(len(x))]
            J = np.stack([value(problem, tau, row, scale) for tau, row in zip(taus, x, strict=True)])
            d = td_errors(J, rewards, g)
            for test, xi in TESTS.items():
                total = (xi(x[:-1]) * d).sum(0)
                found[f"{truth}/{name}/{test}"] = abs(float(total.mean() / total.std(ddof=1) * math.sqrt(BLOCK)))
    return found


def wave_value(problem: OU, x: Array) -> Array:
    """J(0, x) for the reward sin x: int_0^T e^{-beta u} e^{-v_u / 2} sin(x e^{-k u}) du, [n]."""
    u, w = np.polynomial.legendre.leggauss(40)
    u, w = problem.horizon * (u + 1) / 2, problem.horizon * w / 2
    moved = np.array([problem.process.transition(float(t)) for t in u])
    weight = w * np.exp(-problem.discount * u - moved[:, 1] / 2)
    return np.asarray(np.sin(np.multiply.outer(x, moved[:, 0])) @ weight)


@exact("2")
def against_crank_nicolson() -> Mapping[str, float]:
    """Largest error at t = 0 on |x| <= 3 of the scheme on [-8, 8] with 400 cells and 200 steps, for both rewards."""
    x = np.linspace(-8, 8, 401)
    middle = np.abs(x) <= 3 + 1e-9
    k, s = E2.process.rate, E2.process.scale
    found = {}
    for name, reward, truth in (
        ("square", x**2, value(E2, E2.horizon, x)),
        ("sine", np.sin(x), wave_value(E2, x)),
    ):
        J = feynman_kac(x, -k * x, np.full_like(x, s**2), reward, np.zeros_like(x), E2.horizon, 200, E2.discount)
        found[name] = float(np.abs(J[-1] - truth)[middle].max())
    return found


@exact("2")
def against_monte_carlo() -> Mapping[str, float]:
    """Largest distance, in standard errors, of J(0, x) to the mean discounted reward of paths from x."""
    worst = 0.0
    steps, g = E2.steps(STEP), math.exp(-E2.discount * STEP)
    for at in (-1.0, 0.0, 1.0, 2.0):
        noise = SEEDS.numpy("monte_carlo", f"{at:g}").standard_normal((steps, BLOCK))
        x = E2.process.paths(at, noise, STEP)
        G = returns(polynomial(E2.step_reward(STEP), x[:-1]), np.zeros(BLOCK), g)[0]
        error = (G.mean() - value(E2, E2.horizon, np.array(at))) / (G.std(ddof=1) / math.sqrt(BLOCK))
        worst = max(worst, abs(float(error)))
    return {"monte_carlo": worst}


@exact("3a")
def mean_square_td_error() -> Mapping[str, float]:
    """E1: distances of MSTDE's minimisers to (1, registered th2), and of ML's and CLSTD's to (1, 0), over the steps."""
    found = {"th1": 0.0, "th2": 0.0, "ml": 0.0, "ctd": 0.0}
    for dt, registered in zip(DTS, MSTDE_TH2, strict=True):
        population = Population(E1, BASES["even"], dt)
        th1, th2 = population.mstde()
        found["th1"] = max(found["th1"], abs(th1 - 1))
        found["th2"] = max(found["th2"], abs(th2 - registered))
        for name, theta in (("ml", population.ml()), ("ctd", population.ctd())):
            found[name] = max(found[name], float(np.abs(theta - [1, 0]).max()))
    return found


@exact("4")
def quadratic_variation() -> Mapping[str, float]:
    """E1, dt = .005: dt MSTDE(th) over (1/2) E <M^th>_T for five random th, least and largest."""
    population = Population(E1, BASES["even"], 0.005)
    thetas = SEEDS.numpy("theta").uniform([0, -1.5], [2, 2], (5, 2))
    ratios = [population.scaled_mstde(theta) / limit_mstde_brownian(theta) for theta in thetas]
    return {"least": min(ratios), "largest": max(ratios)}


@exact("6a")
def summation_by_parts() -> Mapping[str, float]:
    """Largest difference on single paths of sum xi_i d_i (lambda = 1) and the martingale loss's descent direction.

    sum_i xi_i d_i = sum_i (G_i - J_i) grad J_i dt for every th, since d_i + g d_{i+1} + ... = G_i - J_i.
    """
    dt, basis, theta = STEP, BASES["linear"], np.array([0.7, -0.4])
    x, rewards = E2.simulate(SEEDS.numpy("abel"), dt, 100)
    g = math.exp(-E2.discount * dt)
    phi = np.stack([basis(E2.horizon - i * dt, row) for i, row in enumerate(x)])
    J = np.tensordot(phi, theta, (1, 0)) + polynomial(E2.terminal, x)
    xi = traces(phi[:-1], g, dt)
    td = (xi * td_errors(J, rewards, g)[:, None]).sum(0)
    G = returns(rewards, polynomial(E2.terminal, x[-1]), g)
    ml = ((G - J)[:-1, None] * phi[:-1] * dt).sum(0)
    return {"difference": float(np.abs(td - ml).max())}


def trace_distances(dt: float = 0.01) -> Array:
    """||LSTD(kappa) - ML|| in the population for the rates KAPPAS; class {tau, tau x} of E2."""
    population = Population(E2, BASES["linear"], dt)
    ml = population.ml()
    return np.array([np.linalg.norm(population.ctd(kappa) - ml) for kappa in KAPPAS])


@exact("6b")
def longer_traces() -> Mapping[str, float]:
    """Rank correlation of kappa and the distance of LSTD(kappa) to ML, and the distance at kappa = 0."""
    population = Population(E2, BASES["linear"], 0.01)
    return {
        "spearman": float(spearmanr(KAPPAS, trace_distances()).statistic),
        "at_zero": float(np.linalg.norm(population.ctd(0.0) - population.ml())),
    }


@exact("7")
def order() -> Mapping[str, float]:
    """E2, class tau {1, x^2}: least-squares slopes of log ||th(dt) - th(0)|| on log dt in the population."""
    basis = BASES["even"]
    limits = {"ml": limit_ml(E2, basis), "ctd": limit_ctd(E2, basis)}
    biases: dict[str, list[float]] = {name: [] for name in limits}
    for dt in DTS:
        population = Population(E2, basis, dt)
        for name, theta in (("ml", population.ml()), ("ctd", population.ctd())):
            biases[name].append(float(np.linalg.norm(theta - limits[name])))
    return {name: float(np.polyfit(np.log(DTS), np.log(values), 1)[0]) for name, values in biases.items()}


@modules.register("ct_policy_eval/exact")
class Exact(ExactModule):
    """Runs the functions above."""

    checks = collect(__name__)
