"""Every registered loss gives one finite value per sample, with a gradient."""

import pytest
import torch

from assay.losses import losses

SAMPLES, CLASSES = 12, 4


def build(name):
    loss = losses.build({"name": name})
    loss.prepare(SAMPLES, CLASSES)
    return loss


@pytest.mark.parametrize("name", losses.parts)
@pytest.mark.parametrize("size", [0.0, 1.0, 30.0])
def test_values_and_gradients_are_finite(name, size):
    generator = torch.Generator().manual_seed(7)
    scores = (size * torch.randn(6, CLASSES, generator=generator)).requires_grad_()
    y = torch.tensor([0, 1, 2, 3, 0, 1])
    values = build(name)(scores, y, torch.tensor([1, 3, 5, 7, 9, 11]))
    assert values.shape == (6,) and torch.isfinite(values).all()
    values.mean().backward()
    assert scores.grad is not None and torch.isfinite(scores.grad).all()
