"""Study: what a paper's experiments are, and the plan of runs that follows from them.

An experiment compares arms over axes and seeds, at one of three scales. `make_plan` expands it to cells, gives every
cell its run's signature and looks up which records exist. Some runs wait for others: `needs` names an experiment
whose artefacts are inputs, and `select` runs candidates first, on seeds of their own, and plans the rest with the
winner. So a plan is a graph in waves; planning again after a wave resolves what was blocked.

A plan is a pure function of the configuration and the records. Planning never trains and never imports a trainer.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from assay import compose, places
from assay.errors import UserError, unknown
from assay.parts import check_paper

SCALES = ("smoke", "desk", "paper")
Scale = Literal["smoke", "desk", "paper"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SeedRange(_Strict):
    """Seeds first, ..., first + n - 1."""

    first: int = 1
    n: int = Field(default=1, ge=1)

    def list(self, n: int | None = None) -> list[int]:
        """The seeds; `n` asks for another number of them, the first ones unchanged."""
        return list(range(self.first, self.first + (n or self.n)))


class Select(_Strict):
    """A selection stage: run every combination of `over`, keep the best by a measurement.

    Args:
        over: candidate values by key.
        by: the scalar that decides; it comes from validation data.
        mode: whether more or less of it is better. Ties go to the candidate listed first.
        per: which of "arm" and the axes the choice depends on; the score is a mean over the rest.
        fix: values that hold while selecting.
        seeds: seeds of the selection runs; never those of the evaluation.
        arms: the arms that the stage applies to; all if empty.
    """

    over: dict[str, list[Any]]
    by: str
    mode: Literal["max", "min"] = "max"
    per: list[str] | None = None
    fix: dict[str, Any] = {}
    seeds: SeedRange = SeedRange(first=900, n=1)
    arms: list[str] = []

    def candidates(self) -> list[dict[str, Any]]:
        """All combinations of the candidate values."""
        return [dict(zip(self.over, values, strict=True)) for values in itertools.product(*self.over.values())]


Axis = list[Any] | dict[str, dict[str, Any]]
"""Values of one key; or named levels, each setting several values at once (the axis' column holds the name)."""


class AtScale(_Strict):
    """What one scale changes: values, arms, axes, seeds."""

    fix: dict[str, Any] = {}
    arms: list[str] | dict[str, dict[str, Any]] = {}
    axes: dict[str, Axis] = {}
    seeds: SeedRange = SeedRange()
    select: list[Select] | None = None
    estimate: str = ""

    @field_validator("fix", "arms", "axes", "seeds", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value


class Experiment(_Strict):
    """One figure, table or study of a paper that is rebuilt; see `docs/adding-a-paper.md` for the YAML."""

    about: str = ""
    fix: dict[str, Any] = {}
    arms: dict[str, dict[str, Any]] = {"main": {}}
    axes: dict[str, Axis] = {}
    needs: dict[str, str] = {}
    select: list[Select] = []
    scales: dict[Scale, AtScale]

    @field_validator("arms", mode="before")
    @classmethod
    def _arms(cls, value: Any) -> Any:
        return {name: layer or {} for name, layer in value.items()} if isinstance(value, dict) else value

    @field_validator("scales", mode="before")
    @classmethod
    def _scales(cls, value: Any) -> Any:
        return {name: at or {} for name, at in value.items()} if isinstance(value, dict) else value

    def at(self, scale: str) -> AtScale:
        """The experiment's settings at a scale."""
        return self.scales[scale]  # type: ignore[index]

    def arms_at(self, scale: str) -> dict[str, dict[str, Any]]:
        """The arms at a scale with the values that the scale merges into them."""
        here = self.at(scale).arms
        if isinstance(here, list):
            for name in here:
                if name not in self.arms:
                    raise unknown("arm", name, self.arms)
            return {name: self.arms[name] for name in here}
        for name in here:
            if name not in self.arms:
                raise unknown("arm", name, self.arms)
        return {name: {**layer, **here.get(name, {})} for name, layer in self.arms.items()}

    def cells(self, scale: str) -> Iterator[tuple[str, dict[str, Any], list[compose.Layer]]]:
        """Every (arm, levels of the axes, layers of values) of a scale; seeds and selections come on top."""
        at = self.at(scale)
        axes = {**self.axes, **at.axes}
        for arm in self.arms_at(scale):
            extra = at.arms.get(arm, {}) if isinstance(at.arms, dict) else {}
            for levels in itertools.product(*axes.values()):
                cell = dict(zip(axes, levels, strict=True))
                values: dict[str, Any] = {}
                for axis, level in cell.items():
                    named = axes[axis]
                    values |= named[level] if isinstance(named, dict) else {axis: level}
                yield arm, cell, [self.fix, self.arms[arm], at.fix, extra, values]

    def arm_names(self, scale: str) -> list[str]:
        """Names of the arms at a scale, in order."""
        return list(self.arms_at(scale))

    def levels(self, scale: str) -> dict[str, list[Any]]:
        """The levels of each axis at a scale, as the tables' columns hold them."""
        axes = {**self.axes, **self.at(scale).axes}
        return {axis: [as_column(level) for level in levels] for axis, levels in axes.items()}

    def named_axes(self, scale: str) -> list[str]:
        """Axes whose levels have names."""
        return [axis for axis, levels in {**self.axes, **self.at(scale).axes}.items() if isinstance(levels, dict)]

    def stages(self, scale: str, arm: str) -> list[Select]:
        """The selection stages of an arm at a scale."""
        here = self.at(scale).select
        return [stage for stage in (self.select if here is None else here) if not stage.arms or arm in stage.arms]


def as_column(level: Any) -> Any:
    """A level as it stands in the tables: plain values and names as they are, a list as its JSON text."""
    return level if isinstance(level, (int, float, str, bool)) or level is None else json.dumps(level)


class Study(_Strict):
    """All experiments of one paper: the content of `conf/paper/<slug>.yaml`."""

    slug: str
    experiments: dict[str, Experiment]

    @classmethod
    def of(cls, slug: str) -> Study:
        """Read a paper's configuration.

        Raises:
            UserError: an unknown paper, or a configuration with a wrong key or type.
        """
        import yaml

        text = (places.CONF / "paper" / f"{check_paper(slug)}.yaml").read_text()
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        # YAML 1.1 reads 1e-3 as text; OmegaConf and everyone else reads a number.
        return cls.parse(_numbers(yaml.load(text, Loader=loader)), f"conf/paper/{slug}.yaml")  # noqa: S506

    @classmethod
    def parse(cls, content: Any, where: str) -> Study:
        """Check the content of a configuration and make it a study."""
        try:
            study = cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(f"{where}: {key}: {first['msg'].lower()}") from None
        for name, experiment in study.experiments.items():
            for other in experiment.needs.values():
                if other not in study.experiments:
                    raise UserError(f"{where}: {name} needs '{other}', which is no experiment")
        return study

    def ordered(self, scale: str, only: Sequence[str] = ()) -> list[str]:
        """Names of the experiments at a scale, needed ones first; with `only`, just these and what they need."""
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        for name in only:
            if name not in self.experiments:
                raise unknown("experiment", name, self.experiments)
        order: list[str] = []

        def visit(name: str, trail: tuple[str, ...]) -> None:
            if name in trail:
                raise UserError(f"{self.slug}: experiments need each other in a circle: {' -> '.join((*trail, name))}")
            experiment = self.experiments[name]
            if name in order or scale not in experiment.scales:
                return
            for other in experiment.needs.values():
                visit(other, (*trail, name))
            order.append(name)

        for name in only or self.experiments:
            visit(name, ())
        return order


@dataclass(frozen=True)
class Declared:
    """What an experiment's configuration says it holds: all that a measure can name.

    Attributes:
        scales: the scales at which it is run.
        arms: their names.
        levels: by axis, its levels as the tables' columns hold them.
        seeds: the registered ones; None where several scales were asked for.
        needs: the experiments whose artefacts it reads.
    """

    scales: tuple[str, ...]
    arms: list[str]
    levels: dict[str, list[Any]]
    seeds: SeedRange | None
    needs: tuple[str, ...]


def declared(study: Study, scale: str | None = None) -> dict[str, Declared]:
    """What each experiment holds at a scale; without one, each experiment with all that any of its scales holds."""
    found: dict[str, Declared] = {}
    for name, experiment in study.experiments.items():
        scales = tuple(s for s in SCALES if s in experiment.scales and scale in (None, s))
        if not scales:
            continue
        arms: dict[str, None] = {}
        levels: dict[str, list[Any]] = {}
        for at in scales:
            arms |= dict.fromkeys(experiment.arm_names(at))
            for axis, values in experiment.levels(at).items():
                known = levels.setdefault(axis, [])
                # True is not the level 1
                known += [v for v in values if not any(v == k and type(v) is type(k) for k in known)]
        seeds = experiment.at(scale).seeds if scale is not None else None
        everywhere = tuple(s for s in SCALES if s in experiment.scales)
        found[name] = Declared(everywhere, list(arms), levels, seeds, tuple(experiment.needs.values()))
    return found


@dataclass(frozen=True)
class Cell:
    """One place in an experiment: an arm, values on the axes and a seed; and the run that fills it.

    Attributes:
        signature: the run's name; None while a selection or a needed run has to come first.
        stage: 0 for evaluation; k > 0 for a run of the k-th selection stage.
        registered: whether the seed belongs to the registered ones.
    """

    experiment: str
    arm: str
    axes: Mapping[str, Any]
    seed: int
    signature: str | None
    stage: int = 0
    registered: bool = True


@dataclass
class Run:
    """One run of a plan: its configuration, and the signatures of the runs whose artefacts it reads."""

    signature: str
    config: dict[str, Any]
    needs: tuple[str, ...] = ()


@dataclass
class Plan:
    """All cells of a paper at a scale, and the distinct runs behind them."""

    paper: str
    scale: str
    cells: list[Cell] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    selections: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def blocked(self) -> list[Cell]:
        """Cells whose run is not known yet."""
        return [cell for cell in self.cells if cell.signature is None]

    def evaluation(self) -> list[Cell]:
        """The cells that checks read; selection runs are not among them."""
        return [cell for cell in self.cells if cell.stage == 0]

    def where(self) -> dict[str, list[Cell]]:
        """The cells of each run."""
        found: dict[str, list[Cell]] = {}
        for cell in self.cells:
            if cell.signature is not None:
                found.setdefault(cell.signature, []).append(cell)
        return found


Scores = Callable[[str, str], float | None]
"""(signature, scalar) -> value in a finished record, or None."""


def make_plan(
    study: Study,
    scale: str,
    scores: Scores,
    *,
    seeds: int | None = None,
    only: Sequence[str] = (),
    overrides: compose.Layer | None = None,
) -> Plan:
    """Expand a study at a scale.

    Args:
        study: the paper's experiments.
        scale: "smoke", "desk" or "paper".
        scores: looks up a scalar of a finished run; selections are decided by it.
        seeds: another number of seeds than registered; the first ones stay the same.
        only: names of experiments; all if empty.
        overrides: a last layer over everything, e.g. {"trainer": "gpu"}.
    """
    compose.load(study.slug)
    return _Planner(study, scale, scores, seeds, overrides or {}).plan(only)


class _Planner:
    def __init__(self, study: Study, scale: str, scores: Scores, seeds: int | None, overrides: compose.Layer) -> None:
        self.study, self.scale, self.scores, self.seeds, self.overrides = study, scale, scores, seeds, overrides
        self.out = Plan(study.slug, scale)
        self.decided: dict[tuple[str, str], dict[str, Any] | None] = {}
        self.tried: set[str] = set()  # by their text, the cells of selections that are in the plan
        self.cells_of = functools.cache(lambda name: list(study.experiments[name].cells(scale)))

    def plan(self, only: Sequence[str]) -> Plan:
        for name in self.study.ordered(self.scale, only):
            try:
                self.expand(name, self.study.experiments[name])
            except UserError as error:
                raise UserError(f"{self.study.slug}/{name} ({self.scale}): {error}") from None
        return self.out

    def expand(self, name: str, experiment: Experiment) -> None:
        registered = experiment.at(self.scale).seeds.list()
        for arm, axes, layers in self.cells_of(name):
            stages = experiment.stages(self.scale, arm)
            for stage in stages:
                if set(stage.seeds.list()) & set(registered):
                    raise UserError(f"selection seeds {stage.seeds.list()} are also evaluation seeds")
            chosen = self.winners(name, experiment, arm, axes, stages)
            for seed in experiment.at(self.scale).seeds.list(self.seeds):
                signature = None
                if chosen is not None:
                    signature = self.add_run(name, experiment, axes, [*layers, chosen], seed)
                self.out.cells.append(Cell(name, arm, axes, seed, signature, 0, seed in registered))

    def add_run(
        self, name: str, experiment: Experiment, axes: Mapping[str, Any], layers: Sequence[compose.Layer], seed: int
    ) -> str | None:
        """Add the run of a cell to the plan; None if a run that it needs is not known yet."""
        inputs: dict[str, str] = {}
        for key, other in experiment.needs.items():
            needed = self.needed(other, axes, seed)
            if needed is None:
                return None
            inputs[key] = needed
        choices, values = compose.merge([*layers, self.overrides])
        config = compose.assemble(choices, values, seed, inputs)
        signature = compose.signature(config)
        self.out.runs.setdefault(signature, Run(signature, config, tuple(inputs.values())))
        return signature

    def needed(self, other: str, axes: Mapping[str, Any], seed: int) -> str | None:
        """The run of a needed experiment with the same seed and the same values on the axes that both have."""
        cells = [
            cell
            for cell in self.out.cells
            if cell.experiment == other and all(cell.axes[k] == v for k, v in axes.items() if k in cell.axes)
        ]
        same = [cell for cell in cells if cell.seed == seed] or (cells if len({c.seed for c in cells}) == 1 else [])
        if len(same) != 1:
            raise UserError(f"needs one run of '{other}' for {dict(axes)}, seed {seed}, and finds {len(same)}")
        return same[0].signature

    def winners(
        self, name: str, experiment: Experiment, arm: str, axes: Mapping[str, Any], stages: Sequence[Select]
    ) -> dict[str, Any] | None:
        """The values that all stages choose for a cell; None while a stage has runs without a record."""
        if not stages:
            return {}
        *inner, stage = stages
        winner = self.decide(name, experiment, arm, axes, inner, stage)
        if winner is None:
            return None
        rest = self.winners(name, experiment, arm, {**axes, **winner}, inner)
        return None if rest is None else {**rest, **winner}

    def decide(
        self,
        name: str,
        experiment: Experiment,
        arm: str,
        axes: Mapping[str, Any],
        inner: Sequence[Select],
        stage: Select,
    ) -> dict[str, Any] | None:
        """Score a stage's candidates over the cells that share its `per` keys with this one."""
        own = {"arm": arm, **axes}
        per = [*own] if stage.per is None else [key for key in stage.per if key in own]
        key = repr((sorted(stage.over), stage.by, [(k, own[k]) for k in per]))
        if (name, key) in self.decided:
            return self.decided[name, key]
        peers = []
        for other, cell, layers in self.cells_of(name):
            if not stage.arms or other in stage.arms:
                # Seen from inside an outer stage, the outer candidates are axes too.
                outer = {key: value for key, value in axes.items() if key not in cell}
                peers.append((other, {**cell, **outer}, [*layers, outer]))
        peers = [p for p in peers if all({"arm": p[0], **p[1]}[key] == own[key] for key in per)]
        table: list[dict[str, Any]] = []
        for candidate in stage.candidates():
            scores: list[float | None] = []
            for other, cell, layers in peers:
                at = {**cell, **candidate}
                deeper = self.winners(name, experiment, other, at, inner)
                for seed in stage.seeds.list():
                    signature = None
                    if deeper is not None:
                        values = [*layers, stage.fix, candidate, deeper]
                        signature = self.add_run(name, experiment, at, values, seed)
                    depth = len(inner) + 1
                    made = Cell(name, other, {**cell, **candidate}, seed, signature, depth, False)
                    if repr(made) not in self.tried:
                        self.tried.add(repr(made))
                        self.out.cells.append(made)
                    scores.append(None if signature is None else self.scores(signature, stage.by))
            complete = all(score is not None for score in scores)
            finite = [
                s if math.isfinite(s) else (-math.inf if stage.mode == "max" else math.inf)
                for s in scores
                if s is not None
            ]
            table.append({"values": candidate, "score": sum(finite) / len(finite) if complete else None})
        winner: dict[str, Any] | None = None
        if all(row["score"] is not None for row in table):
            best = max if stage.mode == "max" else min
            winner = best(table, key=lambda row: row["score"])["values"]  # the first of equals
        self.decided[name, key] = winner
        self.out.selections.setdefault(name, []).append({
            "stage": len(inner) + 1, "by": stage.by, "mode": stage.mode,
            "per": {k: own[k] for k in per}, "candidates": table, "winner": winner,
        })  # fmt: skip
        return winner


def _numbers(value: Any) -> Any:
    """Text such as 1e-3, which YAML 1.1 does not take for a number, as a float."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str) and "e" in value.lower() and value.lower().strip("+-.0123456789e") == "":
        try:
            return float(value)
        except ValueError:
            return value
    return value


def adhoc_layers(
    study: Study, scale: str, name: str, arm: str | None, seed: int, levels: Mapping[str, Any]
) -> tuple[list[compose.Layer], dict[str, str]]:
    """The layers and inputs of one cell of an experiment, for a run outside a plan.

    Args:
        study: the paper's experiments.
        scale: which scale's values to take; an experiment that is not run there takes its first scale's.
        name: the experiment.
        arm: its arm; the first one if None.
        seed: the run's seed, by which needed runs are found.
        levels: levels of axes; every other axis takes its first one.
    """
    if name not in study.experiments:
        raise unknown("experiment", name, study.experiments)
    experiment = study.experiments[name]
    if scale not in experiment.scales:
        raise UserError(f"experiment {name} is not run at scale {scale} (add scale={next(iter(experiment.scales))})")
    arms = experiment.arms_at(scale)
    arm = arm if arm is not None else next(iter(arms))
    if arm not in arms:
        raise unknown("arm", str(arm), arms)
    cells = [cell for cell in experiment.cells(scale) if cell[0] == arm]
    for axis, level in levels.items():
        known = {cell[1][axis] for cell in cells if axis in cell[1]}
        cells = [cell for cell in cells if cell[1].get(axis) == level]
        if not cells:
            raise unknown(f"level of {axis}" if known else "axis", str(level) if known else axis, map(str, known))
    _, axes, layers = cells[0]
    first = {key: value for stage in experiment.stages(scale, arm) for key, value in stage.candidates()[0].items()}
    inputs: dict[str, str] = {}
    if experiment.needs:
        planner = _Planner(study, scale, lambda signature, scalar: None, None, {})
        for other in study.ordered(scale, list(experiment.needs.values())):
            planner.expand(other, study.experiments[other])
        for key, other in experiment.needs.items():
            needed = planner.needed(other, axes, seed)
            if needed is None:
                raise UserError(f"experiment {name} needs '{other}', which selects first; use assay reproduce")
            inputs[key] = needed
    return [*layers, first], inputs
