"""Measures are values with arithmetic: what they read, how they pair and reduce, and when two are the same."""

import functools
import json
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from toy import results, seeds

from assay import measures
from assay.claims import difference, exact, on_edge, scalar, unit
from assay.measures import (
    Bound,
    Condition,
    Function,
    Paired,
    Read,
    Value,
    above,
    at_least,
    at_most,
    below,
    between,
    curve,
    function,
    share,
    slope,
    spearman,
    table,
)
from assay.results import Results

LR = "optimizer.lr"
ACCURACY = scalar("box", "test/accuracy")


def grid(**columns):
    """Rows of every combination of some levels, with x = a number that tells them apart."""
    rows = [{}]
    for column, levels in columns.items():
        rows = [{**row, column: level} for row in rows for level in levels]
    return [{**row, "x": float(i)} for i, row in enumerate(rows)]


def plain(values):
    return {(v.group, v.unit): v.value for v in values}


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


def test_comparisons_are_conditions():
    bounds = [(ACCURACY <= 1).bound, (ACCURACY < 1).bound, (ACCURACY >= 1).bound, (ACCURACY > 1).bound]
    assert bounds == [at_most(1), below(1), at_least(1), above(1)]
    assert ACCURACY.within(0, 1).bound == between(0, 1)
    assert ACCURACY.equals(0.5).bound == between(0.5, 0.5)
    assert ACCURACY.shown().bound == Bound()
    assert (ACCURACY.called("accuracy") > 0).name == "accuracy"


# -- columns --------------------------------------------------------------------------------------------------------


def test_a_scalar_has_one_value_per_seed_and_names_its_runs():
    values = scalar("box", "test/accuracy", "lion")(results([*seeds([0.5, 0.7]), *seeds([0.1], arm="sgd")]))
    assert [(v.unit, v.value, v.runs) for v in values] == [("1", 0.5, ("{}1",)), ("2", 0.7, ("{}2",))]


def test_runs_that_share_a_unit_are_combined_and_nan_is_not_lost():
    rows = [
        {"seed": seed, "lr": lr, "x/y": y}
        for seed, lr, y in [(1, 0.1, 1.0), (1, 0.2, 3.0), (1, 0.3, 5.0), (2, 0.1, math.nan), (2, 0.2, 9.0)]
    ]
    for how, first in (("mean", 3.0), ("median", 3.0), ("max", 5.0), ("min", 1.0)):
        one, two = scalar("box", "x/y", reduce=how)(results(rows))
        assert one.value == first and one.runs == ("s000", "s001", "s002")
        assert math.isnan(two.value)


@given(st.permutations(range(6)))
@settings(max_examples=20, deadline=None)
def test_a_mean_does_not_depend_on_the_order_of_rows_in_its_last_digit(order):
    rows = [{"seed": 1, "signature": f"s{i}", "x/y": y} for i, y in enumerate([0.1, 1e16, 0.7, -1e16, 0.3, 1e-9])]
    measure = scalar("box", "x/y")
    assert measure(results([rows[i] for i in order])) == measure(results(rows))


def test_groups_keep_settings_apart_and_filters_use_double_underscores():
    data = results(grid(**{LR: [1.0, 10.0], "seed": [1, 2]}))
    assert plain(scalar("box", "x", group=LR)(data)) == {
        ("optimizer.lr=1.0", "1"): 0.0,
        ("optimizer.lr=1.0", "2"): 1.0,
        ("optimizer.lr=10.0", "1"): 2.0,
        ("optimizer.lr=10.0", "2"): 3.0,
    }
    assert [v.value for v in scalar("box", "x", optimizer__lr=10.0)(data)] == [2.0, 3.0]
    assert [v.value for v in scalar("box", "x", optimizer__lr=(1.0, 10.0))(data)] == [1.0, 2.0]  # means over lr
    with pytest.raises(KeyError, match=r"no column 'optimizer\.wd'"):
        scalar("box", "x", optimizer__wd=1)(data)


