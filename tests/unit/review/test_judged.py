"""What stands above the kinds: looks, gates, completeness, quiet machines, Holm, claims, and what is wrong before a run."""

import json
import math
import random
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import check, results, seeds, verdict, verdicts

from assay import statistics
from assay.claims import (
    Bound,
    Claim,
    Condition,
    Count,
    Exact,
    Interval,
    Mean,
    Report,
    above,
    at_least,
    below,
    between,
    curve,
    difference,
    scalar,
    slope,
    unit,
)
from assay.measures import Read, Value, function
from assay.results import Expected, Results
from assay.review import malformed
from assay.review.judged import claim_verdict, errors, judge, over_seeds, problems, registered_units
from assay.study.declared import Study

ACCURACY = scalar("box", "test/accuracy")
LOSS = scalar("box", "test/loss")
BY_WD = scalar("box", "test/accuracy", group="wd")
UP = Interval(ACCURACY, above(0))

YES = [1.0, 1.1, 1.2]  # far above 0
NO = [-1.0, -1.1, -1.2]
OPEN = [-0.2, 0.1, 0.4]
HOPELESS = [-1.0, -0.5, 0.0, 0.5, 1.0]


def three(first, then=(), last=(), **more):
    """Three registered seeds, and further ones."""
    return seeds([*first, *then, *last], registered=3, **more)


def ids(rows):
    return {id: row["verdict"] for id, row in rows.items()}


# -- which checks have looks ----------------------------------------------------------------------------------------


def by_seed(results):
    return [Value("1", 1.0), Value("2", 1.0), Value("3", 1.0)]


def by_pair(results):
    return [Value("1-2", 1.0), Value("1-3", 1.0), Value("2-3", 1.0)]


def seeds_twice(results):
    return by_seed(results) * 2


@pytest.mark.parametrize(
    ("kind", "more", "looks"),
    [
        (UP, {}, True),
        (Interval(BY_WD, above(0)), {}, True),
        (Interval(ACCURACY - 1, above(0)), {}, True),
        (Interval(ACCURACY - scalar("box", "test/accuracy", over=()), above(0)), {}, True),
        (Interval(unit("box", "gap"), above(0), clusters=True), {}, True),
        (Interval(unit("box", "gap"), above(0)), {}, False),  # nested in seeds
        (Interval(scalar("box", "test/accuracy", over="pair"), above(0)), {}, False),
        (Interval(unit("box", "gap", over="unit"), above(0), clusters=True), {}, False),
        (Count([ACCURACY > 0]), {}, True),
        (Count([unit("box", "gap") > 0]), {}, False),
        (Count([ACCURACY.mean() > 0]), {}, False),  # one pooled number
        (Count([ACCURACY > 0, ACCURACY.mean() > 0]), {}, True),
        (Count([ACCURACY > 0], undecided=[unit("box", "gap") > 0]), {}, False),
        (Exact([ACCURACY > 0]), {}, False),
        (Report([ACCURACY.shown()]), {}, False),
        (Interval(by_seed, above(0)), {}, True),  # a plain function: what the check says, and its labels
        (Interval(by_seed, above(0)), {"unit": "sitting"}, True),
        (Interval(by_seed, above(0)), {"unit": "pair"}, False),
        (Interval(by_pair, above(0)), {}, False),
        (Count([Condition(seeds_twice, above(0))]), {}, False),  # not one value a seed
        (Interval(function("box", over="seed")(by_seed), above(0)), {"unit": "pair"}, True),
        (Interval(function("box", over="pair")(by_seed), above(0)), {}, False),
        (UP, {"looks": 1}, False),
    ],
)
def test_only_checks_over_seeds_have_looks(kind, more, looks):
    rows = [{**row, "pair": "a", "wd": 0.1} for row in seeds(YES)]
    units = [{"seed": s, "unit": u, "gap": 1.0} for s in (1, 2, 3) for u in "ab"]
    row = verdict(kind, results(rows, units), experiment="box", **more)
    assert ("looks" in row) == looks, row
    if "looks" in row:
        assert row["looks"]["units"] == [3, 6, 12]


def test_a_pooled_number_is_judged_by_the_card_alone():
    """A count of one number, or of two of three, is no count over seeds: nothing is added, no coin is tossed."""
    data = results(seeds(YES))
    assert verdict(Count([ACCURACY.mean() > 0]), data)["verdict"] == "reproduced"
    assert verdict(Count([ACCURACY.mean() < 0]), data)["verdict"] == "refuted"


def test_the_registered_number_is_the_smallest_and_references_stay():
    rows = [
        *seeds(YES), *seeds([1.0] * 5, experiment="more", first=1), *seeds([0.5], experiment="one"),
    ]  # fmt: skip
    data = results(rows)
    reference = scalar("one", "test/accuracy", over=())
    kind = Interval(ACCURACY + scalar("more", "test/accuracy") - reference, above(0))
    assert registered_units(check(kind), data) == 3
    row = verdict(kind, data)
    assert (row["n"], row["looks"]["units"], row["verdict"]) == (3, [3, 6, 12], "reproduced")
    assert {run for run in row["runs"] if "more" in run} == {f"{{'experiment': 'more'}}{s}" for s in (1, 2, 3)}
    assert row["extended"]["n"] == 3 if "extended" in row else True
    assert registered_units(check(Interval(reference, above(0))), data) is None
    assert not over_seeds(check(Interval(reference, above(0))))


# -- looks ----------------------------------------------------------------------------------------------------------


def test_the_first_look_that_decides_gives_the_verdict_and_later_units_are_shown_beside():
    row = verdict(UP, results(three(YES, [-9.0, -9.1, -9.2], [-9.0] * 6)))
    assert (row["verdict"], row["n"], row["looks"]) == ("reproduced", 3, {"taken": 1, "units": [3, 6, 12]})
    assert len(row["runs"]) == 3
    assert (row["extended"]["verdict"], row["extended"]["n"]) == ("refuted", 12)


def test_an_open_look_asks_for_the_next_with_what_it_reads():
    row = verdict(Interval(scalar("box", "test/accuracy", "lion", wd="a"), above(0)), results(three(OPEN, wd="a")))
    assert row["verdict"] == "inconclusive"
    reads = [
        {"experiment": "box", "table": "runs", "names": ["test/accuracy"], "arms": ["lion"], "levels": {"wd": ["a"]}}
    ]
    assert row["looks"] == {"taken": 1, "units": [3, 6, 12], "next": {"units": 6, "reads": reads}}


