"""What is submitted: refused early where it is wrong, cut where it is large, frozen once it is sent, and nobody else's."""

from __future__ import annotations

import pickle
import re
import signal

import pytest
from checkout import wait_for
from cluster import numbers

pytestmark = pytest.mark.slow


def one_line(result) -> str:
    assert result.returncode == 2, (result.stdout, result.stderr)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_bad_input_is_one_line_before_anything_is_submitted(site):
    site.profile("typo", partitoin="low")
    site.profile("nowhere", partition="lwo")
    site.profile("long", partition="tiny", time="2:00:00")
    site.profile("big", memory_gb=500)
    site.profile("secret", setup=["export WANDB_API_KEY=abc"])
    site.profile("nonsense", pack={"side": "many"})
    assert "did you mean partition" in one_line(site.slurm("--profile", "typo"))
    assert "unknown partition 'lwo': did you mean low" in one_line(site.slurm("--profile", "nowhere"))
    assert "allows 1 minutes" in one_line(site.slurm("--profile", "long"))
    assert "the site refuses" in one_line(site.slurm("--profile", "big"))
    assert "secret" in one_line(site.slurm("--profile", "secret"))
    assert "pack.side" in one_line(site.slurm("--profile", "nonsense"))
    assert "unknown profile 'defualt': did you mean default" in one_line(site.slurm("--profile", "defualt"))
    assert "no Slurm on this machine" in one_line(site.slurm(PATH="/nowhere"))
    assert "does not answer" in one_line(site.slurm(SLURM_CONF=str(site.root / "none.conf")))
    assert "unknown sweep" in one_line(site.run("assay", "status", "walk_one-dsk"))
    assert not site.cluster.tasks() and not list((site.root / "outputs").glob("sweeps/*/jobs/*"))


def test_arrays_larger_than_the_site_allows_are_cut(site):
    site.profile(pack={"side": 1, "tasks": 12})
    site.walks(12, 0.0, 4)
    result = site.slurm()
    assert result.returncode == 0, result.stderr
    jobs = sorted((site.sweep() / "jobs").glob("*.json"))
    import json

    assert [len(json.loads(path.read_text(encoding="utf-8"))["tasks"]) for path in jobs] == [5, 5, 2]
    assert len(site.records("walk_one")) == 12 and set(site.computed().values()) == {1}


def held_back(site):
    """Occupy both nodes, so that what is submitted waits; returns the job that does."""
    return site.cluster.ask(
        "sbatch", "--parsable", "-p", "high", "--exclusive", "-N2", "-o", "/dev/null", "--wrap", "sleep 600"
    ).strip()


def test_a_job_runs_the_code_it_was_submitted_with(site):
    blocker = held_back(site)
    submitted = site.slurm("--detach", scale="smoke")
    assert submitted.returncode == 0, submitted.stderr
    site.edit("papers/walk_one/module.py", "+ noise  # the walk", "+ 2 * noise  # the walk")
    site.cluster.ask("scancel", blocker)
    wait_for(lambda: len(site.records("walk_one")) == 2)
    wait_for(lambda: not site.cluster.tasks())
    before = numbers(site)
    assert site.states("walk_one", "smoke") == {"stale": 2}
    again = site.slurm(scale="smoke")
    assert again.returncode == 0, again.stderr
    after = numbers(site)
    for name, (_, scalars, _, _) in after.items():
        assert scalars["walk/end"] == pytest.approx(2 * before[name][1]["walk/end"])


def test_a_job_refuses_code_that_is_not_what_was_submitted(site):
    blocker = held_back(site)
    assert site.slurm("--detach", scale="smoke").returncode == 0
    (copy,) = (site.root / "outputs" / "sweeps" / ".code").glob("*/papers/walk_one/module.py")
    copy.write_text(copy.read_text(encoding="utf-8").replace("+ noise", "+ 3 * noise"), encoding="utf-8")
    site.cluster.ask("scancel", blocker)
    wait_for(lambda: not site.cluster.tasks())
    assert not site.records("walk_one")
    assert {note["stop"] for note in site.notes("walk_one-smoke") if "stop" in note} == {"code"}


