"""Residuals vanish on known solutions and are what nested autograd says; references start where they should."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from assay.autodiff.jets import Jets, lines
from assay.data import AllenCahn, KuramotoSivashinsky, Lorenz63, NavierStokes2D, data
from assay.data.evolution import Evolution


def jets_of(function, problem, points):
    """Jets of a closed form by nested autograd, along the directions that a problem asks for."""
    from assay.autodiff.nested import nested_derivatives

    rows, orders = [function(points)], {}
    for name, (vector, order) in {**problem.directions}.items():
        rows += nested_derivatives(function, points, vector, order)[1:]
        orders[name] = order
    return Jets(torch.stack(rows), orders)


@pytest.mark.parametrize(
    "name", [part.name for part in data if isinstance(part.target, type) and issubclass(part.target, Evolution)]
)
def test_references_have_their_shapes(name):
    problem = data.build({"name": name, **data[name].reduced})
    truth = problem.reference()
    assert truth.values.shape == (len(truth.times), len(truth.points), len(problem.components))
    assert truth.points.shape[1] == problem.dimension and np.isfinite(truth.values).all()
    assert (truth.times[0], truth.times[-1]) == (0, problem.horizon)
    u = nn.Linear(problem.inputs[0], problem.outputs)
    points = torch.rand(3, problem.inputs[0])
    assert problem.observe(lines(points, problem.observed).linear(u)).shape == (3, len(problem.components))
    assert problem.residual(lines(points, problem.directions).linear(u)).shape[0] == 3


def test_initial_conditions():
    x, u = (getattr(AllenCahn(modes=16, dt=1e-2).reference(), name) for name in ("points", "values"))
    np.testing.assert_allclose(u[0, :, 0], x[:, 0] ** 2 * np.cos(np.pi * x[:, 0]), atol=1e-14)
    start = KuramotoSivashinsky(modes=16, dt=1e-2).reference()
    np.testing.assert_allclose(start.values[0, :, 0], -np.sin(np.pi * start.points[:, 0]), atol=1e-14)
    np.testing.assert_allclose(Lorenz63().reference().values[0, 0], 1.0)


def test_allen_cahn_by_hand():
    def u(p):
        return (p[:, :1] + 1) * torch.sin(math.pi * p[:, 1:])

    points = torch.tensor([[0.2, 0.3], [0.5, -0.8]], dtype=torch.float64)
    value, s = u(points), torch.sin(math.pi * points[:, 1:])
    by_hand = s + 1e-4 * math.pi**2 * value + 5 * value**3 - 5 * value
    problem = AllenCahn()
    torch.testing.assert_close(problem.residual(jets_of(u, problem, points)), by_hand)


def test_kuramoto_sivashinsky_by_hand():
    def u(p):
        return torch.sin(2 * p[:, 1:] - p[:, :1])

    points = torch.tensor([[0.2, 0.3], [0.5, 1.8]], dtype=torch.float64)
    problem = KuramotoSivashinsky(case="chaotic")
    phase = 2 * points[:, 1:] - points[:, :1]
    sin, cos = phase.sin(), phase.cos()
    by_hand = -cos + problem.a * sin * 2 * cos - problem.b * 4 * sin + problem.g * 16 * sin
    torch.testing.assert_close(problem.residual(jets_of(u, problem, points)), by_hand)


def test_lorenz_rests_at_its_fixed_point():
    c = math.sqrt(8 / 3 * 27)
    points = torch.rand(4, 1, dtype=torch.float64)
    problem = Lorenz63()
    rows = torch.stack([torch.tensor([[c, c, 27.0]], dtype=torch.float64).expand(4, 3), torch.zeros(4, 3).double()])
    assert problem.residual(Jets(rows, {"t": 1})).abs().max() < 1e-12
    assert len(points) == 4


def test_taylor_green_solves_navier_stokes():
    def velocity(p):
        t, x, y = p.unbind(1)
        fall = torch.exp(-2 * t / 100)
        return torch.stack([fall * x.cos() * y.sin(), -fall * x.sin() * y.cos()], 1)

    problem = NavierStokes2D()
    points = torch.rand(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    jets = jets_of(velocity, problem, points)
    assert problem.residual(jets).abs().max() < 1e-10
    w = problem.observe(jets)[:, 2]
    t, x, y = points.unbind(1)
    torch.testing.assert_close(w, -2 * torch.exp(-2 * t / 100) * x.cos() * y.cos())


def test_navier_stokes_against_nested_autograd():
    """A field that solves nothing: w_t + u w_x + v w_y - Lap w / Re, term by term."""

    def velocity(p):
        t, x, y = p.unbind(1)
        return torch.stack([(x + 2 * y * t).sin(), (x * y - t).cos() * x], 1)

    problem = NavierStokes2D(reynolds=3.0, continuity=4.0)
    points = torch.rand(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = problem.residual(jets_of(velocity, problem, points))

    p = points.clone().requires_grad_()

    def d(f, axis):
        return torch.autograd.grad(f.sum(), p, create_graph=True)[0][:, axis]

    u, v = velocity(p).unbind(1)
    w = d(v, 1) - d(u, 2)
    transport = d(w, 0) + u * d(w, 1) + v * d(w, 2) - (d(d(w, 1), 1) + d(d(w, 2), 2)) / 3.0
    torch.testing.assert_close(found[:, 0], transport)
    torch.testing.assert_close(found[:, 1], 2 * (d(u, 1) + d(v, 2)))
