"""Classifiers trained with a robust loss under label noise, and what ALDR's temperatures say about the noise.

The method itself is the loss (`assay.losses.ldr`): the training step is the plain one. What is added here is what the
paper measures: top-k accuracies on clean test data, and the temperature that ALDR-KL gives to every training sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from assay.classifier import ClassifierModule
from assay.data.augment import random_crops
from assay.data.base import Split
from assay.losses.ldr import ALDRLoss
from assay.losses.robust import TruncatedGCELoss
from assay.metrics.topk import topk_accuracies
from assay.module import even_steps, modules

TOP = range(1, 6)
"""The paper's tables give top-1 to top-5 accuracy."""

PRUNE_EVERY = 10
"""Epochs between two prunings of truncated GCE, in the second half of a run (official code)."""


@modules.register("ldr/classifier", source="arXiv 2112.14869")
class LDRClassifier(ClassifierModule):
    """A network trained on noisy labels; validation labels are noisy too, test labels are clean.

    Scalars: `test/accuracy`, `test/top2` ... `test/top5`; `val/accuracy`, `train/accuracy` on noisy labels;
    `train/fit_corrupted`, the training accuracy on the noisy labels of corrupted samples (memorisation). With ALDR-KL,
    for its temperatures lambda_i after two more rounds on the final scores: `lambda/gap` (mean over corrupted minus
    clean samples), `lambda/auroc` (as a detector of corrupted samples), and, where the noise hits some classes only,
    `lambda/auroc_degree` (as a detector of samples of those classes).

    Args:
        decay: see `ClassifierModule`.
        average: "macro" makes all accuracies class-balanced.
        lambda_bins: bins of the curves `lambda/<clean|corrupted>/bin<i>`: shares of ALDR's stored temperatures in
            equal bins of [lambda_0 (1 - 1/alpha), lambda_0]; 0 for no curves.
        crop: side in pixels of the random, randomly mirrored square that stands for a training image; 0 for none.
        side: side in pixels to which the network resizes its images, in training and evaluation; 0 leaves them.
    """

    def __init__(
        self,
        *,
        decay: Literal["all", "weights"] = "all",
        average: Literal["micro", "macro"] = "micro",
        lambda_bins: int = 0,
        crop: int = 0,
        side: int = 0,
    ) -> None:
        super().__init__(decay=decay)
        self.average, self.lambda_bins, self.crop, self.side = average, lambda_bins, crop, side

    def build(self) -> None:
        """As in the base class; the network resizes images first if asked for."""
        super().build()
        if self.side:
            from torchvision.transforms.v2 import Resize  # seconds to import, and only images need it

            self.net = nn.Sequential(Resize([self.side, self.side], antialias=True), self.net)

    def batch(self, step: int) -> Tensor:
        """As in the base class; notes the step, which the random crops are a function of."""
        self._step = step
        return super().batch(step)

    def objective(self, index: Tensor) -> Tensor:
        """Mean loss on the rows `index`, cropped if asked for."""
        if not self.crop:
            return super().objective(index)
        train = self.data.train
        x = random_crops(train.x[index], self.crop, self.seeds.torch("crop", self._step))
        return self.loss.mean(self.net(x), train.y[index], index)

    def after_step(self, step: int) -> None:
        """Prune truncated GCE's samples at the end of every tenth epoch of the second half."""
        if not isinstance(self.loss, TruncatedGCELoss):
            return
        samples = len(self.data.train)
        epoch, within = divmod(step + 1, math.ceil(samples / (self.budget.batch or samples)))
        if within == 0 and epoch % PRUNE_EVERY == 0 and 2 * (step + 1) > self.total:
            self.loss.prune(self.scores(self.data.train), self.data.train.y, self._everyone())

    def measure(self) -> Mapping[str, float]:
        """Noisy validation accuracy, and the histogram of the temperatures if wanted."""
        found = {} if self.data.val is None else {"val/accuracy": self._top(self.data.val, [1])[1]}
        if self.lambda_bins and isinstance(self.loss, ALDRLoss):
            for name, chosen in self._groups().items():
                shares = self._histogram(self.loss, self.loss.temperatures[chosen])
                found |= {f"lambda/{name}/bin{i}": share for i, share in enumerate(shares)}
        return found

    def measure_at(self, total: int) -> Iterable[int]:
        """Ten times and at the start: an evaluation must not cost more than the training between two of them."""
        return even_steps(total, 10)

    def finish(self) -> None:
        """Accuracies on every split, memorisation, and the temperatures as detectors."""
        train = self.data.train
        scores = self.scores(train)
        self.scalar("train/accuracy", self._top(train, [1], scores)[1])
        corrupted = train.y != train.extra.get("clean", train.y)
        self.scalar("train/corrupted", corrupted.float().mean())
        if corrupted.any():
            self.scalar("train/fit_corrupted", (scores.argmax(1) == train.y)[corrupted].float().mean())
        if self.data.val is not None:
            self.scalar("val/accuracy", self._top(self.data.val, [1])[1])
        if self.data.test is not None:
            for k, value in self._top(self.data.test, TOP).items():
                self.scalar("test/accuracy" if k == 1 else f"test/top{k}", value)
        if isinstance(self.loss, ALDRLoss):
            self._temperatures(self.loss.read(scores, self._everyone(), rounds=2), corrupted)

    def _temperatures(self, lambdas: Tensor, corrupted: Tensor) -> None:
        """Compare the temperatures [n] of corrupted and clean samples, and of noisy and clean classes."""
        self.scalar("lambda/mean", lambdas.mean())
        if corrupted.any() and not corrupted.all():
            self.scalar("lambda/gap", lambdas[corrupted].mean() - lambdas[~corrupted].mean())
            self.scalar("lambda/auroc", _auroc(lambdas, corrupted))
        noisy_classes = getattr(self.data, "noise_classes", None)
        if noisy_classes:
            clean = self.data.train.extra["clean"]
            degree = torch.isin(clean, torch.tensor(noisy_classes, device=clean.device))
            self.scalar("lambda/auroc_degree", _auroc(lambdas, degree))

    def _top(self, split: Split, ks: Iterable[int], scores: Tensor | None = None) -> dict[int, float]:
        scores = self.scores(split) if scores is None else scores
        return {k: float(value) for k, value in topk_accuracies(scores, split.y, ks, self.average).items()}

    def _groups(self) -> dict[str, Tensor]:
        """Masks [n] of clean and, where there are any, corrupted training samples."""
        train = self.data.train
        corrupted = train.y != train.extra.get("clean", train.y)
        return {"clean": ~corrupted, **({"corrupted": corrupted} if corrupted.any() else {})}

    def _histogram(self, loss: ALDRLoss, lambdas: Tensor) -> list[float]:
        low = loss.lambda_0 * (1 - 1 / loss.alpha)
        # Rounding may put a temperature an ulp outside its bracket; it still counts.
        inside = lambdas.float().cpu().clamp(low, loss.lambda_0)
        counts = torch.histc(inside, self.lambda_bins, low, loss.lambda_0)
        return (counts / max(len(lambdas), 1)).tolist()

    def _everyone(self) -> Tensor:
        return torch.arange(len(self.data.train), device=self.data.train.y.device)


def _auroc(lambdas: Tensor, positive: Tensor) -> float:
    """Area under the ROC curve of a large temperature as the sign of a positive sample."""
    from sklearn.metrics import roc_auc_score  # seconds to import

    return float(roc_auc_score(positive.cpu().numpy(), lambdas.double().cpu().numpy()))
