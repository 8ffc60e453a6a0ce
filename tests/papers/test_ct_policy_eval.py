"""The estimators against direct computations, value functions against their equations, resume, measures."""

import io
import math

import numpy as np
import polars as pl
import pytest
import torch
from plain import run

from assay.claims import Exact, scalar
from assay.errors import UserError
from assay.models.mlp import MLP
from assay.module import Budget
from assay.optimizers.adam import Adam
from assay.results import Results
from assay.schedules.constant import Constant
from assay.seeds import Seeds
from assay.solvers.lstd import returns, td_errors, traces
from papers.ct_policy_eval import claims, exact
from papers.ct_policy_eval.module import Estimate, Online
from papers.ct_policy_eval.option import Option, black_scholes
from papers.ct_policy_eval.population import Population, limit_ctd, limit_ml, limit_mstde_brownian
from papers.ct_policy_eval.problems import BASES, PROBLEMS, polynomial


def attached(module, steps=3, batch=200, parts=None, seed=1):
    module.attach(Seeds(seed), Budget(steps=steps, batch=batch), parts or {}, {})
    module.build()
    return module


def estimate(steps=3, batch=200, seed=1, **how):
    how = {"problem": "ou", "basis": "linear", "dt": 0.1, "kappas": (1.0, 0.1), **how}
    return attached(Estimate(**how), steps, batch, seed=seed)


def online(steps=20, batch=16, **how):
    return attached(Online(**{"dt": 0.1, **how}), steps, batch)


def option(steps=4, **how):
    def model(inputs, outputs):
        return MLP(inputs, outputs, hidden=(8,), activation="tanh", init="torch")

    def optimizer(params):
        return Adam(params)

    parts = {"model": model, "optimizer": optimizer, "schedule": Constant()}
    return attached(Option(**{"dates": 5, "test": 100, **how}), steps, 16, parts)


# -- exact checks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", exact.Exact.checks)
def test_exact_measurements_keep_the_bounds_of_their_claims(id):
    row = {"experiment": "exact", "arm": "main", "seed": 1, "signature": "0", "registered": True}
    for function in exact.Exact.checks[id]:
        row |= {f"exact/{id}/{name}": value for name, value in function().items()}
    results = Results("ct_policy_eval", "smoke", pl.DataFrame([row]), pl.DataFrame(), pl.DataFrame())
    (check,) = [check for check in claims.CHECKS if check.id == id]
    assert isinstance(check.kind, Exact)
    assert check.kind.judge(results).verdict == "reproduced"


def test_registered_values_of_the_misspecified_class():
    ou, basis = PROBLEMS["ou"], BASES["linear"]
    fine = Population(ou, basis, 0.01)
    np.testing.assert_allclose(fine.ml(), [0.33265, 0.67063], atol=6e-6)
    np.testing.assert_allclose(fine.ctd(), [0.01811, 0.66355], atol=6e-6)
    np.testing.assert_allclose(Population(ou, basis, 0.05).ctd(), [0.01255, 0.67404], atol=6e-6)
    np.testing.assert_allclose(limit_ml(ou, basis), [0.33576, 0.66732], atol=6e-6)
    np.testing.assert_allclose(limit_ctd(ou, basis), [0.01953, 0.66091], atol=6e-6)
    np.testing.assert_allclose(limit_ml(ou, BASES["even"]), [0.3495, 0.5153], atol=6e-5)
    np.testing.assert_allclose(limit_ctd(ou, BASES["even"]), [0.3674, 0.4220], atol=6e-5)


# -- problems -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBLEMS)
def test_value_functions_solve_their_equations(name):
    """With J = A x^2 + C: derivatives by central differences against the problem's ordinary equations."""
    problem, tau, h = PROBLEMS[name], 0.6, 1e-5
    c, a = problem.quadratic(tau)
    slope = (np.array(problem.quadratic(tau + h)) - problem.quadratic(tau - h)) / (2 * h)  # in the time to go
    if name == "lq":
        m, q = 2 * (-0.5 - 0.5) + 0.05**2, 1 + 0.5 * 0.25
        np.testing.assert_allclose(slope, [0.0225 * a - 0.5 * 0.25, m * a - q], rtol=1e-6)
    else:
        k, s, beta, r = problem.process.rate, problem.process.scale, problem.discount, problem.reward[2]
        np.testing.assert_allclose(slope, [s**2 * a - beta * c, r - (2 * k + beta) * a], atol=1e-8)
    assert problem.quadratic(0.0) == pytest.approx((0.0, problem.terminal[2]))


