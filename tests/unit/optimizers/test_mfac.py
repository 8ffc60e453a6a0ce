"""M-FAC against a dense inverse: every backend, groups, decay, momentum after the inverse, checkpoints with a window."""

import copy

import pytest
import torch

from assay.optimizers import MFAC


def gradient(step, size=7):
    return torch.randn(size, generator=torch.Generator().manual_seed(step), dtype=torch.float64)


def step(optimizer, g):
    """Spread a flat gradient over the parameters, then step."""
    start = 0
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = g[start : start + p.numel()].view_as(p).clone()
            start += p.numel()
    optimizer.step()


def params():
    return [torch.nn.Parameter(torch.ones(2, 2, dtype=torch.float64)), torch.nn.Parameter(torch.ones(3).double())]


def flat(parameters):
    return torch.cat([p.detach().flatten() for p in parameters])


def dense_steps(gradients, m, damp):
    """F^{-1} g of each step with a window of the last m gradients and zeros before them."""
    found = []
    for t, g in enumerate(gradients):
        last = torch.stack(gradients[max(0, t - m + 1) : t + 1])
        f = damp * torch.eye(len(g), dtype=g.dtype) + last.T @ last / m
        found.append(torch.linalg.solve(f, g))
    return found


@pytest.mark.parametrize("backend", ["paper", "woodbury", "window"])
def test_steps_are_those_of_a_dense_inverse_over_all_parameters_together(backend):
    gradients = [gradient(t) for t in range(9)]
    net = params()
    optimizer = MFAC(net, lr=0.1, m=4, damp=0.01, backend=backend)
    expected = flat(net)
    for g, direction in zip(gradients, dense_steps(gradients, 4, 0.01), strict=True):
        step(optimizer, g)
        expected = expected - 0.1 * direction
        torch.testing.assert_close(flat(net), expected)


def test_momentum_averages_directions_not_gradients():
    gradients = [gradient(t) for t in range(5)]
    net = params()
    optimizer = MFAC(net, lr=0.1, m=4, damp=0.01, momentum=0.6)
    expected, velocity = flat(net), 0.0
    for g, direction in zip(gradients, dense_steps(gradients, 4, 0.01), strict=True):
        step(optimizer, g)
        velocity = 0.6 * velocity + 0.4 * direction
        expected = expected - 0.1 * velocity
        torch.testing.assert_close(flat(net), expected)


def test_decay_enters_the_window_and_rates_belong_to_groups():
    one, other = params()
    groups = [{"params": [one], "lr": 0.1, "weight_decay": 0.5}, {"params": [other], "lr": 0.2}]
    optimizer = MFAC(groups, m=4, damp=0.01)
    g = gradient(0) + torch.tensor([0.5] * 4 + [0.0] * 3, dtype=torch.float64)  # all weights are one
    step(optimizer, gradient(0))
    expected = 1 - torch.tensor([0.1] * 4 + [0.2] * 3, dtype=torch.float64) * dense_steps([g], 4, 0.01)[0]
    torch.testing.assert_close(flat([one, other]), expected)


@pytest.mark.parametrize("done", [2, 7])
def test_a_checkpoint_carries_the_window_and_the_direction(done):
    net = params()
    optimizer = MFAC(net, lr=0.1, m=4, damp=0.01, momentum=0.5)
    for t in range(done):
        step(optimizer, gradient(t))
    twin = [torch.nn.Parameter(p.detach().clone()) for p in net]
    resumed = MFAC(twin, lr=0.1, m=4, damp=0.01, momentum=0.5)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for t in range(done, done + 5):
        step(optimizer, gradient(t))
        step(resumed, gradient(t))
    assert torch.equal(flat(net), flat(twin))


def test_numbers_that_left_the_finite_range_stay_visible():
    net = params()
    step(MFAC(net, m=4), torch.full((7,), torch.nan, dtype=torch.float64))
    assert not torch.isfinite(flat(net)).any()
