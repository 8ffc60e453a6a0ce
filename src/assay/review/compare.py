"""What moved between two sets of results, and whether by more than noise.

This is how one checks a refactor, another machine or a new torch. Two kinds of things are compared: what the checks
judge (verdict, headline number, and every number behind it), and every measurement of every arm. Numbers are paired
by what they share (the seed, the problem), so that a change that does nothing shows as nothing at all:

    same      identical to the last bit
    rounding  no more than a billionth apart
    noise     the 95 % interval of the mean difference holds zero
    perhaps   it does not, but among so many comparisons that is to be expected (Holm's correction)
    beyond    it does not, and would not by chance
    unknown   one unit, or none in common: nothing to judge noise by

The test is the paired t test, for any number of units: with hundreds of comparisons a bootstrap's least p-value is too
coarse for Holm's correction. Units that are not shared (two scales with other seeds) are compared by Welch's t test.
Times depend on the machine and are set apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import polars as pl

from assay import statistics
from assay.claims import Check, Condition, Interval
from assay.config import loading
from assay.errors import UserError, unknown
from assay.results import KEYS, Results
from assay.review import sources
from assay.review.sources import Found
from assay.review.verdicts import behind, nameless
from assay.study.declared import SCALES

State = Literal["same", "rounding", "noise", "unknown", "perhaps", "beyond", "only A", "only B"]

ORDER: tuple[State, ...] = ("same", "rounding", "noise", "unknown", "only A", "only B", "perhaps", "beyond")
"""From nothing to see to most to see; a check is as its most moved number."""

MOVED: tuple[State, ...] = ("perhaps", "beyond")

ROUNDING = 1e-9
"""Largest relative difference that counts as rounding: far above that of a reordered sum, far below any effect."""

CLOCK = "time/"
"""Measurements whose names begin so are times of this machine."""

Units = Mapping[Hashable, float]
"""Values by what is paired: a seed, a problem."""


@dataclass(frozen=True)
class Move:
    """One number on both sides.

    Attributes:
        where: the experiment and arm, or the check.
        name: what was measured.
        a, b: means over the units that are compared; None where a side has none.
        change: mean of b - a.
        interval: its 95 % interval, where there is one.
        n: pairs of units, or the smaller number of units where they are not paired.
        p_value: of no change; None where it cannot be said.
        state: see the module's docstring.
    """

    where: str
    name: str
    a: float | None
    b: float | None
    change: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    p_value: float | None = None
    state: State = "unknown"


@dataclass(frozen=True)
class CheckMove:
    """A check on both sides: verdicts, headline numbers, and the state of the numbers behind them."""

    id: str
    statement: str
    verdicts: tuple[str | None, str | None]
    measured: tuple[Any, Any]
    intervals: tuple[Any, Any]
    state: State
    numbers: list[Move]
    reworded: bool = False

    @property
    def moved(self) -> bool:
        """Whether the verdict is another one."""
        return self.verdicts[0] != self.verdicts[1]


@dataclass(frozen=True)
class Comparison:
    """Everything that can be said about two sets of results of a paper.

    Attributes:
        claims: (id, verdict in A, verdict in B) of every claim.
        checks: every check of either side.
        numbers: every measurement of either side; times are in `clock`.
        missing: what A and B lack of their registered runs, in words; "" for nothing.
    """

    paper: str
    claims: list[tuple[str, str | None, str | None]]
    checks: list[CheckMove]
    numbers: list[Move]
    clock: list[Move] = field(default_factory=list)
    missing: tuple[str, str] = ("", "")

    @property
    def moved(self) -> bool:
        """Whether a verdict is another one or a number moved beyond noise."""
        verdicts = any(check.moved for check in self.checks) or any(a != b for _, a, b in self.claims)
        return verdicts or any(move.state == "beyond" for move in [*self.numbers, *self._behind()])

    def _behind(self) -> Iterable[Move]:
        return (move for check in self.checks for move in check.numbers)

    def tally(self) -> dict[str, int]:
        """How many measurements are in each state."""
        states = [move.state for move in self.numbers]
        return {state: states.count(state) for state in ORDER if state in states}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "paper": self.paper,
            "moved": self.moved,
            "claims": [{"id": id, "a": a, "b": b} for id, a, b in self.claims],
            "checks": [{**asdict(check), "moved": check.moved} for check in self.checks],
            "missing": self.missing,
            "tally": self.tally(),
            "numbers": [asdict(move) for move in self.numbers],
            "clock": [asdict(move) for move in self.clock],
        }


def compare(a: Found, b: Found, checks: Sequence[Check]) -> Comparison:
    """Compare two sets of results of one paper.

    Args:
        a, b: the sides.
        checks: the paper's checks as they are now: they say which numbers a check reads.
    """
    known = {check.id: check for check in checks}
    rows_a, rows_b = ({row["id"]: row for row in side.verdicts["checks"]} for side in (a, b))
    ids = list(dict.fromkeys([*rows_a, *rows_b]))
    numbers_of = {id: _behind(known.get(id), rows_a.get(id), rows_b.get(id), a.results, b.results) for id in ids}
    corrected = iter(_corrected([move for id in ids for move in numbers_of[id]]))
    moves = {id: [next(corrected) for _ in numbers_of[id]] for id in ids}
    numbers = _corrected(_measurements(a.results, b.results))
    return Comparison(
        a.paper,
        _claims(a.verdicts["claims"], b.verdicts["claims"]),
        [_check(id, rows_a.get(id), rows_b.get(id), moves[id]) for id in ids],
        [move for move in numbers if not move.name.startswith(CLOCK)],
        [move for move in numbers if move.name.startswith(CLOCK)],
        (_missing(a.results), _missing(b.results)),
    )


def comparisons(a: str, b: str, papers: Sequence[str], scale: str) -> Iterator[Comparison]:
    """Compare what two sources have of some papers (of all if none), one after the other.

    Args:
        a, b: sources (see `assay.review.sources`), or two scales.
        papers: slugs.
        scale: of which results, unless a and b are scales.

    Raises:
        UserError: an unknown word, paper or scale, or nothing that both sides have.
    """
    slugs = [loading.check_paper(paper) for paper in papers] or loading.papers()
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    left, right = _side(a, slugs, scale), _side(b, slugs, scale)
    common = [paper for paper in left if paper in right]
    if not common:
        have = "; ".join(f"{word} has {', '.join(side) or 'nothing'}" for word, side in ((a, left), (b, right)))
        raise UserError(f"nothing to compare at scale {scale}: {have}")
    for paper in common:
        module = loading.paper_module(paper, "claims")
        yield compare(left[paper], right[paper], module.CHECKS if module is not None else [])


def _side(word: str, papers: Sequence[str], scale: str) -> dict[str, Found]:
    if word not in SCALES:
        return sources.find(word, papers, scale)
    found = ((paper, sources.local(paper, word) or sources.committed(paper, word)) for paper in papers)
    return {paper: sources.judged(results) for paper, results in found if results is not None}


def _missing(results: Results | None) -> str:
    if results is None:
        return "it has verdicts only, no tables"
    counts = {key: sum(getattr(e, key) for e in results.expected.values()) for key in ("planned", "done", *_STATES)}
    if counts["done"] >= counts["planned"]:
        return ""
    states = ", ".join(f"{counts[key]} {key}" for key in _STATES if counts[key])
    return f"{counts['planned'] - counts['done']} of {counts['planned']} registered runs" + (
        f" ({states})" if states else ""
    )


_STATES = ("failed", "stale")


def _claims(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> list[tuple[str, str | None, str | None]]:
    left, right = ({claim["id"]: claim["verdict"] for claim in side} for side in (a, b))
    return [(id, left.get(id), right.get(id)) for id in dict.fromkeys([*left, *right])]


def _check(id: str, a: Mapping[str, Any] | None, b: Mapping[str, Any] | None, numbers: list[Move]) -> CheckMove:
    one = a or b or {}
    read = [side or {} for side in (a, b)]
    return CheckMove(
        id,
        one["statement"],
        (read[0].get("verdict"), read[1].get("verdict")),
        (read[0].get("measured"), read[1].get("measured")),
        (read[0].get("interval"), read[1].get("interval")),
        _state(a, b, numbers),
        numbers,
        reworded=a is not None and b is not None and _asked(a, b) != _asked(b, a),
    )


def _asked(row: Mapping[str, Any], other: Mapping[str, Any]) -> Any:
    """What a check asks for: its statement and its form, as far as both sides know it."""
    sides = [side["form"]["conditions"] for side in (row, other)]
    if all(sides) and all("measure" in condition for side in sides for condition in side):
        return row["statement"], json.dumps(nameless(row["form"]), sort_keys=True)
    if row["kind"] in ("exact", "report"):  # an older one lists what was measured, not what was asked for
        return row["statement"]
    rules = [row["form"].get(key) for key in ("groups", "need", "margin", "against")]
    return row["statement"], json.loads(json.dumps(rules)), [condition["bound"] for condition in sides[0]]


def _state(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None, numbers: Sequence[Move]) -> State:
    """That of the most moved number; without tables, what the two intervals allow to say."""
    if a is None or b is None:
        return "only B" if a is None else "only A"
    if numbers:
        return max((move.state for move in numbers), key=ORDER.index)
    if a["measured"] == b["measured"] and a["interval"] == b["interval"]:
        return "same"
    if not a["interval"] or not b["interval"]:
        return "unknown"
    (a_low, a_high), (b_low, b_high) = ([float(end) for end in side["interval"]] for side in (a, b))
    return "beyond" if a_high < b_low or b_high < a_low else "noise"


# -- the numbers ----------------------------------------------------------------------------------------------------


def _behind(
    check: Check | None,
    row_a: Mapping[str, Any] | None,
    row_b: Mapping[str, Any] | None,
    a: Results | None,
    b: Results | None,
) -> list[Move]:
    """The numbers that a check's verdict comes from, on both sides."""
    if check is None or a is None or b is None:
        return []
    clustered = isinstance(check.kind, Interval) and check.kind.clusters
    moves = []
    for condition in check.conditions:
        try:
            sides = ((row_a, a), (row_b, b))
            left, right = (_values(condition, behind(check, row, side), clustered) for row, side in sides)
        except Exception:  # noqa: S112 - older results lack a column, or the check is broken, which its row says
            continue
        for group in dict.fromkeys([*left, *right]):
            name = ", ".join(filter(None, [condition.name, group]))
            moves.append(move(f"check {check.id}", name, left.get(group, {}), right.get(group, {})))
    return moves


