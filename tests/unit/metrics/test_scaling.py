"""Exponents of power laws; medians of a made-up clock; calls in turns."""

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


def test_turns_come_one_after_another_and_begin_with_calls_that_do_not_count(monkeypatch):
    clock, calls = [0.0], []
    durations = {"a": iter([50.0, 1.0, 1.0, 50.0, 5.0, 9.0]), "b": iter([70.0, 2.0, 3.0, 70.0, 4.0, 80.0])}

    def action(name):
        calls.append(name)
        clock[0] += next(durations[name])

    monkeypatch.setattr(scaling.time, "thread_time", lambda: clock[0])
    actions = {name: lambda name=name: action(name) for name in "ab"}
    assert scaling.medians_in_turns(actions, 2, timed=2, untimed=1) == {"a": 3.0, "b": 3.5}
    assert "".join(calls) == "aaabbb" * 2


def test_waiting_does_not_count():
    found = scaling.medians_in_turns({"wait": lambda: scaling.time.sleep(0.05)}, 1)
    assert found["wait"] < 0.05


def test_every_call_that_counts_is_kept():
    calls = []
    times = scaling.seconds_in_turns({name: lambda name=name: calls.append(name) for name in "ab"}, 1, timed=3)
    assert "".join(calls) == "aaabbb"
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}
    assert scaling.seconds_in_turns({"a": calls.clear}, 1, timed=0, untimed=2) == {"a": []}


def test_the_share_of_a_core_is_of_timed_calls_alone(monkeypatch):
    wall, own, share = [0.0], [0.0], scaling.Share()
    monkeypatch.setattr(scaling.time, "perf_counter", lambda: wall[0])
    monkeypatch.setattr(scaling.time, "thread_time", lambda: own[0])

    def call(seconds, computed):
        wall[0] += seconds
        own[0] += computed

    costs = iter([(50.0, 0.0), (2.0, 2.0), (2.0, 1.0)])  # the first is not timed
    assert math.isnan(share)
    with scaling.told_to(share):
        call(100.0, 0.0)  # set-up
        scaling.medians_in_turns({"": lambda: call(*next(costs))}, 1, timed=2, untimed=1)
        assert (share.computed, share.passed) == (3.0, 4.0)
        with scaling.timing():
            call(4.0, 3.0)
    assert float(share) == 0.75
    with scaling.timing():
        call(1.0, 0.0)  # nobody is told
    assert float(share) == 0.75


def test_a_thread_that_waits_has_less_than_its_core():
    share = scaling.Share()
    with scaling.told_to(share), scaling.timing():
        scaling.time.sleep(0.02)
    assert float(share) < 0.5