def test_detached_it_goes_through_its_waves_and_judges(site):
    site.walks(4, 0.0, 4, select=[{"over": {"budget.steps": [4, 6]}, "by": "walk/end", "mode": "min"}])
    result = site.slurm("--detach")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().splitlines()[-1].startswith("sweep walk_one-desk: 4 runs on their way (job ")
    wait_for(lambda: (site.root / "reports/walk_one/desk/verdicts.json").exists(), 150)
    assert len(site.records("walk_one")) == 8
    assert site.states("walk_one") == {"done": 8}


def test_cancelled_and_gone_on_with(site):
    site.walks(4, 0.5, 40)
    assert site.slurm("--detach").returncode == 0
    wait_for(lambda: site.checkpoints())
    cancelled = site.run("assay", "cancel", "walk_one-desk")
    assert cancelled.returncode == 0 and "cancelled 2 tasks" in cancelled.stdout
    wait_for(lambda: not site.cluster.tasks())
    assert {row["state"] for row in site.rows()} == {"cancelled"}
    result = site.slurm()
    assert result.returncode == 0, result.stderr
    assert set(site.computed().values()) == {1}
    starts = [note["start"] for note in site.notes() if "start" in note]
    assert len(starts) > 4, "runs were resumed"


def test_status_tells_the_scheduler_s_word(site):
    blocker = held_back(site)
    assert site.slurm("--detach", scale="smoke").returncode == 0
    assert {(row["state"], row["scheduler"]) for row in site.rows("walk_one-smoke")} == {("waiting", "pending")}
    text = site.run("assay", "status", "walk_one-smoke", "--runs").stdout
    assert "2 waiting" in text and "pending" in text
    site.cluster.ask("scancel", blocker)
    watched = site.run("assay", "status", "walk_one-smoke", "--watch")
    assert "2 done" in watched.stdout and "CPU-hours (from the records)" in watched.stdout


def test_jobs_are_their_owner_s_alone_and_hold_no_secret(site):
    secret = "0123456789abcdef" * 2
    result = site.slurm(scale="smoke", WANDB_API_KEY=secret)
    assert result.returncode == 0, result.stderr
    folder = site.sweep("walk_one-smoke")
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    (pickled,) = folder.glob("submitit/*_submitted.pkl")
    with pickled.open("rb") as file:
        submission = pickle.load(file)
    assert submission.function.__getstate__() == {"sweep": str(folder), "job": 1, "index": 0}
    (folder / "submitit").chmod(0o755)
    for path in site.records("walk_one").values():
        path.unlink()
    assert "must belong to you alone" in one_line(site.slurm(scale="smoke"))
    assert not site.cluster.tasks()


def test_a_submission_that_was_cut_short_is_made_again(site):
    """Killed after the scheduler took the job and before its id was kept: it is ended, its runs are submitted anew."""
    blocker = held_back(site)
    assert site.slurm("--detach", scale="smoke").returncode == 0
    (site.sweep("walk_one-smoke") / "jobs" / "0001.id").unlink()
    site.cluster.ask("scancel", blocker)
    result = site.slurm(scale="smoke")
    assert result.returncode == 0, result.stderr
    assert len(site.records("walk_one")) == 2


def test_hydra_s_multirun_goes_to_the_cluster(site):
    words = ["paper=walk_one", "experiment=walk", "scale=smoke", "module.pull=0.25,0.5", "seed=1,2"]
    result = site.run("assay.train", "-m", "hydra/launcher=slurm", *words)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(" done ") == 4
    assert len(site.records("walk_one")) == 4


def test_hydra_s_multirun_detaches_on_ctrl_c(site):
    words = ["paper=walk_one", "experiment=walk", "module.pull=0.25,0.5", "module.nap=0.5", "budget.steps=20"]
    process = site.start("assay.train", "-m", "hydra/launcher=slurm", *words)
    wait_for(lambda: site.checkpoints())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    name = re.search(r"sweep (walk_one-adhoc-\w+)", out + err).group(1)
    wait_for(lambda: len(site.records("walk_one")) == 2)
    assert {row["state"] for row in site.rows(name)} == {"done"}
