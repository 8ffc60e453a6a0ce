"""The method: a committee machine under gradient descent, whose lazy and rich phases are known in closed form.

This is the paper's own model (Section 5). The gradient, the test loss (Eq. 6) and the tangent kernel depend on the
weights through their mean and second moment only, so that a run costs little and its test loss is exact.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from assay.errors import UserError
from assay.metrics.crossing import at_time, last_crossing
from assay.metrics.kernels import KernelRegression, target_alignment
from assay.module import GradientModule, log_steps, modules
from papers.grokking_lazy_rich.data import MEAN_SQUARE, QuadraticTarget

SOURCE = "arXiv 2310.06110"
TOLERANCE = 0.001
"""A point counts as right where its squared error is below this: the paper's "accuracy" for regression (App.)."""


def committee(x: Tensor, w: Tensor, epsilon: float) -> Tensor:
    """f(x; w) = (1/N) sum_i phi(w_i . x) with phi(h) = h + (epsilon/2) h^2: [n] from x [n, D] and w [N, D]."""
    h = x @ w.T
    return (h + epsilon / 2 * h**2).mean(1)


class Moments(NamedTuple):
    """The sufficient statistics of the weights: wbar = (1/N) sum_i w_i, [D], and M = (1/N) sum_i w_i w_i^T, [D, D]."""

    mean: Tensor
    second: Tensor


def moments(w: Tensor) -> Moments:
    """The sufficient statistics of weights [N, D]."""
    return Moments(w.mean(0), w.T @ w / len(w))


