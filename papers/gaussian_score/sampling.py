"""Samples from a trained denoiser: how many steps the closed form saves, and how well it predicts trajectories.

gaussian_score/sampling       teleportation and its baselines, judged by distances between samples
gaussian_score/trajectories   end points and paths from the same noise; the order in which modes emerge
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from assay.data.base import Split
from assay.data.fetcher import data_folders
from assay.diffusion.samplers import Sampler, dpmpp_2m, heun, heun_evaluations, karras_grid, teleport
from assay.diffusion.scores import DeltaMixtureScore, GaussianScore, Score
from assay.errors import DataMissing
from assay.metrics.frechet import frechet_distance
from assay.metrics.sliced_wasserstein import sliced_wasserstein
from assay.models.mlp import MLP
from assay.module import modules
from assay.seeds import Seeds
from papers.gaussian_score.module import SOURCE, Trained, settled
from papers.gaussian_score.references import flat, mixture

SAMPLERS: dict[str, Sampler] = {"heun": heun, "dpmpp_2m": dpmpp_2m}
Start = Literal["teleport", "fewer", "truncated", "isotropic"]
Features = Callable[[Tensor], Tensor]
"""Rows [n, D] to features [n, F]."""


@dataclass(frozen=True)
class Arm:
    """A way to sample.

    Attributes:
        sampler: "heun" or "dpmpp_2m".
        start: "teleport" skips the grid's first steps by the closed form; "isotropic" by that of N(mu, tr(Sigma)/D I);
            "truncated" begins at mu + t_m e; "fewer" skips nothing and has a grid with fewer points instead.
        skip: m.
    """

    sampler: str
    start: Start
    skip: int


class Clothed(Trained):
    """What both modules need: noise to start from and the training images' Gaussian."""

    samples: int

    @functools.cached_property
    def gaussian(self) -> GaussianScore:
        """Mean and covariance of the training images."""
        return GaussianScore.of(flat(self.data.train.x))

    @functools.cached_property
    def noise(self) -> Tensor:
        """e of the axis `start`, [samples, D]: x_T = 80 e, the same for every arm."""
        d = self.data.train.x[0].numel()
        draws = torch.randn(self.samples, d, generator=self.seeds.torch("start"), dtype=torch.float64)
        return draws.to(self.data.train.x.device)


