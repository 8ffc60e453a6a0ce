"""Which runs share a task: small runs are packed, so that a thousand of them cost tens of jobs and not a thousand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from assay.config import compose
from assay.errors import UserError
from assay.launch.local import alone
from assay.launch.profiles import Needs, Profile
from assay.launch.sweeps import Limits
from assay.study.declared import Run

START_UP = 60.0
"""Seconds of work below which a task is not worth its start."""


def limits_of(run: Run, profile: Profile, needs: Needs, tries: Mapping[str, int]) -> Limits:
    """What a task of such runs asks for; the limits that ended a run before have grown where the profile allows it."""
    trainer = run.config["trainer"]
    cuda = trainer["device"] == "cuda"
    nodes, processes = compose.processes(trainer)
    per_gpu = needs.per_gpu or profile.pack.per_gpu
    side = per_gpu if cuda else profile.pack.side
    time = max(profile.time, needs.time or 0)
    memory = max(profile.memory_gb, needs.memory_gb or 0.0)
    most_time = max(time, profile.max_time or time)
    most_memory = max(memory, profile.max_memory_gb or 4 * memory)
    time = min(most_time, math.ceil(time * profile.grow.time ** tries.get("timeout", 0)))
    memory = min(most_memory, memory * profile.grow.memory ** tries.get("oom", 0))
    sitting = alone(run)
    if tries.get("oom") or nodes * processes > 1 or sitting:
        side = 1  # it was too big once, and alone it cannot be a neighbour's doing; or it is spread, or measures times
    cpus = max(profile.cpus, needs.cpus or 1, trainer["threads"])
    gpus = processes if cuda else 0
    return Limits(time, round(memory * side * processes, 3), cpus * side, gpus, side, nodes, processes, sitting)


def pack(
    runs: Sequence[Run], limits: Mapping[str, Limits], seconds: Mapping[str, float], profile: Profile
) -> list[tuple[Limits, list[list[str]]]]:
    """Tasks by resource class: runs are dealt out, the longest first, so that tasks of a class end together.

    Args:
        runs: what to do.
        limits: each run's resource class.
        seconds: what each run will likely take, where that is known.
        profile: how much a task should hold.
    """
    classes: dict[Limits, list[Run]] = {}
    for run in runs:
        classes.setdefault(limits[run.signature], []).append(run)
    return [(kind, _deal(members, kind, seconds, profile)) for kind, members in classes.items()]


def _deal(runs: Sequence[Run], kind: Limits, seconds: Mapping[str, float], profile: Profile) -> list[list[str]]:
    if kind.spread or kind.alone:
        return [[run.signature] for run in runs]
    known = [seconds[run.signature] for run in runs if run.signature in seconds]
    mean = sum(known) / len(known) if known else 0.0
    cost = {run.signature: seconds.get(run.signature, mean) for run in runs}
    work = sum(cost.values()) / kind.side
    fullest = math.ceil(len(runs) / kind.side)  # as many tasks as could be busy at all
    if known:
        # A task has to end well before its limit, or it only ever ends by being told to.
        target = min(60.0 * profile.pack.minutes, 30.0 * kind.minutes)
        count = max(math.ceil(work / target), min(profile.pack.tasks, int(work / START_UP)))
    else:
        count = max(math.ceil(len(runs) / profile.pack.runs), profile.pack.tasks)
    count = max(1, min(count, fullest))
    order = sorted(cost, key=lambda signature: -cost[signature])
    return [order[start::count] for start in range(count)]


def chunks(tasks: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """Tasks in arrays of at most `most`."""
    if most < 1:
        raise UserError("the site allows no array jobs (MaxArraySize)")
    return [tasks[start : start + most] for start in range(0, len(tasks), most)]
