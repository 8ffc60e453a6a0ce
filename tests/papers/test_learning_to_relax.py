"""Streams and tables against the scalar solvers, learners on a table, the simulation, resume, planning, measures."""

import io
from collections import Counter

import numpy as np
import polars as pl
import pytest
import torch
from plain import run

from assay.bandits import ChebCB, Fixed, Oracle, TsallisINF, TsallisINFBins, TsallisINFCode
from assay.bandits.tsallis_inf import probabilities
from assay.errors import UserError
from assay.module import Budget
from assay.report.figures import MissingData, collect
from assay.results import Results
from assay.seeds import Seeds
from assay.solvers.pcg import ssor_pcg
from assay.solvers.problems import poisson2d
from assay.solvers.sor import jacobi_radius, optimal_omega, sor
from assay.study.session import Session
from papers.learning_to_relax import claims, exact, figures
from papers.learning_to_relax.bounds import Bounds, Surrogate, defect_matrix
from papers.learning_to_relax.data import BETA, SHIFTS, ShiftedPoisson
from papers.learning_to_relax.heat import Heat
from papers.learning_to_relax.module import Learners, Overhead, Table, omega_grid

RANGE = {"low": -0.15, "high": 0.65}
LEARNERS = {
    "tsallis_inf": TsallisINF,
    "tsallis_inf_code": TsallisINFCode,
    "tsallis_inf_cb": lambda: TsallisINFBins(bins=5, **RANGE),
    "cheb_cb": lambda: ChebCB(degree=6, **RANGE),
    "fixed": lambda: Fixed(value=1.4),
    "oracle": Oracle,
}
SIDE, T = 4, 60


def stream(seed=1, **how):
    data = ShiftedPoisson(**{"law": "high", "instances": T, "side": SIDE, **how})
    data.load(Seeds(seed))
    return data


def attached(module, parts, budget, inputs=None, seed=1):
    module.attach(Seeds(seed), budget, parts, inputs or {})
    module.build()
    return module


def table(seed=1, law="high", **how):
    return attached(Table(**how), {"data": stream(seed, law=law)}, Budget(epochs=1, batch=25), seed=seed)


def learners(name, folder, seed=1, **data):
    parts = {"data": stream(seed, **data), "bandit": LEARNERS[name]()}
    return attached(Learners(), parts, Budget(epochs=1, batch=1), {"table": folder}, seed)


def heat(name="cheb_cb", steps=60, **how):
    bandits = {**LEARNERS, "cheb_cb": lambda: ChebCB(degree=6, low=0.0, high=10.0)}
    return attached(Heat(**{"nx": 6, **how}), {"bandit": bandits[name]()}, Budget(steps=steps))


def resumed(make, until):
    """Run one module up to `until`, write its checkpoint to a file, and let another go on from there."""
    first = run(make(), until)
    assert 0 < first.steps_done < first.total
    torch.save(first.checkpoint(), buffer := io.BytesIO())
    buffer.seek(0)
    second = make()
    second.resume(torch.load(buffer, weights_only=True))
    return run(second)