def _values(condition: Condition, results: Results, clustered: bool) -> dict[str, dict[Hashable, float]]:
    """A condition's values by group and unit; units nested in seeds count as their mean, as in the check itself."""
    found: dict[str, dict[Hashable, list[float]]] = {}
    for value in condition.measure(results):
        unit = value.unit.partition(",")[0] if clustered else value.unit
        found.setdefault(value.group, {}).setdefault(unit, []).append(value.value)
    return {
        group: {unit: math.fsum(values) / len(values) for unit, values in units.items()}
        for group, units in found.items()
    }


def _measurements(a: Results | None, b: Results | None) -> list[Move]:
    """Every measurement of every arm at every setting; those of units inside a run as their mean over the run."""
    if a is None or b is None:
        return []
    left, right = _by_setting(a), _by_setting(b)
    return [move(*key, left.get(key, {}), right.get(key, {})) for key in dict.fromkeys([*left, *right])]


def _by_setting(results: Results) -> dict[tuple[str, str], dict[Hashable, float]]:
    found: dict[tuple[str, str], dict[Hashable, list[float]]] = {}
    axes = _axes(results.runs)
    for table, suffix in ((results.runs, ""), (results.units, " (mean over units)")):
        names = [name for name in table.columns if name not in (*axes, *KEYS) and table.schema[name].is_numeric()]
        for row in table.iter_rows(named=True):
            settings = ", ".join(f"{axis}={row[axis]}" for axis in axes if row.get(axis) is not None)
            where = f"{row['experiment']}/{row['arm']}" + (f" [{settings}]" if settings else "")
            for name in names:
                if row[name] is not None and name != "seconds":
                    values = found.setdefault((where, f"{name}{suffix}"), {}).setdefault(row["seed"], [])
                    values.append(float(row[name]))
    return {key: {seed: math.fsum(v) / len(v) for seed, v in seeds.items()} for key, seeds in found.items()}