def test_units_are_read_from_their_table_and_named_with_their_seed():
    rows = [{"seed": s, "unit": u, "gap": s + len(u)} for s in (1, 2) for u in ("a", "bb")]
    values = unit("box", "gap")(results([], rows))
    assert [(v.unit, v.value) for v in values] == [
        ("seed=1, unit=a", 2), ("seed=1, unit=bb", 3), ("seed=2, unit=a", 3), ("seed=2, unit=bb", 4),
    ]  # fmt: skip


def test_nothing_measured_has_no_values():
    for data in (results(seeds([0.5])), results([{"other/name": 1.0, "test/accuracy": None}])):
        assert (
            scalar("box", "no/such")(data) == scalar("other", "test/accuracy")(data) == unit("box", "gap")(data) == []
        )
        assert slope("box", "no", "such")(data) == curve("box", "no").last()(data) == []
    assert ACCURACY(results([{"test/accuracy": None}])) == []


LEVELS = [
    pytest.param([None, 0.1], [None, 0.1], id="null"),
    pytest.param([None], [None], id="null alone"),
    pytest.param(["auto", "0.1", None], ["auto", 0.1, None], id="texts and numbers"),
    pytest.param(["true", "1"], [True, 1], id="truth and numbers"),
]


@pytest.mark.parametrize(("stored", "asked"), LEVELS)
def test_levels_that_are_null_or_of_several_types(stored, asked):
    """The tables hold levels of several types as texts; a level is asked for as the configuration has it."""
    data = results(grid(a=stored, seed=[1, 2]))
    grouped = scalar("box", "x", group="a")
    assert plain(grouped(data)) == {
        (f"a={level}", str(seed)): float(2 * i + seed - 1) for i, level in enumerate(stored) for seed in (1, 2)
    }
    for i, level in enumerate(asked):
        expected = [2.0 * i, 2.0 * i + 1]
        assert [v.value for v in scalar("box", "x", a=level)(data)] == expected
        assert [v.value for v in scalar("box", "x", a=(level,))(data)] == expected
        assert [v.value for v in grouped.only(a=level)(data)] == expected
        assert not set(expected) & {v.value for v in grouped.but(a=level)(data)}
        assert len(data.of("box", a=level)) == 2 and "a" in data.of("box", a=level).columns
    assert len(scalar("box", "x", a=tuple(asked), group="a")(data)) == 2 * len(asked)


def test_exact_reads_what_an_exact_check_measured():
    values = exact("1", "gap")(results([{"experiment": "exact", "exact/1/gap": 0.5}]))
    assert [v.value for v in values] == [0.5] and exact("1", "gap").name == "gap"


def test_choices_at_an_end_of_their_grid_are_marked():
    candidates = [{"values": {"lr": lr, "m": 4}, "score": 0.0} for lr in (0.3, 0.01, 0.1)]
    rows = [
        {"by": "loss", "per": {"arm": arm}, "candidates": candidates, "winner": winner}
        for arm, winner in (("a", {"lr": 0.01, "m": 4}), ("b", {"lr": 0.1, "m": 4}), ("c", {"lr": 0.3}), ("d", None))
    ]
    data = results([{"test/accuracy": 0.5}], selections={"box": [*rows, {**rows[0], "winner": {"m": 4}}]})
    assert {v.group: v.value for v in on_edge("box", "lr")(data)} == {"a": 1.0, "b": 0.0, "c": 1.0}
    assert on_edge("other", "lr")(data) == []
    assert on_edge("box", "lr").form() != on_edge("box", "m").form()


# -- arithmetic -----------------------------------------------------------------------------------------------------


def test_a_difference_is_paired_by_unit_and_group():
    data = results([*seeds([0.9, 0.8, 0.7]), *seeds([0.5, 0.6], arm="sgd")])
    values = difference(scalar("box", "test/accuracy", "lion"), scalar("box", "test/accuracy", "sgd"))(data)
    assert [v.unit for v in values] == ["1", "2"]
    assert [v.value for v in values] == pytest.approx([0.4, 0.2])
    assert values[0].runs == ("{'arm': 'sgd'}1", "{}1")


