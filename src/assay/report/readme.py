"""The generated parts of READMEs: a paper's verdicts, and the board.

A generated part stands between `<!-- name:begin -->` and `<!-- name:end -->`; everything else in the file is left as
it is. A test holds that what is committed is what would be generated.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.errors import UserError
from assay.report import wording
from assay.review.verdicts import gated_by

SURE = 0.9
"""A verdict to which another draw of seeds would come less often than this says so in the table."""


def render(verdicts: Mapping[str, Any], minutes: tuple[float, float] | None = None) -> str:
    """The verdicts of `verdicts.json` as Markdown: a line that sums up, a table of claims, a table of checks.

    Args:
        verdicts: the content of the file.
        minutes: CPU minutes of one look and of all looks, if known.
    """
    claims = verdicts["claims"]
    tally = wording.tally(claim["verdict"] for claim in claims)
    told = wording.stands_for(verdicts)
    stands = f" {escape(told[:1].upper() + told[1:])}." if told else ""
    warnings = wording.warnings(verdicts)
    parts = [
        f"**{tally['reproduced']} of {wording.plural(len(claims), 'claim')} reproduced** at {verdicts['scale']} scale"
        f" ({wording.counts(claim['verdict'] for claim in claims)}).{stands}",
        *([f"**To know:** {escape('; '.join(warnings))}."] if warnings else []),
        *([_minutes(*minutes)] if minutes else []),
        _claims(claims, verdicts["scale"]),
        "<details><summary>All checks</summary>\n\n"
        + _checks(verdicts["checks"], verdicts["scale"])
        + "\n\n</details>",
    ]
    amended = [check for check in verdicts["checks"] if check["amended"]]
    if amended:
        parts.append(_amendments(amended))
    return "\n\n".join(parts)


def _minutes(look: float, every: float) -> str:
    more = "" if every - look < 0.1 else f", all three looks at most {wording.number(every, 2)}"
    return f"One look takes {wording.number(look, 2)} CPU minutes{more}."


def update(path: Path, name: str, text: str) -> bool:
    """Put `text` between the markers `name` of a file.

    Returns:
        Whether the file changed.

    Raises:
        UserError: the file or its markers are not there, or not exactly once.
    """
    before = _read(path)
    after = _replaced(before, path, name, text)
    if after == before:
        return False
    path.write_text(after, encoding="utf-8")
    return True


def is_current(path: Path, name: str, text: str) -> bool:
    """Whether `update` would change nothing; raises as it does."""
    before = _read(path)
    return _replaced(before, path, name, text) == before


def mark(verdict: str | None, scale: str) -> str:
    """A verdict with its sign and its scale, e.g. "✅ reproduced at desk scale"."""
    return f"{wording.EMOJI[verdict]} {wording.mark(verdict, scale)}" if verdict else "report"


def escape(text: Any) -> str:
    """Text for a cell of a Markdown table: no markup of its own, no line breaks, no column ends."""
    plain = re.sub(r"\s+", " ", str(text)).strip()
    plain = html.escape(plain, quote=False)
    return re.sub(r"([\\`*_\[\]|~#!$])", r"\\\1", plain)


def table(header: list[str], rows: list[list[str]], right: tuple[int, ...] = ()) -> str:
    """A Markdown table of cells that are already escaped; columns in `right` are right-aligned."""
    line = ["---:" if i in right else "---" for i in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, line, *rows])


def _claims(claims: list[Mapping[str, Any]], scale: str) -> str:
    rows = [
        [
            escape(claim["id"]),
            escape(claim["statement"]),
            escape(claim["source"] or ""),
            escape(claim["paper_says"] or ""),
            mark(claim["verdict"], scale),
            escape(", ".join(claim["checks"])) or "none",
            wording.held(claim["holds"]),
        ]
        for claim in claims
    ]
    return table(["", "claim", "where", "the paper says", "verdict", "checks", "of them"], rows)


def _checks(checks: list[Mapping[str, Any]], scale: str) -> str:
    rows = [
        [
            escape(check["id"]),
            escape(check["statement"]) + (" (amended)" if check["amended"] else ""),
            _serves(check, checks),
            escape(wording.measured(check)) if check["measured"] is not None else "",
            escape(wording.asked(check)),
            str(check["n"] or ""),
            mark(check["verdict"], scale) + _remark(check),
        ]
        for check in checks
    ]
    return table(["", "check", "serves", "measured", "asked for", "n", "verdict"], rows, right=(5,))


def _serves(check: Mapping[str, Any], checks: list[Mapping[str, Any]]) -> str:
    """What a check is for: its claims, the checks whose gate it is, or the code."""
    if check.get("control"):
        return escape(f"gate of {', '.join(gated_by(checks, check['id']))}")
    return escape(", ".join(check["serves"])) or ("the code" if check["kind"] == "exact" else "")


def _remark(check: Mapping[str, Any]) -> str:
    if check.get("error"):
        return escape(f" (error: {check['error']})")
    held = f"{check['note']}; {wording.without_gate(check)}" if "ungated" in check else ""
    again = wording.again(check, below=SURE)
    said = [held, wording.look(check), again, "" if check.get("survives_holm", True) else "not after Holm"]
    told = "; ".join(filter(None, said))
    return f" ({escape(told)})" if told else ""


def _amendments(checks: list[Mapping[str, Any]]) -> str:
    lines = ["Amended checks:", ""]
    for check in checks:
        amended = check["amended"]
        lines.append(
            f'- **{escape(check["id"])}**, {escape(amended["date"])}. Before: "{escape(amended["old"])}".'
            f" Why it changed: {escape(amended['reason'])}"
        )
    return "\n".join(lines)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path.name} is not there, so nothing can be put between its markers") from None


def _replaced(content: str, path: Path, name: str, text: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if content.count(begin) != 1 or content.count(end) != 1 or content.index(begin) > content.index(end):
        raise UserError(f"{path.parent.name}/{path.name}: needs one '{begin}' with one '{end}' after it")
    head, _, rest = content.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{text.strip()}\n{end}{tail}"
