"""The verdicts at the terminal: a table of claims, then their checks; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.report import wording

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"reproduced": "green", "refuted": "red", "inconclusive": "yellow", "untested": "dim", None: "dim"}
PLAIN_WIDTH = 160


def print_verdicts(verdicts: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the verdicts of `verdicts.json`, and a line that sums up.

    Args:
        verdicts: as `assay.claims.judge` returns them.
        console: where; standard output by default.
    """
    console = console or make_console()
    for part in renderables(verdicts, console.is_terminal):
        console.print(part)


def renderables(verdicts: Mapping[str, Any], lines: bool) -> list[Any]:
    """What `print_verdicts` prints: a table of claims, a table of checks, a line that sums up.

    Args:
        verdicts: as `assay.claims.judge` returns them.
        lines: draw lines under the headers, as for a terminal.
    """
    from rich.text import Text

    claims = verdicts["claims"]
    scale = verdicts["scale"]
    rows = [
        [claim["id"], _shown(claim["verdict"], scale), _claimed(claim), claim["paper_says"] or ""] for claim in claims
    ]
    first = make_table(["claim", "verdict", "what the paper says", "its figure"], rows, lines, grow=2, whole=(0, 1))
    rows = [
        [
            check["id"],
            _shown(check["verdict"]),
            _told(check),
            wording.measured(check) if check["measured"] is not None else "–",
            str(check["n"] or "–"),
        ]
        for check in verdicts["checks"]
    ]
    header = ["check", f"at {scale} scale", "what is tested", "measured", "n"]
    second = make_table(header, rows, lines, grow=2, whole=(0, 1))
    tally = wording.counts(claim["verdict"] for claim in claims)
    told = [f"\n{wording.stands_for(verdicts)}"] if wording.stands_for(verdicts) else []
    last = [*(Text(line, style="red") for line in _wrong(verdicts)), *map(Text, told)]
    return [first, Text(), second, *last, Text(f"\n{verdicts['paper']} at {scale} scale: {tally}")]


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    console: Console,
    grow: int | None = None,
    whole: Sequence[int] = (),
) -> None:
    """Print `make_table` of the same arguments."""
    console.print(make_table(header, rows, console.is_terminal, grow, whole))


def make_table(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    lines: bool,
    grow: int | None = None,
    whole: Sequence[int] = (),
) -> Any:
    """Rows of plain text (or of rich `Text`) under a header.

    Args:
        header: names of the columns.
        rows: their cells; nothing in a string is taken for markup.
        lines: draw a line under the header.
        grow: the column that takes the room that is left, and wraps.
        whole: columns that never wrap.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD if lines else None, pad_edge=False, header_style="bold")
    for i, name in enumerate(header):
        table.add_column(name, ratio=1 if i == grow else None, overflow="fold", no_wrap=i in whole)
    for row in rows:
        table.add_row(*[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row])
    return table


def make_console() -> Console:
    """Standard output; wide where it is no terminal, so that lines in a log are whole."""
    from rich.console import Console

    from assay.system.entry import bear_any_locale

    bear_any_locale()
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def _shown(verdict: str | None, scale: str = "") -> Any:
    from rich.text import Text

    told = wording.mark(verdict, scale) if verdict and scale else verdict or "report"
    return Text(f"{wording.SYMBOLS[verdict]} {told}", style=STYLES[verdict], no_wrap=True)


def _claimed(claim: Mapping[str, Any]) -> Any:
    """What a claim says, and below it how many of its checks hold."""
    from rich.text import Text

    return Text.assemble(claim["statement"], ("\n" + wording.held(claim["holds"]), "dim"))


def _wrong(verdicts: Mapping[str, Any]) -> list[str]:
    """What is wrong beyond the claims; a check that could not be judged is a line of its own."""
    broken = [row for row in verdicts["checks"] if row.get("error")]
    lines = [f"check {row['id']} could not be judged: {row['error']}" for row in broken]
    return [*wording.warnings({**verdicts, "checks": ()}), *lines]


def _told(check: Mapping[str, Any]) -> Any:
    """What a check tests, and below it what was asked for and what there is to remark."""
    from rich.text import Text

    asked = wording.asked(check)
    remarks = [f"asked for: {asked}" if asked else "", *_remarks(check)]
    below = "; ".join(filter(None, remarks))
    return Text.assemble(check["statement"], *([("\n" + below, "dim")] if below else []))


def _remarks(check: Mapping[str, Any]) -> list[str]:
    extended = check.get("extended")
    return [
        "a gate, counts for no claim" if check.get("control") else "",
        "amended" if check["amended"] else "",
        wording.look(check),
        "" if check.get("survives_holm", True) else "would not hold after Holm's correction",
        f"about {check['units_needed']:,} units would decide" if check["units_needed"] else "",
        f"{extended['verdict']} with n = {extended['n']}" if extended and extended["n"] > check["n"] else "",
        wording.remark(check),
        wording.without_gate(check),
    ]
