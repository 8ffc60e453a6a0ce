"""Verdicts from small hand-made results: every kind of check, and what may not change a verdict."""

import json
import math
from dataclasses import replace

import polars as pl
import pytest

from assay.claims import (
    Amendment,
    Bound,
    Check,
    Claim,
    Condition,
    Count,
    Exact,
    Interval,
    Report,
    above,
    at_least,
    at_most,
    below,
    between,
    difference,
    exact,
    on_edge,
    scalar,
    unit,
)
from assay.judging import claim_verdict, judge
from assay.results import Expected, Results


def results(rows, units=(), expected=None, scale="desk"):
    """Results of a paper from rows of scalars; `arm`, `seed`, `signature` and `registered` have defaults."""
    rows = [_full(i, row) for i, row in enumerate(rows)]
    experiments = {row["experiment"] for row in rows}
    expected = expected or {
        name: Expected(*[sum(row["experiment"] == name and row["registered"] for row in rows)] * 2)
        for name in experiments
    }
    return Results(
        paper="toy",
        scale=scale,
        runs=pl.DataFrame(rows, infer_schema_length=None),
        units=pl.DataFrame([_full(i, row) for i, row in enumerate(units)], infer_schema_length=None),
        curves=pl.DataFrame(),
        expected=expected,
    )


def _full(position, row):
    common = {"experiment": "box", "arm": "lion", "seed": position, "signature": f"s{position:03}", "registered": True}
    return {**common, **row}


def seeds(values, name="test/accuracy", **more):
    return [{name: value, "seed": seed, **more} for seed, value in enumerate(values, start=1)]


def check(kind, id="1", serves=("C1",), experiment="box", **more):
    return Check(id, "a statement", serves, kind, experiment=experiment, **more)


def verdict(kind, data, **more):
    return judge(data, [Claim("C1", "a claim", "Thm 1")], [check(kind, **more)])["checks"][0]


ACCURACY = scalar("box", "test/accuracy")


# -- bounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "inside", "outside", "text"),
    [
        (at_most(1), [1, -5, -math.inf], [1.1, math.inf, math.nan], "<= 1"),
        (at_least(1), [1, 5, math.inf], [0.9, -math.inf, math.nan], ">= 1"),
        (below(1), [0.9], [1, math.nan], "< 1"),
        (above(1), [1.1], [1, math.nan], "> 1"),
        (between(0, 1), [0, 0.5, 1], [-0.1, 1.1, math.nan], ">= 0 and <= 1"),
        (Bound(), [0, math.inf], [math.nan], "any"),
    ],
)
def test_bounds(bound, inside, outside, text):
    assert all(bound.holds(x) for x in inside)
    assert not any(bound.holds(x) for x in outside)
    assert str(bound) == text
    assert max(map(bound.excess, inside)) <= min(map(bound.excess, outside))
    assert not any(math.isnan(bound.excess(x)) for x in [*inside, *outside])


# -- measures -------------------------------------------------------------------------------------------------------


def test_a_scalar_has_one_value_per_seed_and_names_its_runs():
    values = scalar("box", "test/accuracy", "lion")(results(seeds([0.5, 0.7]) + seeds([0.1], arm="sgd")))
    assert [(v.unit, v.value, v.runs) for v in values] == [("1", 0.5, ("s000",)), ("2", 0.7, ("s001",))]


def test_runs_that_share_a_unit_are_combined_and_nan_is_not_lost():
    rows = [
        {"seed": seed, "lr": lr, "x/y": y}
        for seed, lr, y in [(1, 0.1, 1.0), (1, 0.2, 3.0), (2, 0.1, math.nan), (2, 0.2, 9.0)]
    ]
    for how, first in (("mean", 2.0), ("max", 3.0), ("min", 1.0)):
        one, two = scalar("box", "x/y", reduce=how)(results(rows))
        assert one.value == first and one.runs == ("s000", "s001")
        assert math.isnan(two.value)


