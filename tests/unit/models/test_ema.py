"""An average of weights follows its recursion from the start on, buffers included."""

import torch
from torch import nn

from assay.models.ema import ema_of, ema_with_half_life


def test_the_average_begins_at_the_start():
    net = nn.Linear(2, 1)
    start = net.weight.detach().clone()
    average = ema_of(net, 0.9)
    expected = start.clone()
    for step in range(1, 4):
        net.weight.data.fill_(float(step))
        average.update_parameters(net)
        expected = 0.9 * expected + 0.1 * step
        torch.testing.assert_close(average.module.weight, expected)
    assert not any(p.requires_grad for p in average.parameters()) and net.weight.requires_grad


def test_buffers_are_averaged():
    net = nn.BatchNorm1d(2)
    average = ema_of(net, 0.5)
    net.running_mean.fill_(4.0)
    average.update_parameters(net)
    assert average.module.running_mean.tolist() == [2, 2]


def test_the_half_life_grows_with_the_samples_seen():
    """Batches of 10, half-life 25 and a ramp of a half: the half-lives are 5, 10, 15, 20, 25, 25, ... samples."""
    net = nn.Linear(1, 1)
    average = ema_with_half_life(net, 10, 25, 0.5)
    expected = net.weight.detach().clone()
    for step, half_life in enumerate([5, 10, 15, 20, 25, 25], 1):
        net.weight.data.fill_(float(step))
        average.update_parameters(net)
        decay = 0.5 ** (10 / half_life)
        expected = decay * expected + (1 - decay) * step
        torch.testing.assert_close(average.module.weight, expected)
