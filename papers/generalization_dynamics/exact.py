"""Exact checks: the formulas against explicit descent and against each other, and what can never move."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from assay.exact import ExactModule, collect, exact
from assay.metrics.marchenko_pastur import Spectrum, edges
from assay.module import modules
from assay.seeds import Seeds
from papers.generalization_dynamics.module import Students, inputs
from papers.generalization_dynamics.networks import gradients
from papers.generalization_dynamics.theory import Setting, final_error, generalisation_error, training_error

Array = NDArray[np.float64]
SEEDS = Seeds(0)
ONE = Setting(noise=1.0, start=1.0)
"""SNR 1 and initial weights as large as the teacher's."""

FEW, MANY = (0.5, 2.0, 4.0), (0.25, 0.5, 2.0, 4.0)
"""Values of alpha."""


class Modes:
    """One draw of students in the eigenbasis of X X^T: their weights at any time, given what decays to what."""

    def __init__(self, students: Students) -> None:
        u, s, _ = torch.linalg.svd(students.x, full_matrices=True)
        rank = len(s)
        self.students, self.basis, self.start = students, u, students.w @ u
        self.values = torch.zeros(len(u), dtype=s.dtype)
        self.values[:rank] = s**2
        self.goal = self.start.clone()  # modes outside the span of X stay
        self.goal[:, :rank] = (students.target @ u)[:, :rank] / s**2

    def at(self, decay: torch.Tensor) -> torch.Tensor:
        """w(t) = w(0) decay + (1 - decay) (y X^T)/lam in every mode, back in the weights' own basis."""
        return (self.start * decay + (1 - decay) * self.goal) @ self.basis.T


def _students(alpha: float, size: int = 200, draws: int = 1) -> Students:
    return Students(inputs(SEEDS, size, alpha), ONE, draws, SEEDS.numpy("students", str(alpha)))


def _times(students: Students, rate: float, times: tuple[float, ...]) -> Iterator[tuple[float, int]]:
    """Descend to each time in turn; yields the time and the steps so far."""
    done = 0
    for time in times:
        steps = round(time / rate)
        students.descend(rate, steps - done)
        done = steps
        yield time, done


@exact("1a")
def euler_modes() -> Mapping[str, float]:
    """Euler's steps of 0.01 against the modes with e^{-lam t} replaced by (1 - 0.01 lam)^n: relative distance of w."""
    worst = 0.0
    for alpha in FEW:
        students = _students(alpha)
        modes = Modes(students)
        for _, steps in _times(students, 0.01, (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)):
            w = modes.at((1 - 0.01 * modes.values) ** steps)
            worst = max(worst, float((students.w - w).norm() / w.norm()))
    return {"weights_error": worst}


@exact("1b")
def euler_flow() -> Mapping[str, float]:
    """Euler's steps of 0.001 against the flow of the same draw: relative difference of E_t."""
    worst = 0.0
    for alpha in FEW:
        students = _students(alpha)
        modes = Modes(students)
        for time, _ in _times(students, 0.001, (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)):
            flow = students.training(modes.at(torch.exp(-modes.values * time)))
            worst = max(worst, float((students.training() / flow - 1).abs().max()))
    return {"training_error": worst}


@exact("1c")
def averages() -> Mapping[str, float]:
    """Means of E_g and E_t over 200 students of one X against the formulas, in standard errors."""
    worst = {"generalisation": 0.0, "training": 0.0}
    times = (0.3, 3.0, 30.0)
    for alpha in FEW:
        students = _students(alpha, draws=200)
        modes = Modes(students)
        spectrum = Spectrum.of(students.x.numpy())
        for t, test, train in zip(
            times, generalisation_error(spectrum, ONE, times), training_error(spectrum, ONE, times), strict=True
        ):
            w = modes.at(torch.exp(-modes.values * t))
            for name, seen, formula in (
                ("generalisation", students.generalisation(w), test),
                ("training", students.training(w), train),
            ):
                error = float(seen.std()) / math.sqrt(len(seen))
                worst[name] = max(worst[name], abs(float(seen.mean()) - formula) / error)
    return worst


SETTINGS = (Setting(0.1, 0.0), Setting(1.0, 1.0), Setting(10.0, 1.0))
"""(SNR, s02) = (10, 0), (1, 1), (0.1, 1)."""


@cache
def _spectra(alpha: float) -> list[Spectrum]:
    """Twenty draws at N = 800."""
    return [Spectrum.of(inputs(Seeds(SEEDS.axis("spectrum", draw)), 800, alpha)) for draw in range(20)]