def test_groups_keep_settings_apart_and_filters_use_double_underscores():
    rows = [{"seed": s, "optimizer.lr": lr, "x/y": s * lr} for lr in (1.0, 10.0) for s in (1, 2)]
    values = scalar("box", "x/y", group="optimizer.lr")(results(rows))
    assert {(v.group, v.unit): v.value for v in values} == {
        ("optimizer.lr=1.0", "1"): 1.0,
        ("optimizer.lr=1.0", "2"): 2.0,
        ("optimizer.lr=10.0", "1"): 10.0,
        ("optimizer.lr=10.0", "2"): 20.0,
    }
    assert [v.value for v in scalar("box", "x/y", optimizer__lr=10.0)(results(rows))] == [10.0, 20.0]
    with pytest.raises(KeyError, match=r"no column 'optimizer\.wd'"):
        scalar("box", "x/y", optimizer__wd=1)(results(rows))


def test_units_are_read_from_their_table_and_named_with_their_seed():
    table = [{"seed": s, "unit": u, "gap": s + len(u)} for s in (1, 2) for u in ("a", "bb")]
    values = unit("box", "gap")(results([], table))
    assert [(v.unit, v.value) for v in values] == [
        ("seed=1, unit=a", 2),
        ("seed=1, unit=bb", 3),
        ("seed=2, unit=a", 3),
        ("seed=2, unit=bb", 4),
    ]


def test_choices_at_an_end_of_their_grid_are_marked():
    grid = [{"values": {"lr": lr, "m": 4}, "score": 0.0} for lr in (0.3, 0.01, 0.1)]
    rows = [
        {"by": "loss", "per": {"arm": arm}, "candidates": grid, "winner": winner}
        for arm, winner in (("a", {"lr": 0.01, "m": 4}), ("b", {"lr": 0.1, "m": 4}), ("c", {"lr": 0.3}), ("d", None))
    ]
    data = replace(results([{"test/accuracy": 0.5}]), selections={"box": [*rows, {**rows[0], "winner": {"m": 4}}]})
    assert {v.group: v.value for v in on_edge("box", "lr")(data)} == {"a": 1.0, "b": 0.0, "c": 1.0}
    assert on_edge("other", "lr")(data) == []


def test_a_difference_is_paired_by_unit_and_group():
    data = results(seeds([0.9, 0.8, 0.7]) + seeds([0.5, 0.6], arm="sgd"))
    values = difference(scalar("box", "test/accuracy", "lion"), scalar("box", "test/accuracy", "sgd"))(data)
    assert [(v.unit, v.runs) for v in values] == [("1", ("s000", "s003")), ("2", ("s001", "s004"))]
    assert [v.value for v in values] == pytest.approx([0.4, 0.2])


def test_a_scalar_that_nobody_measured_has_no_values():
    assert scalar("box", "no/such")(results(seeds([0.5]))) == []
    assert scalar("other", "test/accuracy")(results(seeds([0.5]))) == []
    assert unit("box", "gap")(results(seeds([0.5]))) == []


# -- exact ----------------------------------------------------------------------------------------------------------


def exact_kind(*names):
    return Exact([Condition(exact("1", name), at_most(1e-9), name) for name in names])


def exact_results(scale="desk", **values):
    row = {"experiment": "exact", **{f"exact/1/{name}": value for name, value in values.items()}}
    return results([row], scale=scale)


def test_exact_needs_every_bound():
    good = verdict(exact_kind("a", "b"), exact_results(a=0.0, b=1e-10), experiment="exact")
    assert (good["verdict"], good["n"], good["runs"]) == ("reproduced", 2, ["s000"])
    bad = verdict(exact_kind("a", "b"), exact_results(a=0.0, b=1e-3), experiment="exact")
    assert (bad["verdict"], bad["measured"]) == ("refuted", 1e-3)
    assert [d["holds"] for d in bad["details"]] == [True, False]
    assert bad["threshold"] == "a <= 1e-09; b <= 1e-09"


