"""Results of a made-up paper from a few rows, for tests of measures and verdicts."""

from __future__ import annotations

import polars as pl

from assay.claims import Check, Claim
from assay.results import Expected, Results
from assay.review.judged import judge


def results(rows, units=(), expected=None, scale="desk", curves=(), selections=None):
    """Results from rows of scalars; `arm`, `seed`, `signature` and `registered` have defaults.

    Unless told otherwise, what is registered is what is there.
    """
    rows = [_full(i, row) for i, row in enumerate(rows)]
    tables = [rows, [_full(i, row) for i, row in enumerate(units)], [_full(i, row) for i, row in enumerate(curves)]]
    if expected is None:
        keys = {(row["experiment"], row["seed"]) for table in tables for row in table if row["registered"]}
        expected = {}
        for name in {name for name, _ in keys}:
            seeds = sorted(seed for one, seed in keys if one == name)
            runs = sum(row["experiment"] == name and row["registered"] for row in rows)
            expected[name] = Expected(runs or 1, runs or 1, seeds=len(seeds), first=seeds[0])
    frames = [pl.DataFrame(table, infer_schema_length=None) for table in tables]
    return Results("toy", scale, *frames, expected=expected, selections=selections or {})


def _full(position, row):
    common = {"experiment": "box", "arm": "lion", "seed": position, "signature": f"s{position:03}", "registered": True}
    return {**common, **row}


def seeds(values, name="test/accuracy", registered=None, first=1, **more):
    """One run a seed; of the seeds the first so many are registered (all unless told)."""
    registered = len(values) if registered is None else registered
    return [
        {name: value, "seed": first + i, "registered": i < registered, "signature": f"{more}{first + i}", **more}
        for i, value in enumerate(values)
    ]


def check(kind, id="1", serves=("C1",), **more):
    """A check that names no more than it must."""
    return Check(id, "a statement", serves, kind, **more)


def verdict(kind, data, **more):
    """The row of one check in the verdicts."""
    return judge(data, [Claim("C1", "a claim", "Thm 1")], [check(kind, **more)])["checks"][0]


def verdicts(data, *checks):
    """The rows of some checks by id."""
    return {row["id"]: row for row in judge(data, [], checks)["checks"]}
