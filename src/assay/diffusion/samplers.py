"""Samplers of the probability-flow ODE dx / dsigma = (x - D(x, sigma)) / sigma, from large noise to none.

A sampler takes a denoiser, points at the first noise level of a grid and the grid, and returns points at its last.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from assay.diffusion.scores import GaussianScore

Denoiser = Callable[[Tensor, float], Tensor]
"""(x [B, D], sigma) -> D(x, sigma), [B, D]"""

Watch = Callable[[float, Tensor, Tensor], None]
"""Called with sigma, x and D(x, sigma) at every point of the grid from which a step is made."""


class Sampler(Protocol):
    """Points at the last noise level of a descending grid, from those at the first."""

    def __call__(self, denoise: Denoiser, x: Tensor, grid: Sequence[float], watch: Watch | None = None) -> Tensor:
        """[B, D] to [B, D]."""


def karras_grid(
    steps: int, sigma_max: float = 80.0, sigma_min: float = 0.002, rho: float = 7.0, *, zero: bool = True
) -> list[float]:
    """t_i = (max^(1/rho) + i/(N-1) (min^(1/rho) - max^(1/rho)))^rho for i = 0, ..., N-1, and t_N = 0.

    Source: Karras et al. (2022), arXiv 2206.00364, Eq. 5.

    Args:
        steps: N, at least 2.
        sigma_max, sigma_min, rho: see the formula.
        zero: whether the 0 is there.
    """
    first, last = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    inner = [(first + i / (steps - 1) * (last - first)) ** rho for i in range(1, steps - 1)]
    return [sigma_max, *inner, sigma_min, *([0.0] if zero else [])]


@torch.no_grad()
def heun(denoise: Denoiser, x: Tensor, grid: Sequence[float], watch: Watch | None = None) -> Tensor:
    """Heun's method of second order; a last step to 0 is Euler's.

    Source: Karras et al. (2022), arXiv 2206.00364, Algorithm 1 (deterministic).
    """
    for t, following in itertools.pairwise(grid):
        denoised = denoise(x, t)
        if watch is not None:
            watch(t, x, denoised)
        slope = (x - denoised) / t
        ahead = x + (following - t) * slope
        if following > 0:
            slope = (slope + (ahead - denoise(ahead, following)) / following) / 2
            ahead = x + (following - t) * slope
        x = ahead
    return x


@torch.no_grad()
def dpmpp_2m(denoise: Denoiser, x: Tensor, grid: Sequence[float], watch: Watch | None = None) -> Tensor:
    """DPM-Solver++(2M) in the variance-exploding form; its first step, and a last one to 0, are of first order.

    In l = -log sigma, with the increments h and r = h_{i-1} / h_i,
    x_{i+1} = (s_{i+1}/s_i) x_i + (1 - s_{i+1}/s_i) ((1 + 1/(2r)) D_i - 1/(2r) D_{i-1}).

    Source: Lu et al. (2022), arXiv 2211.01095, Algorithm 2.
    """
    before: tuple[float, Tensor] | None = None
    for t, following in itertools.pairwise(grid):
        denoised = denoise(x, t)
        if watch is not None:
            watch(t, x, denoised)
        ratio, towards = following / t, denoised
        if following > 0:
            h = math.log(t / following)
            if before is not None:
                towards = denoised + (denoised - before[1]) * h / (2 * before[0])
            before = (h, denoised)
        x = ratio * x + (1 - ratio) * towards
    return x


def heun_evaluations(grid: Sequence[float]) -> int:
    """How often `heun` calls the denoiser: two a step, one for a step to 0."""
    return 2 * (len(grid) - 1) - (grid[-1] == 0)


def teleport(sampler: Sampler, gaussian: GaussianScore, skip: int) -> Sampler:
    """A sampler whose first `skip` steps are made in one by the Gaussian's closed-form flow; the others stay.

    Source: Wang and Vastola (2024), arXiv 2412.09726.
    """

    def from_there(denoise: Denoiser, x: Tensor, grid: Sequence[float], watch: Watch | None = None) -> Tensor:
        return sampler(denoise, gaussian.flow(x, grid[0], grid[skip]), grid[skip:], watch)

    return from_there
