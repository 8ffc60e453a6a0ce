"""How many steps until all rows are right: gradient descent with any step size, perceptrons, and their limit.

    large_step_lr/separate   a method on a data set, until it separates
    large_step_lr/margin     how separable a data set is: R and a lower bound on mu, for the theorems' bounds
    large_step_lr/limit      theta_t / gamma against the batch perceptron's th_t as gamma grows (Thm 3.2)

The methods are `assay.separators`. Counts follow Table 1: the smallest t with z_i . theta_t > 0 for all i, theta_0 = 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from assay.data.separable import gaussian_separable, signed_rows
from assay.metrics.separation import margin, separating_direction
from assay.module import PaperModule, log_steps, modules
from assay.separators import LRGD, BatchPerceptron, Rows, Separator
from assay.separators.logistic import gradient_norm, logistic_loss

Array = NDArray[np.float64]
SOURCE = "arXiv 2412.08424"


def iterates(method: Separator, rows: Rows, steps: int) -> Array:
    """theta_0, ..., theta_steps, [steps + 1, d], formed as they are written down; a method at its goal stands still."""
    theta = np.zeros((steps + 1, rows.z.shape[1]))
    method.start(rows)
    for t in range(steps):
        u = rows.z @ theta[t]
        done = u.min() > 0
        theta[t + 1] = theta[t] if done else theta[t] + rows.z.T @ method.coefficients(rows, u, t)
    return theta


@modules.register("large_step_lr/separate", source=SOURCE)
class Separate(PaperModule):
    """A method from theta_0 = 0 until it separates the training rows; a step is one of its steps.

    `budget.steps` is the cap: a run that does not get there counts as the cap and is marked as censored. All methods
    use u = Z theta alone (see `assay.separators`); theta_t = Z^T a_t is known by its coefficients a_t.

    Args:
        points: about how many points the curves have, evenly spaced in log; none by default.
    """

    takes = ("data", "separator")
    block_steps = 1000
    device_free = True
    separator: Separator

    def __init__(self, *, points: int = 0) -> None:
        super().__init__()
        self.points = points

    @property
    def total(self) -> int:
        """The cap."""
        return self.budget.total(None)

    def build(self) -> None:
        """theta_0 = 0."""
        self.rows = Rows(*signed_rows(self.data.train))
        self.separator.start(self.rows)
        self.u, self.a = np.zeros(len(self.rows)), np.zeros(len(self.rows))
        self.iterations = 0
        self.separated = False
        self.peak = 0.0

    def advance(self, start: int, stop: int) -> None:
        """The steps start, ..., stop-1, as far as they are needed."""
        for t in range(start, stop):
            if self.separated:
                return
            self.peak = max(self.peak, logistic_loss(self.rows, self.u))
            c = self.separator.coefficients(self.rows, self.u, t)
            self.a += c
            self.u += self.rows.products(c)
            self.iterations = t + 1
            self.separated = bool(self.u.min() > 0)

    def measure_at(self, total: int) -> Iterable[int]:
        """Evenly in log."""
        return log_steps(total, self.points) if self.points else ()

    def measure(self) -> Mapping[str, float]:
        """Accuracy, loss and gradient norm; nothing more once the run stands still."""
        if not self.points or self.steps_done - self.iterations > 0:
            return {}
        return {
            "train/accuracy": self.rows.mean(self.u > 0),
            "train/loss": logistic_loss(self.rows, self.u),
            "gradient/norm": gradient_norm(self.rows, self.u),
        }

    def finish(self) -> None:
        """The count, the largest loss at t = 0, ..., T - 1 (Fig. 4), and the margin of the separator that was found."""
        self.scalar("iterations", self.iterations)
        self.scalar("censored", not self.separated)
        self.scalar("loss/peak", self.peak)
        self.scalar("loss/final", logistic_loss(self.rows, self.u))
        self.scalar("train/accuracy", self.rows.mean(self.u > 0))
        self.scalar("margin/final", self.u.min() / np.sqrt(self.a @ self.u))  # ||theta||^2 = a . Z Z^T a

    def extra_state(self) -> dict[str, Any]:
        """Products, coefficients, and what the method remembers."""
        return {
            "u": torch.from_numpy(self.u.copy()),
            "a": torch.from_numpy(self.a.copy()),
            "iterations": self.iterations,
            "separated": self.separated,
            "peak": self.peak,
            "separator": self.separator.state(),
        }

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore them."""
        self.u, self.a = state["u"].numpy().copy(), state["a"].numpy().copy()
        self.iterations, self.separated, self.peak = state["iterations"], state["separated"], state["peak"]
        self.separator.load_state(state["separator"])