def _axes(runs: pl.DataFrame) -> list[str]:
    """Columns that say what a run was given; what it measured has a slash in its name."""
    return [name for name in runs.columns if name not in (*KEYS, "seconds") and "/" not in name]


def move(where: str, name: str, a: Units, b: Units) -> Move:
    """How a number moved from `a` to `b`, before it is known how many others were looked at."""
    if not a or not b:
        side = dict(a or b)
        mean = _mean(side.values()) if side else None
        return Move(where, name, mean if a else None, mean if b else None, n=0, state="only A" if a else "only B")
    common = [unit for unit in a if unit in b]
    if len(common) < 2 and a.keys() != b.keys():
        return _unpaired(where, name, list(a.values()), list(b.values()))
    before, after = [a[unit] for unit in common], [b[unit] for unit in common]
    found = Move(where, name, _mean(before), _mean(after), n=len(common))
    if all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(before, after, strict=True)):
        return replace(found, change=0.0, state="same")
    if not all(map(math.isfinite, [*before, *after])):
        # Some value is or has become infinite or no number: no test, and surely no noise.
        return replace(found, p_value=0.0, state="beyond")
    change = [y - x for x, y in zip(before, after, strict=True)]
    found = replace(found, change=_mean(change))
    pairs = zip(change, before, after, strict=True)
    if all(abs(d) <= ROUNDING * max(abs(x), abs(y)) for d, x, y in pairs):
        return replace(found, state="rounding")
    if len(change) < 2:
        return found
    return _tested(found, *_paired_t(change))