def test_the_second_look_reads_the_first_six_units_and_no_more():
    row = verdict(UP, results(three(OPEN, [3.0, 3.1, 3.2])))
    assert (row["n"], row["looks"]["taken"]) == (6, 2)
    assert row["measured"] == pytest.approx(9.6 / 6)
    row = verdict(UP, results(three([0.5, 1.0, 1.5], [1.0, 1.1, 0.9], [-9.0] * 6)))
    assert (row["verdict"], row["n"], row["looks"]["taken"]) == ("reproduced", 6, 2)
    assert row["extended"]["verdict"] == "refuted" or row["extended"]["verdict"] == "inconclusive"


def test_a_look_that_is_not_complete_is_not_taken():
    row = verdict(UP, results(three(OPEN, [5.0, 5.1])))
    assert (row["verdict"], row["n"], row["looks"]["taken"]) == ("inconclusive", 3, 1)
    assert row["looks"]["next"]["units"] == 6 and row["extended"]["n"] == 5
    gap = three(OPEN, [5.0, 5.1, 5.2])
    assert verdict(UP, results(gap[:4] + gap[5:]))["looks"]["taken"] == 1  # seed 5 is missing


def test_after_the_last_look_nothing_is_asked_for():
    row = verdict(UP, results(three([-2.0, 0.1, 2.5], [-2.0, 0.1, 2.5], [-2.0, 0.1, 2.5, -2.0, 0.1, 2.6])))
    assert (row["verdict"], row["n"], row["looks"]["taken"]) == ("inconclusive", 12, 3) or row["looks"].get("ends")
    wide = verdict(UP, results(three([-0.9, 0.7, 2.3], [-0.9, 0.7, 2.3], [-0.9, 0.7, 2.3, -2.9, -0.7, 1.3])))
    assert (wide["verdict"], wide["n"], wide["looks"]) == ("inconclusive", 12, {"taken": 3, "units": [3, 6, 12]})


def test_a_check_may_state_its_looks():
    data = results(three(OPEN, [3.0, 3.1, 3.2], [3.0] * 6))
    two = verdict(UP, data, looks=2)
    assert (two["n"], two["looks"]["units"], two["looks"]["taken"]) == (6, [3, 6], 2)
    one = verdict(UP, data, looks=1)
    assert (one["n"], "looks" in one, one["verdict"]) == (3, False, "inconclusive")
    assert one["extended"]["n"] == 12


def test_all_groups_are_read_at_the_same_look():
    """One group would decide at three units alone; the other is open there, and both are read at six."""
    rows = [*three(YES, [-7.0, -7.1, -7.2], wd="a"), *three(OPEN, [9.0, 9.1, 9.2], wd="b")]
    row = verdict(Interval(BY_WD, above(0)), results(rows))
    assert row["looks"]["taken"] == 2 and {d["n"] for d in row["details"]} == {6}
    assert row["verdict"] != "reproduced"


def test_looks_end_also_where_units_exist():
    data = results(seeds([*HOPELESS, *[9.0] * 15], registered=5))
    row = verdict(UP, data)
    assert (row["verdict"], row["n"], row["looks"]["taken"]) == ("inconclusive", 5, 1)
    assert row["looks"]["ends"].startswith("20 units would decide in 2 % of draws")
    assert "next" not in row["looks"] and row["extended"]["verdict"] == "reproduced"


def test_a_value_that_is_not_finite_ends_the_looks_where_it_stands():
    row = verdict(UP, results(three(OPEN, [3.0, math.nan, 3.2], [9.0] * 6)))
    assert (row["verdict"], row["looks"]["taken"], row["note"]) == ("inconclusive", 2, "a value is not finite")
    assert "next" not in row["looks"]


def test_fewer_units_than_registered_decide_nothing():
    rows = [{**row, "test/loss": loss} for row, loss in zip(seeds(YES), [1.0, 2.0, None], strict=True)]
    row = verdict(Interval(LOSS, above(0)), results(rows))
    assert (row["verdict"], row["note"]) == ("inconclusive", "2 of 3 units")
    row = verdict(Count([LOSS > 0], 2), results(rows))
    assert (row["verdict"], row["note"]) == ("inconclusive", "2 of 3 units")
    assert "next" not in row["looks"]


def test_counts_have_looks_too():
    """4 of 5 is open under a coin; 8 of 10 at the second look is open, too; 17 of 20 at the third decides."""
    kind = Count([ACCURACY > 0], 4)
    first, second, third = [1.0] * 4 + [-1.0], [1.0] * 4 + [-1.0], [1.0] * 9 + [-1.0]
    assert verdict(kind, results(seeds(first)))["looks"]["next"]["units"] == 10
    two = verdict(kind, results(seeds([*first, *second], registered=5)))
    assert (two["verdict"], two["note"], two["looks"]["taken"]) == ("inconclusive", "8 of 10", 2)
    three = verdict(kind, results(seeds([*first, *second, *third], registered=5)))
    assert (three["verdict"], three["note"], three["looks"]["taken"]) == ("reproduced", "17 of 20", 3)
    missed = verdict(kind, results(seeds([*first, *[-1.0] * 5], registered=5)))
    assert (missed["verdict"], missed["note"]) == ("refuted", "4 of 10")  # P(<= 4 of 10 at 0.8) = 0.0064


def test_every_unit_with_one_failure_is_never_reproduced_and_not_refuted_by_it():
    kind = Count([ACCURACY > 0])
    for n in range(5, 21, 5):
        row = verdict(kind, results(seeds([-1.0, *[1.0] * (n - 1)], registered=5)))
        assert row["verdict"] == "inconclusive"
    assert "ends" in row["looks"]  # it could not be reproduced, and would hardly be refuted


def test_more_seeds_beside_a_count_are_judged_by_its_share():
    kind = Count([ACCURACY > 0], 4)
    data = results(seeds([1.0] * 5 + [-1.0] * 15, registered=5))
    row = verdict(kind, data)
    assert (row["verdict"], row["extended"]["verdict"], row["extended"]["n"]) == ("reproduced", "refuted", 20)
    data = results(seeds([1.0] * 5 + [-1.0] + [1.0] * 4, registered=5))
    assert verdict(kind, data)["extended"]["verdict"] == "reproduced"  # 9 of 10, where 8 are needed


def test_checks_without_looks_show_more_seeds_too_and_reports_do_not():
    data = results(three(YES, [-5.0]))
    exact = verdict(Exact([ACCURACY > 0]), data)
    assert (exact["verdict"], exact["n"], exact["extended"]["verdict"]) == ("reproduced", 3, "refuted")
    assert "extended" not in verdict(Report([ACCURACY.shown()]), data)
    assert "extended" not in verdict(UP, results(three(YES)))
    # Seeds of arms that it does not read are not more of what it read.
    assert "extended" not in verdict(Interval(scalar("box", "test/accuracy", "lion"), above(0)),
                                     results([*three(YES), *three(YES, [1.0], arm="sgd")[3:]]))  # fmt: skip


