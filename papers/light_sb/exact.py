"""The closed forms against quadrature, autograd and an independent solver."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from assay.exact import ExactModule, collect, exact
from assay.models.gaussian_mixture_potential import GaussianMixturePotential
from assay.module import modules
from assay.solvers.sinkhorn import sinkhorn
from papers.light_sb.module import gaussian_bridge

TIMES = (0.0, 0.3, 0.9)
STEP = 1e-4
GRID = torch.arange(-25, 25 + STEP, STEP, dtype=torch.float64)
"""Points of the quadrature in one dimension."""


def line_potential(eps: float = 0.5) -> GaussianMixturePotential:
    """Three components in one dimension, in double precision."""
    net = GaussianMixturePotential((1,), 1, components=3, eps=eps).double().requires_grad_(False)
    r = torch.tensor([[-1.2], [0.3], [1.7]], dtype=torch.float64)
    s = torch.tensor([[0.3], [0.8], [0.5]], dtype=torch.float64)
    net.set(r, s, torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64).log())
    return net


def log_quadrature(log_values: Tensor) -> Tensor:
    """log of the integral over GRID of exp(log_values), [..., len(GRID)] -> [...]."""
    return torch.logsumexp(log_values, -1) + float(np.log(STEP))


def relative(value: Tensor, reference: Tensor) -> float:
    """Largest relative error."""
    return float(((value - reference) / reference).abs().max())


@exact("1")
def normaliser() -> dict[str, float]:
    """c(x0) against the integral of exp(x0 x1 / eps) v(x1), and the integral of pi(x1|x0) against 1."""
    net = line_potential()
    x0 = torch.tensor([[-1.5], [0.0], [0.7], [2.0]], dtype=torch.float64)
    points, log_v = GRID[:, None], net.log_v(GRID[:, None])
    by_quadrature = torch.stack([log_quadrature(x * GRID / net.eps + log_v) for x in x0])
    mass = torch.stack([log_quadrature(net.log_plan(x.expand_as(points), points)) for x in x0])
    return {
        "c_error": relative(net.log_c(x0).exp(), by_quadrature.exp()),
        "mass_error": relative(mass.exp(), torch.ones_like(mass)),
    }


@exact("2")
def drift() -> dict[str, float]:
    """The closed-form drift against autograd of its log-sum-exp and against differences of the quadrature."""
    net, x = line_potential(), torch.tensor([[0.7]], dtype=torch.float64)
    space = random_potential(dimension=3)
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return {
        "autograd_error": max(
            relative(potential.drift(at, t), drift_by_autograd(potential, at, t))
            for potential, at in ((net, x), (space, points))
            for t in TIMES
        ),
        "quadrature_error": max(relative(net.drift(x, t), drift_by_quadrature(net, x, t)) for t in TIMES),
        "start_error": max(
            float((potential.drift(at, 0.0) - (potential(at) - at)).abs().max())
            for potential, at in ((net, x), (space, points))
        ),
    }


def random_potential(dimension: int) -> GaussianMixturePotential:
    """Four components in some dimension, eps = 0.5."""
    generator = torch.Generator().manual_seed(1)
    net = GaussianMixturePotential((dimension,), dimension, components=4, eps=0.5).double().requires_grad_(False)
    r = torch.randn(4, dimension, generator=generator, dtype=torch.float64)
    net.set(r, 0.2 + torch.rand(4, dimension, generator=generator, dtype=torch.float64))
    return net


def drift_by_autograd(net: GaussianMixturePotential, x: Tensor, t: float) -> Tensor:
    """eps grad_x log h with h(x) the integral over x1 of exp(-|x1-x|^2/(2 eps (1-t)) + |x1|^2/(2 eps)) v(x1).

    Each component gives a Gaussian integral with precision A_k and linear term h_k.
    """
    x = x.clone().requires_grad_()
    eps, left = net.eps, 1 - t
    a = t / (eps * left) + 1 / (eps * net.s)
    h = x[:, None] / (eps * left) + net.r / (eps * net.s)
    log_terms = net.log_alpha + 0.5 * (h**2 / a - net.r**2 / (eps * net.s) - net.log_s - a.log()).sum(-1)
    log_h = torch.logsumexp(log_terms, -1) - (x**2).sum(-1) / (2 * eps * left)
    (gradient,) = torch.autograd.grad(log_h.sum(), x)
    return eps * gradient


def drift_by_quadrature(net: GaussianMixturePotential, x: Tensor, t: float) -> Tensor:
    """The same by central differences of the logarithm of the integral, in one dimension."""
    width, eps = 1e-4, net.eps

    def log_h(at: Tensor) -> Tensor:
        exponent = -((GRID - at) ** 2) / (2 * eps * (1 - t)) + GRID**2 / (2 * eps)
        return log_quadrature(exponent + net.log_v(GRID[:, None]))

    return eps * (log_h(x + width) - log_h(x - width)) / (2 * width)


@exact("4")
def discrete_reference() -> dict[str, float]:
    """Sinkhorn between N(0, 1) and N(0, 1.5^2) on quantiles: its covariance against S s0^2."""
    n = 1000
    q = torch.from_numpy(norm.ppf((np.arange(1, n + 1) - 0.5) / n))[:, None]
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    measured: dict[str, float] = {}
    for eps in (0.3, 1.0):
        plan = sinkhorn(q, 1.5 * q, eps, iterations=5000, tolerance=1e-9)
        s, _ = gaussian_bridge(zero, one, zero, 1.5**2 * one, eps)
        covariance = (plan.matrix() * (q * (1.5 * q).T)).sum()
        measured[f"covariance_error_eps_{eps:g}"] = relative(covariance, s)
        measured[f"potential_change_eps_{eps:g}"] = plan.change
    return measured


@modules.register("light_sb/exact")
class Exact(ExactModule):
    """Measures all of the above."""

    checks: ClassVar = collect(__name__)
