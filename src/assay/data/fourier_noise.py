"""A Fourier mode added to sequences: noise of a single frequency, to which linear systems can be very sensitive."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def fourier_noise(x: Tensor, frequency: float, amplitude: float = 0.1, phase: float = 0.0) -> Tensor:
    """x_l + amplitude max_l |x_l| sin(2 pi frequency l / L + phase), sequence by sequence and column by column.

    Args:
        x: sequences [..., L, columns].
        frequency: periods in a sequence; whole numbers below L/2 are the bins of its Fourier transform.
        amplitude: relative to the largest absolute value of a sequence's column.
        phase: in radians.
    """
    length = x.shape[-2]
    wave = torch.sin(2 * math.pi * frequency * torch.arange(length, dtype=torch.float64) / length + phase)
    return x + amplitude * x.abs().amax(-2, keepdim=True) * wave.to(x)[:, None]