# -- what may not change a verdict ------------------------------------------------------------------------------------

FORMS = [
    Interval(BY_WD, above(0)), Interval(BY_WD, above(0), groups="any"), Count([BY_WD > 0], 2),
    Interval(scalar("box", "test/accuracy", over=("seed", "wd")), above(0), clusters=True),
    Interval(BY_WD.only(wd="a") - BY_WD.mean("wd"), below(1)), Count([BY_WD > 0], 0.6, groups=1),
]  # fmt: skip
NUMBERS = st.lists(st.integers(-3, 9).map(float), min_size=12, max_size=12)


def part(row):
    return {key: value for key, value in row.items() if key != "extended"}


@given(NUMBERS, NUMBERS, st.randoms(use_true_random=False), st.sampled_from(FORMS))
@settings(max_examples=25, deadline=None)
def test_a_verdict_depends_neither_on_the_order_of_rows_nor_on_further_seeds(a, b, order, kind):
    rows = [*three(a[:3], a[3:], wd="a"), *three(b[:3], b[3:], wd="b")]
    whole = verdict(kind, results(rows))
    shuffled = verdict(kind, results(order.sample(rows, len(rows)), expected={"box": Expected(6, 6, seeds=3, first=1)}))
    assert shuffled == whole
    used = whole["looks"]["units"][whole["looks"]["taken"] - 1]
    assert part(verdict(kind, results([row for row in rows if row["seed"] <= used]))) == part(
        {**whole, "looks": whole["looks"] | _asked(whole, kind, rows, used)}
    )


def _asked(row, kind, rows, used):
    """What a look asks for does not depend on what is there."""
    return verdict(kind, results([r for r in rows if r["seed"] <= used]))["looks"]


def test_a_verdict_does_not_depend_on_pythons_hash_seed():
    code = (
        "import json, random; from toy import *; from assay.claims import *;"
        "rows = [r for w in 'abcdefgh' for r in seeds([random.Random(w).gauss(0.3, 1) for _ in range(20)], registered=5, wd=w)];"
        "m = scalar('box', 'test/accuracy', group='wd');"
        "kinds = [Interval(m, above(0), groups='any'), Count([m > 0], 3, groups=4), Interval(m, above(0), pool=True)];"
        "print(json.dumps([verdict(k, results(rows)) for k in kinds]))"
    )
    samples = Path(__file__).parents[2] / "samples"
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(samples)}, capture_output=True,
            text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


def test_results_survive_the_disk_with_the_same_verdicts(tmp_path):
    units = [{"seed": s, "unit": u, "gap": 0.1 * s} for s in (1, 2) for u in ("a", "b")]
    data = results(seeds([*YES, math.nan]), units)
    checks = [check(Count([ACCURACY > 0]), "1"), check(UP, "2"), check(Interval(unit("box", "gap"), above(0)), "3")]
    data.save(tmp_path)
    assert judge(Results.load(tmp_path), [], checks) == judge(data, [], checks)


# -- completeness -----------------------------------------------------------------------------------------------------


def test_a_verdict_waits_for_every_registered_run_of_its_experiments():
    expected = {"box": Expected(6, 5, failed=1, seeds=3), "ring": Expected(2, 2, seeds=2)}
    row = verdict(UP, results(seeds(YES), expected=expected))
    assert (row["verdict"], row["note"]) == ("inconclusive", "incomplete (box: 5 of 6 runs)")
    assert row["measured"] == pytest.approx(1.1)  # the numbers are shown all the same
    assert (row["looks"]["taken"], "next" in row["looks"], row["p_value"]) == (0, False, None)


def test_an_experiment_that_is_not_in_the_plan_gives_no_verdict():
    row = verdict(Interval(by_seed, above(0)), results(seeds(YES)), experiment=["box", "elsewhere"])
    assert row["verdict"] == "inconclusive"


def test_a_violated_exact_bound_stays_refuted_when_runs_are_missing():
    kind, expected = Exact([ACCURACY <= 0.5]), {"box": Expected(planned=3, done=1, seeds=3)}
    assert verdict(kind, results(seeds([0.9]), expected=expected))["verdict"] == "refuted"
    held = verdict(kind, results(seeds([0.1]), expected=expected))
    assert (held["verdict"], held["note"]) == ("inconclusive", "incomplete (box: 1 of 3 runs)")


def test_smoke_gives_no_verdict_except_for_exact_checks():
    data = results(seeds(YES), scale="smoke")
    for kind in (Count([ACCURACY > 0]), UP, Mean(ACCURACY, above(0))):
        row = verdict(kind, data)
        assert (row["verdict"], row["p_value"], "looks" in row) == ("untested", None, False)
    assert verdict(Exact([ACCURACY > 0]), data)["verdict"] == "reproduced"
    assert verdict(Exact([ACCURACY < 0]), data)["verdict"] == "refuted"


# -- gates ------------------------------------------------------------------------------------------------------------


def two(values, gate, **more):
    """Seeds with an accuracy and a loss."""
    return [{**row, "test/loss": loss} for row, loss in zip(seeds(values, **more), gate, strict=True)]


GATE = check(Interval(LOSS, above(0)), "g", serves=[])


@pytest.mark.parametrize(
    ("gate", "own", "expected"),
    [
        (YES, YES, "reproduced"), (YES, NO, "refuted"), (YES, OPEN, "inconclusive"),
        (NO, YES, "inconclusive"), (NO, NO, "inconclusive"), (OPEN, YES, "inconclusive"), (OPEN, NO, "inconclusive"),
    ],
)  # fmt: skip
def test_a_gate_that_is_not_reproduced_leaves_a_check_open_refutation_included(gate, own, expected):
    free = check(UP, "free")
    rows = verdicts(results(two(own, gate)), check(UP, "1", gate=["g"]), free, GATE)
    assert rows["1"]["verdict"] == expected
    assert rows["free"]["verdict"] == verdict(UP, results(seeds(own)))["verdict"]  # it touches only what names it
    if gate is not YES:
        assert rows["1"]["note"] == f"its gate g is {rows['g']['verdict']}"
        assert (rows["1"]["p_value"], "again" in rows["1"]) == (None, rows["1"].get("ungated") is None)
        assert rows["1"].get("ungated") == (
            None if rows["free"]["verdict"] == "inconclusive" else rows["free"]["verdict"]
        )
    assert rows["g"]["control"] is True and rows["1"]["gates"] == ["g"]


