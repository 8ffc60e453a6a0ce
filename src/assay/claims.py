"""Claims, checks and the rules by which numbers become verdicts.

A paper's `claims.py` lists sentences of the paper (`Claim`) and executable tests over the results (`Check`), both
written down before any run. A check has a kind that says how numbers become a verdict:

    Exact      deterministic: every value within its bound, or refuted
    Count      k of n units within their bounds, against the number registered
    Interval   the t interval of a mean over units, against a threshold: beyond it, short of it, or inconclusive
    Mean       the mean over units, against a threshold; for gates alone
    Report     numbers without a verdict

What a check measures is a measure (`assay.measures`), or a plain function of `Results`. Rules belong to the kinds and
never to a paper. Verdicts are computed by `assay.review.judged`, never typed in; `docs/statistics.md` explains them.
"""

from __future__ import annotations

import functools
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
    mean_of,
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
    draw: Callable[[], statistics.Again] | None = field(default=None, compare=False, repr=False)
    """Simulates `again`, for the one finding that is kept."""


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
    if len(verdicts) < need:
        return "inconclusive"
    if sum(verdict == "reproduced" for verdict in verdicts) >= need:
        return "reproduced"
    return "refuted" if sum(verdict == "refuted" for verdict in verdicts) >= against else "inconclusive"


def _labels(conditions: Sequence[Condition], results: Results) -> list[str]:
    return list(dict.fromkeys(v.group for condition in conditions for v in as_measure(condition.measure)(results)))