def test_every_operation_has_its_sides_in_order():
    data = results([{"seed": 1, "a": 6.0, "b": 2.0}])
    a, b = scalar("box", "a"), scalar("box", "b")
    expected = {
        a + b: 8, a - b: 4, a * b: 12, a / b: 3, a + 1: 7, 1 + a: 7, a - 1: 5, 1 - a: -5, a * 2: 12, 2 * a: 12, a / 2: 3,
        12 / a: 2, -a: -6, a.log(): math.log(6), (-a).abs(): 6, (a - b).called("x") / b: 2,
    }  # fmt: skip
    for measure, value in expected.items():
        assert [v.value for v in measure(data)] == [pytest.approx(value)], measure
        assert measure.over == ("seed",)


def test_what_is_not_defined_is_not_a_number():
    data = results([{"seed": 1, "a": 0.0, "b": 1.0, "c": -1.0}])
    a, b, c = (scalar("box", name) for name in "abc")
    assert all(math.isnan(measure(data)[0].value) for measure in (b / a, a / a, a.log(), c.log()))


CROSS = results(grid(arm=["p", "q"], lr=[1, 2], seed=[1, 2, 3]))
"""x = 6 arm + 3 lr + seed, counted from 0."""


@pytest.mark.parametrize("swap", [False, True], ids=["left", "right"])
@pytest.mark.parametrize(
    ("groups", "units"),
    [
        (("arm",), ("seed",)),
        (("arm",), ()),  # a group's reference, for all its units
        ((), ("seed",)),  # a unit's reference, for all its groups
        ((), ()),  # a constant
    ],
)
def test_a_side_without_groups_or_units_stands_for_all_of_them(groups, units, swap):
    whole = scalar("box", "x", group="arm", over="seed", lr=1)
    part = scalar("box", "x", group=groups, over=units, lr=1)
    measure = part + whole if swap else whole + part
    found = {(v.at["arm"], v.at["seed"]): v.value for v in measure(CROSS)}
    assert len(found) == 6 and (measure.by, measure.over) == (("arm",), ("seed",))
    for (arm, seed), value in found.items():
        own = [
            v.value for v in scalar("box", "x", group="arm", over="seed", lr=1)(CROSS)
            if (not groups or v.at["arm"] == arm) and (not units or v.at["seed"] == seed)
        ]  # fmt: skip
        mine = 6.0 * (arm == "q") + seed - 1
        assert value == pytest.approx(mine + sum(own) / len(own))


def test_groups_of_one_side_and_units_of_the_other_make_all_pairs():
    by_arm, by_seed = scalar("box", "x", group="arm", over=()), scalar("box", "x", over="seed")
    for measure in (by_arm - by_seed, by_seed - by_arm):
        values = measure(CROSS)
        assert {(v.group, v.unit) for v in values} == {(f"arm={a}", s) for a in "pq" for s in "123"}
        assert all(v.at == {"arm": v.group[-1], "seed": int(v.unit)} for v in values)


def test_pairs_that_can_never_match_are_found_before_anything_runs():
    assert (scalar("box", "x", group="arm") - scalar("box", "x", group="lr")).wrong() == [
        "pairs groups by arm with groups by lr, which never match"
    ]
    assert (scalar("box", "x") - unit("box", "x")).wrong() == [
        "pairs units by seed with units by seed, unit, which never match"
    ]
    assert (scalar("box", "x", group="arm") - scalar("box", "y", over=())).wrong() == []
    grouped = scalar("box", "x", group=("arm", "lr"))
    apart = grouped.only(lr=1) - grouped.only(lr=2)
    assert apart.wrong() == ["pairs lr = 1 with lr = 2, which never match"] and apart(CROSS) == []
    assert (grouped.only(arm="p") - grouped.only(arm=("q", "r"))).wrong() == [
        "pairs arm = p with arm = q, r, which never match"
    ]
    assert (grouped.only(lr=(1, 2)) - grouped.only(lr=2)).wrong() == []