class Quadratic(NamedTuple):
    """A function f(x) = linear . x + x^T matrix x / 2, with linear [D] and a symmetric matrix [D, D]."""

    linear: Tensor
    matrix: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Its values, [n], at x [n, D]."""
        return x @ self.linear + ((x @ self.matrix) * x).sum(1) / 2


class Terms(NamedTuple):
    """The three terms of Eq. 6; each a scalar, their sum is the test loss."""

    variance: Tensor
    misalignment: Tensor
    linear_power: Tensor


def test_loss(f: Quadratic, beta: Tensor) -> Terms:
    """E (f(x) - y(x))^2 over x ~ N(0, I/D) for y(x) = (beta . x)^2 / 2, in three terms (Eq. 6).

    With A = beta beta^T - matrix, y - f = x^T A x / 2 - linear . x; its odd and even part are uncorrelated, and
    E (x^T A x)^2 = ((Tr A)^2 + 2 ||A||_F^2) / D^2. For the centred committee, linear = alpha (wbar - wbar_0) and
    matrix = alpha epsilon (M - M_0), which is the paper's equation if wbar_0 = 0 and M_0 = 0.
    """
    d = len(beta)
    a = torch.outer(beta, beta) - f.matrix
    return Terms((a.trace() / d) ** 2 / 4, (a**2).sum() / (2 * d**2), (f.linear**2).sum() / d)


def tangent_kernel(x: Tensor, other: Tensor, at: Moments, epsilon: float) -> Tensor:
    """N times the neural tangent kernel of the committee, [n, m] from x [n, D] and other [m, D].

    K(x, x') = (x . x') [1 + epsilon wbar . (x + x') + epsilon^2 x^T M x'].
    """
    means = (x @ at.mean)[:, None] + (other @ at.mean)[None]
    return (x @ other.T) * (1 + epsilon * means + epsilon**2 * (x @ at.second @ other.T))


def kernel_predictor(x: Tensor, coefficients: Tensor, at: Moments, epsilon: float) -> Quadratic:
    """The function sum_mu c_mu K(., x_mu): linear and quadratic terms of regression with the tangent kernel.

    Args:
        x: [P, D] training points.
        coefficients: [P] dual coefficients c.
        at: the moments of the weights that the kernel belongs to.
        epsilon: of the activation.
    """
    linear = x.T @ (coefficients * (1 + epsilon * (x @ at.mean)))
    outer = epsilon * torch.outer(x.T @ coefficients, at.mean)
    outer = outer + epsilon**2 * (x.T @ (coefficients[:, None] * x)) @ at.second
    return Quadratic(linear, outer + outer.T)


@modules.register("grokking_lazy_rich/committee", source=f"{SOURCE}, Section 5", reduced={"hidden": 8})
class Committee(GradientModule):
    """The centred committee machine alpha (f(x; w) - f(x; w_0)) on the quadratic target, under squared loss.

    It looks at itself at some 150 steps, of which every second is a point of the curves: crossings and peaks are read
    off more finely than curves need to be drawn.

    The readout is frozen at 1, the weights start at sigma times a standard normal draw. `optimizer.lr` is eta_0: each
    group's rate is eta_0 N / alpha^2, where N undoes the 1/N of the gradient and 1/alpha^2 keeps the speed in function
    space, so that laziness is not a matter of small steps. That holds for every optimizer put in, also for those whose
    steps do not grow with the gradient.

    Args:
        hidden: N, the number of units.
        alpha: output scale; large is lazy.
        epsilon: strength of the activation's quadratic part, which is what aligns the initial kernel with the target.
        sigma: scale of the initial weights.
    """

    takes = ("data", "optimizer", "schedule")
    block_steps = 500
    early_steps: ClassVar[int] = 50
    logged: ClassVar[tuple[str, ...]] = (
        "train/loss", "test/loss", "test/variance", "test/misalignment", "test/linear_power", "weights/norm",
        "kernel/alignment", "train/within", "test/within",
    )  # fmt: skip

    w: nn.Parameter
    history: Tensor
    start_mean: Tensor
    start_second: Tensor
    beta: Tensor

    def __init__(self, *, hidden: int = 100, alpha: float = 1.0, epsilon: float = 0.25, sigma: float = 1.0) -> None:
        super().__init__()
        self.hidden, self.alpha, self.epsilon, self.sigma = hidden, alpha, epsilon, sigma

    def build(self) -> None:
        """Draw the weights from the axis `init`; the same draw whatever alpha, epsilon and sigma are."""
        if not isinstance(self.data, QuadraticTarget):
            raise UserError("the committee's closed forms hold for data=grokking_lazy_rich/quadratic only")
        draw = self.seeds.numpy("init").standard_normal((self.hidden, self.data.dim))
        self.w = nn.Parameter(self.sigma * torch.from_numpy(draw))
        for name, value in moments(self.w.detach())._asdict().items():
            self.register_buffer(f"start_{name}", value)
        self.register_buffer("beta", self.data.beta)
        self.looks = self.look_at(self.total)
        shape = len(self.looks), len(self.logged)
        self.register_buffer("history", torch.full(shape, math.nan, dtype=torch.float64))  # so checkpoints hold it
        self.optimize([self.w])
        self.base_lrs = [lr * self.hidden / self.alpha**2 for lr in self.base_lrs]

    # -- descent --------------------------------------------------------------------------------------------------

    def predictor(self) -> Quadratic:
        """The centred network as a function of x: alpha (wbar - wbar_0) . x + (alpha epsilon / 2) x^T (M - M_0) x."""
        mean, second = moments(self.w.detach())
        return Quadratic(
            self.alpha * (mean - self.start_mean), self.alpha * self.epsilon * (second - self.start_second)
        )

    @property
    def start(self) -> Moments:
        """The moments of the initial weights, wbar_0 and M_0."""
        return Moments(self.start_mean, self.start_second)

    def gradients(self, index: Tensor) -> Tensor:
        """Fill the gradient of L = mean_mu (f_mu - y_mu)^2 over the rows `index` and return L.

        dL/dw_i = (2 alpha / (P N)) sum_mu r_mu (1 + epsilon w_i . x_mu) x_mu with r = f - y, in which the sums over mu
        do not depend on i: with g = X^T r and H = X^T diag(r) X it is (2 alpha / (P N)) (g + epsilon H w_i).
        """
        train = self.data.train
        x, y = (train.x, train.y) if len(index) == len(train) else (train.x[index], train.y[index])
        r = self.predictor()(x) - y
        g, h = x.T @ r, x.T @ (r[:, None] * x)
        scale = 2 * self.alpha / (len(x) * self.hidden)
        self.w.grad = torch.addmm(g, self.w.detach(), h, alpha=self.epsilon).mul_(scale)
        return r @ r / len(x)

    # -- measurement ----------------------------------------------------------------------------------------------

    def look_at(self, total: int) -> list[int]:
        """Steps evenly spaced in log, step 0, and every one of the first: some 150 in all."""
        return sorted({*log_steps(total, 150), *range(min(total, self.early_steps) + 1)})

    def measure_at(self, total: int) -> Iterable[int]:
        """Steps 0 and 1, from there every second of these steps, and the last."""
        return sorted({0, *self.look_at(total)[1::2], total})

    def advance(self, start: int, stop: int) -> None:
        """Optimizer steps start, ..., stop-1."""
        if start == 0:
            self.look(0)
        super().advance(start, stop)

    def after_step(self, step: int) -> None:
        """Look where a look is due."""
        if step + 1 in self.looks:
            self.look(step + 1)

    @torch.no_grad()
    def look(self, step: int) -> None:
        """Losses divided by those of f = 0 (the training set's own mean y^2, and E y^2 = 3/4), |w|, alignment."""
        f, at = self.predictor(), moments(self.w.detach())
        terms = test_loss(f, self.beta)
        train, test = self.data.train, self.data.test
        assert test is not None
        fit, new = (f(train.x) - train.y) ** 2, (f(test.x) - test.y) ** 2
        row = [
            fit.mean() / (train.y**2).mean(),
            *(term / MEAN_SQUARE for term in (torch.stack(terms).sum(), *terms)),
            self.w.norm(),
            target_alignment(tangent_kernel(test.x, test.x, at, self.epsilon), test.y),
            *((errors < TOLERANCE).double().mean() for errors in (fit, new)),
        ]
        self.history[self.looks.index(step)] = torch.stack(row)

    def measure(self) -> Mapping[str, float]:
        """What was seen at this step."""
        if self.steps_done == 0:
            self.look(0)
        row = self.history[self.looks.index(self.steps_done)].tolist()
        return dict(zip(self.logged, row, strict=True))

    def seen(self, name: str) -> list[float]:
        """One of the logged numbers at all looks."""
        values: list[float] = self.history[:, self.logged.index(name)].tolist()
        return values

    def finish(self) -> None:
        """Times of crossing, the growth of the weights, and regression with the initial kernel."""
        for name in self.logged:
            self.scalar(name, self.seen(name)[-1])
        early = self.seen("train/loss")[: self.early_steps + 1]
        self.scalar("train/early_rise", max((b / a - 1 for a, b in itertools.pairwise(early)), default=math.nan))
        self.crossings()
        self.growth()
        self.kernel_reference()

    def crossings(self) -> None:
        """When training and test loss are below their levels for good; a loss that never is counts as T (censored)."""
        steps, train, test = self.looks, self.seen("train/loss"), self.seen("test/loss")
        times = {
            "train": last_crossing(steps, train, 0.2),
            "test": last_crossing(steps, test, 0.2),
            "test_half": last_crossing(steps, test, 0.5),
        }
        seen = {name: min(time, float(self.steps_done)) for name, time in times.items()}
        for name, time in seen.items():
            self.scalar(f"crossing/{name}", time)
        self.scalar("crossing/delay", math.log10(seen["test"] / seen["train"]))
        self.scalar("crossing/delay_steps", seen["test_half"] - seen["train"])
        self.scalar("crossing/censored", not math.isfinite(times["train"] + times["test"]))
        grokked = math.isfinite(times["train"] + times["test"]) and times["test"] >= 2 * times["train"]
        self.scalar("crossing/grokked", grokked)
        self.scalar("test/at_memorisation", at_time(steps, test, times["train"]))
        fitting = [after for before, after in zip(train, test, strict=True) if before < 0.5]
        self.scalar("test/rise", max(fitting, default=math.nan))
        peak = max(range(len(steps)), key=test.__getitem__)
        self.scalar("test/peak", test[peak])
        self.scalar("train/at_peak", train[peak])
        power = self.seen("test/linear_power")
        self.scalar("test/linear_fall", max(power) / power[-1] if power[-1] > 0 else math.nan)
        for name in ("train", "test"):
            within = last_crossing(steps, self.seen(f"{name}/within"), 0.9, rising=True)
            self.scalar(f"within/{name}", min(within, float(self.steps_done)))

    def growth(self) -> None:
        """|w_T| / |w_0| beside sqrt(1 + D / (alpha epsilon Tr M_0)).

        The second is what an exact fit, alpha epsilon (M - M_0) = beta beta^T, implies with |beta|^2 = D.
        """
        norm = self.seen("weights/norm")
        extra = len(self.beta) / (self.alpha * self.epsilon * float(self.start.second.trace()))
        ratio, predicted = norm[-1] / norm[0], math.sqrt(1 + extra)
        self.scalar("weights/growth", ratio)
        self.scalar("weights/growth_of_exact_fit", predicted)
        self.scalar("weights/growth_error", ratio / predicted - 1)

    def kernel_reference(self) -> None:
        """The exact test loss of least-norm regression with the initial tangent kernel, and y^T K^+ y."""
        x, y = self.data.train.x.to(self.beta.device), self.data.train.y.to(self.beta.device)
        fit = KernelRegression.fit(tangent_kernel(x, x, self.start, self.epsilon), y)
        predictor = kernel_predictor(x, fit.solution(), self.start, self.epsilon)
        self.scalar("kernel/test_loss", sum(test_loss(predictor, self.beta)) / MEAN_SQUARE)
        self.scalar("kernel/difficulty", fit.difficulty())
