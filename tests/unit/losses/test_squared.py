"""Squared error on one-hot targets, against torch."""

import pytest
import torch

from assay.losses import SquaredError


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_squared_distance_from_the_one_hot_target(dtype):
    scores = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 0.0]], dtype=dtype)
    y = torch.tensor([2, 1])
    assert torch.equal(SquaredError()(scores, y), torch.tensor([1 + 4 + 0.25, 0.0], dtype=dtype))
    mean = torch.nn.functional.mse_loss(scores, torch.eye(3, dtype=dtype)[y])
    torch.testing.assert_close(SquaredError(over_outputs="mean")(scores, y).mean(), mean)
