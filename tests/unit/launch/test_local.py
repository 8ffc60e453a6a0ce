"""Who may run beside whom on this machine, and what a worker may do that was forked from a busy parent."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from assay.launch import local
from assay.launch.progress import Display
from assay.records import codes
from assay.records.store import Store
from assay.study.declared import Run
from assay.system import places


class Pipe:
    def send(self, message):
        pass


@pytest.fixture
def pool(monkeypatch, tmp_path):
    monkeypatch.setattr(local.Pool, "_start", lambda self: local.Worker(None, Pipe()))
    return local.Pool("toy", tmp_path, 2, clock=Clock())


class Clock:
    """A clock that stands until it is set."""

    now = 1e9

    def __call__(self):
        return self.now


def run(name, kind="net"):
    """A run; its name is its seed, too."""
    return Run(name, {"module": {"name": kind}, "seed": name})


def at_work(pool):
    pool._fill()
    return [worker.run.signature for worker in pool.running]


def finish(pool, *names):
    for worker in [worker for worker in pool.running if worker.run.signature in names]:
        pool._finished(worker, local.Outcome(worker.run.signature, "done"))


def test_while_a_run_measures_times_no_other_is_at_work(pool):
    pool.apart = 0
    pool.queue.append(run("a"))
    assert pool.pause == 0
    pool.queue.clear()
    pool.queue.extend([run("a"), run("b"), run("t", "clock"), run("u", "clock"), run("c")])
    seen = []
    while busy := at_work(pool):
        seen.append(busy)
        finish(pool, busy[0])
    assert seen == [["t"], ["u"], ["a", "b"], ["c", "b"], ["b"]]


def test_sittings_are_a_minute_apart_with_other_work_in_between(pool):
    pool.queue.extend([run("a"), run("b"), run("1", "clock"), run("2", "clock"), run("3", "clock"), run("c"), run("d")])
    assert at_work(pool) == ["1"], "nothing is at work yet"
    pool.clock.now += 10
    finish(pool, "1")
    assert at_work(pool) == ["a", "b"]
    pool.clock.now += 49
    finish(pool, "a")
    assert at_work(pool) == ["c", "b"], "59 s after the first one's beginning"
    pool.clock.now += 1
    finish(pool, "b")
    assert at_work(pool) == ["c"], "the second sitting is due: nothing else begins"
    finish(pool, "c")
    assert pool.pause == 0 and pool.queue, "there is other work"
    assert at_work(pool) == ["2"]
    pool.clock.now += 20
    finish(pool, "2")
    assert at_work(pool) == ["d"]
    finish(pool, "d")
    assert pool.pause == 40 and at_work(pool) == [], "nothing else is left: it waits"
    assert Display(None).text(pool).startswith("0 of 0 done, 0 running, 40 s until the next sitting of a timing")
    pool.clock.now += 40
    assert pool.pause == 0 and at_work(pool) == ["3"]
    finish(pool, "3")
    assert at_work(pool) == [] and pool.pause == 0


def test_timings_of_different_things_need_not_wait_for_each_other(pool):
    pool.queue.extend([run("1", "clock"), run("2", "clock"), run("3", "watch"), run("4", "watch")])
    seen = []
    for _ in range(4):
        busy = at_work(pool)
        seen += [(pool.clock.now - 1e9, name) for name in busy]
        finish(pool, *busy)
        pool.clock.now += 30
    assert seen == [(0, "1"), (30, "3"), (60, "2"), (90, "4")]


def test_a_sweep_that_was_interrupted_keeps_sittings_apart(pool):
    pool.queue.append(run("1", "clock"))
    assert at_work(pool) == ["1"]
    pool.clock.now += 5
    again = local.Pool("toy", pool.outputs, 2, clock=pool.clock)
    again.queue.extend([run("2", "clock"), run("a")])
    assert at_work(again) == ["a"]
    finish(again, "a")
    assert again.pause == 55
    pool.clock.now -= 100
    assert again.pause == 0, "the clock was set back: nobody waits for that"


def test_waiting_for_a_sitting_ends_with_ctrl_c(pool, monkeypatch):
    pool.sittings.begin(run("1", "clock"), pool.clock.now)
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(local.time, "sleep", nap)
    assert pool.run([run("2", "clock")]) == []
    assert pool.stopping and len(naps) == 3


@pytest.mark.parametrize("once", [True, False])
def test_a_run_whose_worker_dies_is_tried_again_or_recorded_as_failed(pool, monkeypatch, once):
    monkeypatch.setattr(codes, "code_of", lambda config, store: "code")
    pool.once = once
    pool.queue.append(run("a"))
    for _ in range(1 if once else 2):
        assert at_work(pool) == ["a"]
        (worker,) = pool.running
        worker.process = SimpleNamespace(join=lambda: None, exitcode=-9)
        pool._buried(worker)
    assert at_work(pool) == []
    (outcome,) = pool.outcomes
    assert outcome.state == "failed" and outcome.message.startswith("oom: the worker died")
    assert Store("toy", pool.outputs).read("a").failure["class"] == "oom"


AFTER_POLARS = """
import sys
from pathlib import Path

import polars as pl

from assay.launch.local import Pool
from assay.study.session import Session

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    runs = list(Session("ensloss", "smoke", experiments=["tables"], outputs=folder).plan().runs.values())[:1]
    pl.DataFrame({"seconds": [1.0]}).write_parquet(folder / "runs.parquet")
    pl.read_parquet(folder / "runs.parquet", columns=["seconds"])
    pool = Pool("ensloss", folder, 1)
    print([outcome.state for outcome in pool.run(runs)])
    pool.close()
"""


def test_a_worker_loads_a_table_though_its_parent_has_read_results(tmp_path):
    """The parent looks up how long earlier runs took; polars' threads, started for that, are not there after a fork."""
    script = tmp_path / "after_polars.py"
    script.write_text(AFTER_POLARS, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, script, tmp_path],
        cwd=places.ROOT,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # a worker that waits for ever would outlive the test
        raise
    assert out == "['done']\n", err
