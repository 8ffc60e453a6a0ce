"""The method: updates and their limits, the loss of both arms, draws, cones, and what a run records."""

import pytest
import torch
from plain import run

from assay.data import GPME
from assay.errors import UserError
from assay.metrics.conservation import conservation_error, trapezoid_weights
from assay.module import Budget
from assay.optimizers import Adam
from assay.registry import KINDS
from assay.schedules import Constant
from assay.seeds import Seeds
from papers.probconserv import update
from papers.probconserv.module import GaussianProcess, Grid, Train, draws
from papers.probconserv.update import METHODS, Gaussian


def attached(module, steps=4, model="cnp", hidden=8, **how):
    data = GPME(**{"member": "stefan", "train": 32, "test": 2, "parameters": [0.6], **how})
    data.load(Seeds(1))
    parts = {
        "data": data,
        "model": KINDS["model"].build({"name": model, "hidden": hidden}),
        "optimizer": lambda params: Adam(params, lr=1e-3),
        "schedule": Constant(),
    }
    module.attach(Seeds(1), Budget(steps=steps, batch=8), {k: parts[k] for k in module.takes}, {})
    module.build()
    return module


def small(**how):
    return Train(**{"nx": 41, "times": 4, "draws": 2, "positions": 50, **how})


# -- step 2 ----------------------------------------------------------------------------------------------------------


def prediction(n=41):
    x = torch.linspace(0, 1, n, dtype=torch.float64)
    mean = (1 - 2 * x).clamp_min(-0.1)
    return Gaussian(mean, 0.01 + 0.1 * (-((x - 0.5) / 0.1).square()).exp()), trapezoid_weights(x)[None]


@pytest.mark.parametrize("method", ["hardc", "probconserv", "diffused"])
def test_the_mass_is_right_to_machine_precision(method):
    prior, g = prediction()
    found = METHODS[method](prior, g, torch.tensor([0.3], dtype=torch.float64))
    assert abs(float(g[0] @ found.mean) - 0.3) < 1e-14
    assert found.var.shape == prior.var.shape


def test_the_mean_moves_where_the_variance_is_and_the_variance_shrinks_there():
    prior, g = prediction()
    found = update.probconserv(prior, g, torch.tensor([0.3], dtype=torch.float64))
    moved = (found.mean - prior.mean).abs()
    torch.testing.assert_close(moved[1:-1] / moved[20], prior.var[1:-1] / prior.var[20])
    assert (found.var <= prior.var).all() and found.var[20] < 0.99 * prior.var[20]
    same = update.hardc(prior, g, torch.tensor([0.3], dtype=torch.float64))
    assert same.cov is prior.cov


def test_no_projection_on_a_plane_that_holds_the_truth_is_farther_from_it():
    prior, g = prediction()
    truth = (1 - 2 * torch.linspace(0, 1, 41, dtype=torch.float64)).clamp_min(0)
    found = update.hardc(prior, g, g @ truth)
    assert (found.mean - truth).norm() < (prior.mean - truth).norm()


def test_diffusion_smooths():
    prior, g = prediction()
    rough = Gaussian(prior.mean + 0.05 * (-1.0) ** torch.arange(41), prior.cov)
    b = g @ prior.mean
    second = update.second_difference(41)
    plain, smooth = (METHODS[m](rough, g, b).mean for m in ("probconserv", "diffused"))
    assert (second @ smooth).norm() < 0.5 * (second @ plain).norm()
    assert second[0, :4].tolist() == [1, -2, 1, 0]


def test_the_noise_of_the_diffusion_step_is_the_variance_of_a_second_difference():
    sd, a = torch.tensor([0.3, 0.7, 0.2], dtype=torch.float64), 0.9
    correlation = torch.tensor([[1, a, a**2], [a, 1, a], [a**2, a, 1]], dtype=torch.float64)
    row = torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64)
    expected = row @ (sd[:, None] * correlation * sd) @ row
    torch.testing.assert_close(update.roughness(sd.square(), a)[0], expected)


@pytest.mark.parametrize("falling", [False, True])
def test_cones_keep_sign_order_and_mass(falling):
    prior, g = prediction()
    bumpy = Gaussian(prior.mean + 0.05 * torch.linspace(0, 20, 41, dtype=torch.float64).sin(), prior.cov)
    found = update.nonnegative(bumpy, g, torch.tensor([0.3], dtype=torch.float64), falling)
    assert (found >= 0).all() and float(g[0] @ found) == pytest.approx(0.3, abs=1e-6)
    assert not falling or (found.diff() <= 1e-12).all()


def test_a_cone_that_does_not_bind_changes_nothing():
    prior, g = prediction()
    inside = Gaussian(prior.mean + 1, prior.cov)
    b = torch.tensor([1.3], dtype=torch.float64)
    torch.testing.assert_close(
        update.nonnegative(inside, g, b), update.probconserv(inside, g, b).mean, atol=1e-6, rtol=0
    )


# -- step 1 ----------------------------------------------------------------------------------------------------------


def test_both_arms_are_the_same_until_the_penalty_begins():
    plain, soft = (run(attached(small(**how), steps=6)) for how in ({}, {"weight": 1.0, "soft_from": 6}))
    for p, q in zip(plain.net.parameters(), soft.net.parameters(), strict=True):
        assert torch.equal(p, q)
    later = run(attached(small(weight=1.0, soft_from=5), steps=6))
    assert not torch.equal(next(later.net.parameters()), next(plain.net.parameters()))