def _by_group(values: Values, look: Look) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for value in values:
        if look.groups is None or value.group in look.groups:
            found.setdefault(value.group, []).append(value)
    return found


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
    """Deterministic: every value of every condition within its bound."""

    conditions: Conditions
    label = "exact"
    groups: Groups = "all"

    def threshold(self) -> str:
        """The bounds in words."""
        return "; ".join(f"{c.name} {c.bound}".strip() for c in several(self.conditions))

    def form(self) -> dict[str, Any]:
        """The rule as data."""
        return {"conditions": [condition.form() for condition in several(self.conditions)]}

    def labels(self, results: Results) -> list[str]:
        """The labels of its groups."""
        return _labels(several(self.conditions), results)

    def judge(self, results: Results, look: Look | None = None) -> Finding:
        """Reproduced if all hold, refuted if any does not, untested if a condition has no value."""
        details, runs, worst, missing, n = [], set[str](), None, False, 0
        kept = look.groups if look is not None else None
        for condition in several(self.conditions):
            values = [v for v in condition.measure(results) if kept is None or v.group in kept]
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
        conditions: evaluated unit by unit; a unit passes if all hold for it. A value that is not finite fails.
        need: how many units must pass in each group; a float below 1 is a share. With further seeds a number counts as
            the share that it is of the registered units.
        against: refuted where at most so many pass; a number or a share like `need`.
        undecided: a unit that does not pass and for which one of these holds neither passes nor fails.
        groups: how many groups must hold. "any" divides the coin's level by the number of groups.
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

    def labels(self, results: Results) -> list[str]:
        """The labels of its groups."""
        return _labels(several(self.conditions), results)

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
        """Count passes per group; the group that decides is the headline."""
        look = look or Look()
        groups, complete, values = self.states(results, look)
        if not groups:
            return Finding("untested", note="nothing measured")
        details = [self._row(name, units, len(groups), look) for name, units in groups.items()]
        note = _short(groups, look) or ("" if complete else "some units lack a measurement")
        note = note or _too_few(len(groups), self.groups)
        verdict = "inconclusive" if note else verdict_of([row["verdict"] for row in details], self.groups)
        ranked = sorted(details, key=lambda row: (-row["k"] / row["n"], -row["k"], row["n"]))
        head = ranked[_position(len(ranked), self.groups, verdict)]
        k, n = head["k"], head["n"]
        finding = Finding(
            verdict, k / n, statistics.binomial_interval(k, n), n, _runs(values), details,
            note=note or f"{k} of {n}", ends=note,
        )  # fmt: skip
        if note or not look.seeded:
            return finding
        finding = replace(finding, p_value=self._p_value(details, verdict, look))
        return self._outlook(finding, look) if look.units is not None else finding

    def _row(self, name: str, units: Mapping[str, bool | None], m: int, look: Look) -> dict[str, Any]:
        k, n = sum(state is True for state in units.values()), len(units)
        undecided = sum(state is None for state in units.values())
        verdict = self._verdict(k, undecided, n, m, look)
        row = {"name": name, "k": k, "n": n, "need": self._needed(n, look), "holds": verdict == "reproduced"}
        return {**row, "verdict": verdict, **({"undecided": undecided} if undecided else {})}

    def _verdict(self, k: int, undecided: int, n: int, m: int, look: Look) -> Verdict:
        """What k of n passes say of one of m groups."""
        need = self._needed(n, look)
        coin = statistics.COIN / (m if self.groups == "any" else 1)
        if k >= need and (not look.seeded or statistics.at_least(k, n) <= coin):
            return "reproduced"
        if self.against is not None:
            return "refuted" if k + undecided <= self._scaled(self.against, n, look, math.floor) else "inconclusive"
        missed = k + undecided < need
        if missed and look.seeded:
            missed = statistics.at_most(k + undecided, n, self._demanded(n, look)) <= statistics.TOO_FEW
        return "refuted" if missed else "inconclusive"

    def _needed(self, n: int, look: Look) -> int:
        return n if self.need is None else self._scaled(self.need, n, look, math.ceil)

    def _demanded(self, n: int, look: Look) -> float:
        """The share of passes that a missed count over seeds is held against."""
        share = 1.0 if self.need is None else self._share(self.need, n, look)
        return min(share, statistics.MOST_DEMANDED)

    def _share(self, number: float, n: int, look: Look) -> float:
        return number if number < 1 else number / (look.registered or n)

    def _scaled(self, number: float, n: int, look: Look, rounded: Callable[[float], int]) -> int:
        """A registered number of units, or share of them, for n units."""
        if number >= 1 and n == (look.registered or n):
            return rounded(number)
        exact = self._share(number, n, look) * n
        # 0.55 * 20 is a little more than 11 in floating point, and 11 of 20 must do.
        return rounded(exact - 1e-9 if rounded is math.ceil else exact + 1e-9)

    def _p_value(self, details: Sequence[Mapping[str, Any]], verdict: Verdict, look: Look) -> float:
        """How rare so many passes are under a coin; for a refuted count, so few under the share demanded."""
        need, against = demanded(self.groups, len(details))
        if verdict == "refuted":
            return _kth(
                [
                    statistics.at_most(d["k"] + d.get("undecided", 0), d["n"], self._demanded(d["n"], look))
                    for d in details
                ],
                against,
            )
        return _kth([statistics.at_least(d["k"], d["n"]) for d in details], need)

    def _outlook(self, finding: Finding, look: Look) -> Finding:
        """Whether the last look would hardly decide, and what another draw would come to."""
        assert look.registered is not None and look.units is not None
        registered, last = look.registered, look.registered * statistics.LOOKS[look.looks - 1]
        shares = [row["k"] / row["n"] for row in finding.details]

        def decide(passed: NDArray[np.float64], n: int) -> NDArray[np.int8]:
            m, k = passed.shape[2], passed.sum(axis=1).astype(int)
            marks = self._marks(n, m, look)[k]
            chances = self._chances(np.arange(n + 1) / n, last, m, look)[k]
            return _decided(marks, chances, self.groups, n, last)

        ends = ""
        if finding.verdict == "inconclusive" and look.units < last:
            chances = self._chances(np.array(shares), last, len(shares), look)
            ends = _hopeless(chances, self.groups, look.units, last)
        draw = functools.partial(statistics.count_again, shares, registered, look.looks, decide)
        return replace(finding, ends=ends, draw=draw)

    def _marks(self, n: int, m: int, look: Look) -> NDArray[np.int8]:
        """What 0, 1, ..., n passes say of one of m groups."""
        return np.array([_MARKS[self._verdict(k, 0, n, m, look)] for k in range(n + 1)], np.int8)

    def _chances(self, shares: NDArray[np.float64], n: int, m: int, look: Look) -> NDArray[np.float64]:
        """The probability that n units decide one of m groups, for each share that was seen."""
        decides = np.flatnonzero(self._marks(n, m, look))
        return statistics.exactly(decides, n, shares[:, None]).sum(axis=1)


