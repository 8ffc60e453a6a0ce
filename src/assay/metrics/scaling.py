"""How time grows with size: medians of repeated calls, and the exponent of a power law through them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np


def scaling_exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The least-squares slope of log time on log size: 1 is linear, 2 quadratic; NaN for fewer than two sizes."""
    if len(set(sizes)) < 2:
        return math.nan
    return float(np.polyfit(np.log(np.asarray(sizes, float)), np.log(np.asarray(times, float)), 1)[0])


def median_seconds(action: Callable[[], object], calls: int, warm_up: int = 1) -> float:
    """The median duration of `calls` calls in seconds, after some that are not timed."""
    for _ in range(warm_up):
        action()
    return statistics.median(_seconds(action) for _ in range(calls))


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
