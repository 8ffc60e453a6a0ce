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
from assay.measures import Read
from assay.results import Expected, Results, at_level

if TYPE_CHECKING:
    from assay.study import Study

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
    rows = [_row(check, judged[check.id], results, check.id in controls) for check in checks]
    _mark_holm(rows)
    return {
        "schema": SCHEMA,
        "paper": results.paper,
        "scale": results.scale,
        **({"stands_for": stands_for} if stands_for else {}),
        "claims": [_claim(claim, rows) for claim in claims],
        "checks": rows,
        "code": _code(rows),
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
        p_value: the smallest over the looks, multiplied for them.
        error: why it could not be judged.
    """

    finding: Finding
    own: Finding
    looks: int = 1
    units: tuple[int, ...] = ()
    p_value: float | None = None
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
    for measure in check.measures:
        over = measure.over
        if over is None:
            if check.unit not in ("seed", "sitting"):
                return False
        elif over and over != ("seed",) and not (clustered and over[0] == "seed"):
            return False
    return True


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
            labels = {v.unit.partition(",")[0].removeprefix("seed=") if clustered else v.unit for v in measure(view)}
            if not labels <= known:
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
    own, finding, taken, p_values = Finding("untested"), Finding("untested"), 0, list[float]()
    for n in units or (None,):
        missing = _missing(check, results, n)
        if missing and taken:
            break
        view = results.first({name: n for name in check.experiments if n and len(results.seeds(name)) > 1})
        groups, closed = _counting_groups(check, judged, view, checks)
        look = Look(level, n is not None, registered, len(units) or 1, n, groups)
        own = _judge_view(check, view, look, missing)
        taken += not missing
        finding = _gated(check, own, closed or _closed_gate(check, checks, judged, view, look))
        if finding is not own and finding.ends:
            own = replace(own, ends=own.ends or finding.ends)
        if own.p_value is not None:
            p_values.append(own.p_value)
        if own.verdict in ("reproduced", "refuted", "untested") or own.ends or missing:
            break
    p_value = min(p_values, default=None)
    if finding.verdict != own.verdict:
        p_value = None  # a closed gate leaves nothing to correct
    if p_value is not None and len(units) > 1:
        factor = statistics.LOOK_FACTOR if isinstance(check.kind, Interval) else len(units)
        p_value = min(1.0, factor * p_value)
    return Judged(finding, own, taken, units if len(units) > 1 else (), p_value)


def _judge_view(check: Check, view: Results, look: Look, missing: str) -> Finding:
    finding = check.kind.judge(view, look)
    if missing and finding.verdict != "untested":
        # A violated exact bound stays violated whatever else arrives.
        if not (isinstance(check.kind, Exact) and finding.verdict == "refuted"):
            return replace(finding, verdict="inconclusive", note=f"incomplete ({missing})", ends="", p_value=None)
        return finding
    share = _share_of_core(check, view, finding.runs)
    if share is not None and share < QUIET and finding.verdict in ("reproduced", "refuted", "inconclusive"):
        note = f"measured on a busy machine: {100 * share:.0f} % of a core, {100 * QUIET:.0f} % are needed"
        return replace(finding, verdict="inconclusive", note=note, ends=note, p_value=None)
    return finding


def _missing(check: Check, results: Results, units: int | None) -> str:
    """Which runs that a check reads are not there at a look, in words; "" if none are missing.

    Registered runs are counted against the plan. Further seeds need the runs that the check reads, and no others.
    """
    short = []
    for name in check.experiments:
        expected = results.expected.get(name, Expected(0, 0))
        if not expected.complete:
            short.append(f"{name}: {expected.done} of {expected.planned} runs")
    if short or units is None:
        return ", ".join(short)
    for read in check.reads:
        registered = len(results.seeds(read.experiment))
        if registered > 1 and units > registered:
            here = _rows_read(results, read)
            first = here.filter(pl.col("registered"))
            start = results.seeds(read.experiment).start
            there = here.filter(pl.col("seed").is_between(start, start + units - 1))
            wanted = len(first) // registered * units
            if len(there) < wanted:
                short.append(f"{read.experiment}: {len(there)} of {wanted} runs")
    return ", ".join(dict.fromkeys(short))


def _rows_read(results: Results, read: Read) -> pl.DataFrame:
    frame = results.runs.filter(pl.col("experiment") == read.experiment)
    if read.arms is not None:
        frame = frame.filter(pl.col("arm").is_in(read.arms))
    for axis, levels in read.levels:
        if axis in frame.columns:
            frame = pl.concat([at_level(frame, axis, level) for level in levels])
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
    """The checks, each after its gates."""
    by_id = {check.id: check for check in checks}
    done: set[str] = set()

    def visit(check: Check, trail: tuple[str, ...]) -> Iterator[Check]:
        if check.id in done:
            return
        if check.id in trail:
            raise ValueError(f"checks wait for each other: {' -> '.join((*trail, check.id))}")
        for gate in check.gates:
            yield from visit(by_id[gate], (*trail, check.id))
        done.add(check.id)
        yield check

    for check in checks:
        yield from visit(check, ())


def _gate_finding(
    gate: str, checks: Mapping[str, Check], judged: Mapping[str, Judged], view: Results, look: Look | None
) -> Finding:
    """A gate's own finding; a mean is compared on the units of the look at hand."""
    kind = checks[gate].kind
    return kind.judge(view, look) if isinstance(kind, Mean) else judged[gate].finding


def _closed_gate(
    check: Check, checks: Mapping[str, Check], judged: Mapping[str, Judged], view: Results, look: Look
) -> tuple[str, str] | None:
    """The first gate that is not reproduced, and its verdict; None where all are open."""
    for gate in check.gate:
        verdict = _gate_finding(gate, checks, judged, view, replace(look, groups=None, units=None)).verdict
        if verdict != "reproduced":
            return gate, str(verdict)
    return None


def _gated(check: Check, own: Finding, closed: tuple[str, str] | None) -> Finding:
    """What a closed gate leaves of a finding: nothing for or against the claim."""
    if closed is None or (own.verdict == "untested" and check.gate_each == ""):
        return own
    gate, verdict = closed
    note = f"its gate {gate} is {verdict}"
    # A refuted gate says that nothing can be told here: more units would not change that.
    return replace(own, verdict="inconclusive", note=note, ends=note if verdict == "refuted" else own.ends)


def _counting_groups(
    check: Check, judged: Mapping[str, Judged], view: Results, checks: Mapping[str, Check]
) -> tuple[frozenset[str] | None, tuple[str, str] | None]:
    """The groups whose own gates are open; and a closed gate where fewer are left than the check needs."""
    if not check.gate_each:
        return None, None
    labels = list(dict.fromkeys(v.group for measure in check.measures for v in measure(view)))
    verdicts = {label: _gate_of_group(label, check, judged, view, checks) for label in labels}
    kept = [label for label, verdict in verdicts.items() if verdict == "reproduced"]
    if not labels or len(kept) >= max(demanded(check.kind.groups, len(kept))[0], 1):
        return frozenset(kept), None
    lost = {verdict for verdict in verdicts.values() if verdict != "reproduced"}
    return frozenset(kept), (" and ".join(check.gates), "refuted" if lost == {"refuted"} else "undecided")


def _gate_of_group(
    label: str, check: Check, judged: Mapping[str, Judged], view: Results, checks: Mapping[str, Check]
) -> str:
    """The verdict of a group's own gate."""
    if isinstance(check.gate_each, str):
        finding = _gate_finding(check.gate_each, checks, judged, view, None)
        rows = [row for row in finding.details if row["name"] == label]
        return str(rows[0].get("verdict", "reproduced" if rows[0]["holds"] else "refuted")) if rows else "untested"
    gate = check.gate_each.get(label)
    return "reproduced" if gate is None else str(_gate_finding(gate, checks, judged, view, None).verdict)


# -- rows -----------------------------------------------------------------------------------------------------------


def _row(check: Check, judged: Judged, results: Results, control: bool) -> dict[str, Any]:
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
        "form": check.form(),
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
            row["looks"]["next"] = {"units": judged.next, "reads": [_plain(read.form()) for read in check.reads]}
    if finding.again is not None and finding.verdict == judged.own.verdict:
        row["again"] = {key: round(value, 4) for key, value in vars(finding.again).items()}
    if judged.error:
        row["error"] = judged.error
    more = _extended(check, judged, results)
    return {**row, "extended": more} if more else row


def _extended(check: Check, judged: Judged, results: Results) -> dict[str, Any] | None:
    """What all seeds say together, where there are more than the verdict comes from."""
    if not results.extended or judged.finding.verdict in (None, "untested") or judged.error:
        return None
    used = judged.units[judged.looks - 1] if judged.units else 0
    here = results.runs.filter(pl.col("experiment").is_in(check.experiments) & ~pl.col("registered"))
    starts = {name: results.seeds(name).start for name in check.experiments}
    if not any(row["seed"] >= starts[row["experiment"]] + used for row in here.select("experiment", "seed").to_dicts()):
        return None
    seeded = bool(judged.units)
    level = statistics.LOOK_LEVEL if seeded else statistics.LEVEL
    more = check.kind.judge(results, Look(level))
    return {
        "verdict": more.verdict,
        "measured": _number(more.measured),
        "interval": None if more.interval is None else [_number(x) for x in more.interval],
        "n": more.n,
    }


def _claim(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mine = [row for row in rows if claim.id in row["serves"]]
    counting = [row for row in mine if not row.get("control") and row["verdict"] is not None]
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "paper_says": claim.paper_says,
        "verdict": claim_verdict(row["verdict"] for row in counting),
        "holds": [sum(row["verdict"] == "reproduced" for row in counting), len(counting)],
        "checks": [row["id"] for row in mine],
    }


def _code(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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
    found = [*_twice("claim", [claim.id for claim in claims]), *_twice("check", [check.id for check in checks])]
    known, by_id = {claim.id for claim in claims}, {check.id: check for check in checks}
    for check in checks:
        found += [f"check {check.id} serves '{id}', which is no claim" for id in check.serves if id not in known]
        for gate in check.gates:
            if gate not in by_id:
                found.append(f"check {check.id} has the gate '{gate}', which is no check")
            elif isinstance(by_id[gate].kind, Report):
                found.append(f"check {check.id} has the gate '{gate}', which is a report")
        if isinstance(check.kind, Mean) and not any(check.id in other.gates for other in checks):
            found.append(f"check {check.id} compares a mean without a test, which only a gate may")
        if not check.experiments:
            found.append(f"check {check.id} names no experiment, and its functions do not say what they read")
        for read in check.reads:
            found += [f"check {check.id} {text}" for text in _wrong_names(read, study)]
    if not any("gate" in text for text in found):
        try:
            list(_gates_first(checks))
        except ValueError as error:
            found.append(str(error))
    return found


def _twice(what: str, ids: Sequence[str]) -> list[str]:
    return [f"{what} {id} stands there twice" for id in dict.fromkeys(ids) if ids.count(id) > 1]


def _wrong_names(read: Read, study: Study) -> Iterator[str]:
    experiment = study.experiments.get(read.experiment)
    if experiment is None:
        yield f"reads '{read.experiment}', which is no experiment of {study.slug}"
        return
    for arm in read.arms or ():
        if arm not in experiment.arms:
            yield f"reads the arm '{arm}', which {read.experiment} does not have"
    levels: dict[str, list[Any]] = {}
    for scale in experiment.scales:
        for axis, values in {**experiment.axes, **experiment.at(scale).axes}.items():
            levels.setdefault(axis, []).extend(values)
    for axis, wanted in read.levels:
        if axis in levels:
            for level in wanted:
                if level not in levels[axis]:
                    yield f"reads {axis} = {level}, a level that {read.experiment} does not have at any scale"
        elif axis not in RUN_COLUMNS and read.table == "runs":
            yield f"reads at a level of '{axis}', which is no axis of {read.experiment}"
    if read.table == "runs":
        for column in read.columns:
            if column not in levels and column not in RUN_COLUMNS:
                yield f"makes units or groups by '{column}', which is no axis of {read.experiment}"
