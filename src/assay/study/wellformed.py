"""What the configuration of a study must keep beyond its types: names of something, and values that nothing else hides.

A mistyped arm in a selection, an axis that a candidate overrides or a level that stands twice changes what is
registered without a word; each is an error before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from assay.columns import check_name, level_text, same
from assay.errors import UserError, unknown
from assay.study.selection import numbers

if TYPE_CHECKING:
    from assay.study.declared import Experiment, Study


def check(study: Study, where: str) -> None:
    """See that a study says nothing that cannot be meant.

    Raises:
        UserError: one line, with the file and the place in it.
    """
    for name, experiment in study.experiments.items():
        at = f"{where}: {name}"
        for kind, found in (("arms", experiment.arms), ("scales", experiment.scales)):
            if not found:
                raise UserError(f"{at} has no {kind}")
        for other in experiment.needs.values():
            if other not in study.experiments:
                raise UserError(f"{at} needs '{other}', which is no experiment")
            for scale in experiment.scales:
                if scale not in study.experiments[other].scales:
                    raise UserError(f"{at} needs '{other}', which is not run at scale {scale}")
        for scale in experiment.scales:
            try:
                arms = experiment.arm_names(scale)
            except UserError as error:
                raise UserError(f"{at}.scales.{scale}.arms: {error}") from None
            if not arms or len(experiment.at(scale).arms) > len(arms):
                raise UserError(f"{at}.scales.{scale}.arms: every arm is named once, and there is at least one")
            for axis, levels in {**experiment.axes, **experiment.at(scale).axes}.items():
                place = f"{at}.scales.{scale}.axes" if axis in experiment.at(scale).axes else f"{at}.axes"
                _check_axis(axis, levels, place)
                for key in _keys(axis, levels):
                    for arm, layer in experiment.arms_at(scale).items():
                        if key in layer:
                            raise UserError(f"{place}: {axis} sets {key}, which arm {arm} sets, too")
            own = "" if experiment.at(scale).select is None else f".scales.{scale}"
            for i in range(len(experiment.selections(scale))):
                _check_stage(experiment, scale, i, f"{at}{own}.select[{i}]")
    try:
        TopologicalSorter({n: e.needs.values() for n, e in study.experiments.items()}).prepare()
    except CycleError as error:
        raise UserError(
            f"{where}: experiments need each other in a circle: {' -> '.join(error.args[1][::-1])}"
        ) from None


def _check_axis(axis: str, levels: Iterable[Any], at: str) -> None:
    try:
        check_name("an axis", axis)
    except UserError as error:
        raise UserError(f"{at}: {error}") from None
    levels = list(levels)
    if not levels:
        raise UserError(f"{at}: {axis} has no levels")
    for i, level in enumerate(levels):
        for before in levels[:i]:
            if same(before, level):
                raise UserError(f"{at}: {axis}: level {level!r} stands twice")
            if level_text(before) == level_text(level):
                raise UserError(f"{at}: {axis}: {before!r} and {level!r} would look the same in the tables")


def _keys(axis: str, levels: Iterable[Any]) -> set[str]:
    """The keys that an axis sets."""
    return {key for layer in levels.values() for key in layer} if isinstance(levels, dict) else {axis}


def _check_stage(experiment: Experiment, scale: str, place: int, at: str) -> None:
    stages, axes = experiment.selections(scale), {**experiment.axes, **experiment.at(scale).axes}
    stage = stages[place]
    for name in stage.arms:
        if name not in experiment.arms:
            raise UserError(f"{at}.arms: {unknown('arm', name, experiment.arms)}")
    if not stage.by.strip():
        raise UserError(f"{at}.by: it names no scalar")
    if not stage.over or not all(stage.over.values()):
        raise UserError(f"{at}.over: there are no candidates")
    arms = [arm for arm in (stage.arms or experiment.arms) if arm in experiment.arms_at(scale)]
    later = {key for other in stages[place + 1 :] for key in other.over}
    everywhere = {axis for settings in experiment.scales.values() for axis in settings.axes}
    for key in stage.per or []:
        known = {"arm", *experiment.axes, *everywhere, *later}
        if key not in known:
            raise UserError(f"{at}.per: {unknown('axis', key, known)}")
    for key, values in stage.over.items():
        said = f"{at}.over: {key}"
        if len({level_text(value) for value in values}) < len(values):
            raise UserError(f"{said} has a candidate twice")
        if any(key in _keys(axis, levels) for axis, levels in axes.items()):
            raise UserError(f"{said} is set by an axis, too")
        if key in stage.fix:
            raise UserError(f"{said} is set by the stage's fix, too")
        for arm in arms:
            if key in experiment.arms_at(scale)[arm]:
                raise UserError(f"{said} is set by arm {arm}, too")
            if any(key in stages[i].over for i in experiment.positions(scale, arm) if i != place):
                raise UserError(f"{said} is chosen for arm {arm} by another stage, too")
    for key, widen in stage.widen.items():
        said = f"{at}.widen: {key}"
        if key not in stage.over:
            raise UserError(f"{at}.widen: {unknown('key of over', key, stage.over)}")
        if not numbers(stage.over[key]):
            raise UserError(f"{said} has candidates that are no numbers")
        if (widen.factor is None) == (widen.step is None):
            raise UserError(f"{said}: give a factor or a step, and one of them only")
        if widen.factor is not None and min(stage.over[key]) < 0:
            raise UserError(f"{said}: a factor is for numbers of zero and more; take a step")
