"""Claims, checks and the rules by which numbers become verdicts.

A paper's `claims.py` lists sentences of the paper (`Claim`) and executable tests over the results (`Check`), both
written down before any run. A check has a kind that says how numbers become a verdict:

    Exact      deterministic: every value within its bound, or refuted
    Count      k of n units within their bounds, against the number registered
    Interval   the t interval of a mean over units, against a threshold: beyond it, short of it, or inconclusive
    Mean       the mean over units, against a threshold; for gates alone
    Report     numbers without a verdict

What a check measures is a measure (`assay.measures`), or a plain function of `Results`. Rules belong to the kinds and
never to a paper. Verdicts are computed by `assay.judging`, never typed in; `docs/statistics.md` explains them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay import statistics
from assay.measures import (
    ANY,
    Bound,
    Condition,
    Measure,
    Read,
    Value,
    Values,
    above,
    as_measure,
    at_least,
    at_most,
    below,
    between,
    curve,
    difference,
    exact,
    function,
    on_edge,
    scalar,
    share,
    slope,
    spearman,
    table,
    unit,
)
from assay.results import Results

__all__ = [
    "ANY", "Amendment", "Bound", "Check", "Claim", "Condition", "Count", "Exact", "Finding", "Interval", "Look", "Mean",
    "Measure", "Read", "Report", "Value", "Values", "above", "as_measure", "at_least", "at_most", "below", "between",
    "curve", "difference", "exact", "function", "on_edge", "scalar", "share", "slope", "spearman", "table", "unit",
]  # fmt: skip

Verdict = Literal["reproduced", "refuted", "inconclusive", "untested"]

Groups = Literal["all", "any"] | int | tuple[int, int]
"""How many of a check's groups must hold: all of them, any, k; or (so many must hold, so many refute)."""

Measured = Measure | Callable[[Results], Values]

Conditions = Condition | Sequence[Condition]
"""One condition, or several that must all hold."""


def several(conditions: Conditions) -> list[Condition]:
    """The conditions, as a list."""
    return [conditions] if isinstance(conditions, Condition) else list(conditions)


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper.

    Args:
        id: as on the card, e.g. "C1".
        statement: what the paper says.
        source: where it says so (theorem, table, figure).
        paper_says: the paper's own number, where it could be read.
    """

    id: str
    statement: str
    source: str
    paper_says: str | None = None


@dataclass(frozen=True)
class Look:
    """How a kind looks at values.

    Attributes:
        level: the two-sided level of an interval.
        seeded: the units are seeds, to which more can be added: counts are held against the toss of a coin.
        registered: units of the first look; None where units are no seeds.
        looks: how many looks there may be.
        units: units that each group must have at this look; None where units are no seeds.
        groups: labels of the only groups that count; None for all of them.
    """

    level: float = statistics.LEVEL
    seeded: bool = False
    registered: int | None = None
    looks: int = 1
    units: int | None = None
    groups: frozenset[str] | None = None


@dataclass(frozen=True)
class Finding:
    """What a kind makes of the numbers of one look.

    Attributes:
        verdict: None for a report.
        measured, interval, n: of the group that decides.
        runs: signatures of all runs that were read.
        details: one row a condition or a group.
        p_value: of the check at this look, its groups accounted for; None where it has none.
        units_needed: how many units would probably decide.
        note: why it is so, in a few words.
        ends: further looks could not decide, and why.
        again: how often another draw of the same looks would come to each verdict, if the truth is what was seen.
    """

    verdict: Verdict | None
    measured: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    runs: tuple[str, ...] = ()
    details: list[dict[str, Any]] = field(default_factory=list)
    p_value: float | None = None
    units_needed: int | None = None
    note: str = ""
    ends: str = ""
    again: statistics.Again | None = None


# -- groups ---------------------------------------------------------------------------------------------------------


def demanded(groups: Groups, m: int) -> tuple[int, int]:
    """Of m groups, how many must hold, and how many must lie outside to refute."""
    if isinstance(groups, tuple):
        return groups
    need = m if groups == "all" else 1 if groups == "any" else int(groups)
    return need, m - need + 1


def verdict_of(verdicts: Sequence[str | None], groups: Groups) -> Verdict:
    """A check's verdict from those of its groups."""
    need, against = demanded(groups, len(verdicts))
    if sum(verdict == "reproduced" for verdict in verdicts) >= need:
        return "reproduced"
    return "refuted" if sum(verdict == "refuted" for verdict in verdicts) >= against else "inconclusive"


