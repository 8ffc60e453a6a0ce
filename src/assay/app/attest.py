"""Attest: records made by older code are shown to still hold, by running one seed of every arm again.

Where scalars, units and curves come out identical to the bit, all of that arm's older records made by the same code
count as done at the present code; where a single number differs, they stay stale.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.records.codes import code_of
from assay.records.store import Record, Store
from assay.study.session import Session


def attest(session: Session) -> list[dict[str, Any]]:
    """Check every (experiment, arm) with stale records and note the code in those that hold; returns one row each."""
    plan = session.plan()
    states = session.states(plan)
    groups: dict[tuple[str, str, str], list[str]] = {}
    for cell in plan.cells:
        if cell.signature is not None and states[cell.signature] == "stale":
            record = session.store.read(cell.signature)
            assert record is not None
            groups.setdefault((cell.experiment, cell.arm, record.code), []).append(cell.signature)
    rows = []
    for (experiment, arm, _), signatures in groups.items():
        first = session.store.read(signatures[0])
        assert first is not None
        again = rerun(session.store, first)
        detail = compare(first, again)
        rows.append(
            {
                "experiment": experiment,
                "arm": arm,
                "records": len(set(signatures)),
                "verdict": "differs" if detail else "identical",
                "detail": detail,
            }
        )
        if not detail:
            for signature in signatures:
                record = session.store.read(signature)
                assert record is not None
                session.store.label(record, code_of(plan.runs[signature].config, session.store), again.data)
    return rows


def rerun(store: Store, record: Record) -> Record:
    """The same run once more, beside the store."""
    from assay.run import execute

    with tempfile.TemporaryDirectory() as folder:
        beside = Store(store.paper, Path(folder))
        for signature in record.config.get("inputs", {}).values():
            needed = store.read(signature)
            assert needed is not None
            beside.write(needed)
            for file in needed.artefacts.values():
                beside.keep_artefact(store.artefact(file).read_bytes())
        again = execute.execute(record.config, beside)
        assert again is not None
        return again


def compare(old: Record, new: Record) -> str:
    """The first difference between two records' numbers, or "". Wall-clock times (`time/...`) are not compared."""
    if new.status != "done":
        return f"the new run failed: {(new.failure or {}).get('message', '')}"
    for what in ("scalars", "curves"):
        one, two = _numbers(getattr(old, what)), _numbers(getattr(new, what))
        for name in sorted({*one, *two}):
            if _text(one.get(name)) != _text(two.get(name)):
                return f"{what[:-1]} {name} differs"
    return "" if _text(old.units) == _text(new.units) else "units differ"


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.startswith("time/")}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)  # repr of floats: identical text is identical bits, NaN included
