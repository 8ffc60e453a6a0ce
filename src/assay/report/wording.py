"""How verdicts, numbers and durations are written, the same on the page, the board, in READMEs and at the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

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
        low = min(check["details"], key=lambda d: d["k"] / d["n"])
        return f"{low['k']} of {low['n']}"
    return " ".join(filter(None, [number(check["measured"]), interval(check["interval"])]))


def bounds(text: str) -> tuple[str, float, float]:
    """The name, least and largest value of a condition in words, e.g. "gap >= 0.1 and <= 1" -> ("gap", 0.1, 1.0)."""
    low, high, name = -math.inf, math.inf, text.strip()
    pattern = re.compile(r"^(.*?)\s*(>=|<=|>|<) ([-+]?(?:inf|[\d.]+(?:e[-+]?\d+)?))$")
    for _ in range(2):
        match = pattern.match(name)
        if not match:
            break
        name = match[1].removesuffix("and").rstrip()
        low, high = (float(match[3]), high) if match[2].startswith(">") else (low, float(match[3]))
    return name, low, high


def threshold(text: str) -> str:
    """A check's threshold as people write it: "gap <= 1e-06 in >= 18" -> "gap ≤ 10⁻⁶ in ≥ 18"."""
    signs = text.replace(">=", "≥").replace("<=", "≤")
    return re.sub(r"(?<=[<>≤≥] )[-+]?[\d.]+(?:e[-+]?\d+)?", lambda match: number(float(match[0])), signs)


def demand(text: str) -> str:
    """The bounds of a condition in words: "gap >= 0.1 and < 1" -> "at least 0.1 and below 1"."""
    tail = text.strip()[len(bounds(text)[0]) :].strip()
    said = {">=": "at least", "<=": "at most", ">": "above", "<": "below"}
    words = [said.get(word, word) for word in tail.split()]
    return " ".join(word if as_float(word) is None else number(float(word)) for word in words)


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
