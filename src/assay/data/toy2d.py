"""Toy distributions in the plane, each the target of a standard normal."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from assay.data.base import data
from assay.data.marginals import Marginals
from assay.seeds import Seeds


def swiss_roll(n: int, generator: torch.Generator, noise: float = 0.8) -> Tensor:
    """n points of the noisy spiral, [n, 2], about the unit disc twice over; float64.

    Source: `sklearn.datasets.make_swiss_roll`, coordinates 0 and 2, divided by 7.5.
    """
    from sklearn.datasets import make_swiss_roll

    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    points, _ = make_swiss_roll(n, noise=noise, random_state=seed)
    return torch.from_numpy(points[:, [0, 2]] / 7.5)


def gaussian_ring(n: int, generator: torch.Generator, modes: int, radius: float, sd: float) -> Tensor:
    """n points of an even mixture of `modes` round Gaussians on a circle, [n, 2]; float64."""
    angle = 2 * math.pi / modes * torch.randint(modes, (n,), generator=generator).double()
    centre = radius * torch.stack([angle.cos(), angle.sin()], 1)
    return centre + sd * torch.randn(n, 2, generator=generator, dtype=torch.float64)


@data.register("swiss_roll", source="sklearn.datasets.make_swiss_roll")
class SwissRoll(Marginals):
    """From the standard normal to the swiss roll, in the plane.

    Args:
        samples: fixed training rows of each side; fresh ones can be drawn besides.
        held_out: test rows of each side.
        noise: standard deviation of the roll's noise before its coordinates are divided by 7.5.
    """

    def __init__(self, *, samples: int = 1000, held_out: int = 10_000, noise: float = 0.8) -> None:
        super().__init__()
        self.samples, self.held_out, self.noise = samples, held_out, noise

    def load(self, seeds: Seeds) -> None:
        """Draw the splits from the axis `data`."""
        self.fill(self.samples, self.held_out, seeds.torch("data"))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n points of the normal and n of the roll."""
        return torch.randn(n, 2, generator=generator, dtype=torch.float64), swiss_roll(n, generator, self.noise)


@data.register("gaussian_ring")
class GaussianRing(Marginals):
    """From the standard normal to a ring of Gaussians, in the plane.

    Args:
        samples: fixed training rows of each side; fresh ones can be drawn besides.
        held_out: test rows of each side.
        modes: number of Gaussians.
        radius: of the ring.
        sd: standard deviation of each Gaussian.
    """

    def __init__(
        self, *, samples: int = 1000, held_out: int = 10_000, modes: int = 8, radius: float = 4.0, sd: float = 0.5
    ) -> None:
        super().__init__()
        self.samples, self.held_out, self.modes, self.radius, self.sd = samples, held_out, modes, radius, sd

    def load(self, seeds: Seeds) -> None:
        """Draw the splits from the axis `data`."""
        self.fill(self.samples, self.held_out, seeds.torch("data"))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n points of the normal and n of the ring."""
        x = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        return x, gaussian_ring(n, generator, self.modes, self.radius, self.sd)