def test_the_value_of_the_lq_problem_and_the_bias_of_its_euler_scheme():
    problem = PROBLEMS["lq"]
    value = float(problem.value(1.0, np.array(1.0)))
    assert value == pytest.approx(-0.61898, abs=1e-5)
    for dt, registered in ((0.025, -0.0101), (0.0125, -0.0050)):
        second, total = 1.0, 0.0  # E X^2 along the scheme
        for _ in range(problem.steps(dt)):
            total -= (second + 0.5 * (0.25 * second + 0.25)) * dt
            second = ((1 - dt) ** 2 + 0.05**2 * dt) * second + 0.25 * dt**2 + 0.0225 * dt
        assert total - value == pytest.approx(registered, abs=6e-5)
        G = returns((paths := problem.simulate(Seeds(0).numpy(), dt, 20_000)).rewards, np.zeros(20_000), 1.0)[0]
        assert paths.x.shape == (problem.steps(dt) + 1, 20_000)
        assert G.mean() == pytest.approx(total, abs=4 * G.std() / math.sqrt(20_000))


def test_features_vanish_at_the_horizon_and_agree_with_their_coefficients():
    x = np.linspace(-2, 2, 7)
    for basis in BASES.values():
        assert np.abs(basis(0.0, x)).max() == 0
        phi = basis(0.7, x)
        for row, coefficients in zip(phi, basis.coefficients(0.7, 2), strict=True):
            np.testing.assert_allclose(row, polynomial(coefficients, x))
        slope = (basis.coefficients(0.7 - 1e-6, 2) - basis.coefficients(0.7 + 1e-6, 2)) / 2e-6
        np.testing.assert_allclose(basis.rate(0.7, 2), slope, atol=1e-8)


def test_the_rewards_conditional_mean_is_its_closed_form():
    dt, k, beta = 0.05, 0.5, 0.2
    c0, _, c2 = PROBLEMS["ou"].step_reward(dt)
    m = 2 * k + beta
    assert c2 == pytest.approx(-math.expm1(-m * dt) / m)
    assert c0 == pytest.approx((-math.expm1(-beta * dt) / beta + math.expm1(-m * dt) / m) / (2 * k))
    assert PROBLEMS["brownian"].step_reward(dt) == (0, 0, 0)


# -- estimators -----------------------------------------------------------------------------------------------------


def test_estimates_minimise_their_losses_and_solve_their_conditions():
    module = run(estimate())
    problem, basis, g, dt = module.problem, module.basis, module.g, module.dt
    chunks = [module.simulate(step) for step in range(3)]
    x, rewards = (np.concatenate([getattr(chunk, name) for chunk in chunks], 1) for name in ("x", "rewards"))
    phi = np.stack([basis(module.tau(i), row) for i, row in enumerate(x)])
    h = polynomial(problem.terminal, x)
    G = returns(rewards, h[-1], g)

    def values(theta):
        return h + np.tensordot(phi, theta, (1, 0))

    def losses(theta):
        J = values(theta)
        return {
            "mstde": (td_errors(J, rewards, g) ** 2).sum(0).mean() / 2 / dt,
            "ml": ((G - J)[:-1] ** 2).sum(0).mean() * dt / 2,
        }

    for name in ("mstde", "ml"):
        theta = np.array([module.scalars[f"theta/{name}/{j}"] for j in (0, 1)])
        for move in ([1e-3, 0], [-1e-3, 0], [0, 1e-3], [0, -1e-3]):
            assert losses(theta + move)[name] > losses(theta)[name]
    conditions = {"ctd": phi[:-1]}
    for kappa in (1.0, 0.1):
        conditions[f"{kappa:g}"] = traces(phi[:-1], math.exp(-kappa * dt) * g, dt)
    solutions = {unit["unit"]: np.array([unit["theta_0"], unit["theta_1"]]) for unit in module.units}
    solutions["ctd"] = np.array([module.scalars[f"theta/ctd/{j}"] for j in (0, 1)])
    for name, xi in conditions.items():
        d = td_errors(values(solutions[name]), rewards, g)
        assert np.abs((xi * d[:, None]).sum(0).mean(1)).max() < 1e-10


