"""Selection: what wins, what a diverged candidate is worth, how a grid goes on beyond its edge, what a plan remembers."""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace

import pytest
from small_run import FIX

from assay.config import compose
from assay.errors import UserError
from assay.records.store import Record
from assay.study.declared import Study, make_plan
from assay.study.selection import Search, SeedRange, Select, Widen
from assay.study.session import Session
from assay.study.tables import results_of

BASE = {key: value for key, value in FIX.items() if key not in ("optimizer", "schedule")} | {"optimizer": "sgd"}


def study(select, arms=None, **more):
    experiment = {"fix": BASE, "select": select, "scales": {"desk": {"seeds": 2}}, **more}
    return Study.parse(
        {"slug": "made_up", "experiments": {"box": {**experiment, **({"arms": arms} if arms else {})}}}, "made_up.yaml"
    )


def scored(found, score):
    """The plan when all is done, with scores computed from the runs' configurations."""
    configs: dict = {}

    def known(signature, name):
        return score(configs[signature], name) if signature in configs else None

    while True:
        plan = make_plan(found, "desk", known)
        if configs.keys() == plan.runs.keys():
            return plan
        configs |= {signature: run.config for signature, run in plan.runs.items()}


def chosen(plan, key="lr"):
    return {(c.arm, *c.axes.values()): plan.runs[c.signature].config["optimizer"][key] for c in plan.evaluation()}


# -- what a stage remembers ------------------------------------------------------------------------------------------


RATES = {"optimizer.lr": [0.1, 0.2, 0.3]}


def test_two_stages_with_the_same_keys_share_nothing():
    """Each differs from the first in one thing; all with `per: []`, which says nothing of the arm."""
    first = {"over": RATES, "by": "val/accuracy", "per": []}
    for other in (
        {"mode": "min"},
        {"by": "val/cross_entropy"},
        {"over": {"optimizer.lr": [0.05, 0.01]}},
        {"fix": {"optimizer.momentum": 0.5}},
        {"seeds": {"first": 950, "n": 1}},
    ):
        stages = [{**first, "arms": ["a"]}, {**first, **other, "arms": ["b"]}]
        arms = {"a": {"model.hidden": [4]}, "b": {"model.hidden": [6]}}

        def score(config, name):
            lr, hidden = config["optimizer"]["lr"], config["model"]["hidden"]
            better = lr if hidden == [4] or config["seed"] < 950 else -lr
            better = -better if config["optimizer"]["momentum"] == 0.5 else better
            return better if name == "val/accuracy" else -better

        plan = scored(study(stages, arms), score)
        rates = chosen(plan)
        assert rates["a",] == 0.3
        assert rates["b",] == {"over": 0.05}.get(next(iter(other)), 0.1), other
        assert len(plan.selections["box"]) == 2


def test_an_inner_stage_is_scored_over_the_outer_candidates_that_it_does_not_depend_on():
    outer = {"over": {"optimizer.momentum": [0.0, 0.5]}, "by": "val/accuracy", "per": []}
    inner = {"over": RATES, "by": "val/accuracy", "per": []}

    def score(config, name):  # by the first momentum alone, 0.1 would win
        lr, momentum = config["optimizer"]["lr"], config["optimizer"]["momentum"]
        return -lr if momentum == 0.0 else 5 * lr

    plan = scored(study([inner, outer]), score)
    assert set(chosen(plan).values()) == {0.3}
    assert set(chosen(plan, "momentum").values()) == {0.5}
    plan = scored(study([{**inner, "per": None}, outer]), score)
    assert [row["winner"]["optimizer.lr"] for row in plan.selections["box"] if row["stage"] == 1] == [0.1, 0.3]


def test_levels_that_are_equal_in_python_are_not_one_group():
    axes = {"model.hidden": [[4], [5]], "optimizer.nesterov": [False, True]}
    plan = make_plan(study([{"over": RATES, "by": "val/accuracy"}], axes=axes, fix={**BASE, "optimizer.momentum": 0.9}),
                     "desk", lambda s, n: None)  # fmt: skip
    assert len(plan.selections["box"]) == 4


# -- who wins --------------------------------------------------------------------------------------------------------


def search(scores, mode="max", **more):
    found = Search(Select(over={"lr": list(range(len(scores)))}, by="x", mode=mode, **more))
    for candidate, its in zip(found.candidates, scores, strict=True):
        candidate.scores = its if isinstance(its, list) else [its]
    return found


