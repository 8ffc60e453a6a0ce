"""Time limits, full disks, failing runs: each ends as what it is, and the others finish."""

from __future__ import annotations

import subprocess

import pytest
from checkout import wait_for
from cluster import numbers
from needed import missing

from assay.records.store import decode

pytestmark = pytest.mark.slow


RESUMED = """    def resume(self, state):
        super().resume(state)
        self.nap = 0.0

"""


def failures(site) -> dict[str, str]:
    """Class of failure by signature."""
    records = {name: decode(path.read_bytes()) for name, path in site.records("walk_one").items()}
    return {name: record.failure["class"] for name, record in records.items() if record.status == "failed"}


def test_a_run_over_its_limit_resumes_and_finishes(site):
    site.profile(partition="tiny", time=1, signal_seconds=15)
    site.walks(2, 1.5, 60)  # 90 s in a job of a minute; once resumed, it hurries
    site.edit("papers/walk_one/module.py", "    def advance(", RESUMED + "    def advance(")
    result = site.slurm()
    assert result.returncode == 0, result.stderr
    assert set(site.computed().values()) == {1}
    notes = site.notes()
    assert any(note.get("stop") == "timeout" for note in notes)
    assert len([note for note in notes if "begin" in note]) >= 2
    assert len(site.records("walk_one")) == 2


def test_a_run_over_its_limit_fails_as_such_after_its_retries(site):
    site.profile(partition="tiny", time=1, signal_seconds=15, retries={"timeout": 0})
    site.walks(2, 1.5, 400)
    result = site.slurm()
    assert result.returncode == 1
    assert "2 runs failed" in result.stderr
    assert set(failures(site).values()) == {"timeout"}
    assert {row["reason"].partition(":")[0] for row in site.rows()} == {"timeout"}


def test_failing_runs_in_a_packed_task_stop_nobody(site):
    site.profile(pack={"side": 2, "tasks": 1}, retries={"oom": 0})
    result = site.slurm(scale="paper")
    assert result.returncode == 1
    assert "3 runs failed" in result.stderr
    assert sorted(failures(site).values()) == ["code", "nan", "oom"]
    rows = site.rows("walk_one-paper")
    assert sorted(row["state"] for row in rows) == ["done", "failed", "failed", "failed"]
    assert len({row["task"] for row in rows}) == 1
    job = site.cluster.ended(rows[0]["task"])
    assert "JobState=FAILED" in job and "ExitCode=1:0" in job


def test_memory_grows_where_it_was_too_little(site):
    """The run that fails as out of memory is tried once more, alone and with twice the memory."""
    site.profile(pack={"side": 2, "tasks": 1})
    assert site.slurm("-e", "faults", scale="paper").returncode == 1
    import json

    name = next(path.name for path in (site.root / "outputs" / "sweeps").glob("walk_one-paper-*"))
    jobs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((site.sweep(name) / "jobs").glob("*.json"))]
    assert [(job["limits"]["memory_gb"], job["limits"]["side"], len(job["runs"])) for job in jobs] == [
        (4, 2, 4),
        (4, 1, 1),
    ]


@pytest.fixture
def small_disk(site, tmp_path):
    """The checkout's outputs on a disk of their own."""
    outputs = site.root / "outputs"
    outputs.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(outputs)], check=False)
    if mounted.returncode:
        missing("disk", "no disk can be mounted here")
    yield outputs
    site.cluster.empty()
    subprocess.run(["umount", "-l", str(outputs)], check=True)


def test_a_full_disk_is_said_and_after_room_is_made_the_sweep_finishes(site, small_disk):
    site.walks(4, 0.4, 20)
    process = site.start_slurm()
    wait_for(lambda: site.checkpoints())
    filler = small_disk / "filler"
    with pytest.raises(OSError), filler.open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    _out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "room" in err and len(err.strip().splitlines()) == 1
    assert not failures(site), "a full disk is no run's fault"
    site.cluster.empty()
    filler.unlink()
    result = site.slurm()
    assert result.returncode == 0, result.stderr
    assert len(numbers(site)) == 4


def test_a_read_only_store_is_said_before_anything_is_submitted(site, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    result = site.slurm()
    assert result.returncode == 2
    assert "cannot write" in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert not site.cluster.tasks()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert site.slurm(scale="smoke").returncode == 0
