"""Denormal numbers are zero inside and come back outside."""

import torch

from assay.autodiff.flush import flushed_denormals


def test_denormals_are_zero_inside_only():
    small, half = torch.tensor([1e-38]), torch.tensor([0.1])
    assert float(small * half) > 0
    with flushed_denormals():
        assert float(small * half) == 0
    assert float(small * half) > 0