def test_exact_shows_the_worst_value_and_takes_nan_for_a_violation():
    kind = Exact([Condition(ACCURACY, at_most(0.5))])
    assert verdict(kind, results(seeds([0.1, 0.9, 0.6])))["measured"] == 0.9
    row = verdict(kind, results(seeds([0.1, math.nan])))
    assert (row["verdict"], row["measured"]) == ("refuted", "nan")


def test_exact_is_untested_where_a_condition_has_no_value_unless_another_is_violated():
    assert verdict(exact_kind("a", "b"), exact_results(a=0.0), experiment="exact")["verdict"] == "untested"
    assert verdict(exact_kind("a", "b"), exact_results(a=1.0), experiment="exact")["verdict"] == "refuted"


def test_a_violated_exact_bound_stays_refuted_when_runs_are_missing():
    kind, expected = Exact([Condition(ACCURACY, at_most(0.5))]), {"box": Expected(planned=3, done=1)}
    assert verdict(kind, results(seeds([0.9]), expected=expected))["verdict"] == "refuted"
    held = verdict(kind, results(seeds([0.1]), expected=expected))
    assert (held["verdict"], held["note"]) == ("inconclusive", "incomplete (box: 1 of 3 runs)")


# -- count ----------------------------------------------------------------------------------------------------------


def count(need=None, *more):
    return Count([Condition(ACCURACY, above(0.5), "accuracy"), *more], need)


def test_count_needs_all_units_or_as_many_as_it_says():
    data = results(seeds([0.9, 0.8, 0.7, 0.4]))
    assert verdict(count(), data)["verdict"] == "refuted"
    row = verdict(count(3), data)
    assert (row["verdict"], row["measured"], row["n"], row["note"]) == ("reproduced", 0.75, 4, "3 of 4")
    assert row["interval"] == pytest.approx([0.19412, 0.99369], abs=1e-5)  # Clopper-Pearson, from tables
    assert verdict(count(4), data)["verdict"] == "refuted"
    assert row["threshold"] == "accuracy > 0.5 in >= 3"


def test_a_count_of_more_units_than_there_are_cannot_be_met():
    assert verdict(count(5), results(seeds([0.9] * 4)))["verdict"] == "refuted"


@pytest.mark.parametrize(("share", "passes", "n"), [(0.55, 11, 20), (0.7, 7, 10), (0.9, 9, 10), (2 / 3, 2, 3)])
def test_a_share_is_met_by_exactly_that_share(share, passes, n):
    for k, expected in ((passes, "reproduced"), (passes - 1, "refuted")):
        assert verdict(count(share), results(seeds([0.9] * k + [0.1] * (n - k))))["verdict"] == expected


def test_a_unit_passes_only_if_every_condition_holds_for_it():
    rows = [{"seed": s, "test/accuracy": 0.9, "test/loss": loss} for s, loss in ((1, 0.1), (2, 9.0), (3, math.nan))]
    loss = Condition(scalar("box", "test/loss"), at_most(1))
    assert verdict(count(2, loss), results(rows))["note"] == "1 of 3"


def test_the_worst_group_of_a_count_decides():
    rows = [
        {"seed": s, "wd": wd, "test/accuracy": accuracy}
        for wd, values in (("low", [0.9, 0.9]), ("high", [0.9, 0.1]))
        for s, accuracy in enumerate(values)
    ]
    row = verdict(Count([Condition(scalar("box", "test/accuracy", group="wd"), above(0.5))]), results(rows))
    assert (row["verdict"], row["note"]) == ("refuted", "1 of 2")
    assert {d["name"]: d["holds"] for d in row["details"]} == {"wd=low": True, "wd=high": False}


def test_a_count_with_units_that_lack_a_measurement_is_inconclusive():
    rows = [{"seed": 1, "test/accuracy": 0.9, "test/loss": 0.1}, {"seed": 2, "test/accuracy": 0.9, "test/loss": None}]
    row = verdict(count(1, Condition(scalar("box", "test/loss"), at_most(1))), results(rows))
    assert (row["verdict"], row["note"]) == ("inconclusive", "some units lack a measurement")


