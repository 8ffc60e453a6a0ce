"""One run on two processes: the numbers of one process up to rounding, exact resume, one record, and clear refusals."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys

import pytest
import torch
from small_run import config_of

from assay.app.attest import compare
from assay.config import compose
from assay.errors import UserError
from assay.records.store import Store
from assay.run import execute, team


def spread_of(**more):
    """A loss without memory of samples; the last batch of an epoch is smaller, and neither can be halved."""
    return config_of(**{"loss": "cross_entropy", "budget__epochs": 6, "budget__batch": 9, **more})


@pytest.fixture(scope="module", autouse=True)
def _load():
    compose.load(None)


@pytest.fixture
def store(tmp_path):
    return Store("p", tmp_path)


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one_and_resume_exactly(store, tmp_path):
    one = execute.execute(spread_of(), store)
    two = execute.execute(spread_of(trainer__devices=2), store)
    assert one.status == two.status == "done", two.failure
    assert two.provenance["processes"] == 2 and one.signature != two.signature
    torch.testing.assert_close(two.curves["train/loss"]["value"], one.curves["train/loss"]["value"], rtol=1e-4, atol=0)
    assert two.scalars == pytest.approx(one.scalars, rel=1e-4)

    beside, asked = Store("p", tmp_path / "beside"), []
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    tell = lambda done, total: os.kill(os.getpid(), signal.SIGTERM) if done > 20 and not asked else None  # noqa: E731
    try:
        with pytest.raises(execute.Interrupted):
            execute.execute(spread_of(trainer__devices=2), beside, execute.Hooks(lambda: bool(asked), tell))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert beside.read(two.signature) is None
    assert compare(two, execute.execute(spread_of(trainer__devices=2), beside)) == ""


@pytest.mark.slow
def test_a_finished_run_sends_the_others_away(store):
    first = execute.execute(spread_of(trainer__devices=2), store)
    hooks = execute.Hooks()
    assert execute.execute(spread_of(trainer__devices=2), store, hooks) == first and not hooks.computed


@pytest.mark.slow
def test_a_lost_process_is_said_to_be_lost(store, monkeypatch):
    started = []
    start = team._start
    monkeypatch.setattr(team, "_start", lambda *words: started.append(start(*words)) or started[-1])
    hooks = execute.Hooks(progress=lambda done, total: started[0].kill() if done > 20 else None)
    record = execute.execute(spread_of(trainer__devices=2), store, hooks)
    assert record.failure["class"] == "node" and "was lost" in record.failure["message"]


def test_what_cannot_be_spread_is_refused(store):
    with pytest.raises(UserError, match=r"runs over several nodes need --launcher slurm"):
        execute.execute(spread_of(trainer__nodes=2), store)
    with pytest.raises(UserError, match=r"expected a number of devices"):
        spread_of(trainer__devices=0)
    stateful = spread_of(loss="aldr_kl", trainer__devices=2)
    with pytest.raises(UserError, match=r"runs on one device with these parts"):
        execute.execute(stateful, store, execute.Hooks(interactive=True))


def test_one_process_is_the_same_run_as_before_there_were_several():
    config = spread_of()
    bare = {**config, "trainer": {k: v for k, v in config["trainer"].items() if k not in ("nodes", "devices")}}
    assert compose.signature(bare) == compose.signature(config)
    assert compose.processes(bare["trainer"]) == (1, 1)


def test_processes_that_do_not_come_are_a_lost_node(store, monkeypatch):
    monkeypatch.setattr(team, "PATIENCE", datetime.timedelta(seconds=1))
    monkeypatch.setattr(team, "_start", lambda *words: subprocess.Popen([sys.executable, "-c", ""]))
    record = execute.execute(spread_of(trainer__devices=2), store)
    assert record.status == "failed" and record.failure["class"] == "node"
    assert store.read(record.signature).failure == record.failure
