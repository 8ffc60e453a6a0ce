"""Random features: what is frozen, what is trained, the scale."""

from __future__ import annotations

import torch

from assay.models import RandomFeatures


def test_only_the_readout_is_trained_and_starts_at_zero():
    torch.manual_seed(0)
    net = RandomFeatures((3, 4), 2, hidden=500)
    assert [name for name, _ in net.named_parameters()] == ["readout.weight"]
    x = torch.randn(50, 3, 4, dtype=torch.float64)
    assert not net(x).any() and net(x).shape == (50, 2)
    features = net.features(x)
    assert (features >= 0).all()
    # E relu(w.x)^2 = |x|^2 / (2 fan-in), and the features are divided by sqrt(hidden).
    expected = x.flatten(1).square().sum(1) / 24
    assert (features.square().sum(1) / expected - 1).abs().max() < 0.5
