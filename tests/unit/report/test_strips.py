"""Drawn checks show what their verdicts say."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.claims import above, at_most, between
from assay.report import strips


def positions(svg, kind):
    """x positions of the marks of a class."""
    found = re.findall(rf'class="{kind}"[^>]*?(?:cx|x1|x)="([\d.]+)"', svg)
    return [float(x) for x in found]


def check(kind, details, threshold="", verdict="reproduced"):
    return {"kind": kind, "details": details, "threshold": threshold, "verdict": verdict}


@given(
    st.floats(-1e12, 1e12),
    st.floats(-1e12, 1e12) | st.just(math.inf),
    st.sampled_from([above, at_most, lambda x: between(x, x + 1 + abs(x))]),
)
def test_the_dot_lies_inside_the_region_exactly_if_the_bound_holds(value, threshold, make):
    if math.isinf(threshold):
        threshold = 1e-9
    bound = make(float(f"{threshold:g}"))
    svg = str(strips.line(value, None, f"gap {bound}", "reproduced"))
    (dot,) = positions(svg, "dot")
    start = float(re.search(r'class="region" x="([\d.]+)"', svg)[1])
    stop = start + float(re.search(r'class="region"[^>]*width="([\d.]+)"', svg)[1])
    assert strips.LEFT <= dot <= strips.RIGHT
    if bound.holds(value):
        assert start - 0.2 <= dot <= stop + 0.2
    elif bound.excess(value) > 0:
        # numbers that round to the same tenth of a pixel may touch the edge, never lie deep inside
        assert not start + 0.2 < dot < stop - 1.2


def test_positive_numbers_far_apart_are_drawn_on_a_logarithmic_scale():
    svg = str(strips.line(3e-9, None, "gap <= 1e-06", "reproduced"))
    assert "logarithmic" in svg
    assert positions(svg, "edge")[0] - positions(svg, "dot")[0] > 50
    assert "logarithmic" not in str(strips.line(0.0, None, "gap <= 1e-06", "reproduced"))


def test_an_interval_spans_its_ends():
    svg = str(strips.line(0.5, [0.25, 0.75], "x > 0", "reproduced"))
    low, high = positions(svg, "cap")
    (dot,) = positions(svg, "dot")
    assert low < dot < high and dot - low == pytest.approx(high - dot, abs=0.2)
    assert "95 % interval 0.25 to 0.75" in svg


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", None])
def test_what_is_no_number_is_drawn_or_left_out_but_never_fails(value):
    svg = str(strips.line(value, None, "x <= 1", "refuted"))
    assert svg == "" if value is None else "nan" not in svg.lower().replace("number", "").replace("not a", "")


@pytest.mark.parametrize(("k", "n"), [(0, 1), (19, 20), (44, 44)])
def test_one_square_a_unit(k, n):
    svg = str(strips.squares(k, n, n, "reproduced"))
    assert svg.count('class="pass"') == k and svg.count('class="miss"') == n - k


def test_many_units_are_a_bar():
    svg = str(strips.squares(300, 400, 350, "refuted"))
    assert svg.count("<rect") == 2
    widths = [float(w) for w in re.findall(r'<rect[^>]*width="([\d.]+)"', svg)]
    assert widths[1] / widths[0] == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(
    ("threshold", "n", "need"),
    [
        ("gap <= 1 in >= 18", 20, 18),
        ("gap <= 1 in every unit", 5, 5),
        ("gap <= 1 in >= 0.9", 20, 18),
        ("x in >= 0.5", 5, 3),
    ],
)
def test_how_many_are_needed(threshold, n, need):
    assert strips.needed(threshold, n) == need


def test_a_failing_number_comes_first():
    details = [
        {"name": "fine", "value": 0.0, "bound": "<= 1", "holds": True},
        {"name": "bad", "value": 2.0, "bound": "<= 1", "holds": False},
    ]
    assert [s.name for s in strips.of_check(check("exact", details, verdict="refuted"))] == ["bad", "fine"]


def test_an_undecided_interval_is_not_drawn_as_refuted():
    details = [{"name": "", "value": 0.1, "interval": [-1, 1], "n": 3, "holds": False}]
    (strip,) = strips.of_check(check("interval", details, "d > 0", "inconclusive"))
    assert 'class="strip inconclusive"' in strip.svg
    details[0]["interval"] = [-2, -1]
    (strip,) = strips.of_check(check("interval", details, "d > 0", "refuted"))
    assert 'class="strip refuted"' in strip.svg


def test_an_untested_check_is_grey_whatever_its_number():
    details = [{"name": "", "k": 0, "n": 1, "holds": False}]
    (strip,) = strips.of_check(check("count", details, "x > 0 in every unit", "untested"))
    assert 'class="strip untested"' in strip.svg


def test_every_real_check_has_strips(verdicts):
    for row in verdicts["checks"]:
        found = strips.of_check(row)
        assert len(found) == len(row["details"])
        assert all('role="img" aria-label="' in s.svg for s in found if s.svg)
