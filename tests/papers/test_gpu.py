"""The smoke scale on a GPU gives the CPU's numbers, within the precision's tolerance.

Every random number is drawn on the CPU from named seeds, so both devices start from the same networks and batches;
what differs is the order of sums.
"""

from __future__ import annotations

import math

import pytest
import torch

from assay.config import loading
from assay.registry import KINDS
from assay.run import execute
from assay.study.session import Session

TOLERANCE = {"32": 5e-3, "64": 1e-6}
"""Relative to the larger of one and the number, after a smoke run's steps."""

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU"),
]


def runs_of(paper, outputs, overrides):
    """The records of a paper's smoke scale by where they stand in the study."""
    session = Session(paper, "smoke", overrides=overrides, outputs=outputs)
    tried: set[str] = set()
    while todo := session.todo(plan := session.plan(), session.states(plan), tried):
        for run in todo:
            tried.add(run.signature)
            record = execute.execute(run.config, session.store)
            assert record.status == "done", record.failure["traceback"]
    return [(cell, session.store.read(cell.signature)) for cell in plan.cells]


@pytest.mark.parametrize("paper", loading.papers())
def test_smoke_scale_agrees_with_the_cpu(paper, tmp_path):
    on_cpu = runs_of(paper, tmp_path / "cpu", {})
    on_gpu = runs_of(paper, tmp_path / "gpu", {"trainer": "gpu"})
    compared = 0
    for (cell, cpu), (_, gpu) in zip(on_cpu, on_gpu, strict=True):
        if KINDS["module"][cpu.config["module"]["name"]].target.device_free:
            continue
        compared += 1
        tolerance = TOLERANCE[gpu.config["trainer"]["precision"]]
        assert cpu.scalars.keys() == gpu.scalars.keys()
        for name, value in cpu.scalars.items():
            assert math.isclose(gpu.scalars[name], value, rel_tol=tolerance, abs_tol=tolerance) or (
                math.isnan(value) and math.isnan(gpu.scalars[name])
            ), (cell.experiment, cell.arm, name, value, gpu.scalars[name])
    if not compared:
        pytest.skip(f"{paper} computes in numpy; there is nothing to put on a GPU")