@exact("2")
def large_matrices() -> Mapping[str, float]:
    """The integrals over the limiting density against averages at N = 800, and their ends against the closed forms."""
    times = np.geomspace(1e-2, 1e3, 12)
    worst = {"generalisation": 0.0, "training": 0.0, "end": 0.0}
    for alpha in MANY:
        limit = Spectrum.marchenko_pastur(alpha)
        for setting in SETTINGS:
            test = generalisation_error(limit, setting, times)
            seen = np.mean([generalisation_error(s, setting, times) for s in _spectra(alpha)], axis=0)
            worst["generalisation"] = max(worst["generalisation"], float(np.abs(test / seen - 1).max()))
            train = training_error(limit, setting, times)
            seen = np.mean([training_error(s, setting, times) for s in _spectra(alpha)], axis=0)
            large = seen > 0.02
            worst["training"] = max(worst["training"], float(np.abs(train / seen - 1)[large].max()))
            end = generalisation_error(limit, setting, [math.inf])[0]
            worst["end"] = max(worst["end"], abs(end - final_error(alpha, setting)))
    return worst


@exact("4")
def frozen_subspace() -> Mapping[str, float]:
    """Movement outside the span of the inputs, relative to all movement, after 500 explicit steps."""
    worst = 0.0
    for alpha in (0.25, 0.5, 0.9):
        students = _students(alpha)
        start = students.w.clone()
        students.descend(0.01, 500)
        moved = students.w - start
        q, _ = torch.linalg.qr(students.x, mode="complete")
        outside = q[:, students.x.shape[1] :]
        worst = max(worst, float((moved @ outside).norm() / moved.norm()))
    return {"linear": worst, "two_layers": _frozen_first_layer()}


def _frozen_first_layer() -> float:
    """The same for the rows of a network's first layer, with 50 inputs and 30 samples."""
    generator = SEEDS.numpy("frozen")
    x, y = (torch.from_numpy(generator.standard_normal(shape)) for shape in ((30, 50), (30,)))
    first, readout = (torch.from_numpy(generator.standard_normal(shape)) for shape in ((40, 50), (40,)))
    first, readout = first / math.sqrt(50), readout / math.sqrt(40)
    start = first.clone()
    for _ in range(500):
        found = gradients(x, y, first, readout)
        first, readout = first - 0.05 * found.first, readout - 0.05 * found.readout
    moved = first - start
    q, _ = torch.linalg.qr(x.T, mode="complete")
    return float((moved @ q[:, 30:]).norm() / moved.norm())


@exact("4")
def network_gradient() -> Mapping[str, float]:
    """The closed-form gradient of the two layers against autograd, relative."""
    generator = SEEDS.numpy("gradient")
    x, y, first, readout = (
        torch.from_numpy(generator.standard_normal(shape)) for shape in ((20, 5), (20,), (7, 5), (7,))
    )
    first.requires_grad_()
    readout.requires_grad_()
    value = (torch.relu(x @ first.T) @ readout - y).square().sum() / 40
    reference = torch.autograd.grad(value, (first, readout))
    found = gradients(x, y, first.detach(), readout.detach())
    errors = [float((a - b).norm() / b.norm()) for a, b in zip(found[:2], reference, strict=True)]
    return {"gradient": max(*errors, abs(float(found.value / value.detach()) - 1))}


@exact("5")
def initial_weights() -> Mapping[str, float]:
    """|wbar - w(inf)|^2/N with w(0) ~ N(0, 1) less that with w(0) = 0, same X, teacher and noise: 400 draws."""
    few = np.array([_start_matters(0.5, draw) for draw in range(400)])
    many = np.array([_start_matters(2.0, draw) for draw in range(400)])
    error = few.std(ddof=1) / math.sqrt(len(few))
    return {
        "mean_in_errors": abs(few.mean() - 0.5) / error,
        "standard_error": error,
        "largest_beyond": float(np.abs(many).max()),
    }


def _start_matters(alpha: float, draw: int, size: int = 400) -> float:
    """One draw of the difference, with the weights w(inf) = w(0) + (y - w(0) X) X^+ formed.

    X has full rank, so X^+ is (X^T X)^{-1} X^T or X^T (X X^T)^{-1}.
    """
    generator = SEEDS.numpy("start", str(alpha), draw)
    p = round(alpha * size)
    x, teacher, noise, start = (
        torch.from_numpy(generator.standard_normal(shape)) for shape in ((size, p), (size,), (p,), (size,))
    )
    x = x / math.sqrt(size)
    w = torch.stack([start, torch.zeros_like(start)])
    missing = teacher @ x + noise - w @ x
    if p < size:
        w = w + torch.linalg.solve(x.T @ x, missing.T).T @ x.T
    else:
        w = w + torch.linalg.solve(x @ x.T, x @ missing.T).T
    errors = (teacher - w).square().mean(1)
    return float(errors[0] - errors[1])


@exact("7")
def least_eigenvalue() -> Mapping[str, float]:
    """The least eigenvalue that is not zero against (1 - sqrt(alpha))^2 at N = 800: the worst draw of twenty."""
    worst = 0.0
    for alpha in MANY:
        edge = edges(alpha)[0]
        worst = max(worst, *(abs(spectrum.values.min() / edge - 1) for spectrum in _spectra(alpha)))
    return {"relative_error": float(worst)}


@modules.register("generalization_dynamics/exact")
class Exact(ExactModule):
    """Runs the functions above."""

    checks = collect(__name__)