def _by_group(values: Values, look: Look) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for value in values:
        if look.groups is None or value.group in look.groups:
            found.setdefault(value.group, []).append(value)
    return found


def _take_apart(kind: Interval | Mean) -> None:
    """Let a condition stand for its measure, bound and name."""
    if isinstance(kind.measure, Condition):
        condition = kind.measure
        object.__setattr__(kind, "measure", condition.measure)
        object.__setattr__(kind, "bound", condition.bound)
        object.__setattr__(kind, "name", kind.name or condition.name)


def _groups_in_words(groups: Groups) -> str:
    if groups == "all":
        return ""
    if isinstance(groups, tuple):
        return f" in >= {groups[0]} groups"
    return " in some group" if groups == "any" else f" in >= {groups} groups"


def _runs(values: Values) -> tuple[str, ...]:
    return tuple(sorted({run for value in values for run in value.runs}))


def _short(found: Mapping[str, Sized], look: Look) -> str:
    """Which group lacks units at a look over seeds, in words; "" if none does."""
    for name, units in found.items():
        if look.units is not None and len(units) < look.units:
            return f"{len(units)} of {look.units} units{f' at {name}' if name else ''}"
    return ""


# -- kinds ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exact:
    """Deterministic: every value of every condition within its bound.

    Args:
        conditions: one, or several that must all hold.
    """

    conditions: Conditions
    label = "exact"
    groups: Groups = "all"

    def threshold(self) -> str:
        """The bounds in words."""
        return "; ".join(f"{c.name} {c.bound}".strip() for c in several(self.conditions))

    def form(self) -> dict[str, Any]:
        """The rule as data."""
        return {"conditions": [condition.form() for condition in several(self.conditions)]}

    def judge(self, results: Results, look: Look | None = None) -> Finding:
        """Reproduced if all hold, refuted if any does not, untested if a condition has no value."""
        details, runs, worst, missing, n = [], set[str](), None, False, 0
        for condition in several(self.conditions):
            values = condition.measure(results)
            missing |= not values
            n += len(values)
            for value in sorted(values, key=lambda v: -condition.bound.excess(v.value))[:1]:
                held = all(condition.bound.holds(v.value) for v in values)
                details.append(
                    {
                        "name": condition.name,
                        "value": value.value,
                        "bound": condition.bound.form(),
                        "holds": held,
                        "n": len(values),
                        "unit": value.unit,
                    }
                )
                if worst is None or (worst[0] and not held):
                    worst = (held, value.value)
            runs.update(signature for value in values for signature in value.runs)
        if worst is None or (missing and worst[0]):
            return Finding("untested", details=details, note="nothing measured" if worst is None else "partly measured")
        return Finding(
            "reproduced" if worst[0] else "refuted", worst[1], n=n, runs=tuple(sorted(runs)), details=details
        )


