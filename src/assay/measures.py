"""Measures: what a check reads out of results, as values with arithmetic.

A measure is a description of numbers before there are any: `scalar("net", "train/loss", arm="lion")` are the final
losses of one arm, one a seed; `a - b` pairs two measures by group and unit; `gap <= 1e-6` is a condition on one. Since
it is a description, a measure knows which experiments, arms, levels and columns it reads, so that a wrong name is found
before anything runs, and further seeds are run for what a check reads and for nothing else.

    scalar, unit, curve      numbers of runs, of things inside runs, and of curves
    exact                    what a paper's `exact.py` measured
    slope, spearman, share   one number out of several
    function                 the odd case: a plain function of `Results`, with what it reads declared

One value is one unit (a seed, a problem, ...) in one group (an arm, a level, ...); `over` names the columns that make
units, `group` those that make groups.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import math
import operator
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from types import CodeType
from typing import TYPE_CHECKING, Any, Literal

from assay.columns import as_column, level_text, same

if TYPE_CHECKING:
    import polars as pl

    from assay.results import Results

Columns = str | Sequence[str]
Levels = tuple[tuple[str, tuple[Any, ...]], ...]
"""Levels of columns."""

Filters = tuple[tuple[Levels, bool], ...]
"""Levels that are kept (True) or left out."""

Reduction = Literal["mean", "median", "max", "min"]


@dataclass(frozen=True)
class Value:
    """One unit's number.

    Attributes:
        unit: the unit's label, e.g. "3" for seed 3.
        value: the number.
        runs: signatures of the runs it came from.
        group: the label of the group that it is judged in; "" where there is one group.
        at: the columns behind unit and group, where the measure knows them.
    """

    unit: str
    value: float
    runs: tuple[str, ...] = ()
    group: str = ""
    at: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


Values = list[Value]


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

    @property
    def ends(self) -> list[float]:
        """The ends that bind."""
        return [end for end in (self.low, self.high) if math.isfinite(end)]

    def form(self) -> dict[str, Any]:
        """The bound as data, for `verdicts.json`: infinite ends are None."""
        low, high = (end if math.isfinite(end) else None for end in (self.low, self.high))
        return {"low": low, "high": high, "strict": self.strict}

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


ANY = Bound()
"""Nothing is demanded: for reports."""


@dataclass(frozen=True)
class Read:
    """Something that a measure reads.

    Attributes:
        experiment: its name.
        table: "runs", "units", "curves" or "selections".
        names: the columns (or curves) whose values are read; () where a function does not say.
        arms: only these; None for all.
        levels: for each axis that is filtered, the levels that are read.
        columns: the columns that make units and groups.
    """

    experiment: str
    table: str = "runs"
    names: tuple[str, ...] = ()
    arms: tuple[str, ...] | None = None
    levels: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    columns: tuple[str, ...] = ()

    def form(self) -> dict[str, Any]:
        """The read as data."""
        return {
            "experiment": self.experiment,
            "table": self.table,
            "names": list(self.names),
            **({"arms": list(self.arms)} if self.arms is not None else {}),
            **({"levels": {axis: list(levels) for axis, levels in self.levels}} if self.levels else {}),
        }


class Measure(ABC):
    """The base of all measures; see the module's docstring."""

    reads: tuple[Read, ...]
    over: tuple[str, ...] | None
    """The columns that make units; None where a function does not say."""
    by: tuple[str, ...]
    """The columns that make groups."""
    name: str
    """What it is called on the page."""

    @abstractmethod
    def __call__(self, results: Results) -> Values:
        """The values in some results; none where nothing is there yet."""

    @abstractmethod
    def form(self) -> Any:
        """The measure as data, the same whenever the same is measured."""

    @property
    def inside(self) -> tuple[Measure, ...]:
        """The measures that it is made of."""
        return ()

    @property
    def silent(self) -> bool:
        """Whether some of it does not say what it reads."""
        return any(part.silent for part in self.inside)

    def reads_at(self, filters: Filters) -> tuple[Read, ...]:
        """What it reads for those of its values that some filters leave."""
        known = {*(self.over or ()), *self.by}
        # One side of a pair may have no such column, a reference that stands for all levels: it is read whole.
        mine = tuple(
            (kept, keep)
            for levels, keep in filters
            for kept in [tuple(pair for pair in levels if pair[0] in known)]
            if kept and (keep or len(kept) == len(levels))
        )
        if self.inside:
            return tuple(read for part in self.inside for read in part.reads_at(mine))
        return tuple(functools.reduce(_narrowed, mine, read) for read in self.reads)

    def _wrong(self) -> Iterator[str]:
        return iter(())

    def wrong(self) -> list[str]:
        """What can be seen to be wrong without any results, here and in what it is made of, one line each."""
        return [*self._wrong(), *(text for part in self.inside for text in part.wrong())]

    # -- arithmetic -----------------------------------------------------------------------------------------------

    def __add__(self, other: Measure | float) -> Measure:
        return Paired("+", self, as_measure(other))

    def __sub__(self, other: Measure | float) -> Measure:
        return Paired("-", self, as_measure(other))

    def __mul__(self, other: Measure | float) -> Measure:
        return Paired("*", self, as_measure(other))

    def __truediv__(self, other: Measure | float) -> Measure:
        return Paired("/", self, as_measure(other))

    def __radd__(self, other: float) -> Measure:
        return Paired("+", as_measure(other), self)

    def __rsub__(self, other: float) -> Measure:
        return Paired("-", as_measure(other), self)

    def __rmul__(self, other: float) -> Measure:
        return Paired("*", as_measure(other), self)

    def __rtruediv__(self, other: float) -> Measure:
        return Paired("/", as_measure(other), self)

    def __neg__(self) -> Measure:
        return Mapped("-", self)

    def log(self) -> Measure:
        """The natural logarithm of each value; of 0 and below not a number."""
        return Mapped("log", self)

    def abs(self) -> Measure:
        """The size of each value."""
        return Mapped("abs", self)

    def mean(self, *columns: str) -> Measure:
        """The mean over some columns, one value for each of the others; over all units where none is named."""
        return Reduced("mean", self, columns)

    def median(self, *columns: str) -> Measure:
        """The median over some columns."""
        return Reduced("median", self, columns)

    def max(self, *columns: str) -> Measure:
        """The largest over some columns; not a number if one is."""
        return Reduced("max", self, columns)

    def min(self, *columns: str) -> Measure:
        """The smallest over some columns; not a number if one is."""
        return Reduced("min", self, columns)

    def only(self, **levels: Any) -> Measure:
        """Only the values at some levels of the columns that make its units and groups; a tuple names several."""
        return Filtered(self, _pairs(levels), keep=True)

    def at(self, **levels: Any) -> Measure:
        """The values at one level of each of some columns, which make units and groups no more: to compare two levels.

        `early.at(lr=2) - early.at(lr=10)`; with `only` each side would keep its level in its labels, and match nothing.
        """
        return self.only(**levels).mean(*(axis for axis, _ in _pairs(levels)))

    def but(self, **levels: Any) -> Measure:
        """All values but those at some levels."""
        return Filtered(self, _pairs(levels), keep=False)

    def each(self, column: str, levels: Iterable[Any]) -> list[Measure]:
        """One measure a level of a column."""
        return [self.only(**{column: level}) for level in levels]

    def called(self, name: str) -> Measure:
        """The same measure under the name that the page shows."""
        return Called(self, name)

    # -- conditions -----------------------------------------------------------------------------------------------

    def __le__(self, x: float) -> Condition:
        return Condition(self, at_most(x), self.name)

    def __lt__(self, x: float) -> Condition:
        return Condition(self, below(x), self.name)

    def __ge__(self, x: float) -> Condition:
        return Condition(self, at_least(x), self.name)

    def __gt__(self, x: float) -> Condition:
        return Condition(self, above(x), self.name)

    def within(self, low: float, high: float) -> Condition:
        """low <= value <= high"""
        return Condition(self, between(low, high), self.name)

    def equals(self, x: float) -> Condition:
        """value == x"""
        return Condition(self, between(x, x), self.name)

    def shown(self) -> Condition:
        """No demand: for reports."""
        return Condition(self, ANY, self.name)


