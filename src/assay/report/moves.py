"""A comparison at the terminal: what moved first, and one line for all that did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.report import wording
from assay.report.terminal import STYLES, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from assay.review.compare import CheckMove, Comparison, Move

MOST = 15
"""Measurements listed; the JSON has all of them."""

WORDS = {
    "same": "identical",
    "rounding": "apart by rounding",
    "noise": "moved within noise",
    "unknown": "moved, noise unknown",
    "perhaps": "perhaps beyond noise",
    "beyond": "beyond noise",
    "only A": "only in A",
    "only B": "only in B",
}
COLOURS = {"beyond": "red", "perhaps": "yellow", "unknown": "cyan"}


def print_comparison(found: Comparison, a: str, b: str, console: Console) -> None:
    """Print which claims, checks and measurements moved from A to B."""
    _line(console, f"{found.paper}: A = {a}, B = {b}", "bold")
    for side, lacks in zip("AB", found.missing, strict=True):
        if lacks:
            _line(console, f"{side} lacks {lacks}" if lacks[0].isdigit() else f"{side}: {lacks}", "yellow")
    claims = [(id, was, now) for id, was, now in found.claims if was != now]
    if claims:
        rows = [[id, _verdict(was), _verdict(now)] for id, was, now in claims]
        print_table(["claim", "in A", "in B"], rows, console)
    checks = [
        check for check in found.checks if check.moved or check.reworded or check.state not in ("same", "rounding")
    ]
    if checks:
        header = ["check", "in A", "in B", "what is tested", "measured in A", "in B", "its numbers"]
        print_table(header, [_check(check) for check in checks], console, grow=3, whole=(0, 1, 2))
    quiet = len(found.checks) - len(checks)
    changed = sum(check.moved for check in found.checks)
    _line(
        console,
        f"{wording.plural(len(found.checks), 'check')}: {changed} with another verdict, {quiet} with the same numbers",
    )
    _print_numbers(found, console)


def _print_numbers(found: Comparison, console: Console) -> None:
    loud = [move for move in found.numbers if move.state in COLOURS]
    loud.sort(key=lambda move: (list(COLOURS).index(move.state), move.p_value if move.p_value is not None else 1))
    if loud:
        header = ["measurement", "of", "in A", "in B", "change", "n", ""]
        print_table(header, [_number(move) for move in loud[:MOST]], console, grow=1)
        if len(loud) > MOST:
            _line(console, f"and {len(loud) - MOST} more; --json has all", "dim")
    tally = ", ".join(f"{n} {WORDS[state]}" for state, n in found.tally().items())
    _line(console, f"{wording.plural(len(found.numbers), 'measurement')}: {tally or 'no tables to compare'}")
    moved = sum(move.state in ("perhaps", "beyond") for move in found.clock)
    if found.clock:
        _line(console, f"{wording.plural(len(found.clock), 'time')} set apart, {moved} of them moved", "dim")


def _check(check: CheckMove) -> list[Any]:
    from rich.text import Text

    was, now = (wording.number(value) for value in check.measured)
    remark = " (asked for something else)" if check.reworded else ""
    state = Text(WORDS[check.state] + remark, style=COLOURS.get(check.state, ""))
    return [check.id, _verdict(check.verdicts[0]), _verdict(check.verdicts[1]), check.statement, was, now, state]


def _number(move: Move) -> list[Any]:
    from rich.text import Text

    change = " ".join(filter(None, [wording.number(move.change), wording.interval(move.interval)]))
    state = Text(WORDS[move.state], style=COLOURS.get(move.state, ""))
    return [move.name, move.where, wording.number(move.a, 5), wording.number(move.b, 5), change, str(move.n), state]


def _verdict(verdict: str | None) -> Any:
    from rich.text import Text

    return Text(f"{wording.SYMBOLS[verdict]} {verdict or ''}".strip(), style=STYLES[verdict])


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
