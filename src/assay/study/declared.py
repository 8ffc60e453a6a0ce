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
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import ValidationError, field_validator

from assay.columns import as_column, same
from assay.config import compose, yamlfile
from assay.config.loading import check_paper
from assay.errors import UserError, unknown
from assay.study.selection import Search, SeedRange, Select, Strict
from assay.study.wellformed import check
from assay.system import places

SCALES = ("smoke", "desk", "paper")
Scale = Literal["smoke", "desk", "paper"]


Axis = list[Any] | dict[str, dict[str, Any]]
"""Values of one key; or named levels, each setting several values at once (the axis' column holds the name)."""


class AtScale(Strict):
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


class Experiment(Strict):
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

    def selections(self, scale: str) -> list[Select]:
        """All selection stages at a scale."""
        here = self.at(scale).select
        return self.select if here is None else here

    def positions(self, scale: str, arm: str) -> list[int]:
        """Where the stages of an arm stand among all selection stages of a scale."""
        return [i for i, stage in enumerate(self.selections(scale)) if not stage.arms or arm in stage.arms]

    def stages(self, scale: str, arm: str) -> list[Select]:
        """The selection stages of an arm at a scale."""
        return [self.selections(scale)[i] for i in self.positions(scale, arm)]


class Study(Strict):
    """All experiments of one paper: the content of `conf/paper/<slug>.yaml`."""

    slug: str
    experiments: dict[str, Experiment]

    @classmethod
    def of(cls, slug: str) -> Study:
        """Read a paper's configuration.

        Raises:
            UserError: an unknown paper, or a configuration with a wrong key or type.
        """
        content = yamlfile.load(places.CONF / "paper" / f"{check_paper(slug)}.yaml")
        # YAML 1.1 reads 1e-3 as text; OmegaConf and everyone else reads a number.
        study = cls.parse(_numbers(content), f"conf/paper/{slug}.yaml")
        if study.slug != slug:
            raise UserError(f"conf/paper/{slug}.yaml: slug: expected {slug}, not {study.slug}")
        return study

    @classmethod
    def parse(cls, content: Any, where: str) -> Study:
        """Check the content of a configuration and make it a study."""
        try:
            study = cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(f"{where}: {key}: {first['msg'].lower()}") from None
        check(study, where)
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
                known += [value for value in values if not any(same(value, other) for other in known)]
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
        dead_end: why there is no signature and never will be: all candidates of a selection diverged.
    """

    experiment: str
    arm: str
    axes: Mapping[str, Any]
    seed: int
    signature: str | None
    stage: int = 0
    registered: bool = True
    dead_end: str = ""


@dataclass
class Run:
    """One run of a plan: its configuration, and the signatures of the runs whose artefacts it reads."""

    signature: str
    config: dict[str, Any]
    needs: tuple[str, ...] = ()


@dataclass
class Plan:
    """All cells of a paper at a scale, and the distinct runs behind them.

    Attributes:
        paper, scale: what it is a plan of.
        cells: all places that a run fills, those of selections included.
        runs: the distinct runs by signature; those that wait for a selection or another run are not known yet.
        selections: by experiment, the tables of its selection stages (candidates, scores, winner).
        twins: (experiment, arms) wherever arms are the same in all their cells: an override that changes nothing.
    """

    paper: str
    scale: str
    cells: list[Cell] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    selections: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    twins: list[tuple[str, list[str]]] = field(default_factory=list)

    @property
    def blocked(self) -> list[Cell]:
        """Cells whose run is not known yet."""
        return [cell for cell in self.cells if cell.signature is None]

    @property
    def dead_ends(self) -> list[str]:
        """Why some of those will never be known, one line a reason."""
        return list(dict.fromkeys(cell.dead_end for cell in self.cells if cell.dead_end))

    @property
    def warnings(self) -> list[str]:
        """What whoever runs the plan should know of it, one line each."""
        return [
            f"{experiment}: arms {', '.join(arms)} are the same runs at scale {self.scale}"
            for experiment, arms in self.twins
        ]

    def candidates(self) -> set[str]:
        """Runs that are there for selections alone: one that diverges has lost, and is as good as done."""
        judged = {cell.signature for cell in self.evaluation()} | {s for run in self.runs.values() for s in run.needs}
        return set(self.runs) - {s for s in judged if s is not None}

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
"""(signature, scalar) -> value in a finished record; NaN where the run diverged; None while there is no outcome."""


@dataclass(frozen=True)
class More:
    """Further seeds of a part of an experiment.

    Attributes:
        experiment: its name.
        seeds: how many of them in all; experiments with one registered seed are references and stay as they are.
        arms, levels: the part; all arms, and all levels of the axes that are not named.
    """

    experiment: str
    seeds: int
    arms: tuple[str, ...] | None = None
    levels: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> More:
        """From what JSON has made of one, or of a check's `Read`."""
        arms = row.get("arms")
        levels = row.get("levels", ())
        pairs = levels.items() if isinstance(levels, Mapping) else levels
        return cls(
            row["experiment"],
            row["seeds"],
            None if arms is None else tuple(arms),
            tuple((axis, tuple(values)) for axis, values in pairs),
        )

    def covers(self, experiment: str, arm: str, axes: Mapping[str, Any]) -> bool:
        """Whether a cell belongs to the part. Levels of what is no axis (columns of units) leave nothing out."""
        return (
            self.experiment == experiment
            and (self.arms is None or arm in self.arms)
            and all(
                any(same(as_column(axes[axis]), as_column(level)) for level in levels)
                for axis, levels in self.levels
                if axis in axes
            )
        )


