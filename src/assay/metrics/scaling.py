"""How time grows with size: medians of repeated calls, and the exponent of a power law through them.

A sweep runs other work on the next core, and it comes and goes. `medians_in_turns` is for sizes that are compared: it
measures all of them over the same stretch of time, and counts the seconds that this thread computed and no others.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)


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


def medians_in_turns(
    actions: Mapping[Key, Callable[[], object]], turns: int, *, timed: int = 1, untimed: int = 0
) -> dict[Key, float]:
    """The median processor seconds of a call of each action, measured in turns.

    Args:
        actions: what is called; it must compute in this thread alone.
        turns: how often every action has its turn.
        timed: calls in a turn that count; with one, an action finds in the caches what the others have left.
        untimed: calls at the beginning of a turn that do not count.
    """
    seconds: dict[Key, list[float]] = {name: [] for name in actions}
    for _ in range(turns):
        for name, action in actions.items():
            for call in range(-untimed, timed):
                began = time.thread_time()
                action()
                if call >= 0:
                    seconds[name].append(time.thread_time() - began)
    return {name: statistics.median(each) for name, each in seconds.items()}


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
