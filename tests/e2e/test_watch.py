"""`assay report --watch` beside a sweep: it follows, shows what it sees, and ends with it."""

import os
import re
import signal

import pytest
from checkout import wait_for

pytestmark = pytest.mark.slow


def test_a_sweep_is_followed_to_its_end(checkout):
    sweep = checkout.start("assay", "reproduce", "walk_one", "--workers", "1")
    wait_for(lambda: list(checkout.root.glob("outputs/walk_one/runs/*/lock")))
    os.killpg(sweep.pid, signal.SIGSTOP)  # in the middle of a run, however slow the watcher is to start
    try:
        watching = checkout.start("assay", "report", "walk_one", "--watch")
        first = watching.stdout.readline()
    finally:
        os.killpg(sweep.pid, signal.SIGCONT)
    out, err = watching.communicate(timeout=120)
    out = first + out
    assert watching.returncode == 0, err
    sweep.communicate(timeout=120)
    seen = [int(n) for n in re.findall(r"^(\d+) of 6 runs done", out, re.MULTILINE)]
    assert seen == sorted(seen) and seen[-1] == 6 and seen[0] < 6, out
    assert "1 running" in first
    assert "check" in out and "page: " in out
    assert (checkout.root / "reports/walk_one/desk/index.html").exists()


def test_it_watches_records_alone(checkout):
    result = checkout.run("assay", "report", "walk_one", "--watch", "--committed")
    assert result.returncode == 2 and result.stderr.startswith("assay: --watch looks at local records")