def test_an_undecided_gate_asks_for_its_own_look_and_a_refuted_one_ends_those_of_others():
    rows = verdicts(results(two(OPEN, OPEN)), check(UP, "1", gate=["g"]), GATE)
    assert [rows[id]["looks"]["next"]["units"] for id in ("1", "g")] == [6, 6]
    rows = verdicts(results(two(YES, OPEN)), check(UP, "1", gate=["g"]), GATE)
    assert "next" not in rows["1"]["looks"] and "next" in rows["g"]["looks"]
    rows = verdicts(results(two(OPEN, NO)), check(UP, "1", gate=["g"]), GATE)
    assert rows["1"]["looks"]["ends"] == "its gate g is refuted" and "next" not in rows["1"]["looks"]
    more = verdicts(results(two([*OPEN, 9.0, 9.1, 9.2], [*NO, *YES], registered=3)), check(UP, "1", gate=["g"]), GATE)
    assert (more["1"]["looks"]["taken"], more["1"]["verdict"]) == (1, "inconclusive")


def test_of_several_gates_a_refuted_one_settles_it():
    rows = verdicts(
        results([{**row, "x": x} for row, x in zip(two(OPEN, OPEN), NO, strict=True)]),
        check(UP, "1", gate=["g", "h"]), GATE, check(Interval(scalar("box", "x"), above(0)), "h"),
    )  # fmt: skip
    assert rows["1"]["note"] == "its gate h is refuted" and "next" not in rows["1"]["looks"]


def test_gates_of_gates_close_what_is_behind_them():
    rows = verdicts(
        results([{**row, "x": x} for row, x in zip(two(YES, YES), NO, strict=True)]),
        check(UP, "1", gate=["g"]), replace(GATE, gate=["h"]), check(Interval(scalar("box", "x"), above(0)), "h"),
    )  # fmt: skip
    assert ids(rows) == {"1": "inconclusive", "g": "inconclusive", "h": "refuted"}


def test_a_gate_stated_as_a_mean_compares_the_units_of_the_look_at_hand():
    mean = check(Mean(LOSS, above(0), "loss"), "m")
    gated = check(UP, "1", gate=["m"])
    rows = verdicts(results(two(YES, [1.0, 1.0, -1.0])), gated, mean)
    assert (rows["1"]["verdict"], rows["m"]["verdict"], rows["m"]["control"]) == ("reproduced", "reproduced", True)
    # At three units the mean holds and the check is open; at six it does not, whatever the mean's own verdict says.
    rows = verdicts(results(two([*OPEN, 9.0, 9.1, 9.2], [1.0, 1.0, 1.0, -9.0, -9.0, -9.0], registered=3)), gated, mean)
    assert (rows["m"]["verdict"], rows["1"]["note"], rows["1"]["looks"]["taken"]) == (
        "reproduced",
        "its gate m is refuted",
        2,
    )
    # The other way round: a mean that fails on the registered units ends the looks.
    rows = verdicts(results(two([*OPEN, 9.0, 9.1, 9.2], [-1.0, -1.0, -1.0, 9.0, 9.0, 9.0], registered=3)), gated, mean)
    assert (rows["1"]["note"], rows["1"]["looks"]["taken"]) == ("its gate m is refuted", 1)


def test_a_look_waits_for_the_runs_that_a_mean_reads():
    """The gate reads another arm: further seeds of the check's own arm alone are no second look."""
    gated = check(Interval(scalar("box", "test/accuracy", "lion"), above(0)), "1", gate=["m"])
    mean = check(Mean(scalar("box", "test/accuracy", "sgd"), above(0)), "m")
    own, others = three(OPEN, [9.0, 9.1, 9.2]), three(YES, [-9.0] * 3, arm="sgd")
    rows = verdicts(results([*own, *others[:3]]), gated, mean)
    assert rows["1"]["looks"]["taken"] == 1
    assert [read["arms"] for read in rows["1"]["looks"]["next"]["reads"]] == [["lion"], ["sgd"]]
    rows = verdicts(results([*own, *others]), gated, mean)
    assert (rows["1"]["looks"]["taken"], rows["1"]["note"]) == (2, "its gate m is refuted")
    incomplete = results(
        [*own[:3], *seeds(YES, experiment="ring")],
        expected={"box": Expected(3, 3, seeds=3), "ring": Expected(9, 3, seeds=3)},
    )
    rows = verdicts(
        incomplete,
        check(Interval(ACCURACY + 9, above(0)), "1", gate=["m"]),
        check(Mean(scalar("ring", "test/accuracy"), above(0)), "m"),
    )
    assert (rows["1"]["verdict"], rows["m"]["verdict"]) == ("inconclusive", "inconclusive")


def test_a_mean_in_another_experiment_grows_with_the_looks_by_its_own_number():
    rows = [*three(OPEN, [9.0, 9.1, 9.2]), *seeds([1.0, 1.0, -9.0, -9.0], registered=2, experiment="ring")]
    gated, mean = check(UP, "1", gate=["m"]), check(Mean(scalar("ring", "test/accuracy"), above(0)), "m")
    found = verdicts(results(rows), gated, mean)
    assert (found["m"]["n"], found["1"]["looks"]["taken"], found["1"]["note"]) == (2, 2, "its gate m is refuted")


def groups(**values):
    return [row for name, numbers in values.items() for row in two(numbers[0], numbers[1], wd=name)]


PER_GROUP = Interval(scalar("box", "test/loss", group="wd"), above(0))


def test_a_group_whose_own_gate_fails_does_not_count():
    data = results(groups(a=(YES, YES), b=(NO, NO), c=(NO, OPEN)))
    each = check(Interval(BY_WD, above(0)), "1", gate_each="g")
    rows = verdicts(data, each, check(PER_GROUP, "g"))
    assert rows["1"]["verdict"] == "reproduced" and [d["name"] for d in rows["1"]["details"]] == ["wd=a"]
    named = check(Interval(BY_WD, above(0)), "1", gate_each={"wd=b": "b", "wd=c": "c"})
    rows = verdicts(data, named, *(check(Interval(scalar("box", "test/loss", wd=x), above(0)), x) for x in "bc"))
    assert rows["1"]["verdict"] == "reproduced" and [d["name"] for d in rows["1"]["details"]] == ["wd=a"]
    without = verdicts(data, check(Interval(BY_WD, above(0)), "1"))
    assert without["1"]["verdict"] == "refuted"


def test_gates_of_groups_work_for_every_kind():
    data = results(groups(a=(YES, YES), b=(NO, NO)))
    for kind in (Count([BY_WD > 0], 2, against=1), Exact([BY_WD > 0]), Mean(BY_WD, above(0))):
        for gate in (PER_GROUP, Mean(scalar("box", "test/loss", group="wd"), above(0))):
            rows = verdicts(data, check(kind, "1", gate_each="g"), check(gate, "g"))
            assert len(rows["1"]["details"]) == 1 and rows["1"]["verdict"] != "refuted", (kind, gate)


