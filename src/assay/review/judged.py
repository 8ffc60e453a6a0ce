"""From results to verdicts: gates, looks, Holm's correction and the marks of claims.

The kinds in `assay.claims` say what numbers mean at one look. Here it is decided which results a check is judged on:
the registered seeds, then twice and four times as many while it is undecided and they are there. A verdict is that of
the first look that decides, from its first units, however many exist. `problems` names what is wrong with a paper's
claims and checks before anything runs.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from assay import statistics
from assay.claims import Check, Claim, Count, Exact, Finding, Interval, Look, Mean, Report, Verdict, demanded
from assay.measures import ANY, Read
from assay.results import Expected, Results, at_levels
from assay.review import malformed

if TYPE_CHECKING:
    from assay.study.declared import Declared, Study

SCHEMA = 2
"""Of `verdicts.json`: 2 has looks, gates and the canonical form of checks."""

QUIET = 0.97
"""The share of a core that a run must have had for its times to be judged."""

SHARE = "time/share"


def judge(
    results: Results, claims: Sequence[Claim], checks: Sequence[Check], stands_for: str | None = None
) -> dict[str, Any]:
    """All verdicts of a paper at a scale, as the content of `verdicts.json`.

    Smoke runs show that the path works: at that scale only exact checks get a verdict. A check that raises becomes a
    finding of its own and does not hide the others.

    Args:
        results: the tables, with all seeds that there are.
        claims, checks: as registered.
        stands_for: what the scale's setting stands in for, in a few words.
    """
    controls = {gate for check in checks for gate in check.gates}
    judged: dict[str, Judged] = {}
    for check in _gates_first(checks):
        judged[check.id] = _judge(check, results, {one.id: one for one in checks}, judged)
    rows = [_row(check, judged[check.id], check.id in controls) for check in checks]
    _mark_holm(rows)
    return {
        "schema": SCHEMA,
        "paper": results.paper,
        "scale": results.scale,
        **({"stands_for": stands_for} if stands_for else {}),
        "claims": [_claim(claim, rows) for claim in claims],
        "checks": rows,
        "code": code_checks(rows),
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


def errors(verdicts: Mapping[str, Any]) -> list[str]:
    """What went wrong in checks, one line each."""
    return [f"check {row['id']}: {row['error']}" for row in verdicts["checks"] if row.get("error")]


# -- looks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A check's finding, and the looks that led to it.

    Attributes:
        own: the finding before gates.
        finding: the verdict that counts.
        looks: how many were taken; units: seeds at each of those that there may be, () where there is one look.
        p_value: of the deciding look, else the smallest over the looks; multiplied for them.
        reads: what a further look needs, that of gates that are read at the look at hand with it.
        extended: what all seeds say, where there are more than the verdict comes from.
        error: why it could not be judged.
    """

    finding: Finding
    own: Finding
    looks: int = 1
    units: tuple[int, ...] = ()
    p_value: float | None = None
    reads: tuple[Read, ...] = ()
    extended: Finding | None = None
    error: str = ""

    @property
    def next(self) -> int | None:
        """Seeds of the next look that the rules ask for; None where they ask for none."""
        undecided = self.own.verdict == "inconclusive" and not self.own.ends and not self.error
        return self.units[self.looks] if undecided and 0 < self.looks < len(self.units) else None


def over_seeds(check: Check) -> bool:
    """Whether a check's units are seeds, which the seed axis can add to: what its measures say, else what it says."""
    kind = check.kind
    if not isinstance(kind, (Interval, Count, Mean)):
        return False
    clustered = isinstance(kind, Interval) and kind.clusters
    found = False  # one pooled number has no units at all
    for measure in check.measures:
        over = measure.over
        if over is None:
            if check.unit not in ("seed", "sitting"):
                return False
        elif over and over != ("seed",) and not (clustered and over[0] == "seed"):
            return False
        found |= over != ()
    return found