@dataclass(frozen=True)
class Count:
    """At least `need` units (all of them if None), in every group, keep all conditions.

    Over seeds, to which more can be added, so many passes must also be rare under the toss of a coin, and a count that
    is missed refutes only where so few passes are rare under the share that was demanded. Other units are what they
    are: the number that is registered decides.

    Args:
        conditions: one or several, evaluated unit by unit; a unit passes if all hold for it. A value that is not
            finite fails.
        need: how many units must pass in each group; a float below 1 is a share. With further seeds a number counts as
            the share that it is of the registered units.
        against: refuted where at most so many pass; a number or a share like `need`.
        undecided: a unit that does not pass and for which one of these holds neither passes nor fails.
        groups: how many groups must hold.
    """

    conditions: Conditions
    need: int | float | None = None
    against: int | float | None = None
    undecided: Sequence[Condition] = ()
    groups: Groups = "all"
    label = "count"

    def threshold(self) -> str:
        """The bounds and the number needed in words."""
        bounds = "; ".join(f"{c.name} {c.bound}".strip() for c in several(self.conditions))
        return (
            f"{bounds} in {'every unit' if self.need is None else f'>= {self.need:g}'}{_groups_in_words(self.groups)}"
        )

    def form(self) -> dict[str, Any]:
        """The rule as data."""
        return {
            "conditions": [condition.form() for condition in several(self.conditions)],
            "need": self.need,
            **({"against": self.against} if self.against is not None else {}),
            **({"undecided": [condition.form() for condition in self.undecided]} if self.undecided else {}),
            "groups": self.groups,
        }

    def states(self, results: Results, look: Look) -> tuple[dict[str, dict[str, bool | None]], bool, Values]:
        """For each group and unit whether it passes (None: undecided); whether all were measured; all values."""
        held: dict[tuple[str, str], bool] = {}
        open_units: set[tuple[str, str]] = set()
        seen, every = list[set[tuple[str, str]]](), Values()
        for condition in several(self.conditions):
            values = [v for v in condition.measure(results) if look.groups is None or v.group in look.groups]
            every += values
            seen.append({(v.group, v.unit) for v in values})
            for v in values:
                passes = math.isfinite(v.value) and condition.bound.holds(v.value)
                held[v.group, v.unit] = held.get((v.group, v.unit), True) and passes
        for condition in self.undecided:
            open_units |= {(v.group, v.unit) for v in condition.measure(results) if condition.bound.holds(v.value)}
        groups: dict[str, dict[str, bool | None]] = {}
        for (group, name), passes in held.items():
            groups.setdefault(group, {})[name] = None if not passes and (group, name) in open_units else passes
        return groups, all(keys == set(held) for keys in seen), every

    def judge(self, results: Results, look: Look | None = None) -> Finding:
        """Count passes per group; the group with the smallest share is the headline."""
        look = look or Look()
        groups, complete, values = self.states(results, look)
        if not groups:
            return Finding("untested", note="nothing measured")
        runs = _runs(values)
        short = _short(groups, look)
        if short or not complete:
            k, n = min(
                ((sum(s is True for s in g.values()), len(g)) for g in groups.values()), key=lambda kn: kn[0] / kn[1]
            )
            note = short or "some units lack a measurement"
            return Finding(
                "inconclusive", k / n, statistics.binomial_interval(k, n), n, runs, self._rows(groups, look), note=note,
                ends=note,
            )  # fmt: skip
        details = self._rows(groups, look)
        verdict = verdict_of([row["verdict"] for row in details], self.groups)
        worst = min(details, key=lambda row: (row["k"] / row["n"], row["k"], row["n"]))
        k, n = worst["k"], worst["n"]
        finding = Finding(
            verdict, k / n, statistics.binomial_interval(k, n), n, runs, details, note=f"{k} of {n}",
            p_value=self._p_value(details, verdict) if look.seeded else None,
        )  # fmt: skip
        return self._outlook(finding, look) if look.seeded else finding

    def _rows(self, groups: Mapping[str, Mapping[str, bool | None]], look: Look) -> list[dict[str, Any]]:
        rows = []
        for name, units in groups.items():
            k, n = sum(state is True for state in units.values()), len(units)
            undecided = sum(state is None for state in units.values())
            verdict = self._verdict(k, undecided, n, look)
            row = {"name": name, "k": k, "n": n, "need": self._needed(n, look), "holds": verdict == "reproduced"}
            rows.append({**row, "verdict": verdict, **({"undecided": undecided} if undecided else {})})
        return rows

    def _verdict(self, k: int, undecided: int, n: int, look: Look) -> Verdict:
        need = self._needed(n, look)
        if k >= need and (not look.seeded or statistics.at_least(k, n) <= statistics.COIN):
            return "reproduced"
        if self.against is not None:
            return "refuted" if k + undecided <= self._scaled(self.against, n, look, math.floor) else "inconclusive"
        missed = k + undecided < need
        if missed and look.seeded:
            few = statistics.at_most(k + undecided, n, min(need / n, statistics.MOST_DEMANDED))
            missed = few <= statistics.TOO_FEW
        return "refuted" if missed else "inconclusive"

    def _needed(self, n: int, look: Look) -> int:
        return n if self.need is None else self._scaled(self.need, n, look, math.ceil)

    def _scaled(self, number: float, n: int, look: Look, rounded: Callable[[float], int]) -> int:
        """A registered number of units, or share of them, for n units."""
        registered = look.registered or n
        if number >= 1 and n == registered:
            return rounded(number)
        exact = (number if number < 1 else number / registered) * n
        # 0.55 * 20 is a little more than 11 in floating point, and 11 of 20 must do.
        return rounded(exact - 1e-9 if rounded is math.ceil else exact + 1e-9)

    def _p_value(self, details: Sequence[Mapping[str, Any]], verdict: Verdict) -> float:
        """How rare so many passes are under a coin; for a refuted count, so few under the share demanded."""
        need, against = demanded(self.groups, len(details))
        if verdict == "refuted":
            tails = sorted(
                statistics.at_most(d["k"], d["n"], min(d["need"] / d["n"], statistics.MOST_DEMANDED)) for d in details
            )
            return min(1.0, (len(details) - against + 1) * tails[against - 1])
        tails = sorted(statistics.at_least(d["k"], d["n"]) for d in details)
        return min(1.0, (len(details) - need + 1) * tails[need - 1])

    def _outlook(self, finding: Finding, look: Look) -> Finding:
        """What the last look would say, and how often another draw would end the same way."""
        assert look.registered is not None
        shares = [row["k"] / row["n"] for row in finding.details]

        def decide(k: NDArray[np.int64], n: int) -> NDArray[np.int8]:
            at = replace(look, units=n)
            known = {i: {"reproduced": 1, "refuted": -1}.get(self._verdict(i, 0, n, at), 0) for i in range(n + 1)}
            marks = np.vectorize(known.__getitem__, otypes=[np.int8])(k)
            return _decided(marks, self.groups)

        again = statistics.count_again(shares, look.registered, look.looks, decide)
        ends = ""
        if finding.verdict == "inconclusive" and finding.n >= statistics.FEWEST:
            last = look.registered * statistics.LOOKS[look.looks - 1]
            chances = [self._chance(share, last, look) for share in shares]
            ends = _hopeless(chances, self.groups, last)
        return replace(finding, again=again, ends=ends)

    def _chance(self, share: float, n: int, look: Look) -> float:
        """The probability that n units decide a group, if their share is what was seen."""
        at = replace(look, units=n)
        decides = [k for k in range(n + 1) if self._verdict(k, 0, n, at) != "inconclusive"]
        return sum(statistics.at_least(k, n, share) - statistics.at_least(k + 1, n, share) for k in decides)


