"""The sliced Wasserstein distance between two samples: optimal transport on random lines, averaged."""

from __future__ import annotations

import importlib

import torch
from torch import Tensor


def sliced_wasserstein(x: Tensor, y: Tensor, generator: torch.Generator, projections: int = 50) -> Tensor:
    """(E_u W2^2 of the projections on u)^(1/2), u uniform on the sphere, by the library POT.

    Source: Bonneel et al. (2015), "Sliced and Radon Wasserstein barycenters of measures".

    Args:
        x: [n, D].
        y: [m, D].
        generator: draws the directions, on the CPU; the same ones make distances comparable.
        projections: number of directions.

    Returns:
        A scalar.
    """
    u = torch.randn(x.shape[1], projections, generator=generator, dtype=torch.float64)
    u = (u / u.norm(dim=0)).to(x.device)
    distance: Tensor = importlib.import_module("ot").sliced_wasserstein_distance(x.double(), y.double(), projections=u)
    return distance
