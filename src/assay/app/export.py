"""Records as plain tables with a data dictionary, so that others can redo the statistics without this code.

README.md          what this is and how a verdict follows from the tables
dictionary.csv     every column of every table: type, role, meaning, range
claims, checks     what the papers say, what was asked for, what came out
values             the numbers that each check judges: one row a unit, with the runs behind it
records            one row a record: configuration, code, commit, versions, machine, seconds, failures
<paper>/runs, <paper>/units, <paper>/curves      the measurements, as the checks and figures read them
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from assay.claims import Check, Condition, Count, Interval
from assay.config import loading
from assay.errors import UserError, unknown
from assay.report import wording
from assay.results import KEYS, Results
from assay.review import sources
from assay.review.sources import Found
from assay.review.verdicts import behind, counts, group_of, level
from assay.study.tables import frame

FORMATS = ("parquet", "csv")

MEANINGS = {
    "paper": ("key", "the paper's slug"),
    "scale": ("key", "smoke, desk or paper: how large the runs are"),
    "experiment": ("key", "the figure, table or study of the paper that the run belongs to"),
    "arm": ("key", "what the experiment compares: a method with its own parts and values"),
    "seed": ("key", "the run's seed; runs of several arms with the same seed are paired"),
    "signature": ("key", "the hash that names the run: of all that it computes"),
    "registered": ("key", "whether it is from the seeds that give the verdict alone; others were added later"),
    "unit": ("key", "what is replicated: a seed, or a problem, data set or architecture inside a run"),
    "seconds": ("time", "how long the run took on its machine, in seconds"),
    "name": ("key", "what was measured"),
    "step": ("key", "optimizer steps, rounds or problems done when the value was measured"),
    "value": ("measured", "the measured number"),
    "claim": ("key", "the claim's number"),
    "check": ("key", "the check's number; parts of one have letters"),
    "statement": ("text", "what the paper says, or what is tested"),
    "source": ("text", "where the paper says it"),
    "paper_says": ("text", "the paper's own figure, where it could be read"),
    "verdict": ("verdict", "reproduced, refuted, inconclusive or untested; empty for a check that only reports"),
    "checks": ("text", "the checks that serve the claim; controls and reports among them do not make its verdict"),
    "checks_held": ("measured", "how many of the checks that make the claim's verdict are reproduced"),
    "checks_counted": ("measured", "how many checks make the claim's verdict"),
    "stands_for": ("text", "what the scale's setting stands in for"),
    "serves": ("text", "the claims whose verdict the check feeds; none for a test of the implementation or a gate"),
    "kind": ("text", "exact, count, interval, mean or report: how numbers become a verdict"),
    "asked": ("text", "what is asked for, in words"),
    "form": ("text", "the rule as data (JSON): bounds, groups, need, margin, against, missing, pool, clusters, level"),
    "measured": ("measured", "the check's headline number: of the group that decides"),
    "low": ("measured", "lower end of its interval; of a count that of the share, at 95 %"),
    "high": ("measured", "upper end of its interval"),
    "level": ("text", "two-sided level of its intervals: 0.0195 at each of three looks, else 0.05 or as registered"),
    "look": ("measured", "the look that gave the verdict; empty where the check has one look"),
    "looks": ("measured", "how many looks there may be"),
    "units_registered": ("measured", "seeds at the first look, of which a number that is needed is a share"),
    "coin": ("verdict", "whether a count is over seeds and held against the toss of a coin"),
    "next_units": ("measured", "seeds of the next look that the rules ask for"),
    "looks_end": ("text", "why there is no further look though the check is undecided"),
    "n": ("measured", "independent units behind it"),
    "p_value": ("measured", "of intervals, and of counts over seeds; the smallest of the looks, multiplied for them"),
    "survives_holm": (
        "verdict",
        "whether it also holds after Holm's correction over the paper's checks with a p-value",
    ),
    "note": ("text", "why there is no verdict, or k of n"),
    "gates": ("text", "checks that must be reproduced, else this one is inconclusive"),
    "ungated": ("text", "what a check says by itself that a gate holds back"),
    "control": ("verdict", "whether it is a gate of another check: it counts for no claim"),
    "error": ("text", "why the check could not be judged"),
    "amended": ("text", "date and reason of a change since the check was registered"),
    "condition": ("key", "which of the check's conditions; empty where there is one"),
    "role": ("key", "asked; or undecided: a unit that does not pass is left open where this holds"),
    "group": ("key", "judged apart; how many must hold is in the check's form; empty where there is one group"),
    "bound_low": ("asked", "lower end of the condition's acceptance region; empty for none"),
    "bound_high": ("asked", "upper end of it; empty for none"),
    "bound_strict": ("text", "whether a value on an end lies outside"),
    "holds": ("verdict", "whether this one value lies in it; an interval check looks at the mean instead"),
    "used": ("key", "whether the verdict comes from it: it is of the look that gave it, and of a group that counts"),
    "clustered": ("text", "whether units of one seed (the part before the comma) are one unit: their mean counts"),
    "runs": ("text", "signatures of the runs that the number comes from"),
    "status": ("text", "done or failed"),
    "code": ("text", "digest of the code that the run depends on"),
    "failure": ("text", "class of failure: oom, nan, timeout, preempted, data, code or disk"),
    "message": ("text", "what the failed run said"),
    "finished": ("text", "when the run ended, UTC"),
    "threads": ("text", "CPU threads of the run"),
    "device": ("text", "cpu or cuda"),
    "gpu": ("text", "the GPU's name"),
    "commit": ("text", "the checkout's commit"),
    "dirty": ("text", "whether tracked files differed from it"),
    "versions": ("text", "of Python and the libraries that numbers depend on, as JSON"),
    "machine": ("text", "system, processor and cores, as JSON"),
    "config": ("text", "the run's whole configuration, as JSON"),
}
"""By column: its role, and what it means."""

README = """# Records of {papers}