@dataclass(frozen=True)
class Interval:
    """The t interval of the mean over units lies inside the bound (reproduced) or outside it (refuted).

    Args:
        measure: one value per unit; or a condition, which brings its bound: `Interval(a - b > 0)`.
        bound: one-sided, e.g. `above(0)`, or a band, e.g. `between(-0.15, 0.15)`.
        clusters: units are named "seed, ..." and nested in seeds, which are then the units that decide.
        name: what is measured, for the page.
        groups: how many groups must hold. "any" divides the level by the number of groups.
        against: the region that refutes, where it isn't all that lies outside the bound: with a smallest effect of
            interest x, `above(0)` is refuted by `below(x)`.
        margin: the interval may pass the bound by so much while the mean keeps it.
        missing: the largest share of units that may be undefined (not a number); they are left out.
        pool: judge the mean over the groups, unit by unit, in place of each group.
        level: the level of each look, where it is registered; 0.0195 for one of three looks and 0.05 for one look else.
    """

    measure: Measured | Condition
    bound: Bound = ANY
    clusters: bool = False
    name: str = ""
    groups: Groups = "all"
    against: Bound | None = None
    margin: float = 0.0
    missing: float = 0.0
    pool: bool = False
    level: float | None = None
    label = "interval"

    def __post_init__(self) -> None:
        _take_apart(self)

    @property
    def conditions(self) -> list[Condition]:
        """What it measures, with its bound."""
        return [Condition(self.measure, self.bound, self.name)]  # type: ignore[arg-type]

    @property
    def widened(self) -> Bound:
        """Where the interval must lie."""
        return Bound(self.bound.low - self.margin, self.bound.high + self.margin, self.bound.strict)

    def threshold(self) -> str:
        """The bound in words."""
        words = f"{self.name} {self.bound}".strip() + _groups_in_words(self.groups)
        if self.margin:
            return f"{words}, interval {self.widened}" if math.isfinite(self.margin) else f"mean of {words}"
        return words

    def form(self) -> dict[str, Any]:
        """The rule as data."""
        return {
            "conditions": [condition.form() for condition in several(self.conditions)],
            "groups": self.groups,
            **({"clusters": True} if self.clusters else {}),
            **({"against": self.against.form()} if self.against is not None else {}),
            **({"margin": self.margin if math.isfinite(self.margin) else "any"} if self.margin else {}),
            **({"missing": self.missing} if self.missing else {}),
            **({"pool": True} if self.pool else {}),
            **({"level": self.level} if self.level is not None else {}),
        }

    def judge(self, results: Results, look: Look | None = None) -> Finding:
        """Judge each group; the group that decides is the headline."""
        look = look or Look()
        groups = _by_group(self.conditions[0].measure(results), look)
        if self.pool:
            groups = {"": _pooled(groups)} if groups else {}
        if not groups:
            return Finding("untested", note="nothing measured")
        level = (self.level or look.level) / (len(groups) if self.groups == "any" else 1)
        found = {name: self._group(values, level, look) for name, values in groups.items()}
        need, _ = demanded(self.groups, len(found))
        if len(found) < need:
            return replace(self._headline(found, next(iter(found))), verdict="inconclusive", note="too few groups")
        verdict = verdict_of([f.verdict for f in found.values()], self.groups)
        finding = self._headline(found, sorted(found, key=lambda name: _rank(found[name]))[need - 1])
        odd = [f for f in found.values() if f.ends]
        short = _short({name: _units(values, self.clusters) for name, values in groups.items()}, look)
        if short or odd:
            return replace(
                finding, verdict="inconclusive", note=short or odd[0].note, ends=short or odd[0].ends,
                p_value=None, units_needed=None,
            )  # fmt: skip
        p_values = sorted(1.0 if f.p_value is None else f.p_value for f in found.values())
        p_value = None if finding.p_value is None else min(1.0, (len(found) - need + 1) * p_values[need - 1])
        held = sum(f.verdict == "reproduced" for f in found.values())
        note = f"{held} of {len(found)} groups hold" if len(found) > 1 else finding.note
        finding = replace(finding, verdict=verdict, p_value=p_value, note=note)
        if verdict != "inconclusive" or need != len(found):
            finding = replace(finding, units_needed=None)
        return self._outlook(finding, groups, level, look) if look.seeded else finding

    def _headline(self, found: Mapping[str, Finding], name: str) -> Finding:
        """One group's finding for all of them, with the runs of all and the others as details."""
        details = [
            {
                "name": key,
                "value": f.measured,
                "interval": f.interval,
                "n": f.n,
                "holds": f.verdict == "reproduced",
                "verdict": f.verdict,
            }
            for key, f in found.items()
        ]
        runs = tuple(sorted({run for f in found.values() for run in f.runs}))
        return replace(found[name], runs=runs, details=details)

    def _group(self, values: Values, level: float, look: Look) -> Finding:
        runs = _runs(values)
        defined = [v for v in values if not (self.missing and math.isnan(v.value))]
        lost = len(values) - len(defined)
        numbers = [v.value for v in defined]
        clusters = _clusters(defined) if self.clusters else None
        n = len(set(clusters)) if clusters is not None else len(numbers)
        if lost > self.missing * len(values):
            note = f"{lost} of {len(values)} units are undefined"
            return Finding("inconclusive", n=n, runs=runs, note=note, ends=note)
        if not all(map(math.isfinite, numbers)):
            note = "a value is not finite"
            return Finding("inconclusive", n=n, runs=runs, note=note, ends=note)
        if n < 2:
            measured = sum(numbers) / len(numbers) if numbers else None
            return Finding("inconclusive", measured, n=n, runs=runs, note="fewer than two units")
        result = statistics.mean_interval(numbers, clusters, 1 - level)
        ends = self.widened.ends
        inside = self.bound.holds(result.mean) and self.widened.holds(result.low) and self.widened.holds(result.high)
        outside = self._outside(result.low, result.high)
        verdict: Verdict = "reproduced" if inside else "refuted" if outside else "inconclusive"
        p_value: float | None = None
        if ends:
            # The end that is hardest to exclude decides, on whichever side of it the interval lies.
            p_value = max(statistics.p_value(numbers, end, clusters) for end in ends) if result.sd else 0.0
        note = ""
        if not result.sd and result.n < statistics.FEWEST:
            verdict, p_value = "inconclusive", None
            note = f"all {result.n} units are equal, which decides from {statistics.FEWEST} units on"
        needed = None
        if verdict == "inconclusive" and ends:
            needs = [statistics.units_needed(numbers, end, 1 - level, clusters=clusters) for end in ends]
            needed = max((need for need in needs if need is not None), default=None) if None not in needs else None
        return Finding(
            verdict, result.mean, (result.low, result.high), result.n, runs, p_value=p_value, units_needed=needed,
            note=note,
        )  # fmt: skip

    def _outside(self, low: float, high: float) -> bool:
        """Whether an interval lies where it refutes."""
        if self.against is not None:
            return self.against.holds(low) and self.against.holds(high)
        short, beyond = self.bound.low - high, low - self.bound.high
        return max(short, beyond) > 0 or (self.bound.strict and max(short, beyond) == 0)

    def _outlook(self, finding: Finding, groups: Mapping[str, Values], level: float, look: Look) -> Finding:
        """What the last look would say, and how often another draw would end the same way."""
        assert look.registered is not None
        samples = [_units([v for v in values if math.isfinite(v.value)], self.clusters) for values in groups.values()]
        if any(len(units) < 2 for units in samples):
            return finding

        def decide(means: NDArray[np.float64], sds: NDArray[np.float64], n: int) -> NDArray[np.int8]:
            return _decided(self._marks(means, sds, n, level), self.groups)

        again = statistics.draw_again(samples, look.registered, look.looks, decide)
        ends = ""
        if finding.verdict == "inconclusive" and min(map(len, samples)) >= statistics.FEWEST:
            last = look.registered * statistics.LOOKS[look.looks - 1]
            ends = _hopeless([self._chance(units, last, level) for units in samples], self.groups, last)
        return replace(finding, again=again, ends=ends)

    def _marks(self, means: NDArray[np.float64], sds: NDArray[np.float64], n: int, level: float) -> NDArray[np.int8]:
        """For simulated means and spreads: 1 inside, -1 outside, 0 neither."""
        from scipy import stats

        half = stats.t.ppf(1 - level / 2, n - 1) * sds / math.sqrt(n)
        low, high, wide = means - half, means + half, self.widened
        inside = (low > wide.low) & (high < wide.high) & (means > self.bound.low) & (means < self.bound.high)
        if self.against is not None:
            outside = (low > self.against.low) & (high < self.against.high)
        else:
            outside = (high < self.bound.low) | (low > self.bound.high)
        return np.where(inside, 1, np.where(outside, -1, 0)).astype(np.int8)

    def _chance(self, units: Sequence[float], n: int, level: float) -> float:
        """The probability that n units decide a group, if mean and spread are what was seen."""
        mean, sd = float(np.mean(units)), float(np.std(units, ddof=1))
        if not sd:
            return 1.0

        def inside(bound: Bound) -> float:
            sides = [
                statistics.beyond((mean - bound.low) / sd, n, level) if math.isfinite(bound.low) else 1.0,
                statistics.beyond((bound.high - mean) / sd, n, level) if math.isfinite(bound.high) else 1.0,
            ]
            return max(0.0, sum(sides) - 1)

        holds = inside(self.widened) if self.bound.holds(mean) or not self.margin else 0.0
        if self.against is not None:
            return min(1.0, holds + inside(self.against))
        short = statistics.beyond((self.bound.low - mean) / sd, n, level) if math.isfinite(self.bound.low) else 0.0
        over = statistics.beyond((mean - self.bound.high) / sd, n, level) if math.isfinite(self.bound.high) else 0.0
        return min(1.0, holds + short + over)


