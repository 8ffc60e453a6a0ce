"""Publishing again: committed tables are judged and drawn as the code is now, and stay what they are."""

from __future__ import annotations

import json
import shutil

import pytest

from assay import places
from assay.errors import UserError
from assay.publish import publish_again

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
    verdicts = json.loads((folder / "verdicts.json").read_text())
    verdicts["checks"][0]["verdict"] = "an older judgement"
    (folder / "verdicts.json").write_text(json.dumps(verdicts))
    (folder / "figures" / "dropped.svg").write_text("a figure that is drawn no longer")
    written = publish_again(PAPER, "desk")
    after = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after.keys() == before.keys() and {folder / name for name in after} <= set(written)
    assert json.loads(after[(folder / "verdicts.json").relative_to(folder)])["checks"][0]["verdict"] == "reproduced"
    assert all(after[name] == content for name, content in before.items() if name.suffix == ".parquet")


def test_without_committed_results_there_is_one_clear_line(folder):
    with pytest.raises(UserError, match=r"no committed results at scale paper; `assay publish mfac` writes some"):
        publish_again(PAPER, "paper")