Exported by Assay from {source} at scale `{scale}`. Each claim of a paper was written down with its checks before any
run; the tables here hold what the runs measured and what followed from it.

- `dictionary.csv` explains every column of every table.
- `claims`, `checks`: what the paper says, what was asked for, what came out.
- `values`: the numbers that a check judges, one row a unit. From them alone every interval can be made again.
- `records`: one row a record, with its configuration, code, commit, versions, machine and duration.
- `PAPER/runs`, `PAPER/units`, `PAPER/curves`: all measurements. A column named like a value of the configuration
  (`optimizer.lr`) was given, one with a slash (`test/accuracy`) was measured.

## Making a verdict again

Take the row of one check in `checks` and the rows of `values` of that check with `used` true: the units of the look
that gave the verdict. `form` is the rule as JSON. A condition's bound has a low and a high end (empty: none), which a
value may touch unless it is strict.

- *exact*: every value of every condition lies within its bound: reproduced; else refuted.
- *count*: a unit passes if all its conditions hold and its values are finite. One that does not pass and for which a
  row of the role `undecided` holds is left open. `need` units must pass in a group (null: all; below 1: a share);
  where `units_registered` is another number than n, as the share of n that it is of those, rounded up. Without `coin`:
  reproduced if so many pass, refuted if fewer pass even with the open ones, else inconclusive. With `coin` (units are
  seeds, to which more could be added) so many passes or more must also have a probability of at most 0.05 under the
  toss of a coin (divided by the number of groups where any of them does); and a count that is missed is refuted only
  if so few have a probability of at most 0.01 under the smaller of the share that is needed and 0.8. Where `against`
  is given, a count is refuted if at most so many pass, and not otherwise.
- *interval*: the t interval of the mean over units at `level` (two-sided), in each group. Where the form says
  `clusters`, first take the mean over the units of each seed (the part before the comma); where it says `pool`, the
  mean over groups of each unit that all have. Values that are not a number are left out if their share is at most
  `missing`; otherwise, and where one is not finite, the check is inconclusive. A group is reproduced if its mean lies
  inside its bound and its interval inside the bound widened by `margin` ("any": the mean alone decides); else refuted
  if its interval lies outside the bound or, where `against` is given, inside that; else open, as one unit is, and
  fewer than five that are all equal. Fewer groups than must hold are inconclusive.
- *mean*: each group's mean lies within the bound, or not.
- *groups*: "all", "any" or k of m groups must be reproduced; the check is refuted if more than m - k are. [k, j]: at
  least k must be reproduced, at least j refute. `level` is already divided by the number of groups where it is "any".
- *gates*: a check one of whose gates is not reproduced is inconclusive, whatever its numbers; `ungated` is what they
  say. A check with incomplete runs, or with times from a busy machine, is inconclusive, too, and `note` says so.