def registered_units(check: Check, results: Results) -> int | None:
    """The smallest registered number of seeds among the experiments that a check over seeds reads; None for others.

    Experiments with one seed are references: nothing is added to them.
    """
    if not over_seeds(check):
        return None
    numbers = [len(results.seeds(name)) for name in check.experiments]
    seeded = [n for n in numbers if n > 1]
    if not seeded:
        return None
    view, clustered = results.only(registered=True), isinstance(check.kind, Interval) and check.kind.clusters
    known = {str(seed) for name in check.experiments for seed in results.seeds(name)}
    for measure in check.measures:
        if measure.over is None:  # a plain function: its units' names tell
            units = [(v.group, v.unit) for v in measure(view)]
            labels = {u.partition(",")[0].removeprefix("seed=") if clustered else u for _, u in units}
            if not labels <= known or (len(set(units)) < len(units) and not clustered):
                return None
    return min(seeded)


def _judge(check: Check, results: Results, checks: Mapping[str, Check], judged: Mapping[str, Judged]) -> Judged:
    try:
        return _judge_looks(check, results, checks, judged)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        broken = Finding("inconclusive", note=f"error: {text}")
        return Judged(broken, broken, error=text)


def _judge_looks(check: Check, results: Results, checks: Mapping[str, Check], judged: Mapping[str, Judged]) -> Judged:
    if isinstance(check.kind, Report):
        found = check.kind.judge(results.only(registered=True))
        return Judged(found, found)
    if results.scale == "smoke" and not isinstance(check.kind, Exact):
        found = check.kind.judge(results.only(registered=True))
        found = replace(found, verdict="untested", note="smoke shows that the path runs")
        return Judged(found, found)
    registered = registered_units(check, results)
    factors = statistics.LOOKS[: check.looks] if registered is not None else (1,)
    units = tuple(registered * factor for factor in factors) if registered is not None else ()
    level = statistics.LOOK_LEVEL if len(units) > 1 else statistics.LEVEL
    means = [gate for gate in _means(check, checks) if gate.id in judged and not judged[gate.id].error]
    reads = tuple(dict.fromkeys(read for one in (check, *means) for read in one.reads))
    own, finding, taken, p_values = Finding("untested"), Finding("untested"), 0, list[float]()
    look, view = Look(), results
    for n in units or (None,):
        seeds = _seeds_at(check, means, results, n, registered)
        missing = _missing(reads, results, seeds)
        if missing and taken:
            break
        view = results.first(seeds)
        groups, closed = _counting_groups(check, judged, view, checks)
        look = Look(level, n is not None, registered, len(units) or 1, n, groups)
        own = _judge_view(check, view, look, missing)
        taken += not missing
        finding = _gated(check, own, closed or _closed_gate(check, checks, judged, view))
        if finding is not own and finding.ends:
            own = replace(own, ends=own.ends or finding.ends)
        if own.p_value is not None:
            p_values.append(own.p_value)
        if own.verdict in ("reproduced", "refuted", "untested") or own.ends or missing:
            break
    p_value = own.p_value if own.verdict in ("reproduced", "refuted") else min(p_values, default=None)
    if finding.verdict != own.verdict:
        p_value = None  # a closed gate leaves nothing to correct
    elif finding.draw is not None:
        finding = replace(finding, again=finding.draw())
    if p_value is not None and len(units) > 1:
        factor = statistics.LOOK_FACTOR if isinstance(check.kind, Interval) else len(units)
        p_value = min(1.0, factor * p_value)
    extended = None
    if finding.verdict != "untested" and any(
        len(_rows_read(results, read)) > len(_rows_read(view, read)) for read in check.reads
    ):
        extended = _judge_view(check, results, replace(look, looks=1, units=None), "")
        if finding.verdict != own.verdict:
            extended = replace(extended, verdict=finding.verdict)
    return Judged(finding, own, taken, units if len(units) > 1 else (), p_value, reads, extended)


