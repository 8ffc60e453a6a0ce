"""A word names results: local, committed, a commit, a folder; pages of committed results do not pose as one's own."""

import json
import os
import subprocess

import pytest
from made_up import FIGURES, claims_and_checks, make_results

from assay.errors import UserError
from assay.report import board, committed
from assay.report import figures as drawing
from assay.review import sources
from assay.review.judged import judge
from assay.study import session
from assay.study.session import Session, write_json
from assay.system import places


def verdicts_of(results):
    return judge(results, *claims_and_checks())


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with committed results of one paper."""
    root = tmp_path / "checkout"
    monkeypatch.setattr(places, "ROOT", root)
    monkeypatch.setattr(places, "PAPERS", root / "papers")
    monkeypatch.setattr(session, "judge_paper", lambda paper, results: verdicts_of(results))
    monkeypatch.setattr(committed, "judge_paper", lambda paper, results: verdicts_of(results))
    publish(root, make_results(seeds=range(1, 6)))
    git(root, "init", "-q")
    git(root, "add", "papers")
    git(root, "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-q", "-m", "results")
    return root


def publish(root, results):
    folder = root / "papers" / results.paper / "results" / results.scale
    results.save(folder)
    write_json(folder / "verdicts.json", verdicts_of(results))
    return folder


def git(root, *words):
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def test_committed_results_are_those_of_the_checkout(checkout):
    found = sources.find("committed", ["made_up", "other"], "desk")
    assert list(found) == ["made_up"] and len(found["made_up"].results.runs) == 71
    assert sources.find("committed", ["made_up"], "paper") == {}


def test_a_commit_keeps_what_the_checkout_has_changed_since(checkout):
    publish(checkout, make_results(seeds=range(1, 3)))
    before, now = (sources.find(word, ["made_up"], "desk")["made_up"] for word in ("HEAD", "committed"))
    assert (len(before.results.runs), len(now.results.runs)) == (71, 29)
    assert before.verdicts["checks"][0]["id"] == "1" and before.results.expected == now.results.expected


def test_a_folder_may_hold_tables_a_checkout_or_verdicts_alone(checkout, tmp_path):
    tables = checkout / "papers" / "made_up" / "results" / "desk"
    for folder in (tables, checkout):
        assert len(sources.find(str(folder), ["made_up"], "desk")["made_up"].results.runs) == 71
    (tables / "verdicts.json").unlink()
    assert sources.find(str(tables), [], "desk")["made_up"].verdicts["claims"][0]["verdict"] == "reproduced"
    bare = tmp_path / "bare"
    write_json(bare / "verdicts.json", verdicts_of(make_results()))
    one = sources.find(str(bare), [], "desk")["made_up"]
    assert one.results is None and one.scale == "desk"


@pytest.mark.parametrize("word", ["nonsense", "--output=x", "HEAD:papers"])
def test_a_word_that_names_nothing_is_said_to(checkout, word):
    with pytest.raises(UserError, match="no folder, no commit"):
        sources.find(word, ["made_up"], "desk")


def test_an_empty_folder_is_said_to_be_so(checkout, tmp_path):
    with pytest.raises(UserError, match="holds no results"):
        sources.find(str(tmp_path), ["made_up"], "desk")


def test_without_records_a_paper_is_not_planned(checkout, monkeypatch):
    monkeypatch.setattr(Session, "plan", lambda self: pytest.fail("planned"))
    assert sources.local("made_up", "desk") is None
    assert len(sources.nearest("made_up", "desk").runs) == 71
    with pytest.raises(UserError, match="no results at scale paper"):
        sources.nearest("made_up", "paper")


def test_a_page_of_committed_results_is_drawn_once_and_is_not_called_ones_own(checkout, monkeypatch):
    monkeypatch.setattr(committed, "draw", drawn := Drawn())
    pages = list(committed.write_missing_pages())
    assert [page.parts[-3:] for page in pages] == [("made_up", "desk", "index.html")]
    assert set(drawn.details.values().__iter__().__next__()) == {"command"}
    assert drawn.outdated == ["all of them"]  # the tables do not say of which code they are
    assert list(committed.write_missing_pages()) == []
    (checkout / "papers" / "made_up" / "claims.py").touch()
    row = next(row for row in rows() if row.entry.slug == "made_up")
    assert row.judged and not row.own.local and row.own.page == "made_up/desk/index.html"
    newer = checkout / "papers" / "made_up" / "results" / "desk" / "results.json"
    os.utime(newer, (newer.stat().st_mtime + 100,) * 2)
    assert len(list(committed.write_missing_pages())) == 1


def test_ones_own_page_stays(checkout, monkeypatch):
    monkeypatch.setattr(committed, "draw", Drawn())
    folder = places.reports() / "made_up" / "desk"
    write_json(folder / "verdicts.json", {"paper": "made_up", "claims": []})
    (folder / "index.html").write_text("mine", encoding="utf-8")
    assert list(committed.write_missing_pages()) == []
    assert (folder / "index.html").read_text(encoding="utf-8") == "mine"
    assert "from" not in json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))


def rows():
    from assay.report.catalogue import Catalogue

    return board.rows(catalogue=Catalogue({}, []), papers=places.PAPERS, reports=places.reports())


class Drawn:
    """Stands for drawing a page: keeps what it was given."""

    def __call__(self, paper, results, verdicts, folder, details, outdated=()):
        self.details, self.outdated = details, outdated
        (folder / "index.html").write_text("drawn", encoding="utf-8")


def test_figures_that_lack_data_are_named_with_their_reason(tmp_path):
    left_out = {}
    written = drawing.save(FIGURES, make_results(), tmp_path, format="pdf", left_out=left_out)
    assert [path.name for path in written] == ["loss.pdf", "accuracy.pdf"]
    assert all(path.read_bytes().startswith(b"%PDF") for path in written)
    assert left_out == {"imagenet": "no finished run of imagenet in these results"}
