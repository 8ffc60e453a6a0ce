"""Exact checks: Eq. 6 and the gradient, the lazy limit, and what the scale of the weights does.

All of them train the module itself and compare it with something that shares none of its formulas: fresh random points,
autograd, a tangent kernel by forward and backward differentiation, a run with other parameters.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from assay.exact import ExactModule, collect, exact
from assay.metrics.kernels import KernelRegression, ntk
from assay.module import Budget, modules
from assay.optimizers import SGD
from assay.schedules import Constant
from assay.seeds import Seeds
from papers.grokking_lazy_rich.data import QuadraticTarget
from papers.grokking_lazy_rich.module import Committee, committee, test_loss

SEEDS = Seeds(1)
RATE = 3.0
"""eta_0."""


def make(*, tests: int = 200, alpha: float = 1.0, epsilon: float = 0.25, sigma: float = 1.0) -> Committee:
    """The committee at the desk sizes D=30, N=100, P=160, ready for plain gradient descent."""
    module = Committee(alpha=alpha, epsilon=epsilon, sigma=sigma)
    data = QuadraticTarget(tests=tests)
    data.load(SEEDS)
    descent = functools.partial(SGD, lr=RATE, momentum=0.0)
    module.attach(SEEDS, Budget(steps=1), {"data": data, "optimizer": descent, "schedule": Constant()}, {})
    module.build()
    return module


def steps_of(module: Committee, steps: int) -> Iterator[int]:
    """Yields 0, ..., steps, the module then having done as many steps."""
    everything = torch.arange(len(module.data.train))
    yield 0
    for step in range(steps):
        module.set_rates(step, steps)
        module.gradients(everything)
        module.optimizer.step()
        yield step + 1


def outputs(module: Committee, x: Tensor, chunk: int = 2000) -> Tensor:
    """alpha f(x; w) by its definition, [n] from x [n, D]; chunks stay in the cache."""
    w = module.w.detach()
    return module.alpha * torch.cat([committee(part, w, module.epsilon) for part in x.split(chunk)])


@exact("1")
def decomposition() -> dict[str, float]:
    """Eq. 6 against the mean squared error on 200,000 fresh points, in standard errors, the largest of five steps."""
    module = make()
    assert isinstance(module.data, QuadraticTarget)
    fresh = module.data.draw(SEEDS, "monte_carlo", 200_000)
    start, worst = outputs(module, fresh.x), 0.0
    for step in steps_of(module, 8000):
        if step in (0, 10, 100, 1000, 8000):
            squares = (outputs(module, fresh.x) - start - fresh.y) ** 2
            exactly = sum(test_loss(module.predictor(), module.beta))
            error = squares.std() / math.sqrt(len(squares))
            worst = max(worst, float((squares.mean() - exactly).abs() / error))
    return {"standard_errors": worst}


@exact("1")
def gradient() -> dict[str, float]:
    """The closed-form gradient against autograd at steps 0, 10 and 100: largest difference over largest entry."""
    module = make()
    start, train = module.w.detach().clone(), module.data.train
    worst = 0.0
    for step in steps_of(module, 100):
        if step in (0, 10, 100):
            w = module.w.detach().clone().requires_grad_()
            f = module.alpha * (committee(train.x, w, module.epsilon) - committee(train.x, start, module.epsilon))
            (reference,) = torch.autograd.grad(((f - train.y) ** 2).mean(), w)
            module.gradients(torch.arange(len(train)))
            assert module.w.grad is not None
            worst = max(worst, float((module.w.grad - reference).abs().max() / reference.abs().max()))
    return {"gradient_error": worst}


@exact("2")
def linearised() -> dict[str, float]:
    """At alpha = 10^4: residuals, predictions after 8000 steps and their gap to regression, relative L2 errors.

    The linearised network after t steps of size eta_0 N / alpha^2 is descent with the initial kernel and dual rate
    2 eta_0 / P; the kernel is taken by automatic differentiation of the definition.
    """
    module, steps = make(alpha=1e4, tests=1000), 8000
    train, test = module.data.train, module.data.test
    assert test is not None
    weights = {"w": module.w.detach().clone()}

    def one(p: Mapping[str, Tensor], row: Tensor) -> Tensor:
        return committee(row[None], p["w"], module.epsilon)

    kernel = module.hidden * ntk(one, train.x, params=weights)
    cross = module.hidden * ntk(one, test.x, train.x, params=weights)
    start_train, start_test = outputs(module, train.x), outputs(module, test.x)
    fit = KernelRegression.fit(kernel, train.y)
    rate = 2 * RATE / len(train)
    found = {}
    for step in steps_of(module, steps):
        if step in (10, 100, 1000):
            residual = outputs(module, train.x) - start_train - train.y
            linear = kernel @ fit.descended(rate, step) - train.y
            found[f"residual_{step}"] = float((residual - linear).norm() / linear.norm())
    prediction = outputs(module, test.x) - start_test
    for name, dual in (("prediction", fit.descended(rate, steps)), ("regression", fit.solution())):
        found[name] = float((prediction - cross @ dual).norm() / (cross @ dual).norm())
    return found


@exact("8")
def weight_scale() -> dict[str, float]:
    """(sigma, alpha, epsilon) and (1, alpha sigma, epsilon sigma): largest relative difference of losses, 300 steps.

    The weights of the second are those of the first over sigma, and eta_0 N / alpha^2 makes the steps agree.
    """
    worst = 0.0
    for sigma in (2.0, 3.0):
        pair = make(sigma=sigma), make(alpha=sigma, epsilon=0.25 * sigma)
        everything = torch.arange(len(pair[0].data.train))
        for _ in zip(steps_of(pair[0], 300), steps_of(pair[1], 300), strict=True):
            for a, b in zip(losses(pair[0], everything), losses(pair[1], everything), strict=True):
                worst = max(worst, float(abs(a / b - 1)))
    return {"relative_difference": worst}


def losses(module: Committee, index: Tensor) -> tuple[Tensor, Tensor]:
    """Training and test loss."""
    return module.gradients(index), sum(test_loss(module.predictor(), module.beta), start=torch.zeros(()))


@modules.register("grokking_lazy_rich/exact")
class Exact(ExactModule):
    """The closed forms and identities of this paper's card."""

    checks = collect(__name__)