@dataclass(frozen=True)
class Condition:
    """A measure, the bound that its values must keep, and what to call it on the page.

    Args:
        measure: a measure, or a plain function of `Results`.
        bound: see `at_most`, `at_least`, `below`, `above`, `between`.
        name: what is measured, for the page.
    """

    measure: Measure | Callable[[Results], Values]
    bound: Bound
    name: str = ""

    def form(self) -> dict[str, Any]:
        """The condition as data: without its name, which measures nothing."""
        return {"bound": self.bound.form(), "measure": as_measure(self.measure).form()}


# -- leaves ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column(Measure):
    """A column of the table of runs or of units; make one with `scalar` or `unit`."""

    table: Literal["runs", "units"]
    experiment: str
    column: str
    arms: tuple[str, ...] | None
    over: tuple[str, ...]
    by: tuple[str, ...]
    reduce: Reduction
    where: tuple[tuple[str, tuple[Any, ...]], ...]
    name: str = ""

    @property
    def reads(self) -> tuple[Read, ...]:  # type: ignore[override]
        """The one column."""
        return (Read(self.experiment, self.table, (self.column,), self.arms, self.where, (*self.by, *self.over)),)

    def __call__(self, results: Results) -> Values:
        """One value per distinct unit in each group."""
        import polars as pl

        frame = rows(results, self.experiment, self.table, self.arms, self.where)
        if frame.is_empty() or self.column not in frame.columns:
            return []
        # NaN must not vanish in a maximum: a run that measured nothing usable has to fail its bound.
        column = pl.col(self.column)
        value = pl.when(column.is_nan().any()).then(float("nan")).otherwise(getattr(column, self.reduce)())
        # In order of the values, so that a mean does not depend on the order of the rows, not in its last digit.
        keyed = frame.filter(column.is_not_null()).with_columns(column.cast(pl.Float64)).sort(self.column)
        keys = [*self.by, *self.over]
        wanted = [value.alias("value"), pl.col("signature").unique().implode()]
        if not keys:
            found = keyed.select(wanted) if len(keyed) else keyed.clear()
        else:
            found = (
                keyed.group_by(keys, maintain_order=True)
                .agg(value.alias("value"), pl.col("signature").unique())
                .sort(keys)
            )
        return [
            Value(
                label(row, self.over),
                row["value"],
                tuple(sorted(row["signature"])),
                label(row, self.by),
                {key: row[key] for key in keys},
            )
            for row in found.iter_rows(named=True)
        ]

    def _wrong(self) -> Iterator[str]:
        return _twice(self.by, self.over)

    def form(self) -> Any:
        """Everything but the name on the page."""
        return {
            "of": self.table,
            "experiment": self.experiment,
            "column": self.column,
            "over": list(self.over),
            "group": list(self.by),
            "reduce": self.reduce,
            **({"arms": list(self.arms)} if self.arms is not None else {}),
            **({"where": {axis: list(levels) for axis, levels in self.where}} if self.where else {}),
        }


