"""Times of last crossing: against closed forms and the definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.metrics.crossing import at_time, last_crossing


def test_power_law_is_crossed_where_it_is():
    # A power law is a straight line in log-log, so the interpolation is exact between any two logged steps.
    steps = [1, 7, 50, 800, 10_000]
    assert last_crossing(steps, [5 * s**-0.5 for s in steps], 0.2) == pytest.approx(625)


def test_step_zero_counts_as_half_a_step():
    # From 1 at step 0 (drawn at 0.5) to 0.01 at step 2: the level 0.1 is half way in both logarithms.
    assert last_crossing([0, 2], [1.0, 0.01], 0.1) == pytest.approx(1.0)


def test_only_the_last_of_several_crossings_counts():
    steps, values = [1, 10, 100, 1000], [1.0, 0.01, 1.0, 0.01]
    assert last_crossing(steps, values, 0.1) == pytest.approx(math.sqrt(100 * 1000))


def test_ends():
    assert last_crossing([0, 1, 2], [0.1, 0.1, 0.1], 0.2) == 0.5
    assert last_crossing([0, 1, 2], [0.1, 0.1, 0.3], 0.2) == math.inf
    assert last_crossing([0, 1, 2], [0.1, math.nan, 0.1], 0.2) == 2.0
    assert last_crossing([0, 1, 2], [0.1, 0.1, math.nan], 0.2) == math.inf
    assert last_crossing([1, 4], [1.0, 0.0], 0.2) == 1.0
    assert last_crossing([], [], 0.2) == math.inf
    with pytest.raises(ValueError, match="one length"):
        last_crossing([1, 2], [1.0], 0.2)


def test_a_level_that_is_touched_from_the_near_side_is_not_passed():
    assert last_crossing([1, 2, 4], [1.0, 0.2, 0.2], 0.2) == math.inf
    # ... while a rising curve has arrived when it is at its level.
    assert last_crossing([1, 2, 4], [0.0, 0.9, 0.9], 0.9, rising=True) == pytest.approx(2.0)


def test_rising_curves_are_interpolated_linearly():
    assert last_crossing([10, 1000], [0.0, 1.0], 0.5, rising=True) == pytest.approx(100)
    assert last_crossing([10, 1000], [1.0, 0.0], 0.5, rising=True) == math.inf


curves = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=30)


@given(curves, st.floats(1e-5, 1e5))
def test_the_time_lies_where_the_definition_says(values, level):
    steps = np.arange(len(values)) * 3
    time = last_crossing(steps, values, level)
    before = [s for s, v in zip(steps, values, strict=True) if v >= level]
    if values[-1] >= level:
        assert time == math.inf
    elif not before:
        assert time == 0.5
    else:
        assert max(before[-1], 0.5) <= time * (1 + 1e-12)
        assert time <= (before[-1] + 3) * (1 + 1e-12)


@given(curves, st.floats(1e-5, 1e5), st.floats(1e-3, 1e3))
def test_the_unit_of_the_loss_does_not_matter(values, level, unit):
    steps = np.arange(len(values)) + 1
    scaled = last_crossing(steps, [v * unit for v in values], level * unit)
    time = last_crossing(steps, values, level)
    # Rounding can move a value that equals the level to its other side.
    if not any(math.isclose(v, level, rel_tol=1e-9) for v in values):
        assert scaled == time or scaled == pytest.approx(time, rel=1e-6)


def test_values_between_logged_steps():
    assert at_time([1, 100], [0.0, 1.0], 10) == pytest.approx(0.5)
    assert at_time([0, 8], [3.0, 4.0], 0.5) == 3.0
    assert math.isnan(at_time([1, 100], [0.0, 1.0], 101))
    assert math.isnan(at_time([1, 100], [0.0, 1.0], math.inf))
    assert at_time([2, 9, 100], [1.0, 5.0, 9.0], last_crossing([2, 9, 100], [1.0, 0.1, 0.1], 0.1 + 1e-12)) > 4.9
