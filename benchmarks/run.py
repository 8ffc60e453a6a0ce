"""`make bench`: Assay's own cost as ratios and times measured in one sitting; prints a table, writes latest.json.

Ratios are of one machine in one sitting; times depend on the machine. Nothing here is a test: a busy machine is no bug.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SWEEP = [
    *("module=classifier", "data=fashion_mnist", "model=mlp", "model.hidden=[128]", "loss=cross_entropy"),
    *("optimizer=sgd", "optimizer.momentum=0", "optimizer.lr=0.03,0.1,0.2,0.3", "budget.epochs=1", "budget.batch=64"),
]


def command(*words: str, **env: str) -> float:
    """Seconds that a command takes; it must succeed."""
    began = time.perf_counter()
    result = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **env}, capture_output=True, encoding="utf-8"
    )
    if result.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return time.perf_counter() - began


def sweep(runs: int) -> dict[str, Any]:
    """A cold sweep through Assay against the bare loop."""
    bare = command(sys.executable, "-m", "benchmarks.bare_sweep", str(runs))
    with tempfile.TemporaryDirectory() as folder:
        seeds = ",".join(map(str, range(runs // 4)))
        ours = command(sys.executable, "-m", "assay.train", "-m", *SWEEP, f"seed={seeds}", ASSAY_OUTPUTS=folder)
    return {"value": ours / bare, "detail": f"{ours:.1f} s against {bare:.1f} s"}


def step() -> dict[str, Any]:
    """A training step of PaperModule against the bare loop's, warm; the median of rounds that time both."""
    import torch
    from torch import nn

    from assay.config import compose
    from assay.run import execute
    from assay.run.build import build

    torch.set_num_threads(1)
    compose.load(None)
    choices, values = compose.merge(
        [
            {
                "module": "classifier",
                "data": "fashion_mnist",
                "model": "mlp",
                "model.hidden": [128],
                "loss": "cross_entropy",
                "optimizer": "sgd",
                "optimizer.momentum": 0.0,
                "budget.epochs": 1000,
                "budget.batch": 64,
            }
        ]
    )
    module = build(compose.assemble(choices, values, 1))
    x, y = module.data.train.x, module.data.train.y
    net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)

    def bare(steps: int) -> None:
        order = torch.randperm(len(x))
        for start in range(0, steps * 64, 64):
            batch = order[start : start + 64]
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    # What Lightning adds is paid once a block: time whole fits of some blocks, and take the fit's fixed cost out.
    def ours(steps: int) -> None:
        module.steps_done = 0
        module.budget = type(module.budget)(steps=steps, batch=64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            execute.make_trainer(compose.assemble(choices, values, 1), []).fit(module)

    bare(50), ours(50)
    rounds: list[tuple[float, float]] = []
    for _ in range(25):
        plain, whole, fixed = timed(lambda: bare(900)), timed(lambda: ours(900)), timed(lambda: ours(1))
        rounds.append((plain / 900, (whole - fixed) / 899))
    low, value, high = statistics.quantiles(own / plain for plain, own in rounds)
    plain, own = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "value": value,
        "detail": f"quartiles {low:.3f} and {high:.3f}; {own * 1e3:.3f} ms against {plain * 1e3:.3f} ms",
    }