def scalar(
    experiment: str,
    name: str,
    arm: Columns | None = None,
    over: Columns = "seed",
    group: Columns = (),
    reduce: Reduction = "mean",
    **where: Any,
) -> Measure:
    """A scalar of an experiment's runs, one value per distinct `over` (columns) in each `group` (columns).

    Where several runs share them, `reduce` combines their values. `where` keeps rows at a level (or one of a tuple of
    levels); dots in the names of axes are double underscores (`optimizer__lr=0.1`).
    """
    return Column("runs", experiment, name, _arms(arm), columns(over), columns(group), reduce, _pairs(where))


def unit(
    experiment: str,
    name: str,
    arm: Columns | None = None,
    over: Columns = ("seed", "unit"),
    group: Columns = (),
    reduce: Reduction = "mean",
    **where: Any,
) -> Measure:
    """A value of the replicated things inside an experiment's runs; as `scalar`, over the table of units."""
    return Column("units", experiment, name, _arms(arm), columns(over), columns(group), reduce, _pairs(where))


def exact(id: str, name: str, called: str = "") -> Measure:
    """A number that the paper's exact check `id` measured under `name` (see `assay.exact`); `called` on the page."""
    return replace(scalar("exact", f"exact/{id}/{name}"), name=called or name)  # type: ignore[type-var]


@dataclass(frozen=True)
class Constant(Measure):
    """A number, beside measures."""

    value: float
    reads: tuple[Read, ...] = ()
    over: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    name: str = ""

    def __call__(self, results: Results) -> Values:
        """The number."""
        return [Value("", self.value)]

    def form(self) -> Any:
        """The number."""
        return self.value


@dataclass(frozen=True)
class Function(Measure):
    """A plain function of `Results`; make one with `function`, or hand the function to a check as it is."""

    call: Callable[[Results], Values]
    reads: tuple[Read, ...] = ()
    over: tuple[str, ...] | None = None
    by: tuple[str, ...] = ()
    name: str = ""

    @property
    def silent(self) -> bool:
        """A plain function does not say, one that is declared does."""
        return not self.reads

    def reads_at(self, filters: Filters) -> tuple[Read, ...]:
        """All that it reads: whatever goes into one of its values, only the function knows."""
        return self.reads

    def __call__(self, results: Results) -> Values:
        """What the function returns."""
        return self.call(results)

    def form(self) -> Any:
        """The function's name, and what a partial or an inner function was given."""
        return _form_of(self.call)


def function(
    *experiments: str | Read, over: Columns | None = None
) -> Callable[[Callable[[Results], Values]], Function]:
    """Declare what a plain function of `Results` reads, as a decorator.

    Args:
        experiments: names of experiments, or `Read` for a part of one.
        over: the columns that make its units, e.g. "seed" where each value's `unit` is its seed.
    """
    reads = tuple(one if isinstance(one, Read) else Read(one) for one in experiments)

    def declare(call: Callable[[Results], Values]) -> Function:
        return Function(call, reads, None if over is None else columns(over))

    return declare


def on_edge(experiment: str, key: str) -> Measure:
    """1 where a selection chose an end of the grid of `key`, else 0; one value a choice, in a group of its arm.

    A winner at an end says that the grid may have been too narrow for that arm.
    """

    call = functools.partial(_on_edge, experiment=experiment, key=key)
    return Function(call, (Read(experiment, "selections", (key,)),), name=f"{key} at an end of its grid")


def _on_edge(results: Results, experiment: str, key: str) -> Values:
    found = []
    for row in results.selections.get(experiment, []):
        winner = (row["winner"] or {}).get(key)
        if winner is not None:
            grid = [candidate["values"][key] for candidate in row["candidates"]]
            arm = str(row["per"].get("arm", ""))
            found.append(Value(row["by"], float(winner in (min(grid), max(grid))), group=arm))
    return found


