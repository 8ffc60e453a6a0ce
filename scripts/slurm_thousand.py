"""Measures what a cluster's sweep costs beyond its work: 1,000 runs of half a second on two nodes of two CPUs.

    sudo -E .venv/bin/python scripts/slurm_thousand.py [RUNS]

It starts the tests' Slurm, reproduces a made-up paper whose runs sleep, and prints figures as JSON. The work is the
time that the runs took by their own records; with four places it would take a quarter of that. What is beyond it is
scheduling and start-up, from the submission to the last record; planning and drawing the page are given beside it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "slurm")]

from cluster import make_site, start_cluster, stop_cluster  # noqa: E402

from assay.records.store import decode  # noqa: E402

PLACES = 4


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    cluster = start_cluster()
    try:
        with tempfile.TemporaryDirectory(prefix="assay-thousand-", ignore_cleanup_errors=True) as folder:
            print(json.dumps(measure(Path(folder), cluster, runs), indent=1))
    finally:
        stop_cluster(cluster)


def measure(folder: Path, cluster, runs: int) -> dict[str, float]:
    """The figures of one sweep."""
    site = make_site(folder, cluster)
    site.profile(time=60, pack={"side": 2, "tasks": 2, "runs": runs})
    site.walks(runs, 0.25, 2)
    began = time.time()
    process = site.start_slurm(ASSAY_CHECKPOINT_SECONDS="60")
    _out, err = process.communicate(timeout=1800)
    wall = time.time() - began
    assert process.returncode == 0, err
    paths = site.records("walk_one").values()
    took = [decode(path.read_bytes()).provenance["seconds"] for path in paths]
    (first,) = sorted((site.sweep() / "jobs").glob("0001.json"))
    span = max(path.stat().st_mtime for path in paths) - first.stat().st_mtime
    work = sum(took) / PLACES
    return {
        "runs": len(took),
        "computed": sum(site.computed().values()),
        "tasks": sum(
            len(json.loads(path.read_text(encoding="utf-8"))["tasks"])
            for path in (site.sweep() / "jobs").glob("*.json")
        ),
        "work in core-seconds": round(sum(took), 1),
        "work on four places in s": round(work, 1),
        "submission to last record in s": round(span, 1),
        "overhead of scheduling and start-up in % of the work": round(100 * (span - work) / work, 1),
        "load of this machine while it ran": round(os.getloadavg()[1], 1),
        "whole command, planning and page included, in s": round(wall, 1),
    }


if __name__ == "__main__":
    main()
