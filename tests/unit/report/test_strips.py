"""Drawn checks show what their verdicts say."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.claims import above, at_least, at_most, below, between
from assay.report import strips, wording


def positions(svg, kind):
    """x positions of the marks of a class."""
    found = re.findall(rf'class="{kind}"[^>]*?(?:cx|x1|x)="([\d.]+)"', svg)
    return [float(x) for x in found]


def check(kind, details, bound=None, verdict="reproduced", **form):
    conditions = [{"name": "x", "bound": bound.form()}] if bound else []
    return {"kind": kind, "details": details, "verdict": verdict, "form": {"conditions": conditions, **form}}


@given(
    st.floats(-1e12, 1e12),
    st.floats(-1e12, 1e12) | st.just(math.inf),
    st.sampled_from([above, at_most, lambda x: between(x, x + 1 + abs(x))]),
)
def test_the_dot_lies_inside_the_region_exactly_if_the_bound_holds(value, threshold, make):
    if math.isinf(threshold):
        threshold = 1e-9
    bound = make(threshold)
    svg = str(strips.line(value, bound, "reproduced"))
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
    svg = str(strips.line(3e-9, at_most(1e-6), "reproduced"))
    assert "logarithmic" in svg
    assert positions(svg, "edge")[0] - positions(svg, "dot")[0] > 50
    assert "logarithmic" not in str(strips.line(0.0, at_most(1e-6), "reproduced"))


def test_an_interval_spans_its_ends():
    svg = str(strips.line(0.5, above(0), "reproduced", [0.25, 0.75], "98.05 % interval"))
    low, high = positions(svg, "cap")
    (dot,) = positions(svg, "dot")
    assert low < dot < high and dot - low == pytest.approx(high - dot, abs=0.2)
    assert "98.05 % interval 0.25 to 0.75" in svg


def test_a_margin_is_an_edge_of_its_own():
    """The registered bound of a comparison with a margin, and the one that its interval must keep."""
    details = [{"name": "", "value": 0.0066, "interval": [0.0027, 0.0105], "holds": True, "verdict": "reproduced"}]
    (strip,) = strips.of_check(check("interval", details, at_least(-0.003), margin=0.002))
    ((edge,), (limit,)) = positions(strip.svg, "edge"), positions(strip.svg, "limit")
    (zero,) = positions(strip.svg, "dot")
    assert limit < edge < zero and ">−0.003<" in strip.svg and ">−0.005<" in strip.svg
    assert strip.demand == "mean at least −0.003, interval at least −0.005"
    assert positions(strip.svg, "margin")[0] < positions(strip.svg, "region")[0] == edge
    (strip,) = strips.of_check(check("interval", details, at_least(-0.003), margin="any"))
    assert positions(strip.svg, "limit") == [] and strip.demand == "mean at least −0.003"


def test_a_region_that_refutes_is_drawn_and_said():
    details = [{"name": "", "value": 0.1, "interval": [0.0, 0.2], "holds": False, "verdict": "inconclusive"}]
    asked = check("interval", details, above(0), verdict="inconclusive", against=below(0.002).form())
    (strip,) = strips.of_check(asked)
    assert 'class="against"' in strip.svg and strip.demand == "above 0; refuted below 0.002"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", None])
def test_what_is_no_number_is_drawn_or_left_out_but_never_fails(value):
    svg = str(strips.line(value, at_most(1), "refuted"))
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


def test_what_is_needed_is_what_the_check_says():
    row = {"name": "", "k": 18, "n": 20, "need": 18, "holds": True, "verdict": "reproduced"}
    few = {"name": "", "k": 3, "n": 3, "need": 3, "holds": False, "verdict": "inconclusive"}
    assert [s.demand for s in strips.of_check(check("count", [row]))] == ["needs 18 of 20"]
    (strip,) = strips.of_check(check("count", [few], verdict="inconclusive"))
    assert strip.demand == "needs all 3; so many are not rare under the toss of a coin"
    assert 'class="strip inconclusive"' in strip.svg


def test_a_failing_number_comes_first():
    bound = at_most(1).form()
    details = [
        {"name": "fine", "value": 0.0, "bound": bound, "holds": True},
        {"name": "bad", "value": 2.0, "bound": bound, "holds": False},
    ]
    assert [s.name for s in strips.of_check(check("exact", details, verdict="refuted"))] == ["bad", "fine"]


@pytest.mark.parametrize("verdict", ["inconclusive", "refuted"])
def test_a_group_is_drawn_as_it_was_judged(verdict):
    details = [{"name": "", "value": 0.1, "interval": [-1, 1], "n": 3, "holds": False, "verdict": verdict}]
    (strip,) = strips.of_check(check("interval", details, above(0), verdict))
    assert f'class="strip {verdict}"' in strip.svg


def test_an_untested_check_is_grey_whatever_its_number():
    details = [{"name": "", "k": 0, "n": 1, "need": 1, "holds": False, "verdict": "refuted"}]
    (strip,) = strips.of_check(check("count", details, verdict="untested"))
    assert 'class="strip untested"' in strip.svg


def test_the_number_that_is_shown_first_is_the_one_that_is_drawn(verdicts, ruled):
    """Where some groups need not hold, the one that decides is shown, not the worst."""
    for row in [*verdicts["checks"], *ruled["checks"]]:
        drawn = strips.headline(row)
        if row["measured"] is not None and row["kind"] != "count":
            assert drawn.text.startswith(wording.number(row["measured"])), row["id"]
        elif row["kind"] == "count" and row["details"]:
            assert drawn.text == wording.measured(row)
    rows = {row["id"]: strips.headline(row) for row in ruled["checks"]}
    assert rows["some"].name == "optimizer.weight_decay=1.0" and rows["broken"] is None


def test_every_real_check_has_strips(verdicts, ruled):
    for row in [*verdicts["checks"], *ruled["checks"]]:
        found = strips.of_check(row)
        assert len(found) == len(row["details"])
        assert all('role="img" aria-label="' in s.svg for s in found if s.svg)