# -- several runs to one number -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fitted(Measure):
    """One number out of the pairs (x, y) of some runs; make one with `slope` or `spearman`."""

    how: Literal["slope", "log-log slope", "spearman"]
    experiment: str
    x: str
    y: str
    arms: tuple[str, ...] | None
    over: tuple[str, ...]
    by: tuple[str, ...]
    where: tuple[tuple[str, tuple[Any, ...]], ...]
    table: Literal["runs", "units"] = "runs"
    name: str = ""

    @property
    def reads(self) -> tuple[Read, ...]:  # type: ignore[override]
        """Both columns."""
        keys = (*self.by, *self.over)
        return (Read(self.experiment, self.table, (self.x, self.y), self.arms, self.where, keys),)

    def __call__(self, results: Results) -> Values:
        """One number a unit; where it is not defined (fewer than two x, a logarithm of 0) not a number."""
        import polars as pl

        frame = rows(results, self.experiment, self.table, self.arms, self.where)
        if frame.is_empty() or not {self.x, self.y} <= set(frame.columns):
            return []
        keys = [*self.by, *self.over]
        points = frame.filter(pl.col(self.x).is_not_null() & pl.col(self.y).is_not_null())
        found = []
        parts = points.sort(keys).group_by(keys, maintain_order=True) if keys else [((), points)]
        for key, part in parts:
            row = dict(zip(keys, key, strict=True))
            # One y a distinct x: runs that share an x (other seeds, other problems) count as their mean.
            means = part.sort(self.x, self.y).group_by(self.x, maintain_order=True).agg(pl.col(self.y).mean())
            number = self._fit(means[self.x].cast(pl.Float64).to_list(), means[self.y].cast(pl.Float64).to_list())
            runs = tuple(sorted(set(part["signature"])))
            found.append(Value(label(row, self.over), number, runs, label(row, self.by), row))
        return found

    def _fit(self, x: list[float], y: list[float]) -> float:
        import numpy as np

        if len(x) < 2 or not all(map(math.isfinite, [*x, *y])):
            return math.nan
        if self.how == "spearman":
            return _rank_correlation(x, y)
        if self.how == "log-log slope":
            if min(*x, *y) <= 0:
                return math.nan
            x, y = [math.log(one) for one in x], [math.log(one) for one in y]
        return float(np.polyfit(x, y, 1)[0])

    def _wrong(self) -> Iterator[str]:
        return _twice(self.by, self.over)

    def form(self) -> Any:
        """Everything but the name on the page."""
        return {
            "of": self.how,
            "experiment": self.experiment,
            "table": self.table,
            "x": self.x,
            "y": self.y,
            "over": list(self.over),
            "group": list(self.by),
            **({"arms": list(self.arms)} if self.arms is not None else {}),
            **({"where": {axis: list(levels) for axis, levels in self.where}} if self.where else {}),
        }


def _rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's rho, exact where it is a simple fraction; not a number where one side is constant.

    From whole numbers: one adjacent swap among four is 0.8 and keeps "at least 0.8"; scipy says 0.7999999999999999.
    """
    first, second = _ranks(x), _ranks(y)
    cross, own, other = (
        sum(map(operator.mul, a, b)) for a, b in ((first, second), (first, first), (second, second))
    )  # fmt: skip
    if not own or not other:
        return math.nan
    return cross / own if own == other else cross / math.sqrt(own * other)


def _ranks(values: Sequence[float]) -> list[int]:
    """Twice the distance of each rank from the mean rank; ties share theirs."""
    ordered = sorted(values)
    return [bisect_left(ordered, v) + bisect_right(ordered, v) - len(ordered) for v in values]


def slope(
    experiment: str,
    x: str,
    y: str,
    arm: Columns | None = None,
    per: Columns = "seed",
    group: Columns = (),
    log: bool = False,
    table: Literal["runs", "units"] = "runs",
    **where: Any,
) -> Measure:
    """The least-squares slope of `y` on `x`, one for each `per`; with `log` that of log y on log x.

    Args:
        experiment, arm, group, table, where: as in `scalar`.
        x, y: columns; an axis ("optimizer.lr") or a measurement. Values of y that share an x are averaged first.
        per: the columns that make units; () for one slope through all.
        log: both axes logarithmic.
    """
    how: Literal["slope", "log-log slope"] = "log-log slope" if log else "slope"
    return Fitted(how, experiment, x, y, _arms(arm), columns(per), columns(group), _pairs(where), table)


def spearman(
    experiment: str,
    x: str,
    y: str,
    arm: Columns | None = None,
    per: Columns = "seed",
    group: Columns = (),
    table: Literal["runs", "units"] = "runs",
    **where: Any,
) -> Measure:
    """Spearman's rank correlation of `x` and `y`, one for each `per`; as `slope`."""
    return Fitted("spearman", experiment, x, y, _arms(arm), columns(per), columns(group), _pairs(where), table)


