"""The board counts what the verdicts hold, says what is not here, and prefers this machine's runs."""

import json
import re

import pytest

from assay.report import board, catalogue, wording
from assay.report.catalogue import Catalogue, Entry

EVIL = "<script>alert(1)</script>|`\n"
BOOKS = Catalogue(
    {"optim": "Optimisation", "losses": "Losses & more"},
    [
        Entry("done", "A done paper", "optim", "A. One", 2023, "ICML 2023", "2301.00001"),
        Entry("fresh", "A paper without results", "losses", "B. Two", 2024),
        Entry("absent", "A paper that is not here", "optim", "C. Three", 2022, "", "2201.00002"),
    ],
)


def verdicts(*marks, statement="a claim"):
    claims = [
        {"id": f"C{i + 1}", "statement": statement, "verdict": mark, "holds": [int(mark == "reproduced"), 1]}
        for i, mark in enumerate(marks)
    ]
    return {"schema": 2, "paper": "done", "scale": "desk", "claims": claims, "checks": []}


@pytest.fixture
def folders(tmp_path):
    papers, reports = tmp_path / "papers", tmp_path / "reports"
    for slug in ("done", "fresh", "own"):
        (papers / slug).mkdir(parents=True)
        (papers / slug / "claims.py").touch()
    write(papers / "done" / "results" / "desk", verdicts("reproduced", "refuted", "reproduced"))
    return papers, reports


def write(folder, content, page=False):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdicts.json").write_text(json.dumps(content), encoding="utf-8")
    if page:
        (folder / "index.html").touch()


def rows(folders, local=True, claims=lambda slug: []):
    papers, reports = folders
    return board.rows(catalogue=BOOKS, papers=papers, reports=reports if local else None, claims=claims)


def test_totals_are_those_of_the_verdicts(folders):
    found = board.totals(rows(folders, claims=lambda slug: verdicts("untested", "untested")["claims"]))
    assert found["tally"] == {"reproduced": 2, "refuted": 1, "inconclusive": 0, "untested": 4}
    assert (found["papers"], found["here"], found["judged"], found["claims"]) == (4, 3, 1, 7)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"schema": 1, "claims": [], "checks": [{"id": "1"}]}', '{"schema": 9}']
)
def test_a_broken_file_of_this_machine_gives_way_to_what_is_committed(folders, content):
    write(folders[1] / "done" / "desk", {})
    (folders[1] / "done" / "desk" / "verdicts.json").write_text(content, encoding="utf-8")
    assert board.totals(rows(folders))["tally"]["reproduced"] == 2


def test_papers_come_in_the_catalogues_order_then_those_it_does_not_know(folders):
    found = rows(folders)
    assert [row.entry.slug for row in found] == ["done", "fresh", "absent", "own"]
    assert [row.here for row in found] == [True, True, False, True]


def test_runs_of_this_machine_come_before_committed_ones(folders):
    write(folders[1] / "done" / "desk", verdicts("inconclusive"), page=True)
    (marks,) = rows(folders)[0].marks
    assert marks.local and marks.page == "done/desk/index.html" and marks.tally["inconclusive"] == 1
    (committed,) = rows(folders, local=False)[0].marks
    assert not committed.local and committed.page == "" and committed.tally["reproduced"] == 2


def test_both_scales_are_shown_and_desk_counts(folders):
    write(folders[0] / "done" / "results" / "paper", verdicts("refuted"))
    row = rows(folders)[0]
    assert [marks.scale for marks in row.marks] == ["desk", "paper"]
    assert row.own.tally["reproduced"] == 2


def test_smoke_runs_give_no_marks(folders):
    write(folders[1] / "fresh" / "smoke", verdicts("reproduced"))
    assert not rows(folders)[1].judged


def test_the_page_shows_every_paper_and_links_to_what_is_there(folders):
    papers, reports = folders
    write(reports / "done" / "desk", verdicts("reproduced", statement="it <works>"), page=True)
    path = board.write_board(
        catalogue=BOOKS, papers=papers, reports=reports, out=reports / "index.html", claims=lambda s: []
    )
    text = path.read_text(encoding="utf-8")
    for slug in ("done", "fresh", "absent", "own"):
        assert f'id="{slug}"' in text
    assert 'href="done/desk/index.html#claim-C1"' in text and "it &lt;works&gt;" in text
    assert "Losses &amp; more" in text and "Other papers" in text
    absent = text[text.index('id="absent"') :].partition("</article>")[0]
    assert "not here yet" in absent and "make reproduce" not in absent
    assert text == path.read_text(encoding="utf-8") and [p.name for p in reports.glob(".*")] == []


