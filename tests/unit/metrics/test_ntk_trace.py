"""The kernel's diagonal against a loop over points, and relative errors."""

import pytest
import torch
from torch import nn

from assay.metrics.ntk_trace import ntk_diagonal
from assay.metrics.relative_l2 import relative_l2


def test_the_diagonal_is_a_loop_over_points():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    net[0].bias.requires_grad_(False)
    points = torch.randn(7, 2, dtype=torch.float64)
    free = [p for p in net.parameters() if p.requires_grad]
    expected = [
        sum(float(g.square().sum()) for o in range(3) for g in torch.autograd.grad(net(x[None])[0, o], free))
        for x in points
    ]
    torch.testing.assert_close(ntk_diagonal(net, points, chunk=3), torch.tensor(expected, dtype=torch.float64))


def test_relative_error():
    reference = torch.tensor([3.0, 4.0])
    assert relative_l2(reference, reference) == 0
    assert relative_l2(torch.zeros(2), reference) == pytest.approx(1)
    with pytest.raises(ValueError, match="cannot be compared"):
        relative_l2(torch.zeros(2, 1), reference)
