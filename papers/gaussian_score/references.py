"""What a network's score is compared with: five kinds of scores written down from the training images."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assay.diffusion.samplers import Denoiser
from assay.diffusion.scores import DeltaMixtureScore, GaussianScore, GMMScore, Score
from assay.seeds import Seeds

SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
LIMIT = (20.0, 30.0, 40.0, 80.0)
"""Noise levels of check 3."""


def flat(x: Tensor) -> Tensor:
    """Images as rows in double precision, [n, D]."""
    return x.flatten(1).double()


def mixture(rows: Tensor, clusters: int, rank: int | None, seeds: Seeds) -> GMMScore:
    """GMM(K, r): clusters by mini-batch k-means, their shares, means and covariances cut to r leading pairs."""
    k_means = importlib.import_module("sklearn.cluster").MiniBatchKMeans(
        clusters, n_init=3, random_state=seeds.axis("clusters", clusters) % 2**32
    )
    labels = torch.from_numpy(k_means.fit_predict(rows.cpu().numpy())).to(rows.device)
    return GMMScore.clusters(rows, labels, rank)


def references(rows: Tensor, clusters: Sequence[int], rank: int | None, seeds: Seeds) -> dict[str, Score]:
    """All scores by name, from the training images [N, D].

    isotropic: (mu - x) / sigma^2; isotropic_std: (mu - x) / (sigma^2 + tr(Sigma)/D); gaussian; delta; gmm_K.
    """
    gaussian = GaussianScore.of(rows)
    return {
        "isotropic": GaussianScore.isotropic(gaussian.mean, 0.0),
        "isotropic_std": GaussianScore.isotropic(gaussian.mean, float(gaussian.variances.mean())),
        "gaussian": gaussian,
        "delta": DeltaMixtureScore(rows),
        **{f"gmm_{k}": mixture(rows, k, rank, seeds) for k in clusters},
    }


@dataclass(frozen=True)
class Case:
    """Points at one noise level and what the references make of them."""

    sigma: float
    x: Tensor
    denoised: dict[str, Tensor]


class Comparison:
    """Explained variance of a denoiser's score by each reference.

    The points of a noise level are training images with noise, x = y_i + sigma e, the same at every checkpoint; what
    the references make of them is therefore computed once.

    Args:
        rows: training images, [N, D], double.
        clusters, rank: of the mixtures.
        seeds: the run's; draws points (axis `points`) and clusters.
        points: how many for each noise level.
    """

    def __init__(self, rows: Tensor, clusters: Sequence[int], rank: int | None, seeds: Seeds, points: int) -> None:
        self.rows, self.seeds, self.points = rows, seeds, min(points, len(rows))
        self.scores = references(rows, clusters, rank, seeds)
        self.mean = rows.mean(0)

    def case(self, index: int, sigma: float) -> Case:
        """The points of the noise level of that index."""
        generator = self.seeds.torch("points", index)
        chosen = torch.randperm(len(self.rows), generator=generator)[: self.points].to(self.rows.device)
        noise = torch.randn(self.points, self.rows.shape[1], generator=generator, dtype=torch.float64)
        x = self.rows[chosen] + sigma * noise.to(self.rows)
        return Case(sigma, x, {name: score.denoise(x, sigma) for name, score in self.scores.items()})

    def explained(self, denoise: Denoiser, case: Case) -> Iterator[tuple[str, dict[str, float]]]:
        """By reference, 1 - EV = sum |s_net - s_ref|^2 / sum |s_net|^2, and the same with other denominators.

        A score is (D - x) / sigma^2, so sigma drops out of every ratio. `reverse` divides by sum |s_ref|^2,
        `denoised` compares the D themselves: sum |D_net - D_ref|^2 / sum |D_net - mu|^2.
        """
        net = denoise(case.x, case.sigma)
        for name, own in case.denoised.items():
            apart = (net - own).square().sum()
            yield (
                name,
                {
                    "unexplained": float(apart / (net - case.x).square().sum()),
                    "reverse": float(apart / (own - case.x).square().sum()),
                    "denoised": float(apart / (net - self.mean).square().sum()),
                },
            )


def far_out(delta: Score, gaussian: GaussianScore, noise: Tensor) -> dict[float, float]:
    """Mean of |s_delta - s_gauss| / |s_gauss| at x = mu + sigma e, by sigma in LIMIT, over the rows e of `noise`.

    Both scores are (mu - x)/sigma^2 + Sigma (x - mu)/sigma^4 + ...; where |x - mu| is about sigma, what they differ in
    is smaller than the first term by sigma^-3, from the third moments of the data.
    """
    found = {}
    for sigma in LIMIT:
        x = gaussian.mean + sigma * noise
        one, other = delta(x, sigma), gaussian(x, sigma)
        found[sigma] = float(((one - other).norm(dim=1) / other.norm(dim=1)).mean())
    return found


def log_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least-squares slope of log y on log x; NaN where a value is not positive."""
    if min(y) <= 0:
        return math.nan
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