def test_marks_name_their_scale_and_what_is_wrong_stands_beside_them(folders):
    papers, reports = folders
    content = verdicts("reproduced", "refuted") | {"stands_for": "a toy for ImageNet", "code": {"failed": ["1", "2"]}}
    content["checks"] = [{"id": "7", "error": "KeyError: 'x'", "serves": []}]
    write(papers / "done" / "results" / "desk", content)
    declared = verdicts("untested")["claims"]
    older = {("done", "desk"): ["net/lion"]}
    more = {"catalogue": BOOKS, "papers": papers, "claims": lambda slug: declared}
    outdated = lambda slug, scale: older.get((slug, scale), [])  # noqa: E731
    text = board.write_board(reports=reports, outdated=outdated, **more).read_text(encoding="utf-8")
    assert "refuted at desk scale (0 of 1 check hold): a claim" in text and "desk scale: a toy for ImageNet" in text
    assert "untested at desk scale: a claim" in text
    done = text[text.index('id="done"') :].partition("</article>")[0]
    told = re.search(r'<ul class="warnings">(.*?)</ul>', done)[1]
    assert re.findall("<li>(.*?)</li>", told) == [
        "checks of the code failed: 1, 2",
        "1 check could not be judged: 7",
        "results older than the code: net/lion",
    ]
    assert 'data-state="here reproduced refuted warned"' in text
    marked = board.markdown(board.rows(outdated=outdated, **more), BOOKS.families)
    line = next(line for line in marked.splitlines() if line.startswith("| [done]"))
    assert line.endswith(
        "1 of 2 at desk scale | desk scale: a toy for ImageNet; checks of the code failed: 1, 2; "
        "1 check could not be judged: 7; results older than the code: net/lion |"
    )
    # A machine's own runs are of the code as it is, or `reproduce` says that they are stale.
    write(reports / "done" / "desk", content)
    (marks,) = board.rows(reports=reports, outdated=outdated, **more)[0].marks
    assert marks.local and len(marks.warnings) == 2


def test_in_its_family_a_paper_with_results_comes_first(folders):
    papers, reports = folders
    books = Catalogue({"optim": "Optimisation"}, [Entry(slug, slug, "optim") for slug in ("absent", "fresh", "done")])
    path = board.write_board(catalogue=books, papers=papers, reports=reports, claims=lambda s: [])
    assert re.findall(r'<article class="[^"]*" id="(\w+)"', path.read_text(encoding="utf-8")) == [
        "done",
        "fresh",
        "absent",
        "own",
    ]


def test_links_are_relative_to_where_the_board_stands(folders, tmp_path):
    papers, reports = folders
    write(reports / "done" / "desk", verdicts("reproduced"), page=True)
    out = tmp_path / "elsewhere" / "board.html"
    board.write_board(out, catalogue=BOOKS, papers=papers, reports=reports, claims=lambda s: [])
    link = re.search(r'href="([^"#]*)#claim-C1"', out.read_text(encoding="utf-8"))[1]
    assert (out.parent / link).resolve() == (reports / "done" / "desk" / "index.html").resolve()


def test_no_text_becomes_markup(folders):
    papers, reports = folders
    write(papers / "done" / "results" / "desk", verdicts("reproduced", statement=EVIL))
    books = Catalogue({"optim": EVIL}, [Entry("done", EVIL, "optim", EVIL, 2023, EVIL, EVIL)])
    text = board.write_board(catalogue=books, papers=papers, reports=reports, claims=lambda s: []).read_text(
        encoding="utf-8"
    )
    assert text.count("<script") == 1 and "<script>alert" not in text
    marked = board.markdown(board.rows(catalogue=books, papers=papers, claims=lambda s: []), {"optim": EVIL})
    assert "<script" not in marked and all(
        line.count(" | ") == 4 for line in marked.splitlines() if line.startswith("| \\[")
    )


def test_the_readme_has_the_committed_marks_alone(folders):
    write(folders[1] / "done" / "desk", verdicts("inconclusive", "inconclusive"))
    text = board.markdown(rows(folders, local=False), BOOKS.families)
    signs = wording.EMOJI["reproduced"] + wording.EMOJI["refuted"] + wording.EMOJI["reproduced"]
    assert f"| {signs} | 2 of 3 at desk scale |" in text and "inconclusive." not in text
    assert "**3 of 4 papers are here**, with 3 claims: 2 reproduced, 1 refuted." in text
    assert "1 paper not here yet" in text and "A paper that is not here" in text


def test_a_paper_in_the_making_does_not_keep_the_others_from_being_shown(monkeypatch):
    from assay.config import loading

    def broken(slug, name):
        raise SyntaxError("half written")

    monkeypatch.setattr(loading, "paper_module", broken)
    assert board._declared("new") == []


def test_the_catalogue_is_whole():
    books = catalogue.load()
    assert len(books.entries) == 56 == len({entry.slug for entry in books.entries})
    for entry in books.entries:
        assert entry.title and entry.authors and re.fullmatch(r"\d{4}\.\d{4,5}", entry.arxiv), entry.slug
        assert entry.year == 2000 + int(entry.arxiv[:2]), entry.slug  # the year of the first preprint
        assert str(entry.year) in entry.citation or re.search(r"\d{4}", entry.venue), entry.slug
    assert books.get("lion_k").citation == "Lizhang Chen, Bo Liu, Kaizhao Liang, Qiang Liu. ICLR 2024"
    assert books.get("nobody") == Entry("nobody", "nobody")


def test_a_catalogue_that_contradicts_itself_is_refused(tmp_path):
    path = tmp_path / "catalogue.yaml"
    path.write_text(
        "families: {a: A}\npapers:\n- {slug: x, title: t, family: a}\n- {slug: x, title: t, family: a}\n",
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match="twice"):
        catalogue.load(path)
    path.write_text("families: {a: A}\npapers:\n- {slug: x, title: t, family: b}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="family b"):
        catalogue.load(path)


def test_every_paper_that_is_here_is_in_the_list():
    found = {row["paper"]: row for row in catalogue.rows()}
    assert len(found) >= 56
    assert {row["state"] for row in found.values()} <= {"not here yet", "no results yet", "desk scale", "paper scale"}