def test_two_levels_are_compared_at_each_other_column():
    grouped = scalar("box", "x", group=("arm", "lr"))
    gap = grouped.at(lr=2) - grouped.at(lr=1)
    assert gap.wrong() == [] and gap.by == ("arm",)
    assert plain(gap(CROSS)) == {(f"arm={arm}", str(seed)): 3.0 for arm in "pq" for seed in (1, 2, 3)}
    assert [read.levels for read in gap.reads] == [(("lr", (2,)),), (("lr", (1,)),)]
    assert plain((grouped.at(arm="q", lr=1) - grouped.at(arm="p", lr=1))(CROSS)) == {("", s): 6.0 for s in "123"}


@given(st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=20, deadline=None)
def test_arithmetic_is_done_value_by_value(scale, shift):
    data = results(seeds([0.5, 0.25, 4.0]))
    moved = [v.value for v in (scale * ACCURACY + shift)(data)]
    assert moved == pytest.approx([scale * x + shift for x in (0.5, 0.25, 4.0)])


# -- reductions and filters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "expected"), [("mean", 4.0), ("median", 4.0), ("max", 7.0), ("min", 1.0)])
def test_a_reduction_leaves_one_value_for_each_of_the_other_columns(how, expected):
    base = scalar("box", "x", group=("arm", "lr"), over="seed")
    over_lr_and_seed = getattr(base, how)("lr", "seed")
    assert (over_lr_and_seed.by, over_lr_and_seed.over) == (("arm",), ())
    p, q = over_lr_and_seed(results(grid(arm=["p", "q"], lr=[1, 2], seed=[1, 2, 3])[1:8]))
    # of arm p the values 1 to 5, of q 6 and 7
    assert (p.group, p.value) == ("arm=p", {"mean": 3.0, "median": 3.0, "max": 5.0, "min": 1.0}[how])
    assert (q.group, q.value) == ("arm=q", {"mean": 6.5, "median": 6.5, "max": 7.0, "min": 6.0}[how])
    assert len(q.runs) == 2


def test_a_reduction_over_nothing_named_is_over_all_units():
    base = scalar("box", "x", group="arm")
    assert plain(base.max()(CROSS)) == {("arm=p", ""): 3.5, ("arm=q", ""): 9.5}  # runs that share a seed are means
    assert base.max().over == () and base.max().form() == base.max("seed").form() != base.max("arm").form()


def test_nan_is_never_lost_in_a_reduction():
    base = scalar("box", "x", group="arm")
    rows = [*grid(arm=["p", "q"], seed=[1, 2]), {"arm": "p", "seed": 3, "x": math.nan}]
    for how in ("mean", "median", "max", "min"):
        p, q = getattr(base, how)("seed")(results(rows))
        assert math.isnan(p.value) and not math.isnan(q.value)


def test_infinities_of_both_signs_have_no_mean():
    data = results(seeds([math.inf, -math.inf]))
    assert math.isnan(ACCURACY.mean("seed")(data)[0].value)


def test_a_share_counts_what_keeps_a_condition():
    rows = [{"seed": s, "unit": u, "gap": gap} for s, gaps in ((1, [0, 0, 2, 3]), (2, [0, math.nan, 9.0, 9.0]))
            for u, gap in zip("abcd", map(float, gaps), strict=True)]  # fmt: skip
    data, gap = results([], rows), unit("box", "gap")
    small = share(gap <= 1, "unit")
    assert (plain(small(data)), small.over) == ({("", "1"): 0.5, ("", "2"): 0.25}, ("seed",))
    assert plain(share(gap <= 1)(data)) == {("", ""): 0.375}
    assert small.form() != share(gap < 1, "unit").form() != share(gap <= 1).form()


