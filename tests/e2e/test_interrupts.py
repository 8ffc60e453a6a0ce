"""Ctrl-C, once or twice, at any moment of any command: exit code 130, one line, no traceback, nothing finished lost.

A command announces on a pipe that it is at a moment and waits there for the signal, so no test depends on time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from checkout import wait_for

from assay.launch.sweeps import Sweep

pytestmark = pytest.mark.slow

DRIVER = """
import importlib.machinery, os, runpy, signal, sys

moments, announce = sys.argv[2].split(), int(sys.argv[3])
sys.argv = [sys.argv[1], *sys.argv[4:]]
home = os.getpid()
came, comes = os.pipe()
os.set_blocking(comes, False)
signal.set_wakeup_fd(comes)

def moment(name):
    "Announce, and wait until a signal was handled. A worker that comes by just goes on."
    if [name] == moments[:1] and os.getpid() == home:
        del moments[0]
        os.write(announce, b".")
        os.read(came, 1)

def around(name, function):
    def wrapped(*args, **more):
        moment(name)
        return function(*args, **more)
    return wrapped

class Finder:
    "Announces the import of a module, or wraps a function of it once it is there."
    @staticmethod
    def find_spec(name, path, target=None):
        moment(name)
        names = [m for m in moments if m.partition(":")[0] == name]
        if not names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            for each in names:
                *owners, last = each.partition(":")[2].split(".")
                owner = module
                for part in owners:
                    owner = getattr(owner, part)
                setattr(owner, last, around(each, getattr(owner, last)))
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""

SWEEP = "assay reproduce walk_one --scale smoke --workers 1"
"""Two runs of no length."""

NAPS = "assay reproduce walk_one --workers 2"
"""Six runs of half a second."""

NET = (
    "module=classifier data=tabular_sklearn data.table=iris model=mlp loss=cross_entropy optimizer=sgd budget.epochs=3"
)

LISTEN, CLOSE = "assay.launch.local:Pool._listen", "assay.launch.local:Pool.close"
DONE = "assay.launch.local:Pool._finished"


def interrupted(checkout, command: str, *moments: str) -> str:
    """Run a command, interrupt it at each of its moments; the line that it says."""
    ours, theirs = os.pipe()
    words = [sys.executable, "-c", DRIVER, command.split()[0], " ".join(moments), str(theirs), *command.split()[1:]]
    process = subprocess.Popen(
        words, cwd=checkout.root, env=checkout.env, pass_fds=[theirs], start_new_session=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests may ignore it
    )  # fmt: skip
    os.close(theirs)
    reached = []
    with os.fdopen(ours, "rb", buffering=0) as pipe:
        for moment in moments:
            if pipe.read(1) != b".":
                break
            reached.append(moment)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process in front
        out, err = process.communicate(timeout=120)
    assert tuple(reached) == moments, (process.returncode, out, err)
    assert process.returncode == 130, (process.returncode, out, err)
    assert len(err.splitlines()) == 1 and "Traceback" not in out + err, (out, err)
    wait_for(lambda: not group(process.pid), 20)  # workers end with it
    return err


def group(number: int) -> bool:
    """Whether a process group has members."""
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("moment", "done"),
    [
        ("typer", 0),  # the command's own imports
        ("numpy", 0),  # in the middle of torch's
        ("assay.config.compose:load", 0),
        ("assay.study.declared:make_plan", 0),
        ("assay.launch.local:Pool._start", 0),
        (CLOSE, 2),
        ("assay.review.judged:judge", 2),
        ("assay.report.page:write_page", 2),
        ("assay.report.terminal:print_verdicts", 2),
    ],
)
def test_at_any_moment_of_a_sweep(checkout, moment, done):
    assert interrupted(checkout, SWEEP, moment).startswith("assay: interrupted")
    assert len(checkout.records("walk_one")) == done


@pytest.mark.parametrize("moments", [(DONE, LISTEN), (DONE, CLOSE), (DONE, "assay.study.declared:make_plan")])
def test_twice_while_a_sweep_shuts_down(checkout, moments):
    interrupted(checkout, NAPS, *moments)
    before = {name: path.stat().st_mtime_ns for name, path in checkout.records("walk_one").items()}
    assert 1 <= len(before) < 6
    result = checkout.reproduce("walk_one")
    assert result.returncode == 0, result.stderr
    after = checkout.records("walk_one")
    assert len(after) == 6
    assert {name: after[name].stat().st_mtime_ns for name in before} == before, "what was finished is done again"


@pytest.mark.parametrize(
    "moments",
    [
        ("assay.config.compose",),
        ("hydra.core.config_store",),
        ("assay.run.execute:build",),
        ("assay.run.execute:_AtBlockEnds.on_train_batch_end",),  # the only block: it is done all the same
        ("assay.run.execute:build", "assay.run.execute:_AtBlockEnds.on_train_batch_end"),
        ("assay.app.foreground:train_command",),
    ],
)
def test_a_run_in_the_foreground(checkout, moments):
    interrupted(checkout, f"assay.train {NET}", *moments)


@pytest.mark.parametrize("moments", [("assay.app.adhoc:run_jobs",), (DONE,), (LISTEN, LISTEN), (DONE, CLOSE)])
def test_a_multirun(checkout, moments):
    """The one run of it is done when the signal comes at its end; what asked to stop was asked all the same."""
    line = interrupted(checkout, f"assay.train {NET} hydra.launcher.workers=1 -m", *moments)
    assert "interrupted" in line


def test_a_matrix_of_parts(checkout):
    interrupted(checkout, "assay cross loss=cross_entropy optimizer=sgd,adamw budget.epochs=2 data.table=iris", DONE)


def test_commands_that_look_on_or_send(checkout):
    result = checkout.reproduce("walk_one", "smoke")
    assert result.returncode == 0, result.stderr
    about = {"paper": "walk_one", "scale": "desk", "options": {}, "profile_name": "default", "profile": {}}
    Sweep(checkout.root / "outputs" / "sweeps" / "walk_one-desk").describe(about)
    interrupted(checkout, "assay status walk_one-desk --watch", "assay.launch.watching:rows")
    interrupted(checkout, "assay report walk_one --watch", "assay.app.watch:Watch.look")
    interrupted(checkout, "assay wandb sync --offline", "assay.tracking.sync:log_row")
    assert not (checkout.root / "outputs" / "walk_one" / "synced.json").exists()
    assert checkout.run("assay", "wandb", "sync", "--offline").returncode == 0
