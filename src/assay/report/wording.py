"""How verdicts, numbers and durations are written, the same on the page, the board, in READMEs and at the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay import statistics
from assay.claims import Groups
from assay.measures import Bound
from assay.review.verdicts import bound_of, groups_of, level, widened

VERDICTS = ("reproduced", "refuted", "inconclusive", "untested")

SYMBOLS = {"reproduced": "✓", "refuted": "✗", "inconclusive": "~", "untested": "·", None: "–"}
"""One character for each verdict, told apart without colour; None is a report, which has no verdict."""

EMOJI = {"reproduced": "✅", "refuted": "❌", "inconclusive": "〰️", "untested": "⬜"}
"""The same where Markdown is read."""

MEANINGS = {
    "reproduced": "every check of the claim came out as the paper says",
    "refuted": "at least one check came out against it",
    "inconclusive": "the checks ran and do not decide",
    "untested": "no check of it has run",
}

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def as_float(value: Any) -> float | None:
    """A number of `verdicts.json`, where infinities and NaN are words; None where there is none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def number(value: Any, digits: int = 3) -> str:
    """A number with some significant digits, as people write it: 0.0312, 1,240, 2.1 × 10⁻⁷; "–" for None."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    x = as_float(value)
    if x is None:
        return "–" if value is None else str(value)
    if math.isnan(x):
        return "not a number"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    if x == 0:
        return "0"
    if isinstance(value, int) and abs(x) < 1e7:
        return _minus(f"{value:,}")
    if 1e-3 <= abs(x) < 1e6:
        places = max(0, digits - 1 - math.floor(math.log10(abs(x))))
        return _minus(f"{x:,.{places}f}".rstrip("0").rstrip(".") if places else f"{x:,.0f}")
    mantissa, _, exponent = f"{x:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    return _minus(power if mantissa == "1" else f"{mantissa} × {power}")


def interval(ends: Any, digits: int = 3) -> str:
    """An interval as "[0.91, 0.97]"; nothing for None."""
    return f"[{number(ends[0], digits)}, {number(ends[1], digits)}]" if ends else ""


def measured(check: Mapping[str, Any]) -> str:
    """A check's headline number with its interval."""
    if check["kind"] == "count" and check.get("details"):
        decides = deciding(check)
        return f"{decides['k']} of {decides['n']}"
    return " ".join(filter(None, [number(check["measured"]), interval(check["interval"])]))


