"""One run over two nodes: a process on each, one record, the numbers of one process, and exact resume after a requeue."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
from checkout import wait_for

from assay.records.store import decode

pytestmark = pytest.mark.slow

MODULE = '''"""A classifier that takes its time."""

import time

from assay.classifier import ClassifierModule
from assay.module import modules


@modules.register("walk_one/slow")
class Slow(ClassifierModule):
    """The plain classifier.

    Args:
        nap: seconds after a step.
    """

    block_steps = 10

    def __init__(self, *, nap: float = 0.0):
        super().__init__()
        self.nap = nap

    def after_step(self, step):
        time.sleep(self.nap)
'''

CONFIG = """slug: walk_one
experiments:
  walk:
    about: "a classifier on two nodes"
    fix:
      module: walk_one/slow
      data: tabular_sklearn
      data.table: iris
      data.val: 0.2
      model: mlp
      model.hidden: [5]
      loss: cross_entropy
      optimizer: adamw
      schedule: cosine
      budget.epochs: 10
      budget.batch: 9
    scales:
      smoke: {}
      desk: {fix: {module.nap: NAP, trainer.nodes: 2}}
"""


@pytest.fixture
def spread(site):
    def prepare(nap: float):
        (site.root / "papers/walk_one/module.py").write_text(MODULE, encoding="utf-8")
        (site.root / "papers/walk_one/claims.py").write_text(
            '"""None."""\n\nCLAIMS = []\nCHECKS = []\n', encoding="utf-8"
        )
        (site.root / "conf/paper/walk_one.yaml").write_text(CONFIG.replace("NAP", str(nap)), encoding="utf-8")
        site.profile()
        return site

    return prepare


def the_record(site, folder="outputs"):
    (path,) = (site.root / folder / "walk_one" / "records").glob("*.jsonl")
    return decode(path.read_bytes())


def test_a_run_over_two_nodes_is_one_record_with_the_numbers_of_one_process(spread):
    site = spread(0.0)
    result = site.slurm()
    assert result.returncode == 0, result.stderr
    two = the_record(site)
    assert two.status == "done" and two.provenance["processes"] == 2
    (row,) = site.rows()
    job = site.cluster.ended(row["task"])
    assert "NumNodes=2" in job and "JobState=COMPLETED" in job
    local = site.run("assay", "reproduce", "walk_one", "trainer.nodes=1", ASSAY_OUTPUTS=str(site.root / "beside"))
    assert local.returncode == 0, local.stderr
    one = the_record(site, "beside")
    assert two.scalars == pytest.approx(one.scalars, rel=1e-4)
    assert two.curves["train/loss"]["value"] == pytest.approx(one.curves["train/loss"]["value"], rel=1e-4)


def test_requeued_in_the_middle_it_goes_on_with_the_same_numbers(spread):
    site = spread(0.1)  # 15 s
    sweep = site.start_slurm()
    wait_for(site.checkpoints)
    site.cluster.ask("scontrol", "requeue", *site.cluster.tasks("R"))
    _, err = sweep.communicate(timeout=180)
    assert sweep.returncode == 0, err
    again = the_record(site)
    assert len([note for note in site.notes() if "begin" in note]) == 2
    straight = site.slurm("--again")
    assert straight.returncode == 0, straight.stderr
    assert the_record(site).scalars == again.scalars
    assert the_record(site).curves == again.curves


def followers(site):
    """Processes of this cluster's second rank."""
    marks = {b"SLURM_PROCID=1", f"SLURM_CONF={site.cluster.folder}/slurm.conf".encode()}
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and marks <= {*(folder / "environ").read_bytes().split(b"\0")}:
                found.append(int(folder.name))
    return found


def test_a_process_that_is_lost_takes_the_run_to_another_try(spread):
    site = spread(0.1)
    sweep = site.start_slurm()
    wait_for(site.checkpoints)
    lost = followers(site)
    assert lost
    for pid in lost:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _, err = sweep.communicate(timeout=180)
    assert sweep.returncode == 0, err
    assert the_record(site).status == "done"
    assert len([note for note in site.notes() if "begin" in note]) == 2
