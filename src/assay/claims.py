"""Claims, checks and verdicts.

A paper's `claims.py` lists sentences of the paper (`Claim`) and executable tests over the results (`Check`), both
written down before any run. A check has a kind that says how numbers become a verdict:

    Exact      deterministic: every value within its bound, or refuted
    Count      k of n units within their bounds, against the number registered
    Interval   a 95 % interval over units, against a threshold: beyond it, short of it, or inconclusive
    Report     numbers without a verdict

What a check measures is a function from `Results` to `Values`; the helpers `scalar`, `unit`, `difference` and
`exact` cover the common cases, and a paper writes its own for the rest. Verdicts are computed, never typed in.
`docs/statistics.md` explains the statistics with an example.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import polars as pl

from assay import statistics
from assay.results import Expected, Results

Verdict = Literal["reproduced", "refuted", "inconclusive", "untested"]


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
class Value:
    """One unit's number, with the group it is judged in and the runs it came from."""

    unit: str
    value: float
    runs: tuple[str, ...] = ()
    group: str = ""


Values = list[Value]
Measure = Callable[[Results], Values]


@dataclass(frozen=True)
class Bound:
    """An acceptance region for a number: (low, high), closed unless `strict`."""

    low: float = -math.inf
    high: float = math.inf
    strict: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value lies inside; NaN never does."""
        return self.low < value < self.high if self.strict else self.low <= value <= self.high

    def excess(self, value: float) -> float:
        """How far outside (positive) or inside (negative) a value is; NaN is infinitely far outside."""
        # An infinite value meets an infinite end that does not bind as inf - inf; it is as far inside as can be.
        ends = (
            self.low - value if self.low > -math.inf else -math.inf,
            value - self.high if self.high < math.inf else -math.inf,
        )
        return max(ends) if not math.isnan(value) else math.inf

    def __str__(self) -> str:
        lower, upper = (">", "<") if self.strict else (">=", "<=")
        parts = [f"{lower} {self.low:g}"] if self.low > -math.inf else []
        parts += [f"{upper} {self.high:g}"] if self.high < math.inf else []
        return " and ".join(parts) or "any"


def at_most(x: float) -> Bound:
    """value <= x"""
    return Bound(high=x)


def at_least(x: float) -> Bound:
    """value >= x"""
    return Bound(low=x)


def below(x: float) -> Bound:
    """value < x"""
    return Bound(high=x, strict=True)


def above(x: float) -> Bound:
    """value > x"""
    return Bound(low=x, strict=True)


def between(low: float, high: float) -> Bound:
    """low <= value <= high"""
    return Bound(low, high)


# -- measures -------------------------------------------------------------------------------------------------------


def scalar(
    experiment: str,
    name: str,
    arm: str | None = None,
    over: str | Sequence[str] = "seed",
    group: str | Sequence[str] = (),
    reduce: Literal["mean", "max", "min"] = "mean",
    **where: Any,
) -> Measure:
    """A scalar of an experiment's runs, one value per distinct `over` (columns) in each `group` (columns).

    Where several runs share them, `reduce` combines their values. `where` filters as in `Results.of`.
    """
    return _reduced("runs", experiment, name, arm, over, group, reduce, where)


def unit(
    experiment: str,
    name: str,
    arm: str | None = None,
    over: str | Sequence[str] = ("seed", "unit"),
    group: str | Sequence[str] = (),
    reduce: Literal["mean", "max", "min"] = "mean",
    **where: Any,
) -> Measure:
    """A value of the replicated things inside an experiment's runs; as `scalar`, over the table of units."""
    return _reduced("units", experiment, name, arm, over, group, reduce, where)


def exact(id: str, name: str) -> Measure:
    """A number that the paper's exact check `id` measured under `name` (see `assay.exact`)."""
    return scalar("exact", f"exact/{id}/{name}")


