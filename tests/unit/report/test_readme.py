"""Generated parts of READMEs replace themselves and nothing else."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import UserError
from assay.report import readme
from assay.review.judged import judge


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(
        "# Title\n\n<!-- verdicts:begin -->\nold\n<!-- verdicts:end -->\n\n<!-- board:begin --><!-- board:end -->\nend\n",
        encoding="utf-8",
    )
    return path


def test_update_changes_what_is_between_its_markers(path):
    assert readme.update(path, "verdicts", "\nnew \\1 text\n")
    expected = "# Title\n\n<!-- verdicts:begin -->\nnew \\1 text\n<!-- verdicts:end -->\n\n<!-- board:begin --><!-- board:end -->\nend\n"
    assert path.read_text(encoding="utf-8") == expected


def test_a_second_update_changes_nothing(path):
    assert not readme.is_current(path, "board", "text")
    assert readme.update(path, "board", "text")
    before = path.stat().st_mtime_ns
    assert readme.is_current(path, "board", "text") and not readme.update(path, "board", "text")
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "content",
    [
        "no markers",
        "<!-- verdicts:begin -->",
        "<!-- verdicts:end --><!-- verdicts:begin -->",
        "<!-- verdicts:begin -->" * 2,
    ],
)
def test_missing_or_doubled_markers_are_one_clear_line(path, content):
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="verdicts:begin") as caught:
        readme.update(path, "verdicts", "x")
    assert "\n" not in str(caught.value)
    assert path.read_text(encoding="utf-8") == content


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="is not there"):
        readme.is_current(tmp_path / "README.md", "verdicts", "x")


def test_verdicts_as_markdown(verdicts):
    text = readme.render(verdicts)
    assert text.startswith(
        "**3 of 7 claims reproduced** at desk scale (3 reproduced, 2 refuted, 1 inconclusive, 1 untested)."
    )
    for claim in verdicts["claims"]:
        line = next(line for line in text.splitlines() if line.startswith(f"| {claim['id']} |"))
        held = f"{claim['holds'][0]} of {claim['holds'][1]} check"
        assert f" {claim['verdict']} at desk scale | {', '.join(claim['checks'])} | {held}" in line
    assert "19 of 20" in text and "(amended)" in text and "Why it changed: a bound that is never reached" in text
    assert text == readme.render(verdicts)


def test_a_verdict_that_does_not_survive_holm_says_so(verdicts):
    checks = [check | {"survives_holm": False} if check["id"] == "5" else check for check in verdicts["checks"]]
    line = "✅ reproduced at desk scale (look 1 of 3, 5 seeds; not after Holm)"
    assert line in readme.render({**verdicts, "checks": checks})


def test_gates_looks_errors_and_what_stands_in_are_said(ruled):
    text = readme.render(ruled)
    assert "Desk scale: a toy for ImageNet." in text
    assert "**To know:** a check of the code failed: code; 1 check could not be judged: broken." in text
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert (
        "(its gate learns is refuted; without it: reproduced; look 1 of 3, 5 seeds; no further look)"
        in rows["held back"]
    )
    assert "gate of held back" in rows["learns"] and "the code" in rows["code"]
    assert "(error: KeyError: 'no such column' (broken, line" in rows["broken"]
    assert "decided at look 2 of 3, 10 seeds" in rows["any"]


def test_how_often_another_draw_ends_otherwise_is_said_where_it_is_often(ruled):
    def told(share):
        again = {"reproduced": share, "refuted": 0.0, "open": round(1 - share, 4)}
        checks = [row | {"again": again} if row["id"] == "two" else row for row in ruled["checks"]]
        return "another draw of these looks would decide the same way" in readme.render({**ruled, "checks": checks})

    assert told(0.89) and not told(0.9)


def test_markup_in_texts_stays_text(evil):
    _, verdicts, _ = evil
    text = readme.render(verdicts)
    assert "<script" not in text and "<img" not in text
    tables = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {8}  # seven columns


@given(st.text())
def test_a_cell_never_ends_early(text):
    cell = readme.escape(text)
    assert "\n" not in cell and "<" not in cell and ">" not in cell
    assert "|" not in cell.replace("\\\\", "").replace("\\|", "")


def test_no_claims():
    from assay.results import Results

    empty = Results("p", "desk", pl.DataFrame(), pl.DataFrame(), pl.DataFrame())
    assert "**0 of 0 claims reproduced**" in readme.render(judge(empty, [], []))
