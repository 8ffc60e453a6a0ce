"""An average of weights follows its recursion from the start on, buffers included."""

import torch
from torch import nn

from assay.models.ema import ema_of


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
