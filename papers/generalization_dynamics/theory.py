"""The exact learning curves of a linear student of a noisy linear teacher.

X [N, P] has entries N(0, 1/N); the teacher is wbar ~ N(0, sw2), labels are y = wbar X + e with e ~ N(0, se2), and the
student starts at w ~ N(0, s02) and follows dw/dt = (y - w X) X^T. In the eigenbasis of X X^T every mode goes its own
way; averaged over wbar, w(0) and e the errors depend on the eigenvalues alone. alpha = P/N, SNR = sw2/se2, sw2 = 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from assay.metrics.marchenko_pastur import Spectrum

Array = NDArray[np.float64]


class Setting(NamedTuple):
    """Variances: of the labels' noise, se2 = 1/SNR, and of the initial weights, s02; the teacher's is sw2 = 1."""

    noise: float
    start: float

    @property
    def power(self) -> float:
        """S = sw2 + s02, the mean squared weight error at the start."""
        return 1.0 + self.start


def generalisation_error(spectrum: Spectrum, setting: Setting, times: ArrayLike) -> Array:
    """E_g(t) on a new noisy question, [T] at times [T], which may be infinite.

    E_g(t) = (1/N) sum_i [S e^{-2 lam_i t} + (se2/lam_i)(1 - e^{-lam_i t})^2] + se2; a mode with lam = 0 keeps S.
    """
    t = np.asarray(times, float)[:, None]
    decay = np.exp(-spectrum.values * t)
    learned = -np.expm1(-spectrum.values * t)
    modes = setting.power * decay**2 + setting.noise / spectrum.values * learned**2
    return modes @ spectrum.weights + spectrum.zero * setting.power + setting.noise


def training_error(spectrum: Spectrum, setting: Setting, times: ArrayLike) -> Array:
    """E_t(t) = (1/P) sum_{lam_i > 0} e^{-2 lam_i t} (lam_i S + se2) + max(1 - N/P, 0) se2, [T]."""
    t = np.asarray(times, float)[:, None]
    modes = np.exp(-2 * spectrum.values * t) * (spectrum.values * setting.power + setting.noise)
    return modes @ spectrum.weights / spectrum.alpha + max(1 - 1 / spectrum.alpha, 0.0) * setting.noise


def final_error(alpha: float, setting: Setting) -> float:
    """E_g at t = infinity and N = infinity: frozen modes below alpha = 1, noise on both sides; infinite at 1."""
    if alpha == 1:
        return math.inf
    if alpha < 1:
        return (1 - alpha) * setting.power + setting.noise * alpha / (1 - alpha) + setting.noise
    return setting.noise / (alpha - 1) + setting.noise


def ridge_error(spectrum: Spectrum, setting: Setting) -> float:
    """E_g of ridge regression with the best penalty, g = se2/sw2: (1/N) sum_i sw2 g/(lam_i + g) + se2."""
    g = setting.noise
    return float((g / (spectrum.values + g)) @ spectrum.weights + spectrum.zero + setting.noise)


def mode_stopping_time(values: Array, setting: Setting) -> Array:
    """t*(lam) = log(1 + lam S/se2)/lam, when one mode is best left."""
    return np.log1p(values * setting.power / setting.noise) / values


def best_stopping_time(spectrum: Spectrum, setting: Setting, times: ArrayLike) -> float:
    """t_opt = argmin E_g(t), refined between the neighbours of the best of some times; 0 or inf at their ends."""
    grid = np.asarray(times, float)
    errors = generalisation_error(spectrum, setting, grid)
    best = int(errors.argmin())
    if not 0 < best < len(grid) - 1 or not np.isfinite(grid[best + 1]) or grid[best - 1] <= 0:
        return float(grid[best])
    found = minimize_scalar(
        lambda log_t: generalisation_error(spectrum, setting, [math.exp(log_t)])[0],
        bounds=(math.log(grid[best - 1]), math.log(grid[best + 1])),
        method="bounded",
    )
    return math.exp(found.x)


def overtraining(errors: Array) -> float:
    """O = E_g(inf) - min_t E_g(t), from errors [T] whose last time is the end of training."""
    return float(errors[-1] - errors.min())