# -- interval -------------------------------------------------------------------------------------------------------


def interval(bound, **more):
    return Interval(ACCURACY, bound, name="accuracy", **more)


FIVE = [0.50, 0.52, 0.54, 0.56, 0.58]  # mean 0.54, 95 % t interval 0.54 -+ 0.0393


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (above(0.50), "reproduced"),
        (above(0.54), "inconclusive"),
        (above(0.58), "refuted"),
        (below(0.58), "reproduced"),
        (below(0.56), "inconclusive"),
        (below(0.50), "refuted"),
        (between(0.49, 0.59), "reproduced"),
        (between(0.51, 0.59), "inconclusive"),
        (between(0.53, 0.55), "inconclusive"),
        (between(0.59, 0.70), "refuted"),
        (between(0.30, 0.49), "refuted"),
    ],
)
def test_an_interval_lies_inside_outside_or_across_the_bound(bound, expected):
    row = verdict(interval(bound), results(seeds(FIVE)))
    assert row["verdict"] == expected
    assert row["measured"] == pytest.approx(0.54)
    assert row["interval"] == pytest.approx([0.54 - 0.0393, 0.54 + 0.0393], abs=1e-4)
    # The p-value excludes an end of the bound exactly where the interval decides.
    assert (row["p_value"] < 0.05) == (expected != "inconclusive")
    assert (row["units_needed"] is None or row["units_needed"] > 5) if expected == "inconclusive" else True


def test_an_inconclusive_interval_says_how_many_units_would_decide():
    assert (
        verdict(interval(above(0.52)), results(seeds(FIVE)))["units_needed"] == 22
    )  # d = 0.63; between Cohen's 24 (0.6) and 19 (0.7)
    assert verdict(interval(above(0.54)), results(seeds(FIVE)))["units_needed"] is None


def test_equal_units_are_judged_by_their_value():
    for bound, expected in ((at_most(0), "reproduced"), (above(0), "refuted"), (at_least(-1), "reproduced")):
        row = verdict(interval(bound), results(seeds([0.0] * 3)))
        assert (row["verdict"], row["interval"], row["survives_holm"]) == (expected, [0.0, 0.0], True)


@pytest.mark.parametrize(
    ("values", "note"), [([0.5], "fewer than two units"), ([0.5, math.nan, 0.6], "a value is not finite")]
)
def test_an_interval_without_enough_finite_units_is_inconclusive(values, note):
    row = verdict(interval(above(0)), results(seeds(values)))
    assert (row["verdict"], row["note"], row["interval"], row["n"]) == ("inconclusive", note, None, len(values))


def test_the_worst_group_of_an_interval_decides_and_all_runs_are_named():
    rows = seeds(FIVE, wd="a") + seeds([x - 1 for x in FIVE], wd="b")
    kind = Interval(scalar("box", "test/accuracy", group="wd"), above(0))
    row = verdict(kind, results(rows))
    assert (row["verdict"], len(row["runs"])) == ("refuted", 10)
    assert row["measured"] == pytest.approx(-0.46)
    assert {d["name"]: d["holds"] for d in row["details"]} == {"wd=a": True, "wd=b": False}


def test_clustered_units_are_decided_by_their_seeds():
    table = [{"seed": s, "unit": str(u), "gap": 0.1 * s + 0.001 * u} for s in range(1, 4) for u in range(50)]
    clustered = verdict(
        Interval(unit("box", "gap"), above(0.15), clusters=True), results([], table, {"box": Expected(3, 3)})
    )
    naive = verdict(Interval(unit("box", "gap"), above(0.15)), results([], table, {"box": Expected(3, 3)}))
    assert (clustered["verdict"], clustered["n"]) == ("inconclusive", 3)
    assert (naive["verdict"], naive["n"]) == ("reproduced", 150)
    assert clustered["units_needed"] > 3


