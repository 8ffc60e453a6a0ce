"""Sweeps as a user meets them: killed, doubled, failing, corrupted, edited; through the real commands."""

from __future__ import annotations

import re
import signal

import pytest
from checkout import ROOT, kill_group, wait_for

pytestmark = pytest.mark.slow


def test_killed_in_the_middle_the_next_one_goes_on(checkout, tmp_path_factory):
    from checkout import make_checkout

    straight = make_checkout(tmp_path_factory.mktemp("straight"))
    assert straight.reproduce("walk_one").returncode == 0

    process = checkout.start("assay", "reproduce", "walk_one", "--workers", "2")
    wait_for(lambda: len(checkout.records("walk_one")) >= 1)
    wait_for(lambda: list((checkout.root / "outputs/walk_one/runs").glob("*/checkpoint-*.pt")))
    kill_group(process)  # parent and workers at once
    before = {name: path.stat().st_mtime_ns for name, path in checkout.records("walk_one").items()}
    assert 1 <= len(before) < 6
    result = checkout.reproduce("walk_one")
    assert result.returncode == 0, result.stderr
    after = checkout.records("walk_one")
    assert len(after) == 6
    for name, mtime in before.items():  # nothing that was finished is computed twice
        assert after[name].stat().st_mtime_ns == mtime
    assert (checkout.root / "reports/walk_one/desk/verdicts.json").read_bytes() == (
        straight.root / "reports/walk_one/desk/verdicts.json"
    ).read_bytes()


def test_a_killed_worker_costs_no_run(checkout):
    process = checkout.start("assay", "reproduce", "walk_one", "--workers", "2")
    wait_for(lambda: list((checkout.root / "outputs/walk_one/runs").glob("*/checkpoint-*.pt")))
    children = children_of(process.pid)
    assert children
    import os

    os.kill(children[0], signal.SIGKILL)
    _out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert len(checkout.records("walk_one")) == 6


def children_of(pid: int) -> list[int]:
    from pathlib import Path

    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(checkout):
    process = checkout.start("assay", "reproduce", "walk_one", "--workers", "2")
    wait_for(lambda: len(checkout.records("walk_one")) >= 1)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Go on with the same command" in err
    assert len(err.strip().splitlines()) == 1
    assert checkout.reproduce("walk_one").returncode == 0


def test_two_at_once_compute_each_run_once(checkout):
    one = checkout.start("assay", "reproduce", "walk_one", "--workers", "2")
    two = checkout.start("assay", "reproduce", "walk_one", "--workers", "2")
    results = [process.communicate(timeout=180) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), results
    assert len(checkout.records("walk_one")) == 6
    computed = [int(n) for out, _ in results for n in re.findall(r"^(\d+) runs? computed", out, re.MULTILINE)]
    assert sum(computed) == 6


def test_failures_are_recorded_with_their_class_and_stop_nobody(checkout):
    result = checkout.reproduce("walk_one", "paper")
    assert result.returncode == 1
    assert "3 runs failed" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    page = (checkout.root / "reports/walk_one/paper/index.html").read_text(encoding="utf-8")
    for text in ("the walk left the numbers", "nan", "oom", "code"):
        assert text in page
    assert "<script>alert(1)</script>" not in page
    states = checkout.states("walk_one", "paper")
    assert states == {"done": 1, "failed": 3}


def test_a_damaged_record_is_found_out_and_its_run_repeated(checkout):
    assert checkout.reproduce("walk_one", "smoke").returncode == 0
    good = {name: path.read_bytes() for name, path in checkout.records("walk_one").items()}
    first, second = sorted(checkout.records("walk_one").values())
    first.write_bytes(first.read_bytes()[:-40])
    second.write_bytes(second.read_bytes().replace(b'"walk/end":', b'"walk/end":1'))
    assert checkout.reproduce("walk_one", "smoke").returncode == 0
    for name, path in checkout.records("walk_one").items():
        assert numbers(path.read_bytes()) == numbers(good[name])


def numbers(content: bytes) -> tuple:
    from assay.records.store import decode

    record = decode(content)
    return record.scalars, record.curves, record.units


def test_what_makes_records_stale_and_what_does_not(checkout):
    for paper in ("walk_one", "walk_two"):
        assert checkout.reproduce(paper, "smoke").returncode == 0
    checkout.edit("papers/walk_one/module.py", "# the walk", "# the walk, in words")
    checkout.edit("src/assay/report/terminal.py", '"""', '"""A changed report. ')
    checkout.edit("src/assay/launch/local.py", "HELD_AGAIN = 0.5", "HELD_AGAIN = 0.25")
    assert checkout.states("walk_one", "smoke") == {"done": 2}
    checkout.edit("papers/walk_one/module.py", "(1 - self.pull) * self.x + noise", "(1.0 - self.pull) * self.x + noise")
    assert checkout.states("walk_one", "smoke") == {"stale": 2}
    assert checkout.states("walk_two", "smoke") == {"done": 2}
    # Equal numbers to the bit: attested, not computed again.
    result = checkout.run("assay", "attest", "walk_one", "--scale", "smoke")
    assert result.returncode == 0, result.stderr
    assert checkout.states("walk_one", "smoke") == {"done": 2}
    # Other numbers: not attested, stale, and run again.
    checkout.edit(
        "papers/walk_one/module.py", "(1.0 - self.pull) * self.x + noise", "(1.0 - self.pull) * self.x + 2 * noise"
    )
    assert checkout.run("assay", "attest", "walk_one", "--scale", "smoke").returncode == 1
    assert checkout.states("walk_one", "smoke") == {"stale": 2}
    assert checkout.reproduce("walk_one", "smoke").returncode == 0
    assert checkout.states("walk_one", "smoke") == {"done": 2}