A claim is refuted if any of its checks is, reproduced if all are, untested if none has run, else inconclusive; checks
with `control` and reports do not count. Numbers are as they were recorded, to the last bit; empty cells are missing,
`NaN` and `inf` were measured.
"""


def export(papers: Sequence[str], scale: str, folder: Path, format: str, source: str | None = None) -> list[Path]:
    """Write the records of some papers as tables with a data dictionary.

    Args:
        papers: slugs; all papers with results if empty.
        scale: of which results.
        folder: where to.
        format: "parquet" or "csv".
        source: see `assay.review.sources`; by default this machine's records of a paper, else its committed results.

    Returns:
        The files written.

    Raises:
        UserError: an unknown paper or format, or no results.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    slugs = [loading.check_paper(paper) for paper in papers] or loading.papers()
    found = _found(slugs, scale, source)
    lacking = [paper for paper in papers if paper not in found]
    if lacking or not found:
        raise UserError(f"no results at scale {scale} of {', '.join(lacking or slugs)}")
    tables = dict(_tables(found, local=source in (None, "local")))
    written = []
    for name, table in tables.items():
        path = folder / f"{name}.{format}"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(path, compression="zstd") if format == "parquet" else table.write_csv(path)
        written.append(path)
    dictionary = folder / "dictionary.csv"
    frame(list(_dictionary(tables))).write_csv(dictionary)
    told = source or "this machine's records, or else the committed results,"
    readme = folder / "README.md"
    readme.write_text(README.format(papers=", ".join(found), source=told, scale=scale), encoding="utf-8")
    return [*written, dictionary, readme]


def _found(papers: Sequence[str], scale: str, source: str | None) -> dict[str, Found]:
    if source is not None:
        return sources.find(source, papers, scale)
    results = ((paper, sources.local(paper, scale) or sources.committed(paper, scale)) for paper in papers)
    return {paper: sources.judged(one) for paper, one in results if one is not None}


def _tables(found: Mapping[str, Found], local: bool) -> Iterator[tuple[str, pl.DataFrame]]:
    """Every table with its name; empty ones are left out."""
    own = {paper: one.results for paper, one in found.items() if one.results is not None}
    whole = {
        "claims": [row for one in found.values() for row in _claims(one)],
        "checks": [row for one in found.values() for row in _checks(one)],
        "values": [row for one in found.values() for row in _values(one)],
        "records": [row for results in own.values() for row in _records(results)] if local else [],
    }
    for name, rows in whole.items():
        if rows:
            yield name, _typed(frame(rows))
    for paper, results in own.items():
        for name in ("runs", "units", "curves"):
            table: pl.DataFrame = getattr(results, name)
            if len(table):
                yield (
                    f"{paper}/{name}",
                    table.select(pl.lit(paper).alias("paper"), pl.lit(results.scale).alias("scale"), pl.all()),
                )


def _typed(table: pl.DataFrame) -> pl.DataFrame:
    """A column without any value has the type that it has elsewhere."""
    types: dict[str, Any] = {"measured": pl.Float64, "asked": pl.Float64, "time": pl.Float64, "verdict": pl.Boolean}
    empty = [name for name in table.columns if table[name].is_null().all()]
    return table.with_columns(pl.col(name).cast(types.get(MEANINGS[name][0], pl.String)) for name in empty)


def _claims(one: Found) -> Iterator[dict[str, Any]]:
    for claim in one.verdicts["claims"]:
        held, counted = claim["holds"]
        yield {
            "paper": one.paper, "scale": one.scale, "claim": claim["id"], "verdict": claim["verdict"],
            "statement": claim["statement"], "source": claim["source"], "paper_says": claim["paper_says"],
            "checks": ", ".join(claim["checks"]), "checks_held": held, "checks_counted": counted,
            "stands_for": one.verdicts.get("stands_for"),
        }  # fmt: skip


def _checks(one: Found) -> Iterator[dict[str, Any]]:
    for check in one.verdicts["checks"]:
        low, high = check["interval"] or (None, None)
        amended, looks = check["amended"], check.get("looks") or {}
        units = looks.get("units", [])
        yield {
            "paper": one.paper, "scale": one.scale, "check": check["id"], "serves": ", ".join(check["serves"]),
            "kind": check["kind"], "statement": check["statement"], "asked": wording.asked(check),
            "verdict": check["verdict"], "measured": _float(check["measured"]), "low": _float(low),
            "high": _float(high), "level": level(check) if check["kind"] == "interval" else None,
            "n": check["n"], "unit": check["unit"], "look": looks.get("taken"), "looks": len(units) or None,
            "units_registered": units[0] if units else None,
            "coin": check["kind"] == "count" and (bool(units) or check["p_value"] is not None),
            "next_units": looks.get("next", {}).get("units"), "looks_end": looks.get("ends"),
            "p_value": _float(check["p_value"]), "survives_holm": check.get("survives_holm"), "note": check["note"],
            "gates": ", ".join(check.get("gates", ())), "ungated": check.get("ungated"),
            "control": check.get("control", False), "error": check.get("error"),
            "amended": f"{amended['date']}: {amended['reason']}" if amended else None,
            "form": _json(check["form"]),
        }  # fmt: skip


