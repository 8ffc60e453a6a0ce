"""`verdicts.json` read back: what older ones say in the words of today, and what a row's numbers belong to.

`assay.review.judged` writes verdicts; pages, boards, comparisons and exports read them, those of older commits too.
Bounds, groups, margins and looks are data in them. Where an older file has them in prose alone, `migrated` takes them
out of it, once, at the place where verdicts are read; nobody else looks into prose.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay import statistics
from assay.claims import Check, Condition, Groups, Interval, demanded
from assay.errors import UserError
from assay.measures import Bound
from assay.results import Results
from assay.review.judged import SCHEMA, code_checks, holds, registered_units

Row = Mapping[str, Any]
"""A check in `verdicts.json`."""


def read(path: Path) -> dict[str, Any]:
    """The verdicts in a file, whatever version of this project wrote them.

    Raises:
        UserError: it holds something else, or was written by a newer version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UserError(f"{path} holds no verdicts: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("claims"), list):
        raise UserError(f"{path} holds no verdicts: it has no list of claims")
    schema = content.get("schema", 1)
    if schema not in range(1, SCHEMA + 1):
        raise UserError(f"{path} has schema {schema!r}, this version reads 1 to {SCHEMA}: it is from a newer one")
    try:
        return migrated(content)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path} holds no verdicts of schema {schema}: {type(error).__name__}: {error}") from None


def bound_of(form: Mapping[str, Any] | None) -> Bound:
    """A bound from its form; one that demands nothing from None."""
    if form is None:
        return Bound()
    low, high = form["low"], form["high"]
    return Bound(-math.inf if low is None else low, math.inf if high is None else high, form["strict"])


def nameless(form: Mapping[str, Any]) -> dict[str, Any]:
    """A form without the names that the page has for its conditions: what is asked, and nothing else."""
    conditions = [{key: c[key] for key in c if key != "name"} for c in form["conditions"]]
    return {**form, "conditions": conditions}


def groups_of(form: Mapping[str, Any]) -> Groups:
    """How many groups must hold; a pair comes back from JSON as a list."""
    groups = form.get("groups", "all")
    return (groups[0], groups[1]) if isinstance(groups, list) else groups


def bounds(row: Row, group: Mapping[str, Any] | None = None) -> Bound:
    """What is asked of a check's number, or of that of one of its groups, which may have a bound of its own."""
    return bound_of((group or {}).get("bound") or row["form"]["conditions"][0]["bound"])


def widened(form: Mapping[str, Any], bound: Bound) -> Bound:
    """Where an interval check's interval must lie: within the bound and the margin beyond it."""
    margin = form.get("margin", 0.0)
    margin = math.inf if margin == "any" else margin
    return Bound(bound.low - margin, bound.high + margin, bound.strict)


def level(row: Row) -> float:
    """The two-sided level of an interval check's intervals: "any" of several groups divides it by their number."""
    form = row["form"]
    own = form.get("level") or (statistics.LOOK_LEVEL if row.get("looks") else statistics.LEVEL)
    return float(own) / (max(1, len(row["details"])) if form.get("groups") == "any" else 1)


def units_of_look(row: Row) -> int | None:
    """How many seeds the last look taken has; None where the check's units are no seeds that one can add to."""
    looks = row.get("looks")
    return looks["units"][max(looks["taken"], 1) - 1] if looks else None


def behind(check: Check, row: Row | None, results: Results) -> Results:
    """The results that a verdict comes from: the first units, as many as the look that gave it has."""
    units = units_of_look(row) if row is not None else None
    units = units or registered_units(check, results)
    return results.first({name: units for name in check.experiments if units and len(results.seeds(name)) > 1})


def group_of(check: Check, condition: Condition, group: str) -> str:
    """The group that a condition's value is judged in: an interval check's conditions make groups of their own."""
    apart = isinstance(check.kind, Interval) and len(check.conditions) > 1
    return ", ".join(filter(None, [condition.name, group])) if apart else group


def counts(row: Row, group: str) -> bool:
    """Whether a group counted: a gate of its own may have left it out."""
    names = [detail["name"] for detail in row["details"]]
    split = row["kind"] in ("count", "interval", "mean") and not row["form"].get("pool")
    return not split or not names or group in names


