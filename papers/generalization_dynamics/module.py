"""Linear students: the exact curves of random inputs, and explicit descent beside them.

    generalization_dynamics/linear       overtraining of one draw of X, for all settings of noise and start
    generalization_dynamics/simulation   many students descend on one X; theory for that X and for N = infinity

The curves themselves stand in `theory.py`, the nonlinear students in `networks.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.metrics.marchenko_pastur import Spectrum, edges
from assay.module import PaperModule, log_steps, modules
from assay.seeds import Seeds
from papers.generalization_dynamics.theory import (
    Setting,
    best_stopping_time,
    generalisation_error,
    overtraining,
    ridge_error,
    training_error,
)

Array = NDArray[np.float64]
SOURCE = "arXiv 1710.03667"


def inputs(seeds: Seeds, size: int, alpha: float) -> Array:
    """X [N, P] with entries N(0, 1/N) and P = alpha N, from the axis `inputs`."""
    return seeds.numpy("inputs").standard_normal((size, round(alpha * size))) / math.sqrt(size)


def all_times(first: float, last: float, points: int = 60) -> Array:
    """0, `points` times evenly spaced in log, and infinity."""
    return np.concatenate([[0.0], np.geomspace(first, last, points), [math.inf]])


@modules.register("generalization_dynamics/linear", source=f"{SOURCE}, linear theory")
class Linear(PaperModule):
    """The exact curves for one X and all settings of noise and start; a step is one setting.

    Only X varies from run to run: the formulas are averages over teacher, noise and initial weights.

    Args:
        alpha: samples over parameters, P/N.
        size: N.
        snr: signal-to-noise ratios; the noise has variance 1/snr.
        start: variances s02 of the initial weights.
    """

    block_steps = 1
    device_free = True

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        size: int = 200,
        snr: tuple[float, ...] = (0.1, 1.0, 10.0),
        start: tuple[float, ...] = (0.0, 1.0),
    ) -> None:
        super().__init__()
        self.alpha, self.size = alpha, size
        self.settings = [(ratio, Setting(1 / ratio, variance)) for ratio in snr for variance in start]

    @property
    def total(self) -> int:
        """One step a setting."""
        return len(self.settings)

    def build(self) -> None:
        """Draw X and decompose it."""
        self.spectrum = Spectrum.of(inputs(self.seeds, self.size, self.alpha))
        self.times = all_times(1e-2, 1e4)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve over settings."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """The settings start, ..., stop-1."""
        for snr, setting in self.settings[start:stop]:
            errors = generalisation_error(self.spectrum, setting, self.times)
            self.unit(
                f"snr={snr:g}, s02={setting.start:g}",
                snr=float(snr),
                s02=float(setting.start),
                final=errors[-1],
                stopped=errors.min(),
                overtraining=overtraining(errors),
                t_opt=min(best_stopping_time(self.spectrum, setting, self.times), 1e30),
                ridge=ridge_error(self.spectrum, setting),
            )

    def finish(self) -> None:
        """The least eigenvalue, measured and in the limit."""
        self.scalar("eigenvalue/least", self.spectrum.values.min())
        self.scalar("eigenvalue/edge", edges(self.alpha)[0])


class Students:
    """Linear students of noisy teachers who all meet the same X, with the errors of each.

    Args:
        x: [N, P] inputs.
        setting: variances of noise and start.
        draws: how many.
        generator: draws teachers, noise and starts.
    """

    def __init__(self, x: Array, setting: Setting, draws: int, generator: np.random.Generator) -> None:
        self.x, self.noise = torch.from_numpy(x), setting.noise
        n, p = x.shape
        normal = [torch.from_numpy(generator.standard_normal((draws, k))) for k in (n, p, n)]
        self.teacher, self.w = normal[0], math.sqrt(setting.start) * normal[2]
        self.y = self.teacher @ self.x + math.sqrt(setting.noise) * normal[1]
        self.gram, self.target = self.x @ self.x.T, self.y @ self.x.T

    def descend(self, rate: float, steps: int) -> None:
        """Explicit Euler steps of dw/dt = (y - w X) X^T, all students at once."""
        for _ in range(steps):
            self.w += rate * (self.target - self.w @ self.gram)

    def generalisation(self, w: Tensor | None = None) -> Tensor:
        """|wbar - w|^2/N + se2 of every student, [draws]: the exact error on a new noisy question."""
        w = self.w if w is None else w
        return (self.teacher - w).square().mean(1) + self.noise

    def training(self, w: Tensor | None = None) -> Tensor:
        """|y - w X|^2/P of every student, [draws]."""
        w = self.w if w is None else w
        return (self.y - w @ self.x).square().mean(1)


@modules.register("generalization_dynamics/simulation", source=f"{SOURCE}, linear figures")
class Simulation(PaperModule):
    """Linear students in explicit descent with steps of `rate`, and the theory at the same times; a step is a step.

    Args:
        alpha: samples over parameters, P/N.
        size: N.
        snr: signal-to-noise ratio.
        start: variance of the initial weights.
        students: how many share X.
        rate: length of a step in time.
    """

    block_steps = 1000
    device_free = True
    w: Tensor

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        size: int = 200,
        snr: float = 1.0,
        start: float = 1.0,
        students: int = 50,
        rate: float = 0.01,
    ) -> None:
        super().__init__()
        self.alpha, self.size, self.students, self.rate = alpha, size, students, rate
        self.setting = Setting(1 / snr, start)

    def build(self) -> None:
        """Draw X and the students."""
        x = inputs(self.seeds, self.size, self.alpha)
        self.group = Students(x, self.setting, self.students, self.seeds.numpy("students"))
        self.register_buffer("w", self.group.w)
        self.spectra = {"for_x": Spectrum.of(x), "limit": Spectrum.marchenko_pastur(self.alpha)}

    def measure_at(self, total: int) -> Iterable[int]:
        """Evenly in log."""
        return log_steps(total, 60)

    def advance(self, start: int, stop: int) -> None:
        """The steps start, ..., stop-1."""
        self.group.w = self.w
        self.group.descend(self.rate, stop - start)

    def measure(self) -> Mapping[str, float]:
        """Means and standard errors over students, and the theory for this X and for N = infinity."""
        self.group.w = self.w
        time = [self.steps_done * self.rate]
        values = {"time": time[0]}
        for name, errors in (("test", self.group.generalisation()), ("train", self.group.training())):
            values[f"{name}/error"] = float(errors.mean())
            values[f"{name}/standard_error"] = float(errors.std() / math.sqrt(self.students))
        for name, spectrum in self.spectra.items():
            values[f"test/{name}"] = generalisation_error(spectrum, self.setting, time)[0]
            values[f"train/{name}"] = training_error(spectrum, self.setting, time)[0]
        return values
