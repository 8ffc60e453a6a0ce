"""Times of several kinds of step as fair as one process allows: in turns, so that what slows the machine slows all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def interleaved(steps: Mapping[str, Callable[[], object]], block: int) -> dict[str, list[float]]:
    """Seconds of `block` calls of every step, one kind after the other; ratios of their medians can be compared."""
    found: dict[str, list[float]] = {}
    for name, step in steps.items():
        times = []
        for _ in range(block):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
        found[name] = times
    return found
