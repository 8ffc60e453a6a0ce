"""What a sweep has held, by the scheduler's accounting where there is one; and what its runs see of the scheduler."""

from __future__ import annotations

import re

import pytest
from checkout import wait_for
from cluster import make_site, numbers

pytestmark = pytest.mark.slow

SEEN = """
    def finish(self):
        import os

        self.scalar("walk/end", self.x.norm())
        self.scalar("slurm", sum(name.startswith(("SLURM", "SUBMITIT", "PMI")) for name in os.environ))
"""


@pytest.fixture
def accounted(tmp_path, slurm_with_accounting):
    yield make_site(tmp_path, slurm_with_accounting)
    slurm_with_accounting.empty()


def test_sacct_counts_what_was_held(accounted):
    accounted.walks(4, 0.25, 8)  # two seconds a run
    result = accounted.slurm()
    assert result.returncode == 0, result.stderr

    def hours():
        text = accounted.run("assay", "status", "walk_one-desk").stdout
        found = re.search(r"cost: ([\d.e-]+) CPU-hours \(from sacct\)", text)
        return float(found.group(1)) if found else 0.0

    # Two tasks of two CPUs, each at least as long as its runs in sequence; start-up comes on top. The accounting hears
    # of each when it has ended.
    wait_for(lambda: hours() > 2 * 2 * 2 / 3600)
    page = (accounted.root / "reports/walk_one/desk/index.html").read_text(encoding="utf-8")
    assert "CPU-hours" in page


def test_runs_do_not_see_the_job_that_they_are_in(site):
    path = site.root / "papers/walk_one/module.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("\n    def finish(self):")] + SEEN, encoding="utf-8")
    result = site.slurm(scale="smoke")
    assert result.returncode == 0, result.stderr
    assert [scalars["slurm"] for _, scalars, _, _ in numbers(site).values()] == [0.0, 0.0]