@pytest.mark.parametrize("basis", ["linear", "even", "full"])
def test_estimates_approach_the_population(basis):
    module = run(estimate(steps=8, batch=5000, basis=basis))
    x0 = np.array([1.0])
    for name in ("mstde", "ml", "ctd"):
        exact_theta = np.array([module.scalars[f"population/{name}/{j}"] for j in range(len(module.basis))])
        assert module.scalars[f"value/{name}"] == pytest.approx(float(module.fitted(exact_theta, 2.0, x0)[0]), abs=0.03)


def test_in_a_class_that_holds_j_the_limits_are_j():
    problem, basis = PROBLEMS["brownian"], BASES["even"]
    np.testing.assert_allclose(limit_ml(problem, basis), [1, 0], atol=1e-12)
    np.testing.assert_allclose(limit_ctd(problem, basis), [1, 0], atol=1e-12)
    assert limit_mstde_brownian(np.array([0.3, -2.0])) < min(
        limit_mstde_brownian(np.array([0.3, th2])) for th2 in (-2.1, -1.9, 0.0)
    )


def test_online_updates_are_the_steps_that_they_stand_for():
    module = online(steps=1, lam=0.5)
    x, rewards = module.simulate(0)
    phi = np.stack([module.basis(module.tau(i), row) for i, row in enumerate(x)])
    theta, xi = np.zeros(2), np.zeros_like(phi[0])
    for i in range(len(rewards)):
        xi = 0.5**0.1 * module.g * xi + phi[i] * 0.1
        d = module.g * theta @ phi[i + 1] - theta @ phi[i] + rewards[i]
        theta = theta + 0.5 * (xi * d).mean(1)
    np.testing.assert_allclose(run(module).theta, theta)
    assert module.scalars["theta/average/0"] == pytest.approx(theta[0])


@pytest.mark.parametrize("method", ["gtd0", "gtd2"])
def test_gtd_finds_the_root_of_the_condition(method):
    module = online(method=method)
    A, b, S = module.batch_means(module.problem.simulate(Seeds(3).numpy(), 0.1, 500))
    root = np.linalg.solve(A.sum(0), -b.sum(0))
    module.theta = root
    module.episode(*(each.sum(0, keepdims=True) for each in (A, b, S)), 0.1)
    np.testing.assert_allclose(module.theta, root, atol=1e-12)  # it stays at the root
    module.theta = root + np.array([0.3, -0.2])
    for _ in range(6000):
        module.episode(*(each.sum(0, keepdims=True) for each in (A, b, S)), 0.02)
    assert np.linalg.norm(module.theta - root) < 0.05


def test_lambda_and_batches_are_checked():
    with pytest.raises(UserError, match="between 0 and 1"):
        Online(lam=1.5)
    module = Estimate()
    module.attach(Seeds(1), Budget(steps=1), {}, {})
    with pytest.raises(UserError, match=r"budget\.batch"):
        module.simulate(0)


# -- the option -----------------------------------------------------------------------------------------------------


def test_black_scholes_has_its_known_value_and_is_a_martingale():
    one = torch.ones(1, dtype=torch.float64)
    assert float(black_scholes(one, one, 1.0, 0.05, 0.2)) == pytest.approx(0.104505836, abs=1e-8)
    module = option(dates=25)
    x = module.paths(10_000, "martingale").double()
    J = black_scholes((1 - module.times).expand(len(x), -1).double(), x[:, :-1], 1.0, 0.05, 0.2)
    J = torch.cat([J, (x[:, -1:] - 1).clamp_min(0)], 1)
    total = (module.g * J[:, 1:] - J[:, :-1]).sum(1)
    assert abs(float(total.mean() / total.std() * 100)) < 4


