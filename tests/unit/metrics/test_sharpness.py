"""Sharpness where it is known: quadratics, and a small network against its dense Hessian."""

import math

import pytest
import torch
from torch.nn import functional as F

from assay.metrics.sharpness import filter_normalised, hessian_top_eig, loss_at, loss_slice, sam_sharpness
from assay.models import MLP

CURVATURES = torch.tensor([3.0, -7.0, 1.0], dtype=torch.float64)
HERE = {"a": torch.tensor([1.0, 2.0], dtype=torch.float64), "b": torch.tensor([[0.5]], dtype=torch.float64)}


def quadratic(params):
    return 0.5 * (CURVATURES * torch.cat([params["a"], params["b"].flatten()]) ** 2).sum()


def small():
    with torch.random.fork_rng():
        torch.manual_seed(2)
        net = MLP((3,), 2, hidden=[4], activation="tanh", init="torch").double()
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return loss_at(net, F.cross_entropy, x, (x[:, 0] > 0).long())


def test_the_largest_in_size_is_found_with_its_sign():
    value, vector = hessian_top_eig(quadratic, HERE, 60)
    assert value == pytest.approx(-7)
    assert abs(float(vector["a"][1])) == pytest.approx(1, abs=1e-6)
    again, _ = hessian_top_eig(quadratic, HERE, 1, start=vector)
    assert again == pytest.approx(-7)


def test_against_the_dense_hessian_of_a_network():
    loss, params = small()
    sizes = [p.numel() for p in params.values()]

    def flat(vector):
        parts = vector.split(sizes)
        return loss({k: part.view_as(p) for (k, p), part in zip(params.items(), parts, strict=True)})

    dense = torch.autograd.functional.hessian(flat, torch.cat([p.flatten() for p in params.values()]))
    eigenvalues = torch.linalg.eigvalsh(dense)
    largest = eigenvalues[eigenvalues.abs().argmax()].item()
    assert hessian_top_eig(loss, params, 200)[0] == pytest.approx(largest, rel=1e-6)


def test_sharpness_is_the_rise_along_the_gradient():
    rise, here = sam_sharpness(quadratic, HERE, 0.1)
    x = torch.cat([HERE["a"], HERE["b"].flatten()])
    g = CURVATURES * x
    there = x + 0.1 * g / g.norm()
    assert here == pytest.approx(float(0.5 * (CURVATURES * x**2).sum()))
    assert rise == pytest.approx(float(0.5 * (CURVATURES * there**2).sum()) - here)


def test_directions_are_as_long_as_the_weights_row_by_row():
    params = {"w": torch.tensor([[3.0, 4.0], [0.0, 0.0]]), "c": torch.ones(2, 3, 2, 2), "b": torch.ones(2)}
    d = filter_normalised(params, torch.Generator().manual_seed(1))
    assert d["w"].norm(dim=1).tolist() == pytest.approx([5, 0])
    torch.testing.assert_close(d["c"].flatten(1).norm(dim=1), torch.full((2,), math.sqrt(12)))
    assert (d["b"] == 0).all()


def test_a_slice_goes_through_the_weights():
    direction = {"a": torch.ones(2, dtype=torch.float64), "b": torch.zeros(1, 1, dtype=torch.float64)}
    values = loss_slice(quadratic, HERE, direction, [-1.0, 0.0, 1.0])
    assert values[1] == pytest.approx(float(quadratic(HERE)))
    assert values[0] + values[2] - 2 * values[1] == pytest.approx(3 - 7)