def test_a_function_is_reduced_within_its_groups_and_over_no_columns():
    @function("box")
    def measure(results):
        return [Value(str(i), float(i), group="even" if i % 2 == 0 else "odd") for i in range(5)]

    assert plain(measure.mean()(CROSS)) == {("even", ""): 2.0, ("odd", ""): 2.0}
    assert plain(share(measure >= 2)(CROSS)) == {("even", ""): pytest.approx(2 / 3), ("odd", ""): 0.5}
    assert measure.mean("seed").wrong() == [
        "puts values together over seed, which make neither units nor groups of them"
    ]
    with pytest.raises(KeyError, match="puts values together over seed"):
        measure.mean("seed")(CROSS)


def test_columns_that_a_measure_does_not_have_are_found_before_anything_runs():
    base = scalar("box", "x", group="arm")
    assert (base.mean("lr") - 1).wrong() == [
        "puts values together over lr, which make neither units nor groups of them"
    ]
    assert share(base <= 1, "lr").wrong() == base.max("lr").called("x").wrong() == base.mean("lr").wrong()
    assert base.only(lr=1).log().wrong() == [
        "keeps levels of lr, which make neither units nor groups of what is filtered"
    ]
    assert scalar("box", "x", group="seed").wrong() == ["makes both units and groups by seed"]
    assert base.only(arm="p").mean("seed").wrong() == []
    with pytest.raises(KeyError, match="keeps levels of lr"):
        base.only(lr=1)(CROSS)


def test_only_and_but_narrow_the_values_and_what_is_read():
    base = scalar("box", "x", group=("arm", "lr"))
    kept = base.only(arm="p", lr=(1, 2)).but(lr=2)
    assert plain(kept(CROSS)) == {("arm=p, lr=1", str(s)): s - 1.0 for s in (1, 2, 3)}
    (read,) = kept.reads
    assert (read.arms, read.levels) == (("p",), (("lr", (1,)),))
    (read,) = scalar("box", "x", ("p", "q"), group="arm").but(arm="p").reads
    assert read.arms == ("q",)
    # Where a measure does not say which arms there are, all of them are read; of two axes, only pairs are left out.
    assert base.but(arm="p").reads[0].arms is None
    assert base.only(lr=(1, 2)).but(arm="p", lr=2).reads[0].levels == (("lr", (1, 2)),)
    assert len(base.but(arm="p", lr=2)(CROSS)) == 9
    assert [m.reads[0].levels for m in base.each("lr", [1, 2])] == [(("lr", (1,)),), (("lr", (2,)),)]


def test_a_filter_narrows_only_what_has_the_column():
    ratio = scalar("box", "x", group="arm") / scalar("box", "x", group="arm").at(arm="ref")
    assert [read.arms for read in ratio.only(arm="p").reads] == [("p",), ("ref",)]
    assert [read.arms for read in ratio.but(arm="ref").reads] == [None, ("ref",)]
    falls = scalar("box", "x", group="lr") - scalar("box", "x", group="lr").at(lr=2)
    assert [read.levels for read in falls.only(lr=1).reads] == [(("lr", (1,)),), (("lr", (2,)),)]
    # A rank among all arms needs them all, whichever arm's rank is read.
    rank = function(Read("box", arms=("p", "q")), over=("arm", "seed"))(lambda results: [])
    assert (rank.at(arm="p") - 1).mean("seed").reads == rank.reads


def test_what_a_measure_reads():
    a, b = scalar("box", "x", "p", optimizer__lr=0.1), unit("ring", "gap", group=LR)
    assert (a - b).reads == (
        Read("box", "runs", ("x",), ("p",), ((LR, (0.1,)),), ("seed",)),
        Read("ring", "units", ("gap",), None, (), (LR, "seed", "unit")),
    )
    assert (1 - a.log().mean().called("x")).reads == a.reads
    assert share(b <= 1, "unit").reads == b.reads
    assert slope("box", x=LR, y="gap/last").reads[0].names == (LR, "gap/last")
    assert curve("box", "train/loss", group="arm").at(3).reads == (
        Read("box", "curves", ("train/loss",), None, (), ("arm", "seed")),
    )
    declared = function(Read("box", arms=("p",)), "ring", over="seed")(lambda results: [])
    assert [read.experiment for read in declared.reads] == ["box", "ring"] and declared.over == ("seed",)


