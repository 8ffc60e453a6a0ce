"""What pages cost: `python -m benchmarks.pages` builds one over 10,000 records and opens one of 500 runs in chromium.

The time to open runs from the navigation to the first table of runs, with the browser started before; the median of
several fresh visits. The records are made up, with two curves of 60 points and a configuration each.
"""

from __future__ import annotations

import hashlib
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from assay.report import page
from assay.report.catalogue import Entry
from assay.results import Results
from assay.review.judged import judge

POINTS, VISITS = 60, 7
PAPER = Entry("made_up", "A made-up paper", "optim", "A. Author", 2023)


def records(n: int) -> tuple[Results, dict[str, dict[str, Any]]]:
    """Results of `n` runs and what a page tells of each."""
    index = pl.int_range(n, eager=True)
    noise = pl.Series([((i * 2654435761) % 1000003) / 1000003 for i in range(n)])
    keys = pl.DataFrame({
        "experiment": (index % 5).cast(pl.String),
        "arm": (index % 7).cast(pl.String),
        "seed": index // 35,
        "signature": [hashlib.sha256(str(i).encode()).hexdigest()[:20] for i in range(n)],
        "registered": index >= 0,
        "optimizer.lr": (index % 3).cast(pl.Float64),
    })  # fmt: skip
    runs = keys.with_columns(**{f"test/m{k}": noise * (k + 1) for k in range(8)})
    steps = pl.DataFrame({"step": range(0, POINTS * 10, 10)})
    curves = [
        keys.join(steps, how="cross").with_columns(
            name=pl.lit(name), value=(pl.col("step") * 0.37 + pl.col("seed")).sin()
        )
        for name in ("train/loss", "val/loss")
    ]
    config = {"data": {"name": "x", "limit": 3}, "model": {"name": "mlp", "widths": [1, 2]}, "budget": {"steps": 5}}
    details = {
        signature: {"config": config | {"seed": i, "optimizer": {"name": "sgd", "lr": i % 3}}, "seconds": 1.5}
        for i, signature in enumerate(keys["signature"])
    }
    return Results("made_up", "desk", runs, pl.DataFrame(), pl.concat(curves)), details


def build(n: int, folder: Path) -> tuple[Path, float]:
    """Write the page of `n` runs; its path and the seconds that took."""
    results, details = records(n)
    began = time.perf_counter()
    path = page.write_page(results, judge(results, [], []), [], folder / str(n), details=details, paper=PAPER)
    return path, time.perf_counter() - began


def opened(paths: list[Path]) -> dict[Path, float]:
    """Median seconds from navigation to the table of runs; empty where there is no browser."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        return {}
    from playwright.sync_api import sync_playwright

    times: dict[Path, float] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for path in paths:
            visits = []
            for _ in range(VISITS):
                context = browser.new_context()
                tab = context.new_page()
                began = time.perf_counter()
                tab.goto(path.as_uri())
                tab.locator("#where:not(:empty)").wait_for()
                visits.append(time.perf_counter() - began)
                context.close()
            times[path] = statistics.median(visits)
        browser.close()
    return times


def main() -> None:
    """Build, open, print."""
    with tempfile.TemporaryDirectory() as temporary:
        built = [build(n, Path(temporary)) for n in (500, 10_000)]
        times = opened([path for path, _ in built])
        for path, seconds in built:
            size = path.stat().st_size / 1e6
            told = f"opens in {times[path]:.2f} s" if path in times else "no chromium to open it with"
            print(f"{path.parent.name} runs: built in {seconds:.1f} s, {size:.1f} MB, {told}")


if __name__ == "__main__":
    main()
