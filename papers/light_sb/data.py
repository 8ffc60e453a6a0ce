"""Problems whose bridge is known exactly, and the paper's data sets as local folders of arrays.

The public benchmark of Gushchin et al. (2023, arXiv 2306.10161) fixes a potential, samples x1 from the conditional
plan that it defines, and so knows the bridge between p0 and the law of x1. `MixtureBridge` is that construction with
a potential drawn afresh for every seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from assay.data.base import Split, data
from assay.data.fetcher import data_folders
from assay.data.marginals import Marginals
from assay.errors import DataMissing, UserError
from assay.models.gaussian_mixture_potential import GaussianMixturePotential
from assay.seeds import Seeds


@data.register(
    "light_sb/mixture", source="construction of arXiv 2306.10161", reduced={"held_out": 100, "components": 3}
)
class MixtureBridge(Marginals):
    """p0 = N(0, I) and p1 = the law of x1 ~ pi*(.|x0), for a random true potential; pi* is the exact plan.

    The potential has equal weights, centres r_k ~ N(0, 4 I) and diagonal S_k with entries from U[0.2, 0.8].

    Args:
        dimension: D.
        eps: variance of the Wiener process of the true bridge.
        components: number of components of the true potential.
        samples: fixed training rows of each side; fresh ones can be drawn besides.
        held_out: test rows of each side.

    Attributes:
        truth: the true potential, in double precision.
    """

    truth: GaussianMixturePotential

    def __init__(
        self, *, dimension: int = 2, eps: float = 0.1, components: int = 5, samples: int = 500, held_out: int = 10_000
    ) -> None:
        super().__init__()
        self.dimension, self.eps, self.components = dimension, eps, components
        self.samples, self.held_out = samples, held_out

    def load(self, seeds: Seeds) -> None:
        """Draw the potential from the axis `truth` and the splits from the axis `data`."""
        generator, shape = seeds.torch("truth"), (self.components, self.dimension)
        s = 0.2 + 0.6 * torch.rand(shape, generator=generator, dtype=torch.float64)
        r = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
        truth = GaussianMixturePotential((self.dimension,), self.dimension, components=self.components, eps=self.eps)
        self.truth = truth.double().requires_grad_(False)
        self.truth.set(r, s)
        self.fill(self.samples, self.held_out, seeds.torch("data"))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n samples of p0 and n of p1, independent of each other."""
        return self.normal(n, generator), self.pairs(n, generator)[1]

    def pairs(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n pairs (x0, x1) of the true plan, [n, D] each."""
        x0 = self.normal(n, generator)
        return x0, self.truth.sample(x0, generator)

    def normal(self, n: int, generator: torch.Generator) -> Tensor:
        """n samples of p0."""
        return torch.randn(n, self.dimension, generator=generator, dtype=torch.float64)


@data.register("light_sb/gaussians")
class GaussianPair(Marginals):
    """Two Gaussians in eight dimensions with diagonal covariances, for which the bridge has a closed form.

    Args:
        samples: training rows of each side.
        held_out: test rows of each side.
    """

    mean0 = torch.full((8,), 0.5, dtype=torch.float64)
    sd0 = torch.linspace(0.5, 1.5, 8, dtype=torch.float64)
    mean1 = torch.linspace(-1, 1, 8, dtype=torch.float64)
    sd1 = torch.linspace(2, 0.5, 8, dtype=torch.float64)

    def __init__(self, *, samples: int = 10_000, held_out: int = 10_000) -> None:
        super().__init__()
        self.samples, self.held_out = samples, held_out

    def load(self, seeds: Seeds) -> None:
        """Draw the splits from the axis `data`."""
        self.fill(self.samples, self.held_out, seeds.torch("data"))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n samples of each Gaussian."""
        x, y = torch.randn(2, n, 8, generator=generator, dtype=torch.float64)
        return self.mean0 + self.sd0 * x, self.mean1 + self.sd1 * y


class Arrays(Marginals):
    """Marginals that lie on this machine as .npy files.

    Attributes:
        folder: where they lie, below `ASSAY_DATA` or the checkout's `data/`.
        middle: samples of an intermediate time that training does not see, [n, D], or None.
        middle_time: that time, as a share of the way from p0 to p1.
        scale: what the arrays were divided by; distances are reported in the original units.
    """

    folder: str
    middle: Tensor | None = None
    middle_time: float = 0.5
    scale: float = 1.0

    def read(self, *names: str) -> list[np.ndarray]:
        """The arrays of these names.

        Raises:
            DataMissing: with the folder and the names that are expected.
        """
        for root in data_folders():
            paths = [root / self.folder / f"{name}.npy" for name in names]
            if all(path.is_file() for path in paths):
                return [np.load(path) for path in paths]
        wanted = Path("$ASSAY_DATA") / self.folder / f"{{{','.join(names)}}}.npy"
        raise DataMissing(f"these arrays are not on this machine: put {wanted} in place (papers/light_sb/README.md)")

    def split(self, train: Sequence[np.ndarray], test: Sequence[np.ndarray] | None = None) -> None:
        """Fill the splits with (p0, p1); the test split is the training split where none is held out."""

        def of(sides: Sequence[np.ndarray]) -> Split:
            x, y = (torch.from_numpy(np.asarray(side, float)) for side in sides)
            return Split(x, y)

        self.train = of(train)
        self.test = self.train if test is None else of(test)

    def made_up(self, seeds: Seeds, n: int, dimension: int, *, middle: bool) -> None:
        """Fill everything with n random rows of the right dimension."""
        rows = seeds.numpy("synthetic").standard_normal((5, n, dimension))
        self.split([*rows[:2]], [*rows[2:4]])
        self.middle = torch.from_numpy(rows[4]) if middle else None


@data.register("light_sb/msci", source="Open Problems 2022 (CITE-seq), arrays of the authors' code")
class SingleCells(Arrays):
    """Gene expression of cells on days 2, 3, 4 and 7, in principal components.

    Reads `msci/full_cite_pcas_{D}_day_{day}.npy`, which lie in the `data/` folder of the authors' repository.
    Arrays are divided by the mean over components of their pooled standard deviation, as there.

    Args:
        dimension: number of components, D.
        days: from, held out, to.
    """

    folder = "msci"

    def __init__(self, *, dimension: Literal[50, 100, 1000] = 50, days: Literal["2-3-4", "3-4-7"] = "2-3-4") -> None:
        super().__init__()
        self.dimension, self.days = dimension, [int(day) for day in days.split("-")]
        first, middle, last = self.days
        self.middle_time = (middle - first) / (last - first)

    def load(self, seeds: Seeds) -> None:
        """Read three days."""
        first, middle, last = self.read(*(f"full_cite_pcas_{self.dimension}_day_{day}" for day in self.days))
        self.scale = float(np.concatenate([first, last, middle]).std(axis=0).mean())
        self.split([first / self.scale, last / self.scale])
        self.middle = torch.from_numpy(middle / self.scale)

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Random rows in place of cells."""
        self.made_up(seeds, n, self.dimension, middle=True)


@data.register("light_sb/eb", source="embryoid body data (TrajectoryNet, arXiv 2002.04461)")
class EmbryoidBody(Arrays):
    """Five time points of differentiating stem cells, in 5 principal components.

    Reads `eb/pcs.npy` [n, >= 5], standardised as TrajectoryNet does, and `eb/labels.npy` [n], the times 0-4.

    Args:
        held_out: the time that is left out; the bridge goes from the one before it to the one after.
    """

    folder = "eb"

    def __init__(self, *, held_out: Literal[1, 2, 3] = 1) -> None:
        super().__init__()
        self.held_out = held_out

    def load(self, seeds: Seeds) -> None:
        """Read the components and split them by time."""
        components, labels = self.read("pcs", "labels")
        times = [components[labels == self.held_out + shift, :5] for shift in (-1, 0, 1)]
        self.split([times[0], times[2]])
        self.middle = torch.from_numpy(np.asarray(times[1], float))

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Random rows in place of cells."""
        self.made_up(seeds, n, 5, middle=True)


Group = Literal["man", "woman", "adult", "child"]


@data.register("light_sb/alae", source="ALAE latents of FFHQ (arXiv 2004.04467), arrays of the authors' code")
class FaceLatents(Arrays):
    """512-dimensional ALAE latents of faces (FFHQ 1024 x 1024), from one group to another.

    Reads `alae/latents.npy` [70000, 512], `alae/gender.npy` ("male", "female") and `alae/age.npy` (-1: unknown); the
    first 60 000 are for training. The authors' notebook says where they are offered.

    Args:
        source: group of p0.
        target: group of p1.
    """

    folder = "alae"
    train_rows = 60_000

    def __init__(self, *, source: Group = "adult", target: Group = "child") -> None:
        super().__init__()
        if source == target:
            raise UserError(f"data.source and data.target are both '{source}'")
        self.groups: tuple[Group, Group] = (source, target)

    def load(self, seeds: Seeds) -> None:
        """Read the latents and pick the two groups."""
        latents, gender, age = self.read("latents", "gender", "age")
        gender, age = gender.reshape(-1), age.reshape(-1)
        member = {
            "man": gender == "male",
            "woman": gender == "female",
            "adult": age >= 18,
            "child": (age < 18) & (age != -1),
        }
        early = np.arange(len(latents)) < self.train_rows
        train, test = ([latents[member[group] & part] for group in self.groups] for part in (early, ~early))
        self.split(train, test)

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Random rows in place of latents."""
        self.made_up(seeds, n, 512, middle=False)
