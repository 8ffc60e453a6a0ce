"""The closed forms against an integrator, against densities, and the order in which a Gaussian's modes emerge.

The Gaussian is that of scikit-learn's digits in [-1, 1]: 64 dimensions, some without any variance.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.stats import multivariate_normal
from torch import Tensor
from torch.distributions import MultivariateNormal

from assay.diffusion.samplers import heun, karras_grid
from assay.diffusion.scores import GaussianScore, GMMScore
from assay.exact import ExactModule, collect, exact
from assay.module import modules
from papers.gaussian_score.module import settled
from papers.gaussian_score.references import log_slope

LEVELS = (0.05, 0.5, 5.0)
COUNTS = (18, 36, 72, 144, 288)
START, END = 80.0, 0.002


def images() -> Tensor:
    """The digits, [1797, 64]."""
    bunch = importlib.import_module("sklearn.datasets").load_digits()
    return torch.from_numpy(bunch.data / 8 - 1)


def normal(rows: int, columns: int) -> Tensor:
    """Fixed standard normal numbers."""
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def relative(value: Tensor, reference: Tensor) -> float:
    """|value - reference| / |reference|, norms over everything."""
    return float((value - reference).norm() / reference.norm())


@exact("1")
def flow() -> dict[str, float]:
    """The closed form from sigma 80 to .002 against DOP853 in eigen-coordinates, and Heun's error against it."""
    law = GaussianScore.of(images())
    start = START * normal(8, 64)
    end = law.flow(start, START, END)

    def velocity(sigma: float, c: NDArray[np.float64]) -> NDArray[np.float64]:
        x = law.point(torch.from_numpy(c).view(8, 64))
        slope = (x - law.denoise(x, sigma)) / sigma
        turned: NDArray[np.float64] = (law.coordinates(slope + law.mean)).flatten().numpy()
        return turned

    solved = solve_ivp(
        velocity, (START, END), law.coordinates(start).flatten().numpy(), "DOP853", rtol=1e-10, atol=1e-12
    )
    integrated = law.point(torch.from_numpy(solved.y[:, -1].copy()).view(8, 64))
    errors = [relative(heun(law.denoise, start, karras_grid(n, zero=False)), end) for n in COUNTS]
    return {
        "flow_error": relative(integrated, end),
        "heun_slope": log_slope([n - 1 for n in COUNTS], errors),
    }


@exact("2")
def scores() -> dict[str, float]:
    """Density against scipy, its gradient by autograd of torch's, and a mixture of one component."""
    rows = images()
    law = GaussianScore.of(rows)
    assert law.basis is not None
    covariance = (law.basis * law.variances) @ law.basis.T
    single = GMMScore.clusters(rows, torch.zeros(len(rows), dtype=torch.int64))
    eye = torch.eye(64, dtype=torch.float64)
    errors: dict[str, list[float]] = {"density_error": [], "gradient_error": [], "mixture_error": []}
    for sigma in LEVELS:
        x = (rows[:16] + sigma * normal(16, 64)).requires_grad_()
        noisy = covariance + sigma**2 * eye
        by_scipy = multivariate_normal.logpdf(x.detach().numpy(), law.mean.numpy(), noisy.numpy())
        (gradient,) = torch.autograd.grad(MultivariateNormal(law.mean, noisy).log_prob(x).sum(), x)
        x = x.detach()
        errors["density_error"].append(relative(law.log_density(x, sigma), torch.from_numpy(by_scipy)))
        errors["gradient_error"].append(relative(law(x, sigma), gradient))
        errors["mixture_error"].append(relative(single(x, sigma), law(x, sigma)))
    return {name: max(values) for name, values in errors.items()}


def root(function: Callable[[float], float]) -> float:
    """Where a function of the noise level vanishes; NaN if it does not change its sign."""
    ends = 1e-3, 10.0
    if function(ends[0]) * function(ends[1]) > 0:
        return math.nan
    found: float = brentq(function, *ends, xtol=1e-12)
    return found


@exact("10a")
def emergence() -> dict[str, float]:
    """D_k(sigma)/D_k(0) = sqrt(lambda/(lambda + sigma^2)) on the closed form; 90 % at .484 sqrt(lambda).

    The measurement that networks are judged by is tried out on the same path: order of 30 modes, and largest error.
    """
    law = GaussianScore.of(images())
    assert law.basis is not None
    start, leading = START * normal(8, 64), law.basis[:, -30:]
    variances = law.variances[-30:]

    def mode(sigma: float) -> Tensor:
        return (law.denoise(law.flow(start, START, sigma), sigma) - law.mean) @ leading

    last = (law.flow(start, START, 0.0) - law.mean) @ leading  # without noise D is x itself
    ratios = {sigma: mode(sigma) / last for sigma in karras_grid(72)[:-1]}
    expected = {sigma: (variances / (variances + sigma**2)).sqrt().expand(8, -1) for sigma in ratios}
    predicted = (variances * (1 / 0.81 - 1)).sqrt()
    solved = [root(lambda s, k=k: float(mode(s)[0, k] / last[0, k]) - 0.9) for k in range(30)]
    measured = settled(list(ratios), torch.stack([mode(sigma).abs().mean(0) for sigma in ratios]))
    return {
        "ratio_error": max(relative(ratios[sigma], expected[sigma]) for sigma in ratios),
        "sigma_error": relative(torch.tensor(solved, dtype=torch.float64), predicted),
        "out_of_order": float((measured.diff() <= 0).sum()),
        "measured_error": float((measured / predicted - 1).abs().max()),
    }


@modules.register("gaussian_score/exact", source="arXiv 2412.09726")
class Exact(ExactModule):
    """Runs the functions above."""

    checks: ClassVar = collect(__name__)