@dataclass(frozen=True)
class Interval:
    """The t interval of the mean over units lies inside the bound (reproduced) or outside it (refuted).

    Args:
        measure: one value per unit. Conditions with names of their own make each a group with its own measure and
            bound.
        bound: one-sided, e.g. `above(0)`, or a band, e.g. `between(-0.15, 0.15)`; not needed beside conditions.
        clusters: units are named "seed, ..." and nested in seeds, which are then the units that decide.
        name: what is measured, for the page.
        groups: how many groups must hold. "any" divides the level by the number of groups.
        against: the region that refutes, where it isn't all that lies outside the bound: with a smallest effect of
            interest x, `above(0)` is refuted by `below(x)`. An interval inside both is reproduced.
        margin: the interval may pass the bound by so much while the mean keeps it.
        missing: the largest share of units that may be undefined (not a number); they are left out.
        pool: judge the mean over the groups, unit by unit, in place of each group.
        level: the level of each look, where it is registered; 0.0195 for one of three looks and 0.05 for one look else.
    """

    measure: Measured | Condition | Sequence[Condition]
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

    @property
    def conditions(self) -> list[Condition]:
        """What it measures, with its bounds."""
        if isinstance(self.measure, Sequence):
            return list(self.measure)
        if isinstance(self.measure, Condition):
            return [replace(self.measure, name=self.name or self.measure.name)]
        return [Condition(self.measure, self.bound, self.name)]

    def widened(self, bound: Bound) -> Bound:
        """Where the interval must lie."""
        return Bound(bound.low - self.margin, bound.high + self.margin, bound.strict)

    def refuting(self, bound: Bound) -> list[Bound]:
        """The regions that refute: the interval lies in one of them."""
        if self.against is not None:
            return [self.against]
        sides = Bound(high=bound.low, strict=not bound.strict), Bound(low=bound.high, strict=not bound.strict)
        return [side for side in sides if side.ends]

    def threshold(self) -> str:
        """The bounds in words."""
        words = "; ".join(f"{c.name} {c.bound}".strip() for c in several(self.conditions)) + _groups_in_words(
            self.groups
        )
        if self.margin:
            wide = "; ".join(str(self.widened(c.bound)) for c in several(self.conditions))
            return f"{words}, interval {wide}" if math.isfinite(self.margin) else f"mean of {words}"
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

    def labels(self, results: Results) -> list[str]:
        """The labels of its groups."""
        return list(self._values(results, Look()))

    def judge(self, results: Results, look: Look | None = None) -> Finding:
        """Judge each group; the group that decides is the headline."""
        look = look or Look()
        values = self._values(results, look)
        if self.pool and values:
            values = {"": (next(iter(values.values()))[0], _pooled({name: part for name, (_, part) in values.items()}))}
        if not values:
            return Finding("untested", note="nothing measured")
        level = (self.level or look.level) / (len(values) if self.groups == "any" else 1)
        groups = {name: self._group(bound, part, level) for name, (bound, part) in values.items()}
        details = [self._row(name, group) for name, group in groups.items()]
        runs = tuple(sorted({run for group in groups.values() for run in group.runs}))
        note = _short({name: _units(part, self.clusters) for name, (_, part) in values.items()}, look)
        note = note or next((g.ends for g in groups.values() if g.ends), "") or _too_few(len(groups), self.groups)
        verdict = "inconclusive" if note else verdict_of([g.verdict for g in groups.values()], self.groups)
        head = sorted(groups.values(), key=_Group.rank)[_position(len(groups), self.groups, verdict)]
        finding = Finding(verdict, head.mean, head.interval, head.n, runs, details, note=note, ends=note)
        if note:
            return finding
        need, _ = demanded(self.groups, len(groups))
        note = head.note
        if len(groups) > 1:
            note = f"{sum(g.verdict == 'reproduced' for g in groups.values())} of {len(groups)} groups hold"
        finding = replace(
            finding, note=note, p_value=self._p_value(list(groups.values()), verdict),
            units_needed=head.units_needed if verdict == "inconclusive" and need == len(groups) else None,
        )  # fmt: skip
        return self._outlook(finding, list(groups.values()), level, look) if look.units is not None else finding

    def _values(self, results: Results, look: Look) -> dict[str, tuple[Bound, Values]]:
        """The values of each group that counts, and its bound."""
        conditions = self.conditions
        found: dict[str, tuple[Bound, Values]] = {}
        for condition in conditions:
            for v in as_measure(condition.measure)(results):
                group = ", ".join(filter(None, [condition.name, v.group])) if len(conditions) > 1 else v.group
                if look.groups is None or group in look.groups:
                    found.setdefault(group, (condition.bound, []))[1].append(v)
        return found

    def _row(self, name: str, group: _Group) -> dict[str, Any]:
        row = {
            "name": name,
            "value": group.mean,
            "interval": group.interval,
            "n": group.n,
            "holds": group.verdict == "reproduced",
            "verdict": group.verdict,
        }
        return {**row, "bound": group.bound.form()} if len(self.conditions) > 1 else row

    def _group(self, bound: Bound, values: Values, level: float) -> _Group:
        defined = [v for v in values if not (self.missing and math.isnan(v.value))]
        units = _units(defined, self.clusters)
        found = _Group(bound, _runs(values), units)
        lost = len(values) - len(defined)
        if lost > self.missing * len(values):
            return replace(found, ends=f"{lost} of {len(values)} units are undefined")
        if not all(map(math.isfinite, units)):
            return replace(found, ends="a value is not finite")
        if found.n < 2:
            mean = units[0] if units else None
            return replace(found, mean=mean, note="fewer than two units")
        result = statistics.mean_interval(units, level=1 - level)
        found = replace(found, mean=result.mean, interval=(result.low, result.high))
        if not result.sd and result.n < statistics.FEWEST:
            note = f"all {result.n} units are equal, which decides from {statistics.FEWEST} units on"
            needed = statistics.FEWEST if self._mark(bound, result.mean, result.low, result.high) else None
            return replace(found, note=note, units_needed=needed)
        verdict = _VERDICTS[int(self._mark(bound, result.mean, result.low, result.high))]
        inside = [self.widened(bound)] if bound.holds(result.mean) else []
        outside = [region for region in self.refuting(bound) if region.holds(result.mean)]
        needed = None
        if verdict == "inconclusive":
            enough = (self._needed(units, region, level) for region in (*inside, *outside))
            needed = min((n for n in enough if n is not None), default=None)
        return replace(
            found, verdict=verdict, leans=bool(inside), units_needed=needed,
            holds=min((self._region_p(units, region, result.sd) for region in inside), default=1.0),
            fails=min((self._region_p(units, region, result.sd) for region in outside), default=1.0),
        )  # fmt: skip

    def _region_p(self, units: Sequence[float], region: Bound, sd: float) -> float:
        """The p-value of "the mean lies on the nearest end of the region"."""
        return max((statistics.p_value(units, end) for end in region.ends), default=0.0) if sd else 0.0

    def _needed(self, units: Sequence[float], region: Bound, level: float) -> int | None:
        """How many units would probably put the interval inside a region."""
        needs = [statistics.units_needed(units, end, 1 - level) for end in region.ends]
        return None if None in needs else max((need for need in needs if need is not None), default=None)

    def _p_value(self, groups: Sequence[_Group], verdict: Verdict) -> float | None:
        """Of the check at this look, from those of its groups; None where none has one."""
        unbound = verdict == "reproduced" and not all(self.widened(g.bound).ends for g in groups)
        if unbound or all(g.note for g in groups):
            return None
        need, against = demanded(self.groups, len(groups))
        holds, fails = _kth([g.holds for g in groups], need), _kth([g.fails for g in groups], against)
        return holds if verdict == "reproduced" else fails if verdict == "refuted" else min(holds, fails)

    def _mark(
        self, bound: Bound, mean: NDArray[np.float64] | float, low: NDArray[np.float64] | float,
        high: NDArray[np.float64] | float,
    ) -> NDArray[np.int8]:  # fmt: skip
        """1 where an interval reproduces, -1 where it refutes, 0 where it does neither."""
        wide = self.widened(bound)
        inside = _holds(bound, mean) & _holds(wide, low) & _holds(wide, high)
        outside = np.zeros_like(inside)
        for region in self.refuting(bound):
            outside |= _holds(region, low) & _holds(region, high)
        return np.where(inside, 1, np.where(outside, -1, 0)).astype(np.int8)

    def _outlook(self, finding: Finding, groups: Sequence[_Group], level: float, look: Look) -> Finding:
        """Whether the last look would hardly decide, and what another draw would come to."""
        assert look.registered is not None and look.units is not None
        if any(group.n < 2 for group in groups):
            return finding
        bounds = [group.bound for group in groups]
        last = look.registered * statistics.LOOKS[look.looks - 1]
        ends = ""
        if finding.verdict == "inconclusive" and look.units < last:
            spreads = [0.0 if statistics.constant(g.units) else float(np.std(g.units, ddof=1)) for g in groups]
            means = np.array([[mean_of(group.units) for group in groups]])
            chances = self._chances(bounds, means, np.array([spreads]), last, level)[0]
            ends = _hopeless(chances, self.groups, min(group.n for group in groups), last)
        decide = functools.partial(self.decide, bounds, level, last)
        draw = functools.partial(
            statistics.draw_again, [group.units for group in groups], look.registered, look.looks, decide
        )
        return replace(finding, ends=ends, draw=draw)

    def decide(
        self, bounds: Sequence[Bound], level: float, last: int, samples: NDArray[np.float64], n: int
    ) -> NDArray[np.int8]:
        """What a look at simulated units comes to; see `statistics.Decide`.

        Args:
            bounds: of each group.
            level: of the intervals.
            last: units of the last look.
            samples: [draws, units, groups].
            n: units.
        """
        from scipy import stats

        means, sds = samples.mean(axis=1), samples.std(axis=1, ddof=1)
        sds = np.where(np.ptp(samples, axis=1) <= statistics.ROUNDING * np.abs(samples).max(axis=1), 0.0, sds)
        half = stats.t.ppf(1 - level / 2, n - 1) * sds / math.sqrt(n)
        marks = np.stack(
            [
                self._mark(bound, mean, mean - h, mean + h)
                for bound, mean, h in zip(bounds, means.T, half.T, strict=True)
            ],
            axis=1,
        )
        marks[(sds == 0) & (n < statistics.FEWEST)] = 0
        chances = self._chances(bounds, means, sds, last, level) if statistics.FEWEST <= n < last else None
        return _decided(marks, chances, self.groups, n, last)

    def _chances(
        self, bounds: Sequence[Bound], means: NDArray[np.float64], sds: NDArray[np.float64], n: int, level: float
    ) -> NDArray[np.float64]:
        """The probability that n units decide each group, if means and spreads [draws, groups] are what was seen."""
        return np.stack(
            [self._chance(bound, mean, sd, n, level) for bound, mean, sd in zip(bounds, means.T, sds.T, strict=True)],
            axis=1,
        )

    def _chance(
        self, bound: Bound, mean: NDArray[np.float64], sd: NDArray[np.float64], n: int, level: float
    ) -> NDArray[np.float64]:
        def inside(region: Bound) -> NDArray[np.float64]:
            sides = [
                statistics.beyond((end - mean if end == region.high else mean - end) / spread, n, level)
                for end in region.ends
            ]
            return np.maximum(0.0, sum(sides, start=np.ones_like(mean)) - len(sides))

        from scipy import stats

        spread = np.where(sd > 0, sd, 1.0)
        holds = inside(self.widened(bound))
        if self.margin:  # the mean must keep the bound, too
            for end in bound.ends:
                away = (end - mean if end == bound.high else mean - end) / spread
                holds = np.minimum(holds, stats.norm.cdf(away * math.sqrt(n)))
        decided = holds + sum((inside(region) for region in self.refuting(bound)), start=np.zeros_like(mean))
        return np.where(sd > 0, np.minimum(decided, 1.0), self._mark(bound, mean, mean, mean) != 0)


