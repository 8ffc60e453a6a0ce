"""The method's limits, turns and windows, the stopping rule, what the checks measure, the figures."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from plain import run

from assay.config import compose
from assay.data import AllenCahn, KuramotoSivashinsky, Lorenz63, NavierStokes2D, ReLUTeacher
from assay.errors import UserError
from assay.module import Budget
from assay.registry import KINDS
from assay.report.figures import MissingData, collect
from assay.results import Results
from assay.seeds import Seeds
from papers.causal_pinn import claims, exact, figures
from papers.causal_pinn.module import Residual, Solve, embedded, outputs

TANH = {"activation": "tanh", "init": "xavier_normal"}


def built(data, steps=6, seed=1, period=2.0, hidden=(8, 8), lr=1e-2, decay=10, **values):
    compose.load("causal_pinn")
    module = Solve(**{"times": 6, "points": 8, "every": 3, **values})
    net = {"name": "mlp", "hidden": list(hidden), **TANH}
    node = net if data.dimension == 0 else {"name": "periodic", "net": net, "modes": 2, "period": period}
    parts = {
        "data": data,
        "model": KINDS["model"].build(node),
        "optimizer": KINDS["optimizer"].build({"name": "adam", "lr": lr}),
        "schedule": KINDS["schedule"].build({"name": "exponential", "every": decay}),
    }
    module.attach(Seeds(seed), Budget(steps=steps), parts, {})
    module.build()
    return module


def small():
    return AllenCahn(modes=16, dt=1e-2, frames=11)


def lorenz(**values):
    return built(Lorenz63(horizon=0.5, frames=21), **{"hard": True, "points": 1, "extend": 0.1, **values})


def table(experiment, rows, name="runs"):
    """Results with these rows in one of their tables."""
    common = {"experiment": experiment, "arm": "main", "seed": 1, "registered": True}
    frame = pl.DataFrame([{**common, "signature": f"{i}", **row} for i, row in enumerate(rows)])
    empty = {"runs": pl.DataFrame(), "units": pl.DataFrame(), "curves": pl.DataFrame()}
    return Results("causal_pinn", "desk", **{**empty, name: frame})


# -- exact checks, and that they can fail -----------------------------------------------------------------------------


def verdict(id):
    measured = {f"exact/{id}/{name}": value for f in exact.Exact.checks[id] for name, value in f().items()}
    (check,) = (one for one in claims.CHECKS if one.id == id)
    return check.kind.judge(table("exact", [measured])).verdict


@pytest.mark.parametrize("id", exact.Exact.checks)
def test_exact_checks_hold(id):
    assert verdict(id) == "reproduced"


def attached(slices, eps, initial=0.0):
    return torch.exp(-eps * (torch.cat([slices.new_zeros(1), slices[:-1].cumsum(0)]) + initial))


def with_itself(slices, eps, initial=0.0):
    return torch.exp(-eps * (slices.detach().cumsum(0) + initial))


@pytest.mark.parametrize("wrong", [attached, with_itself])
def test_check_1_finds_wrong_weights(wrong, monkeypatch):
    monkeypatch.setattr(exact, "causal_weights", wrong)
    assert verdict("1") == "refuted"


def test_check_2_finds_a_wrong_period(monkeypatch):
    make = exact.network

    def other(kind):
        net = make(kind)
        net.embedding.period = 2.001
        return net

    monkeypatch.setattr(exact, "network", other)
    assert verdict("2") == "refuted"


# -- the loss ---------------------------------------------------------------------------------------------------------


def test_without_tolerance_it_is_the_plain_loss():
    module = built(small(), eps=[0.0], ic=7.0)
    points = module.collocation(0)
    residuals = Residual(module.net, module.data)(points)
    start = torch.cat([torch.zeros(16, 1), module.space], 1)
    plain = residuals.square().mean() + 7.0 * (module.net(start) - module.truth[0]).square().mean()
    torch.testing.assert_close(module.objective(module.batch(0)), plain)


def test_a_slice_is_a_time():
    module = built(small(), eps=[0.5], ic_in_weights=False)
    points = module.collocation(0).view(6, 8, 2)
    torch.testing.assert_close(points[:, :, 0], torch.linspace(0, 1, 6)[:, None].expand(6, 8))
    torch.testing.assert_close(points[0, :, 1], torch.linspace(-1, 1, 8))
    losses = torch.stack([Residual(module.net, module.data)(part).square().mean() for part in points])
    slices, weights = module.slices_and_weights()
    torch.testing.assert_close(slices, losses.detach())
    assert weights[0] == 1
    torch.testing.assert_close(weights[2], torch.exp(-0.5 * (slices[0] + slices[1])))


def test_the_initial_condition_can_stand_in_the_weights():
    module = built(small(), eps=[0.5], ic=1.0)
    _, weights = module.slices_and_weights()
    torch.testing.assert_close(weights[0], torch.exp(-0.5 * module.initial_loss().detach()))


def test_squared_residuals_of_a_system_are_summed():
    module = lorenz(eps=[1.0])
    residuals = module.data.residual(module.solution(module.batch(0)))
    assert residuals.shape == (6, 3)
    torch.testing.assert_close(module.slice_losses(module.batch(0)), residuals.square().sum(1))


def test_a_hard_initial_condition_is_exact_with_its_derivative():
    module = lorenz()
    jets = module.solution(module.batch(0))
    torch.testing.assert_close(jets.value[0], torch.ones(3))
    t = module.collocation(0)
    h = 1e-3
    ahead, behind = (1 + (t + s) * module.net(t + s) for s in (h, -h))
    torch.testing.assert_close(jets("t"), (ahead - behind) / (2 * h), atol=2e-3, rtol=1e-2)


def test_random_points_are_sorted_in_time_and_a_function_of_the_step():
    module = built(small(), sampling="random", extend=0.01)
    one, other = (module.collocation(3).view(6, 8, 2) for _ in range(2))
    assert torch.equal(one, other) and not torch.equal(one, module.collocation(4).view(6, 8, 2))
    t = one[:, 0, 0]
    assert (t.diff() > 0).all() and float(t.max()) <= 1.01 and one[..., 1].abs().max() <= 1


# -- turns, windows, the stopping rule --------------------------------------------------------------------------------


def test_tolerances_take_turns_and_the_optimizer_goes_on():
    module = built(small(), steps=6, eps=[0.1, 1.0, 10.0])
    seen = []
    for step in range(6):
        seen.append(module.tolerance)
        module.advance(step, step + 1)
    assert seen == [0.1, 0.1, 1.0, 1.0, 10.0, 10.0] and module.done
    state = next(iter(module.optimizer.state.values()))
    assert int(state["step"]) == 6
    assert module.optimizer.param_groups[0]["lr"] == pytest.approx(1e-2 * 0.9 ** (5 / 10))


def test_the_rule_is_tested_after_the_first_step_and_drops_what_is_left():
    module = run(built(small(), steps=20, eps=[1e-9, 1e-8], delta=0.99, test_every=4))
    assert module.scalars["steps/done"] == 2 and module.scalars["steps/fired"] == 2
    assert module.curves["error"].step == [0]
    never = run(built(small(), steps=20, eps=[1e-9, 1e3], delta=0.99, test_every=4))
    assert never.scalars["steps/done"] == 11 and never.scalars["steps/fired"] == 1
    assert never.curves["error"].step == [0, 3, 6, 9]


def test_without_a_threshold_all_steps_are_taken():
    assert run(built(small(), steps=8, eps=[1e-9, 1e-8])).scalars["steps/done"] == 8


@pytest.mark.parametrize("make", [lambda **v: built(small(), **v), lorenz])
def test_windows_start_where_the_last_one_ended(make):
    module = run(make(steps=9, eps=[0.0], windows=3, every=1))
    ends = []
    start = module.truth[0]
    for net in module.nets[:2]:
        start = module.observed_by(net, module.length, start)
        ends.append(start)
    torch.testing.assert_close(module.initial, ends[-1], rtol=0, atol=0)
    assert next(iter(module.optimizer.state.values()))["step"] == 3
    found, times = module.prediction(), module.reference_times
    for k, end in enumerate(ends, 1):
        at = int((times - k * module.length).abs().argmin())
        if abs(float(times[at]) - k * module.length) < 1e-9:
            torch.testing.assert_close(found[at], end)


def test_the_prediction_is_that_of_the_window_in_local_time():
    module = run(built(small(), steps=4, eps=[0.0], windows=2))
    late = int((module.reference_times - 0.8).abs().argmin())
    points = torch.cat([torch.full((16, 1), 0.3), module.space], 1)
    torch.testing.assert_close(module.prediction()[late], module.nets[1](points).detach())


@pytest.mark.parametrize("until", [3, 7])
def test_goes_on_in_any_window_as_if_nothing_had_been(until):
    values = {"steps": 10, "eps": [0.1, 1.0], "windows": 2, "every": 1, "sampling": "random"}
    straight = run(built(small(), **values))
    half = run(built(small(), **values), until=until)
    again = built(small(), **values)
    again.resume(half.checkpoint())
    assert again.window == half.window == (0 if until < 5 else 1)
    ended = run(again)
    assert ended.scalars == straight.scalars and ended.curves["error"].value == straight.curves["error"].value


def test_training_lowers_the_loss_and_the_error():
    values = {"hard": True, "points": 1, "extend": 0.1, "times": 16, "hidden": (16, 16), "decay": 1000}
    module = built(Lorenz63(horizon=0.1, frames=11), steps=500, every=500, eps=[0.1], **values)
    run(module)
    first, last = module.curves["error"].value
    assert last < first / 3


@pytest.mark.parametrize(
    ("data", "values", "message"),
    [
        (small(), {"period": 3.0}, "set model.period"),
        (KuramotoSivashinsky(case="chaotic", horizon=0.1, modes=16, dt=1e-2, frames=3), {}, "period 6.28"),
    ],
)
def test_a_wrong_period_is_refused(data, values, message):
    with pytest.raises(UserError, match=message):
        built(data, **values)


def test_other_data_are_refused():
    module = Solve()
    module.attach(Seeds(1), Budget(steps=1), {"data": ReLUTeacher()}, {})
    with pytest.raises(UserError, match="evolution equations"):
        module.build()


def test_turbulence_takes_a_step_in_two_windows():
    data = NavierStokes2D(modes=8, dt=0.1, frames=5)
    period = 2 * math.pi
    values = {"sampling": "random", "times": 3, "points": 4, "windows": 2, "eps": [1e-3], "period": period}
    module = run(built(data, steps=2, **values))
    assert {"error/u", "error/v", "error/w"} <= set(module.scalars)
    with pytest.raises(UserError, match="in several dimensions"):
        built(data, sampling="grid", period=period).collocation(0)


def test_features_are_what_the_network_sees():
    module = built(small())
    points = module.collocation(0)
    jets = outputs(module.net, embedded(module.net, points, module.data.directions))
    torch.testing.assert_close(jets.value, module.net(points))


def test_profiles_and_fields_are_units():
    module = run(built(small(), steps=4, eps=[0.0], profiles=[0, 4], field=[3, 4]))
    slices = [unit for unit in module.units if "loss" in unit]
    field = [unit for unit in module.units if "reference" in unit]
    assert len(slices) == 12 and len(field) == 12 and {unit["at_step"] for unit in slices} == {0, 4}
    assert -1 <= module.scalars["rate/spearman_4"] <= 1
    rate = slices[0]["rate"]
    point = module.collocation(0)[:8]
    fresh = Residual(built(small()).net, module.data)
    squares = 0.0
    for x in point:
        gradient = torch.autograd.grad(fresh(x[None])[0, 0], list(fresh.net.parameters()), allow_unused=True)
        squares += sum(float(g.square().sum()) for g in gradient if g is not None)
    assert rate == pytest.approx(squares / 6, rel=1e-4)


# -- what the checks measure ------------------------------------------------------------------------------------------


def lorenz_results(stop_steps, errors=None, fired=None):
    """Five seeds of every arm of the Lorenz experiment, with curves in which the error is a function of S."""
    runs, curves = [], []
    for arm in claims.LORENZ_ARMS:
        for seed in range(1, 6):
            name = f"{arm}{seed}"
            steps = stop_steps if arm == "annealed_stop" else 6000
            error = (errors or {}).get(arm, 0.1) * seed
            runs.append({"arm": arm, "seed": seed, "signature": name, "error/all": error, "steps/done": float(steps)})
            hits = float(seed <= (fired or 0)) if arm == "annealed_stop" else 0.0
            runs[-1] |= {"residual/earlier": error**2, "steps/fired": hits}
            for step in range(0, steps + 1, 500):
                left = 7000.0 - step
                for curve, value in (("residual/earlier", left**2), ("error", left)):
                    curves.append(
                        {"arm": arm, "seed": seed, "signature": name, "name": curve, "step": step, "value": value}
                    )
    both = (table("lorenz", rows, name) for rows, name in ((runs, "runs"), (curves, "curves")))
    first, second = both
    return Results("causal_pinn", "desk", runs=first.runs, units=pl.DataFrame(), curves=second.curves)


def test_the_indicator_pools_states_and_adds_the_last_of_stopped_runs():
    results = lorenz_results(stop_steps=1234)
    rows = claims.states(results)
    assert [sum(name[:-1] == arm for name in rows["signature"]) for arm in ("annealed_stop", "annealed")] == [15, 60]
    (value,) = claims.indicator(claims.states)(results)
    assert value.value > 0.9
    (ends,) = claims.indicator(claims.ends)(results)
    assert ends.value == pytest.approx(1)


def check(id):
    return next(one for one in claims.CHECKS if one.id == id)


@pytest.mark.parametrize(("fired", "expected"), [(5, "reproduced"), (2, "inconclusive")])
def test_the_stopping_rule_is_judged_where_it_acted(fired, expected):
    assert check("6b").kind.judge(lorenz_results(2000, fired=fired)).verdict == expected


def test_stopping_that_hurts_is_refuted():
    results = lorenz_results(2000, errors={"annealed_stop": 0.16}, fired=5)
    assert check("6b").kind.judge(results).verdict == "refuted"


def test_annealing_against_the_median_of_fixed_tolerances():
    errors = {"eps_0p001": 0.4, "eps_0p1": 0.2, "eps_10": 0.1, "annealed": 0.15, "pinn": 9.0}
    results = lorenz_results(6000, errors=errors)
    (annealed,) = check("7").conditions
    assert [v.value for v in annealed.measure(results)] == pytest.approx([math.log(0.75)] * 5)
    assert check("7").kind.judge(results).verdict == "reproduced"
    assert check("4b").kind.judge(results).verdict == "reproduced"


def test_nothing_is_measured_where_nothing_ran():
    empty = Results("causal_pinn", "desk", runs=pl.DataFrame(), units=pl.DataFrame(), curves=pl.DataFrame())
    for one in claims.CHECKS:
        assert one.kind.judge(empty).verdict in ("untested", None), one.id


# -- figures ----------------------------------------------------------------------------------------------------------


def test_figures_draw_or_say_what_is_missing():
    results = lorenz_results(1500)
    assert len(collect(figures)) == 5
    for name in ("lorenz", "tolerance"):
        getattr(figures, name)(results)
    for name in ("slices", "allen_cahn", "solution"):
        with pytest.raises(MissingData):
            getattr(figures, name)(results)


def test_the_maps_are_drawn():
    rows = [
        {"arm": arm, "signature": arm, "t": t, "x": x, "u": t * x, "reference": x, "unit": f"{t}, {x}"}
        for arm in ("pinn", "causal")
        for t in (0.0, 0.5, 1.0)
        for x in np.linspace(-1, 0.9, 4).tolist()
    ]
    figures.solution(table("allen_cahn", rows, "units"))