@pytest.mark.parametrize("method", ["ml", "ctd", "residual"])
def test_losses_and_gradients_are_their_definitions(method):
    module = option(method=method)
    x = module.batch(0)
    module.gradients(x)
    found = [p.grad.clone() for p in module.J.parameters()]
    J = torch.cat([module.values(x[:, :-1]), module.payoff(x[:, -1:])[:, None]], 1)
    d = module.g * J[:, 1:] - J[:, :-1]
    discounts = module.g ** torch.arange(5, 0, -1)
    G = discounts * J[:, -1:].detach()
    scalar = {
        "ml": ((G - J[:, :-1]).detach() * -J[:, :-1]).sum(1).mean() * module.dt,  # its gradient: -sum (G - J) grad J dt
        "ctd": -(d.detach() * J[:, :-1]).sum(1).mean(),
        "residual": (d**2).sum(1).mean() / 2 / module.dt,
    }[method]
    for mine, expected in zip(found, torch.autograd.grad(scalar, list(module.J.parameters())), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-6)


def test_methods_of_a_seed_share_their_start_and_their_test_paths():
    first, second = option(method="ml"), option(method="residual")
    assert first.measure() == second.measure()
    assert torch.equal(first.batch(2), second.batch(2))


# -- resume, measures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [estimate, lambda: online(150, lam=0.5), lambda: online(150, method="gtd2"), option])
def test_runs_go_on_where_they_stopped(make):
    straight, first = run(make()), run(make(), 1)
    torch.save(first.checkpoint(), buffer := io.BytesIO())
    buffer.seek(0)
    second = make()
    second.resume(torch.load(buffer, weights_only=True))
    run(second)
    assert second.scalars == straight.scalars and second.units == straight.units
    assert second.curves == straight.curves


def fake(rows, experiment, table="runs"):
    frame = pl.DataFrame([{"experiment": experiment, "arm": "main", "registered": True, **row} for row in rows])
    empty = pl.DataFrame()
    return Results(
        "ct_policy_eval", "desk", *(frame if table == name else empty for name in ("runs", "units", "curves"))
    )


TH2 = scalar("brownian", "theta/mstde/1", module__dt=0.2)


def test_standard_errors_and_falling_errors():
    rows = [
        {"seed": s, "signature": f"{s}{dt}", "module.dt": dt, "theta/mstde/1": th + 0.01 * s}
        for dt, th in ((0.2, -1.25), (0.1, -1.57), (0.05, -1.5))
        for s in (1, 2, 3)
    ]
    results = fake(rows, "brownian")
    found = claims.falling_error(results)
    assert [v.unit for v in found] == ["module.dt=0.2 to module.dt=0.1", "module.dt=0.1 to module.dt=0.05"]
    assert [v.value for v in found] == pytest.approx([0.32, -0.07])
    (z,) = claims.standard_errors(TH2, -1.25)(results)
    assert z.value == pytest.approx(0.02 / (0.01 / math.sqrt(3)))


def test_seeds_that_differ_by_rounding_have_no_standard_error():
    rows = [{"seed": s, "signature": str(s), "module.dt": 0.2, "theta/mstde/1": 0.1 + s - s} for s in (1, 2, 3, 5, 9)]
    (z,) = claims.standard_errors(TH2, 0.3)(fake(rows, "brownian"))
    assert math.isnan(z.value)


def test_pooled_solutions_add_the_equations_of_seeds():
    module, other = run(estimate()), run(estimate(seed=2))
    rows = [
        {"seed": seed, "signature": str(seed), "module.dt": 0.01, **unit}
        for seed, units in ((1, module.units), (2, other.units))
        for unit in units
    ]
    solutions, runs = claims.pooled(fake(rows, "ou_linear", "units"))
    both = estimate()
    for seed in (1, 2):
        both.seeds = Seeds(seed)
        both.advance(0, 3)
    both.finish()
    for unit in both.units:
        np.testing.assert_allclose(solutions[unit["unit"]], [unit["theta_0"], unit["theta_1"]])
    assert runs == ("1", "2")
