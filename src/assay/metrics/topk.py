"""Top-k accuracies: how often the right class is among the k highest scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

import assay.system.lightning  # noqa: F401  (imports torchmetrics without its extras)


def topk_accuracies(
    scores: Tensor, y: Tensor, ks: Iterable[int], average: Literal["micro", "macro"] = "micro"
) -> dict[int, Tensor]:
    """Top-k accuracies for several k.

    Args:
        scores: [n, K] scores; only their order matters.
        y: [n] classes.
        ks: the k wanted; those of K and above are left out, where every prediction is right.
        average: "micro" over samples, or "macro": the mean over the classes of each class's own (class-balanced).

    Returns:
        By k, a scalar tensor.
    """
    classes = scores.shape[1]
    with torch.no_grad():
        return {
            k: multiclass_accuracy(
                scores.float(), y, num_classes=classes, average=average, top_k=k, validate_args=False
            )
            for k in ks
            if k < classes
        }
