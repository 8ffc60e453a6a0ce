"""Exact checks: the spectral theory, the vectorised solvers, Newton's method, and what a learner adds to a solver."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.sparse.linalg import spsolve

from assay.bandits import Bandit, ChebCB, Fixed, TsallisINF, TsallisINFBins
from assay.bandits.tsallis_inf import probabilities
from assay.exact import ExactModule, collect, exact
from assay.module import modules
from assay.seeds import Seeds
from assay.solvers.pcg import ssor_pcg
from assay.solvers.problems import HeatEquation2D, poisson2d
from assay.solvers.sor import jacobi_radius, optimal_omega, sor, sor_costs, sor_radius
from papers.learning_to_relax.bounds import defect_matrix
from papers.learning_to_relax.data import SHIFTS, ShiftedPoisson
from papers.learning_to_relax.module import omega_grid

Array = NDArray[np.float64]
SEEDS = Seeds(0)


@exact("1")
def spectral_radius() -> Mapping[str, float]:
    """rho(C_omega) of a dense eigensolver against the formula, 50 omegas off omega*, for A and the extreme shifts."""
    error, minimum = 0.0, 0.0
    for shift in (0.0, *SHIFTS):
        beta = jacobi_radius(10, shift)
        best = optimal_omega(beta)
        A = poisson2d(10, shift).toarray()
        omegas = np.concatenate([np.linspace(1.0, best - 0.0101, 25), np.linspace(best + 0.0101, 1.99, 25)])
        dense = [np.abs(np.linalg.eigvals(defect_matrix(A, omega))).max() for omega in omegas]
        error = max(error, float(np.abs(dense - sor_radius(omegas, beta)).max()))
        everywhere = sor_radius(np.append(np.linspace(1.0, 1.999, 1000), best), beta)
        minimum = max(minimum, abs(float(everywhere.min()) - (best - 1)))
    return {"radius_error": error, "minimum_error": minimum}


@exact("2")
def vectorised_sor() -> Mapping[str, float]:
    """How many of 200 random cells of a cost table differ from the scalar solver's count."""
    stream = _stream()
    table, generator = _table(), SEEDS.numpy("cells")
    cells = generator.choice(table.size, 200, replace=False)
    differing = 0
    for t, g in zip(*np.unravel_index(cells, table.shape), strict=True):
        A, b = poisson2d(10, float(stream.contexts[t])), stream.targets[t]
        differing += sor(A, b, float(omega_grid(20)[g])).iterations != table[t, g]
    return {"cells_differing": float(differing)}


@exact("2")
def ssor_cg_solution() -> Mapping[str, float]:
    """Largest relative error of SSOR-CG against a sparse direct solver, on shifted and on heat systems."""
    stream, heat = _stream(), HeatEquation2D(25)
    systems = [(poisson2d(10, float(c)), b) for c, b in zip(stream.contexts[:20], stream.targets[:20], strict=True)]
    systems += [heat.system(heat.initial(), step) for step in (100, 600, 750, 900)]
    worst = 0.0
    for A, b in systems:
        truth = spsolve(A, b)
        for omega in (1.0, 1.5, 1.95):
            worst = max(worst, float(np.linalg.norm(ssor_pcg(A, b, omega).x - truth) / np.linalg.norm(truth)))
    return {"solution_error": worst}


@exact("3")
def newton() -> Mapping[str, float]:
    """Tsallis-INF's probabilities against a bracketing root finder and a general minimiser, in states of a real run."""
    root, minimiser = list[float](), list[float]()
    for t, k, eta in _states():
        p, _ = probabilities(k, eta, float(k.min() - 2 / eta))
        d = len(k)
        x = brentq(
            lambda x, k=k, eta=eta: (4 * (eta * (k - x)) ** -2.0).sum() - 1,
            k.min() - 2 * np.sqrt(d) / eta, k.min() - 2 / eta, xtol=1e-15, rtol=4 * np.finfo(float).eps,
        )  # fmt: skip
        root.append(float(np.abs(p - 4 * (eta * (k - x)) ** -2.0).max()))
        if t <= 100:
            minimiser.append(float(np.abs(p - _simplex_minimum(k, eta)).max()))
    # Not the built-in max: it drops what is not a number.
    return {"root_error": float(np.max(root)), "minimiser_error": float(np.max(minimiser))}


