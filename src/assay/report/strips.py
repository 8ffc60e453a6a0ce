"""Small drawings of a check: our number against what was demanded of it.

A strip shows the accepted region tinted, its edge as a line, our number as a dot with its interval; a count shows one
square for each unit. They are plain SVG text whose colours are the page's CSS classes, so they follow its theme and
cost a few hundred bytes each. Every one carries a sentence for those who do not see it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from assay.measures import Bound
from assay.report import wording
from assay.review.verdicts import bound_of, bounds, widened

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
    """The strips of a check in `verdicts.json`, failing ones first."""
    kinds = {"exact": _numbers, "mean": _numbers, "count": _count, "interval": _interval, "report": _report}
    strips = kinds[check["kind"]](check)
    if check["kind"] == "report":
        return strips
    return sorted(strips, key=lambda strip: strip.holds is not False)


def headline(check: Mapping[str, Any]) -> Strip | None:
    """The strip of the number that a check shows first."""
    if not check["details"]:
        return None
    return next(iter(of_check({**check, "details": [wording.deciding(check)]})))


def _numbers(check: Mapping[str, Any]) -> list[Strip]:
    strips = []
    for detail in check["details"]:
        holds, bound = bool(detail["holds"]), bound_of(detail["bound"])
        svg = line(detail["value"], bound, _colour(check, "reproduced" if holds else "refuted"))
        strips.append(Strip(detail["name"], wording.number(detail["value"]), wording.demand(bound), svg, holds))
    return strips


def _count(check: Mapping[str, Any]) -> list[Strip]:
    strips = []
    for detail in check["details"]:
        k, n, need, holds = int(detail["k"]), int(detail["n"]), int(detail["need"]), bool(detail["holds"])
        demand = f"needs all {n}" if need == n else f"needs {need} of {n}"
        if k >= need and not holds:
            demand += "; so many are not rare under the toss of a coin"
        svg = squares(k, n, need, _colour(check, detail["verdict"]))
        strips.append(Strip(detail["name"], f"{k} of {n}", demand, svg, holds))
    return strips


def _interval(check: Mapping[str, Any]) -> list[Strip]:
    form, strips = check["form"], []
    against = None if form.get("against") is None else bound_of(form["against"])
    for detail in check["details"]:
        bound = bounds(check, detail)
        asked = Region(bound, widened(form, bound), against)
        text = " ".join(filter(None, [wording.number(detail["value"]), wording.interval(detail["interval"])]))
        verdict = _colour(check, detail["verdict"])
        svg = line(detail["value"], asked, verdict, detail["interval"], wording.coverage(check))
        strips.append(Strip(detail["name"], text, asked.words, svg, bool(detail["holds"])))
    return strips


def _report(check: Mapping[str, Any]) -> list[Strip]:
    return [Strip(d["name"], wording.number(d["value"], 4), "", Markup(""), None) for d in check["details"]]


def _colour(check: Mapping[str, Any], verdict: str) -> str:
    """The class of a drawn number; grey where the check has no verdict, whatever its number says."""
    return "untested" if check["verdict"] == "untested" else verdict


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


@dataclass(frozen=True)
class Region:
    """Where a number must lie.

    Attributes:
        bound: the region for the number itself.
        widened: the region for its interval, where there is a margin.
        against: the region that refutes, where that is not all that lies outside.
    """

    bound: Bound
    widened: Bound | None = None
    against: Bound | None = None

    @property
    def margin(self) -> bool:
        """Whether the interval may pass the bound."""
        return self.widened is not None and self.widened != self.bound

    @property
    def words(self) -> str:
        """The regions in words."""
        text = wording.demand(self.bound)
        if self.margin and self.widened is not None:
            text = f"mean {text}" + (f", interval {wording.demand(self.widened)}" if self.widened.ends else "")
        return text + (f"; refuted {wording.demand(self.against)}" if self.against is not None else "")


def line(value: Any, region: Region | Bound, verdict: str, ends: Any = None, interval: str = "95 % interval") -> Markup:
    """A number against the region where it must lie.

    Args:
        value: the number.
        region: what is asked for.
        verdict: gives the colour.
        ends: of its interval, if it has one.
        interval: what to call that.
    """
    region = Region(region) if isinstance(region, Bound) else region
    wide = region.widened if region.margin else None
    x = wording.as_float(value)
    spread = [end for end in (wording.as_float(e) for e in ends or []) if end is not None]
    others = [*(wide.ends if wide else ()), *(region.against.ends if region.against else ())]
    points = [p for p in [x, *spread, *region.bound.ends, *others] if p is not None and math.isfinite(p)]
    if x is None or not points:
        return Markup("")
    at = Scale(points)
    parts = [_box(at, wide, "margin")] if wide else []
    parts += [_box(at, region.bound, "region")] + ([_box(at, region.against, "against")] if region.against else [])
    parts.append(f'<line class="track" x1="{LEFT}" x2="{RIGHT}" y1="{MIDDLE}" y2="{MIDDLE}"/>')
    parts += _edges(at, region.bound.ends, others)
    if len(spread) == 2:
        parts.append(f'<line class="spread" x1="{at(spread[0])}" x2="{at(spread[1])}" y1="{MIDDLE}" y2="{MIDDLE}"/>')
        parts += [f'<line class="cap" x1="{at(s)}" x2="{at(s)}" y1="{MIDDLE - 5}" y2="{MIDDLE + 5}"/>' for s in spread]
    parts.append(f'<circle class="dot" cx="{at(x)}" cy="{MIDDLE}" r="5"/>')
    between = f", {interval} {wording.number(spread[0])} to {wording.number(spread[1])}" if len(spread) == 2 else ""
    scale = " (logarithmic scale)" if at.log else ""
    alt = f"measured {wording.number(x)}{between}; asked for {region.words or 'nothing'}{scale}"
    return _svg(parts, alt, verdict)


def _box(at: Scale, bound: Bound, kind: str) -> str:
    start = at(bound.low) if bound.low > -math.inf else LEFT
    stop = at(bound.high) if bound.high < math.inf else RIGHT
    return f'<rect class="{kind}" x="{start}" y="6" width="{max(1.0, stop - start):.1f}" height="22" rx="2"/>'


CROWDED = 42
"""Numbers at edges nearer than this are written to either side of them."""


def _edges(at: Scale, bound: Sequence[float], others: Sequence[float]) -> list[str]:
    """Lines at the edges of the regions, with their numbers."""
    kinds = {**dict.fromkeys(others, "limit"), **dict.fromkeys(bound, "edge")}
    places = sorted((at(edge), wording.number(edge), kind) for edge, kind in kinds.items())
    parts = [f'<line class="{kind}" x1="{x}" x2="{x}" y1="3" y2="31"/>' for x, _, kind in places]
    for i, (x, text, _) in enumerate(places):
        left = i and x - places[i - 1][0] < CROWDED
        right = i + 1 < len(places) and places[i + 1][0] - x < CROWDED
        if not (left and right):
            parts.append(_text(x, text, "start" if left else "end" if right else ""))
    return parts


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


def _text(x: float, text: str, anchor: str = "") -> str:
    anchor = anchor or ("start" if x < 40 else "end" if x > WIDTH - 40 else "middle")
    shift = {"start": -3, "end": 3, "middle": 0}[anchor]
    return f'<text x="{x + shift:.1f}" y="41" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], alt: str, verdict: str) -> Markup:
    head = f'<svg class="strip {verdict}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(alt)}">'
    return Markup(f"{head}{''.join(parts)}</svg>")  # noqa: S704 - numbers and escaped text only
