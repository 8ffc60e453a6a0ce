"""Exact checks: conditioning against dense algebra, projections against SLSQP, the laws against their equations."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from assay.data.gpme import LAWS
from assay.exact import ExactModule, collect, exact
from assay.linalg.gaussian_conditioning import gaussian_linear_conditioning
from assay.metrics.conservation import trapezoid_weights
from assay.module import modules
from assay.seeds import Seeds
from papers.probconserv.update import Gaussian, hardc, information_left, probconserv, schur

SEEDS = Seeds(0)
N = 201
CASES = {"diffusion": (1.0, 5.0), "pme": (1.0, 3.0, 6.0), "stefan": (0.55, 0.6, 0.7)}
"""Members and parameters whose closed forms are looked at."""


def facts(m: int, n: int = N) -> tuple[Tensor, Tensor]:
    """G and b: the trapezoid rule on [0, 1], or m random rows."""
    rng = SEEDS.numpy("facts", m)
    g = trapezoid_weights(torch.linspace(0, 1, n, dtype=torch.float64))[None]
    return (g if m == 1 else torch.from_numpy(rng.standard_normal((m, n)) / n)), torch.from_numpy(rng.normal(size=m))


def prediction(full: bool, n: int = N) -> Gaussian:
    """A random mean with variances over two decades; `full` correlates neighbours, on top of a nugget."""
    rng = SEEDS.numpy("prediction", int(full))
    mean, sd = torch.from_numpy(rng.normal(size=n)), torch.from_numpy(10 ** rng.uniform(-1.5, 0, n))
    if not full:
        return Gaussian(mean, sd.square())
    x = torch.linspace(0, 1, n, dtype=torch.float64)
    near = (-0.5 * ((x[:, None] - x) / 0.1).square()).exp() + 0.01 * torch.eye(n, dtype=torch.float64)
    return Gaussian(mean, sd[:, None] * near * sd)


@exact("1")
def conditioning() -> dict[str, float]:
    """Means and covariances against the Schur complement of the joint Gaussian; without noise, G mu~ and Sigma~ G'."""
    worst = dict.fromkeys(("mean", "covariance", "constraint", "null"), 0.0)
    for full in (False, True):
        for m in (1, 3):
            prior, (g, b) = prediction(full), facts(m)
            for noise in (0.0, 0.01):
                found = gaussian_linear_conditioning(*prior, g, b, noise)
                for name, mine, other in zip(worst, found, schur(*prior, g, b, noise), strict=False):
                    worst[name] = max(worst[name], float(np.abs(mine.numpy() - other).max()))
            mean, cov = gaussian_linear_conditioning(*prior, g, b)
            worst["constraint"] = max(worst["constraint"], float((g @ mean - b).abs().max()))
            worst["null"] = max(worst["null"], float((cov @ g.T).abs().max()))
    return worst


@exact("2")
def optimality() -> dict[str, float]:
    """n = 20: mu~ and HardC against SLSQP on their least-squares problems; equal variances make them the same."""
    n = 20
    prior, (g, b) = prediction(False, n), facts(1, n)

    def solved(weights: Tensor) -> Tensor:
        mean, w = prior.mean.numpy(), weights.numpy()
        found = minimize(
            lambda u: 0.5 * (w * (u - mean) ** 2).sum(),
            mean,
            jac=lambda u: w * (u - mean),
            method="SLSQP",
            constraints={"type": "eq", "fun": lambda u: g.numpy() @ u - b.numpy(), "jac": lambda u: g.numpy()},
            options={"ftol": 1e-16, "maxiter": 1000},
        )
        return torch.from_numpy(found.x)

    def apart(a: Tensor, c: Tensor) -> float:
        return float((a - c).abs().max())

    flat = Gaussian(prior.mean, torch.full((n,), 0.3, dtype=torch.float64))
    return {
        "weighted": apart(probconserv(prior, g, b).mean, solved(1 / prior.cov)),
        "unweighted": apart(hardc(prior, g, b).mean, solved(torch.ones(n, dtype=torch.float64))),
        "constant": apart(probconserv(flat, g, b).mean, hardc(flat, g, b).mean),
    }


@exact("3")
def equations() -> dict[str, float]:
    """Residuals by central differences away from the front, relative to |u_t|; the trapezoid rule on 20001 points."""
    residual, mass = 0.0, 0.0
    for name, parameters in CASES.items():
        law = LAWS[name]
        x = torch.linspace(*law.x_range, 20001, dtype=torch.float64)
        for value in parameters:
            p = torch.tensor(value, dtype=torch.float64)
            for t in (law.t_max * torch.tensor([0.3, 0.5, 1.0], dtype=torch.float64)).unbind():
                total = trapezoid_weights(x) @ law.solution(t, x, p)
                mass = max(mass, float((total - law.mass(t, p)).abs()))
                front = law.front(t, p)
                inside = x[::400][1:-1]
                if front is not None:
                    inside = inside[inside < 0.8 * front]
                residual = max(residual, relative_residual(name, t, inside, p))
    return {"residual": residual, "mass": mass}


def relative_residual(name: str, t: Tensor, x: Tensor, parameter: Tensor) -> float:
    """max |residual| / max |u_t| with differences of step 1e-4 of the domain's length."""
    law = LAWS[name]
    dt, dx = 1e-4 * law.t_max, 1e-4 * (law.x_range[1] - law.x_range[0])

    def u(s: float, y: float) -> Tensor:
        return law.solution(t + s, x + y, parameter)

    u_t = (u(dt, 0) - u(-dt, 0)) / (2 * dt)
    u_x = (u(0, dx) - u(0, -dx)) / (2 * dx)
    u_xx = (u(0, dx) - 2 * u(0, 0) + u(0, -dx)) / dx**2
    return float(law.residual(u(0, 0), u_t, u_x, u_xx, parameter).abs().max() / u_t.abs().max())


@exact("3")
def jump() -> dict[str, float]:
    """Rankine-Hugoniot at Stefan's front: x*'(t) u* against -u_x just before it, relatively; and z as on the card."""
    law, worst = LAWS["stefan"], 0.0
    for value in CASES["stefan"]:
        p, t = torch.tensor(value, dtype=torch.float64), torch.tensor(0.05, dtype=torch.float64, requires_grad=True)
        front = law.front(t, p)
        assert front is not None
        (speed,) = torch.autograd.grad(front, t)
        x = (front.detach() * (1 - 1e-12)).requires_grad_()
        (slope,) = torch.autograd.grad(law.solution(t.detach(), x, p), x)
        worst = max(worst, float((speed * p + slope).abs() / slope.abs()))
    return {"jump": worst}


@exact("7")
def trace() -> dict[str, float]:
    """trace(Sigma^-1 Sigma~) against n - m."""
    worst = {"diagonal": 0.0, "full": 0.0}
    for name, full in (("diagonal", False), ("full", True)):
        for m in (1, 3):
            prior, (g, b) = prediction(full), facts(m)
            left = information_left(prior, probconserv(prior, g, b))
            worst[name] = max(worst[name], math.fabs(left - (N - m)))
    return worst


@modules.register("probconserv/exact")
class Exact(ExactModule):
    """Runs the functions above."""

    checks = collect(__name__)
