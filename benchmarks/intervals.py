"""How often intervals of a mean hold the true one: t beside the BCa bootstrap; writes a table into docs/statistics.md.

Why interval checks use t at every number of units. `--quick` takes fewer draws and only prints.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from assay import statistics
from assay.report.readme import table
from benchmarks.noises import NOISES, Noise, publish

SIZES = (3, 5, 10, 20, 40)
RESAMPLES = 999


def covered_by_t(values: NDArray[np.float64], mean: float) -> float:
    """The share of samples [draws, units] whose t interval holds the mean; by the function that judges."""
    intervals = (statistics.mean_interval(one) for one in values.tolist())
    return sum(interval.low <= mean <= interval.high for interval in intervals) / len(values)


def covered_by_bca(values: NDArray[np.float64], mean: float, rng: np.random.Generator) -> float:
    """As `covered_by_t`, for scipy's BCa bootstrap."""
    held = 0
    for part in np.array_split(values, max(1, len(values) * values.shape[1] // 4000)):
        with warnings.catch_warnings():  # three units may all be resampled alike
            warnings.simplefilter("ignore")
            result = stats.bootstrap((part,), np.mean, axis=-1, n_resamples=RESAMPLES, method="BCa", rng=rng)
        low, high = result.confidence_interval
        held += int(((low <= mean) & (mean <= high)).sum())
    return held / len(values)


def coverage(noise: Noise, n: int, draws: int) -> tuple[float, float]:
    """Of t and of BCa."""
    rng = np.random.default_rng([n, draws])
    values = noise.draw(rng, (draws, n))
    return covered_by_t(values, noise.mean), covered_by_bca(values[: draws // 2], noise.mean, rng)


def main() -> None:
    """Simulate, print, and put the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    draws = 400 if quick else 6000
    rows = []
    for name, noise in NOISES.items():
        cells = [coverage(noise, n, draws) for n in SIZES]
        rows.append([name, "t", *(f"{100 * t:.1f}" for t, _ in cells)])
        rows.append(["", "BCa", *(f"{100 * bca:.1f}" for _, bca in cells)])
    columns = tuple(range(2, 2 + len(SIZES)))
    publish({"intervals": table(["noise", "interval", *(f"n = {n}" for n in SIZES)], rows, columns)}, quick)


if __name__ == "__main__":
    main()