NAN = math.nan


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize(
    ("scores", "winner"),
    [
        ([1.0, 1.0, 1.0], 0),
        ([NAN, 1.0, 1.0], 1),
        ([NAN, NAN, -1e300], 2),
        ([NAN, NAN, 1e300], 2),
        ([math.inf, -math.inf, 0.0], 2),
        ([[5.0, NAN], [0.0, 0.0], [NAN, -5.0]], 1),
        ([NAN, None, 1.0], None),
        ([NAN, NAN, NAN], None),
    ],
)
def test_a_diverged_candidate_never_wins(scores, winner, mode):
    found = search(scores, mode)
    assert (found.winner.values["lr"] if found.winner else None) == winner
    assert found.hopeless == (scores == [NAN, NAN, NAN])


def test_what_the_table_says_of_candidates():
    found = search([[1.0, 2.0], [1.0, NAN], [None, NAN], [NAN, math.inf]])
    assert [{k: v for k, v in row.items() if k != "values"} for row in found.table()] == [
        {"score": 1.5}, {"score": None, "diverged": 1}, {"score": None}, {"score": None, "diverged": 2},
    ]  # fmt: skip


# -- beyond the edge -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widen", "edge", "up", "whole", "value"),
    [
        ({"factor": 3}, 0.1, True, False, 0.3),
        ({"factor": 3}, 0.3, False, False, 0.1),
        ({"factor": 10}, 1, False, False, 0.1),
        ({"factor": 2}, 64, True, True, 128),
        ({"factor": 2}, 3, False, True, 2),
        ({"factor": 2}, 1, False, True, None),
        ({"factor": 3}, 0, False, False, None),
        ({"step": 0.5}, 0, False, False, -0.5),
        ({"step": 1}, 2, True, True, 3),
        ({"factor": 2, "high": 0.99}, 0.9, True, False, 0.99),
        ({"factor": 2, "high": 0.99}, 0.99, True, False, None),
        ({"factor": 2, "low": 0.2}, 0.3, False, False, 0.2),
        ({"step": 2, "high": 4.5}, 4, True, True, None),
    ],
)
def test_the_next_value(widen, edge, up, whole, value):
    found = Widen(**widen).beyond(edge, up, whole)
    assert found == value and (found is None or isinstance(found, int) == whole)


def peak(at):
    return lambda config, name: -abs(math.log(config["optimizer"]["lr"]) - math.log(at))


WIDE = {"over": {"optimizer.lr": [0.01, 0.1]}, "by": "val/accuracy", "widen": {"factor": 10, "most": 2}}


@pytest.mark.parametrize(
    ("at", "rates", "on_edge"),
    [
        (0.1, [0.01, 0.1, 1.0], False),
        (1.0, [0.01, 0.1, 1.0, 10.0], False),
        (1e9, [0.01, 0.1, 1.0, 10.0], True),
        (1e-9, [0.01, 0.1, 1e-3, 1e-4], True),
    ],
)
def test_a_winner_on_the_edge_widens_the_grid(at, rates, on_edge):
    plan = scored(study([WIDE]), peak(at))
    (row,) = plan.selections["box"]
    assert [c["values"]["optimizer.lr"] for c in row["candidates"]] == rates
    assert [c.get("widened", 0) for c in row["candidates"]] == [0, 0, 1, 2][: len(rates)]
    assert row["winner"]["optimizer.lr"] == min(rates, key=lambda rate: abs(math.log(rate / at)))
    assert row["on_edge"] is on_edge
    assert {c.axes["optimizer.lr"] for c in plan.cells if c.stage} == set(rates)


def test_a_diverged_neighbour_makes_a_winner_interior():
    plan = scored(
        study([WIDE]), lambda config, name: NAN if config["optimizer"]["lr"] >= 1 else config["optimizer"]["lr"]
    )
    (row,) = plan.selections["box"]
    assert row["winner"] == {"optimizer.lr": 0.1} and row["on_edge"] is False
    assert row["candidates"][-1] == {"values": {"optimizer.lr": 1.0}, "score": None, "diverged": 1, "widened": 1}


