"""The energy distance between two samples, and its permutation test."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor


def energy_distance(x: Tensor, y: Tensor, *, estimate: Literal["v", "u"] = "v", chunk: int = 2048) -> Tensor:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, estimated from samples.

    It is zero only for equal distributions. Papers on single cells report half of it, the squared MMD with kernel
    -|x - y|.

    Source: Szekely and Rizzo (2013), "Energy statistics".

    Args:
        x: [n, D].
        y: [m, D].
        estimate: "v" averages over all pairs and is never negative; "u" leaves out the pairs of a point with itself
            and is unbiased.
        chunk: rows of the distance matrix held at once.

    Returns:
        A scalar.
    """

    # In double precision, since the distance of a point to itself is found as a difference of squares.
    x, y = x.double(), y.double()

    def mean(a: Tensor, b: Tensor, pairs: int) -> Tensor:
        return torch.stack([torch.cdist(part, b).sum() for part in a.split(chunk)]).sum() / pairs

    n, m = len(x), len(y)
    own = 0 if estimate == "v" else 1
    return 2 * mean(x, y, n * m) - mean(x, x, n * (n - own)) - mean(y, y, m * (m - own))


def permutation_test(x: Tensor, y: Tensor, permutations: int, rng: np.random.Generator) -> tuple[float, float]:
    """Test whether two samples have one distribution, with the energy distance ("v") as the statistic.

    The points are relabelled at random; p = (1 + #{relabelled >= observed}) / (1 + permutations), which is never
    below 1 / (1 + permutations) and is valid at any level.

    Args:
        x: [n, D].
        y: [m, D]; the distance matrix of n + m points is held at once.
        permutations: number of random relabellings.
        rng: where they come from.

    Returns:
        The observed statistic and the p-value.
    """
    points = torch.cat([x, y]).double()
    distances = torch.cdist(points, points)
    # With z = 1/n on the first sample and -1/m on the second, the statistic is the quadratic form -z^T D z.
    z = torch.cat([torch.full((len(x),), 1 / len(x)), torch.full((len(y),), -1 / len(y))]).to(points)
    orders = [np.arange(len(points)), *(rng.permutation(len(points)) for _ in range(permutations))]
    labels = z[torch.from_numpy(np.stack(orders)).to(z.device)]  # [1 + permutations, n + m]
    statistics = -((labels @ distances) * labels).sum(1)
    observed = statistics[0]
    # Equal partitions differ by rounding only; they must count as ties.
    at_least = int((statistics[1:] >= observed - 1e-12 * observed.abs()).sum())
    return float(observed), (1 + at_least) / (1 + permutations)