def _judge_view(check: Check, view: Results, look: Look, missing: str) -> Finding:
    finding = check.kind.judge(view, look)
    if finding.verdict not in ("reproduced", "refuted", "inconclusive"):
        return finding
    share = _share_of_core(check, view, finding.runs)
    if share is not None and share < QUIET:
        note = f"measured on a busy machine: {100 * share:.0f} % of a core, {100 * QUIET:.0f} % are needed"
        return _void(finding, note, ends=note)
    # A violated exact bound stays violated whatever else arrives.
    if missing and not (isinstance(check.kind, Exact) and finding.verdict == "refuted"):
        return _void(finding, f"incomplete ({missing})", ends="")
    return finding


def _void(finding: Finding, note: str, ends: str) -> Finding:
    """A finding that says nothing for or against, in none of its groups; the numbers stay."""
    details = [{**row, "verdict": "inconclusive"} if "verdict" in row else row for row in finding.details]
    return replace(finding, verdict="inconclusive", details=details, note=note, ends=ends, p_value=None)


def _means(check: Check, checks: Mapping[str, Check]) -> list[Check]:
    """The gates of a check that compare means, and the gates of these: they are read at the look at hand."""
    found: dict[str, Check] = {}
    waiting = list(check.gates)
    while waiting:
        gate = waiting.pop(0)
        one = checks.get(gate)
        if one is not None and isinstance(one.kind, Mean) and gate not in found:
            found[gate] = one
            waiting += one.gates
    return list(found.values())