def _float(value: Any) -> float | None:
    """Infinities and NaN are words in `verdicts.json`."""
    return None if value is None else float(value)


def _values(one: Found) -> Iterator[dict[str, Any]]:
    """What the paper's checks read from the results: one row a unit."""
    module = loading.paper_module(one.paper, "claims")
    checks: Sequence[Check] = module.CHECKS if module is not None else ()
    rows = {row["id"]: row for row in one.verdicts["checks"]}
    for check in checks:
        row = rows.get(check.id)
        if one.results is not None and row is not None and not row.get("error"):
            yield from _values_of(check, row, one.results)


def _values_of(check: Check, row: Mapping[str, Any], results: Results) -> Iterator[dict[str, Any]]:
    view = behind(check, row, results)
    undecided = check.kind.undecided if isinstance(check.kind, Count) else ()
    asked: list[tuple[str, Condition]] = [*(("asked", c) for c in check.conditions)]
    for role, condition in [*asked, *(("undecided", c) for c in undecided)]:
        low, high, strict = condition.bound.form().values()
        own = {(v.group, v.unit): v for v in condition.measure(view)}
        more = condition.measure(results) if results.extended else []
        further = [v for v in more if own.get((v.group, v.unit)) != v]
        for value, kept in [*((v, True) for v in own.values()), *((v, False) for v in further)]:
            group = group_of(check, condition, value.group)
            yield {
                "paper": results.paper, "scale": results.scale, "check": check.id, "condition": condition.name,
                "role": role, "group": group, "unit": value.unit, "used": kept and counts(row, group),
                "value": float(value.value), "bound_low": low, "bound_high": high, "bound_strict": strict,
                "holds": condition.bound.holds(value.value),
                "clustered": isinstance(check.kind, Interval) and check.kind.clusters,
                "runs": " ".join(value.runs),
            }  # fmt: skip


def _records(results: Results) -> Iterator[dict[str, Any]]:
    """The store's records of a paper, at whatever scale: selections and failures, too."""
    from assay.records.store import Store
    from assay.tracking.sync import public_config

    for record in Store(results.paper):
        own, failure = record.provenance, record.failure or {}
        yield {
            "paper": results.paper, "signature": record.signature, "code": record.code, "status": record.status,
            "failure": failure.get("class"), "message": failure.get("message"), "seed": record.config.get("seed"),
            "device": record.config.get("trainer", {}).get("device"), "gpu": own.get("gpu"),
            "seconds": own.get("seconds"), "threads": own.get("threads"), "finished": own.get("finished"),
            "commit": own.get("commit"), "dirty": own.get("dirty"), "versions": _json(own.get("versions")),
            "machine": _json(own.get("machine")), "config": _json(public_config(record.config)),
        }  # fmt: skip


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)


# -- the dictionary -------------------------------------------------------------------------------------------------


def _dictionary(tables: Mapping[str, pl.DataFrame]) -> Iterator[dict[str, Any]]:
    """One row a column."""
    for name, table in tables.items():
        for column in table.columns:
            values = table[column]
            role, meaning = _meaning(name, table, column)
            ordered = values.dtype.is_numeric() and values.null_count() < len(values)
            finite = values.filter(values.is_finite()) if values.dtype.is_float() else values
            yield {
                "table": name, "column": column, "type": str(values.dtype), "role": role, "meaning": meaning,
                "rows": len(values), "missing": values.null_count(),
                "least": _float(finite.min()) if ordered else None, "most": _float(finite.max()) if ordered else None,
            }  # fmt: skip


def _meaning(name: str, table: pl.DataFrame, column: str) -> tuple[str, str]:
    if "/" not in name or column in ("paper", "scale", "seconds", *KEYS):
        return MEANINGS[column]
    kind = name.rpartition("/")[2]
    if column in {"units": ("unit",), "curves": ("name", "step", "value")}.get(kind, ()):
        return MEANINGS[column]
    where = ", ".join(sorted(table.filter(pl.col(column).is_not_null())["experiment"].unique()))
    if column.startswith("exact/"):
        _, check, what = column.split("/", 2)
        return "measured", f"what the exact check {check} measured: {what.replace('_', ' ')}"
    if "/" in column or (kind == "units" and "." not in column and table.schema[column].is_numeric()):
        return "measured", f"a measurement of the experiments {where}; the paper's README and module say what it is"
    return "given", f"the value of `{column}` in the configuration, or a named setting; an axis of {where}"