@modules.register(
    "gaussian_score/sampling", source=SOURCE, reduced={"weights": None, "samples": 16, "features": "classifier"}
)
class Sampling(Clothed):
    """Every arm makes samples from the same noise; a step is an arm, a unit its distances to real images.

    Args:
        steps: N of the grid.
        skips: values of m for teleportation with Heun's method; 0, the full sampler, comes first.
        compared: values of m at which the baselines run.
        dpm_skips: values of m with DPM-Solver++(2M).
        samples: how many.
        components: principal components (of the real images) in which the main distance is taken.
        features: "classifier", trained here on the training images, or "inception" (a TorchScript file).
        reference: the split with the real images.
        weights: see `Trained`.
    """

    def __init__(
        self,
        *,
        steps: int = 18,
        skips: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12),
        compared: tuple[int, ...] = (4, 5, 12),
        dpm_skips: tuple[int, ...] = (0, 4, 5),
        samples: int = 5000,
        components: int = 64,
        features: Literal["classifier", "inception"] = "classifier",
        reference: Literal["train", "test"] = "test",
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.steps, self.samples, self.components = steps, samples, components
        self.features, self.reference = features, reference
        baselines: tuple[Start, ...] = ("fewer", "truncated", "isotropic")
        self.arms = [
            *(Arm("heun", "teleport", m) for m in skips),
            *(Arm("heun", start, m) for m in compared for start in baselines),
            *(Arm("dpmpp_2m", "teleport", m) for m in dpm_skips),
        ]

    @property
    def total(self) -> int:
        """One step an arm."""
        return len(self.arms)

    def advance(self, start: int, stop: int) -> None:
        """The arms start, ..., stop-1."""
        for arm in self.arms[start:stop]:
            x = self.sample(arm)
            self.unit(
                f"{arm.sampler}/{arm.start}/{arm.skip}",
                sampler=arm.sampler,
                start=arm.start,
                skip=arm.skip,
                nfe=self.evaluations(arm),
                mse=float((x - self.full(arm.sampler)).square().mean()),
                **{name: float(distance(x)) for name, distance in self.distances.items()},
            )

    # -- samples --------------------------------------------------------------------------------------------------

    def grid(self, arm: Arm) -> list[float]:
        """The noise levels that the sampler sees."""
        if arm.start == "fewer":
            return karras_grid(self.steps - arm.skip)
        return karras_grid(self.steps)[arm.skip :]

    def evaluations(self, arm: Arm) -> int:
        """Calls of the network for a sample."""
        grid = self.grid(arm)
        return heun_evaluations(grid) if arm.sampler == "heun" else len(grid) - 1

    def sample(self, arm: Arm) -> Tensor:
        """[samples, D], not clipped."""
        if arm.skip == 0:
            return self.full(arm.sampler)
        sampler, grid, x = SAMPLERS[arm.sampler], self.grid(arm), 80.0 * self.noise
        if arm.start in ("teleport", "isotropic"):
            law = self.gaussian if arm.start == "teleport" else self.isotropic
            return teleport(sampler, law, arm.skip)(self.denoise, x, karras_grid(self.steps))
        if arm.start == "truncated":
            x = self.gaussian.mean + grid[0] * self.noise
        return sampler(self.denoise, x, grid)

    def full(self, sampler: str) -> Tensor:
        """Samples with no step skipped; made once."""
        if sampler not in self._full:
            self._full[sampler] = SAMPLERS[sampler](self.denoise, 80.0 * self.noise, karras_grid(self.steps))
        return self._full[sampler]

    @functools.cached_property
    def _full(self) -> dict[str, Tensor]:
        return {}

    @functools.cached_property
    def isotropic(self) -> GaussianScore:
        """N(mu, tr(Sigma)/D I)."""
        return GaussianScore.isotropic(self.gaussian.mean, float(self.gaussian.variances.mean()))

    # -- distances ------------------------------------------------------------------------------------------------

    @functools.cached_property
    def distances(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """By name, functions of samples [n, D]: Frechet distances in two spaces and a sliced Wasserstein distance."""
        real: Split | None = getattr(self.data, self.reference)
        assert real is not None
        rows = flat(real.x)
        project = principal(rows, self.components)
        learned = self.learned_features()
        projected, told = project(rows), learned(rows)
        return {
            "frechet": lambda x: frechet_distance(project(x), projected),
            "frechet_features": lambda x: frechet_distance(learned(x), told),
            "sliced": lambda x: sliced_wasserstein(project(x), projected, self.seeds.torch("slices")),
        }

    def learned_features(self) -> Features:
        """Penultimate outputs of a classifier, or Inception's features."""
        if self.features == "inception":
            return inception(self.data.inputs, self.noise.device)
        return classifier(self.data.train, self.data.classes)


def principal(rows: Tensor, components: int) -> Features:
    """Coordinates along the leading principal components of `rows` [n, D]."""
    law = GaussianScore.of(rows)
    return lambda x: law.coordinates(x)[:, -components:]


def classifier(train: Split, classes: int, epochs: int = 3, batch: int = 256) -> Features:
    """Outputs of the 64 last hidden units of a small MLP (D-256-64-classes) trained with Adam, always by seed 0."""
    seeds, x, y = Seeds(0), train.x.flatten(1), train.y
    with seeds.torch_global("init"):
        net = MLP((x.shape[1],), classes, hidden=(256, 64)).to(x.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    with torch.enable_grad():
        for epoch in range(epochs):
            order = torch.randperm(len(x), generator=seeds.torch("order", epoch)).to(x.device)
            for index in order.split(batch):
                optimizer.zero_grad()
                F.cross_entropy(net(x[index]), y[index]).backward()
                optimizer.step()
    body = net.layers[:-1].requires_grad_(False)
    return lambda rows: body(rows.float()).double()


def inception(shape: tuple[int, ...], device: torch.device, rows_at_once: int = 256) -> Features:
    """The 2048 features of FID, from the published TorchScript network `edm/inception-2015-12-05.pt`."""
    for folder in data_folders():
        path = folder / "edm" / "inception-2015-12-05.pt"
        if path.is_file():
            net = torch.jit.load(path, map_location=device).eval()
            break
    else:
        raise DataMissing("inception-2015-12-05.pt is not on this machine: put it into edm/ of the folder ASSAY_DATA")

    @torch.no_grad()
    def features(rows: Tensor) -> Tensor:
        parts = []
        for part in rows.split(rows_at_once):
            pixels = (part.view(-1, *shape) * 127.5 + 128).clamp(0, 255).to(torch.uint8)
            coloured = pixels if pixels.shape[1] == 3 else pixels.expand(-1, 3, -1, -1)
            parts.append(net(coloured, return_features=True).double())
        return torch.cat(parts)

    return features


@modules.register("gaussian_score/trajectories", source=SOURCE, reduced={"weights": None, "samples": 8, "clusters": 0})
class Trajectories(Clothed):
    """Where the closed form, the delta mixture and the network end from the same noise, and how modes emerge.

    Args:
        samples: starting points.
        steps: N of the grid for end points.
        fine: N of the grid for the order of emergence.
        modes: leading eigenvectors looked at.
        clusters: components of the mixture that is sampled too; 0 for none.
        rank: of its covariances.
        weights: see `Trained`.
    """

    unit_axes = ("sigma", "point")

    def __init__(
        self,
        *,
        samples: int = 512,
        steps: int = 18,
        fine: int = 72,
        modes: int = 30,
        clusters: int = 50,
        rank: int | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.samples, self.steps, self.fine, self.modes = samples, steps, fine, modes
        self.clusters, self.rank = clusters, rank

    @property
    def total(self) -> int:
        """End points, then emergence."""
        return 2

    def advance(self, start: int, stop: int) -> None:
        """The two parts."""
        for part in (self.end_points, self.emergence)[start:stop]:
            part()

    def end_points(self) -> None:
        """MSE per dimension to the network's sample, and along the way; Heun's method, and the Gaussian's formula."""
        grid, start = karras_grid(self.steps), 80.0 * self.noise
        paths = {"net": path_of(self.denoise, start, grid)}
        rows = flat(self.data.train.x)
        others: dict[str, Score] = {"delta": DeltaMixtureScore(rows)}
        if self.clusters:
            others["gmm"] = mixture(rows, self.clusters, self.rank, self.seeds)
        paths |= {name: path_of(score.denoise, start, grid) for name, score in others.items()}
        paths["gaussian"] = torch.stack([self.gaussian.flow(start, grid[0], sigma) for sigma in grid])
        apart = {name: (path - paths["net"]).square().mean((1, 2)) for name, path in paths.items() if name != "net"}
        for name, errors in apart.items():
            self.scalar(f"mse/{name}", errors[-1])
            for i, (sigma, error) in enumerate(zip(grid, errors.tolist(), strict=True)):
                self.unit(name, point=i, sigma=sigma, mse=error)

    def emergence(self) -> None:
        """Noise level at which each leading mode of D has 90 % of its last size, and how flat paths are."""
        u = self.gaussian.basis
        assert u is not None
        leading = u[:, -self.modes :].flip(1)
        variances = self.gaussian.variances.flip(0)[: self.modes]
        grid, sigmas, sizes = karras_grid(self.fine), list[float](), list[Tensor]()

        def watch(sigma: float, x: Tensor, denoised: Tensor) -> None:
            sigmas.append(sigma)
            sizes.append(((denoised - self.gaussian.mean) @ leading).abs().mean(0))

        path = path_of(self.denoise, 80.0 * self.noise, grid, watch)
        measured = settled(sigmas, torch.stack(sizes)).tolist()
        for k, (variance, sigma) in enumerate(zip(variances.tolist(), measured, strict=True)):
            self.unit(f"mode {k + 1}", mode=k + 1, variance=variance, sigma_90=sigma)
        self.scalar("emergence/spearman", float(stats.spearmanr(variances.tolist(), measured).statistic))
        self.scalar("path/outside_plane", outside_plane(path))


def path_of(
    denoise: Callable[[Tensor, float], Tensor],
    x: Tensor,
    grid: Sequence[float],
    watch: Callable[[float, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Heun's path over the grid, [len(grid), B, D]."""
    points: list[Tensor] = []

    def note(sigma: float, at: Tensor, denoised: Tensor) -> None:
        points.append(at)
        if watch is not None:
            watch(sigma, at, denoised)

    last = heun(denoise, x, grid, note)
    return torch.stack([*points, last])


def outside_plane(path: Tensor) -> Tensor:
    """Largest share of sum |x|^2 at a point of paths [T, B, D] outside the plane of each path's first and last x."""
    first = F.normalize(path[0], dim=1)
    last = path[-1]
    for _ in range(2):  # twice, for paths that are nearly straight
        last = F.normalize(last - (last * first).sum(1, keepdim=True) * first, dim=1)
    inside = sum((path * axis).sum(2).square().sum(1) for axis in (first, last))
    total = path.square().sum((1, 2))
    return ((total - inside) / total).max()
