"""Top-k accuracies by hand."""

import pytest
import torch

from assay.metrics.topk import topk_accuracies

SCORES = torch.tensor([[3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.0], [0.0, 3.0, 2.0, 1.0], [3.0, 0.0, 1.0, 2.0]])
Y = torch.tensor([0, 1, 0, 3])


def test_counts_the_right_class_among_the_k_highest():
    found = topk_accuracies(SCORES, Y, ks=range(1, 6))
    assert {k: v.item() for k, v in found.items()} == {1: 0.25, 2: 0.75, 3: 0.75}


def test_class_balanced_is_the_mean_over_the_classes_present():
    found = topk_accuracies(SCORES, Y, ks=[2], average="macro")
    assert found[2].item() == pytest.approx((0.5 + 1 + 1) / 3)
