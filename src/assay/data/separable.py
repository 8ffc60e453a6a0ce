"""Linearly separable data with two classes: Gaussian points, and the worst case of the batch perceptron.

Labels are -1 and +1, everything is float64. Equal rows may be kept as one: `extra["count"]` says how many there are.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from assay.data.base import Data, Split, data
from assay.seeds import Seeds

Array = NDArray[np.float64]


def signed_rows(split: Split) -> tuple[Array, Array]:
    """z_i = y_i a_i, [m, d], and how many times each is there, [m].

    Labels are -1 and +1, or the indices of two classes, of which the first counts as +1.
    """
    y = split.y if split.y.is_floating_point() else 1 - 2 * split.y
    z = (split.x.double() * y.double()[:, None]).numpy()
    return z, split.extra["count"].numpy() if "count" in split.extra else np.ones(len(z))


def gaussian_separable(n: int, d: int, margin: float, generator: np.random.Generator) -> tuple[Array, Array]:
    """Standard normal points a_i, [n, d], labelled by a random hyperplane, y [n], and moved off it by `margin`.

    With theta* uniform on the unit sphere, y_i = sign(a_i . theta*) and then a_i += margin y_i theta*: theta*
    separates the points with at least this margin.
    """
    theta = generator.standard_normal(d)
    theta /= np.linalg.norm(theta)
    a = generator.standard_normal((n, d))
    y = np.where(a @ theta > 0, 1.0, -1.0)
    return a + margin * np.outer(y, theta), y


@data.register("gaussian_separable")
class GaussianSeparable(Data):
    """Gaussian points on the two sides of a hyperplane; see `gaussian_separable`.

    Args:
        rows: number of points.
        dim: their dimension.
        margin: least distance from the hyperplane.
    """

    def __init__(self, *, rows: int = 200, dim: int = 50, margin: float = 0.1) -> None:
        super().__init__()
        self.rows, self.dim, self.margin = rows, dim, margin

    def load(self, seeds: Seeds) -> None:
        """Draw them from the axis `data`."""
        a, y = gaussian_separable(self.rows, self.dim, self.margin, seeds.numpy("data"))
        self.train = Split(torch.from_numpy(a), torch.from_numpy(y))


@data.register("perceptron_worst_case", source="arXiv 2412.08424, Theorem 5.1")
class PerceptronWorstCase(Data):
    """A point (0.5, -1) with label +1 against n - 1 points (-0.5, -1) with label -1.

    The margin does not shrink with n, yet the batch perceptron needs about 0.3 n steps. The equal points are one row.

    Args:
        rows: n.
    """

    def __init__(self, *, rows: int = 1000) -> None:
        super().__init__()
        self.rows = rows

    def load(self, seeds: Seeds) -> None:
        """Nothing is random."""
        x = torch.tensor([[0.5, -1.0], [-0.5, -1.0]], dtype=torch.float64)
        count = torch.tensor([1.0, self.rows - 1.0], dtype=torch.float64)
        self.train = Split(x, torch.tensor([1.0, -1.0], dtype=torch.float64), {"count": count})
