"""A matrix of parts is a study like any other: plan, records, page."""

from __future__ import annotations

import pytest

from assay.app.cross import SLUG, matrix
from assay.errors import UserError
from assay.registry import KINDS
from assay.run import execute
from assay.study.session import Session, write_report

SMALL = ("data.table=iris", "model.hidden=[4]", "budget.epochs=2")


def test_a_matrix_runs_and_has_a_page(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_REPORTS", str(tmp_path / "reports"))
    study = matrix([*SMALL, "loss=cross_entropy,ldr_kl", "optimizer=sgd,lion_k"], seeds=2)
    session = Session(SLUG, "desk", made=study, outputs=tmp_path / "outputs")
    plan = session.plan()
    cells = {(run.config["loss"]["name"], run.config["optimizer"]["name"]) for run in plan.runs.values()}
    assert len(plan.runs) == 8
    assert len(cells) == 4
    for run in plan.runs.values():
        assert execute.execute(run.config, session.store).status == "done"
    write_report(session, strict=False)
    page = (session.report_folder / "index.html").read_text(encoding="utf-8")
    assert "ldr_kl" in page
    assert "lion_k" in page


def test_all_losses_are_the_default():
    plan = Session(SLUG, "desk", made=matrix(SMALL, seeds=1)).plan()
    assert {run.config["loss"]["name"] for run in plan.runs.values()} == {part.name for part in KINDS["loss"]}


def test_a_matrix_of_one_is_refused():
    with pytest.raises(UserError, match="nothing varies"):
        matrix([*SMALL, "loss=cross_entropy", "optimizer=sgd"], seeds=1)