def test_new_values_are_crossed_with_all_others():
    over = {"optimizer.lr": [0.1, 0.2], "optimizer.momentum": [0.0, 0.5]}
    widen = {"optimizer.lr": {"factor": 2, "most": 1}, "optimizer.momentum": {"step": 0.3, "high": 0.6}}
    best = lambda config, name: config["optimizer"]["lr"] + config["optimizer"]["momentum"]  # noqa: E731
    (row,) = scored(study([{"over": over, "by": "val/accuracy", "widen": widen}]), best).selections["box"]
    assert [tuple(c["values"].values()) for c in row["candidates"]] == [
        (0.1, 0.0), (0.1, 0.5), (0.2, 0.0), (0.2, 0.5), (0.1, 0.6), (0.2, 0.6), (0.4, 0.0), (0.4, 0.5), (0.4, 0.6),
    ]  # fmt: skip
    assert row["winner"] == {"optimizer.lr": 0.4, "optimizer.momentum": 0.6}
    assert row["on_edge"] is True  # of the rate; beyond 0.6 there is no momentum


def test_whole_numbers_stay_whole():
    over = {"budget.batch": [8, 16]}
    plan = scored(
        study([{"over": over, "by": "val/accuracy", "widen": {"factor": 3, "most": 3}}]),
        lambda config, name: -config["budget"]["batch"],
    )
    (row,) = plan.selections["box"]
    assert [c["values"]["budget.batch"] for c in row["candidates"]] == [8, 16, 3, 1]
    assert row["on_edge"] is False


def test_widening_waits_for_all_candidates_and_is_decided_anew_by_each_plan():
    found = study([WIDE])
    first = make_plan(found, "desk", lambda s, n: None)
    assert len(first.runs) == 2 and first.selections["box"][0]["winner"] is None
    rates = {s: run.config["optimizer"]["lr"] for s, run in first.runs.items()}
    second = make_plan(found, "desk", lambda s, n: rates.get(s))
    assert len(second.runs) == 3 and second.selections["box"][0]["winner"] is None and second.blocked


# -- failures --------------------------------------------------------------------------------------------------------


def write(store, run, score=None, kind=None):
    from assay.records.codes import code_of

    code = code_of(run.config, store)
    if kind is None:
        store.write(Record(run.signature, code, "done", run.config, scalars={"val/accuracy": score}))
    else:
        store.write_failed(run.signature, code, run.config, kind, f"{kind}: it is so")


@pytest.fixture
def session(tmp_path):
    compose.load(None)
    found = Session("made_up", "desk", made=study([{"over": RATES, "by": "val/accuracy"}]), outputs=tmp_path)
    found.store.prepare()
    return found


def of_rate(session, rate):
    return next(
        r for r in session.plan().runs.values() if (r.config["optimizer"]["lr"], r.config["seed"]) == (rate, 900)
    )


def test_a_diverged_candidate_has_lost_and_is_done(session):
    write(session.store, of_rate(session, 0.1), 0.5)
    write(session.store, of_rate(session, 0.2), 0.6)
    write(session.store, of_rate(session, 0.3), kind="nan")
    plan = session.plan()
    states = session.states(plan)
    assert not plan.blocked and set(chosen(plan).values()) == {0.2}
    assert len(session.todo(plan, states)) == 2 and {run.config["seed"] for run in session.todo(plan, states)} == {1, 2}
    assert session.counts(plan, states) == {"done": 3, "missing": 2}
    assert results_of(plan, session.store, states).failures == []
    assert plan.selections["box"][0]["candidates"][2]["diverged"] == 1


@pytest.mark.parametrize("kind", ["oom", "code", "timeout", "node", "data"])
def test_what_says_nothing_of_the_candidate_keeps_the_selection_waiting(session, kind):
    write(session.store, of_rate(session, 0.1), 0.5)
    write(session.store, of_rate(session, 0.2), 0.6)
    write(session.store, of_rate(session, 0.3), kind=kind)
    plan = session.plan()
    assert len(plan.blocked) == 2 and not plan.dead_ends
    assert session.counts(plan, session.states(plan)) == {"done": 2, "failed": 1, "blocked": 2}
    assert [run.config["optimizer"]["lr"] for run in session.todo(plan, session.states(plan))] == [0.3]