@dataclass(frozen=True)
class Curve:
    """A curve of an experiment's runs; `at`, `first` and `last` make measures of it."""

    experiment: str
    column: str
    arms: tuple[str, ...] | None
    over: tuple[str, ...]
    by: tuple[str, ...]
    where: tuple[tuple[str, tuple[Any, ...]], ...]

    def at(self, step: int) -> Measure:
        """The value at a step that was measured."""
        return Point(self, "at", float(step))

    def last(self) -> Measure:
        """The value at the last step."""
        return Point(self, "last", 0.0)

    def first(self, *, below: float | None = None, above: float | None = None) -> Measure:
        """The first measured step whose value lies below (or above) a number; infinite where there is none."""
        if (below is None) == (above is None):
            raise ValueError("first(below=...) or first(above=...)")
        return Point(
            self, "first above" if below is None else "first below", float((above if below is None else below) or 0)
        )


@dataclass(frozen=True)
class Point(Measure):
    """One number of each run's curve; runs that share a unit count as their mean."""

    curve: Curve
    how: Literal["at", "last", "first below", "first above"]
    number: float
    name: str = ""

    @property
    def over(self) -> tuple[str, ...]:  # type: ignore[override]
        """As the curve's."""
        return self.curve.over

    @property
    def by(self) -> tuple[str, ...]:  # type: ignore[override]
        """As the curve's."""
        return self.curve.by

    @property
    def reads(self) -> tuple[Read, ...]:  # type: ignore[override]
        """The curve."""
        c = self.curve
        return (Read(c.experiment, "curves", (c.column,), c.arms, c.where, (*c.by, *c.over)),)

    def __call__(self, results: Results) -> Values:
        """One number a unit."""
        import polars as pl

        c = self.curve
        frame = rows(results, c.experiment, "curves", c.arms, c.where)
        if frame.is_empty():
            return []
        frame = frame.filter(pl.col("name") == c.column).sort("signature", "step")
        keys = [*c.by, *c.over]
        found: dict[tuple[Any, ...], list[tuple[float, str]]] = {}
        for (signature, *rest), part in frame.group_by(["signature", *keys], maintain_order=True):
            number = self._number(part["step"].to_list(), part["value"].to_list())
            if number is not None:
                found.setdefault(tuple(rest), []).append((number, str(signature)))
        values = []
        for key, numbers in found.items():
            row = dict(zip(keys, key, strict=True))
            mean = mean_of([number for number, _ in numbers])
            runs = tuple(sorted(run for _, run in numbers))
            values.append(Value(label(row, c.over), mean, runs, label(row, c.by), row))
        return sorted(values, key=lambda v: (v.group, _natural(v.unit)))

    def _number(self, steps: list[int], values: list[float]) -> float | None:
        if self.how == "last":
            return values[-1]
        if self.how == "at":
            return dict(zip(steps, values, strict=True)).get(int(self.number))
        beyond = operator.lt if self.how == "first below" else operator.gt
        return next((float(s) for s, v in zip(steps, values, strict=True) if beyond(v, self.number)), math.inf)

    def _wrong(self) -> Iterator[str]:
        return _twice(self.by, self.over)

    def form(self) -> Any:
        """Everything but the name on the page."""
        c = self.curve
        return {
            "of": "curve",
            "experiment": c.experiment,
            "curve": c.column,
            self.how: self.number,
            "over": list(c.over),
            "group": list(c.by),
            **({"arms": list(c.arms)} if c.arms is not None else {}),
            **({"where": {axis: list(levels) for axis, levels in c.where}} if c.where else {}),
        }


def curve(
    experiment: str, name: str, arm: Columns | None = None, over: Columns = "seed", group: Columns = (), **where: Any
) -> Curve:
    """A curve of an experiment's runs, e.g. `curve("net", "train/loss").at(150)`; arguments as in `scalar`."""
    return Curve(experiment, name, _arms(arm), columns(over), columns(group), _pairs(where))