@exact("9a")
def work_with_a_learner() -> Mapping[str, float]:
    """Sweeps and products counted in the solvers with learners attached, less those of replaying their omegas."""
    sweeps, matvecs = 0, 0
    learners: list[Bandit] = [
        TsallisINF(),
        TsallisINFBins(bins=5, low=-0.15, high=0.65),
        ChebCB(degree=6, low=-0.15, high=0.65),
        Fixed(value=1.4),
    ]
    for solve in (sor, ssor_pcg):
        for learner in learners:
            chosen, with_learner = [], [0, 0]
            learner.start(list(omega_grid(20)))
            for t, (c, b) in enumerate(_small_stream()):
                arm, probability = learner.choose(c, SEEDS.numpy("learner", t))
                chosen.append(float(learner.values[arm]))
                solution = solve(poisson2d(6, c), b, chosen[-1])
                learner.update(c, arm, probability, float(max(1, solution.iterations)))
                with_learner = [with_learner[0] + solution.sweeps, with_learner[1] + solution.matvecs]
            replayed = [solve(poisson2d(6, c), b, w) for (c, b), w in zip(_small_stream(), chosen, strict=True)]
            sweeps += abs(with_learner[0] - sum(s.sweeps for s in replayed))
            matvecs += abs(with_learner[1] - sum(s.matvecs for s in replayed))
    return {"extra_sweeps": float(sweeps), "extra_matvecs": float(matvecs)}


def _stream() -> ShiftedPoisson:
    stream = ShiftedPoisson(law="high", instances=200)
    stream.load(SEEDS)
    return stream


@cache
def _table() -> NDArray[np.int64]:
    """Costs of 200 instances of the high-variance law, [200, 20]."""
    stream, omegas = _stream(), omega_grid(20)
    shape = (len(stream.contexts), len(omegas))
    diagonal = np.repeat(4 + stream.contexts, len(omegas))
    b = np.repeat(stream.targets.T, len(omegas), axis=1)
    return sor_costs(10, diagonal, np.tile(omegas, len(stream.contexts)), b).reshape(shape)


def _states() -> list[tuple[int, Array, float]]:
    """(t, k / s, eta) before rounds 1, 10, 100, 1000, 2000 of a run over the 200 instances, ten times over."""
    table, learner, states = _table(), TsallisINF(), []
    learner.start(list(omega_grid(20)))
    for t in range(1, 2001):
        if t in (1, 10, 100, 1000, 2000):
            states.append((t, learner.estimates / learner.scale, learner.eta))
        arm, probability = learner.choose(0.0, SEEDS.numpy("learner", t))
        learner.update(0.0, arm, probability, float(table[(t - 1) % len(table), arm]))
    return states


def _simplex_minimum(k: Array, eta: float) -> Array:
    """argmin of <k, p> - (4 / eta) sum sqrt(p) over the simplex by sequential quadratic programming, [d].

    The unknowns are u = sqrt(p), on the sphere. In p the gradient 2 / (eta sqrt(p)) has no bound towards the edges,
    which iterates touch: there the outcome hangs on the last bit, and processors differ by up to 1e-2.
    """
    d = len(k)
    found = minimize(
        lambda u: k @ u**2 - 4 / eta * u.sum(),
        np.full(d, d**-0.5),
        jac=lambda u: 2 * k * u - 4 / eta,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * d,
        constraints={"type": "eq", "fun": lambda u: u @ u - 1, "jac": lambda u: 2 * u},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    return np.asarray(found.x**2) if found.success else np.full(d, np.nan)


def _small_stream() -> list[tuple[float, Array]]:
    stream = ShiftedPoisson(law="high", instances=40, side=6)
    stream.load(SEEDS)
    return [(float(c), b) for c, b in zip(stream.contexts, stream.targets, strict=True)]


@modules.register("learning_to_relax/exact")
class Exact(ExactModule):
    """Runs the functions above."""

    checks = collect(__name__)
