"""Exponents of power laws; medians of a made-up clock."""

import math

import pytest

from assay.metrics import scaling


@pytest.mark.parametrize("power", [-0.5, 0.0, 1.0, 2.3])
def test_the_exponent_of_a_power_law(power):
    sizes = [10, 30, 100, 1000]
    assert scaling.scaling_exponent(sizes, [3 * n**power for n in sizes]) == pytest.approx(power, abs=1e-12)


def test_one_size_has_no_exponent():
    assert math.isnan(scaling.scaling_exponent([10, 10], [1.0, 2.0]))


def test_the_median_leaves_the_warm_up_out(monkeypatch):
    durations, clock, calls = iter([100.0, 3.0, 1.0, 2.0]), [0.0], []

    def action():
        calls.append(1)
        clock[0] += next(durations)

    monkeypatch.setattr(scaling.time, "perf_counter", lambda: clock[0])
    assert scaling.median_seconds(action, 3) == 2.0
    assert len(calls) == 4