def gated_by(rows: Sequence[Row], id: str) -> list[str]:
    """The checks that wait for a check."""
    return [row["id"] for row in rows if id in row.get("gates", ())]


# -- older ones -----------------------------------------------------------------------------------------------------


def migrated(content: dict[str, Any]) -> dict[str, Any]:
    """Verdicts of any schema as those of the current one.

    Schema 1 had bounds, groups and margins in the words of `threshold` alone, no looks, no gates, and no tally of what
    holds. Its intervals were of level 0.05. What a check measured is not known of it: its forms name no measures.
    """
    if content.get("schema", 1) == SCHEMA:
        return content
    rows = [_row(row) for row in content.get("checks", ())]
    claims = [{**claim, "holds": holds(claim["id"], rows)} for claim in content["claims"]]
    return {**content, "schema": SCHEMA, "claims": claims, "checks": rows, "code": code_checks(rows)}


def _row(row: Row) -> dict[str, Any]:
    kind, said = row["kind"], str(row["threshold"])
    form: dict[str, Any] = {"kind": kind, "unit": row["unit"], "gate": [], "groups": "all"}
    if kind == "exact":
        details = [{**d, "bound": _condition(d["bound"])[1].form()} for d in row["details"]]
        form["conditions"] = [{"name": d["name"], "bound": d["bound"]} for d in details]
    elif kind == "count":
        said, need = _taken(said, r" in >= ([\d.e+-]+)$")
        said = said.removesuffix(" in every unit")
        found = [_condition(part) for part in said.split("; ")]
        form["conditions"] = [{"name": name, "bound": bound.form()} for name, bound in found]
        form["need"] = float(need) if need else None
        details = [
            {**d, "need": _needed(form["need"], d["n"]), "verdict": "reproduced" if d["holds"] else "refuted"}
            for d in row["details"]
        ]
    elif kind == "interval":
        said, need = _taken(said, r" in >= (\d+) groups$")
        said, wide = _taken(said, r", interval (.*)$")
        mean = ": mean " in said
        name, bound = _condition(said.replace(": mean ", " "))
        form["conditions"] = [{"name": name, "bound": bound.form()}]
        if need:  # the one check that had such a rule was refuted where at least three of four groups failed
            form["groups"] = [int(need), demanded(int(need), len(row["details"]))[1]]
        if wide:
            form["margin"] = abs(bound.ends[0] - _condition(wide)[1].ends[0])
        elif mean:
            form["margin"] = "any"
        details = [{**d, "verdict": _verdict(d, bound)} for d in row["details"]]
    else:
        form["conditions"], details = [], list(row["details"])
    return {**row, "form": form, "details": details}


def _taken(text: str, pattern: str) -> tuple[str, str]:
    """A text without what a pattern finds, and what the pattern's group found; "" for nothing."""
    match = re.search(pattern, text)
    return (text[: match.start()], match[1]) if match else (text, "")


def _condition(text: str) -> tuple[str, Bound]:
    """A condition in words: "gap >= 0.1 and <= 1" -> its name and its bound."""
    low, high, strict, name = -math.inf, math.inf, False, text.strip()
    pattern = re.compile(r"^(.*?)\s*(>=|<=|>|<) ([-+]?(?:inf|[\d.]+(?:e[-+]?\d+)?))$")
    for _ in range(2):
        match = pattern.match(name)
        if not match:
            break
        name = match[1].removesuffix("and").rstrip()
        low, high = (float(match[3]), high) if match[2].startswith(">") else (low, float(match[3]))
        strict |= not match[2].endswith("=")
    return name.removesuffix(" any").strip(), Bound(low, high, strict)


def _needed(need: float | None, n: int) -> int:
    return n if need is None else math.ceil(need * n - 1e-9) if need < 1 else int(need)


def _verdict(detail: Mapping[str, Any], bound: Bound) -> str:
    """A group that does not hold was refuted or open: its interval tells which."""
    if detail["holds"]:
        return "reproduced"
    if not detail["interval"]:
        return "inconclusive"
    low, high = (float(end) for end in detail["interval"])
    return "refuted" if high < bound.low or low > bound.high else "inconclusive"