def test_runs_that_diverge_lose_and_the_sweep_is_complete(tmp_path):
    from assay.run import execute
    from assay.study import session as reproduce

    found = study([{"over": {"optimizer.lr": [1e30, 0.1]}, "by": "val/accuracy"}], fix={**BASE, "budget.epochs": 1})
    session = Session("made_up", "desk", made=found, outputs=tmp_path)
    done = []

    def launch(runs):
        for run in runs:
            done.append(execute.execute(run.config, session.store))
            yield SimpleNamespace(signature=run.signature, state=done[-1].status, message="")

    swept = reproduce.sweep(session, launch)
    assert Counter(record.status for record in done) == {"done": 3, "failed": 1}
    assert set(swept.states.values()) == {"done"} and set(chosen(swept.plan).values()) == {0.1}
    again = reproduce.sweep(session, launch)
    assert again.computed == 0 and len(done) == 4


def test_a_divergence_of_other_code_is_tried_again(session):
    run = of_rate(session, 0.3)
    session.store.write_failed(run.signature, "older code", run.config, "nan", "nan")
    plan = session.plan()
    assert session.states(plan)[run.signature] == "failed" and run.signature in {
        r.signature for r in session.todo(plan, session.states(plan))
    }


def test_an_evaluation_that_diverges_is_a_failure(session):
    for rate, score in ((0.1, 0.5), (0.2, 0.6), (0.3, 0.4)):
        write(session.store, of_rate(session, rate), score)
    run = next(run for run in session.plan().runs.values() if run.config["seed"] == 1)
    write(session.store, run, kind="nan")
    plan = session.plan()
    assert session.states(plan)[run.signature] == "failed"


def test_a_selection_without_a_winner_ends_the_sweep_with_a_line(session, monkeypatch):
    from assay.app import cli
    from assay.report import publish
    from assay.study import session as reproduce

    for rate in RATES["optimizer.lr"]:
        write(session.store, of_rate(session, rate), kind="nan")
    launched = []
    swept = reproduce.sweep(session, lambda runs: launched.append(runs) or [])
    assert not launched and len(swept.plan.blocked) == 2
    line = "box: all 3 candidates diverged (selection 1 by val/accuracy, arm=main)"
    assert swept.plan.dead_ends == [line]
    monkeypatch.setattr(cli, "_show", lambda session, verdicts: None)
    monkeypatch.setattr(cli, "_further", lambda session, verdicts: None)
    with pytest.raises(cli.RunFailed) as raised:
        cli._conclude(session, session, [swept], {"checks": []})
    assert str(raised.value) == line
    with pytest.raises(UserError) as refused:
        publish.publish(session)
    assert str(refused.value) == line


def test_an_outer_candidate_whose_inner_ones_all_diverge_has_lost():
    outer = {"over": {"optimizer.momentum": [0.0, 0.5]}, "by": "val/accuracy"}
    plan = scored(
        study([{"over": RATES, "by": "val/accuracy"}, outer]),
        lambda config, name: NAN if config["optimizer"]["momentum"] == 0.5 else config["optimizer"]["lr"],
    )
    assert not plan.blocked and not plan.dead_ends
    assert set(chosen(plan, "momentum").values()) == {0.0} and set(chosen(plan).values()) == {0.3}


# -- how it is written -----------------------------------------------------------------------------------------------


def test_a_number_of_seeds_is_enough():
    assert SeedRange.model_validate(5) == SeedRange(first=1, n=5)
    assert Select(over={"a": [1]}, by="x", seeds=3).seeds == SeedRange(first=900, n=3)
    assert Select(over={"a": [1]}, by="x", seeds={"n": 2}).seeds == SeedRange(first=900, n=2)
    for wrong in (True, 0, -1, "5 or so", 2.5):
        with pytest.raises(ValueError):
            SeedRange.model_validate(wrong)


def test_more_seeds_never_reach_those_of_selections():
    with pytest.raises(UserError, match="seed 900 is for selection and for evaluation"):
        make_plan(study([{"over": RATES, "by": "val/accuracy"}]), "desk", lambda s, n: None, seeds=900)


def test_the_dry_run_names_arms_that_are_the_same(tmp_path, capsys):
    from assay.app import cli

    found = study([], arms={"a": {}, "b": {"model.hidden": [5]}})
    cli._dry_run(Session("made_up", "desk", made=found, outputs=tmp_path), 1)
    assert "note: box: arms a, b are the same runs at scale desk" in capsys.readouterr().out