Seeding = Callable[[str, str, Mapping[str, Any], SeedRange], Sequence[int]]
"""(experiment, arm, levels of the axes, registered seeds) -> the seeds of a cell."""


def seeding(more: Sequence[More]) -> Seeding:
    """The registered seeds, and further ones where asked for."""

    def seeds(experiment: str, arm: str, axes: Mapping[str, Any], registered: SeedRange) -> list[int]:
        asked = [one.seeds for one in more if registered.n > 1 and one.covers(experiment, arm, axes)]
        return registered.list(max([registered.n, *asked]))

    return seeds


def with_needs(study: Study, more: Sequence[More]) -> list[More]:
    """The same with further seeds of the experiments whose artefacts are inputs."""
    found = list(more)
    for one in found:  # grows while it is walked: what is needed has needs of its own
        for other in study.experiments[one.experiment].needs.values():
            need = More(other, one.seeds, None, one.levels)
            if need not in found:
                found.append(need)
    return found


def make_plan(
    study: Study,
    scale: str,
    scores: Scores,
    *,
    seeds: int | Seeding | None = None,
    only: Sequence[str] = (),
    overrides: compose.Layer | None = None,
) -> Plan:
    """Expand a study at a scale.

    Args:
        study: the paper's experiments.
        scale: "smoke", "desk" or "paper".
        scores: looks up a scalar of a finished run; selections are decided by it.
        seeds: another number of seeds than registered, the first ones the same; or the seeds of each cell.
        only: names of experiments; all if empty.
        overrides: a last layer over everything, e.g. {"trainer": "gpu"}.
    """
    compose.load(study.slug)
    return _Planner(study, scale, scores, seeds, overrides or {}).plan(only)


@dataclass(frozen=True)
class _Open:
    """A choice or a run that is not known yet; `why` says what stands in its way for good, if anything does."""

    why: str = ""