def _paired_t(change: Sequence[float]) -> tuple[tuple[float, float], float]:
    from scipy import stats

    mean = _mean(change)
    if max(change) - min(change) <= 1e-12 * abs(mean):  # every unit moved alike: there is no noise at all
        return (mean, mean), 0.0
    test = stats.ttest_1samp(change, 0.0)
    low, high = test.confidence_interval(0.95)
    return (float(low), float(high)), float(test.pvalue)


def _unpaired(where: str, name: str, a: Sequence[float], b: Sequence[float]) -> Move:
    found = Move(where, name, _mean(a), _mean(b), n=min(len(a), len(b)))
    if not all(map(math.isfinite, [*a, *b])):
        return found
    found = replace(found, change=_mean(b) - _mean(a))
    if found.n < 2:
        return found
    if max(a) == min(a) and max(b) == min(b):
        same = a[0] == b[0]
        return replace(found, p_value=float(same), state="same" if same else "beyond")
    from scipy import stats

    test = stats.ttest_ind(b, a, equal_var=False)
    low, high = test.confidence_interval(0.95)
    return _tested(found, (float(low), float(high)), float(test.pvalue))


def _tested(found: Move, interval: tuple[float, float], p_value: float) -> Move:
    state: State = "noise" if p_value >= 0.05 else "beyond"
    return replace(found, interval=interval, p_value=p_value, state=state)


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers) if all(map(math.isfinite, numbers)) else float("nan")


def _corrected(moves: Sequence[Move]) -> list[Move]:
    """The moves, with those that so many comparisons explain marked as `perhaps` only: Holm over all tested ones."""
    tested = [i for i, move in enumerate(moves) if move.p_value is not None]
    adjusted = statistics.holm([moves[i].p_value or 0.0 for i in tested])
    found = list(moves)
    for i, p_value in zip(tested, adjusted, strict=True):
        if found[i].state == "beyond" and p_value >= 0.05:
            found[i] = replace(found[i], state="perhaps")
    return found