@dataclass(frozen=True)
class _Group:
    """What one group of an interval check comes to.

    Attributes:
        bound: its own.
        runs: signatures.
        units: the independent units.
        mean, interval, verdict, units_needed, note, ends: as in `Finding`.
        leans: the mean keeps the bound.
        holds, fails: the p-values of what stands against "it holds" and "it fails".
    """

    bound: Bound
    runs: tuple[str, ...]
    units: tuple[float, ...]
    mean: float | None = None
    interval: tuple[float, float] | None = None
    verdict: Verdict = "inconclusive"
    units_needed: int | None = None
    note: str = ""
    ends: str = ""
    leans: bool = False
    holds: float = 1.0
    fails: float = 1.0

    @property
    def n(self) -> int:
        """Independent units."""
        return len(self.units)

    def rank(self) -> tuple[int, float]:
        """Groups from the one that holds best to the one that fails most."""
        place = {"reproduced": 0, "refuted": 3}.get(self.verdict, 1 if self.leans else 2)
        return place, self.holds if place < 2 else -self.fails


_MARKS = {"reproduced": 1, "refuted": -1, "inconclusive": 0}
_VERDICTS: dict[int, Verdict] = {1: "reproduced", -1: "refuted", 0: "inconclusive"}


def _holds(bound: Bound, x: NDArray[np.float64] | float) -> NDArray[np.bool_]:
    """`Bound.holds` for many numbers."""
    x = np.asarray(x, np.float64)
    return (bound.low < x) & (x < bound.high) if bound.strict else (bound.low <= x) & (x <= bound.high)