def _rank(finding: Finding) -> tuple[int, float]:
    """Groups from the one that holds best to the one that fails most."""
    mark = {"reproduced": 0, "refuted": 2}.get(str(finding.verdict), 1)
    p_value = 1.0 if finding.p_value is None else finding.p_value
    return mark, -p_value if mark == 2 else p_value


def _decided(marks: NDArray[np.int8], groups: Groups) -> NDArray[np.int8]:
    """Simulated verdicts [draws] from those of their groups [draws, groups]."""
    need, against = demanded(groups, marks.shape[1])
    held, failed = (marks == 1).sum(axis=1) >= need, (marks == -1).sum(axis=1) >= against
    return np.where(held, 1, np.where(failed, -1, 0)).astype(np.int8)


def _hopeless(chances: Sequence[float], groups: Groups, last: int) -> str:
    """Why further looks end, if the last one would hardly decide the group on which the verdict hangs."""
    need, _ = demanded(groups, len(chances))
    chance = sorted(chances, reverse=True)[min(need, len(chances)) - 1]
    if chance >= statistics.HOPELESS:
        return ""
    return f"{last} units would decide in {100 * chance:.0f} % of draws at what is seen"


def _clusters(values: Values) -> list[str]:
    return [v.unit.partition(",")[0] for v in values]