def outcome(module):
    """All that a run leaves but its clock."""
    scalars = {name: value for name, value in module.scalars.items() if not name.startswith("time/")}
    arrays = {name: {k: np.asarray(v).tolist() for k, v in found.items()} for name, found in module.artefacts.items()}
    return scalars, module.units, {name: (c.step, c.value) for name, c in module.curves.items()}, arrays


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished table of the high-variance law, and the folder that learners find it in."""
    module, folder = run(table()), tmp_path_factory.mktemp("table")
    np.savez(folder / "table.npz", **module.artefacts["table"])
    return module, folder


# -- exact checks ---------------------------------------------------------------------------------------------------


def test_the_reference_minimiser_does_not_hang_on_the_last_bit():
    """Rows early in a run: most arms unseen. Relative changes of 1e-12 are what another processor makes of a sum."""
    k, generator = np.where(np.arange(20) % 3 == 0, np.linspace(10, 44, 20), 0.0), np.random.default_rng(0)
    for _ in range(40):
        near = k * (1 + 1e-12 * generator.standard_normal(20))
        p, _ = probabilities(near, 0.63, float(near.min() - 2 / 0.63))
        assert np.abs(p - exact._simplex_minimum(near, 0.63)).max() < 1e-7


def test_a_reference_that_was_not_found_is_not_a_number(monkeypatch):
    monkeypatch.setattr(exact, "_states", lambda: [(t, np.arange(20.0), 0.5) for t in (1, 10)])
    assert exact.newton()["minimiser_error"] < 1e-7
    found = iter([np.full(20, np.nan), np.full(20, 1 / 20)])
    monkeypatch.setattr(exact, "_simplex_minimum", lambda k, eta: next(found))
    assert np.isnan(exact.newton()["minimiser_error"])


# -- streams, tables, bounds ----------------------------------------------------------------------------------------


def test_streams_grow_at_their_end_and_laws_share_their_right_hand_sides():
    short, long, low = stream(instances=20), stream(instances=40), stream(instances=40, law="low")
    np.testing.assert_array_equal(long.contexts[:20], short.contexts)
    np.testing.assert_array_equal(long.targets[:20], short.targets)
    np.testing.assert_array_equal(long.targets, low.targets)
    assert not np.array_equal(long.contexts, low.contexts)
    even = stream(law="even", instances=5)
    np.testing.assert_allclose(even.contexts, [0, -0.15, 0.05, 0.25, 0.45])


@pytest.mark.parametrize("law", BETA)
def test_shifts_follow_their_law(law):
    shifts = stream(law=law, instances=1500, side=1).contexts
    a, b = BETA[law]
    variance = 0.36 * a * b / ((a + b) ** 2 * (a + b + 1))
    assert SHIFTS[0] <= shifts.min() and shifts.max() <= SHIFTS[1]
    assert shifts.mean() == pytest.approx(-0.15 + 0.6 * a / (a + b), abs=0.015)
    assert shifts.var() == pytest.approx(variance, rel=0.12)


@pytest.mark.parametrize(("name", "solver"), [("sor", sor), ("ssor_cg", ssor_pcg)])
def test_a_table_holds_what_the_solver_needs_at_every_omega_and_at_the_best_one(name, solver):
    found = run(table(solver=name, omegas=6)).artefacts["table"]
    data, omegas = stream(), np.linspace(1, 1.95, 6)
    np.testing.assert_array_equal(found["omegas"], omegas)
    for t in (0, 7, T - 1):
        A, b = poisson2d(SIDE, data.contexts[t]), data.targets[t]
        best = optimal_omega(jacobi_radius(SIDE, data.contexts[t]))
        for j, omega in enumerate(omegas[:-1] if name == "ssor_cg" else omegas):  # at 1.95 rounding decides CG's count
            assert found["costs"][t, j] == solver(A, b, float(omega)).iterations
        assert found["optimal"][t] == solver(A, b, best).iterations


def test_comparators_are_in_order(made):
    values = made[0].scalars
    costs = made[0].artefacts["table"]["costs"]
    assert values["cost/best_fixed"] == costs.mean(0).min()
    assert values["cost/oracle"] == costs.min(1).mean() <= values["cost/best_fixed"]
    assert values["gain/oracle"] == pytest.approx(1 - values["cost/oracle"] / values["cost/best_fixed"])


def test_the_surrogate_touches_a_power_of_the_defect_matrix():
    omegas = np.linspace(1, 1.9, 10)
    found = Surrogate.of(SIDE, 0.1, stream().targets[0], omegas)
    assert 0 < found.tau < 1 and found.slack >= 0 and found.rise <= 0
    A, rate = poisson2d(SIDE, 0.1).toarray(), found.radius + found.tau * (1 - found.radius)
    norms = [
        np.linalg.norm(np.linalg.matrix_power(defect_matrix(A, w), int(k) - 1), 2)
        for w, k in zip(omegas, found.costs, strict=True)
    ]
    slack = rate ** (found.costs - 1) / norms
    assert slack.min() == pytest.approx(1, rel=1e-9)  # tau is the least that will do


# -- learners -------------------------------------------------------------------------------------------------------


def test_fixed_omegas_and_the_oracle_pay_their_columns(made):
    costs, omegas = made[0].artefacts["table"]["costs"], omega_grid(20)
    column = int(np.abs(omegas - 1.4).argmin())
    fixed, oracle = (run(learners(name, made[1])) for name in ("fixed", "oracle"))
    assert fixed.scalars["cost/total"] == costs[:, column].sum()
    assert oracle.scalars["cost/total"] == costs.min(1).sum()
    assert oracle.scalars["ratio/oracle"] == 1.0
    assert fixed.scalars["regret/total"] == costs[:, column].sum() - costs.sum(0).min()
    half = costs[T // 2 :]
    assert fixed.scalars["ratio/second_half"] == half[:, column].sum() / half.sum(0).min()
    assert fixed.scalars["cost/uniform_second_half"] == pytest.approx(half.mean(1).sum())


def test_a_learner_pays_for_what_it_played(made):
    module = run(learners("tsallis_inf", made[1]))
    costs = made[0].artefacts["table"]["costs"]
    assert module.scalars["cost/total"] == costs[np.arange(T), module.played].sum()
    assert module.curves["cost/total_so_far"].value[-1] == module.scalars["cost/total"]
    assert set(module.prefixes) <= set(module.curves["regret"].step)


def test_learners_refuse_another_stream_and_omegas_off_the_grid(made):
    with pytest.raises(UserError, match="another stream"):
        learners("tsallis_inf", made[1], seed=2)
    with pytest.raises(UserError, match="not on the table's grid"):
        parts = {"data": stream(), "bandit": Fixed(value=1.33)}
        attached(Learners(), parts, Budget(epochs=1, batch=1), {"table": made[1]})


def test_overhead_times_every_round():
    parts = {"data": stream(), "bandit": TsallisINF()}
    module = run(attached(Overhead(omegas=30), parts, Budget(epochs=1, batch=1)))
    assert 0 < module.scalars["time/round_ms"] <= module.scalars["time/round_p95_ms"]
    assert (module.seconds > 0).all()


# -- the heat equation ----------------------------------------------------------------------------------------------


def test_all_solvers_tell_the_same_story():
    ends = {
        solver: run(heat("fixed", solver=solver)).scalars["heat/final_norm"] for solver in ("direct", "cg", "ssor_cg")
    }
    assert ends["cg"] == pytest.approx(ends["direct"], rel=1e-6)
    assert ends["ssor_cg"] == pytest.approx(ends["direct"], rel=1e-6)


def test_the_map_changes_nothing_and_holds_what_was_paid():
    plain, mapped = run(heat("fixed")), run(heat("fixed", map_points=6))
    assert mapped.scalars["iterations/total"] == plain.scalars["iterations/total"]
    assert len(mapped.units) == 7 * 20 and len({unit["unit"] for unit in mapped.units}) == len(mapped.units)
    for unit in mapped.units:
        if unit["omega"] == pytest.approx(1.4):
            assert unit["iterations"] == plain.iterations[unit["time_step"]]


def test_a_simulation_has_no_oracle():
    with pytest.raises(UserError, match="cannot tell"):
        heat("oracle")


# -- resume ---------------------------------------------------------------------------------------------------------


def test_a_table_goes_on_where_it_stopped():
    assert outcome(resumed(table, until=1)) == outcome(run(table()))


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_go_on_where_they_stopped(name, made):
    def make():
        return learners(name, made[1])

    assert outcome(resumed(make, until=20)) == outcome(run(make()))


@pytest.mark.parametrize("name", ["tsallis_inf", "cheb_cb"])
def test_a_simulation_goes_on_where_it_stopped(name):
    def make():
        return heat(name, map_points=4)

    assert outcome(resumed(make, until=20)) == outcome(run(make()))


def test_bounds_go_on_where_they_stopped():
    def make():
        parts = {"data": stream(law="even", instances=3)}
        return attached(Bounds(omegas=10, cg_omegas=4), parts, Budget(epochs=1, batch=1))

    assert outcome(resumed(make, until=1)) == outcome(run(make()))


# -- planning, claims, figures --------------------------------------------------------------------------------------


def test_learners_wait_for_the_table_of_their_own_law_and_seed():
    plan = Session("learning_to_relax", "smoke", ("learners",), seeds=2).plan()
    tables = {
        cell.signature: (cell.axes["data.law"], cell.seed) for cell in plan.cells if cell.experiment == "cost_table"
    }
    assert len(tables) == 4  # two laws, two seeds
    users = Counter()
    for cell in plan.cells:
        if cell.experiment == "learners":
            (needed,) = plan.runs[cell.signature].needs
            assert tables[needed] == (cell.axes["data.law"], cell.seed)
            assert plan.runs[needed].config["data"] == plan.runs[cell.signature].config["data"]
            users[needed] += 1
    assert set(users.values()) == {10}  # four learners, five fixed omegas, the oracle


def test_every_claim_that_can_be_tested_is():
    served = {claim for check in claims.CHECKS for claim in check.serves}
    assert served == {claim.id for claim in claims.CLAIMS} - {"C8"}


def measures(id):
    """What a check measures, by the name on the page."""
    (check,) = (one for one in claims.CHECKS if one.id == id)
    return {condition.name: condition.measure for condition in check.conditions}


def test_baselines_without_seeds_are_compared_with_every_seed():
    rows = [("heat", "cheb_cb", seed, total) for seed, total in ((1, 90.0), (2, 110.0))]
    rows += [("heat_fixed", arm, 1, total) for arm, total in (("fixed_1_0", 200.0), ("fixed_1_3", 100.0))]
    frame = pl.DataFrame(
        [
            {"experiment": e, "arm": a, "seed": s, "signature": f"{e}{a}{s}", "registered": True, "module.nx": 25}
            | {"iterations/total": v}
            for e, a, s, v in rows
        ]
    )
    results = Results("learning_to_relax", "desk", frame, pl.DataFrame(), pl.DataFrame())
    fewer = measures("8a")["iterations of cheb_cb - fixed_1_0"]
    assert [v.value for v in fewer(results)] == [-110, -90]
    best = measures("8b")["cheb_cb / best fixed"](results)
    assert [v.value for v in best] == [0.9, 1.1]
    assert set(best[0].runs) == {"heatcheb_cb1", "heat_fixedfixed_1_01", "heat_fixedfixed_1_31"}
    assert measures("8a")["iterations of cheb_cb - cg"](results) == []
    clock = frame.with_columns(
        pl.lit(1.0).alias("time/learner_s"), (pl.col("iterations/total") / 10 - 1).alias("time/solver_s")
    )
    timed = Results("learning_to_relax", "desk", clock, pl.DataFrame(), pl.DataFrame())
    speedup = measures("8c")["cheb_cb"](timed)
    assert [v.value for v in speedup] == [pytest.approx(200 / 90), pytest.approx(200 / 110)]


@pytest.mark.parametrize("spec", collect(figures), ids=lambda spec: spec.id)
def test_figures_say_what_is_missing(spec):
    empty = pl.DataFrame()
    with pytest.raises(MissingData):
        spec(Results("learning_to_relax", "smoke", empty, empty, empty))
    row = {"experiment": "exact", "arm": "main", "seed": 1, "signature": "0", "registered": True}
    with pytest.raises(MissingData):
        spec(Results("learning_to_relax", "smoke", pl.DataFrame([row]), empty, empty))
