"""What runs have cost, from their records: CPU-hours and GPU-hours by experiment.

A run on the CPU costs its seconds times the threads that it held, a run on a GPU its seconds. Selections and failed
runs count as well, for they were paid for. What a scheduler held beyond that (start-up, lost attempts) is known to its
accounting alone; see `assay.launch.accounting`.
"""

from __future__ import annotations

from typing import Any, Literal

from assay.records.store import Record

What = Literal["evaluation", "selection", "failed"]


class Costs:
    """Adds up what records say; a run that several experiments share counts for the first."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._rows: dict[tuple[str, What], dict[str, float]] = {}

    def add(self, experiment: str, what: What, record: Record) -> None:
        """Count a record once."""
        if record.signature in self.seen:
            return
        self.seen.add(record.signature)
        own = record.provenance
        hours = float(own.get("seconds") or 0.0) / 3600
        row = self._rows.setdefault((experiment, what), {"runs": 0, "CPU-hours": 0.0, "GPU-hours": 0.0})
        row["runs"] += 1
        if own.get("gpu") or record.config.get("trainer", {}).get("device") == "cuda":
            row["GPU-hours"] += hours
        else:
            row["CPU-hours"] += hours * float(own.get("threads") or 1)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each experiment and purpose: experiment, what, runs, CPU-hours, GPU-hours."""
        return [
            {"experiment": experiment, "what": what, **{key: round(value, 6) for key, value in row.items()}}
            for (experiment, what), row in self._rows.items()
        ]