def _units(values: Values, clusters: bool) -> tuple[float, ...]:
    """The independent units in order of their labels; not a number where one of a cluster is."""
    parts: dict[str, list[float]] = {}
    for v, name in zip(values, _clusters(values) if clusters else [v.unit for v in values], strict=True):
        parts.setdefault(name, []).append(v.value)
    return tuple(math.fsum(parts[name]) / len(parts[name]) for name in sorted(parts))


def _pooled(groups: Mapping[str, Values]) -> Values:
    """The mean over groups of each unit that all of them have."""
    shared = set.intersection(*({v.unit for v in values} for values in groups.values()))
    found: dict[str, Values] = {}
    for values in groups.values():
        for v in values:
            if v.unit in shared:
                found.setdefault(v.unit, []).append(v)
    return [Value(name, math.fsum(v.value for v in part) / len(part), _runs(part)) for name, part in found.items()]


@dataclass(frozen=True)
class Mean:
    """The mean over units keeps a bound: a comparison of numbers without a test, for gates alone.

    A gate asks whether a setting is one in which anything can be told (say, whether the best arm learns at all). It is
    read on the units of the look at hand.

    Args:
        measure: one value per unit; or a condition, which brings its bound.
        bound: what the mean must keep.
        name: what is measured, for the page.
        groups: how many groups must hold.
    """

    measure: Measured | Condition
    bound: Bound = ANY
    name: str = ""
    groups: Groups = "all"
    label = "mean"

    def __post_init__(self) -> None:
        _take_apart(self)

    @property
    def conditions(self) -> list[Condition]:
        """What it measures, with its bound."""
        return [Condition(self.measure, self.bound, self.name)]  # type: ignore[arg-type]

    def threshold(self) -> str:
        """The bound in words."""
        return f"mean of {self.name} {self.bound}".strip() + _groups_in_words(self.groups)

    def form(self) -> dict[str, Any]:
        """The rule as data."""
        return {"conditions": [condition.form() for condition in several(self.conditions)], "groups": self.groups}

    def judge(self, results: Results, look: Look | None = None) -> Finding:
        """Compare each group's mean."""
        look = look or Look()
        groups = _by_group(self.conditions[0].measure(results), look)
        if not groups:
            return Finding("untested", note="nothing measured")
        runs = _runs([v for values in groups.values() for v in values])
        details: list[dict[str, Any]] = []
        for name, values in groups.items():
            mean = math.fsum(v.value for v in values) / len(values)
            verdict = "reproduced" if self.bound.holds(mean) else "refuted"
            details.append(
                {
                    "name": name,
                    "value": mean,
                    "bound": self.bound.form(),
                    "holds": verdict == "reproduced",
                    "verdict": verdict,
                    "n": len(values),
                }
            )
        need, _ = demanded(self.groups, len(details))
        ranked = sorted(details, key=lambda row: self.bound.excess(row["value"]))
        head = ranked[min(need, len(ranked)) - 1]
        short = _short(groups, look)
        verdict = "inconclusive" if short else verdict_of([row["verdict"] for row in details], self.groups)
        return Finding(verdict, head["value"], n=head["n"], runs=runs, details=details, note=short)


