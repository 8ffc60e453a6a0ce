"""How time grows with size: medians of repeated calls, and the exponent of a power law through them.

A sweep runs other work on the next core, and it comes and goes. `medians_in_turns` is for sizes that are compared: it
measures all of them over the same stretch of time, and counts the seconds that this thread computed and no others.

Even those are worth little where the thread had to share its core: what ran in between has emptied the caches, and what
runs beside it takes the memory's bandwidth. So all that is timed notes the thread's share of a core, in `Share`.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)


@dataclass
class Share:
    """How much of a core a thread had while it measured: 1 on a quiet machine.

    Waiting (for a disk, for another thread) lowers it as well as being displaced does; both spoil a time.

    Attributes:
        computed: seconds that the thread computed.
        passed: seconds of the wall clock meanwhile.
    """

    computed: float = 0.0
    passed: float = 0.0

    def __float__(self) -> float:
        return self.computed / self.passed if self.passed else math.nan


_shares: list[Share] = []
"""Those that are told of what is being timed, the innermost last."""


@contextlib.contextmanager
def told_to(share: Share) -> Iterator[None]:
    """Have everything that is timed within the block add to a share."""
    _shares.append(share)
    try:
        yield
    finally:
        _shares.pop()


@contextlib.contextmanager
def timing() -> Iterator[None]:
    """Around what is timed, and nothing else: no set-up, no warm-up, no files. The functions below do it themselves."""
    passed, computed = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:  # in the same order, or short calls would seem to have waited for the clocks
        passed, computed = time.perf_counter() - passed, time.thread_time() - computed
        for share in _shares[-1:]:
            share.computed += computed
            share.passed += passed


def scaling_exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The least-squares slope of log time on log size: 1 is linear, 2 quadratic; NaN for fewer than two sizes."""
    if len(set(sizes)) < 2:
        return math.nan
    return float(np.polyfit(np.log(np.asarray(sizes, float)), np.log(np.asarray(times, float)), 1)[0])


def median_seconds(action: Callable[[], object], calls: int, warm_up: int = 1) -> float:
    """The median duration of `calls` calls in seconds of the wall clock, after some that are not timed."""
    return statistics.median(seconds_in_turns({"": action}, 1, timed=calls, untimed=warm_up)[""])


def medians_in_turns(
    actions: Mapping[Key, Callable[[], object]], turns: int, *, timed: int = 1, untimed: int = 0
) -> dict[Key, float]:
    """The median processor seconds of a call of each action, which must compute in this thread alone.

    Args:
        actions, turns, timed, untimed: see `seconds_in_turns`.
    """
    found = seconds_in_turns(actions, turns, timed=timed, untimed=untimed, clock=time.thread_time)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def seconds_in_turns(
    actions: Mapping[Key, Callable[[], object]],
    turns: int,
    *,
    timed: int = 1,
    untimed: int = 0,
    clock: Callable[[], float] | None = None,
) -> dict[Key, list[float]]:
    """Seconds of every call that counts, by action, measured in turns: what slows the machine slows all of them.

    Args:
        actions: what is called.
        turns: how often every action has its turn.
        timed: calls in a turn that count; with one, an action finds in the caches what the others have left.
        untimed: calls at the beginning of a turn that do not count.
        clock: tells the seconds; the wall clock by default.
    """
    clock = clock or time.perf_counter
    seconds: dict[Key, list[float]] = {name: [] for name in actions}
    for _ in range(turns):
        for name, action in actions.items():
            for _ in range(untimed):
                action()
            with timing():
                for _ in range(timed):
                    began = clock()
                    action()
                    seconds[name].append(clock() - began)
    return seconds