def timed(action: Callable[[], Any]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def help_() -> dict[str, Any]:
    """`assay --help`, the best of five."""
    best = min(command(sys.executable, "-m", "assay", "--help") for _ in range(5))
    return {"value": best, "detail": ""}


def study(runs: int) -> tuple[Any, dict[str, Any]]:
    """A made-up paper with that many runs, of the classifier."""
    from assay.study.declared import Study

    fix = {"module": "classifier", "data": "tabular_sklearn", "data.table": "digits", "model": "mlp",
           "loss": "cross_entropy", "budget.epochs": 1}  # fmt: skip
    arms = {name: {"optimizer": name} for name in ("sgd", "adamw")}
    rates = [0.001 * (1 + i) for i in range(runs // 200)]
    experiment = {
        "fix": fix,
        "arms": arms,
        "axes": {"optimizer.lr": rates},
        "scales": {"desk": {"seeds": {"first": 1, "n": 100}}},
    }
    return Study.parse({"slug": "lion_k", "experiments": {"many": experiment}}, "benchmark"), experiment


def planning() -> dict[str, Any]:
    """Planning 10,000 runs, imports apart."""
    from assay.config import compose
    from assay.study.declared import make_plan

    compose.load("lion_k")
    seconds = timed(lambda: make_plan(study(10_000)[0], "desk", lambda signature, name: None))
    return {"value": seconds, "detail": ""}


def judging() -> dict[str, Any]:
    """Loading 10,000 records and judging, imports apart; in a process of its own for its memory."""
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks.judging"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout
    seconds, imported, most = map(float, out.split())
    return {"value": seconds, "detail": f"{most - imported:.0f} MiB beside {imported:.0f} MiB of imports"}


def finished() -> dict[str, Any]:
    """`make reproduce` when all is done (smoke scale of lion_k; the path is the same at every scale)."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"ASSAY_OUTPUTS": f"{folder}/outputs", "ASSAY_REPORTS": f"{folder}/reports"}
        words = ("make", "reproduce", "PAPER=lion_k", "SCALE=smoke", "ARGS=")  # not those of `make bench`
        command(*words, **env)
        return {"value": min(command(*words, **env) for _ in range(3)), "detail": ""}


def saf() -> dict[str, Any]:
    """A step of SAF against one of SGD, beside MESA and SAM: in turns in one process, as the paper's cost is judged."""
    import torch

    from assay.config import compose
    from assay.run.build import build

    torch.set_num_threads(1)
    compose.load("saf")
    module = build(compose.assemble(*compose.merge([{"module": "saf/cost"}]), 1))
    for block in module.blocks():
        module.training_step(block, 0)
    module.finish()
    ratios = {name: module.scalars[f"time/ratio/{name}"] for name in ("saf", "mesa", "sam")}
    epochs = {name: module.scalars[f"time/epoch/{name}"] for name in ("sgd", "sam", "saf", "mesa")}
    text = ", ".join(f"{name.upper()} {seconds:.2f}" for name, seconds in epochs.items())
    detail = f"MESA {ratios['mesa']:.2f}, SAM {ratios['sam']:.2f}; s an epoch of 8,000: {text}"
    return {"value": ratios["saf"], "detail": detail}


def mfac() -> dict[str, Any]:
    """A product with M-FAC's static inverse of m = 64 gradients over one with the dense inverse, d = 5000."""
    import torch

    from assay.linalg import RankOneInverse
    from assay.metrics.scaling import median_seconds

    torch.set_num_threads(1)
    d, m = 5000, 64
    x, dense = torch.randn(d, dtype=torch.float64), torch.randn(d, d, dtype=torch.float64)
    inverse = RankOneInverse(torch.randn(m, d, dtype=torch.float64) / d**0.5, 1e-3)
    ours, plain = (median_seconds(action, 21) for action in (lambda: inverse.product(x), lambda: dense @ x))
    return {
        "value": ours / plain,
        "detail": f"{ours * 1e3:.2f} ms against {plain * 1e3:.2f} ms; 2 m / d = {2 * m / d:.3f}",
    }


def z_loss() -> dict[str, Any]:
    """A step of the factored output layer at 100,000 classes over one at 10,000, one example, alternating."""
    import statistics

    import torch

    from assay.linalg import FactoredSphericalLinear
    from assay.losses import ZLoss

    torch.set_num_threads(1)
    layers = {size: FactoredSphericalLinear(0.1 * torch.randn(size, 64)) for size in (10_000, 100_000)}
    h, y, loss = torch.randn(1, 64), torch.tensor([7]), ZLoss()
    times: dict[int, list[float]] = {size: [] for size in layers}
    for _ in range(100):
        for size, layer in layers.items():
            times[size].append(timed(lambda layer=layer: layer.step(h, y, loss, 1e-3)))  # type: ignore[misc]
    small, large = (statistics.median(each) for each in times.values())
    return {"value": large / small, "detail": f"{large * 1e3:.3f} ms against {small * 1e3:.3f} ms"}


ROWS: list[tuple[str, str, float, Callable[[], dict[str, Any]]]] = [
    ("sweep20", "20-run sweep, cold / bare loop", 1.3, lambda: sweep(20)),
    ("sweep200", "200-run sweep, cold / bare loop", 1.1, lambda: sweep(200)),
    ("step", "training step / bare step", 1.08, step),
    ("help", "assay --help, s", 0.3, help_),
    ("planning", "planning 10,000 runs, s", 5.0, planning),
    ("judging", "loading and judging 10,000 records, s", 3.0, judging),
    ("mfac", "M-FAC product / product with dense inverse", 0.1, mfac),
    ("z_loss", "factored Z-loss step, 10 D / D classes", 1.2, z_loss),
    ("finished", "make reproduce when all is done, s", 6.0, finished),
    ("saf", "SAF step / SGD step", 1.15, saf),
]


def main() -> None:
    """Measure the rows asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"which: {', '.join(row[0] for row in ROWS)}; all but sweep200 if none")
    parser.add_argument("--all", action="store_true", help="also the long ones")
    arguments = parser.parse_args()
    wanted = arguments.rows or [name for name, *_ in ROWS if arguments.all or name != "sweep200"]
    path = ROOT / "benchmarks" / "latest.json"
    kept = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else {}
    for name, text, target, measure in ROWS:
        if name in wanted:
            found = measure()
            kept[name] = {"what": text, "value": round(found["value"], 3), "target": target, "detail": found["detail"],
                          "date": time.strftime("%Y-%m-%d")}  # fmt: skip
            mark = "ok" if found["value"] <= target else "over"
            print(f"{text:45} {found['value']:8.3f}  target {target:<5} {mark:5} {found['detail']}", flush=True)
    from assay.records.digest import machine, versions

    path.write_text(
        json.dumps({"machine": machine(), "versions": versions(), "rows": kept}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