@modules.register("large_step_lr/margin", source=f"{SOURCE}, Theorems 3.3, 5.3 and 6.1")
class Margin(PaperModule):
    """n, R and a lower bound on the margin mu of the training rows, 0 if they are not separable; one step."""

    takes = ("data",)
    device_free = True

    @property
    def total(self) -> int:
        """One linear program."""
        return 1

    def advance(self, start: int, stop: int) -> None:
        """Solve it."""
        rows = Rows(*signed_rows(self.data.train))
        theta = separating_direction(rows.z)
        self.scalar("margin/rows", rows.n)
        self.scalar("margin/radius", rows.radius)
        self.scalar("margin/lower_bound", 0.0 if theta is None else margin(rows.z, theta))


@modules.register("large_step_lr/limit", source=f"{SOURCE}, Theorem 3.2")
class Limit(PaperModule):
    """e(gamma) = max over t of ||theta_t / gamma - th_t|| / ||th_t|| on Gaussian rows; a step is one gamma.

    t runs from 1 to the batch perceptron's separation, where th_t stops to move, and to `horizon` at most. A draw in
    which th_t passes closer than `degenerate` to a row, or that is separated in fewer than `shortest` steps, is
    replaced by the next one: the theorem holds for almost all data sets, and at a finite gamma it needs
    gamma |z_i . th_t| to be large.

    Args:
        exponents: log10 of the step sizes gamma.
        rows, dim, margin: n, d and the margin of `gaussian_separable`.
        horizon: the last t looked at.
        degenerate: least |z_i . th_t| that is accepted for 1 <= t < T.
        shortest: least number T of steps of the batch perceptron.
    """

    block_steps = 1
    device_free = True

    def __init__(
        self,
        *,
        exponents: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8),
        rows: int = 200,
        dim: int = 50,
        margin: float = 0.1,
        horizon: int = 30,
        degenerate: float = 1e-6,
        shortest: int = 3,
    ) -> None:
        super().__init__()
        self.exponents, self.shape, self.horizon = list(exponents), (rows, dim, margin), horizon
        self.degenerate, self.shortest = degenerate, shortest

    @property
    def total(self) -> int:
        """One step a gamma."""
        return len(self.exponents)

    def build(self) -> None:
        """The first draw that is not degenerate, from the axes ("data", 0), ("data", 1), ..."""
        for attempt in range(100):
            a, y = gaussian_separable(*self.shape, self.seeds.numpy("data", attempt))
            self.rows = Rows(a * y[:, None])
            self.th = iterates(BatchPerceptron(), self.rows, self.horizon)
            products = self.th @ self.rows.z.T
            self.T = int(np.argmax((products > 0).all(1))) or self.horizon
            if self.shortest <= self.T and np.abs(products[1 : self.T]).min() >= self.degenerate:
                self.redraws = attempt
                return
        raise ArithmeticError("a hundred draws in a row were degenerate")

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def error(self, gamma: float) -> float:
        """e(gamma)."""
        theta = iterates(LRGD(gamma=gamma), self.rows, self.T) / gamma
        th = self.th[: self.T + 1]
        return float((np.linalg.norm(theta - th, axis=1)[1:] / np.linalg.norm(th, axis=1)[1:]).max())

    def advance(self, start: int, stop: int) -> None:
        """The step sizes start, ..., stop-1."""
        for exponent in self.exponents[start:stop]:
            error = self.error(10.0**exponent)
            self.scalar(f"limit/error_1e{exponent}", error)
            self.unit(exponent, gamma=10.0**exponent, error=error)

    def finish(self) -> None:
        """e at the largest gamma over e at the smallest, and the draws that were passed over."""
        first, last = (self.scalars[f"limit/error_1e{self.exponents[end]}"] for end in (0, -1))
        self.scalar("limit/fall", last / first)
        self.scalar("limit/redraws", self.redraws)
        self.scalar("limit/perceptron_steps", self.T)
