"""From records to tables: builds the `Results` of a plan out of a store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assay.records import Record, Store
from assay.results import Expected, Results
from assay.study import Cell, Plan


def results_of(plan: Plan, store: Store, states: Mapping[str, str]) -> Results:
    """The tables of a plan's finished evaluation cells, and what is missing."""
    cells = [cell for cell in plan.evaluation() if cell.signature is not None and states[cell.signature] == "done"]
    records = [store.read(cell.signature) for cell in cells if cell.signature is not None]
    pairs = [(cell, record) for cell, record in zip(cells, records, strict=True) if record is not None]
    keys = [_keys(cell) for cell, _ in pairs]
    return Results(
        plan.paper,
        plan.scale,
        runs=frame(
            [
                {**key, **record.scalars, "seconds": record.provenance.get("seconds")}
                for key, (_, record) in zip(keys, pairs, strict=True)
            ]
        ),
        units=_units(keys, [record for _, record in pairs]),
        curves=_curves(keys, [record for _, record in pairs]),
        expected=_expected(plan, states, store),
        selections=_selections(plan),
        failures=_failures(plan, store, states),
        facts=_facts([record for _, record in pairs]),
    )


def _keys(cell: Cell) -> dict[str, Any]:
    axes = {key: _axis(value) for key, value in cell.axes.items()}
    return {
        "experiment": cell.experiment,
        "arm": cell.arm,
        "seed": cell.seed,
        "signature": cell.signature,
        "registered": cell.registered,
        **axes,
    }


def _axis(value: Any) -> Any:
    """Axis values are columns; a list becomes its JSON text."""
    return value if isinstance(value, (int, float, str, bool)) or value is None else json.dumps(value)


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
    return pl.Series(name, [None if v is None else str(v) for v in values], pl.String)


def _units(keys: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> pl.DataFrame:
    rows, owner = [], []
    for position, record in enumerate(records):
        rows += record.units
        owner += [position] * len(record.units)
    if not rows:
        return pl.DataFrame()
    own = frame(rows)
    run = frame(keys)[owner]
    clash = set(own.columns) & set(run.columns)
    return run.drop(clash).hstack(own) if clash else run.hstack(own)


def _curves(keys: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> pl.DataFrame:
    name: list[str] = []
    step: list[int] = []
    value: list[float] = []
    owner: list[int] = []
    for position, record in enumerate(records):
        for curve, line in record.curves.items():
            n = len(line["step"])
            name += [curve] * n
            step += [int(at) for at in line["step"]]
            value += line["value"]
            owner += [position] * n
    if not step:
        return pl.DataFrame()
    points = pl.DataFrame(
        {
            "name": pl.Series(name, dtype=pl.String),
            "step": pl.Series(step, dtype=pl.Int64),
            "value": pl.Series(value, dtype=pl.Float64, strict=False),
        }
    )
    return frame(keys)[owner].hstack(points)


def _expected(plan: Plan, states: Mapping[str, str], store: Store) -> dict[str, Expected]:
    found: dict[str, dict[str, int]] = {}
    for cell in plan.evaluation():
        counts = found.setdefault(cell.experiment, {"planned": 0, "done": 0, "failed": 0, "stale": 0})
        if not cell.registered:
            continue
        counts["planned"] += 1
        state = states[cell.signature] if cell.signature is not None else "blocked"
        if state in counts:
            counts[state] += 1
    return {name: Expected(**counts) for name, counts in found.items()}


def _selections(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{key: value for key, value in row.items() if key != "key"} for row in rows]
        for name, rows in plan.selections.items()
        if rows
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
                    "axes": {key: _axis(value) for key, value in cell.axes.items()},
                    "seed": cell.seed,
                    "class": failure.get("class", "code"),
                    "message": failure.get("message", ""),
                }
            )
    return rows


def _facts(records: Sequence[Record]) -> dict[str, Any]:
    """Provenance of the whole: what all records agree on, and the sum of their time."""
    if not records:
        return {}
    # A record can fill several cells; its time counts once.
    each = {record.signature: record.provenance for record in records}.values()
    commits = sorted({str(p.get("commit")) for p in each})
    return {
        "commits": commits,
        "dirty": any(bool(p.get("dirty")) for p in each),
        "versions": next(iter(each)).get("versions", {}),
        "machines": sorted({json.dumps(p.get("machine"), sort_keys=True) for p in each}),
        "core_seconds": round(sum(p.get("seconds", 0.0) * p.get("threads", 1) for p in each), 1),
        "runs": len(each),
        "last": max(str(p.get("finished", "")) for p in each),
    }