def _kth(p_values: Sequence[float], k: int) -> float:
    """The p-value of "fewer than k of these hold": that of the k-th, times the number of ways to miss it."""
    if k > len(p_values):
        return 1.0
    return min(1.0, (len(p_values) - k + 1) * sorted(p_values)[k - 1])


def _too_few(m: int, groups: Groups) -> str:
    """Why a check has too few groups to be judged; "" where it has enough."""
    need, _ = demanded(groups, m)
    return "" if need <= m else f"{m} groups, {need} are needed"


def _position(m: int, groups: Groups, verdict: Verdict) -> int:
    """Which of m groups decides, counted from the one that holds best."""
    need, against = demanded(groups, m)
    return max(m - against, 0) if verdict == "refuted" else min(need, m) - 1


def _decided(
    marks: NDArray[np.int8], chances: NDArray[np.float64] | None, groups: Groups, n: int, last: int
) -> NDArray[np.int8]:
    """Simulated verdicts [draws] from the marks [draws, groups]; ENDED where the last look would hardly decide."""
    need, against = demanded(groups, marks.shape[1])
    held, failed = (marks == 1).sum(axis=1) >= need, (marks == -1).sum(axis=1) >= against
    ends = np.where(held, 1, np.where(failed, -1, 0))
    if chances is not None and statistics.FEWEST <= n < last:
        ends = np.where((ends == 0) & (_deciding(chances, groups) < statistics.HOPELESS), statistics.ENDED, ends)
    return ends.astype(np.int8)


