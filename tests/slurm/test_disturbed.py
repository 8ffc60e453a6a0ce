"""Whatever happens to a sweep's jobs and to who started it, it comes to the numbers of an undisturbed one."""

from __future__ import annotations

import signal

import pytest
from checkout import kill_group, make_checkout, wait_for
from cluster import numbers

pytestmark = pytest.mark.slow

RUNS, NAP, STEPS = 6, 0.4, 20


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same runs on this machine alone: numbers by signature, and the verdicts."""
    checkout = make_checkout(tmp_path_factory.mktemp("undisturbed"))
    from cluster import Site

    Site.walks(checkout, RUNS, NAP, STEPS)
    # One look, as on a cluster; this machine would go on by itself.
    result = checkout.run("assay", "reproduce", "walk_one", "--workers", "6", "--looks", "1")
    assert result.returncode == 0, result.stderr
    return numbers(checkout), (checkout.root / "reports/walk_one/desk/verdicts.json").read_bytes()


def going(site):
    """Start a sweep and wait until it is in the middle: runs with checkpoints, none done."""
    site.walks(RUNS, NAP, STEPS)
    process = site.start_slurm()
    wait_for(lambda: len({path.parent for path in site.checkpoints()}) >= 3)
    return process


def same(site, undisturbed, *, again: bool = False) -> None:
    """Same numbers and verdicts; every run has one record and was computed to its end once."""
    assert numbers(site) == undisturbed[0]
    assert (site.root / "reports/walk_one/desk/verdicts.json").read_bytes() == undisturbed[1]
    assert site.computed() == dict.fromkeys(undisturbed[0], 1)


def finished(process) -> None:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, (out, err)


def steps_of(site) -> int:
    return max(int(path.stem.rpartition("-")[2]) for path in site.checkpoints())


def resumed(site) -> bool:
    """Whether a later start of a task went on with a run that an earlier one had begun."""
    starts = [note["start"] for note in site.notes() if "start" in note]
    return len(starts) > len(set(starts))


def test_requeued_by_hand(site, undisturbed):
    process = going(site)
    site.cluster.ask("scontrol", "requeue", site.cluster.tasks("R")[0])
    finished(process)
    same(site, undisturbed)
    assert resumed(site)


def test_warned_by_a_signal(site, undisturbed):
    process = going(site)
    site.cluster.ask("scancel", "--signal=USR2", site.cluster.tasks("R")[0])
    wait_for(lambda: any(note.get("stop") == "preempted" for note in site.notes()))
    finished(process)
    same(site, undisturbed)
    assert resumed(site)


def test_preempted_by_the_high_partition(site, undisturbed):
    process = going(site)
    site.cluster.ask("sbatch", "-p", "high", "--exclusive", "-N1", "-o", "/dev/null", "--wrap", "sleep 3")
    wait_for(lambda: any(note.get("stop") in ("preempted", "terminated") for note in site.notes()))
    finished(process)
    same(site, undisturbed)
    assert resumed(site)


def test_a_node_hangs_and_comes_back(site, undisturbed):
    process = going(site)
    site.cluster.script("kill", "node1")
    wait_for(lambda: "down" in site.cluster.ask("sinfo", "-h", "-N", "-p", "low", "-n", "node1", "-o", "%T"))
    site.cluster.script("up", "node1")
    finished(process)
    same(site, undisturbed)


def test_the_login_process_is_killed_and_the_next_one_attaches(site, undisturbed):
    process = going(site)
    kill_group(process, signal.SIGKILL)
    submitted = sorted((site.sweep() / "jobs").glob("*.json"))
    result = site.slurm()
    assert result.returncode == 0, result.stderr
    same(site, undisturbed)
    assert sorted((site.sweep() / "jobs").glob("*.json")) == submitted, "nothing was submitted twice"


def test_two_logins_wait_for_the_same_jobs(site, undisturbed):
    process = going(site)
    second = site.start_slurm()
    finished(process)
    finished(second)
    same(site, undisturbed)


def test_ctrl_c_detaches(site, undisturbed):
    process = going(site)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "detached from sweep walk_one-desk" in err
    assert len(err.strip().splitlines()) == 1
    assert site.cluster.tasks(), "the jobs go on"
    # The follow-up job judges when they are done.
    wait_for(lambda: (site.root / "reports/walk_one/desk/verdicts.json").exists(), 120)
    wait_for(lambda: not site.cluster.tasks())
    same(site, undisturbed)