@pytest.mark.parametrize("member", ["diffusion", "pme", "stefan", "advection", "burgers"])
def test_the_penalty_is_the_residual_in_raw_coordinates(member):
    module = attached(small(weight=1.0), member=member, parameters=[])
    module.net.double()
    rows = module.data.train[torch.arange(4)]
    raw = rows.extra["target_x"].double().requires_grad_()
    sets = [module.data.scaled(rows.x.double()), rows.y.double(), module.data.scaled(raw), rows.extra["target_y"]]
    fit, first, second = module.net.fit_jet(*sets)
    parameter = rows.extra["parameter"].double()
    found = module.residual(fit.mean, first, second, parameter)
    u = module.net(*sets[:3])[0][..., 0]
    (slope,) = torch.autograd.grad(u.sum(), raw, create_graph=True)
    (bend,) = torch.autograd.grad(slope[..., 1].sum(), raw)
    expected = module.data.law.residual(u, slope[..., 0], slope[..., 1], bend[..., 1], parameter)
    torch.testing.assert_close(found, expected)
    assert found.shape == (4, 100)


def test_the_sum_is_the_mean_times_the_number_of_targets():
    one, other = (attached(small(reduction=reduction)) for reduction in ("mean", "sum"))
    index = torch.arange(8)
    torch.testing.assert_close(800 * one.objective(index), other.objective(index))


def test_training_lowers_the_loss():
    module = run(attached(small(cones=False), steps=300, hidden=16))
    losses = module.curves["train/loss"].value
    assert losses[-1] < losses[0] - 0.3


def test_an_attentive_process_trains_with_the_penalty_and_its_randomness_is_the_steps():
    one, other = (run(attached(small(weight=1.0, reduction="sum"), steps=2, model="anp")) for _ in range(2))
    assert one.units == other.units and one.curves["train/residual"].value == other.curves["train/residual"].value


# -- judgement -------------------------------------------------------------------------------------------------------


def test_a_plain_run_records_every_method_and_a_soft_one_its_own():
    plain = run(attached(small(profiles=True)))
    rows = [u for u in plain.units if u["unit"] == "0.6/1"]
    assert [u["method"] for u in rows] == [*METHODS, "nonnegative", "falling"]
    by = {u["method"]: u for u in rows}
    assert by["probconserv"]["ce_abs"] < 1e-13 < by["step1"]["ce_abs"]
    assert by["step1"]["loglik"] == by["hardc"]["loglik"] or by["hardc"]["mse"] != by["step1"]["mse"]
    assert plain.scalars["ce/worst/probconserv"] < 1e-12 and plain.scalars["floor/0.6"] > 0
    masses = [u for u in plain.units if u["unit"] == "mass" and u["method"] == "probconserv"]
    assert len(masses) == 4 and all(u["mass"] == pytest.approx(u["b"], abs=1e-12) for u in masses)
    hits = [u["hits"] for u in plain.units if u["unit"] == "profile" and u["method"] == "step1"]
    assert len(hits) == 41 and sum(hits) == pytest.approx(1)
    soft = run(attached(small(weight=1.0)))
    assert {u["method"] for u in soft.units} == {"softc"} and "ce/worst/hardc" not in soft.scalars


def test_units_are_what_their_names_say():
    module = run(attached(small(cones=False), member="diffusion", parameters=[1.0, 7.0]))
    assert {u["inside"] for u in module.units if u["parameter"] == 7.0} == {0.0}
    assert not any("log_shock" in u for u in module.units)
    grid, (mean, var) = Grid(module.data, 41, 4), module.predict(Grid(module.data, 41, 4), 0)
    assert float(grid.t[grid.now]) == 0.5
    truth = grid.truth(1.0)
    first = next(u for u in module.units if u["method"] == "step1")
    assert first["mse"] == pytest.approx(float((mean - truth)[grid.now].square().mean()))
    assert first["relative"] == pytest.approx(float((mean - truth).square().sum() / truth.square().sum()))
    assert first["ce"] == pytest.approx(float(conservation_error(mean[grid.now], grid.g, grid.b(1.0)[grid.now])))
    assert (var > 0).all()


def test_draws_have_the_moments_of_the_prediction():
    prior, g = prediction(9)
    full = update.probconserv(prior, g, torch.tensor([0.3], dtype=torch.float64))
    noise = torch.randn(20_000, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for one in (prior, full):
        found = draws(one, noise)
        cov = one.cov if one.cov.ndim == 2 else one.cov.diag()
        torch.testing.assert_close(found.mean(0), one.mean, atol=0.01, rtol=0)
        torch.testing.assert_close(found.T.cov(), cov, atol=0.005, rtol=0)
    assert float((draws(full, noise) @ g[0]).std()) < 1e-3


def test_gaussian_processes_interpolate_and_are_conditioned_in_full():
    module = attached(GaussianProcess(nx=41), member="diffusion", parameters=[1.0])
    module.advance(0, 2)
    by = {u["method"]: u for u in module.units if u["unit"] == "1/0"}
    assert by["step1"]["mse"] < 1e-2 and by["probconserv"]["ce_abs"] < 1e-13
    assert by["probconserv"]["schur_cov"] < 1e-12 and module.total == 2


def test_other_data_are_refused():
    module = Train()
    module.data = object()
    with pytest.raises(UserError, match="gpme"):
        module.check_data()


def test_profiles_need_a_jump():
    with pytest.raises(UserError, match="jump"):
        attached(small(profiles=True), member="pme", parameters=[6.0])