@pytest.mark.parametrize(
    ("need", "expected"), [("all", "reproduced"), ("any", "reproduced"), (2, "inconclusive"), ((1, 2), "reproduced")]
)
def test_fewer_groups_than_a_check_needs_leave_it_open(need, expected):
    data = results(groups(a=(YES, YES), b=(YES, NO), c=(YES, NO)))
    rows = verdicts(
        data, check(Interval(BY_WD, above(0), groups=need, level=0.05), "1", gate_each="g"), check(PER_GROUP, "g")
    )
    assert rows["1"]["verdict"] == expected
    if expected == "inconclusive":
        assert rows["1"]["note"] == "its gate g is refuted" and "next" not in rows["1"]["looks"]
    rows = verdicts(
        results(groups(a=(YES, NO), b=(YES, NO))),
        check(Interval(BY_WD, above(0)), "1", gate_each="g"),
        check(PER_GROUP, "g"),
    )
    assert (rows["1"]["verdict"], rows["1"]["details"]) == ("inconclusive", [])
    rows = verdicts(
        results(groups(a=(YES, NO), b=(YES, OPEN))),
        check(Interval(BY_WD, above(0)), "1", gate_each="g"),
        check(PER_GROUP, "g"),
    )
    assert rows["1"]["note"] == "its gate g is undecided"


def test_groups_of_a_gate_that_says_nothing_are_not_open():
    """Its groups have numbers that hold; the gate itself is incomplete, or behind a closed gate of its own."""
    data = results(groups(a=(YES, YES), b=(YES, YES)))
    each, shut = check(Interval(BY_WD, above(0)), "1", gate_each="g"), check(Interval(LOSS, below(0)), "h")
    rows = verdicts(data, each, check(PER_GROUP, "g", gate=["h"]), shut)
    assert ids(rows) == {"1": "inconclusive", "g": "inconclusive", "h": "refuted"}


def test_a_gate_of_groups_that_are_not_there_is_an_error_and_not_an_open_gate():
    data = results(groups(a=(YES, NO), b=(YES, YES)))
    rows = verdicts(
        data, check(Interval(BY_WD, above(0)), "1", gate_each={"a": "g"}), check(Interval(LOSS, above(0)), "g")
    )
    assert rows["1"]["verdict"] == "inconclusive" and "groups that are not there" in rows["1"]["error"]


def test_groups_that_have_not_run_yet_are_no_error():
    data = replace(results(groups(a=(YES, NO))), expected={"box": Expected(6, 3, seeds=3)})
    gated = check(Interval(BY_WD, above(0)), "1", gate_each={"wd=b": "g"})
    rows = verdicts(data, gated, check(Interval(LOSS, above(0)), "g"))
    assert "error" not in rows["1"] and "incomplete" in rows["1"]["note"]


def test_a_control_never_counts_in_a_claims_mark_whatever_it_serves():
    claims = [Claim("C1", "one", "Thm 1")]
    for losses, expected in ((YES, "reproduced"), (NO, "inconclusive")):
        found = judge(results(two(YES, losses)), claims, [check(UP, "1", gate=["g"]), replace(GATE, serves=["C1"])])
        assert (found["claims"][0]["verdict"], found["claims"][0]["holds"]) == (expected, [int(losses is YES), 1])
        assert found["claims"][0]["checks"] == ["1", "g"]
    alone = judge(results(two(YES, NO)), claims, [check(UP, "1"), replace(GATE, serves=["C1"])])
    assert alone["claims"][0]["verdict"] == "refuted"  # nobody waits for it: it is a check like any other


# -- a quiet machine --------------------------------------------------------------------------------------------------


def timed(values, share, name="time/step_s"):
    return [{name: value, "seed": seed, "time/share": share, "test/accuracy": 1.0 + seed / 10, "signature": f"s{seed}"}
            for seed, value in enumerate(values, start=1)]  # fmt: skip


SECONDS = scalar("box", "time/step_s")


@pytest.mark.parametrize("values", [YES, NO, OPEN])
@pytest.mark.parametrize("kind", [Interval(SECONDS, above(0)), Count([SECONDS > 0], against=1), Exact([SECONDS > 0])])
def test_times_of_a_busy_machine_decide_nothing(kind, values):
    quiet, busy = (verdict(kind, results(timed(values, share))) for share in (0.97, 0.96))
    assert quiet["note"] != busy["note"] == "measured on a busy machine: 96 % of a core, 97 % are needed"
    assert (busy["verdict"], busy["p_value"], "next" in busy.get("looks", {})) == ("inconclusive", None, False)
    assert busy["measured"] == quiet["measured"]
    incomplete = results(timed(values, 0.5), expected={"box": Expected(4, 3, seeds=3)})
    assert verdict(kind, incomplete)["verdict"] == "inconclusive"


def test_the_least_share_counts_and_only_runs_that_were_read():
    rows = timed(YES, 0.99)
    rows[1]["time/share"] = 0.9
    assert "90 %" in verdict(Interval(SECONDS, above(0)), results(rows))["note"]
    further = [
        *rows[:1],
        {**rows[1], "time/share": None},
        rows[2],
        {**rows[0], "seed": 4, "signature": "s4", "time/share": 0.1, "registered": False},
    ]
    found = verdict(Interval(SECONDS, above(0)), results(further))
    assert (found["verdict"], found["extended"]["verdict"]) == ("reproduced", "inconclusive")


def test_what_is_no_time_is_judged_on_a_busy_machine_as_well():
    data = results(timed(YES, 0.1))
    assert verdict(UP, data)["verdict"] == "reproduced"
    assert verdict(Interval(SECONDS / ACCURACY, above(0)), data)["verdict"] == "inconclusive"
    said = function(Read("box", names=("test/accuracy",)), over="seed")(lambda results: ACCURACY(results))
    assert verdict(Interval(said, above(0)), data)["verdict"] == "reproduced"
    read = function("box", over="seed")(lambda results: ACCURACY(results))
    assert verdict(Interval(read, above(0)), data)["verdict"] == "inconclusive"  # nothing says that it reads no times
    rows = verdicts(data, check(UP, "1", gate=["m"]), check(Mean(SECONDS, above(0)), "m"), check(UP, "2"))
    assert ids(rows) == {"1": "inconclusive", "m": "inconclusive", "2": "reproduced"}


# -- Holm -------------------------------------------------------------------------------------------------------------


