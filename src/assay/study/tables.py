"""From records to tables: builds the `Results` of a plan out of a store."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from assay.columns import as_column, level_text
from assay.errors import UserError
from assay.records.store import Record, Store
from assay.results import Expected, Results
from assay.study.cost import Costs
from assay.study.declared import Cell, Plan


def results_of(plan: Plan, store: Store, states: Mapping[str, str]) -> Results:
    """The tables of a plan's finished evaluation cells, and what is missing."""
    gathered, costs = _Gathered(), Costs()
    for cell in plan.evaluation():
        if cell.signature is not None and states[cell.signature] == "done":
            record = store.read(cell.signature)
            if record is not None:
                gathered.add(_keys(cell), record)
                costs.add(cell.experiment, "evaluation", record)
    _add_others(costs, plan, store, states)
    return Results(
        plan.paper,
        plan.scale,
        runs=frame(gathered.runs),
        units=gathered.unit_table(),
        curves=gathered.curve_table(),
        expected=_expected(plan, states, store),
        selections=plan.selections,
        failures=_failures(plan, store, states),
        facts={**_facts(gathered.provenance), "hours": costs.rows()},
        axes={cell.experiment: list(cell.axes) for cell in plan.evaluation()},
    )


def _add_others(costs: Costs, plan: Plan, store: Store, states: Mapping[str, str]) -> None:
    """Count what selections and failed runs took, too."""
    for cell in plan.cells:
        state = states.get(cell.signature or "")
        if (
            cell.signature
            and cell.signature not in costs.seen
            and (state == "failed" or (cell.stage and state == "done"))
        ):
            record = store.read(cell.signature)
            if record is not None:
                costs.add(cell.experiment, "failed" if state == "failed" else "selection", record)


class _Gathered:
    """What is taken out of records, one at a time, so that ten thousand of them need not be in memory together."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.provenance: dict[str, Mapping[str, Any]] = {}
        self.units: list[Mapping[str, Any]] = []
        self.unit_owner: list[int] = []
        self.curve: list[str] = []
        self.curve_owner = array("q")
        self.lengths = array("q")
        self.steps = array("q")
        self.values = array("d")

    def add(self, keys: dict[str, Any], record: Record) -> None:
        """Take a record that fills one place of the study.

        Raises:
            UserError: it measured something that is called like an axis of its experiment.
        """
        measured = {"scalar": record.scalars, "unit's column": {key for row in record.units for key in row}}
        for what, names in measured.items():
            for name in names & keys.keys():
                raise UserError(f"{keys['experiment']}: the {what} '{name}' is called like an axis of the experiment")
        owner = len(self.keys)
        self.keys.append(keys)
        self.runs.append({**keys, **record.scalars, "seconds": record.provenance.get("seconds")})
        self.provenance[record.signature] = record.provenance
        self.units += record.units
        self.unit_owner += [owner] * len(record.units)
        for curve, line in record.curves.items():
            self.curve.append(curve)
            self.curve_owner.append(owner)
            self.lengths.append(len(line["step"]))
            self.steps.extend(map(int, line["step"]))
            self.values.extend(map(float, line["value"]))

    def unit_table(self) -> pl.DataFrame:
        """One row a unit, with its run's keys where it has no column of that name itself."""
        if not self.units:
            return pl.DataFrame()
        own, run = frame(self.units), frame(self.keys)[self.unit_owner]
        # An axis of one experiment can be called like a unit's column of another: each row keeps its own.
        pairs = list(zip(self.units, self.unit_owner, strict=True))
        both = [
            _column(name, [row.get(name, self.keys[i].get(name)) for row, i in pairs])
            for name in own.columns
            if name in run.columns
        ]
        return run.drop(c.name for c in both).hstack(own.with_columns(both))

    def curve_table(self) -> pl.DataFrame:
        """One row a point."""
        if not self.steps:
            return pl.DataFrame()
        lines = frame(self.keys)[list(self.curve_owner)].with_columns(pl.Series("name", self.curve))
        points = pl.DataFrame({"step": np.frombuffer(self.steps, np.int64), "value": np.frombuffer(self.values)})
        return lines[np.repeat(np.arange(len(self.curve)), self.lengths)].hstack(points)


def _keys(cell: Cell) -> dict[str, Any]:
    axes = {key: as_column(value) for key, value in cell.axes.items()}
    return {
        "experiment": cell.experiment,
        "arm": cell.arm,
        "seed": cell.seed,
        "signature": cell.signature,
        "registered": cell.registered,
        **axes,
    }


def frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows with differing keys as a table: the union of the columns, nulls where a row has none."""
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(row)
    return pl.DataFrame([_column(name, [row.get(name) for row in rows]) for name in columns])


def _column(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pl.Series(name, values, pl.Boolean)
    if kinds <= {int}:
        return pl.Series(name, values, pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, [None if v is None else float(v) for v in values], pl.Float64)
    return pl.Series(name, [None if v is None else level_text(v) for v in values], pl.String)


def _expected(plan: Plan, states: Mapping[str, str], store: Store) -> dict[str, Expected]:
    found: dict[str, dict[str, int]] = {}
    seeds: dict[str, set[int]] = {}
    for cell in plan.evaluation():
        counts = found.setdefault(cell.experiment, {"planned": 0, "done": 0, "failed": 0, "stale": 0})
        if not cell.registered:
            continue
        seeds.setdefault(cell.experiment, set()).add(cell.seed)
        counts["planned"] += 1
        state = states[cell.signature] if cell.signature is not None else "blocked"
        if state in counts:
            counts[state] += 1
    return {
        name: Expected(**counts, seeds=len(seeds.get(name, ())), first=min(seeds.get(name, {1})))
        for name, counts in found.items()
    }


def _failures(plan: Plan, store: Store, states: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = []
    for signature, cells in plan.where().items():
        if states[signature] == "failed":
            record = store.read(signature)
            failure = (record.failure or {}) if record else {}
            cell = cells[0]
            rows.append(
                {
                    "signature": signature,
                    "experiment": cell.experiment,
                    "arm": cell.arm,
                    "axes": {key: as_column(value) for key, value in cell.axes.items()},
                    "seed": cell.seed,
                    "class": failure.get("class", "code"),
                    "message": failure.get("message", ""),
                    "traceback": failure.get("traceback", ""),
                }
            )
    return rows


def _facts(provenance: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Provenance of the whole, from each record's by signature: what all agree on, and the sum of their time."""
    if not provenance:
        return {}
    each = provenance.values()
    commits = sorted({str(p.get("commit") or "unknown") for p in each})
    dirty = [p.get("dirty") for p in each]
    return {
        "commits": commits,
        "dirty": True if any(dirty) else None if None in dirty else False,
        "versions": _versions([p.get("versions", {}) for p in each]),
        "machines": sorted({json.dumps(p.get("machine"), sort_keys=True) for p in each}),
        "core_seconds": round(sum(p.get("seconds", 0.0) * p.get("threads", 1) for p in each), 1),
        "runs": len(each),
        "last": max(str(p.get("finished", "")) for p in each),
    }


def _versions(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """By library, the version; all of them where runs differ."""
    names = dict.fromkeys(name for versions in each for name in versions)
    return {name: ", ".join(sorted({versions[name] for versions in each if name in versions})) for name in names}
