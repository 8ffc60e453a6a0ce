"""Exact checks: Table 1's worst case, Theorem 4.1's data set, tight bounds on tiny sets, two forms of everything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from assay.data.separable import PerceptronWorstCase, gaussian_separable, signed_rows
from assay.exact import ExactModule, collect, exact
from assay.metrics.separation import hull_distance, iterations_to_separation
from assay.module import modules
from assay.seeds import Seeds
from assay.separators import (
    LRGD,
    BatchPerceptron,
    NormalizedBatchPerceptron,
    NormalizedLRGD,
    Perceptron,
    Rows,
    Separator,
)
from assay.separators.logistic import gradient_norm, logistic_loss
from papers.large_step_lr.module import iterates

Array = NDArray[np.float64]
SEEDS = Seeds(0)
TABLE_1: dict[str, Separator] = {
    "nlr_100": NormalizedLRGD(gamma=100),
    "nlr_10": NormalizedLRGD(gamma=10),
    "nlr_1": NormalizedLRGD(gamma=1),
    "nlr_0.1": NormalizedLRGD(gamma=0.1),
    "lr_100": LRGD(gamma=100),
    "lr_1e4": LRGD(gamma=1e4),
    "bp": BatchPerceptron(),
}


@exact("1")
def worst_case_counts() -> Mapping[str, float]:
    """Iterations on the worst-case set of a thousand rows, all of them written out and theta formed at every step."""
    data = PerceptronWorstCase(rows=1000)
    data.load(SEEDS)
    z, count = signed_rows(data.train)
    rows = Rows(np.repeat(z, count.astype(int), axis=0))
    found = {}
    for name, method in TABLE_1.items():
        theta = iterates(method, rows, 400)
        found[name] = float(np.argmax((theta @ rows.z.T > 0).all(1)))
    return found


@exact("4")
def misleading_loss() -> Mapping[str, float]:
    """Theorem 4.1's two rows at gamma = 1000: losses and gradient norm after one and two steps, theta_2 / gamma."""
    rows, gamma = Rows([[1.0, -1.0], [1.0, 4.0]]), 1000.0
    theta = iterates(LRGD(gamma=gamma), rows, 2)
    u = theta @ rows.z.T
    return {
        "first_loss_error": abs(logistic_loss(rows, u[1]) - gamma / 8),
        "second_loss": logistic_loss(rows, u[2]),
        "first_gradient_error": abs(gradient_norm(rows, u[1]) - math.sqrt(0.5)),
        "second_gradient": gradient_norm(rows, u[2]),
        "direction_error": float(np.abs(theta[2] / gamma - [1.0, 0.25]).max()),
        "least_product": float(u[2].min() / gamma),
    }


METHODS: dict[str, Separator] = {
    "bp": BatchPerceptron(),
    "nbp": NormalizedBatchPerceptron(),
    "perceptron": Perceptron(),
    **{f"nlr_{gamma:g}": NormalizedLRGD(gamma=gamma) for gamma in (0.1, 1.0, 10.0, 100.0)},
}


@exact("5a")
def tiny_sets() -> Mapping[str, float]:
    """The largest iterations / bound of every method on 300 tiny sets, where the bounds are nearly tight.

    mu is exact: the distance of the convex hull of the rows from 0.
    """
    worst = dict.fromkeys(METHODS, 0.0)
    for rows, mu in _tiny(300):
        for name, method in METHODS.items():
            bound = method.bound(rows.n, rows.radius, mu)
            count = iterations_to_separation(method, rows, int(2 * bound) + 2)
            worst[name] = max(worst[name], (count or np.inf) / bound)
    return worst


def _tiny(draws: int) -> Iterator[tuple[Rows, float]]:
    """Gaussian sets of 2 to 11 rows in 2 or 3 dimensions with (R/mu)^2 <= 2000, each with its margin mu."""
    generator = SEEDS.numpy("tiny")
    while draws:
        n, d, least = int(generator.integers(2, 12)), int(generator.integers(2, 4)), generator.choice([0.01, 0.05, 0.2])
        a, y = gaussian_separable(n, d, least, generator)
        rows = Rows(a * y[:, None])
        mu = hull_distance(rows.z)
        if (rows.radius / mu) ** 2 <= 2000:
            draws -= 1
            yield rows, mu


@exact("9")
def gradients() -> Mapping[str, float]:
    """The steps against autograd: the gradient of f, and beta grad f, relative to the norm of the gradient.

    At theta = 0 and at 20 random theta of norm 1 and 100.
    """
    rows = _gaussian(200, 50)
    z = torch.from_numpy(rows.z)
    found = {"gradient_error": 0.0, "normalized_error": 0.0}
    for theta in _thetas(50):
        point = torch.from_numpy(theta).requires_grad_()
        f = torch.logaddexp(torch.zeros(len(z), dtype=z.dtype), -(z @ point)).mean()
        (gradient,) = torch.autograd.grad(f, point)
        beta = 1 / torch.sigmoid(-(z @ point.detach())).mean()
        for name, method, reference in (
            ("gradient_error", LRGD(gamma=1.0), gradient.numpy()),
            ("normalized_error", NormalizedLRGD(gamma=1.0), (beta * gradient).numpy()),
        ):
            step = -rows.z.T @ method.coefficients(rows, rows.z @ theta, 0)
            error = float(np.linalg.norm(step - reference) / np.linalg.norm(reference))
            found[name] = max(found[name], error)
    return found


def _thetas(d: int) -> Iterator[Array]:
    yield np.zeros(d)
    for i in range(20):
        theta = SEEDS.numpy("theta", i).standard_normal(d)
        yield theta * (1.0 if i % 2 else 100.0) / np.linalg.norm(theta)


@exact("9")
def gram_form() -> Mapping[str, float]:
    """u by the Gram matrix against Z theta over 20 steps, relative to the largest |u|: separate trajectories."""
    rows, worst = _gaussian(500, 784), 0.0
    assert rows.gram is not None
    for method in (LRGD(gamma=100.0), LRGD(gamma=0.1), NormalizedLRGD(gamma=100.0), BatchPerceptron()):
        theta, u = np.zeros(rows.z.shape[1]), np.zeros(len(rows))
        for t in range(20):
            direct = rows.z @ theta
            if min(direct.min(), u.min()) > 0:
                break
            theta += rows.z.T @ method.coefficients(rows, direct, t)
            u += rows.products(method.coefficients(rows, u, t))
            direct = rows.z @ theta
            worst = max(worst, float(np.abs(u - direct).max() / np.abs(direct).max()))
    return {"gram_error": worst}


def _gaussian(n: int, d: int) -> Rows:
    a, y = gaussian_separable(n, d, 0.1, SEEDS.numpy("gaussian"))
    return Rows(a * y[:, None])


@modules.register("large_step_lr/exact")
class Exact(ExactModule):
    """Runs the functions above."""

    checks = collect(__name__)