def test_looks_multiply_the_smallest_p_value_so_far():
    """p = 0.0242 at five units against 0.49, and at ten of the same spread less; open at both."""
    first = [0.50, 0.52, 0.54, 0.56, 0.58]
    second = [0.30, 0.40, 0.50, 0.60, 0.70]
    kind = Interval(ACCURACY, above(0.49))
    one = verdict(kind, results(seeds(first)))
    both = verdict(kind, results(seeds([*first, *second], registered=5)))
    now = statistics.p_value([*first, *second], 0.49)
    assert (one["verdict"], both["verdict"], both["looks"]["taken"]) == ("inconclusive", "inconclusive", 2)
    assert both["p_value"] == one["p_value"] == pytest.approx(2.6 * statistics.p_value(first, 0.49))
    assert now > statistics.p_value(first, 0.49)
    assert verdict(kind, results(seeds(first)), looks=1)["p_value"] == pytest.approx(statistics.p_value(first, 0.49))
    flat = verdict(Interval(ACCURACY, above(0.54)), results(seeds(first)))
    assert flat["p_value"] == 1.0  # at most


def test_a_refuted_count_has_the_p_value_of_its_refutation():
    row = verdict(
        Count([ACCURACY > 0], 8), results(seeds([*[1.0] * 6, *[-1.0] * 4, *[1.0] * 5, *[-1.0] * 5], registered=10))
    )
    assert (row["verdict"], row["note"], row["looks"]["taken"]) == ("refuted", "11 of 20", 2)
    assert row["p_value"] == pytest.approx(3 * statistics.at_most(11, 20, 0.8))


def test_holm_marks_what_would_not_survive_it():
    values = [0.50, 0.52, 0.54, 0.56, 0.58]
    data = results(seeds(values))
    strong = check(Interval(ACCURACY, above(0.0)), "a", looks=1)
    weak = check(Interval(ACCURACY, above(0.498)), "b", looks=1)  # p = 0.042
    marks = verdicts(
        data, strong, weak, check(Interval(ACCURACY, above(0.54)), "c", looks=1), check(Exact([ACCURACY > 0]), "d")
    )
    assert marks["a"]["verdict"] == marks["b"]["verdict"] == "reproduced"
    assert marks["a"]["survives_holm"] is True
    assert marks["b"]["p_value"] < 0.05 and marks["b"]["survives_holm"] is False
    assert "survives_holm" not in marks["c"] and "survives_holm" not in marks["d"]
    assert verdicts(data, weak)["b"]["survives_holm"] is True


# -- claims -----------------------------------------------------------------------------------------------------------


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
    checks = [
        check(Interval(ACCURACY, above(0)), "1", ["C1", "C2"]), check(Interval(ACCURACY, above(9)), "2", ["C2"]),
        check(Report([ACCURACY.shown()]), "3", ["C2"]), check(Exact([ACCURACY > 0]), "4", []), check(Exact([ACCURACY < 0]), "5", []),
    ]  # fmt: skip
    found = judge(results(seeds(YES)), claims, checks, stands_for="three numbers for a network")
    assert [c["verdict"] for c in found["claims"]] == ["reproduced", "refuted", "untested"]
    assert [c["checks"] for c in found["claims"]] == [["1"], ["1", "2", "3"], []]
    assert [c["holds"] for c in found["claims"]] == [[1, 1], [1, 2], [0, 0]]
    assert found["claims"][1]["paper_says"] == "0.7"
    assert (found["paper"], found["scale"], found["stands_for"]) == ("toy", "desk", "three numbers for a network")
    assert found["code"] == {"holds": [1, 2], "failed": ["5"]}


def test_a_broken_check_does_not_hide_the_others():
    def broken(results):
        raise ZeroDivisionError("by zero")

    checks = [
        check(Interval(broken, above(0)), "1", experiment="box"), check(UP, "2"), check(UP, "3", gate=["1"]),
        check(Mean(broken, above(0)), "4", experiment="box"), check(UP, "5", gate=["4"]), check(UP, "6", gate=["nobody"]),
        check(UP, "7", gate=["8"]), check(UP, "8", gate=["7"]), check(UP, "9"),
    ]  # fmt: skip
    found = judge(results(seeds(YES)), [Claim("C1", "one", "Thm 1")], checks)
    rows = {row["id"]: row for row in found["checks"]}
    assert rows["1"]["note"].startswith("error: ZeroDivisionError: by zero (broken, line ")
    assert ids(rows) | {"7": 0, "8": 0} == {
        "1": "inconclusive", "2": "reproduced", "3": "inconclusive", "4": "inconclusive", "5": "inconclusive",
        "6": "inconclusive", "7": 0, "8": 0, "9": "reproduced",
    }  # fmt: skip
    assert rows["3"]["note"] == "its gate 1 is inconclusive" and "error" not in rows["3"]
    assert rows["5"]["note"] == "its gate 4 is inconclusive" and "error" not in rows["5"]
    assert [line.split(":")[0] for line in errors(found)] == [
        "check 1",
        "check 4",
        "check 6",
        *(["check 7"] if "error" in rows["7"] else []),
        *(["check 8"] if "error" in rows["8"] else []),
    ]
    later = results(three(YES, [1.0]))

    def breaks_on_more(results):
        if len(results.runs) > 3:
            raise ValueError("more than three")
        return by_seed(results)

    assert "more than three" in verdict(Interval(breaks_on_more, above(0)), later, experiment="box")["error"]


def test_verdicts_are_strict_json_whatever_was_measured():
    rows = seeds([math.inf, -math.inf, math.nan, 0.5])
    kinds = [
        Count([ACCURACY > 0]), UP, Exact([ACCURACY <= 1]), Report([ACCURACY.shown()]), Mean(ACCURACY, above(0)),
        Interval(ACCURACY - math.inf, above(0), margin=math.inf), Exact([curve("box", "x").first(below=1).within(0, 1)]),
        Interval(scalar("box", "test/accuracy", lr=(None, math.inf)), above(0)),
    ]  # fmt: skip
    data = results(
        [{**row, "lr": None} for row in [*rows, {"seed": 9, "test/accuracy": math.inf, "registered": False}]]
    )
    found = judge(data, [Claim("C1", "a", "b")], [check(kind, str(i)) for i, kind in enumerate(kinds)])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [row["verdict"] for row in found["checks"]] == [
        "inconclusive", "inconclusive", "refuted", None, "inconclusive", "inconclusive", "untested", "inconclusive",
    ]  # fmt: skip
    assert not errors(found)


# -- results ------------------------------------------------------------------------------------------------------------