def difference(a: Measure, b: Measure) -> Measure:
    """a - b, paired by group and unit; units that only one side has are left out."""

    def measure(results: Results) -> Values:
        other = {(v.group, v.unit): v for v in b(results)}
        pairs = ((v, other[v.group, v.unit]) for v in a(results) if (v.group, v.unit) in other)
        return [replace(v, value=v.value - w.value, runs=v.runs + w.runs) for v, w in pairs]

    return measure


def on_edge(experiment: str, key: str) -> Measure:
    """1 where a selection chose an end of the grid of `key`, else 0; one value a choice, in a group of its arm.

    A winner at an end says that the grid may have been too narrow for that arm.
    """

    def measure(results: Results) -> Values:
        found = []
        for row in results.selections.get(experiment, []):
            winner = (row["winner"] or {}).get(key)
            if winner is not None:
                grid = [candidate["values"][key] for candidate in row["candidates"]]
                arm = str(row["per"].get("arm", ""))
                found.append(Value(row["by"], float(winner in (min(grid), max(grid))), group=arm))
        return found

    return measure


def _reduced(
    table: str,
    experiment: str,
    name: str,
    arm: str | None,
    over: str | Sequence[str],
    group: str | Sequence[str],
    reduce: str,
    where: Mapping[str, Any],
) -> Measure:
    over, group = _columns(over), _columns(group)

    def measure(results: Results) -> Values:
        frame = results.of(experiment, table, arm, **where)
        if frame.is_empty() or name not in frame.columns:
            return []
        # NaN must not vanish in a maximum: a run that measured nothing usable has to fail its bound.
        value = pl.when(pl.col(name).is_nan().any()).then(float("nan")).otherwise(getattr(pl.col(name), reduce)())
        keyed = frame.filter(pl.col(name).is_not_null()).with_columns(pl.col(name).cast(pl.Float64))
        rows = keyed.group_by([*group, *over], maintain_order=True).agg(
            value.alias("value"), pl.col("signature").unique()
        )
        return [
            Value(_label(row, over), row["value"], tuple(sorted(row["signature"])), _label(row, group))
            for row in rows.sort([*group, *over]).iter_rows(named=True)
        ]

    return measure