def deciding(check: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a check's details the one behind its headline number: the group that decides, the worst of exact ones."""
    details: Sequence[Mapping[str, Any]] = check["details"]
    if check["kind"] == "count":
        mine = [d for d in details if d["k"] / d["n"] == check["measured"]]
        return next((d for d in mine if d["n"] == check["n"]), (mine or details)[0])
    mine = [d for d in details if d["value"] == check["measured"]]
    return next((d for d in mine if d.get("interval") == check["interval"]), (mine or details)[0])


def mark(verdict: str | None, scale: str) -> str:
    """A verdict with the scale at which it was found, which is no judgement of the paper: "refuted at desk scale"."""
    return f"{verdict} at {scale} scale" if verdict else "report only"


def stands_for(verdicts: Mapping[str, Any]) -> str:
    """What the scale's setting stands in for: "desk scale: 20 epochs of Fashion-MNIST for ImageNet"; else ""."""
    told = verdicts.get("stands_for")
    return f"{verdicts['scale']} scale: {told}" if told else ""


def held(holds: Sequence[int]) -> str:
    """How many checks of a claim hold: "2 of 3 checks hold"."""
    k, n = holds
    return f"{k} of {plural(n, 'check')} hold{'s' if k == 1 else ''}" if n else "no check of it gives a verdict"


def signs(bound: Bound) -> str:
    """A bound in signs: "≥ 0.1 and ≤ 1"."""
    lower, upper = (">", "<") if bound.strict else ("≥", "≤")
    if bound.low == bound.high:
        return f"= {number(bound.low)}"
    parts = [f"{lower} {number(bound.low)}"] if bound.low > -math.inf else []
    return " and ".join(parts + ([f"{upper} {number(bound.high)}"] if bound.high < math.inf else []))


def demand(bound: Bound) -> str:
    """A bound in words: "at least 0.1 and at most 1"."""
    lower, upper = ("above", "below") if bound.strict else ("at least", "at most")
    if bound.low == bound.high:
        return f"exactly {number(bound.low)}"
    parts = [f"{lower} {number(bound.low)}"] if bound.low > -math.inf else []
    return " and ".join(parts + ([f"{upper} {number(bound.high)}"] if bound.high < math.inf else []))


def asked(row: Mapping[str, Any]) -> str:
    """What a check asks for, from its form: "gap ≤ 10⁻⁶ in ≥ 18 units"."""
    form, kind = row["form"], row["kind"]
    if kind == "report" or not form["conditions"]:
        return ""
    asked_of = [bound_of(condition["bound"]) for condition in form["conditions"]]
    names = [condition["name"] for condition in form["conditions"]]
    text = "; ".join(f"{name} {signs(bound)}".strip() for name, bound in zip(names, asked_of, strict=True))
    if kind == "count":
        need = form["need"]
        text += " in every unit" if need is None else f" in ≥ {_part(need)}"
    if kind == "mean" or form.get("margin") == "any":
        text = f"mean of {text}"
    text += _groups(groups_of(form))
    if form.get("margin") and form["margin"] != "any":
        text += ", interval " + "; ".join(signs(widened(form, bound)) for bound in asked_of)
    if form.get("against") is not None:
        against = form["against"]
        region = f"at most {_part(against)} pass" if kind == "count" else signs(bound_of(against))
        text += f"; refuted where {region}"
    if form.get("missing"):
        text += f"; up to {_part(form['missing'])} may be undefined"
    return text


def _part(n: float) -> str:
    """A number of units, or a share of them."""
    return f"{100 * n:g} % of the units" if n < 1 else plural(int(n), "unit")


def _groups(groups: Groups) -> str:
    if groups == "all":
        return ""
    if isinstance(groups, tuple):
        return f" in ≥ {groups[0]} groups, refuted by ≥ {groups[1]}"
    return " in some group" if groups == "any" else f" in ≥ {groups} groups"


def coverage(row: Mapping[str, Any]) -> str:
    """What to call a check's interval: "98.05 % interval" for one of three looks."""
    own = level(row) if row["kind"] == "interval" else statistics.LEVEL
    return f"{100 * (1 - own):.4g} % interval"


def look(row: Mapping[str, Any]) -> str:
    """Which look gave a verdict, and what comes next: "look 1 of 3, 5 seeds; next: 10 seeds"; "" for one look."""
    looks = row.get("looks")
    if not looks:
        return ""
    taken, units, unit = looks["taken"], looks["units"], "sitting" if row["unit"] == "sitting" else "seed"
    if not taken:
        return f"look 1 of {len(units)}, {plural(units[0], unit)}: not complete"
    text = f"look {taken} of {len(units)}, {plural(units[taken - 1], unit)}"
    if row["verdict"] in ("reproduced", "refuted"):
        return f"decided at {text}" if taken > 1 else text
    if "next" in looks:
        return f"{text}; next: {plural(looks['next']['units'], unit)}"
    if "ends" in looks:
        return f"{text}; no further look" + (f": {looks['ends']}" if looks["ends"] != row["note"] else "")
    return f"{text}; it was the last" if taken == len(units) else text


def again(row: Mapping[str, Any], below: float = 0.995) -> str:
    """How often another draw of the looks would end otherwise; "" where the same end is as likely as `below`."""
    shares, verdict = row.get("again"), row["verdict"]
    key = "open" if verdict == "inconclusive" else verdict
    if not shares or "ungated" in row or key not in shares or shares[key] >= below:
        return ""
    words = {"reproduced": "reproduce it", "refuted": "refute it", "open": "stay open"}
    same = "stay open, too," if key == "open" else "decide the same way"
    rest = [
        f"{words[other]} in {_percent(share)}" for other, share in shares.items() if other != key and share >= 0.005
    ]
    return f"another draw of these looks would {same} in {', '.join([_percent(shares[key]), *rest])}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def without_gate(row: Mapping[str, Any]) -> str:
    """What a check that a gate holds back would have said: "without it: reproduced"; "" for all others."""
    own = row.get("ungated")
    return f"without it: {'undecided' if own == 'inconclusive' else own}" if own else ""


def remark(row: Mapping[str, Any]) -> str:
    """The note of a check, where it is not its number again; its error, where it could not be judged."""
    if row.get("error"):
        return f"error: {row['error']}"
    return "" if row["kind"] == "count" and " of " in row["note"] and not row.get("gates") else str(row["note"])


def warnings(verdicts: Mapping[str, Any], outdated: Sequence[str] = ()) -> list[str]:
    """What is wrong with a paper's results beyond its claims, one line each.

    Args:
        verdicts: of `verdicts.json`.
        outdated: experiments and arms whose results are older than the code.
    """
    failed = (verdicts.get("code") or {}).get("failed") or []
    broken = [row["id"] for row in verdicts.get("checks", ()) if row.get("error")]
    return [
        *([f"{'a check' if len(failed) == 1 else 'checks'} of the code failed: {', '.join(failed)}"] if failed else []),
        *([f"{plural(len(broken), 'check')} could not be judged: {', '.join(broken)}"] if broken else []),
        *([f"results older than the code: {some(outdated)}"] if outdated else []),
    ]


def some(names: Sequence[str], most: int = 4) -> str:
    """The first few of many names: "a, b, c, d and 12 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def duration(seconds: Any) -> str:
    """Seconds as "4.2 s", "12 min", "3.5 h" or "2.1 days"."""
    x = as_float(seconds)
    if x is None or not math.isfinite(x):
        return "–"
    if x < 0.095:
        return f"{x * 1000:.0f} ms"
    for limit, size, unit in ((100, 1, "s"), (5400, 60, "min"), (172800, 3600, "h"), (math.inf, 86400, "days")):
        if x < limit:
            part = x / size
            return f"{part:.1f} {unit}" if part < 10 else f"{part:.0f} {unit}"
    raise AssertionError("unreachable")


def hours(costs: Mapping[str, float]) -> str:
    """Costs by unit: "0.38 CPU-hours, 12 GPU-hours"; "nothing yet" for none."""
    return ", ".join(f"{number(value)} {unit}" for unit, value in costs.items()) or "nothing yet"


def tally(verdicts: Iterable[str]) -> dict[str, int]:
    """How often each verdict occurs, in their fixed order."""
    found = list(verdicts)
    return {verdict: found.count(verdict) for verdict in VERDICTS}


def counts(verdicts: Iterable[str]) -> str:
    """A tally in words, without zeros: "5 reproduced, 1 refuted"."""
    parts = [f"{n} {verdict}" for verdict, n in tally(verdicts).items() if n]
    return ", ".join(parts) or "no claims"


def plural(n: int, word: str) -> str:
    """ "1 run", "2 runs"."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration with dotted keys; a part's name stands at the part's own key."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            if "name" in value:
                found[path] = value["name"]
            found |= flat({k: v for k, v in value.items() if k != "name"}, f"{path}.")
        else:
            found[path] = value
    return found


def natural(text: str) -> tuple[Any, ...]:
    """A sorting key that puts "C10" after "C9"."""
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text))


def _minus(text: str) -> str:
    return text.replace("-", "−") if text.startswith("-") else text