def test_one_seed_of_many_units_does_not_make_an_interval():
    table = [{"seed": 1, "unit": str(u), "gap": float(u)} for u in range(20)]
    row = verdict(Interval(unit("box", "gap"), above(0), clusters=True), results([], table, {"box": Expected(1, 1)}))
    assert (row["verdict"], row["note"], row["n"]) == ("inconclusive", "fewer than two units", 1)


# -- report ---------------------------------------------------------------------------------------------------------


def test_a_report_has_numbers_and_no_verdict():
    row = verdict(Report([Condition(ACCURACY, Bound(), "accuracy")]), results(seeds(FIVE)))
    assert row["verdict"] is None
    assert row["measured"] == pytest.approx(0.54)
    assert row["details"] == [{"name": "accuracy", "value": pytest.approx(0.54), "n": 5}]


# -- what stands above the kinds --------------------------------------------------------------------------------------


def test_smoke_gives_no_verdict_except_for_exact_checks():
    data = results(seeds(FIVE), scale="smoke")
    for kind in (count(), interval(above(0))):
        assert verdict(kind, data)["verdict"] == "untested"
    assert verdict(exact_kind("a"), exact_results("smoke", a=0.0), experiment="exact")["verdict"] == "reproduced"


@pytest.mark.parametrize("kind", [count(), interval(above(0)), exact_kind("a")])
def test_nothing_measured_is_untested(kind):
    empty = Results("toy", "desk", pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), {"box": Expected(5, 0)})
    assert verdict(kind, empty)["verdict"] == "untested"


def test_a_verdict_waits_for_every_registered_run_of_its_experiments():
    expected = {"box": Expected(planned=6, done=5, failed=1), "ring": Expected(planned=2, done=2)}
    row = verdict(interval(above(0)), results(seeds(FIVE), expected=expected), experiment=["box", "ring"])
    assert (row["verdict"], row["note"]) == ("inconclusive", "incomplete (box: 5 of 6 runs)")
    assert row["measured"] == pytest.approx(0.54)  # the numbers are shown all the same


def test_an_experiment_that_is_not_in_the_plan_gives_no_verdict():
    row = verdict(interval(above(0)), results(seeds(FIVE)), experiment=["box", "elsewhere"])
    assert row["verdict"] == "inconclusive"


def test_further_seeds_are_shown_beside_the_registered_ones_and_do_not_change_the_verdict():
    rows = seeds([0.6, 0.7, 0.8]) + [{"seed": s, "test/accuracy": -1.0, "registered": False} for s in range(4, 20)]
    data = results(rows)
    row = verdict(interval(above(0)), data)
    assert (row["verdict"], row["n"], row["runs"]) == ("reproduced", 3, ["s000", "s001", "s002"])
    assert (row["extended"]["verdict"], row["extended"]["n"]) == ("refuted", 19)
    assert "extended" not in verdict(interval(above(0)), results(rows[:3]))
    assert "extended" not in verdict(Report([Condition(ACCURACY, Bound())]), data)


def test_a_count_registered_as_a_number_is_a_share_of_further_seeds():
    rows = seeds([0.9] * 4 + [0.1]) + [{"seed": s, "test/accuracy": 0.1, "registered": False} for s in range(6, 21)]
    row = verdict(count(4), results(rows))
    assert row["verdict"] == "reproduced"
    assert row["extended"]["verdict"] == "refuted"  # 4 of 20, where 16 would be 4 of 5


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        (["reproduced", "reproduced"], "reproduced"),
        (["reproduced", "refuted"], "refuted"),
        (["refuted", "untested"], "refuted"),
        (["reproduced", "untested"], "inconclusive"),
        (["reproduced", "inconclusive"], "inconclusive"),
        (["untested", "untested"], "untested"),
        (["untested", "inconclusive"], "inconclusive"),
        (["reproduced", None], "reproduced"),
        ([None], "untested"),
        ([], "untested"),
    ],
)
def test_a_claims_verdict_follows_from_its_checks(marks, expected):
    assert claim_verdict(marks) == expected
    assert claim_verdict(reversed(marks)) == expected


