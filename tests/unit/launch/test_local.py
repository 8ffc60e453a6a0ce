"""Who may run beside whom on this machine, and what a worker may do that was forked from a busy parent."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from assay import codes, module, places
from assay.launch import local
from assay.records import Store
from assay.study import Run


class Pipe:
    def send(self, message):
        pass


@pytest.fixture
def pool(monkeypatch, tmp_path):
    parts = {name: SimpleNamespace(target=SimpleNamespace(alone=name == "clock")) for name in ("net", "clock")}
    monkeypatch.setattr(module.modules, "parts", parts)
    monkeypatch.setattr(local.Pool, "_start", lambda self: local.Worker(None, Pipe()))
    return local.Pool("toy", tmp_path, 2)


def run(name, kind="net"):
    return Run(name, {"module": {"name": kind}})


def at_work(pool):
    pool._fill()
    return [worker.run.signature for worker in pool.running]


def finish(pool, name):
    (worker,) = [worker for worker in pool.running if worker.run.signature == name]
    pool._finished(worker, local.Outcome(name, "done"))


def test_a_run_that_measures_times_waits_for_all_others_and_they_for_it(pool):
    pool.queue.extend([run("a"), run("b"), run("t", "clock"), run("u", "clock"), run("c")])
    assert at_work(pool) == ["a", "b"]
    finish(pool, "a")
    assert at_work(pool) == ["b"]
    finish(pool, "b")
    assert at_work(pool) == ["t"]
    finish(pool, "t")
    assert at_work(pool) == ["u"]
    finish(pool, "u")
    assert at_work(pool) == ["c"]


def test_runs_that_measure_times_come_last(pool, monkeypatch):
    seen = []

    def fill(self):
        seen.extend(run.signature for run in self.queue)
        self.queue.clear()

    monkeypatch.setattr(local.Pool, "_fill", fill)
    pool.run([run("a"), run("t", "clock"), run("b")])
    assert seen == ["a", "b", "t"]


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
from assay.reproduce import Session

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
    script.write_text(AFTER_POLARS)
    process = subprocess.Popen(
        [sys.executable, script, tmp_path],
        cwd=places.ROOT,
        text=True,
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
