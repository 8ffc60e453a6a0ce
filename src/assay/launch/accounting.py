"""What a sweep has cost: core-hours or GPU-hours by run, from the scheduler's accounting, else from the records.

The accounting knows what was held, start-up and lost attempts included; a task's cost is shared out among its runs by
the time that each took. Records know only what finished runs took, times what each held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from assay.launch import site
from assay.launch.sweeps import Job, Sweep
from assay.records.store import Store

Unit = Literal["CPU-hours", "GPU-hours"]


@dataclass(frozen=True)
class Cost:
    """What one run has cost.

    Attributes:
        hours: of the unit.
        unit: GPU-hours for runs on a GPU, else CPU-hours.
        source: "accounting" or "records".
    """

    hours: float
    unit: Unit
    source: Literal["accounting", "records"]


def of_sweep(sweep: Sweep) -> dict[str, Cost]:
    """The cost of each run of a sweep that has a record or has held anything."""
    jobs = [job for job in sweep.jobs() if job.id]
    usage = site.usage([str(job.id) for job in jobs])
    return _from_usage(sweep, jobs, usage) if usage else _from_records(sweep, jobs)


def _seconds(store: Store, signature: str) -> float:
    record = store.read(signature)
    return float(record.provenance.get("seconds", 0.0)) if record else 0.0


def _from_usage(sweep: Sweep, jobs: list[Job], usage: Mapping[str, site.Usage]) -> dict[str, Cost]:
    hours: dict[str, float] = {}
    units: dict[str, Unit] = {}
    for job in jobs:
        for index, signatures in enumerate(job.tasks):
            used = usage.get(job.task_id(index))
            if used is None:
                continue
            held = used.seconds * (used.gpus or used.cpus) / 3600
            took = {signature: _seconds(sweep.store, signature) for signature in signatures}
            total = sum(took.values())
            for signature in signatures:
                share = took[signature] / total if total else 1 / len(signatures)
                hours[signature] = hours.get(signature, 0.0) + held * share
                units[signature] = "GPU-hours" if used.gpus else "CPU-hours"
    return {signature: Cost(spent, units[signature], "accounting") for signature, spent in hours.items()}


def _from_records(sweep: Sweep, jobs: list[Job]) -> dict[str, Cost]:
    found: dict[str, Cost] = {}
    for job in jobs:
        limits = job.limits
        held = (limits.gpus or limits.cpus) / limits.side
        unit: Unit = "GPU-hours" if limits.gpus else "CPU-hours"
        for signature in job.runs:
            if sweep.store.read(signature) is not None:
                found[signature] = Cost(_seconds(sweep.store, signature) * held / 3600, unit, "records")
    return found


def totals(costs: Mapping[str, Cost]) -> dict[Unit, float]:
    """Hours by unit."""
    found: dict[Unit, float] = {}
    for cost in costs.values():
        found[cost.unit] = found.get(cost.unit, 0.0) + cost.hours
    return found


def words_of(sweep: Sweep) -> str:
    """A sweep's cost in one line."""
    costs = of_sweep(sweep)
    if not costs:
        return "cost: nothing yet"
    parts = [f"{hours:.3g} {unit}" for unit, hours in sorted(totals(costs).items())]
    source = "sacct" if next(iter(costs.values())).source == "accounting" else "the records"
    return f"cost: {', '.join(parts)} (from {source})"


def of_paper(paper: str, cells: Any) -> dict[str, Any]:
    """What a paper has cost on clusters, by experiment, over all its sweeps.

    Args:
        paper: its slug.
        cells: the plan's cells; a run that two experiments share counts for the first.
    """
    from assay.launch.sweeps import all_sweeps

    costs: dict[str, Cost] = {}
    for sweep in all_sweeps():
        for signature, cost in (of_sweep(sweep) if sweep.about["paper"] == paper else {}).items():
            known = costs.get(signature)
            costs[signature] = replace(cost, hours=cost.hours + known.hours) if known else cost
    where = {cell.signature: cell.experiment for cell in reversed(cells) if cell.signature in costs}
    by: dict[str, dict[str, Cost]] = {}
    for signature, experiment in where.items():
        by.setdefault(experiment, {})[signature] = costs[signature]
    return {
        "runs": {s: {"hours": costs[s].hours, "unit": costs[s].unit, "source": costs[s].source} for s in where},
        "experiments": {experiment: totals(found) for experiment, found in sorted(by.items())},
        "paper": totals({s: costs[s] for s in where}),
    }