@dataclass(frozen=True)
class Report:
    """Numbers that are shown and not judged.

    Args:
        conditions: what is shown, one or several; their bounds say nothing.
    """

    conditions: Conditions
    label = "report"
    groups: Groups = "all"

    def threshold(self) -> str:
        """Nothing is demanded."""
        return ""

    def form(self) -> dict[str, Any]:
        """What is shown, as data."""
        return {"conditions": [condition.form() for condition in several(self.conditions)]}

    def judge(self, results: Results, look: Look | None = None) -> Finding:
        """The mean of each condition's values."""
        details, runs, n = list[dict[str, Any]](), set[str](), 0
        for condition in several(self.conditions):
            values = condition.measure(results)
            n += len(values)
            runs.update(signature for v in values for signature in v.runs)
            groups: dict[str, list[float]] = {}
            for v in values:
                groups.setdefault(v.group, []).append(v.value)
            for group, numbers in groups.items():
                name = ", ".join(filter(None, [condition.name, group]))
                details.append({"name": name, "value": sum(numbers) / len(numbers), "n": len(numbers)})
        measured = details[0]["value"] if len(details) == 1 else None
        return Finding(None, measured, n=n, runs=tuple(sorted(runs)), details=details)


Kind = Exact | Count | Interval | Mean | Report


