"""What moved is told from what did not, and noise from what is more than noise."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from made_up import claims_and_checks, make_results, rules
from rich.console import Console

from assay.errors import UserError
from assay.report.moves import print_comparison
from assay.review import compare as module
from assay.review import sources
from assay.review.compare import compare, comparisons, move
from assay.review.judged import judge
from assay.review.sources import Found
from assay.review.verdicts import bound_of, migrated

CLAIMS, CHECKS = claims_and_checks()


def found(results):
    return Found(results.paper, results.scale, results, json.loads(json.dumps(judge(results, CLAIMS, CHECKS))))


def with_column(results, column, change, **where):
    """Results in which a column of the runs is changed, for the rows where the named columns have these values."""
    rows = pl.all_horizontal([pl.col(key) == value for key, value in where.items()] or [pl.lit(True)])
    value = pl.when(rows).then(change).otherwise(pl.col(column)).alias(column)
    return replace(results, runs=results.runs.with_columns(value))


def noise(results, column, size, seed=0):
    draws = pl.Series(np.random.default_rng(seed).normal(0, size, len(results.runs)))
    return with_column(results, column, pl.col(column) + draws, experiment="box")


def of(comparison, name, where="box/lion [optimizer.weight_decay=10.0]"):
    return next(m for m in [*comparison.numbers, *comparison.clock] if (m.name, m.where) == (name, where))


@pytest.fixture(scope="module")
def base():
    return make_results()


def test_nothing_moved(base):
    same = compare(found(base), found(make_results()), CHECKS)
    assert not same.moved and set(same.tally()) == {"same"}
    assert {check.state for check in same.checks if check.numbers} == {"same"}
    assert sum(same.tally().values()) == len(same.numbers) > 30
    assert any(m.name == "gap (mean over units)" for m in same.numbers)


def test_an_effect_is_beyond_noise_and_only_where_it_is(base):
    shifted = with_column(noise(base, "test/accuracy", 1e-3), "test/accuracy", pl.col("test/accuracy") - 0.1, arm="sgd")
    shifted = noise(shifted, "test/accuracy", 1e-3)
    result = compare(found(base), found(shifted), CHECKS)
    assert result.moved
    states = {m.where: m.state for m in result.numbers if m.name == "test/accuracy"}
    assert {state for where, state in states.items() if where.startswith("box/sgd")} == {"beyond"}
    assert {state for where, state in states.items() if not where.startswith("box/sgd")} <= {"noise", "perhaps"}
    m = of(result, "test/accuracy", "box/sgd [optimizer.weight_decay=10.0]")
    assert m.change == pytest.approx(-0.1, abs=3e-3) and m.interval[0] < m.change < m.interval[1] and m.n == 8
    check = next(c for c in result.checks if c.id == "5")
    assert check.state == "beyond" and not check.moved


def test_noise_alone_is_noise_whatever_the_number_of_comparisons(base):
    beyond = []
    for seed in range(20):
        result = compare(found(base), found(noise(base, "test/accuracy", 5e-3, seed)), CHECKS)
        beyond.append(result.tally().get("beyond", 0))
    assert sum(n > 0 for n in beyond) <= 3  # 5 % of such comparisons may err


def test_a_verdict_that_flips_near_its_threshold_is_told_from_one_that_was_moved(base):
    reached = with_column(base, "box/reached", pl.lit(0.985), experiment="box", arm="lion", seed=3)
    (check,) = [c for c in compare(found(base), found(reached), CHECKS).checks if c.id == "3"]
    assert check.moved and check.verdicts == ("reproduced", "inconclusive") and check.state == "noise"
    reached = with_column(base, "box/reached", pl.col("box/reached") - 0.5, experiment="box", arm="lion")
    (check,) = [c for c in compare(found(base), found(reached), CHECKS).checks if c.id == "3"]
    assert check.moved and check.state == "beyond"


def test_times_are_set_apart(base):
    slower = with_column(base, "time/step", pl.col("time/step") * 2)
    result = compare(found(base), found(slower), [])
    assert not any(m.name.startswith("time/") for m in result.numbers)
    assert of(result, "time/step").state == "beyond" and set(result.tally()) == {"same"}


PAIRED = {1: 0.5, 2: 0.7, 3: 0.6}


@pytest.mark.parametrize(
    ("b", "state"),
    [
        (PAIRED, "same"),
        ({seed: value * (1 + 1e-12) for seed, value in PAIRED.items()}, "rounding"),
        ({seed: value + 0.25 for seed, value in PAIRED.items()}, "beyond"),  # all alike: no noise at all
        ({1: 0.6, 2: 0.6, 3: 0.6}, "noise"),
        ({1: 0.5, 2: 0.7, 3: math.nan}, "beyond"),
        ({1: 0.5, 2: 0.7, 3: math.inf}, "beyond"),
        ({}, "only A"),
        ({9: 0.5}, "unknown"),
        ({11: 0.61, 12: 0.59, 13: 0.6}, "noise"),
        ({11: 100.0, 12: 100.1, 13: 100.2}, "beyond"),
    ],
)
def test_each_state(b, state):
    assert move("x", "y", PAIRED, b).state == state


def test_one_unit_says_nothing_about_noise():
    assert move("x", "y", {1: 0.5}, {1: 0.6}).state == "unknown"
    assert move("x", "y", {1: 0.5}, {1: 0.5}).state == "same"
    assert move("x", "y", {1: math.nan}, {1: math.nan}).state == "same"


def test_further_seeds_are_compared_by_those_in_common():
    more = PAIRED | {4: 9.0, 5: 9.0}
    assert move("x", "y", PAIRED, more) == move("x", "y", PAIRED, PAIRED)


def test_holm_takes_back_what_many_comparisons_explain():
    rng = np.random.default_rng(1)
    moves = [
        move("x", str(i), dict(enumerate(rng.normal(size=5))), dict(enumerate(rng.normal(size=5)))) for i in range(400)
    ]
    before = sum(m.state == "beyond" for m in moves)
    after = module._corrected(moves)
    assert before > 5 and sum(m.state == "beyond" for m in after) == 0
    assert sum(m.state == "perhaps" for m in after) == before


def test_verdicts_without_tables_are_compared_by_their_intervals(base):
    a = found(base)
    verdicts = json.loads(json.dumps(a.verdicts))
    (row,) = [check for check in verdicts["checks"] if check["id"] == "5"]
    near, far = json.loads(json.dumps(verdicts)), json.loads(json.dumps(verdicts))
    for changed, by in ((near, 1e-4), (far, 1.0)):
        (other,) = [check for check in changed["checks"] if check["id"] == "5"]
        other["measured"] += by
        other["interval"] = [end + by for end in row["interval"]]
    state = lambda v: next(c.state for c in compare(a, Found("made_up", "desk", None, v), CHECKS).checks if c.id == "5")  # noqa: E731
    assert (state(verdicts), state(near), state(far)) == ("same", "noise", "beyond")
    assert compare(a, Found("made_up", "desk", None, verdicts), CHECKS).missing[1] == "it has verdicts only, no tables"


def test_a_check_that_was_amended_between_is_said_to_be(base):
    a, b = found(base), found(base)
    b.verdicts["checks"][3]["threshold"] = "the same in other words"
    b.verdicts["checks"][4]["form"]["conditions"][0]["bound"]["low"] = 1
    del b.verdicts["checks"][5]
    result = compare(a, b, CHECKS)
    assert [check.id for check in result.checks if check.reworded] == ["5"]
    assert [(check.id, check.state) for check in result.checks if check.verdicts[1] is None][:1] == [("6", "only A")]


def test_an_older_judgement_asks_for_the_same_where_it_does(base):
    """Schema 1 has its bounds in prose: read back they are those of today, unless they were others."""
    a, b = found(base), found(base)
    older = {"schema": 1, **{key: b.verdicts[key] for key in ("paper", "scale", "claims")}, "checks": []}
    for row in b.verdicts["checks"]:
        kept = {key: row[key] for key in row if key not in ("form", "looks", "again")}
        kept["details"] = [
            {**detail, "bound": str(bound_of(detail["bound"]))} if "bound" in detail else detail
            for detail in row["details"]
        ]
        older["checks"].append(kept)
    older["checks"][6]["threshold"] = "difference > 0.5"
    result = compare(a, Found("made_up", "desk", base, migrated(older)), CHECKS)
    assert [check.id for check in result.checks if check.reworded] == [older["checks"][6]["id"]]


def test_the_units_of_the_look_that_decided_are_compared():
    claims, checks = rules()
    more = make_results(seeds=range(1, 11))
    side = Found("made_up", "desk", more, json.loads(json.dumps(judge(more, claims, checks))))
    behind = {check.id: check.numbers for check in compare(side, side, checks).checks}
    assert {m.n for m in behind["any"]} == {10} and {m.n for m in behind["two"]} == {5}


def test_what_is_missing_is_said(base):
    assert compare(found(base), found(base), CHECKS).missing[0] == "12 of 83 registered runs (2 failed)"


def printed(result):
    console = Console(file=io.StringIO(), width=200)
    print_comparison(result, "before", "after", console)
    return console.file.getvalue()


def test_the_terminal_shows_what_moved_and_counts_the_rest(base):
    shifted = with_column(base, "test/accuracy", pl.col("test/accuracy") - 0.5, arm="lion")
    text = printed(compare(found(base), found(shifted), CHECKS))
    assert "made_up: A = before, B = after" in text
    assert "✓ reproduced" in text and "✗ refuted" in text and "beyond noise" in text
    assert "10 checks: 1 with another verdict" in text
    assert "test/accuracy" in text and "box/lion [optimizer.weight_decay=10.0]" in text
    assert "A lacks 12 of 83 registered runs" in text
    quiet = printed(compare(found(base), found(base), CHECKS))
    assert "10 checks: 0 with another verdict, 10 with the same numbers" in quiet and "identical" in quiet


def test_it_becomes_json(base):
    text = json.dumps(compare(found(base), found(make_results(seeds=range(1, 4))), CHECKS).as_dict())
    assert json.loads(text)["paper"] == "made_up"


def test_nothing_in_common_is_said(monkeypatch):
    monkeypatch.setattr(module.loading, "papers", lambda: ["made_up", "other"])
    sides = {"left": {"made_up": None}, "right": {"other": None}}
    monkeypatch.setattr(sources, "find", lambda word, papers, scale: sides[word])
    with pytest.raises(UserError, match="left has made_up; right has other"):
        list(comparisons("left", "right", [], "desk"))
    with pytest.raises(UserError, match="unknown scale 'deks'"):
        list(comparisons("left", "right", [], "deks"))
    with pytest.raises(UserError, match="unknown paper"):
        list(comparisons("left", "right", ["lion"], "desk"))
