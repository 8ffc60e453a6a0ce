"""Numbers, bounds and durations read as people write them."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.claims import Bound, above, at_least, at_most, below, between
from assay.report import wording
from assay.review.verdicts import bound_of

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.03124, "0.0312"),
        (1240, "1,240"),
        (2.1e-7, "2.1 × 10⁻⁷"),
        (1e-6, "10⁻⁶"),
        (-0.5, "−0.5"),
        (0.999, "0.999"),
        (123456.0, "123,456"),
        (-3e12, "−3 × 10¹²"),
        (0.0, "0"),
        ("inf", "∞"),
        ("nan", "not a number"),
        (None, "–"),
        (True, "yes"),
        ("relu", "relu"),
    ],
)
def test_numbers(value, text):
    assert wording.number(value) == text


@given(st.floats(-1e300, 1e300))
def test_a_number_keeps_three_digits(x):
    plain = wording.number(x).replace("−", "-").replace(",", "")
    mantissa, times, power = plain.partition("10" if plain.startswith("10") and plain[-1] in "⁰¹²³⁴⁵⁶⁷⁸⁹" else " × 10")
    exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    value = float(f"{mantissa or 1}e{exponent}") if times else float(plain)
    assert math.isclose(value, x, rel_tol=6e-3, abs_tol=1e-300)


@pytest.mark.parametrize(
    ("bound", "words", "signs"),
    [
        (at_most(1e-6), "at most 10⁻⁶", "≤ 10⁻⁶"),
        (at_least(0.9), "at least 0.9", "≥ 0.9"),
        (above(0), "above 0", "> 0"),
        (below(-1.5), "below −1.5", "< −1.5"),
        (between(0.99, 1.01), "at least 0.99 and at most 1.01", "≥ 0.99 and ≤ 1.01"),
        (between(38, 38), "exactly 38", "= 38"),
        (Bound(), "", ""),
    ],
)
def test_bounds(bound, words, signs):
    assert (wording.demand(bound), wording.signs(bound)) == (words, signs)


@given(FINITE, FINITE, st.booleans())
def test_a_bound_comes_back_from_its_form(low, high, strict):
    bound = Bound(low, high, strict)
    assert bound_of(json.loads(json.dumps(bound.form()))) == bound


def test_what_is_asked_is_said_with_every_rule(ruled):
    asked = {row["id"]: wording.asked(row) for row in ruled["checks"]}
    assert asked["any"] == "lead > 0.05 in some group"
    assert asked["some"] == "accuracy > 0.87 in ≥ 1 groups, refuted by ≥ 3"
    assert asked["margin"] == "accuracy ≥ 0.876, interval ≥ 0.856"
    assert asked["mean alone"] == "mean of accuracy ≥ 0.87"
    assert asked["against"] == "lead > 0.2; refuted where < 0.1"
    assert asked["missing"] == "log excess < 0; up to 50 % of the units may be undefined"
    assert asked["few, against"] == "≥ 0.861 in ≥ 5 units; refuted where at most 2 units pass"
    assert asked["problems"] == "≤ 1.5 × 10⁻⁴ in ≥ 90 % of the units"
    assert asked["two conditions"] == "lead > 0; accuracy ≥ 0.9 in some group, interval > −0.001; ≥ 0.899"
    assert asked["exact"] == "conjugate ≤ 10⁻⁶; increase = 0"
    assert asked["learns"] == "mean of accuracy > 0.9"


def test_a_mark_names_its_scale_and_a_claim_how_many_of_its_checks_hold():
    assert wording.mark("refuted", "desk") == "refuted at desk scale" and wording.mark(None, "desk") == "report only"
    assert [wording.held(pair) for pair in ([2, 3], [1, 1], [0, 1], [0, 0])] == [
        "2 of 3 checks hold",
        "1 of 1 check holds",
        "0 of 1 check hold",
        "no check of it gives a verdict",
    ]
    assert wording.stands_for({"scale": "desk", "stands_for": "a toy for ImageNet"}) == "desk scale: a toy for ImageNet"
    assert wording.stands_for({"scale": "desk"}) == ""


@pytest.mark.parametrize(
    ("verdict", "looks", "text"),
    [
        ("reproduced", {"taken": 1, "units": [5, 10, 20]}, "look 1 of 3, 5 seeds"),
        ("refuted", {"taken": 2, "units": [5, 10, 20]}, "decided at look 2 of 3, 10 seeds"),
        ("inconclusive", {"taken": 0, "units": [5, 10, 20]}, "look 1 of 3, 5 seeds: not complete"),
        (
            "inconclusive",
            {"taken": 1, "units": [5, 10, 20], "next": {"units": 10, "reads": []}},
            "look 1 of 3, 5 seeds; next: 10 seeds",
        ),
        (
            "inconclusive",
            {"taken": 1, "units": [5, 10, 20], "ends": "hopeless"},
            "look 1 of 3, 5 seeds; no further look: hopeless",
        ),
        ("inconclusive", {"taken": 1, "units": [5, 10, 20], "ends": "a note"}, "look 1 of 3, 5 seeds; no further look"),
        ("inconclusive", {"taken": 3, "units": [5, 10, 20]}, "look 3 of 3, 20 seeds; it was the last"),
        ("inconclusive", None, ""),
    ],
)
def test_looks(verdict, looks, text):
    row = {"verdict": verdict, "unit": "seed", "note": "a note", **({"looks": looks} if looks else {})}
    assert wording.look(row) == text
    assert wording.look({**row, "unit": "sitting"}) == text.replace("seed", "sitting")


@pytest.mark.parametrize(
    ("verdict", "shares", "text"),
    [
        ("reproduced", (0.93, 0.0, 0.07), "decide the same way in 93 %, stay open in 7 %"),
        ("refuted", (0.02, 0.9, 0.08), "decide the same way in 90 %, reproduce it in 2 %, stay open in 8 %"),
        ("inconclusive", (0.5, 0.0, 0.5), "stay open, too, in 50 %, reproduce it in 50 %"),
        ("reproduced", (0.996, 0.0, 0.004), ""),
        ("untested", (0.5, 0.0, 0.5), ""),
    ],
)
def test_how_often_another_draw_ends_otherwise(verdict, shares, text):
    row = {"verdict": verdict, "again": dict(zip(("reproduced", "refuted", "open"), shares, strict=True))}
    assert wording.again(row) == (f"another draw of these looks would {text}" if text else "")
    assert wording.again({"verdict": verdict}) == ""


def test_the_headline_of_a_count_is_the_group_that_decides(ruled):
    rows = {row["id"]: row for row in ruled["checks"]}
    assert wording.measured(rows["in some group"]) == "10 of 10"
    assert min(d["k"] for d in rows["in some group"]["details"]) == 0
    assert wording.measured(rows["every seed"]) == "5 of 5" and wording.measured(rows["problems"]) == "10 of 20"


def test_an_interval_is_called_by_its_level(ruled):
    called = {row["id"]: wording.coverage(row) for row in ruled["checks"]}
    assert called["two"] == "98.05 % interval" and called["any"] == "99.51 % interval"
    assert called["between"] == "90 % interval" and called["every seed"] == "95 % interval"


def test_what_is_wrong_beyond_the_claims_is_said(ruled, verdicts):
    assert wording.warnings(verdicts) == []
    assert wording.warnings(ruled, ["box/lion"]) == [
        "a check of the code failed: code",
        "1 check could not be judged: broken",
        "results older than the code: box/lion",
    ]
    (line,) = wording.warnings(verdicts, [f"net/{i}" for i in range(9)])
    assert line == "results older than the code: net/0, net/1, net/2, net/3 and 5 more"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.012, "12 ms"),
        (4.21, "4.2 s"),
        (99, "99 s"),
        (720, "12 min"),
        (12600, "3.5 h"),
        (3e5, "3.5 days"),
        (None, "–"),
    ],
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text


def test_a_configuration_is_flattened_with_part_names_at_their_keys():
    nested = {"optimizer": {"name": "lion", "lr": 0.1, "kappa": {"name": "l1"}}, "budget": {"steps": 3}, "seed": 1}
    assert wording.flat(nested) == {
        "optimizer": "lion",
        "optimizer.lr": 0.1,
        "optimizer.kappa": "l1",
        "budget.steps": 3,
        "seed": 1,
    }
    assert wording.flat(wording.flat(nested)) == wording.flat(nested)


def test_ids_sort_as_people_count():
    assert sorted(["C10", "C9", "C1a"], key=wording.natural) == ["C1a", "C9", "C10"]


def test_every_verdict_has_its_own_sign():
    for signs in (wording.SYMBOLS, wording.EMOJI):
        assert len({signs[verdict] for verdict in wording.VERDICTS}) == len(wording.VERDICTS)