def test_the_first_seeds_of_some_experiments_and_the_registered_ones_of_all_others():
    rows = [
        *three(YES, [1.0, 1.0, 1.0]),
        *seeds([1.0] * 4, registered=2, first=7, experiment="ring"),
        *seeds([1.0] * 2, registered=2, experiment="one"),
    ]
    units = [
        {"experiment": row.get("experiment", "box"), "seed": row["seed"], "registered": row["registered"], "unit": "a"}
        for row in rows
    ]
    data = results(
        random.Random(0).sample(rows, len(rows)),
        units,
        expected={"box": Expected(3, 3, seeds=3), "ring": Expected(2, 2, seeds=2, first=7)},
    )

    def there(view):
        tables = [{(row["experiment"], row["seed"]) for row in frame.to_dicts()} for frame in (view.runs, view.units)]
        assert tables[0] == tables[1]
        return {name: sorted(seed for one, seed in tables[0] if one == name) for name in ("box", "ring", "one")}

    assert (data.seeds("box"), data.seeds("ring"), data.seeds("one")) == (range(1, 4), range(7, 9), range(1, 3))
    assert data.seeds("nowhere") == range(0)
    assert there(data.only(registered=True)) == {"box": [1, 2, 3], "ring": [7, 8], "one": [1, 2]}
    assert there(data.first({"box": 5, "ring": 3})) == {"box": [1, 2, 3, 4, 5], "ring": [7, 8, 9], "one": [1, 2]}
    assert there(data.first({"box": 2})) == {"box": [1, 2], "ring": [7, 8], "one": [1, 2]}
    assert data.only(registered=False) is data and data.extended and not data.only(registered=True).extended


# -- before anything runs -----------------------------------------------------------------------------------------------

STUDY = Study.model_validate(
    {
        "slug": "toy",
        "experiments": {
            "box": {
                "fix": {"module": "classifier"},
                "arms": {"lion": {"optimizer": "lion_k"}, "sgd": {"optimizer": "sgd"}},
                "axes": {"optimizer.lr": [0.1, 1], "model.hidden": [[8], [64]], "noise": {"clean": {"data.noise": "none"}}, "wd": [None, 0.1, "auto"]},
                "scales": {"smoke": {"axes": {"optimizer.lr": [5.0]}}, "desk": {"seeds": {"first": 1, "n": 5}}},
            }
        },
    }
)  # fmt: skip
CLAIMS = [Claim("C1", "one", "Thm 1")]


def told(*checks, claims=CLAIMS):
    return problems(claims, checks, STUDY)


