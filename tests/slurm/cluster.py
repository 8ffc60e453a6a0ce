"""A real Slurm for tests, and checkouts whose sweeps go to it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import yaml
from checkout import ROOT, Checkout, make_checkout, wait_for

SCRIPT = ROOT / "scripts" / "slurm.sh"
PROFILE = {
    "partition": "low",
    "time": 10,
    "memory_gb": 2,
    "signal_seconds": 20,
    "poll_seconds": 1,
    "pack": {"side": 2, "tasks": 2},
}


@dataclasses.dataclass
class Cluster:
    """A running Slurm of two nodes."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def script(self, *words: str) -> subprocess.CompletedProcess[str]:
        command, *rest = words
        return subprocess.run(
            ["bash", str(SCRIPT), command, str(self.folder), *rest], env=self.env, encoding="utf-8", capture_output=True, timeout=120
        )  # fmt: skip

    def ask(self, *words: str) -> str:
        return subprocess.run(words, env=self.env, encoding="utf-8", capture_output=True, timeout=60, check=True).stdout

    def tasks(self, state: str = "", partition: str = "low") -> list[str]:
        """Ids of the tasks in the queue."""
        words = ["squeue", "-h", "-r", "-p", partition, "-o", "%i", *(["-t", state] if state else [])]
        return self.ask(*words).split()

    def ended(self, task: str) -> str:
        """What the controller tells of a task once it has ended; its records are there before that."""
        told = [""]

        def over() -> bool:
            told[0] = self.ask("scontrol", "-o", "show", "job", task)
            return not re.search(r"JobState=(PENDING|CONFIGURING|RUNNING|COMPLETING)", told[0])

        wait_for(over)
        return told[0]

    def empty(self) -> None:
        """Cancel whatever is there and wait until the nodes are free."""
        subprocess.run(["scancel", "--user=root"], env=self.env, check=False)
        wait_for(lambda: not self.ask("squeue", "-h"))
        wait_for(
            lambda: self.ask("sinfo", "-h", "-N", "-p", "low", "-t", "idle", "-o", "%N").split() == ["node1", "node2"]
        )


def start_cluster(accounting: bool = False) -> Cluster:
    """Start a Slurm in a folder of its own; its sockets need short paths.

    Raises:
        RuntimeError: it can't be started here, in the script's words.
    """
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="assay-slurm-", dir="/tmp")))
    os.environ.setdefault("SLURM_MAX_ARRAY", "5")  # a strict site: every array has to be cut
    done = cluster.script("start", *(["--accounting"] if accounting else []))
    if done.returncode:
        stop_cluster(cluster)
        raise RuntimeError(" ".join(done.stderr.split()) or "scripts/slurm.sh failed")
    return cluster


def stop_cluster(cluster: Cluster) -> None:
    cluster.script("stop")
    shutil.rmtree(cluster.folder, ignore_errors=True)


@dataclasses.dataclass
class Site(Checkout):
    """A checkout on a cluster's shared storage."""

    cluster: Cluster = None

    @property
    def env(self) -> dict[str, str]:
        return {**super().env, "SLURM_CONF": str(self.cluster.folder / "slurm.conf")}

    def profile(self, name: str = "default", **values) -> None:
        """Write a profile; values replace the defaults of the tests."""
        folder = self.root / "slurm" / "profiles"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**PROFILE, **values}), encoding="utf-8")

    def walks(self, runs: int, nap: float, steps: int, **more) -> None:
        """Make the desk scale of the made-up paper an even number of runs, each of some naps."""
        path = self.root / "conf" / "paper" / "walk_one.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        walk = content["experiments"]["walk"]
        walk["fix"] = {"module": "walk_one/walk", "budget.steps": steps}
        walk["scales"]["desk"] = {"fix": {"module.nap": nap}, "seeds": {"first": 1, "n": runs // 2}}
        walk.update(more)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def slurm(self, *words: str, paper: str = "walk_one", scale: str = "desk", **more: str):
        return self.run("assay", "reproduce", paper, "--scale", scale, "--launcher", "slurm", *words, **more)

    def start_slurm(self, *words: str, paper: str = "walk_one", scale: str = "desk", **more: str):
        return self.start("assay", "reproduce", paper, "--scale", scale, "--launcher", "slurm", *words, **more)

    def sweep(self, name: str = "walk_one-desk") -> Path:
        return self.root / "outputs" / "sweeps" / name

    def notes(self, name: str = "walk_one-desk") -> list[dict]:
        lines = [
            line
            for path in sorted((self.sweep(name) / "notes").glob("*.jsonl"))
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
        return sorted((json.loads(line) for line in lines), key=lambda note: note["t"])

    def computed(self, name: str = "walk_one-desk") -> Counter[str]:
        """How often each run was computed to its end; a task notes that after it has written the record."""
        wait_for(lambda: not self.cluster.ask("squeue", "-h"))
        return Counter(note["end"] for note in self.notes(name) if note.get("state") == "done")

    def checkpoints(self) -> list[Path]:
        return list((self.root / "outputs" / "walk_one" / "runs").glob("*/checkpoint-*.pt"))

    def rows(self, name: str = "walk_one-desk") -> list[dict]:
        return json.loads(self.run("assay", "status", name, "--json").stdout)


def make_site(root: Path, cluster: Cluster) -> Site:
    site = Site(make_checkout(root).root, cluster)
    site.profile()
    return site


def numbers(checkout: Checkout, paper: str = "walk_one") -> dict[str, tuple]:
    """What every record holds, by signature."""
    from assay.records.store import decode

    records = {name: decode(path.read_bytes()) for name, path in checkout.records(paper).items()}
    return {name: (r.status, r.scalars, r.curves, r.units) for name, r in records.items()}


def python() -> str:
    return sys.executable
