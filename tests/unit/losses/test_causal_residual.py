"""The weights' limits, and that the gradient does not go through them."""

import math

import torch

from assay.losses.causal_residual import causal_loss, causal_weights, solved


def test_weights_of_three_slices():
    losses = torch.tensor([0.5, 0.25, 9.0])
    torch.testing.assert_close(causal_weights(losses, 2.0), torch.tensor([1.0, math.exp(-1.0), math.exp(-1.5)]))
    torch.testing.assert_close(causal_weights(losses, 2.0, torch.tensor(1.0))[0], torch.tensor(math.exp(-2.0)))


def test_without_tolerance_all_count_alike():
    assert causal_weights(torch.rand(5) * 1e6, 0.0).tolist() == [1.0] * 5


def test_gradients_see_constants():
    losses = torch.tensor([0.5, 0.25], requires_grad=True)
    weights = causal_weights(losses, 1.0)
    assert not weights.requires_grad
    causal_loss(losses, weights, 3.0).backward()
    torch.testing.assert_close(losses.grad, weights / 2)


def test_the_stopping_rule():
    assert solved(torch.tensor([1.0, 0.995]), 0.99) and not solved(torch.tensor([1.0, 0.99]), 0.99)
