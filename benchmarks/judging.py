"""Loads 10,000 records and judges: prints seconds, MiB after imports and MiB at most. A process of its own."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from assay.claims import Check, Condition, Count, Interval, above, at_most, scalar
from assay.config import compose
from assay.records.codes import code_of
from assay.records.store import Record, Store, encode
from assay.review.judged import judge
from assay.study.declared import make_plan
from assay.study.tables import results_of
from benchmarks.run import study


def main() -> None:
    """Write the records (not timed), then load and judge them (timed)."""
    compose.load("lion_k")
    imported = most_mib()
    plan = make_plan(study(10_000)[0], "desk", lambda signature, name: None)
    with tempfile.TemporaryDirectory() as folder:
        store = Store("lion_k", Path(folder))
        store.prepare()
        steps = list(range(0, 1000, 20))
        for i, run in enumerate(plan.runs.values()):
            curve = {"train/loss": {"step": steps, "value": [1 / (1 + s + i % 7) for s in steps]}}
            scalars = {"test/accuracy": 0.9 + i % 100 / 1000, "test/cross_entropy": 0.3}
            record = Record(run.signature, code_of(run.config, store), "done", run.config, scalars, curves=curve)
            record.provenance = {"seconds": 1.0}
            store.path(run.signature).write_bytes(encode(record))
        store = Store("lion_k", Path(folder))
        began = time.perf_counter()
        results = results_of(plan, store, {s: "done" if store.read(s) else "missing" for s in plan.runs})
        verdicts = judge(
            results,
            [],
            [
                Check("1", "", [], Interval(scalar("many", "test/accuracy", "sgd"), above(0.5))),
                Check(
                    "2",
                    "",
                    [],
                    Count([Condition(scalar("many", "test/cross_entropy", over=["seed", "optimizer.lr"]), at_most(1))]),
                ),
            ],
        )
        seconds = time.perf_counter() - began
    assert all(check["verdict"] == "reproduced" for check in verdicts["checks"])
    print(seconds, imported, most_mib())


def most_mib() -> float:
    """The most memory that this program has held so far, MiB (Linux).

    Not from getrusage: its maximum outlives an exec, so a child starts with that of the benchmark that started it.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
