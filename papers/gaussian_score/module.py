"""A denoiser is trained, and its score compared on the way with scores written down from the training images.

    gaussian_score/scores              EDM training; explained variance at checkpoints
    gaussian_score/pretrained_scores   the same for weights from a file

Sampling stands in `sampling.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.data.fetcher import data_folders
from assay.diffusion.edm import EDMPrecond, edm_loss, edm_sigmas
from assay.diffusion.scores import GaussianScore
from assay.errors import DataMissing
from assay.models.ema import ema_with_half_life
from assay.module import GradientModule, PaperModule, modules
from papers.gaussian_score.references import SIGMAS, Case, Comparison, far_out, flat, log_slope

SOURCE = "arXiv 2412.09726"
ROWS = 1000
"""Points that a network denoises at once."""


class NetDenoiser:
    """A network as a denoiser of rows [B, D] in double precision.

    Args:
        net: the preconditioned network.
        shape: of one input.
    """

    def __init__(self, net: torch.nn.Module, shape: tuple[int, ...]) -> None:
        self.net, self.shape = net, shape

    @torch.no_grad()
    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """D(x, sigma), [B, D]."""
        self.net.eval()  # a trainer puts everything into training mode
        return torch.cat([self.net(part.view(-1, *self.shape), sigma).flatten(1) for part in x.split(ROWS)])


@modules.register("gaussian_score/scores", source=SOURCE, reduced={"clusters": [2], "points": 8})
class Scores(GradientModule):
    """EDM training; at checkpoints, by noise level and reference, the share of the score that is not explained.

    The network that is compared is the moving average of the weights, which is kept as the artefact `net`.

    Args:
        sigmas: noise levels of the comparison.
        points: training images with noise at each.
        checkpoints: steps of the comparison; the last step is always one.
        clusters: numbers of components of the mixtures.
        rank: leading eigenpairs of their covariances; all if None.
        half_life: of the average, in images.
        ramp_up: its share of the images seen, early on.
    """

    takes = ("data", "model", "optimizer", "schedule")
    unit_axes = ("sigma", "at_step")
    default_parts = {"schedule": "warmup_cosine", "optimizer": "adam", "model": "film_mlp"}

    def __init__(
        self,
        *,
        sigmas: tuple[float, ...] = SIGMAS,
        points: int = 512,
        checkpoints: tuple[int, ...] = (0, 50, 150, 500, 1500, 5000),
        clusters: tuple[int, ...] = (10, 50),
        rank: int | None = None,
        half_life: float = 20_000,
        ramp_up: float = 0.05,
    ) -> None:
        super().__init__()
        self.sigmas, self.points, self.checkpoints = sigmas, points, checkpoints
        self.clusters, self.rank = clusters, rank
        self.half_life, self.ramp_up = half_life, ramp_up
        self._comparison: tuple[Comparison, list[Case]] | None = None
        self._step = 0

    def build(self) -> None:
        """The network and its average."""
        with self.seeds.torch_global("init"):
            self.net = EDMPrecond(self.model_part(self.data.inputs, self.data.outputs))
        self.optimize(self.net.parameters())
        batch = min(self.budget.batch or len(self.data.train), len(self.data.train))
        self.ema = ema_with_half_life(self.net, batch, self.half_life, self.ramp_up)

    def spreads(self) -> bool:
        """Noise is drawn for a whole batch."""
        return False

    def batch(self, step: int) -> Tensor:
        """The rows of a step, and the step is noted: its noise is drawn by it."""
        self._step = step
        return super().batch(step)

    def objective(self, index: Tensor) -> Tensor:
        """The EDM loss of the rows, with noise levels and noise of the axis (`noise`, step)."""
        x0 = self.data.train.x[index]
        generator = self.seeds.torch("noise", self._step)
        sigma = edm_sigmas(len(x0), generator).to(x0)
        return edm_loss(self.net, x0, sigma, torch.randn(x0.shape, generator=generator).to(x0))

    def after_step(self, step: int) -> None:
        """Average the weights."""
        self.ema.update_parameters(self.net)

    def measure_at(self, total: int) -> Iterable[int]:
        """The checkpoints."""
        return sorted({step for step in self.checkpoints if step < total} | {total})

    @property
    def comparison(self) -> tuple[Comparison, list[Case]]:
        """The references and their values at the points; a function of data and seeds alone, computed once."""
        if self._comparison is None:
            rows = flat(self.data.train.x)
            made = Comparison(rows, self.clusters, self.rank, self.seeds, self.points)
            self._comparison = made, [made.case(i, sigma) for i, sigma in enumerate(self.sigmas)]
        return self._comparison

    def measure(self) -> Mapping[str, float]:
        """Units: one for each noise level and reference."""
        comparison, cases = self.comparison
        denoise = NetDenoiser(self.ema.module, self.data.inputs)
        for case in cases:
            for name, values in comparison.explained(denoise, case):
                self.unit(name, at_step=self.steps_done, sigma=case.sigma, **values)
        return {}

    def finish(self) -> None:
        """The limit of large noise (check 3), the images' spectrum, and the network."""
        comparison, _ = self.comparison
        gaussian = comparison.scores["gaussian"]
        assert isinstance(gaussian, GaussianScore)
        noise = torch.randn(64, len(gaussian.mean), generator=self.seeds.torch("limit"), dtype=torch.float64)
        ratios = far_out(comparison.scores["delta"], gaussian, noise.to(gaussian.mean))
        self.scalar("limit/slope", log_slope(list(ratios), list(ratios.values())))
        self.scalar("data/variance", gaussian.variances.sum())
        self.scalar("data/largest", gaussian.variances[-1])
        self.scalar("data/smallest", gaussian.variances[0])
        state = self.ema.module.state_dict()
        self.arrays("net", **{name: value.cpu().numpy() for name, value in state.items()})


