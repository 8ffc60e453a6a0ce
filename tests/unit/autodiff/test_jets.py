"""Jets against nested autograd, in both forms, along any direction, and their gradients."""

import functools

import pytest
import torch
from torch import nn

from assay.autodiff.jets import lines, product_rows, propagate
from assay.autodiff.nested import nested_derivatives
from assay.models.mlp import MLP
from assay.models.modified_mlp import ModifiedMLP
from assay.models.periodic import Periodic

POINTS = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
DIRECTIONS = {"t": ((1.0, 0.0), 1), "x": ((0.0, 1.0), 5), "both": ((1.0, -0.7), 3)}


def nets():
    torch.manual_seed(0)
    plain = functools.partial(MLP, hidden=(6, 5), activation="tanh", init="xavier_normal")
    gated = functools.partial(ModifiedMLP, hidden=(6, 6, 6))
    return {
        "mlp": plain((2,), 3),
        "gated": gated((2,), 3),
        "gated first": ModifiedMLP((2,), 3, hidden=(6, 6), gated_first=True),
        "periodic": Periodic((2,), 3, net=plain, modes=2, exponents=(0, 1)),
        "periodic gated": Periodic((2,), 3, net=gated, modes=2),
    }


def close(a, b, tolerance=1e-11):
    a, b = a.detach(), b.detach()
    assert float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max()))


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("name", nets())
def test_every_derivative_is_that_of_nested_autograd(name, closed):
    net = nets()[name].double()
    jets = propagate(net, lines(POINTS, DIRECTIONS, closed))
    close(jets.value, net(POINTS))
    for direction, (vector, order) in DIRECTIONS.items():
        for m, derivative in enumerate(nested_derivatives(net, POINTS, vector, order)[1:], 1):
            close(jets(direction, m), derivative)


@pytest.mark.parametrize("name", nets())
def test_gradients_in_closed_form_are_those_of_autograd(name):
    net = nets()[name].double()
    found = []
    for closed in (True, False):
        jets = propagate(net, lines(POINTS, DIRECTIONS, closed))
        loss = (jets.rows * torch.linspace(-1, 1, jets.rows.numel(), dtype=torch.float64).view_as(jets.rows)).sum()
        found.append(torch.autograd.grad((loss + jets.value.square().sum()).tanh() + loss, list(net.parameters())))
    for a, b in zip(*found, strict=True):
        close(a, b)


def test_without_directions_jets_are_values():
    net = nets()["periodic gated"].double()
    jets = propagate(net, lines(POINTS, {}))
    assert jets.rows.shape == (1, 7, 3)
    close(jets.value, net(POINTS), 1e-14)


def test_diagonals_give_mixed_derivatives():
    net = nets()["mlp"].double()
    jets = propagate(net, lines(POINTS, {"+": ((1.0, 1.0), 2), "-": ((1.0, -1.0), 2)}))
    x = POINTS.clone().requires_grad_()
    (first,) = torch.autograd.grad(net(x)[:, 0].sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first[:, 0].sum(), x)
    close((jets("+", 2) - jets("-", 2))[:, 0] / 4, second[:, 1])


def test_products_are_broadcast():
    s = torch.tensor([0.3, 1.1], dtype=torch.float64)
    rows = torch.stack([s**3, 3 * s**2, 6 * s])[..., None]  # s^3 with two derivatives
    other = torch.stack([s, torch.ones_like(s), torch.zeros_like(s)])[..., None].expand(3, 2, 4)
    product = product_rows(rows, other, (2,))
    close(product, torch.stack([s**4, 4 * s**3, 12 * s**2])[..., None].expand(3, 2, 4))


def test_says_what_it_cannot_do():
    with pytest.raises(TypeError, match="no jets of a ReLU"):
        propagate(MLP((2,), 1, hidden=(3,), activation="relu"), lines(POINTS.float(), {}))
    jets = lines(POINTS, {"x": ((0.0, 1.0), 2)})
    with pytest.raises(ValueError, match="no direction 't'; there is x"):
        jets("t")
    with pytest.raises(ValueError, match="order 3 along 'x'"):
        jets("x", 3)


def test_linear_layers_alone_and_with_an_activation():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(2, 4, bias=False), nn.Linear(4, 4), nn.Tanh(), nn.Tanh()).double()
    jets = propagate(net, lines(POINTS, {"x": ((0.0, 1.0), 3)}))
    for m, derivative in enumerate(nested_derivatives(net, POINTS, (0.0, 1.0), 3)[1:], 1):
        close(jets("x", m), derivative)