# -- curves ---------------------------------------------------------------------------------------------------------


def points(*lines, **more):
    """Curves of one run a seed: its values at the steps 0, 10, 20, ..., in an order that is not theirs."""
    rows = [
        {"seed": seed, "signature": f"r{seed}", "name": "loss", "step": 10 * i, "value": value, **more}
        for seed, line in enumerate(lines, start=1)
        for i, value in enumerate(line)
    ]
    return rows[1::2] + rows[::2]


def test_numbers_of_curves():
    data = results([], curves=[*points([4.0, 3.0, 1.0, 2.0], [5.0, 0.5, 9.0]), *points([0.0], name="other")])
    loss = curve("box", "loss")
    assert plain(loss.at(10)(data)) == {("", "1"): 3.0, ("", "2"): 0.5}
    assert plain(loss.at(30)(data)) == {("", "1"): 2.0}  # what was not measured is not there
    assert plain(loss.last()(data)) == {("", "1"): 2.0, ("", "2"): 9.0}
    assert plain(loss.first(below=3)(data)) == {("", "1"): 20.0, ("", "2"): 10.0}
    assert plain(loss.first(below=3.5)(data)) == {("", "1"): 10.0, ("", "2"): 10.0}
    assert plain(loss.first(above=5)(data)) == {("", "1"): math.inf, ("", "2"): 20.0}
    assert plain(loss.first(below=0)(data)) == {("", "1"): math.inf, ("", "2"): math.inf}
    for arguments in ({}, {"below": 1, "above": 2}):
        with pytest.raises(ValueError, match="first"):
            loss.first(**arguments)


def test_runs_of_a_curve_that_share_a_unit_count_as_their_mean_in_groups():
    rows = [
        {"seed": s, "arm": arm, "lr": lr, "signature": f"{s}{arm}{lr}", "name": "loss", "step": 1, "value": value}
        for (s, arm, lr), value in zip(
            [(s, a, lr) for s in (10, 9) for a in "pq" for lr in (1, 2)], range(8), strict=True
        )
    ]
    values = curve("box", "loss", group="arm").at(1)(results([], curves=rows))
    assert [(v.group, v.unit, v.value) for v in values] == [
        ("arm=p", "9", 4.5), ("arm=p", "10", 0.5), ("arm=q", "9", 6.5), ("arm=q", "10", 2.5),
    ]  # fmt: skip
    assert curve("box", "loss", "p", lr=2).at(1)(results([], curves=rows))[0].value == 5.0


# -- fits -----------------------------------------------------------------------------------------------------------


def pairs(xs, ys, seed=1):
    return [
        {"seed": seed, "signature": f"{seed}-{i}", "lr": x, "y": y} for i, (x, y) in enumerate(zip(xs, ys, strict=True))
    ]


def fitted(measure, xs, ys):
    (value,) = measure(results(pairs(xs, ys)))
    return value.value


def test_slopes_with_known_answers():
    line, power = slope("box", "lr", "y"), slope("box", "lr", "y", log=True)
    assert fitted(line, [1.0, 2.0, 4.0], [5.0, 3.0, -1.0]) == pytest.approx(-2)
    assert fitted(line, [0.0, 1.0, 2.0], [0.0, 1.0, 5.0]) == pytest.approx(2.5)  # least squares, by hand
    assert fitted(power, [0.1, 1.0, 10.0], [3e-2, 3.0, 300.0]) == pytest.approx(2)
    assert fitted(power, [1e-1, 3e-2, 1e-2, 3e-3], [2 * x**0.7 for x in (1e-1, 3e-2, 1e-2, 3e-3)]) == pytest.approx(0.7)