class Trained(PaperModule):
    """Base class of what looks at a network without training it.

    Args:
        weights: a file in the folder `edm` of a data folder with a state dict of the network alone; if None, the
            network is that of the input `net`, or untrained where there is no such input.
    """

    takes = ("data", "model")
    default_parts = {"model": "film_mlp"}
    block_steps = 1

    def __init__(self, *, weights: str | None = None) -> None:
        super().__init__()
        self.weights = weights

    def build(self) -> None:
        """The network with its weights."""
        with self.seeds.torch_global("init"):
            self.net = EDMPrecond(self.model_part(self.data.inputs, self.data.outputs))
        if "net" in self.inputs:
            with np.load(self.inputs["net"] / "net.npz") as arrays:
                self.net.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
        elif self.weights is not None:
            load_weights(self.net.net, self.weights)
        self.net.requires_grad_(False)
        self.denoise = NetDenoiser(self.net, self.data.inputs)

    def measure_at(self, total: int) -> Iterable[int]:
        """There are no curves."""
        return ()


def load_weights(net: torch.nn.Module, file: str) -> None:
    """Load a state dict; buffers and what only labels or augmentation use may be in it besides.

    Raises:
        DataMissing: the file is not there.
    """
    for folder in data_folders():
        if (folder / "edm" / file).is_file():
            state: dict[str, Any] = torch.load(folder / "edm" / file, map_location="cpu", weights_only=True)
            net.load_state_dict({name: state[name] for name in net.state_dict()})
            return
    raise DataMissing(f"{file} is not on this machine: put it into edm/ of data/ or of the folder ASSAY_DATA")


@modules.register(
    "gaussian_score/pretrained_scores", source=SOURCE, reduced={"weights": None, "clusters": [2], "points": 8}
)
class PretrainedScores(Trained):
    """Explained variance of a pretrained network's score; a step is a noise level.

    Args:
        sigmas, points, clusters, rank: see `Scores`.
        weights: see `Trained`.
    """

    unit_axes = ("sigma",)

    def __init__(
        self,
        *,
        sigmas: tuple[float, ...] = SIGMAS,
        points: int = 512,
        clusters: tuple[int, ...] = (10, 50),
        rank: int | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.sigmas, self.points, self.clusters, self.rank = sigmas, points, clusters, rank
        self._comparison: Comparison | None = None

    @property
    def total(self) -> int:
        """One step a noise level."""
        return len(self.sigmas)

    def advance(self, start: int, stop: int) -> None:
        """Compare at the noise levels start, ..., stop-1."""
        if self._comparison is None:
            self._comparison = Comparison(flat(self.data.train.x), self.clusters, self.rank, self.seeds, self.points)
        for index in range(start, stop):
            case = self._comparison.case(index, self.sigmas[index])
            for name, values in self._comparison.explained(self.denoise, case):
                self.unit(name, sigma=case.sigma, **values)


def settled(sigmas: list[float], values: Tensor, share: float = 0.9) -> Tensor:
    """Largest sigma from which on |value| stays at or above a share of its last, log-interpolated.

    Args:
        sigmas: [T] descending.
        values: [T, K] amplitudes along a trajectory.
        share: of the last row.

    Returns:
        [K]; the first sigma where a value never was below.
    """
    ratio, found = values / values[-1], []
    for mode in ratio.T.tolist():
        below = [i for i, r in enumerate(mode) if not r >= share]
        if not below:
            found.append(sigmas[0])
            continue
        i = below[-1]
        part = (share - mode[i]) / (mode[i + 1] - mode[i])
        found.append(math.exp((1 - part) * math.log(sigmas[i]) + part * math.log(sigmas[i + 1])))
    return torch.tensor(found, dtype=torch.float64)