def _seeds_at(
    check: Check, means: Sequence[Check], results: Results, units: int | None, registered: int | None
) -> dict[str, int]:
    """How many seeds of each experiment a look reads; those that are not named keep their registered ones."""
    if units is None or registered is None:
        return {}
    found = {name: units for name in check.experiments if len(results.seeds(name)) > 1}
    for gate in means:
        own = registered_units(gate, results)
        if own is not None:
            more = {name: own * units // registered for name in gate.experiments if len(results.seeds(name)) > 1}
            found = {**more, **found}
    return found


def _missing(reads: Sequence[Read], results: Results, seeds: Mapping[str, int]) -> str:
    """Which runs that a look reads are not there, in words; "" if none are missing.

    Registered runs are counted against the plan. Further seeds need the runs that are read, and no others.
    """
    short = []
    for name in dict.fromkeys(read.experiment for read in reads):
        expected = results.expected.get(name, Expected(0, 0))
        if not expected.complete:
            short.append(f"{name}: {expected.done} of {expected.planned} runs")
    if short:
        return ", ".join(short)
    for read in reads:
        registered, units = results.seeds(read.experiment), seeds.get(read.experiment, 0)
        if units > len(registered) > 1:
            here = _rows_read(results, read)
            first = here.filter(pl.col("registered"))
            there = here.filter(pl.col("seed").is_between(registered.start, registered.start + units - 1))
            wanted = len(first) * units // len(registered)
            if len(there) < wanted:
                short.append(f"{read.experiment}: {len(there)} of {wanted} runs")
    return ", ".join(dict.fromkeys(short))


def _rows_read(results: Results, read: Read) -> pl.DataFrame:
    if results.runs.is_empty():
        return results.runs
    frame = results.runs.filter(pl.col("experiment") == read.experiment)
    if read.arms is not None:
        frame = frame.filter(pl.col("arm").is_in(read.arms))
    for axis, levels in read.levels:
        if axis in frame.columns:
            frame = frame.filter(at_levels(frame, axis, levels))
    return frame


def _share_of_core(check: Check, view: Results, runs: Sequence[str]) -> float | None:
    """The least share of a core that the runs behind a check of times had; None where nothing was timed."""
    if SHARE not in view.runs.columns:
        return None
    names = [name for read in check.reads for name in read.names]
    unsaid = any(not read.names for read in check.reads)
    if not unsaid and not any(name.startswith("time/") for name in names):
        return None
    shares = view.runs.filter(pl.col("signature").is_in(list(runs)))[SHARE].drop_nulls()
    return float(shares.min()) if len(shares) else None  # type: ignore[arg-type]


# -- gates ----------------------------------------------------------------------------------------------------------


def _gates_first(checks: Sequence[Check]) -> Iterator[Check]:
    """The checks, each after its gates; gates that are not there, or that wait in a circle, come when they come."""
    by_id = {check.id: check for check in checks}
    done: set[str] = set()

    def visit(check: Check) -> Iterator[Check]:
        if check.id not in done:
            done.add(check.id)
            for gate in check.gates:
                if gate in by_id:
                    yield from visit(by_id[gate])
            yield check

    for check in checks:
        yield from visit(check)


def _circle(check: Check, checks: Mapping[str, Check], trail: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A way along gates from a check back to itself; () if there is none."""
    for gate in check.gates:
        way = (*trail, check.id)
        if gate == way[0]:
            return (*way, gate)
        if gate in checks and gate not in way:
            found = _circle(checks[gate], checks, way)
            if found:
                return found
    return ()


def _gate_finding(gate: str, checks: Mapping[str, Check], judged: Mapping[str, Judged], view: Results) -> Finding:
    """A gate's own finding; a mean is compared on the units of the look at hand."""
    check, known = checks[gate], judged[gate]
    if not isinstance(check.kind, Mean) or known.error or view.scale == "smoke":
        return known.finding
    groups, closed = _counting_groups(check, judged, view, checks)
    found = _judge_view(check, view, Look(groups=groups), "")
    return _gated(check, found, closed or _closed_gate(check, checks, judged, view))


def _closed_gate(
    check: Check, checks: Mapping[str, Check], judged: Mapping[str, Judged], view: Results
) -> tuple[str, str] | None:
    """The first gate that is not reproduced, and its verdict; None where all are open."""
    verdicts = {gate: str(_gate_finding(gate, checks, judged, view).verdict) for gate in check.gate}
    closed = [(gate, verdict) for gate, verdict in verdicts.items() if verdict != "reproduced"]
    # A refuted one settles it, whatever another one still waits for.
    return min(closed, key=lambda one: one[1] != "refuted", default=None)


def _gated(check: Check, own: Finding, closed: tuple[str, str] | None) -> Finding:
    """What a closed gate leaves of a finding: nothing for or against the claim."""
    if closed is None or (own.verdict == "untested" and check.gate_each == ""):
        return own
    gate, verdict = closed
    note = f"its gate {gate} is {verdict}"
    # A refuted gate says that nothing can be told here: more units would not change that.
    return _void(own, note, ends=note if verdict == "refuted" else own.ends)


def _counting_groups(
    check: Check, judged: Mapping[str, Judged], view: Results, checks: Mapping[str, Check]
) -> tuple[frozenset[str] | None, tuple[str, str] | None]:
    """The groups whose own gates are open; and a closed gate where fewer are left than the check needs."""
    if not check.gate_each:
        return None, None
    labels = check.kind.labels(view)
    if not labels:
        return frozenset(), None
    if not isinstance(check.gate_each, str):
        unknown = [label for label in check.gate_each if label not in labels]
        if unknown and not _missing(check.reads, view, {}):
            raise KeyError(f"gate_each names {unknown}, groups that are not there; there are {labels}")
    verdicts = {label: _gate_of_group(label, check, judged, view, checks) for label in labels}
    kept = [label for label, verdict in verdicts.items() if verdict == "reproduced"]
    if len(kept) >= max(demanded(check.kind.groups, len(kept))[0], 1):
        return frozenset(kept), None
    lost = {verdict for verdict in verdicts.values() if verdict != "reproduced"}
    return frozenset(kept), (" and ".join(check.gates), "refuted" if lost == {"refuted"} else "undecided")


def _gate_of_group(
    label: str, check: Check, judged: Mapping[str, Judged], view: Results, checks: Mapping[str, Check]
) -> str:
    """The verdict of a group's own gate."""
    if isinstance(check.gate_each, str):
        finding = _gate_finding(check.gate_each, checks, judged, view)
        rows = [row for row in finding.details if row["name"] == label]
        if not rows:
            return "untested"
        if "verdict" in rows[0] or finding.verdict in ("inconclusive", "untested"):
            return str(rows[0].get("verdict", finding.verdict))
        return "reproduced" if rows[0]["holds"] else "refuted"
    gate = check.gate_each.get(label)
    return "reproduced" if gate is None else str(_gate_finding(gate, checks, judged, view).verdict)


# -- rows -----------------------------------------------------------------------------------------------------------


def _row(check: Check, judged: Judged, control: bool) -> dict[str, Any]:
    finding = judged.finding
    row: dict[str, Any] = {
        "id": check.id,
        "serves": list(check.serves),
        "kind": check.kind.label,
        "statement": check.statement,
        "verdict": finding.verdict,
        "measured": _number(finding.measured),
        "interval": None if finding.interval is None else [_number(x) for x in finding.interval],
        "threshold": check.kind.threshold(),
        "form": _plain(_shown_form(check)),
        "unit": check.unit,
        "n": finding.n,
        "runs": list(finding.runs),
        "details": [_plain(detail) for detail in finding.details],
        "note": finding.note,
        "p_value": _number(judged.p_value),
        "units_needed": finding.units_needed,
        "amended": vars(check.amended) if check.amended else None,
    }
    if control:
        row["control"] = True
    if check.gates:
        row["gates"] = check.gates
        if finding.verdict != judged.own.verdict:
            row["ungated"] = judged.own.verdict
    if judged.units:
        row["looks"] = {"taken": judged.looks, "units": list(judged.units)}
        if finding.ends and finding.verdict == "inconclusive":
            row["looks"]["ends"] = finding.ends
        if judged.next is not None:
            row["looks"]["next"] = {"units": judged.next, "reads": [_plain(read.form()) for read in judged.reads]}
    if finding.again is not None and finding.verdict == judged.own.verdict:
        row["again"] = {key: round(value, 4) for key, value in vars(finding.again).items()}
    if judged.error:
        row["error"] = judged.error
    more = judged.extended
    if more is not None:
        row["extended"] = {
            "verdict": more.verdict,
            "measured": _number(more.measured),
            "interval": None if more.interval is None else [_number(x) for x in more.interval],
            "n": more.n,
        }
    return row


def _shown_form(check: Check) -> dict[str, Any]:
    """A check's form, with the names that the page has for its conditions."""
    named = [{"name": condition.name, **condition.form()} for condition in check.conditions]
    return {**check.form(), "conditions": named}


def _claim(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mine = [row for row in rows if claim.id in row["serves"]]
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "paper_says": claim.paper_says,
        "verdict": claim_verdict(row["verdict"] for row in counting(claim.id, rows)),
        "holds": holds(claim.id, rows),
        "checks": [row["id"] for row in mine],
    }


def counting(claim: str, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The checks that make a claim's mark: neither controls nor reports do."""
    return [r for r in rows if claim in r["serves"] and not r.get("control") and r["verdict"] is not None]


def holds(claim: str, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """How many of the checks that make a claim's mark hold, and how many there are."""
    mine = counting(claim, rows)
    return [sum(row["verdict"] == "reproduced" for row in mine), len(mine)]


def code_checks(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The checks of the code: those that are exact and serve no claim."""
    mine = [row for row in rows if not row["serves"] and row["kind"] == "exact" and not row.get("control")]
    return {
        "holds": [sum(row["verdict"] == "reproduced" for row in mine), len(mine)],
        "failed": [row["id"] for row in mine if row["verdict"] == "refuted"],
    }


def cpu_minutes(results: Results, checks: Sequence[Check]) -> tuple[float, float] | None:
    """What one look and, at most, all looks take on one core, from what the runs took; None where that is not known."""
    hours = results.facts.get("hours")
    if not hours or "seconds" not in results.runs.columns:
        return None
    runs = results.runs.unique("signature", keep="first", maintain_order=True)
    more = runs.filter(~pl.col("registered"))["seconds"].sum() / 60
    look = 60 * sum(row["CPU-hours"] for row in hours) - more
    times: dict[str, float] = {}  # by run, how many times its seconds the further looks take
    for check in checks:
        units = registered_units(check, results)
        for read in check.reads if units is not None else ():
            seeds = len(results.seeds(read.experiment))
            if seeds > 1 and units is not None:
                factor = max(0.0, units * statistics.LOOKS[check.looks - 1] / seeds - 1)
                for signature in _rows_read(results, read).filter(pl.col("registered"))["signature"]:
                    times[signature] = max(times.get(signature, 0.0), factor)
    seconds = dict(zip(runs["signature"], runs["seconds"], strict=True))
    return look, look + sum((seconds[signature] or 0.0) * factor for signature, factor in times.items()) / 60


def _mark_holm(rows: list[dict[str, Any]]) -> None:
    """Mark the checks whose verdict would not survive Holm's correction over those of the paper with a p-value."""
    everything = [row for row in rows if row["p_value"] is not None]
    adjusted = statistics.holm([row["p_value"] for row in everything])
    for row, p_value in zip(everything, adjusted, strict=True):
        if row["verdict"] in ("reproduced", "refuted"):
            row["survives_holm"] = p_value < statistics.LEVEL


def _number(value: float | None) -> float | str | None:
    """JSON has no infinity and no NaN; they are written as words."""
    if value is None or math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


# -- before anything runs -------------------------------------------------------------------------------------------

RUN_COLUMNS = ("seed", "arm", "experiment", "signature", "registered")


def problems(claims: Sequence[Claim], checks: Sequence[Check], study: Study) -> list[str]:
    """What is wrong with a paper's claims and checks, one line each: names that are not there, circles, doubles."""
    from assay.study.declared import declared

    found = [*_twice("claim", [claim.id for claim in claims]), *_twice("check", [check.id for check in checks])]
    known, by_id, held = {claim.id for claim in claims}, {check.id: check for check in checks}, declared(study)
    for check in checks:
        wrong = list(malformed.types(check))
        if wrong:
            found += [f"check {check.id} {text}" for text in wrong]
    if found:
        return found
    circles = [_circle(check, by_id) for check in checks]
    gates = {gate for check in checks for gate in check.gates}
    for check in checks:
        texts = [f"serves '{id}', which is no claim" for id in check.serves if id not in known]
        texts += _wrong_gates(check, by_id)
        texts += _wrong_rule(check, check.id in gates)
        texts += malformed.numbers(check, _seeds_registered(check, study))
        texts += [text for measure in check.measures for text in measure.wrong()]
        if not check.experiments:
            texts.append("names no experiment, and its functions do not say what they read")
        texts += _selecting_seeds(check, study)
        texts += [text for read in check.reads for text in _wrong_names(read, study.slug, held)]
        found += [f"check {check.id} {text}" for text in dict.fromkeys(texts)]
    # A circle is found from each of its checks; one of them tells of it.
    once = {frozenset(way): way for way in reversed(circles) if way}
    return [*found, *(f"checks wait for each other: {' -> '.join(way)}" for way in reversed(once.values()))]


def _seeds_registered(check: Check, study: Study) -> Iterator[int]:
    """How many seeds a check over seeds is registered with, at the scale of its card."""
    for scale in ("desk",) if over_seeds(check) else ():
        here = [study.experiments[name] for name in check.experiments if name in study.experiments]
        seeds = [n for one in here if scale in one.scales and (n := one.at(scale).seeds.n) > 1]
        if seeds:
            yield min(seeds)


def _selecting_seeds(check: Check, study: Study) -> Iterator[str]:
    """Seeds of selections that its further looks would come to."""
    for scale in ("desk", "paper") if over_seeds(check) else ():
        here = {n: e for n in check.experiments if (e := study.experiments.get(n)) is not None and scale in e.scales}
        last = min((n for e in here.values() if (n := e.at(scale).seeds.n) > 1), default=0)
        last *= statistics.LOOKS[min(max(check.looks, 1), len(statistics.LOOKS)) - 1]
        for name, experiment in here.items():
            seeds = experiment.at(scale).seeds
            evaluated = set(seeds.list(max(seeds.n, last))) if seeds.n > 1 else set()
            shared = evaluated & {seed for stage in experiment.selections(scale) for seed in stage.seeds.list()}
            if shared:
                yield f"may come to seed {min(shared)} of {name} ({scale}), which is one of its selection"


def _twice(what: str, ids: Sequence[str]) -> list[str]:
    return [f"{what} {id} stands there twice" for id in dict.fromkeys(ids) if ids.count(id) > 1]


def _wrong_gates(check: Check, checks: Mapping[str, Check]) -> Iterator[str]:
    for gate in check.gates:
        if gate not in checks:
            yield f"has the gate '{gate}', which is no check"
        elif isinstance(checks[gate].kind, Report):
            yield f"has the gate '{gate}', which is a report"
    if check.gates and isinstance(check.kind, Report):
        yield "is a report, for which a gate does nothing"


def _wrong_rule(check: Check, gate: bool) -> Iterator[str]:
    """What can be seen to be wrong with the numbers of a rule."""
    kind = check.kind
    if isinstance(kind, Mean) and not gate:
        yield "compares a mean without a test, which only a gate may"
    if not kind.conditions:
        yield "measures nothing"
    if not 1 <= check.looks <= len(statistics.LOOKS):
        yield f"has {check.looks} looks; there are 1 to {len(statistics.LOOKS)}"
    groups = kind.groups
    numbers = groups if isinstance(groups, tuple) else (groups,) if isinstance(groups, int) else ()
    if (isinstance(groups, str) and groups not in ("all", "any")) or any(number < 1 for number in numbers):
        yield f"has groups={groups!r}; there are 'all', 'any', k and (so many must hold, so many refute)"
    if isinstance(kind, Count):
        for name, number in (("need", kind.need), ("against", kind.against)):
            if number is not None and (number < 0 or (number >= 1 and number != int(number))):
                yield f"has {name}={number:g}; a share lies below 1, and a number of units is whole"
            elif isinstance(number, float) and number >= 1:
                yield f"has {name}={number}: a share of 1 or {number:g} units? A number of units has no point"
        if kind.need is not None and kind.need == 0:
            yield "needs no unit at all"
    if isinstance(kind, Interval):
        if any(condition.bound == ANY for condition in kind.conditions):
            yield "demands nothing of a mean"
        names = [condition.name for condition in kind.conditions]
        if len(set(names)) < len(names):
            yield "has several conditions with the same name, which would be one group"
        if kind.margin < 0 or not 0 <= kind.missing < 1 or not (kind.level is None or 0 < kind.level < 1):
            yield "has a margin, a share of missing units or a level out of its range"


def _wrong_names(read: Read, slug: str, held: Mapping[str, Declared]) -> Iterator[str]:
    experiment = held.get(read.experiment)
    if experiment is None:
        yield f"reads '{read.experiment}', which is no experiment of {slug}"
        return
    for arm in read.arms or ():
        if arm not in experiment.arms:
            yield f"reads the arm '{arm}', which {read.experiment} does not have"
    levels, of_runs = experiment.levels, read.table in ("runs", "curves")
    for axis, wanted in read.levels:
        if axis in levels:
            texts = any(isinstance(level, str) for level in levels[axis])
            there = [*levels[axis], *(map(str, levels[axis]) if texts else ())]
            for level in wanted:
                if level not in there:
                    yield f"reads {axis} = {level}, a level that {read.experiment} does not have at any scale"
        elif axis not in RUN_COLUMNS and of_runs:
            yield f"reads at a level of '{axis}', which is no axis of {read.experiment}"
    for column in read.columns if of_runs else ():
        if column not in levels and column not in RUN_COLUMNS:
            yield f"makes units or groups by '{column}', which is no axis of {read.experiment}"
    for name in read.names if read.table == "runs" else ():
        # Axes have dots in their names, and scalars slashes.
        if "." in name and "/" not in name and name not in levels:
            yield f"reads '{name}', which is no axis of {read.experiment}"
