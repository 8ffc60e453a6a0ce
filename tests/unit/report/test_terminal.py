"""The verdicts at the terminal: every one of them, at any width, with or without a terminal."""

import io
import sys

import pytest
from rich.console import Console

from assay.report import terminal, wording


def printed(verdicts, **options):
    stream = io.StringIO()
    terminal.print_verdicts(verdicts, Console(file=stream, **options))
    return stream.getvalue()


@pytest.mark.parametrize("options", [{"width": 160}, {"width": 70, "force_terminal": True}, {"width": 40}])
def test_every_verdict_is_there(verdicts, options):
    text = printed(verdicts, **options)
    for verdict in wording.VERDICTS:
        marks = [row["verdict"] for row in verdicts["claims"] + verdicts["checks"]]
        assert text.count(f"{wording.SYMBOLS[verdict]} {verdict}") >= marks.count(verdict) > 0
    assert text.rstrip().replace("\n", " ").endswith("untested")


def test_plain_lines_without_a_terminal(verdicts):
    text = printed(verdicts, width=160)
    assert "\x1b" not in text and "─" not in text
    assert "asked for: gap ≤ 0.001 in ≥ 18 units; reproduced with n = 32" in text
    assert "amended" in text and "units would decide" in text and "19 of 20" in text
    assert "✗ refuted at desk scale" in text and "0 of 1 check hold" in text and "look 1 of 3, 5 seeds" in text


def test_what_is_wrong_beyond_the_claims_is_red_and_a_line_each(ruled):
    text = printed(ruled, width=160)
    assert "desk scale: a toy for ImageNet" in text and "a check of the code failed: code" in text
    (line,) = [line for line in text.splitlines() if line.startswith("check broken")]
    assert line.startswith("check broken could not be judged: KeyError: 'no such column' (broken, line ")
    assert "its gate learns is refuted; without it: reproduced" in text
    assert "a gate, counts for no claim" in text
    coloured = printed(ruled, width=160, force_terminal=True)
    assert "\x1b[31mcheck broken could" in coloured


def test_square_brackets_are_no_markup(verdicts):
    claims = [{**verdicts["claims"][0], "statement": "x in [bold]box[/bold] and [/nothing]"}]
    assert "x in [bold]box[/bold] and [/nothing]" in printed({**verdicts, "claims": claims}, width=160)


def test_a_terminal_without_these_signs_still_shows_the_words(verdicts, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    terminal.print_verdicts(verdicts)
    sys.stdout.flush()
    assert b"? reproduced" in raw.getvalue()


def test_tables_take_any_cells():
    stream = io.StringIO()
    terminal.print_table(["a", "b"], [[1, None], ["[x]", 2.5]], Console(file=stream, width=40))
    assert "[x]" in stream.getvalue() and "2.5" in stream.getvalue()