def test_y_that_share_an_x_are_averaged_first_and_units_kept_apart():
    line = slope("box", "lr", "y")
    assert fitted(line, [0.0, 0.0, 0.0, 1.0], [0.0, 3.0, 6.0, 5.0]) == pytest.approx(2)
    data = results([*pairs([0, 1], [0.0, 2.0]), *pairs([0, 1], [0.0, 4.0], seed=2)])
    assert [v.value for v in line(data)] == pytest.approx([2, 4])
    (value,) = slope("box", "lr", "y", per=())(data)
    assert (value.unit, value.value) == ("", pytest.approx(3)) and len(value.runs) == 4


@pytest.mark.parametrize(
    ("measure", "xs", "ys"),
    [
        (slope("box", "lr", "y"), [1.0], [2.0]),
        (slope("box", "lr", "y"), [1.0, 1.0], [2.0, 3.0]),
        (slope("box", "lr", "y"), [1.0, 2.0], [2.0, math.nan]),
        (slope("box", "lr", "y", log=True), [1.0, 2.0], [2.0, 0.0]),
        (slope("box", "lr", "y", log=True), [-1.0, 2.0], [2.0, 1.0]),
        (spearman("box", "lr", "y"), [1.0], [2.0]),
        (spearman("box", "lr", "y"), [1.0, 2.0], [3.0, 3.0]),
        (spearman("box", "lr", "y"), [1.0, 2.0], [math.inf, 3.0]),
    ],
)
def test_fits_that_are_not_defined_are_not_a_number(measure, xs, ys):
    assert math.isnan(fitted(measure, xs, ys))


def test_rank_correlations_that_are_simple_fractions_are_exact():
    """One adjacent swap among four is 0.8, and "at least 0.8" asks for exactly that; scipy has 0.7999999999999999."""
    rho = spearman("box", "lr", "y")
    assert fitted(rho, [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 4.0, 3.0]) == 0.8
    assert fitted(rho, [1.0, 2.0, 3.0], [9.0, 5.0, 1.0]) == -1
    assert fitted(rho, [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 2.0, 3.0]) == pytest.approx(3 / math.sqrt(10))  # a tie


@given(st.lists(st.integers(0, 4), min_size=2, max_size=8))
@settings(max_examples=40, deadline=None)
def test_rank_correlations_are_scipys(ys):
    xs = list(range(len(ys)))
    found = measures._rank_correlation(xs, ys)
    if len(set(ys)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(xs, ys).statistic)


# -- reports --------------------------------------------------------------------------------------------------------


def test_a_table_has_a_row_for_each_scalar_and_arm():
    data = results(grid(arm=["p", "q"], seed=[1, 2]))
    rows = table("box", {"x": "the x"}, ["p", "q"])
    assert [row.name for row in rows] == ["the x, p", "the x, q"]
    assert [[v.value for v in row.measure(data)] for row in rows] == [[0, 1], [2, 3]]
    (row,) = table("box", ["x"], seed=2)
    assert (row.name, row.bound, plain(row.measure(data))) == ("x", Bound(), {("", "2"): 2.0})


# -- forms ----------------------------------------------------------------------------------------------------------


def build(number, *, keyword=1):
    def inner(results, factor=2):
        return [Value("1", number * factor * keyword)]

    return inner


def with_default(number):
    def inner(results, *, n=number):
        return [Value("1", n)]

    return inner


def lambdas(f):
    return Function(lambda results: f(results))


def read(results, experiment, threshold=0.0, *, names=()):
    return []


class Reader:
    def __init__(self, what):
        self.what = what

    def __repr__(self):
        return f"Reader({self.what})"

    def read(self, results):
        return []