def test_a_check_feeds_every_claim_it_serves():
    claims = [
        Claim("C1", "one", "Thm 1"),
        Claim("C2", "two", "Tab. 1", paper_says="0.7"),
        Claim("C3", "three", "Fig. 1"),
    ]
    checks = [check(count(), "1", ["C1", "C2"]), check(interval(above(0.9)), "2", ["C2"])]
    verdicts = judge(results(seeds([0.6, 0.61, 0.62])), claims, checks)
    assert [c["verdict"] for c in verdicts["claims"]] == ["reproduced", "refuted", "untested"]
    assert [c["checks"] for c in verdicts["claims"]] == [["1"], ["1", "2"], []]
    assert verdicts["claims"][1] | {"checks": 0} == {
        "id": "C2",
        "statement": "two",
        "source": "Tab. 1",
        "paper_says": "0.7",
        "verdict": "refuted",
        "checks": 0,
    }


def test_a_control_that_fails_leaves_the_claim_open():
    runs, fails = results(seeds([0.6, 0.61, 0.62])), interval(above(0.9))
    for control, verdict in ((False, "refuted"), (True, "inconclusive")):
        checks = [check(count(), "1", ["C1"]), replace(check(fails, "2", ["C1"]), control=control)]
        judged = judge(runs, [Claim("C1", "one", "Thm 1")], checks)
        assert judged["checks"][1]["verdict"] == "refuted"
        assert judged["claims"][0]["verdict"] == verdict


def test_holm_marks_what_would_not_survive_it():
    values = [0.50, 0.52, 0.54, 0.56, 0.58]
    strong, weak = interval(above(0.0)), interval(above(0.498))  # p = 0.000002 and p = 0.042
    rows = judge(results(seeds(values)), [], [check(strong, "a"), check(weak, "b"), check(interval(above(0.54)), "c")])
    marks = {row["id"]: row for row in rows["checks"]}
    assert marks["a"]["verdict"] == marks["b"]["verdict"] == "reproduced"
    assert marks["a"]["survives_holm"] is True
    assert marks["b"]["p_value"] < 0.05 and marks["b"]["survives_holm"] is False
    assert "survives_holm" not in marks["c"]  # nothing was decided
    alone = judge(results(seeds(values)), [], [check(weak, "b")])["checks"][0]
    assert alone["survives_holm"] is True


def test_an_amended_check_says_so():
    amended = Amendment(date="2025-11-25", old="accuracy > 0.9", reason="a slip of the pen")
    assert verdict(count(), results(seeds(FIVE)), amended=amended)["amended"] == vars(amended)


def test_verdicts_are_strict_json_whatever_was_measured():
    rows = [{"seed": s, "test/accuracy": x} for s, x in enumerate([math.inf, -math.inf, math.nan, 0.5])]
    kinds = [
        count(),
        interval(above(0)),
        Exact([Condition(ACCURACY, at_most(1))]),
        Report([Condition(ACCURACY, Bound())]),
    ]
    data = results([*rows, {"seed": 9, "test/accuracy": math.inf, "registered": False}])
    checks = [check(kind, str(i)) for i, kind in enumerate(kinds)]
    verdicts = judge(data, [Claim("C1", "a", "b")], checks)
    assert json.loads(json.dumps(verdicts, allow_nan=False)) == verdicts
    assert [row["verdict"] for row in verdicts["checks"]] == ["refuted", "inconclusive", "refuted", None]


def test_results_survive_the_disk_with_the_same_verdicts(tmp_path):
    units = [{"seed": s, "unit": u, "gap": 0.1 * s} for s in (1, 2) for u in ("a", "b")]
    data = results(seeds([*FIVE, math.nan]), units)
    checks = [check(count(), "1"), check(interval(above(0)), "2"), check(Interval(unit("box", "gap"), above(0)), "3")]
    data.save(tmp_path)
    assert judge(Results.load(tmp_path), [], checks) == judge(data, [], checks)
