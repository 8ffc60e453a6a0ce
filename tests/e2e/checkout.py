"""A checkout of its own for tests that kill, corrupt and edit: the real code with two small made-up papers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MODULE = '''"""A random walk with a pull to the origin, and ways to go wrong."""

import time
from typing import Literal

import torch

from assay.module import PaperModule, modules


@modules.register("{slug}/walk")
class Walk(PaperModule):
    """x <- (1 - pull) x + noise.

    Args:
        pull: strength.
        nap: seconds a step sleeps.
        fault: what goes wrong half-way.
    """

    block_steps = 2

    def __init__(self, *, pull: float = 0.5, nap: float = 0.0, fault: Literal["none", "nan", "code", "oom"] = "none"):
        super().__init__()
        self.pull, self.nap, self.fault = pull, nap, fault

    def build(self):
        self.register_buffer("x", torch.zeros(3, dtype=torch.float64))

    def advance(self, start, stop):
        for step in range(start, stop):
            time.sleep(self.nap)
            noise = torch.randn(3, generator=self.seeds.torch("noise", step), dtype=torch.float64)
            self.x = (1 - self.pull) * self.x + noise  # the walk
            if step > self.total // 2:
                self.go_wrong()
        self.track("walk/norm", self.x.norm())

    def go_wrong(self):
        from assay.module import Diverged

        if self.fault == "nan":
            raise Diverged("the walk left the numbers")
        if self.fault == "code":
            raise ValueError("<script>alert(1)</script>")
        if self.fault == "oom":
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (2**35, resource.RLIM_INFINITY))
            torch.zeros(2**36)

    def finish(self):
        self.scalar("walk/end", self.x.norm())
'''

CLAIMS = '''"""Claims of the made-up paper."""

from assay.claims import Check, Claim, Count, Condition, Interval, above, at_most, scalar

CLAIMS = [Claim("C1", "The walk stays near the origin.", "nowhere")]
CHECKS = [
    Check("1", "it stays within 100", ["C1"], Count([Condition(scalar("walk", "walk/end", over=["seed", "module.pull"]), at_most(100.0), "end")])),
    Check("2", "it moves", ["C1"], Interval(scalar("walk", "walk/end"), above(0.0), name="end")),
]
'''

CONFIG = """slug: {slug}
experiments:
  walk:
    about: "a walk"
    fix: {{module: {slug}/walk, budget.steps: 12}}
    axes: {{module.pull: [0.25, 0.5]}}
    scales:
      smoke: {{}}
      desk: {{fix: {{module.nap: 0.05}}, seeds: {{first: 1, n: 3}}}}
  faults:
    about: "what can go wrong"
    fix: {{module: {slug}/walk, budget.steps: 12}}
    arms: {{good: {{}}, nan: {{module.fault: nan}}, code: {{module.fault: code}}, oom: {{module.fault: oom}}}}
    scales:
      paper: {{}}
"""


@dataclass
class Checkout:
    """A checkout, its outputs, and a way to run commands in it as a user would."""

    root: Path

    @property
    def env(self) -> dict[str, str]:
        # Commands run one after another in the same sources: compile them once, whatever the surroundings say.
        without = ("ASSAY_", "WANDB", "PYTHONDONTWRITEBYTECODE")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(without)}
        return {
            **kept,
            "PYTHONPATH": f"{self.root / 'src'}{os.pathsep}{self.root}",
            "ASSAY_CHECKPOINT_SECONDS": "0",
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *words], cwd=self.root, env={**self.env, **more}, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=180)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def reproduce(self, paper: str, scale: str = "desk", *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("assay", "reproduce", paper, "--scale", scale, "--workers", "2", *words)

    def verdicts(self, paper: str, scale: str = "desk") -> dict:
        return json.loads((self.root / "reports" / paper / scale / "verdicts.json").read_text(encoding="utf-8"))

    def records(self, paper: str) -> dict[str, Path]:
        return {path.stem: path for path in (self.root / "outputs" / paper / "records").glob("*.jsonl")}

    def states(self, paper: str, scale: str = "desk") -> dict[str, int]:
        rows = json.loads(self.run("assay", "status", paper, "--scale", scale, "--json").stdout)
        return {k: v for row in rows for k, v in row.items() if k not in ("experiment", "runs")}

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


def make_checkout(root: Path) -> Checkout:
    for folder in ("src/assay", "src/hydra_plugins", "conf/trainer"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "conf" / "config.yaml", root / "conf")
    (root / "papers").mkdir()
    (root / "papers" / "__init__.py").write_text('"""Made-up papers."""\n', encoding="utf-8")
    (root / "papers" / "catalogue.yaml").write_text(
        (ROOT / "papers" / "catalogue.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (root / "conf" / "paper").mkdir()
    for slug in ("walk_one", "walk_two"):
        folder = root / "papers" / slug
        folder.mkdir()
        (folder / "__init__.py").write_text('"""A made-up paper."""\n', encoding="utf-8")
        (folder / "module.py").write_text(MODULE.replace("{slug}", slug), encoding="utf-8")
        (folder / "claims.py").write_text(CLAIMS, encoding="utf-8")
        (root / "conf" / "paper" / f"{slug}.yaml").write_text(CONFIG.format(slug=slug), encoding="utf-8")
    return Checkout(root)


def wait_for(condition, seconds: float = 90.0) -> None:
    """Poll until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def kill_group(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Send a signal to a process and all that it started."""
    os.killpg(process.pid, number)
    process.communicate(timeout=60)
