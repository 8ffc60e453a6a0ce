"""The start of the MLP is what its configuration says."""

import math

import pytest
import torch

from assay.errors import UserError
from assay.models import MLP


def draw(**values):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return MLP((28, 28), 10, **values)


def linear(net):
    return [layer for layer in net.layers if isinstance(layer, torch.nn.Linear)]


def test_shapes_follow_the_configuration():
    net = draw(hidden=[32, 16])
    assert [tuple(layer.weight.shape) for layer in linear(net)] == [(32, 784), (16, 32), (10, 16)]
    assert net(torch.zeros(5, 28, 28)).shape == (5, 10)


def test_no_hidden_layer_is_a_linear_model():
    net, x = draw(hidden=[]), torch.randn(3, 28, 28)
    torch.testing.assert_close(net(2 * x), 2 * net(x))


@pytest.mark.parametrize("gain", [1.0, 5.0])
def test_kaiming_uniform_is_bounded_by_its_gain(gain):
    for layer in linear(draw(init="kaiming_uniform", gain=gain)):
        bound = gain * math.sqrt(6 / layer.in_features)
        assert layer.weight.abs().max() <= bound * (1 + 1e-6)
        assert layer.weight.abs().max() >= 0.98 * bound
        assert not layer.bias.any()


@pytest.mark.parametrize(
    ("init", "std"), [("kaiming_normal", math.sqrt(2 / 784)), ("xavier_normal", math.sqrt(2 / (784 + 128)))]
)
def test_normal_starts_have_their_spread(init, std):
    assert linear(draw(init=init))[0].weight.std().item() == pytest.approx(std, rel=0.02)


def test_the_library_start_takes_no_gain():
    with pytest.raises(UserError, match="gain"):
        draw(init="torch", gain=2.0)


def test_layers_without_bias():
    assert all(layer.bias is None for layer in linear(draw(bias=False, hidden=[4])))
