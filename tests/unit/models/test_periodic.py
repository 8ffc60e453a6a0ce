"""The embedding's features and its period; the gated network's formula."""

import functools
import math

import pytest
import torch

from assay.models.mlp import MLP
from assay.models.modified_mlp import ModifiedMLP
from assay.models.periodic import Periodic, PeriodicEmbedding


def test_features_are_time_and_waves():
    points = torch.tensor([[0.3, 0.1], [0.7, -0.4]], dtype=torch.float64)
    found = PeriodicEmbedding(1, 2.0, 2, (0, -1))(points)
    t, x = points.T
    waves = [torch.ones(2), (math.pi * x).cos(), (2 * math.pi * x).cos(), (math.pi * x).sin(), (2 * math.pi * x).sin()]
    torch.testing.assert_close(found, torch.stack([t, 0.1 * t, *waves], 1))


def test_in_the_plane_all_products():
    points = torch.tensor([[0.2, 0.4, 1.3]], dtype=torch.float64)
    found = PeriodicEmbedding(2, 2 * math.pi, 1)(points)[0]
    x, y = ([1.0, math.cos(a), math.sin(a)] for a in (0.4, 1.3))
    torch.testing.assert_close(found, torch.tensor([0.2, *(a * b for a in x for b in y)], dtype=torch.float64))


@pytest.mark.parametrize("dimension", [1, 2])
def test_periodic(dimension):
    torch.manual_seed(0)
    make = functools.partial(MLP, hidden=(8,), activation="tanh")
    net = Periodic((1 + dimension,), 1, net=make, period=2.0, modes=2).double()
    points = torch.rand(5, 1 + dimension, dtype=torch.float64)
    torch.testing.assert_close(net(points), net(points + torch.tensor([0.0, *[2.0] * dimension])), rtol=0, atol=1e-13)
    assert (net(points) - net(points + 0.3)).abs().max() > 1e-3


def test_the_gated_network_is_its_formula():
    torch.manual_seed(0)
    net = ModifiedMLP((3,), 2, hidden=(5, 5))
    x = torch.randn(4, 3)
    u, v = torch.tanh(net.u(x)), torch.tanh(net.v(x))
    h = torch.tanh(net.hidden[0](x))
    z = torch.tanh(net.hidden[1](h))
    torch.testing.assert_close(net(x), net.last((1 - z) * u + z * v))
    assert all(float(layer.bias.abs().max()) == 0 for layer in (net.u, net.v, net.last))


def test_layers_of_different_widths_cannot_be_gated():
    with pytest.raises(ValueError, match="one width"):
        ModifiedMLP((3,), 2, hidden=(5, 6))
