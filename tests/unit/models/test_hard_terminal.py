"""The terminal condition holds for any network."""

import torch
from torch import nn

from assay.models.hard_terminal import HardTerminal


def test_it_is_the_terminal_value_at_the_horizon_and_moves_with_the_network_before():
    torch.manual_seed(0)
    net = nn.Linear(3, 1)
    wrapped = HardTerminal(net, lambda x: x.square().sum(1), 2.0, scale=4.0)
    x, t = torch.randn(5, 2), torch.full((5,), 2.0)
    torch.testing.assert_close(wrapped(t, x), x.square().sum(1))
    early = wrapped(t - 0.5, x)
    expected = x.square().sum(1) + 0.5 * net(torch.cat([t[:, None] - 0.5, x / 4], 1))[:, 0]
    torch.testing.assert_close(early, expected)
