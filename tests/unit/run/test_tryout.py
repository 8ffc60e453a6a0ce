"""Runs are tried out by kind, at full size, and what is missing is made up."""

import json
import sys

import pytest
import torch

from assay.app import cli
from assay.registry import KINDS
from assay.run import tryout
from assay.study.declared import Run
from assay.study.session import Session


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return Session("lion_k", "smoke", outputs=tmp_path_factory.mktemp("outputs")).plan()


def call(monkeypatch, capsys, *words):
    """(exit code, stdout, stderr) of `assay tryout WORDS`, in this process."""
    monkeypatch.setattr(sys, "argv", ["assay", "tryout", *words])
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    out, err = capsys.readouterr()
    return code, out, err


def test_every_run_that_takes_steps_is_of_one_kind(plan):
    kinds = [runs for _, runs in tryout.workloads(plan)]
    found = [run.signature for runs in kinds for run in runs]
    takes_steps = [
        r.signature for r in plan.runs.values() if r.config["budget"]["steps"] or r.config["budget"]["epochs"]
    ]
    assert sorted(found) == sorted(takes_steps)
    for runs in kinds:
        assert len({run.config["module"]["name"] for run in runs}) == 1
        assert len({run.config["budget"]["batch"] for run in runs}) == 1


def net(plan):
    return next(runs for experiment, runs in tryout.workloads(plan) if experiment == "net")


def test_steps_at_full_size_are_timed(plan, tmp_path):
    load = tryout.full_steps("net", net(plan), tmp_path, steps=9)
    assert (load.steps, load.total, load.device, load.mib) == (9, 100, "cpu", None)
    assert load.parameters == 784 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    assert load.milliseconds > 0
    assert load.hours == pytest.approx(load.milliseconds * 100 / 3.6e6)


def test_missing_data_are_made_up_and_the_total_is_that_of_the_real_set(plan, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_OFFLINE", "1")
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    config = net(plan)[0].config
    config = {
        **config,
        "data": KINDS["data"]["cifar10"].defaults(),
        "budget": {"steps": None, "epochs": 2, "batch": 128},
    }
    config["model"] = {**config["model"], "hidden": [8]}
    load = tryout.full_steps("net", [Run("", config)], tmp_path, steps=4)
    assert load.total == 2 * 391  # 50,000 images in batches of 128
    assert load.steps == 1  # what is made up has two batches an epoch; three of four steps warm up


def test_blocks_double_after_the_warm_up():
    assert [block.stop for block in tryout._blocks(20)] == [1, 2, 3, 4, 6, 10, 18, 20]


def test_a_run_that_needs_others_says_so(plan, tmp_path):
    run = Run("", net(plan)[0].config, needs=("x",))
    assert tryout.full_steps("net", [run], tmp_path).note == "needs artefacts of other runs"


def test_command(monkeypatch, capsys):
    code, out, err = call(monkeypatch, capsys, "lion_k", "--scale", "smoke", "-e", "qp", "--steps", "2", "--json")
    assert code == 0, err
    (row,) = json.loads(out)
    assert row["experiment"] == "qp"
    assert row["steps"] == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_the_device_there_is_one_clear_line(monkeypatch, capsys):
    code, _, err = call(monkeypatch, capsys, "lion_k", "--scale", "smoke", "-e", "net", "trainer=gpu")
    assert code == 2
    assert err == "assay: trainer.device=cuda: this machine has no usable GPU (try trainer=cpu)\n"
