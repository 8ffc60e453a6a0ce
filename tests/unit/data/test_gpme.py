"""Conservation laws: solutions at known points, masses, fronts, residuals with gradients; the data part's layout."""

import math

import pytest
import torch

from assay.data import GPME
from assay.data.gpme import LAWS
from assay.metrics.conservation import trapezoid_weights
from assay.seeds import Seeds


def number(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize(("parameter", "z"), [(0.55, 0.5721), (0.6, 0.5257), (0.7, 0.4344)])
def test_the_root_of_stefans_problem(parameter, z):
    assert float(LAWS["stefan"].z(number(parameter))) == pytest.approx(z, abs=5e-5)


@pytest.mark.parametrize("name", LAWS)
def test_the_integral_of_the_solution_is_the_mass(name):
    law = LAWS[name]
    x = torch.linspace(*law.x_range, 20001, dtype=torch.float64)
    for parameter in law.parameters:
        for share in (0.1, 0.5, 0.9):
            t, p = number(share * law.t_max), number(parameter)
            total = trapezoid_weights(x) @ law.solution(t, x, p)
            assert float(total) == pytest.approx(float(law.mass(t, p)), abs=4e-4), (parameter, share)


@pytest.mark.parametrize("name", ["pme", "stefan", "advection", "burgers"])
def test_solutions_are_zero_beyond_their_fronts_and_falling(name):
    law = LAWS[name]
    x = torch.linspace(*law.x_range, 4001, dtype=torch.float64)
    for parameter in law.tested:
        t, p = number(law.t_of_interest), number(parameter)
        u, front = law.solution(t, x, p), float(law.front(t, p))
        assert (u[x > front + 1e-9] == 0).all() and (u[x < front - 1e-3] > 0).all()
        assert law.falls and (u.diff() <= 1e-12).all()


def test_stefan_jumps_from_its_threshold():
    law, t, p = LAWS["stefan"], number(0.05), number(0.6)
    front = law.front(t, p)
    assert float(law.solution(t, front * (1 - 1e-9), p)) == pytest.approx(0.6, abs=1e-6)
    assert float(law.solution(t, front * (1 + 1e-9), p)) == 0
    assert float(law.solution(t, number(0.0), p)) == 1


def test_burgers_breaks_at_one_over_a():
    law, x, p = LAWS["burgers"], torch.linspace(-1, 1, 9, dtype=torch.float64), number(2.0)
    assert law.solution(number(0.25), x, p).tolist() == [2, 2, 2, 1, 0, 0, 0, 0, 0]
    assert law.solution(number(1.0), x, p).tolist() == [2, 2, 2, 2, 2, 2, 2, 0, 0]


def test_residuals_of_the_porous_medium_have_finite_gradients_at_and_below_zero():
    u = number([-1.0, 0.0, 1e-3, 0.5]).requires_grad_()
    ones = torch.ones(4, dtype=torch.float64)
    residual = LAWS["pme"].residual(u, ones, ones, ones, number(1.5))
    residual.square().sum().backward()
    residual = residual.detach()
    assert torch.isfinite(u.grad).all()
    assert residual[:2].tolist() == [1, 1]
    assert float(residual[3]) == pytest.approx(1 - 0.5**1.5 - 1.5 * 0.5**0.5)


@pytest.mark.parametrize("name", LAWS)
def test_rows_are_grids_of_random_points_with_their_values(name):
    data = GPME(member=name, train=5, test=2)
    data.load(Seeds(1))
    law, train = data.law, data.train
    assert (
        train.x.shape == (5, 100, 2) and train.y.shape == (5, 100, 1) and train.extra["target_y"].shape == (5, 100, 1)
    )
    assert data.inputs == (2,) and data.outputs == 1
    assert data.test.extra["parameter"][:, 0].tolist() == pytest.approx([p for p in law.tested for _ in range(2)])
    t = train.x[:, :, 0].unflatten(1, (10, 10))
    assert (t == t[:, :, :1]).all() and ((10 * t[:, :, 0] / law.t_max).floor() == torch.arange(10)).all()
    x = train.x[:, :, 1].unflatten(1, (10, 10))
    assert (x == x[:, :1]).all() and (x[:, 0].diff() >= 0).all()
    assert (train.extra["target_x"][..., 0].diff() >= 0).all()
    scaled = data.scaled(train.x)
    assert scaled.abs().max() <= 1 and scaled.min() < -0.7 and scaled.max() > 0.7
    assert all(torch.isfinite(part).all() for part in (train.x, train.y, train.extra["target_y"]))


def test_test_functions_of_a_parameter_differ_in_their_contexts_only():
    data = GPME(member="diffusion", train=2, test=3, parameters=[2.0])
    data.load(Seeds(1))
    assert not torch.equal(data.test.x[0], data.test.x[1])
    expected = (-2.0 * data.test.x[..., 0]).exp() * data.test.x[..., 1].sin()
    torch.testing.assert_close(data.test.y[..., 0], expected)
    assert data.rates == (2.0, pytest.approx(1 / math.pi))


def test_a_law_that_does_not_know_its_solution_cannot_be_made():
    from assay.data.gpme import ConservationLaw

    class Half(ConservationLaw):
        def mass(self, t, parameter):
            return t * 0

    with pytest.raises(TypeError, match=r"abstract methods? .*residual.*solution"):
        Half()
