"""The ascent step of SAM by hand, exact restoration, and batch statistics that count once."""

import pytest
import torch
from torch import nn

from assay.optimizers.sam import frozen_statistics, perturbed


def net():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def test_weights_stand_uphill_by_rho_and_then_exactly_where_they_were():
    model = net()
    model(torch.arange(12.0).view(4, 3)).square().sum().backward()
    model[2].bias.grad = None
    before = [p.detach().clone() for p in model.parameters()]
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    with perturbed(model.parameters(), 0.5):
        moves = [p.detach() - q for p, q in zip(model.parameters(), before, strict=True)]
        assert torch.equal(moves.pop(), torch.zeros(1))  # no gradient, no move
        moved = torch.cat([move.flatten() for move in moves])
        torch.testing.assert_close(moved, 0.5 * gradient / gradient.norm(), atol=1e-6, rtol=1e-4)
        for p in model.parameters():
            p.grad = torch.ones_like(p)  # a second backward pass writes here
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_an_error_inside_leaves_the_weights_restored():
    model = net()
    model(torch.randn(4, 3, generator=torch.Generator().manual_seed(2))).sum().backward()
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(ZeroDivisionError), perturbed(model.parameters(), 1.0):
        _ = 1 / 0
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_a_zero_gradient_moves_nothing():
    p = nn.Parameter(torch.ones(2))
    p.grad = torch.zeros(2)
    with perturbed([p], 1.0):
        assert torch.equal(p, torch.ones(2))


def test_a_second_pass_leaves_running_statistics_alone():
    model, x = net(), torch.randn(8, 3, generator=torch.Generator().manual_seed(3))
    first = model(x)
    mean, momentum = model[1].running_mean.clone(), model[1].momentum
    with frozen_statistics(model):
        again = model(x)
    assert torch.equal(first, again)  # still normalised by the batch
    assert torch.equal(model[1].running_mean, mean) and model[1].momentum == momentum
    model(x)
    assert not torch.equal(model[1].running_mean, mean)