DIFFERENT = [
    scalar("box", "x"), scalar("ring", "x"), scalar("box", "y"), scalar("box", "x", "p"), scalar("box", "x", ("p", "q")),
    scalar("box", "x", over=()), scalar("box", "x", group="arm"), scalar("box", "x", reduce="max"),
    scalar("box", "x", lr=1), scalar("box", "x", lr=2), scalar("box", "x", lr=(1, 2)), scalar("box", "x", lr=None),
    scalar("box", "x", lr="1"), unit("box", "x", over="seed"), scalar("box", "x").log(), -scalar("box", "x"),
    scalar("box", "x").abs(), scalar("box", "x") - scalar("box", "y"), scalar("box", "y") - scalar("box", "x"),
    scalar("box", "x") + scalar("box", "y"), scalar("box", "x") - 1, scalar("box", "x") - 2, scalar("box", "x").mean(),
    scalar("box", "x").max(), scalar("box", "x", group="arm").mean("arm"), scalar("box", "x", group="arm").only(arm="p"),
    scalar("box", "x", group="arm").but(arm="p"), share(scalar("box", "x") <= 1), share(scalar("box", "x") < 1),
    slope("box", "lr", "x"), slope("box", "lr", "x", log=True), slope("box", "x", "lr"), spearman("box", "lr", "x"),
    slope("box", "lr", "x", table="units"), curve("box", "x").at(1), curve("box", "x").at(2), curve("box", "x").last(),
    curve("box", "x").first(below=1), curve("box", "x").first(above=1), curve("box", "x", group="arm").last(),
    Function(build(1)), Function(build(2)), Function(build(1, keyword=2)), Function(with_default(1)),
    Function(with_default(2)), Function(functools.partial(read, experiment="box")),
    Function(functools.partial(read, experiment="ring")), Function(functools.partial(read, experiment="box", threshold=1)),
    Function(functools.partial(read, experiment="box", names=["a"])),
    Function(functools.partial(read, experiment=np.array([1.0]))), Function(functools.partial(read, experiment=np.array([2.0]))),
    Function(functools.partial(read, experiment=np.int64(7))), Function(functools.partial(read, experiment=scalar("a", "b"))),
    Function(functools.partial(read, experiment=curve("a", "b"))), Function(functools.partial(read, experiment=curve("a", "c"))),
    Function(functools.partial(read, experiment=above(0))), Function(functools.partial(read, experiment=above(1))),
    Function(Reader("a").read), Function(Reader("b").read),
    Function(lambda results: [1]), Function(lambda results: [2]), lambdas(lambda r: r + 1), lambdas(lambda r: r - 1),
]  # fmt: skip


def test_forms_are_equal_exactly_where_the_same_is_measured():
    forms = [json.dumps(measure.form(), sort_keys=True) for measure in DIFFERENT]
    again = [json.dumps(measure.form(), sort_keys=True) for measure in DIFFERENT]
    assert forms == again and not any(" at 0x" in form for form in forms)
    same = [(i, j) for i in range(len(forms)) for j in range(i) if forms[i] == forms[j]]
    assert [(DIFFERENT[i], DIFFERENT[j]) for i, j in same] == []


def test_names_and_containers_are_no_part_of_a_form():
    assert scalar("box", "x").called("a name").form() == scalar("box", "x").form()
    assert Condition(ACCURACY, above(0), "one").form() == Condition(ACCURACY, above(0), "another").form()
    assert scalar("box", "x", ["p", "q"]).form() == scalar("box", "x", ("p", "q")).form()
    assert Function(functools.partial(read, experiment={"b", "a"})).form() == Function(
        functools.partial(read, experiment=frozenset(["a", "b"]))
    ).form()  # fmt: skip
    assert replace(Function(build(1)), name="x").form() == Function(build(1)).form()


def test_measures_are_values():
    assert scalar("box", "x") - 1 == scalar("box", "x") - 1 != scalar("box", "x") - 2
    assert len({scalar("box", "x"), scalar("box", "x"), scalar("box", "y")}) == 2
    assert isinstance(1 - scalar("box", "x"), Paired)


def test_an_experiment_that_has_not_begun_has_no_values_and_no_errors():
    whole = results([*grid(lr=[1, 2], seed=[1]), {"experiment": "ring", "x": 1.0}])
    begun = Results("toy", "desk", whole.of("ring"), pl.DataFrame(), pl.DataFrame(), whole.expected)
    assert "lr" not in begun.runs.columns and scalar("box", "x", lr=1)(begun) == []