# -- of other measures ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paired(Measure):
    """Two measures, paired by group and unit; what only one side has is left out.

    A side without groups stands for every group of the other, one without units (a constant, a reference with one
    value) for every unit.
    """

    sign: Literal["+", "-", "*", "/"]
    a: Measure
    b: Measure
    name: str = ""

    @property
    def reads(self) -> tuple[Read, ...]:  # type: ignore[override]
        """What both read."""
        return (*self.a.reads, *self.b.reads)

    @property
    def over(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """Those of the side that has units."""
        return self.b.over if self.a.over == () else self.a.over

    @property
    def by(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the side that has groups."""
        return self.a.by or self.b.by

    @property
    def inside(self) -> tuple[Measure, ...]:
        """Both sides."""
        return self.a, self.b

    def _wrong(self) -> Iterator[str]:
        for what, left, right in (("groups", self.a.by, self.b.by), ("units", self.a.over or (), self.b.over or ())):
            if left and right and left != right:
                yield f"pairs {what} by {', '.join(left)} with {what} by {', '.join(right)}, which never match"
            for column in left if left == right else ():
                first, second = _levels_read(self.a, column), _levels_read(self.b, column)
                if first and second and not [level for level in first if level in second]:
                    yield f"pairs {column} = {_listed(first)} with {column} = {_listed(second)}, which never match"

    def __call__(self, results: Results) -> Values:
        """One value a pair."""
        left, right = self.a(results), self.b(results)
        by_group = any(v.group for v in left) and any(v.group for v in right)
        by_unit = any(v.unit for v in left) and any(v.unit for v in right)
        partners: dict[tuple[str, str], Values] = {}
        for w in right:
            partners.setdefault((w.group if by_group else "", w.unit if by_unit else ""), []).append(w)
        return [
            Value(
                v.unit or w.unit,
                _calculate(self.sign, v.value, w.value),
                tuple(sorted({*v.runs, *w.runs})),
                v.group or w.group,
                {**w.at, **v.at},
            )
            for v in left
            for w in partners.get((v.group if by_group else "", v.unit if by_unit else ""), ())
        ]

    def form(self) -> Any:
        """Both sides and the sign."""
        return [self.a.form(), self.sign, self.b.form()]


def _levels_read(measure: Measure, column: str) -> list[Any] | None:
    """The levels of a column that a measure reads; None where it reads all that there are."""
    found: list[Any] = []
    for read in measure.reads:
        levels = read.arms if column == "arm" else dict(read.levels).get(column)
        if levels is None:
            return None
        found += levels
    return found


def _listed(levels: Iterable[Any]) -> str:
    return ", ".join(map(str, levels))


def difference(a: Measure | Callable[[Results], Values], b: Measure | Callable[[Results], Values]) -> Measure:
    """a - b, paired by group and unit; units that only one side has are left out."""
    return as_measure(a) - as_measure(b)


def _calculate(sign: str, a: float, b: float) -> float:
    if sign == "/":
        return a / b if b else math.nan
    return {"+": operator.add, "-": operator.sub, "*": operator.mul}[sign](a, b)


class _Of(Measure):
    """A measure made of one other, with its units and groups."""

    inner: Measure

    @property
    def inside(self) -> tuple[Measure, ...]:
        """The other."""
        return (self.inner,)

    @property
    def reads(self) -> tuple[Read, ...]:  # type: ignore[override]
        """As the other's."""
        return self.inner.reads

    @property
    def over(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """As the other's."""
        return self.inner.over

    @property
    def by(self) -> tuple[str, ...]:  # type: ignore[override]
        """As the other's."""
        return self.inner.by


@dataclass(frozen=True)
class Mapped(_Of):
    """A function of each value."""

    how: Literal["log", "abs", "-"]
    inner: Measure
    name: str = ""

    def __call__(self, results: Results) -> Values:
        """One value for each."""
        return [replace(v, value=self._of(v.value)) for v in self.inner(results)]

    def _of(self, x: float) -> float:
        if self.how == "log":
            return math.log(x) if x > 0 else math.nan
        return abs(x) if self.how == "abs" else -x

    def form(self) -> Any:
        """The function and what it is of."""
        return [self.how, self.inner.form()]


class _Over(_Of):
    """Values of another measure put together over some of the columns that make its units and groups."""

    columns: tuple[str, ...]

    @property
    def gone(self) -> tuple[str, ...]:
        """The columns that it is taken over: all that make units where none is named."""
        return self.columns or self.inner.over or ()

    @property
    def over(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """What is left of the units' columns."""
        if self.inner.over is None:
            return None if self.columns else ()
        return tuple(c for c in self.inner.over if c not in self.gone)

    @property
    def by(self) -> tuple[str, ...]:  # type: ignore[override]
        """What is left of the groups' columns."""
        return tuple(c for c in self.inner.by if c not in self.gone)

    def _wrong(self) -> Iterator[str]:
        unknown = [c for c in self.columns if c not in (*(self.inner.over or ()), *self.inner.by)]
        if unknown:
            yield f"puts values together over {', '.join(unknown)}, which make neither units nor groups of them"

    def _combine(self, values: Values, how: Reduction) -> Values:
        wrong = next(self._wrong(), "")
        if wrong:
            raise KeyError(wrong)
        over, by = self.over or (), self.by
        parts: dict[tuple[str, str], Values] = {}
        for v in values:
            # A function says nothing of its columns, but its groups have labels all the same.
            group = v.group if self.inner.over is None else label(v.at, by)
            parts.setdefault((group, label(v.at, over)), []).append(v)
        found = []
        for (group, name), part in parts.items():
            at = {key: part[0].at[key] for key in (*by, *over)}
            runs = tuple(sorted({run for v in part for run in v.runs}))
            found.append(Value(name, _reduce(how, [v.value for v in part]), runs, group, at))
        return found


@dataclass(frozen=True)
class Reduced(_Over):
    """A mean, median, maximum or minimum over some columns of another measure."""

    how: Reduction
    inner: Measure
    columns: tuple[str, ...]
    name: str = ""

    def __call__(self, results: Results) -> Values:
        """One value for each unit and group that is left."""
        return self._combine(self.inner(results), self.how)

    def form(self) -> Any:
        """The reduction, the columns and what it is of."""
        return [self.how, list(self.gone), self.inner.form()]


@dataclass(frozen=True)
class Share(_Over):
    """The share of values that keep a condition; make one with `share`."""

    condition: Condition
    columns: tuple[str, ...]
    name: str = ""

    @property
    def inner(self) -> Measure:  # type: ignore[override]
        """What the condition measures."""
        return as_measure(self.condition.measure)

    def __call__(self, results: Results) -> Values:
        """One share for each unit that is left; a value that is not a number keeps nothing."""
        held = [replace(v, value=float(self.condition.bound.holds(v.value))) for v in self.inner(results)]
        return self._combine(held, "mean")

    def form(self) -> Any:
        """The condition, and over what."""
        return {"of": "share", "over": list(self.gone), **self.condition.form()}


def share(condition: Condition, *columns: str) -> Measure:
    """The share of values that keep a condition, over some columns: `share(unit("qp", "gap") <= 1e-3, "unit")`.

    Over all units where no column is named.
    """
    return Share(condition, columns, condition.name)


def mean_of(numbers: Sequence[float]) -> float:
    """The mean, whatever the order of the numbers; of infinities of both signs not a number."""
    total = math.fsum(numbers) if all(map(math.isfinite, numbers)) else sum(numbers)
    return total / len(numbers)


def _reduce(how: Reduction, numbers: list[float]) -> float:
    if any(map(math.isnan, numbers)):
        return math.nan
    if how == "median":
        ordered, half = sorted(numbers), len(numbers) // 2
        return ordered[half] if len(numbers) % 2 else (ordered[half - 1] + ordered[half]) / 2
    return mean_of(numbers) if how == "mean" else max(numbers) if how == "max" else min(numbers)


def _narrowed(read: Read, one: tuple[Levels, bool]) -> Read:
    """A read at some levels alone; or without them, where it names those that it has."""
    levels, keep = one
    if not keep and len(levels) > 1:  # all of them at once are left out: each alone is still read
        return read
    for axis, wanted in levels:
        known = read.arms if axis == "arm" else dict(read.levels).get(axis)
        if known is not None:
            wanted = tuple(level for level in known if any(_same(as_column(level), x) for x in wanted) == keep)
        elif not keep:
            continue
        if axis == "arm":
            read = replace(read, arms=wanted)
        else:
            read = replace(read, levels=tuple({**dict(read.levels), axis: wanted}.items()))
    return read


@dataclass(frozen=True)
class Filtered(_Of):
    """Some of another measure's values."""

    inner: Measure
    levels: tuple[tuple[str, tuple[Any, ...]], ...]
    keep: bool
    name: str = ""

    @property
    def reads(self) -> tuple[Read, ...]:  # type: ignore[override]
        """What the other reads, at the levels that are kept."""
        return self.reads_at(())

    def reads_at(self, filters: Filters) -> tuple[Read, ...]:
        """What the other reads, at the levels that are kept here and by the filters."""
        return self.inner.reads_at(((self.levels, self.keep), *filters))

    def __call__(self, results: Results) -> Values:
        """The values that are kept."""
        wrong = next(self._wrong(), "")
        if wrong:
            raise KeyError(wrong)
        found = self.inner(results)
        inside = [all(any(_same(v.at[axis], level) for level in levels) for axis, levels in self.levels) for v in found]
        return [v for v, here in zip(found, inside, strict=True) if here == self.keep]

    def _wrong(self) -> Iterator[str]:
        known = (*(self.inner.over or ()), *self.inner.by)
        unknown = [axis for axis, _ in self.levels if axis not in known]
        if unknown and self.inner.over is not None:
            yield f"keeps levels of {', '.join(unknown)}, which make neither units nor groups of what is filtered"

    def form(self) -> Any:
        """The levels and what is filtered."""
        return ["only" if self.keep else "but", {axis: list(levels) for axis, levels in self.levels}, self.inner.form()]


@dataclass(frozen=True)
class Called(_Of):
    """Another measure under a name of its own."""

    inner: Measure
    name: str

    def __call__(self, results: Results) -> Values:
        """As the other's."""
        return self.inner(results)

    def form(self) -> Any:
        """As the other's: a name measures nothing."""
        return self.inner.form()


def as_measure(what: Measure | Callable[[Results], Values] | float) -> Measure:
    """A measure out of a number or a plain function; measures stay what they are."""
    if isinstance(what, Measure):
        return what
    return Constant(float(what)) if isinstance(what, (int, float)) else Function(what)


def table(
    experiment: str, names: Mapping[str, str] | Sequence[str], arms: Columns | None = None, **where: Any
) -> list[Condition]:
    """Means of several scalars, by arm, for a report.

    Args:
        experiment: its name.
        names: scalars, or what to call each on the page by scalar.
        arms: these arms, one row each; None for one row over all.
        where: as in `scalar`.
    """
    texts = names if isinstance(names, Mapping) else {name: name for name in names}
    return [
        Condition(scalar(experiment, name, arm, **where), ANY, ", ".join(filter(None, [text, arm])))
        for name, text in texts.items()
        for arm in ([None] if arms is None else columns(arms))
    ]


# -- rows and labels ------------------------------------------------------------------------------------------------


def rows(
    results: Results,
    experiment: str,
    table: str,
    arms: tuple[str, ...] | None,
    where: tuple[tuple[str, tuple[Any, ...]], ...],
) -> pl.DataFrame:
    """The rows of an experiment in a table, of some arms, at some levels; unlike `Results.of` with all columns."""
    import polars as pl

    from assay.results import at_levels

    frame: pl.DataFrame = getattr(results, table)
    if frame.is_empty():
        return frame
    frame = frame.filter(pl.col("experiment") == experiment)
    if arms is not None:
        frame = frame.filter(pl.col("arm").is_in(arms))
    for axis, levels in where:
        if axis not in frame.columns:
            if frame.is_empty():  # nothing of the experiment is done yet, so nobody brought its axes
                return frame
            raise KeyError(f"{experiment}: no column '{axis}' in {table}; there is {sorted(frame.columns)}")
        frame = frame.filter(at_levels(frame, axis, levels))
    return frame


def _same(value: Any, level: Any) -> bool:
    """As `results.at_levels`, for one value."""
    return same(value, as_column(level)) or (
        isinstance(value, str) and level is not None and value == level_text(level)
    )


def columns(names: Columns) -> tuple[str, ...]:
    """One name or several, as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)


def _twice(by: Sequence[str], over: Sequence[str]) -> Iterator[str]:
    both = [name for name in by if name in over]
    if both:
        yield f"makes both units and groups by {', '.join(both)}"


def label(row: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The label of a unit or group, e.g. "seed=1, unit=a"; a seed or a unit alone is its bare value."""
    if len(keys) == 1 and keys[0] in ("seed", "unit"):
        return str(row[keys[0]])
    return ", ".join(f"{key}={row[key]}" for key in keys)


def _natural(text: str) -> tuple[int, Any]:
    return (0, int(text)) if text.isdecimal() else (1, text)


def _arms(arm: Columns | None) -> tuple[str, ...] | None:
    return None if arm is None else columns(arm)


def _pairs(levels: Mapping[str, Any]) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    return tuple(
        (key.replace("__", "."), tuple(level) if isinstance(level, (tuple, list)) else (level,))
        for key, level in levels.items()
    )


def _form_of(what: Any) -> Any:
    """A function, or something that it was given, as data: the same where the same is done."""
    if isinstance(what, functools.partial):
        return {**_form_of(what.func), "given": [*map(_form_of, what.args), _form_of(what.keywords)]}
    if isinstance(what, (Measure, Condition, Bound)):
        return what.form()
    if inspect.ismethod(what):
        return {**_form_of(what.__func__), "of": _form_of(what.__self__)}
    if callable(what) and hasattr(what, "__qualname__"):
        cells = getattr(what, "__closure__", None) or ()
        defaults = [
            *(getattr(what, "__defaults__", None) or ()),
            *(getattr(what, "__kwdefaults__", None) or {}).items(),
        ]
        given = [_form_of(cell.cell_contents) for cell in cells] + [_form_of(value) for value in defaults]
        name = f"{what.__module__}.{what.__qualname__}"
        text = _text_of(what.__code__) if name.endswith("<lambda>") else ""
        return {"function": name, **({"text": text} if text else {}), **({"given": given} if given else {})}
    if is_dataclass(what) and not isinstance(what, type):
        return {"of": type(what).__name__, **{f.name: _form_of(getattr(what, f.name)) for f in fields(what)}}
    if isinstance(what, Mapping):
        return {str(key): _form_of(value) for key, value in sorted(what.items(), key=lambda item: str(item[0]))}
    if isinstance(what, (list, tuple, set, frozenset)):
        return [_form_of(value) for value in (sorted(what, key=str) if isinstance(what, (set, frozenset)) else what)]
    if hasattr(what, "tolist"):  # numpy
        return _form_of(what.tolist())
    if what is None or isinstance(what, (str, bool, int, float)):
        return what
    return type(what).__name__ if " at 0x" in repr(what) else repr(what)


def _text_of(code: CodeType) -> str:
    """What a lambda does, which its name does not say: its text as Python would write it; "" where it is not known."""
    spots = [
        ((line, column), (last, end))
        for line, last, column, end in code.co_positions()
        if None not in (line, last, column, end) and (column, end) != (0, 0)
    ]
    if not spots:
        return ""
    begin, stop = min(start for start, _ in spots), max(end for _, end in spots)
    inside = [one for one in _lambdas(code.co_filename) if _start(one.body) <= begin and stop <= _stop(one.body)]
    return ast.unparse(max(inside, key=lambda one: _start(one.body))) if inside else ""


@functools.cache
def _lambdas(file: str) -> list[ast.Lambda]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _stop(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0