def test_a_part_that_moves_keeps_its_records(checkout):
    assert checkout.reproduce("walk_one", "smoke").returncode == 0
    module = checkout.root / "papers/walk_one/module.py"
    (checkout.root / "papers/walk_one/walking.py").write_text(module.read_text(encoding="utf-8"), encoding="utf-8")
    module.write_text(
        '"""The walk has moved."""\n\nfrom papers.walk_one.walking import Walk\n\n__all__ = ["Walk"]\n',
        encoding="utf-8",
    )
    module.write_text(
        '"""The walk has moved."""\n\nfrom papers.walk_one.walking import Walk as Walk\n', encoding="utf-8"
    )
    assert checkout.states("walk_one", "smoke") == {"done": 2}


def test_again_repeats_what_is_finished(checkout):
    assert checkout.reproduce("walk_one").returncode == 0
    before = {name: path.stat().st_mtime_ns for name, path in checkout.records("walk_one").items()}
    repeated = checkout.reproduce("walk_one", "desk", "--again")
    assert repeated.returncode == 0 and "6 runs computed" in repeated.stdout, repeated.stderr
    after = checkout.records("walk_one")
    assert after.keys() == before.keys() and all(after[name].stat().st_mtime_ns > t for name, t in before.items())
    assert not list((checkout.root / "outputs/walk_one/before").iterdir())


def test_more_seeds_keep_the_first_ones(checkout):
    assert checkout.reproduce("walk_one", "smoke").returncode == 0
    before = {name: path.stat().st_mtime_ns for name, path in checkout.records("walk_one").items()}
    assert checkout.reproduce("walk_one", "smoke", "--seeds", "3").returncode == 0
    after = checkout.records("walk_one")
    assert len(after) == 6
    assert all(after[name].stat().st_mtime_ns == mtime for name, mtime in before.items())


def test_a_new_paper_runs_at_once(checkout):
    made = checkout.run("assay", "new", "my_paper")
    assert made.returncode == 0, made.stderr
    files = made.stdout.split()
    assert len(files) == 8
    lint = checkout.run(
        "ruff", "check", "--config", str(ROOT / "pyproject.toml"), *(f for f in files if f.endswith(".py"))
    )
    assert lint.returncode == 0, lint.stdout
    form = checkout.run("ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml"), *files[:5])
    assert form.returncode == 0, form.stdout
    for scale in ("smoke", "desk"):
        result = checkout.reproduce("my_paper", scale)
        assert result.returncode == 0, result.stderr
    assert [c["verdict"] for c in checkout.verdicts("my_paper")["checks"]] == ["reproduced"] * 3
    tests = checkout.run("pytest", "-q", "tests/papers/test_my_paper.py")
    assert tests.returncode == 0, tests.stdout
    again = checkout.run("assay", "new", "my_paper")
    assert again.returncode == 2 and "is there already" in again.stderr


def test_hydra_app_and_its_multirun(checkout):
    one = checkout.run("assay.train", "paper=walk_one", "experiment=walk", "scale=smoke", "module.pull=0.25", "seed=7")
    assert one.returncode == 0, one.stderr
    command = re.search(r"repeat it with: python -m (.*)", one.stdout).group(1)
    import shlex

    again = checkout.run(*shlex.split(command))
    assert len(checkout.records("walk_one")) == 1, "the printed command names the same run"
    assert again.returncode == 0
    many = checkout.run(
        "assay.train", "-m", "paper=walk_one", "experiment=walk", "scale=smoke", "module.pull=0.25,0.5", "seed=7,8"
    )
    assert many.returncode == 0, many.stderr
    for pull, seed in ((0.25, 7), (0.25, 8), (0.5, 7), (0.5, 8)):  # a job is shown by the words that are its own
        assert f" module.pull={pull} seed={seed} " in " ".join(many.stdout.split())
    assert len(checkout.records("walk_one")) == 4
    bad = checkout.run("assay.train", "-m", "paper=walk_one", "experiment=walk", "scale=smoke", "module.pull=0.1,much")
    assert bad.returncode == 2 and len(bad.stderr.strip().splitlines()) == 1, bad.stderr
    assert "module.pull=much: expected float" in bad.stderr
    assert len(checkout.records("walk_one")) == 4, "no job starts before all are known to be good"
    basic = checkout.run(
        "assay.train",
        "-m",
        "paper=walk_one",
        "experiment=walk",
        "scale=smoke",
        "module.pull=0.1,0.5",
        "hydra/launcher=basic",
    )
    assert basic.returncode == 0, basic.stderr
    assert len(checkout.records("walk_one")) == 6
