"""Publishing again: committed tables are judged and drawn as the code is now, and stay what they are."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

from assay.errors import UserError
from assay.report import publish
from assay.report.publish import publish_again
from assay.study import session as reproduce
from assay.study.session import Session
from assay.system import places

PAPER = "mfac"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The committed results of a paper in a checkout where they may be written."""
    papers = tmp_path / "papers"
    shutil.copytree(places.PAPERS / PAPER, papers / PAPER)
    shutil.copy(places.PAPERS / "catalogue.yaml", papers / "catalogue.yaml")
    shutil.copy(places.ROOT / "README.md", tmp_path / "README.md")
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.setattr(places, "PAPERS", papers)
    return papers / PAPER / "results" / "desk"


def test_verdicts_and_figures_follow_the_tables(folder):
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    verdicts = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))
    verdicts["checks"][0]["verdict"] = "an older judgement"
    (folder / "verdicts.json").write_text(json.dumps(verdicts), encoding="utf-8")
    (folder / "figures" / "dropped.svg").write_text("a figure that is drawn no longer", encoding="utf-8")
    written = publish_again(PAPER, "desk")
    after = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after.keys() == before.keys() and {folder / name for name in after} <= set(written)
    assert json.loads(after[(folder / "verdicts.json").relative_to(folder)])["checks"][0]["verdict"] == "reproduced"
    assert all(after[name] == content for name, content in before.items() if name.suffix == ".parquet")


def test_another_machine_adds_what_it_found_and_changes_no_table(folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    results = publish.committed(PAPER, "desk")
    machine = json.dumps({"system": "Linux", "cpu": "another processor", "cores": 3})
    elsewhere = dataclasses.replace(results, facts={**results.facts, "machines": [machine]})
    monkeypatch.setattr(publish, "_whole_sweep", lambda session: (elsewhere, reproduce.judge_paper(PAPER, elsewhere)))
    path = publish.replicate(Session(PAPER))
    (one,) = json.loads(path.read_text(encoding="utf-8"))["replications"]
    assert path == folder / "replications.json" and one["machine"]["cpu"] == "another processor"
    assert all(path.read_bytes() == content for path, content in before.items())
    publish_again(PAPER, "desk")
    assert path.exists()


def test_a_sweep_that_is_not_whole_is_no_replication(folder):
    with pytest.raises(UserError, match="runs open"):
        publish.replicate(Session(PAPER, "smoke"))
    assert not (folder / "replications.json").exists()


def test_one_of_two_ways_to_publish_is_asked_for():
    from typer.testing import CliRunner

    from assay.app.cli import app

    result = CliRunner().invoke(app, ["publish", PAPER, "--committed", "--replication"])
    assert isinstance(result.exception, UserError) and "give one of them" in str(result.exception)


def test_without_committed_results_there_is_one_clear_line(folder):
    with pytest.raises(UserError, match=r"no committed results at scale paper; `assay publish mfac` writes some"):
        publish_again(PAPER, "paper")
