"""How EDM wraps a network: inputs and outputs of unit variance at every noise level, and the loss that goes with it.

Source: Karras, Aittala, Aila and Laine (2022), arXiv 2206.00364, Table 1 and Eqs. 7 and 8.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EDMPrecond(nn.Module):
    """D(x, sigma) = c_skip x + c_out F(c_in x, c_noise), with s = `sigma_data`:

        c_skip = s^2 / (sigma^2 + s^2)       c_out = sigma s / sqrt(sigma^2 + s^2)
        c_in   = 1 / sqrt(sigma^2 + s^2)     c_noise = log(sigma) / 4

    The network computes in its own precision, everything else in that of x.

    Args:
        net: F(x [B, ...], c_noise [B] or [1]) -> [B, ...].
        sigma_data: standard deviation of the data.
    """

    def __init__(self, net: nn.Module, sigma_data: float = 0.5) -> None:
        super().__init__()
        self.net, self.sigma_data = net, sigma_data

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """The denoised [B, ...] at noise levels [B], or at one for all."""
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).reshape(-1, *[1] * (x.ndim - 1))
        root = (level.square() + self.sigma_data**2).sqrt()
        own = next(self.net.parameters()).dtype
        f: Tensor = self.net((x / root).to(own), (level.log() / 4).flatten().to(own))
        return (self.sigma_data / root).square() * x + level * self.sigma_data / root * f.to(x.dtype)


def edm_sigmas(n: int, generator: torch.Generator, mean: float = -1.2, sd: float = 1.2) -> Tensor:
    """Noise levels of training, [n]: log sigma ~ N(mean, sd^2); the generator lives on the CPU."""
    return (mean + sd * torch.randn(n, generator=generator)).exp()


def edm_loss(denoiser: EDMPrecond, x0: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """E [(sigma^2 + s^2) / (sigma s)^2 |D(x_0 + sigma e, sigma) - x_0|^2], the squares summed over coordinates.

    Args:
        denoiser: D.
        x0: [B, ...] data.
        sigma: [B] noise levels.
        noise: [B, ...] standard normal e.
    """
    weight = (sigma.square() + denoiser.sigma_data**2) / (sigma * denoiser.sigma_data).square()
    noisy = x0 + sigma.reshape(-1, *[1] * (x0.ndim - 1)) * noise
    loss: Tensor = (weight * (denoiser(noisy, sigma) - x0).square().flatten(1).sum(1)).mean()
    return loss
