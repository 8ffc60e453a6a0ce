"""Selection: candidates, what decides between them, and what happens where the best stands on the edge of its grid.

All of it is a pure function of the configuration and of scores in records, so that planning again after each wave of
runs comes to the same candidates and to the next ones.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SELECTION_SEED = 900
"""The first seed of selection runs where the configuration names none."""


class Strict(BaseModel):
    """A part of a configuration: no unknown keys, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SeedRange(Strict):
    """Seeds first, ..., first + n - 1; a number alone says how many."""

    first: int = 1
    n: int = Field(default=1, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return {"n": value} if isinstance(value, int) and not isinstance(value, bool) else value

    def list(self, n: int | None = None) -> list[int]:
        """The seeds; `n` asks for another number of them, the first ones unchanged."""
        return list(range(self.first, self.first + (n or self.n)))


class Widen(Strict):
    """How a grid goes on where the winner stands on its edge.

    Args:
        factor: the next value is the edge times this, or divided by it.
        step: instead of a factor, what is added or taken away.
        most: how often, for each key.
        low, high: values beyond which nothing can be tried.
    """

    factor: float | None = Field(default=None, gt=1, allow_inf_nan=False)
    step: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    most: int = Field(default=4, ge=1)
    low: float | None = None
    high: float | None = None

    def beyond(self, edge: float, up: bool, whole: bool) -> float | None:
        """The next value beyond an edge, upwards or downwards; None where there is none.

        Args:
            edge: the last value so far.
            up: whether it is the largest.
            whole: whether the key takes whole numbers only.
        """
        if self.factor is not None:
            value = edge * self.factor if up else edge / self.factor
        else:
            value = edge + (self.step or 0.0) * (1 if up else -1)
        value = float(f"{value:.12g}")  # 3 * 0.1 is 0.3
        if whole:
            value = round(value)
            # From one the way down ends there, whatever half of it is rounded to.
            value = max(value, 1) if self.factor is not None else value
        if self.low is not None:
            value = max(value, self.low)
        if self.high is not None:
            value = min(value, self.high)
        if whole and value != int(value):  # a limit between two whole numbers
            return None
        value = int(value) if whole else value
        return value if (value > edge if up else value < edge) else None


class Select(Strict):
    """A selection stage: run every combination of `over`, keep the best by a measurement.

    A candidate of which a run diverged is worse than any other. If all have, nothing is chosen.

    Args:
        over: candidate values by key.
        by: the scalar that decides; it comes from validation data.
        mode: whether more or less of it is better. Ties go to the candidate listed first.
        per: which of "arm", the axes and the keys of later stages the choice depends on (all of them if left out);
            the score is a mean over the rest.
        fix: values that hold while selecting.
        seeds: seeds of the selection runs; never those of the evaluation.
        arms: the arms that the stage applies to; all if empty.
        widen: by key of `over`, how the grid goes on where the winner stands on its edge; `{factor: 3, most: 4}`
            alone is for all keys with numbers.
    """

    over: dict[str, list[Any]]
    by: str
    mode: Literal["max", "min"] = "max"
    per: list[str] | None = None
    fix: dict[str, Any] = {}
    seeds: SeedRange = SeedRange(first=SELECTION_SEED, n=1)
    arms: list[str] = []
    widen: dict[str, Widen] = {}

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            value = {"n": value}
        return {"first": SELECTION_SEED, **value} if isinstance(value, dict) else value

    @model_validator(mode="before")
    @classmethod
    def _one_for_all(cls, value: Any) -> Any:
        widen, over = (value.get("widen"), value.get("over")) if isinstance(value, dict) else (None, None)
        if isinstance(widen, dict) and isinstance(over, dict) and widen and set(widen) <= set(Widen.model_fields):
            return {**value, "widen": {key: widen for key, values in over.items() if numbers(values)}}
        return value

    def candidates(self) -> list[dict[str, Any]]:
        """All combinations of the candidate values."""
        return list(_combinations(self.over))


def numbers(values: Any) -> bool:
    """Whether these are numbers, and nothing else is among them."""
    return isinstance(values, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) for value in values
    )


def _combinations(grids: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*grids.values()):
        yield dict(zip(grids, values, strict=True))


@dataclass
class Candidate:
    """One combination of values.

    Attributes:
        values: by key.
        widened: which widening added it; 0 for the grid as it was registered.
        scores: one a run: a number, NaN if the run diverged, None while there is no outcome.
    """

    values: dict[str, Any]
    widened: int = 0
    scores: list[float | None] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether all its runs have an outcome."""
        return None not in self.scores

    @property
    def diverged(self) -> int:
        """How many of its runs left the finite numbers, or measured something that is none."""
        return sum(1 for score in self.scores if score is not None and not math.isfinite(score))

    @property
    def score(self) -> float | None:
        """The mean over its runs; None while one has no outcome, and where one diverged."""
        if not self.known or self.diverged:
            return None
        return sum(s for s in self.scores if s is not None) / len(self.scores)

    def row(self) -> dict[str, Any]:
        """The candidate as it is kept with the results."""
        row = {"values": self.values, "score": self.score}
        row |= {"diverged": self.diverged} if self.known and self.diverged else {}
        return row | ({"widened": self.widened} if self.widened else {})


class Search:
    """A stage's candidates, which become more where the winner stands on an edge.

    Args:
        stage: its configuration.
    """

    def __init__(self, stage: Select) -> None:
        self.stage = stage
        self.grids = {key: list(values) for key, values in stage.over.items()}
        self.candidates = [Candidate(values) for values in stage.candidates()]
        self._times: Counter[str] = Counter()
        self._rounds = 0

    @property
    def winner(self) -> Candidate | None:
        """The best candidate, the first of equals; None while a run has no outcome, and if all diverged."""
        scored = [(c.score, c) for c in self.candidates if c.score is not None]
        if not scored or not all(c.known for c in self.candidates):
            return None
        best = max if self.stage.mode == "max" else min
        return best(scored, key=lambda pair: pair[0])[1]

    @property
    def hopeless(self) -> bool:
        """Whether every candidate diverged."""
        return all(c.known and c.diverged for c in self.candidates)

    def _edges(self, whole: Callable[[str], bool]) -> Iterator[tuple[str, float]]:
        """(key, next value) of every grid on whose edge the winner stands and that can go on."""
        winner = self.winner
        for key, widen in self.stage.widen.items() if winner is not None else ():
            assert winner is not None
            grid, value = self.grids[key], winner.values[key]
            for edge, up in ((min(grid), False), (max(grid), True)):
                if value == edge:
                    found = widen.beyond(edge, up, whole(key))
                    if found is not None:
                        yield key, found

    def widen(self, whole: Callable[[str], bool]) -> bool:
        """Take in the candidates beyond the edges on which the winner stands; whether there were any.

        Args:
            whole: whether a key takes whole numbers only.
        """
        found: dict[str, list[float]] = {}
        for key, value in self._edges(whole):
            if self._times[key] < self.stage.widen[key].most:
                found.setdefault(key, []).append(value)
        if not found:
            return False
        self._rounds += 1
        for key, values in found.items():
            self._times[key] += 1
            self.grids[key] += values
        there = [candidate.values for candidate in self.candidates]
        self.candidates += [Candidate(v, self._rounds) for v in _combinations(self.grids) if v not in there]
        return True

    def on_edge(self, whole: Callable[[str], bool]) -> bool:
        """Whether the winner stands on an edge beyond which there are values."""
        return next(self._edges(whole), None) is not None

    def table(self) -> list[dict[str, Any]]:
        """All candidates as they are kept with the results."""
        return [candidate.row() for candidate in self.candidates]
