"""What the simulations behind docs/statistics.md share: the noises, and the page that shows the tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assay.report.readme import update

PAGE = Path(__file__).resolve().parents[1] / "docs" / "statistics.md"


@dataclass(frozen=True)
class Noise:
    """A distribution of units.

    Attributes:
        draw: numbers of a shape.
        mean, sd: of the distribution.
    """

    draw: Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]
    mean: float
    sd: float


_VARIANCE = 0.7**2

NOISES = {
    "normal": Noise(lambda rng, shape: rng.normal(size=shape), 0.0, 1.0),
    "Laplace": Noise(lambda rng, shape: rng.laplace(size=shape), 0.0, math.sqrt(2)),
    "t with 3 degrees of freedom": Noise(lambda rng, shape: rng.standard_t(3, size=shape), 0.0, math.sqrt(3)),
    "lognormal, sigma 0.7": Noise(
        lambda rng, shape: rng.lognormal(0.0, 0.7, size=shape),
        math.exp(_VARIANCE / 2),
        math.sqrt(math.exp(_VARIANCE) * (math.exp(_VARIANCE) - 1)),
    ),
}


def publish(tables: Mapping[str, str], quick: bool) -> None:
    """Print tables; put them between their markers in the page unless they are of a quick try."""
    for name, text in tables.items():
        print(f"\n{name}\n\n{text}")
        if not quick:
            update(PAGE, name, text)