def _deciding(chances: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """The chance of the group on which the verdict hangs: where all must hold, the least."""
    need, _ = demanded(groups, chances.shape[-1])
    return np.asarray(-np.sort(-chances, axis=-1)[..., need - 1])


def _hopeless(chances: NDArray[np.float64], groups: Groups, n: int, last: int) -> str:
    """Why further looks end, if the last one would hardly decide; "" while it may, or while too little was seen."""
    chance = float(_deciding(chances, groups))
    if n < statistics.FEWEST or chance >= statistics.HOPELESS:
        return ""
    return f"{last} units would decide in {100 * chance:.0f} % of draws at what is seen"


def _units(values: Values, clusters: bool) -> tuple[float, ...]:
    """The independent units in order of their labels; not a number where one of a cluster is."""
    if not clusters:
        return tuple(v.value for v in sorted(values, key=lambda v: (v.unit, v.value)))
    parts: dict[str, list[float]] = {}
    for v in values:
        parts.setdefault(v.unit.partition(",")[0], []).append(v.value)
    return tuple(mean_of(parts[name]) for name in sorted(parts))


def _pooled(groups: Mapping[str, Values]) -> Values:
    """The mean over groups of each unit that all of them have."""
    shared = set.intersection(*({v.unit for v in values} for values in groups.values()))
    found: dict[str, Values] = {}
    for values in groups.values():
        for v in values:
            if v.unit in shared:
                found.setdefault(v.unit, []).append(v)
    return [Value(name, mean_of([v.value for v in part]), _runs(part)) for name, part in found.items()]


@dataclass(frozen=True)
class Mean:
    """The mean over units keeps a bound: a comparison of numbers without a test, for gates alone.

    A gate asks whether a setting is one in which anything can be told (say, whether the best arm learns at all). It is
    read on the units of the look at hand.

    Args:
        measure: one value per unit.
        bound: what the mean must keep.
        name: what is measured, for the page.
        groups: how many groups must hold.
    """

    measure: Measured
    bound: Bound
    name: str = ""
    groups: Groups = "all"
    label = "mean"

    @property
    def conditions(self) -> list[Condition]:
        """What it measures, with its bound."""
        return [Condition(self.measure, self.bound, self.name)]

    def threshold(self) -> str:
        """The bound in words."""
        return f"mean of {self.name} {self.bound}".strip() + _groups_in_words(self.groups)

    def form(self) -> dict[str, Any]:
        """The rule as data."""
        return {"conditions": [condition.form() for condition in several(self.conditions)], "groups": self.groups}

    def labels(self, results: Results) -> list[str]:
        """The labels of its groups."""
        return _labels(several(self.conditions), results)

    def judge(self, results: Results, look: Look | None = None) -> Finding:
        """Compare each group's mean; one that is not finite decides nothing."""
        look = look or Look()
        groups = _by_group(as_measure(self.measure)(results), look)
        if not groups:
            return Finding("untested", note="nothing measured")
        runs = _runs([v for values in groups.values() for v in values])
        details: list[dict[str, Any]] = []
        for name, values in groups.items():
            mean = mean_of([v.value for v in values])
            finite = math.isfinite(mean)
            verdict = "inconclusive" if not finite else "reproduced" if self.bound.holds(mean) else "refuted"
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
        short = _short(groups, look) or _too_few(len(groups), self.groups)
        verdict = "inconclusive" if short else verdict_of([row["verdict"] for row in details], self.groups)
        ranked = sorted(details, key=lambda row: self.bound.excess(row["value"]))
        head = ranked[_position(len(ranked), self.groups, verdict)]
        return Finding(verdict, head["value"], n=head["n"], runs=runs, details=details, note=short)


@dataclass(frozen=True)
class Report:
    """Numbers that are shown and not judged."""

    conditions: Conditions
    label = "report"
    groups: Groups = "all"

    def threshold(self) -> str:
        """Nothing is demanded."""
        return ""

    def form(self) -> dict[str, Any]:
        """What is shown, as data."""
        return {"conditions": [condition.form() for condition in several(self.conditions)]}

    def labels(self, results: Results) -> list[str]:
        """The labels of its groups."""
        return _labels(several(self.conditions), results)

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
                details.append({"name": name, "value": mean_of(numbers), "n": len(numbers)})
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
        known = set() if any(measure.silent for measure in self.measures) else {read.experiment for read in said}
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