def test_nothing_is_wrong_with_what_is_right():
    gap = scalar(
        "box", "test/accuracy", "lion", group=("arm", "noise"), optimizer__lr=(0.1, 5), model__hidden="[64]", wd=None
    )
    assert told(
        check(Interval(gap, above(0)), "1", gate=["m"]), check(Mean(gap, above(0)), "m"), check(Count([gap > 0], 4), "2", gate=["1"]),
        check(Count([gap.only(arm="lion", seed=3) > 0], 0.5), "3", gate_each={"a": "1"}), check(Report([gap.shown()]), "4"),
        check(Interval([Condition(gap, above(0), "a"), Condition(gap, below(9), "b")]), "5"), check(Interval(by_seed, above(0)), "6", experiment="box"),
        check(Exact([slope("box", x="optimizer.lr", y="gap/last").within(0, 1)]), "7"), check(Exact([unit("box", "gap", over="x.y") <= 0]), "8"),
        check(Exact([scalar("box", "gap", wd="0.1") <= 0, curve("box", "loss", noise="clean").at(1) <= 0]), "9"),
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("checks", "line"),
    [
        ([check(UP, "1"), check(UP, "1")], "check 1 stands there twice"),
        ([check(UP, serves=["C1", "C9"])], "check 1 serves 'C9', which is no claim"),
        ([check(UP, serves="C1")], "check 1 has serves='C1', where a list is needed"),
        ([check(UP, gate="12")], "check 1 has gate='12', where a list is needed"),
        ([check(UP, serves=None)], "check 1 has serves=None, where a list is needed"),
        ([check(UP, gate=[1])], "check 1 has gate=[1], where a list is needed"),
        ([check(UP, gate_each=["1"])], "check 1 has gate_each=['1'], where an id is needed, or ids by group"),
        ([check(above(0), experiment="box")], "check 1 has a Bound for its kind; there are Exact, Count, Interval, Mean, Report"),
        ([check(UP, looks="3")], "check 1 has looks='3', where a whole number is needed"),
        ([check(Count([ACCURACY > 0], "3"))], "check 1 has need='3', where a number is needed"),
        ([check(Count([ACCURACY > 0], 9))], "check 1 needs 9 units of 5"),
        ([check(Count([ACCURACY > 0], 3, against=3))], "check 1 needs 3 and is refuted by 3: one number would do both"),
        ([check(Count([ACCURACY]))], "check 1 has a Column among its conditions"),
        ([check(replace(UP, groups=True))], "check 1 has groups=True; there are 'all', 'any', k and (so many must hold, so many refute)"),
        ([check(replace(UP, groups=(1, 1, 1)))], "check 1 has groups=(1, 1, 1); there are 'all', 'any', k and (so many must hold, so many refute)"),
        ([check(Interval(ACCURACY, between(1, 0)))], "check 1 has a bound that no number keeps: >= 1 and <= 0"),
        ([check(Interval(ACCURACY, above(0), against=between(3, 2)))], "check 1 has a bound that no number keeps: >= 3 and <= 2"),
        ([check(Interval(ACCURACY, above(math.nan)))], "check 1 has the bound Bound(low=nan, high=inf, strict=True)"),
        ([check(UP, gate=["9"])], "check 1 has the gate '9', which is no check"),
        ([check(UP, gate_each="9")], "check 1 has the gate '9', which is no check"),
        ([check(UP, gate_each={"a": "9"})], "check 1 has the gate '9', which is no check"),
        ([check(UP, gate=["2"]), check(Report([ACCURACY.shown()]), "2")], "check 1 has the gate '2', which is a report"),
        ([check(Report([ACCURACY.shown()]), gate=["2"]), check(UP, "2")], "check 1 is a report, for which a gate does nothing"),
        ([check(UP, gate=["1"])], "checks wait for each other: 1 -> 1"),
        ([check(UP, "0", gate=["1"]), check(UP, "1", gate=["2"]), check(UP, "2", gate_each="1")], "checks wait for each other: 1 -> 2 -> 1"),
        ([check(Mean(ACCURACY, above(0)))], "check 1 compares a mean without a test, which only a gate may"),
        ([check(Exact([]), experiment="box")], "check 1 measures nothing"),
        ([check(Interval(by_seed, above(0)))], "check 1 names no experiment, and its functions do not say what they read"),
        ([check(UP, looks=4)], "check 1 has 4 looks; there are 1 to 3"),
        ([check(UP, looks=0)], "check 1 has 0 looks; there are 1 to 3"),
        ([check(replace(UP, groups="some"))], "check 1 has groups='some'; there are 'all', 'any', k and (so many must hold, so many refute)"),
        ([check(replace(UP, groups=0))], "check 1 has groups=0; there are 'all', 'any', k and (so many must hold, so many refute)"),
        ([check(replace(UP, groups=(2, 0)))], "check 1 has groups=(2, 0); there are 'all', 'any', k and (so many must hold, so many refute)"),
        ([check(Count([ACCURACY > 0], 1.0))], "check 1 has need=1.0: a share of 1 or 1 units? A number of units has no point"),
        ([check(Count([ACCURACY > 0], 4.5))], "check 1 has need=4.5; a share lies below 1, and a number of units is whole"),
        ([check(Count([ACCURACY > 0], 4, against=-1))], "check 1 has against=-1; a share lies below 1, and a number of units is whole"),
        ([check(Count([ACCURACY > 0], 0))], "check 1 needs no unit at all"),
        ([check(Interval(ACCURACY))], "check 1 demands nothing of a mean"),
        ([check(Interval([ACCURACY > 0, LOSS > 0]))], "check 1 has several conditions with the same name, which would be one group"),
        ([check(replace(UP, margin=-0.1))], "check 1 has a margin, a share of missing units or a level out of its range"),
        ([check(replace(UP, missing=1.0))], "check 1 has a margin, a share of missing units or a level out of its range"),
        ([check(replace(UP, level=95))], "check 1 has a margin, a share of missing units or a level out of its range"),
        ([check(Interval(scalar("bx", "x"), above(0)))], "check 1 reads 'bx', which is no experiment of toy"),
        ([check(Interval(by_seed, above(0)), experiment="bx")], "check 1 reads 'bx', which is no experiment of toy"),
        ([check(Interval(scalar("box", "x", "lyon"), above(0)))], "check 1 reads the arm 'lyon', which box does not have"),
        ([check(Interval(scalar("box", "x", group="arm").only(arm="lyon"), above(0)))], "check 1 reads the arm 'lyon', which box does not have"),
        ([check(Interval(scalar("box", "x", optimizer__lr=0.2), above(0)))], "check 1 reads optimizer.lr = 0.2, a level that box does not have at any scale"),
        ([check(Interval(curve("box", "x", wd=0.2).last(), above(0)))], "check 1 reads wd = 0.2, a level that box does not have at any scale"),
        ([check(Interval(unit("box", "x", noise="loud"), above(0)))], "check 1 reads noise = loud, a level that box does not have at any scale"),
        ([check(Interval(scalar("box", "x", optimizer__lrr=0.1), above(0)))], "check 1 reads at a level of 'optimizer.lrr', which is no axis of box"),
        ([check(Interval(curve("box", "x", lrr=0.1).last(), above(0)))], "check 1 reads at a level of 'lrr', which is no axis of box"),
        ([check(Interval(scalar("box", "x", group="width"), above(0)))], "check 1 makes units or groups by 'width', which is no axis of box"),
        ([check(Interval(curve("box", "x", over="sed").last(), above(0)))], "check 1 makes units or groups by 'sed', which is no axis of box"),
        ([check(Exact([slope("box", x="optimizer.lrr", y="gap/last") <= 0]))], "check 1 reads 'optimizer.lrr', which is no axis of box"),
        ([check(Interval(difference(scalar("box", "x", group="arm"), scalar("box", "x", group="wd")), above(0)))], "check 1 pairs groups by arm with groups by wd, which never match"),
        ([check(Interval(ACCURACY.mean("wd"), above(0)))], "check 1 puts values together over wd, which make neither units nor groups of them"),
        ([check(Count([ACCURACY > 0], undecided=[scalar("bx", "x") > 0]))], "check 1 reads 'bx', which is no experiment of toy"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line(checks, line):
    assert line in told(*checks)
    assert len([text for text in told(*checks) if text == line]) == 1


def test_doubles_among_claims_and_several_problems_are_all_told():
    assert told(claims=[*CLAIMS, *CLAIMS]) == ["claim C1 stands there twice"]
    found = told(check(Interval(scalar("bx", "x"), above(0)), serves=["C2"], gate=["1"]), check(UP, "2", gate=["3"]))
    assert found == [
        "check 1 serves 'C2', which is no claim", "check 1 reads 'bx', which is no experiment of toy",
        "check 2 has the gate '3', which is no check", "checks wait for each other: 1 -> 1",
    ]  # fmt: skip


def test_bounds_that_are_shown_demand_nothing():
    assert (
        told(
            check(Report([Condition(ACCURACY, Bound())]), "1"),
            check(Exact([ACCURACY >= 0, ACCURACY <= 1]), "2"),
        )
        == []
    )
    assert at_least(0) != above(0)


def test_further_looks_never_come_to_the_seeds_of_a_selection():
    stage = {"over": {"optimizer.momentum": [0.0, 0.5]}, "by": "val/accuracy", "seeds": {"first": 18, "n": 1}}
    content = {
        "slug": "toy",
        "experiments": {
            "box": {
                "fix": {"module": "classifier", "optimizer": "sgd"}, "select": [stage],
                "scales": {"smoke": {}, "desk": {"seeds": {"first": 1, "n": 5}}},
            }
        },
    }  # fmt: skip
    study = Study.parse(content, "toy")
    line = "check 1 may come to seed 18 of box (desk), which is one of its selection"
    up = Interval(scalar("box", "test/accuracy"), above(0))
    assert problems(CLAIMS, [check(up)], study) == [line]
    assert problems(CLAIMS, [check(up, looks=2)], study) == []


@pytest.mark.parametrize(
    ("lists", "line"),
    [
        ({"CLAIMS": []}, "there is no list CHECKS"),
        ({"CLAIMS": [], "CHECKS": {}}, "CHECKS is a dict, where a list is needed"),
        ({"CLAIMS": ["C1"], "CHECKS": []}, "CLAIMS[0] is a str, where a Claim is needed"),
        ({"CLAIMS": [], "CHECKS": [[check(UP)]]}, "CHECKS[0] is a list, where a Check is needed"),
        ({"CLAIMS": [], "CHECKS": [check(UP, 1)]}, "check 1: an id is a text, without spaces around it"),
        ({"CLAIMS": [], "CHECKS": [check(UP, "1 ")]}, "check '1 ': an id is a text, without spaces around it"),
    ],
)
def test_the_lists_of_a_paper_hold_claims_and_checks(lists, line):
    assert malformed.lists(types.SimpleNamespace(**lists)) == [line]