class _Planner:
    def __init__(
        self, study: Study, scale: str, scores: Scores, seeds: int | Seeding | None, overrides: compose.Layer
    ) -> None:
        self.study, self.scale, self.scores, self.overrides = study, scale, scores, overrides
        self.seeds: Seeding = seeds if callable(seeds) else lambda name, arm, axes, registered: registered.list(seeds)
        self.out = Plan(study.slug, scale)
        self.decided: dict[tuple[str, int, str], dict[str, Any] | _Open] = {}
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
        settings = experiment.at(self.scale)
        registered = settings.seeds.list()
        selecting = {seed for stage in experiment.selections(self.scale) for seed in stage.seeds.list()}
        arms: dict[str, list[str]] = {}
        for arm, axes, layers in self.cells_of(name):
            stages = experiment.stages(self.scale, arm)
            seeds = self.seeds(name, arm, axes, settings.seeds)
            if shared := selecting & {*registered, *seeds}:
                raise UserError(f"seed {min(shared)} is for selection and for evaluation; selection needs its own")
            # With the first candidates, whatever will be chosen: what an arm says is looked at before its selection
            # has run, and arms are compared whatever the records hold.
            config = self.config(arm, axes, [*layers, *(stage.candidates()[0] for stage in stages)], seeds[0], {})
            own = arms.setdefault(arm, [repr([stage.model_copy(update={"arms": []}) for stage in stages])])
            own.append(repr(sorted(axes.items())) + compose.signature(config))
            chosen = self.winners(name, experiment, arm, axes, experiment.positions(self.scale, arm))
            for seed in seeds:
                run: str | _Open
                if isinstance(chosen, _Open):
                    run = chosen
                else:
                    run = self.add_run(experiment, arm, axes, [*layers, chosen], seed)
                self.add_cell(Cell(name, arm, axes, seed, None, 0, seed in registered), run)
        alike: dict[str, list[str]] = {}
        for arm, own in arms.items():
            alike.setdefault(repr(own), []).append(arm)
        self.out.twins += [(name, found) for found in alike.values() if len(found) > 1]

    def add_cell(self, cell: Cell, run: str | _Open) -> None:
        """Add a cell to the plan with the run that fills it, or with what stands in its way."""
        found = replace(cell, dead_end=run.why) if isinstance(run, _Open) else replace(cell, signature=run)
        if cell.stage:  # stages that are decided for several cells try the same candidates
            if repr(found) in self.tried:
                return
            self.tried.add(repr(found))
        self.out.cells.append(found)

    def add_run(
        self, experiment: Experiment, arm: str, axes: Mapping[str, Any], layers: Sequence[compose.Layer], seed: int
    ) -> str | _Open:
        """Add the run of a cell to the plan; its signature, if the runs that it needs are known."""
        inputs: dict[str, str] = {}
        for key, other in experiment.needs.items():
            needed = self.needed(other, axes, seed)
            if needed.signature is None:
                return _Open(needed.dead_end)
            inputs[key] = needed.signature
        config = self.config(arm, axes, layers, seed, inputs)
        signature = compose.signature(config)
        self.out.runs.setdefault(signature, Run(signature, config, tuple(inputs.values())))
        return signature

    def config(
        self,
        arm: str,
        axes: Mapping[str, Any],
        layers: Sequence[compose.Layer],
        seed: int,
        inputs: Mapping[str, str],
    ) -> dict[str, Any]:
        """The configuration of a cell's run."""
        choices, values = compose.merge([*layers, self.overrides])
        try:
            return compose.assemble(choices, values, seed, inputs)
        except UserError as error:
            at = ", ".join(f"{key}={value}" for key, value in axes.items())
            raise UserError(f"arm {arm}{f' [{at}]' if at else ''}: {error}") from None

    def needed(self, other: str, axes: Mapping[str, Any], seed: int) -> Cell:
        """The cell of a needed experiment with the same seed and the same values on the axes that both have."""
        cells = [
            cell
            for cell in self.out.cells
            if cell.experiment == other and all(same(cell.axes[k], v) for k, v in axes.items() if k in cell.axes)
        ]
        found = [cell for cell in cells if cell.seed == seed] or (cells if len({c.seed for c in cells}) == 1 else [])
        if len(found) != 1:
            raise UserError(f"needs one run of '{other}' for {dict(axes)}, seed {seed}, and finds {len(found)}")
        return found[0]

    def winners(
        self, name: str, experiment: Experiment, arm: str, axes: Mapping[str, Any], positions: Sequence[int]
    ) -> dict[str, Any] | _Open:
        """The values that all stages choose for a cell, unless one cannot tell (yet); the last is the outermost."""
        if not positions:
            return {}
        *inner, place = positions
        winner = self.decide(name, experiment, arm, axes, place)
        if isinstance(winner, _Open):
            return winner
        rest = self.winners(name, experiment, arm, {**axes, **winner}, inner)
        return rest if isinstance(rest, _Open) else {**rest, **winner}

    def decide(
        self, name: str, experiment: Experiment, arm: str, axes: Mapping[str, Any], place: int
    ) -> dict[str, Any] | _Open:
        """Score a stage's candidates over the cells that share its `per` keys with this one.

        Which stage it is and the values of those keys determine everything else: the candidates, the cells that are
        scored, and the stages before and after it.
        """
        stage = experiment.selections(self.scale)[place]
        own = {"arm": arm, **axes}
        per = {key: own[key] for key in ([*own] if stage.per is None else stage.per) if key in own}
        memory = (name, place, repr(sorted(per.items())))
        if memory in self.decided:
            return self.decided[memory]
        peers = list(self.peers(name, experiment, place, per))
        search, stuck = Search(stage), ""
        config: dict[str, Any] = {}

        def whole(key: str) -> bool:
            value: Any = config
            for step in key.split("."):
                value = value[step]
            return isinstance(value, int)

        while True:
            for candidate in search.candidates:
                if candidate.scores:
                    continue
                for other, cell, layers in peers:
                    at = {**cell, **candidate.values}
                    inner = [i for i in experiment.positions(self.scale, other) if i < place]
                    deeper = self.winners(name, experiment, other, at, inner)
                    for seed in stage.seeds.list():
                        if isinstance(deeper, _Open) and deeper.why:  # nothing that goes with it stays finite
                            candidate.scores.append(math.nan)
                            continue
                        run: str | _Open = _Open()
                        if not isinstance(deeper, _Open):
                            values = [*layers, stage.fix, candidate.values, deeper]
                            run = self.add_run(experiment, other, at, values, seed)
                        self.add_cell(Cell(name, other, at, seed, None, len(inner) + 1, False), run)
                        if isinstance(run, _Open):
                            stuck = stuck or run.why
                            candidate.scores.append(None)
                        else:
                            config = config or self.out.runs[run].config
                            candidate.scores.append(self.scores(run, stage.by))
            if not search.widen(whole):
                break
        depth = experiment.positions(self.scale, arm).index(place) + 1
        winner = search.winner
        row = {
            "stage": depth, "by": stage.by, "mode": stage.mode, "per": per,
            "candidates": search.table(), "winner": None if winner is None else winner.values,
        }  # fmt: skip
        if stage.widen:
            row["on_edge"] = search.on_edge(whole)
        self.out.selections.setdefault(name, []).append(row)
        if search.hopeless:
            group = "".join(f", {key}={value}" for key, value in per.items())
            stuck = f"{name}: all {len(search.candidates)} candidates diverged (selection {depth} by {stage.by}{group})"
        found = _Open(stuck) if winner is None else winner.values
        self.decided[memory] = found
        return found

    def peers(
        self, name: str, experiment: Experiment, place: int, per: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any], list[compose.Layer]]]:
        """(arm, place in the study, layers) of all that a stage scores its candidates on.

        Seen from inside later stages, their candidates are axes like any others.
        """
        stages = experiment.selections(self.scale)
        for arm, cell, layers in self.cells_of(name):
            if place not in experiment.positions(self.scale, arm):
                continue
            later = [stages[i].candidates() for i in experiment.positions(self.scale, arm) if i > place]
            mine: list[list[dict[str, Any]]] = []
            for candidates in later:
                kept: list[dict[str, Any]] = []
                for values in candidates:
                    fixed = {key: per.get(key, value) for key, value in values.items()}
                    kept += [] if fixed in kept else [fixed]
                mine.append(kept)
            asked = stages[place].per
            for chosen in itertools.product(*mine):
                outer = {key: value for values in chosen for key, value in values.items()}
                at = {"arm": arm, **cell, **outer}
                if _same({key: at[key] for key in (at if asked is None else asked) if key in at}, per):
                    yield arm, {**cell, **outer}, [*layers, outer]


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)


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
        cells = [cell for cell in cells if axis in cell[1] and same(cell[1][axis], level)]
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
            if needed.signature is None:
                raise UserError(f"experiment {name} needs '{other}', which selects first; use assay reproduce")
            inputs[key] = needed.signature
    return [*layers, first], inputs