def _columns(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _label(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    if len(columns) == 1 and columns[0] in ("seed", "unit"):
        return str(row[columns[0]])
    return ", ".join(f"{column}={row[column]}" for column in columns)


# -- kinds ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    """A measure, the bound that its values must keep, and what to call it on the page."""

    measure: Measure
    bound: Bound
    name: str = ""


@dataclass(frozen=True)
class Finding:
    """What a kind makes of the numbers, before the experiment's completeness is looked at."""

    verdict: Verdict | None
    measured: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    runs: tuple[str, ...] = ()
    details: list[dict[str, Any]] = field(default_factory=list)
    p_value: float | None = None
    units_needed: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Exact:
    """Deterministic: every value of every condition within its bound."""

    conditions: Sequence[Condition]
    label = "exact"

    def threshold(self) -> str:
        """The bounds in words."""
        return "; ".join(f"{c.name} {c.bound}".strip() for c in self.conditions)

    def judge(self, results: Results) -> Finding:
        """Reproduced if all hold, refuted if any does not, untested if a condition has no value."""
        details, runs, worst, missing, n = [], set[str](), None, False, 0
        for condition in self.conditions:
            values = condition.measure(results)
            missing |= not values
            n += len(values)
            for value in sorted(values, key=lambda v: -condition.bound.excess(v.value))[:1]:
                held = all(condition.bound.holds(v.value) for v in values)
                details.append(_detail(condition, value.value, held, len(values), value.unit))
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

    Args:
        conditions: evaluated unit by unit; a unit passes if all hold for it.
        need: how many units must pass in each group; a float below 1 is a share. With further seeds a number counts as
            the share it is of the registered units.
    """

    conditions: Sequence[Condition]
    need: int | float | None = None
    label = "count"

    def threshold(self) -> str:
        """The bounds and the number needed in words."""
        bounds = "; ".join(f"{c.name} {c.bound}".strip() for c in self.conditions)
        return f"{bounds} in {'every unit' if self.need is None else f'>= {self.need:g}'}"

    def judge(self, results: Results) -> Finding:
        """Count passes per group; the group with the smallest share is the headline."""
        held: dict[tuple[str, str], bool] = {}
        runs, details, seen = set[str](), list[dict[str, Any]](), []
        for condition in self.conditions:
            values = condition.measure(results)
            seen.append({(v.group, v.unit) for v in values})
            for v in values:
                held[v.group, v.unit] = held.get((v.group, v.unit), True) and condition.bound.holds(v.value)
                runs.update(v.runs)
        if not held:
            return Finding("untested", note="nothing measured")
        complete = all(keys == set(held) for keys in seen)
        groups: dict[str, list[bool]] = {}
        for (group, _), ok in held.items():
            groups.setdefault(group, []).append(ok)
        registered = self._registered(results)
        for name, passes in groups.items():
            k, n = sum(passes), len(passes)
            details.append({"name": name, "k": k, "n": n, "holds": k >= self._needed(n, registered.get(name, n))})
        share, k, n = min((d["k"] / d["n"], d["k"], d["n"]) for d in details)
        verdict: Verdict = "reproduced" if all(d["holds"] for d in details) else "refuted"
        if not complete:
            verdict = "inconclusive"
        interval = statistics.binomial_interval(k, n)
        note = f"{k} of {n}" if complete else "some units lack a measurement"
        return Finding(verdict, share, interval, n, tuple(sorted(runs)), details, note=note)

    def _registered(self, results: Results) -> dict[str, int]:
        """The number of registered units by group."""
        if not results.extended:
            return {}
        values = (v for c in self.conditions for v in c.measure(results.only(registered=True)))
        return Counter(group for group, _ in {(v.group, v.unit) for v in values})

    def _needed(self, n: int, registered: int) -> int:
        if self.need is None:
            return n
        share = self.need if self.need < 1 else self.need / registered
        # 0.55 * 20 is a little more than 11 in floating point, and 11 of 20 must do. Too few units can never do.
        return math.ceil(share * n - 1e-9) if self.need < 1 or n != registered else math.ceil(self.need)


@dataclass(frozen=True)
class Interval:
    """A 95 % interval of the mean over units lies inside the bound (reproduced) or outside it (refuted).

    Args:
        measure: one value per unit.
        bound: one-sided, e.g. `above(0)`, or a band, e.g. `between(-0.15, 0.15)`.
        clusters: units are named "seed, ..." and nested in seeds, which are then the units that decide.
        name: what is measured, for the page.
    """

    measure: Measure
    bound: Bound
    clusters: bool = False
    name: str = ""
    label = "interval"

    def threshold(self) -> str:
        """The bound in words."""
        return f"{self.name} {self.bound}".strip()

    def judge(self, results: Results) -> Finding:
        """Judge each group; all must hold, one beyond the bound refutes."""
        found = self.judge_groups(results)
        if not found:
            return Finding("untested", note="nothing measured")
        order = {"refuted": 0, "inconclusive": 1, "untested": 1, "reproduced": 2, None: 2}
        name = min(found, key=lambda key: (order[found[key].verdict], -(found[key].p_value or 0)))
        return self.headline(found, name)

    def judge_groups(self, results: Results) -> dict[str, Finding]:
        """A finding for each group of values."""
        groups: dict[str, Values] = {}
        for value in self.measure(results):
            groups.setdefault(value.group, []).append(value)
        return {name: self._group(values) for name, values in groups.items()}

    def headline(self, found: Mapping[str, Finding], name: str) -> Finding:
        """One group's finding for all of them, with the runs of all and the others as details."""
        runs = tuple(sorted({run for f in found.values() for run in f.runs}))
        details = [
            {"name": key, "value": f.measured, "interval": f.interval, "n": f.n, "holds": f.verdict == "reproduced"}
            for key, f in found.items()
        ]
        return replace(found[name], runs=runs, details=details)

    def _group(self, values: Values) -> Finding:
        numbers = [v.value for v in values]
        runs = tuple(sorted({run for v in values for run in v.runs}))
        clusters = [v.unit.partition(",")[0] for v in values] if self.clusters else None
        n = len(set(clusters)) if clusters else len(numbers)
        if n < 2 or not all(math.isfinite(x) for x in numbers):
            note = "fewer than two units" if n < 2 else "a value is not finite"
            measured = sum(numbers) / len(numbers) if n < 2 else None
            return Finding("inconclusive", measured, n=n, runs=runs, note=note)
        result = statistics.mean_interval(numbers, clusters=clusters)
        bound = self.bound
        inside = bound.holds(result.low) and bound.holds(result.high)
        short, beyond = bound.low - result.high, result.low - bound.high
        outside = max(short, beyond) > 0 or (bound.strict and max(short, beyond) == 0)
        verdict: Verdict = "reproduced" if inside else "refuted" if outside else "inconclusive"
        ends = [end for end in (bound.low, bound.high) if math.isfinite(end)]
        # The end that is hardest to exclude decides, on whichever side of it the interval lies.
        p_value = max(statistics.p_value(numbers, end, clusters=clusters) for end in ends)
        if result.method == "degenerate":
            p_value = 0.0
        needed = None
        if verdict == "inconclusive":
            needs = [statistics.units_needed(numbers, end, clusters=clusters) for end in ends]
            needed = max((need for need in needs if need is not None), default=None) if None not in needs else None
        return Finding(
            verdict, result.mean, (result.low, result.high), result.n, runs, p_value=p_value, units_needed=needed
        )


@dataclass(frozen=True)
class Report:
    """Numbers that are shown and not judged."""

    conditions: Sequence[Condition]
    label = "report"

    def threshold(self) -> str:
        """Nothing is demanded."""
        return ""

    def judge(self, results: Results) -> Finding:
        """The mean of each condition's values."""
        details, runs, n = list[dict[str, Any]](), set[str](), 0
        for condition in self.conditions:
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


Kind = Exact | Count | Interval | Report


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
        experiment: the experiments whose registered runs must be complete for a verdict.
        kind: how its numbers become a verdict.
        amended: what was changed since it was registered, if anything.
        control: whether it tests the measure that the claim's other checks rely on (a negative control). One that
            fails says nothing against the claim, only that those checks can't tell: the claim is then inconclusive.
    """

    id: str
    statement: str
    serves: Sequence[str]
    experiment: str | Sequence[str]
    kind: Kind
    unit: str = "seed"
    amended: Amendment | None = None
    control: bool = False

    @property
    def experiments(self) -> list[str]:
        """The names of the experiments it reads."""
        return [self.experiment] if isinstance(self.experiment, str) else list(self.experiment)

    @property
    def conditions(self) -> list[Condition]:
        """What it measures, with the bounds, whatever its kind."""
        kind = self.kind
        if isinstance(kind, Interval):
            return [Condition(kind.measure, kind.bound, kind.name)]
        return list(kind.conditions)


def detail_of(condition: Condition) -> str:
    """A condition's name and bound, for tables."""
    return f"{condition.name} {condition.bound}".strip()


def _detail(condition: Condition, value: float, holds: bool, n: int, unit: str) -> dict[str, Any]:
    return {"name": condition.name, "value": value, "bound": str(condition.bound), "holds": holds, "n": n, "unit": unit}


# -- verdicts -------------------------------------------------------------------------------------------------------


def judge(results: Results, claims: Sequence[Claim], checks: Sequence[Check]) -> dict[str, Any]:
    """All verdicts of a paper at a scale, as the content of `verdicts.json`.

    The registered seeds give the verdict; where there are more, `extended` shows what all seeds say.
    Smoke runs show that the path works: at that scale only exact checks get a verdict.
    """
    rows = [_judged(check, results) for check in checks]
    _mark_holm(rows)
    marks = {claim.id: claim_verdict(_mark(row) for row in rows if claim.id in row["serves"]) for claim in claims}
    return {
        "schema": 1,
        "paper": results.paper,
        "scale": results.scale,
        "claims": [
            {
                "id": claim.id,
                "statement": claim.statement,
                "source": claim.source,
                "paper_says": claim.paper_says,
                "verdict": marks[claim.id],
                "checks": [row["id"] for row in rows if claim.id in row["serves"]],
            }
            for claim in claims
        ],
        "checks": rows,
    }


def claim_verdict(verdicts: Iterable[Verdict | None]) -> Verdict:
    """Any refuted: refuted. All reproduced: reproduced. None run: untested. Else inconclusive. Reports do not count."""
    marks = [verdict for verdict in verdicts if verdict is not None]
    if "refuted" in marks:
        return "refuted"
    if marks and all(mark == "reproduced" for mark in marks):
        return "reproduced"
    if all(mark == "untested" for mark in marks):
        return "untested"
    return "inconclusive"


def _mark(row: Mapping[str, Any]) -> Verdict | None:
    """What a check's verdict means for the claims that it serves: a failed control leaves them open."""
    verdict: Verdict | None = row["verdict"]
    return "inconclusive" if row.get("control") and verdict == "refuted" else verdict


def _judged(check: Check, results: Results) -> dict[str, Any]:
    finding = _finding(check, results.only(registered=True))
    row = {
        "id": check.id,
        "serves": list(check.serves),
        "kind": check.kind.label,
        "statement": check.statement,
        "verdict": finding.verdict,
        "measured": _number(finding.measured),
        "interval": None if finding.interval is None else [_number(x) for x in finding.interval],
        "threshold": check.kind.threshold(),
        "unit": check.unit,
        "n": finding.n,
        "runs": list(finding.runs),
        "details": [_numbers(detail) for detail in finding.details],
        "note": finding.note,
        "p_value": _number(finding.p_value),
        "units_needed": finding.units_needed,
        "amended": vars(check.amended) if check.amended else None,
        **({"control": True} if check.control else {}),
    }
    if results.extended and finding.verdict is not None:
        more = _finding(check, results)
        row["extended"] = {
            "verdict": more.verdict,
            "measured": _number(more.measured),
            "interval": None if more.interval is None else [_number(x) for x in more.interval],
            "n": more.n,
        }
    return row


def _finding(check: Check, results: Results) -> Finding:
    finding = check.kind.judge(results)
    if finding.verdict is None:
        return finding
    if results.scale == "smoke" and check.kind.label != "exact":
        return replace(finding, verdict="untested", note="smoke shows that the path runs")
    expected = {name: results.expected.get(name, Expected(0, 0)) for name in check.experiments}
    missing = {name: counts for name, counts in expected.items() if not counts.complete}
    if missing and finding.verdict != "untested":
        counts = ", ".join(f"{name}: {e.done} of {e.planned} runs" for name, e in missing.items())
        # A violated exact bound stays violated whatever else arrives.
        if not (check.kind.label == "exact" and finding.verdict == "refuted"):
            return replace(finding, verdict="inconclusive", note=f"incomplete ({counts})")
    return finding


def _mark_holm(rows: list[dict[str, Any]]) -> None:
    """Mark the interval checks whose verdict would not survive Holm's correction over the paper's interval checks."""
    judged = [row for row in rows if row["p_value"] is not None and row["verdict"] in ("reproduced", "refuted")]
    everything = [row for row in rows if row["p_value"] is not None]
    adjusted = dict(
        zip((row["id"] for row in everything), statistics.holm([row["p_value"] for row in everything]), strict=True)
    )
    for row in judged:
        row["survives_holm"] = adjusted[row["id"]] < 0.05


def _number(value: float | None) -> float | str | None:
    """JSON has no infinity and no NaN; they are written as words."""
    if value is None or math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    def fix(value: Any) -> Any:
        if isinstance(value, float):
            return _number(value)
        if isinstance(value, (tuple, list)):
            return [fix(item) for item in value]
        return value

    return {key: fix(value) for key, value in row.items()}