@dataclass(frozen=True)
class Amendment:
    """A check that was wrong or impossible is kept; this says what it said before, why it changed, and when."""

    date: str
    old: str
    reason: str


@dataclass(frozen=True)
class Check:
    """A pre-registered test.

    Args:
        id: as on the card; parts of one numbered check get letters ("4a").
        statement: what is tested, in words, as on the card.
        serves: ids of the claims whose verdict it feeds; none for a test of the implementation alone.
        kind: how its numbers become a verdict.
        experiment: experiments that it reads beyond those that its measures name; a plain function names none.
        unit: what is replicated: "seed", "problem", ...; only seeds and sittings can be added to.
        amended: what was changed since it was registered, if anything.
        gate: ids of checks that must be reproduced, else this one is inconclusive, refutation included. A check that
            is a gate of another is a control: it never counts in a claim's mark.
        gate_each: by group, the id of a check without which the group does not count; or one id whose groups have the
            same labels as this check's.
        looks: how many looks it may take over seeds; 1 for one look at the level 0.05.
    """

    id: str
    statement: str
    serves: Sequence[str]
    kind: Kind
    _: KW_ONLY
    experiment: str | Sequence[str] = ()
    unit: str = "seed"
    amended: Amendment | None = None
    gate: Sequence[str] = ()
    gate_each: Mapping[str, str] | str = ""
    looks: int = len(statistics.LOOKS)

    @property
    def conditions(self) -> list[Condition]:
        """What it measures, with the bounds, whatever its kind."""
        return several(self.kind.conditions)

    @property
    def measures(self) -> list[Measure]:
        """What it measures."""
        undecided = self.kind.undecided if isinstance(self.kind, Count) else ()
        return [as_measure(condition.measure) for condition in (*several(self.kind.conditions), *undecided)]

    @property
    def reads(self) -> list[Read]:
        """All that it reads: what its measures say, and whole experiments for what they don't."""
        said = list(dict.fromkeys(read for measure in self.measures for read in measure.reads))
        known = {read.experiment for read in said} if all(m.reads or m.over == () for m in self.measures) else set()
        named = [self.experiment] if isinstance(self.experiment, str) else list(self.experiment)
        return [*said, *(Read(name) for name in named if name not in known)]

    @property
    def experiments(self) -> list[str]:
        """The names of the experiments it reads."""
        return list(dict.fromkeys(read.experiment for read in self.reads))

    @property
    def gates(self) -> list[str]:
        """Ids of all checks that it waits for."""
        each = [self.gate_each] if isinstance(self.gate_each, str) else list(self.gate_each.values())
        return list(dict.fromkeys([*self.gate, *filter(None, each)]))

    def form(self) -> dict[str, Any]:
        """The check as data: the same whenever the same is asked, whatever the words on the page."""
        return {
            "kind": self.kind.label,
            **self.kind.form(),
            "unit": self.unit,
            "experiments": self.experiments,
            "gate": list(self.gate),
            **({"gate_each": self.gate_each} if self.gate_each else {}),
            **({"looks": self.looks} if self.looks != len(statistics.LOOKS) else {}),
        }
