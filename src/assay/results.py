"""Results: the tables that checks and figures read.

A `Results` is all that judging needs, and nothing else: three long tables and what the plan expected. It is built
from a store of records or read back from a paper's committed `results/`, with the same verdicts either way.

    runs     one row per (experiment, arm, axes, seed): its signature, its axis columns, its scalars
    units    one row per replicated thing inside a run: `unit`, named axes, values, and the run's columns
    curves   one row per point: `name`, `step`, `value`, and the run's columns

Axis columns carry the dotted name of the value they set ("optimizer.lr"), scalars carry slashes ("test/accuracy").
"""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from assay.columns import KEYS, as_column, level_text
from assay.errors import UserError

__all__ = ["KEYS", "Expected", "Results"]


@dataclass(frozen=True)
class Expected:
    """What the registered plan of one experiment holds, and what of it is there.

    Attributes:
        planned, done, failed, stale: registered runs.
        seeds: how many seeds are registered; 0 where older results do not say.
        first: the first of them.
    """

    planned: int
    done: int
    failed: int = 0
    stale: int = 0
    seeds: int = 0
    first: int = 1

    @property
    def complete(self) -> bool:
        """Whether every registered run of the experiment has a record."""
        return self.done == self.planned and self.planned > 0


@dataclass(frozen=True)
class Results:
    """The tables of one paper at one scale.

    Attributes:
        runs, units, curves: see the module's docstring.
        expected: by experiment, how many registered runs there should be and are.
        selections: by experiment, the tables of its selection stages (candidates, scores, winner).
        failures: runs that failed: signature, experiment, arm, seed, class and message.
        facts: provenance of the whole: commit, versions, durations.
        axes: by experiment, the columns that are its axes, where a null is a level; tables from before do not say.
    """

    paper: str
    scale: str
    runs: pl.DataFrame
    units: pl.DataFrame
    curves: pl.DataFrame
    expected: Mapping[str, Expected] = field(default_factory=dict)
    selections: Mapping[str, Any] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, list[str]] = field(default_factory=dict)

    def of(self, experiment: str, table: str = "runs", arm: str | None = None, **where: Any) -> pl.DataFrame:
        """Rows of one experiment in a table ("runs", "units", "curves").

        Args:
            experiment: its name.
            table: which table.
            arm: only this arm.
            where: only rows whose column has this value, which may be null, a list, or of another type than its
                neighbours; write dots in axis names as double underscores (`optimizer__lr=0.1`).
        """
        frame: pl.DataFrame = getattr(self, table)
        if frame.is_empty():
            return frame
        own = self.axes.get(experiment, [])
        frame = frame.filter(pl.col("experiment") == experiment)
        if arm is not None:
            frame = frame.filter(pl.col("arm") == arm)
        for key, value in where.items():
            column = key.replace("__", ".")
            if column not in frame.columns:
                if frame.is_empty():  # nothing of the experiment is done yet, so nobody brought its axes
                    return frame
                raise KeyError(f"{experiment}: no column '{column}' in {table}; there is {sorted(frame.columns)}")
            if value is None and len(frame) and column not in own and own and frame[column].is_null().all():
                raise KeyError(f"{experiment}: '{column}' is no axis; there is {sorted(own)}")
            frame = frame.filter(_has(frame[column], value))
        if frame.is_empty():
            return frame
        kept = {*own, *(key.replace("__", ".") for key in where)}
        nulls = frame.null_count().row(0)
        return frame.select([c for c, n in zip(frame.columns, nulls, strict=True) if c in kept or n < len(frame)])

    def curve(self, experiment: str, name: str, arm: str | None = None, **where: Any) -> pl.DataFrame:
        """The points of one curve, sorted by run and step."""
        frame = self.of(experiment, "curves", arm, name=name, **where)
        return frame.sort("signature", "step") if len(frame) else frame

    def seeds(self, experiment: str) -> range:
        """The registered seeds of an experiment; none where it is unknown."""
        expected = self.expected.get(experiment)
        if expected is not None and expected.seeds:
            return range(expected.first, expected.first + expected.seeds)
        mine = self.runs.filter((pl.col("experiment") == experiment) & pl.col("registered")) if len(self.runs) else None
        if mine is None or mine.is_empty():
            return range(0)
        seeds: list[int] = mine["seed"].unique().sort().to_list()
        return range(seeds[0], seeds[0] + len(seeds))

    def first(self, units: Mapping[str, int]) -> Results:
        """The results with the first so many seeds of some experiments, and the registered ones of all others."""
        if self.runs.is_empty():
            return self
        chosen = pl.col("registered") & ~pl.col("experiment").is_in(list(units))
        for experiment, n in units.items():
            start = self.seeds(experiment).start
            chosen |= (pl.col("experiment") == experiment) & pl.col("seed").is_between(start, start + n - 1)
        frames = {name: getattr(self, name) for name in ("runs", "units", "curves")}
        return replace(self, **{name: frame.filter(chosen) if len(frame) else frame for name, frame in frames.items()})

    def only(self, registered: bool) -> Results:
        """The results with the registered seeds alone (or unchanged)."""
        return self.first({}) if registered else self

    @property
    def extended(self) -> bool:
        """Whether there are seeds beyond the registered ones."""
        return bool(len(self.runs)) and not bool(self.runs["registered"].all())

    def save(self, folder: Path) -> None:
        """Write the tables as parquet and the rest as JSON, small enough to commit."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("runs", "units", "curves"):
            getattr(self, name).write_parquet(folder / f"{name}.parquet", compression="zstd", compression_level=19)
        rest = {
            "paper": self.paper,
            "scale": self.scale,
            "expected": {name: vars(value) for name, value in self.expected.items()},
            "selections": self.selections,
            "failures": self.failures,
            "facts": self.facts,
            "axes": self.axes,
        }
        (folder / "results.json").write_text(json.dumps(rest, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Results:
        """Read what `save` wrote.

        Raises:
            UserError: there is something else, or what a newer version wrote.
        """
        try:
            rest = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            frames: dict[str, Any] = {
                name: pl.read_parquet(folder / f"{name}.parquet") for name in ("runs", "units", "curves")
            }
            expected = {name: Expected(**value) for name, value in rest.pop("expected").items()}
            return cls(expected=expected, **frames, **rest)
        except (ValueError, LookupError, TypeError, AttributeError, OSError, pl.exceptions.PolarsError) as error:
            what = " ".join(str(error).split())
            raise UserError(f"{folder} holds no results that can be read: {type(error).__name__}: {what}") from None


def at_levels(frame: pl.DataFrame, axis: str, levels: Sequence[Any]) -> pl.Series:
    """Which rows are at one of some levels of an axis."""
    return functools.reduce(operator.or_, (_has(frame[axis], level) for level in levels))


def _has(column: pl.Series, value: Any) -> pl.Series:
    """Which rows of a column have a value; 1 and 1.0 are one, 1 and True are not."""
    if value is None:
        return column.is_null()
    value = as_column(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if column.dtype == pl.String:
        kinds: tuple[Any, ...] = (int, float) if number and float(value).is_integer() else (type(value),)
        return column.is_in([level_text(kind(value)) for kind in kinds])
    fits = number if column.dtype.is_numeric() else isinstance(value, bool) and column.dtype == pl.Boolean
    return column == value if fits else pl.repeat(False, len(column), eager=True)
