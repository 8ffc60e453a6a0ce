"""Which runs share a task, and what a task asks for."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.launch.packing import chunks, limits_of, pack
from assay.launch.profiles import Needs, Profile
from assay.study.declared import Run


def run(name, device="cpu", threads=1, module="net"):
    return Run(name, {"module": {"name": module}, "trainer": {"device": device, "threads": threads}})


def packed(runs, profile, seconds=None):
    limits = {r.signature: limits_of(r, profile, Needs(), {}) for r in runs}
    return pack(runs, limits, seconds or {}, profile)


@given(st.integers(1, 300), st.integers(1, 8), st.integers(1, 20), st.one_of(st.none(), st.floats(0.1, 1e4)))
def test_every_run_is_in_exactly_one_task(n, side, tasks, seconds):
    profile = Profile.model_validate({"pack": {"side": side, "tasks": tasks, "runs": 50}})
    runs = [run(str(i)) for i in range(n)]
    known = {} if seconds is None else {r.signature: seconds for r in runs}
    ((_, dealt),) = packed(runs, profile, known)
    assert Counter(name for task in dealt for name in task) == Counter(r.signature for r in runs)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_a_sitting_of_a_timing_is_a_task_of_its_own_and_no_two_run_at_once():
    profile = Profile.model_validate({"pack": {"side": 4}, "cpus": 2})
    sittings = [run(f"t{i}", module="clock") for i in range(3)]
    (_, nets), (kind, tasks) = packed([run("a"), run("b"), *sittings], profile)
    assert [name for task in nets for name in task] == ["a", "b"]
    assert tasks == [["t0"], ["t1"], ["t2"]]
    assert kind.alone and (kind.side, kind.cpus) == (1, 2)


def test_short_runs_share_few_tasks_and_long_ones_do_not():
    profile = Profile.model_validate({"time": 240, "pack": {"side": 2, "tasks": 16, "minutes": 60}})
    runs = [run(str(i)) for i in range(1000)]
    ((_, short),) = packed(runs, profile, {r.signature: 0.5 for r in runs})
    assert len(short) == 4, "250 s of work in tasks of a minute or more"
    ((_, long),) = packed(runs, profile, {r.signature: 3600.0 for r in runs})
    assert len(long) == 500, "an hour's runs, two side by side, fill a task"


def test_tasks_of_a_class_end_together():
    profile = Profile.model_validate({"pack": {"tasks": 2}})
    seconds = {"a": 100.0, "b": 90.0, "c": 60.0, "d": 50.0}
    ((_, dealt),) = packed([run(name) for name in seconds], profile, seconds)
    assert sorted(sum(seconds[name] for name in task) for task in dealt) == [140.0, 160.0]


def test_one_class_for_what_asks_the_same():
    runs = [run("a"), run("b", device="cuda"), run("c", threads=4), run("d")]
    classes = packed(runs, Profile.model_validate({"pack": {"side": 2, "per_gpu": 3}, "memory_gb": 2}))
    assert [(k.cpus, k.gpus, k.memory_gb, k.side, sum(map(len, tasks))) for k, tasks in classes] == [
        (2, 0, 4.0, 2, 2),
        (3, 1, 6.0, 3, 1),
        (8, 0, 4.0, 2, 1),
    ]


def test_limits_grow_with_what_was_too_little_and_no_further_than_allowed():
    profile = Profile.model_validate(
        {
            "time": 60,
            "max_time": 200,
            "memory_gb": 4,
            "max_memory_gb": 20,
            "grow": {"time": 2, "memory": 2},
            "pack": {"side": 3},
        }
    )
    assert limits_of(run("a"), profile, Needs(), {"timeout": 1}).minutes == 120
    assert limits_of(run("a"), profile, Needs(), {"timeout": 5}).minutes == 200
    again = limits_of(run("a"), profile, Needs(), {"oom": 2})
    assert (again.memory_gb, again.side) == (16, 1)
    assert limits_of(run("a"), profile, Needs(), {"oom": 4}).memory_gb == 20
    assert limits_of(run("a"), profile, Needs(time=90, memory_gb=8), {}).minutes == 90


@pytest.mark.parametrize(("n", "most", "sizes"), [(12, 5, [5, 5, 2]), (5, 5, [5]), (3, 1, [1, 1, 1])])
def test_arrays_are_cut(n, most, sizes):
    assert [len(part) for part in chunks(list(range(n)), most)] == sizes
