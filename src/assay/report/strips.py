"""Small drawings of a check: our number against what was demanded of it.

A strip shows the accepted region tinted, its edge as a line, our number as a dot with its interval; a count shows one
square for each unit. They are plain SVG text whose colours are the page's CSS classes, so they follow its theme and
cost a few hundred bytes each. Every one carries a sentence for those who do not see it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from assay.report import wording

WIDTH, HEIGHT = 260, 44
LEFT, RIGHT, MIDDLE = 8, 252, 17
MOST_SQUARES = 44


@dataclass(frozen=True)
class Strip:
    """One drawn number.

    Attributes:
        name: what was measured; "" where the check measures one thing.
        text: our number in words.
        demand: what was demanded of it.
        svg: the drawing, "" for a number that nothing is demanded of.
        holds: whether the demand is met; None for a report.
    """

    name: str
    text: str
    demand: str
    svg: Markup
    holds: bool | None


def of_check(check: Mapping[str, Any]) -> list[Strip]:
    """The strips of a check in `verdicts.json`, failing ones first; the first is its headline."""
    make = {"exact": _exact, "count": _count, "interval": _interval, "report": _report}[check["kind"]]
    strips = make(check)
    if check["kind"] == "report":
        return strips
    return sorted(strips, key=lambda strip: strip.holds is not False)


def _exact(check: Mapping[str, Any]) -> list[Strip]:
    strips = []
    for detail in check["details"]:
        holds = bool(detail["holds"])
        svg = line(detail["value"], None, f"x {detail['bound']}", _colour(check, holds))
        demand = wording.demand(f"x {detail['bound']}")
        strips.append(Strip(detail["name"], wording.number(detail["value"]), demand, svg, holds))
    return strips


def _count(check: Mapping[str, Any]) -> list[Strip]:
    strips = []
    for detail in check["details"]:
        k, n, holds = int(detail["k"]), int(detail["n"]), bool(detail["holds"])
        need = needed(check["threshold"], n)
        demand = f"needs all {n}" if need == n else f"needs {need} of {n}"
        strips.append(Strip(detail["name"], f"{k} of {n}", demand, squares(k, n, need, _colour(check, holds)), holds))
    return strips


def _interval(check: Mapping[str, Any]) -> list[Strip]:
    _, low, high = wording.bounds(check["threshold"])
    strips = []
    for detail in check["details"]:
        holds = bool(detail["holds"])
        # One group that does not hold may be refuted or undecided: its interval tells which.
        verdict = "reproduced" if holds else ("refuted" if _beyond(detail["interval"], low, high) else "inconclusive")
        text = " ".join(filter(None, [wording.number(detail["value"]), wording.interval(detail["interval"])]))
        verdict = "untested" if check["verdict"] == "untested" else verdict
        svg = line(detail["value"], detail["interval"], check["threshold"], verdict)
        strips.append(Strip(detail["name"], text, wording.demand(check["threshold"]), svg, holds))
    return strips


def _report(check: Mapping[str, Any]) -> list[Strip]:
    return [Strip(d["name"], wording.number(d["value"], 4), "", Markup(""), None) for d in check["details"]]


def _colour(check: Mapping[str, Any], holds: bool) -> str:
    """The class of a drawn number; grey where the check has no verdict, whatever its number says."""
    if check["verdict"] == "untested":
        return "untested"
    return "reproduced" if holds else "refuted"


def _beyond(ends: Any, low: float, high: float) -> bool:
    if not ends:
        return False
    least, most = wording.as_float(ends[0]), wording.as_float(ends[1])
    return least is not None and most is not None and (most < low or least > high)


def needed(threshold: str, n: int) -> int:
    """How many of n units a count check demands, from its threshold in words."""
    match = re.search(r" in >= ([\d.e+-]+)$", threshold)
    if not match:
        return n
    need = float(match[1])
    return math.ceil(need * n - 1e-9) if need < 1 else int(need)


# -- drawing --------------------------------------------------------------------------------------------------------


class Scale:
    """Maps numbers to x positions: linear, or logarithmic where positive numbers span more than a factor of 30."""

    def __init__(self, points: Sequence[float]) -> None:
        least, most = min(points), max(points)
        self.log = least > 0 and most / least > 30
        if self.log:
            least, most = math.log10(least), math.log10(most)
        pad = 0.16 * ((most - least) or abs(most) or 1.0)
        self.least, self.most = least - pad, most + pad

    def __call__(self, value: float) -> float:
        """The position of a value; beyond the scale it stays at the edge."""
        if math.isnan(value):
            return (LEFT + RIGHT) / 2
        if self.log:
            value = math.log10(value) if value > 0 else -math.inf
        share = (value - self.least) / (self.most - self.least)
        return round(LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, share)), 1)


def line(value: Any, ends: Any, threshold: str, verdict: str) -> Markup:
    """A number with its interval (or None) against a threshold in words, e.g. "gap <= 0.1"."""
    _, low, high = wording.bounds(threshold)
    x = wording.as_float(value)
    spread = [end for end in (wording.as_float(e) for e in ends or []) if end is not None]
    points = [p for p in [x, *spread, low, high] if p is not None and math.isfinite(p)]
    if x is None or not points:
        return Markup("")
    at = Scale(points)
    start = at(low) if low > -math.inf else LEFT
    stop = at(high) if high < math.inf else RIGHT
    parts = [
        f'<rect class="region" x="{start}" y="6" width="{max(1.0, stop - start):.1f}" height="22" rx="2"/>',
        f'<line class="track" x1="{LEFT}" x2="{RIGHT}" y1="{MIDDLE}" y2="{MIDDLE}"/>',
    ]
    for edge in (low, high):
        if math.isfinite(edge):
            parts.append(f'<line class="edge" x1="{at(edge)}" x2="{at(edge)}" y1="3" y2="31"/>')
            parts.append(_text(at(edge), wording.number(edge)))
    if len(spread) == 2:
        parts.append(f'<line class="spread" x1="{at(spread[0])}" x2="{at(spread[1])}" y1="{MIDDLE}" y2="{MIDDLE}"/>')
        parts += [f'<line class="cap" x1="{at(s)}" x2="{at(s)}" y1="{MIDDLE - 5}" y2="{MIDDLE + 5}"/>' for s in spread]
    parts.append(f'<circle class="dot" cx="{at(x)}" cy="{MIDDLE}" r="5"/>')
    between = f", 95 % interval {wording.number(spread[0])} to {wording.number(spread[1])}" if len(spread) == 2 else ""
    scale = " (logarithmic scale)" if at.log else ""
    alt = f"measured {wording.number(x)}{between}; asked for {wording.demand(threshold) or 'nothing'}{scale}"
    return _svg(parts, alt, verdict)


def squares(k: int, n: int, need: int, verdict: str) -> Markup:
    """k of n units that passed, against the number needed; squares for few units, a bar for many."""
    parts = []
    width = (RIGHT - LEFT) / max(n, need)
    if n <= MOST_SQUARES:
        size = min(16.0, width - 2)
        width = size + 2
        for i in range(n):
            kind = "pass" if i < k else "miss"
            parts.append(
                f'<rect class="{kind}" x="{LEFT + i * width:.1f}" y="9" width="{size:.1f}" height="16" rx="2"/>'
            )
    else:
        parts.append(f'<rect class="miss" x="{LEFT}" y="9" width="{n * width:.1f}" height="16" rx="2"/>')
        parts.append(f'<rect class="pass" x="{LEFT}" y="9" width="{k * width:.1f}" height="16" rx="2"/>')
    edge = round(LEFT + need * width - (1 if n <= MOST_SQUARES else 0), 1)
    parts.append(f'<line class="edge" x1="{edge}" x2="{edge}" y1="3" y2="31"/>')
    parts.append(_text(edge, f"all {n}" if need == n else str(need)))
    return _svg(parts, f"{k} of {n} passed; needed {need}", verdict)


def _text(x: float, text: str) -> str:
    anchor = "start" if x < 40 else "end" if x > WIDTH - 40 else "middle"
    shift = {"start": -3, "end": 3, "middle": 0}[anchor]
    return f'<text x="{x + shift:.1f}" y="41" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], alt: str, verdict: str) -> Markup:
    head = f'<svg class="strip {verdict}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(alt)}">'
    return Markup(f"{head}{''.join(parts)}</svg>")  # noqa: S704 - numbers and escaped text only
