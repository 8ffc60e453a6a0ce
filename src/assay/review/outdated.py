"""Whether published tables are older than the code.

A fresh checkout has no records, only tables. They keep one digest an arm: of everything that its runs build, selections
and needed runs included. Which parts these were is kept beside it, so that asking takes no plan.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from assay.config import compose
from assay.errors import UserError
from assay.records import digest
from assay.registry import KINDS
from assay.review.sources import committed_folder
from assay.study.declared import Plan

Arms = dict[str, dict[str, Any]]
"""Something by experiment and arm."""


def parts_of(config: Mapping[str, Any]) -> list[str]:
    """The parts that a run builds, as "kind=name"."""
    return sorted({f"{part.kind}={part.name}" for part in compose.chosen_parts(config)})


def arm_parts(plan: Plan) -> Arms:
    """By experiment and arm, the parts of all its runs: selections and what they need, too."""
    found: dict[str, dict[str, set[str]]] = {}
    for cell in plan.cells:
        parts = found.setdefault(cell.experiment, {}).setdefault(cell.arm, set())
        queue = [cell.signature] if cell.signature else []
        while queue:
            run = plan.runs[queue.pop()]
            parts.update(parts_of(run.config))
            queue += run.needs
    return {name: {arm: sorted(parts) for arm, parts in arms.items()} for name, arms in found.items()}


def code_of_parts(parts: Iterable[str]) -> str | None:
    """The code digest of everything that parts ("kind=name") can reach; None if one of them is not there any more."""
    try:
        pairs = [part.split("=", 1) for part in parts]
        return digest.digest_of([KINDS[kind][name] for kind, name in pairs])
    except (UserError, KeyError):
        return None


def facts_of(plan: Plan) -> dict[str, Arms]:
    """What published tables say about their code: parts and digest of each arm."""
    parts = arm_parts(plan)
    codes = {name: {arm: code_of_parts(own) for arm, own in arms.items()} for name, arms in parts.items()}
    return {"parts": parts, "codes": codes}


def outdated(paper: str, scale: str) -> list[tuple[str, str]]:
    """The (experiment, arm) pairs whose published results are older than the code; all where that is not known."""
    path = committed_folder(paper, scale) / "results.json"
    if not path.exists():
        return []
    compose.load(paper)
    facts = json.loads(path.read_text(encoding="utf-8")).get("facts", {})
    codes, parts = facts.get("codes"), facts.get("parts")
    if codes is None or parts is None:
        runs = pl.read_parquet(path.with_name("runs.parquet"), columns=["experiment", "arm"])
        return sorted((str(experiment), str(arm)) for experiment, arm in runs.unique().iter_rows())
    return sorted(
        (name, arm)
        for name, arms in codes.items()
        for arm, code in arms.items()
        if code is None or code != code_of_parts(parts[name][arm])
    )
