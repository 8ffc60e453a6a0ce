"""The statistics behind verdicts: intervals, tails of counts, Holm's correction, and what more units would do.

A verdict must not depend on who computes it, when, or in which order the runs arrived. So every function here is a
pure function of the multiset of its values, and what is simulated draws from a generator of its own with a fixed seed.

The interval of a mean is the t interval at every number of units: `benchmarks/intervals.py` compares it with the
bootstrap, and `docs/statistics.md` shows the figures. Values nested in clusters (problems inside seeds) are not
independent: with `clusters` the clusters are the units, and each counts as its mean.

Checks over seeds are looked at up to three times, with n, 2n and 4n units (`LOOKS`), each time at the nominal level
`LOOK_LEVEL`, so that three looks together err as often as one at 5 %.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.05
"""The level of a check that has one look, unless it is registered with another one."""

LOOKS = (1, 2, 4)
"""Units at each look, in multiples of the registered number."""

LOOK_LEVEL = 0.0195
"""The nominal two-sided level of each of three looks; together they err with about 5 %."""

LOOK_FACTOR = 2.6
"""By how much the smallest of three looks' p-values is multiplied, 0.05 / 0.0195 rounded up."""

COIN = 0.05
"""A count is reproduced only where so many passes are rarer than this under the toss of a coin."""

TOO_FEW = 0.01
"""A count is refuted only where so few passes are rarer than this under the share that it demands."""

MOST_DEMANDED = 0.8
"""The share that a missed count is held against is at most this, so that one failure never refutes "every"."""

HOPELESS = 0.10
"""Further looks end where the last one would decide more rarely than this at the effect that was seen."""

FEWEST = 5
"""Units from which on a spread is believed: below, no look is called hopeless and equal units do not decide."""

MOST_UNITS = 100_000
"""`units_needed` gives no number beyond this one: no sweep will have so many."""

ROUNDING = 8 * sys.float_info.epsilon
"""Units whose spread is at most this share of the largest one differ by rounding alone."""

DRAWS = 4000
SIMULATION_SEED = 20261201


@dataclass(frozen=True)
class MeanInterval:
    """A mean with its interval.

    Attributes:
        mean: of the units.
        low, high: ends of the two-sided interval.
        n: independent units (clusters where there are clusters).
        sd: their standard deviation; 0 where they differ by rounding alone.
    """

    mean: float
    low: float
    high: float
    n: int
    sd: float


def mean_interval(
    values: Sequence[float], clusters: Sequence[Hashable] | None = None, level: float = 1 - LEVEL
) -> MeanInterval:
    """The two-sided t interval of the mean of independent units.

    Args:
        values: one number per unit; for a paired comparison, the differences.
        clusters: a label for each value; values with the same label are one unit, which counts as their mean.
        level: the coverage that is aimed at.

    Returns:
        The mean and its interval. If all units are equal there is no spread to judge from, and the interval is the
        point itself.

    Raises:
        ValueError: fewer than two units, a value that is not finite, or labels that do not match the values.
    """
    _check_level(level)
    units = units_of(values, clusters)
    mean = _mean(units)
    if constant(units):
        return MeanInterval(mean, mean, mean, len(units), 0.0)
    low, high = stats.ttest_1samp(units, 0.0).confidence_interval(level)
    return MeanInterval(mean, float(low), float(high), len(units), float(np.std(units, ddof=1)))


def p_value(values: Sequence[float], threshold: float, clusters: Sequence[Hashable] | None = None) -> float:
    """The two-sided p-value of "the mean is `threshold`".

    It is below 1 - level exactly where the threshold lies outside the interval of that level. If all units are equal:
    1 at the threshold and 0 elsewhere.

    Raises:
        ValueError: as `mean_interval`.
    """
    units = units_of(values, clusters)
    if constant(units):
        return float(units[0] == threshold)
    return float(stats.ttest_1samp(units, threshold).pvalue)


def binomial_interval(k: int, n: int, level: float = 1 - LEVEL) -> tuple[float, float]:
    """The Clopper-Pearson interval of a share of which k of n were seen; (0, 1) for n = 0."""
    _check_level(level)
    if n == 0 and k == 0:
        return 0.0, 1.0
    interval = stats.binomtest(k, n).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def at_least(k: int, n: int, share: float = 0.5) -> float:
    """The probability of k or more passes of n, each with probability `share`."""
    return float(stats.binom.sf(k - 1, n, share))


def at_most(k: int, n: int, share: float) -> float:
    """The probability of k or fewer passes of n, each with probability `share`."""
    return float(stats.binom.cdf(k, n, share))


def exactly(k: NDArray[np.int64], n: int, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability of k passes of n, each with probability `share`."""
    return np.asarray(stats.binom.pmf(k, n, share))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: rejecting where it is below alpha errs anywhere in the family with at most alpha.

    Source: Holm (1979), "A simple sequentially rejective multiple test procedure".

    Raises:
        ValueError: a value outside [0, 1].
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("p-values lie in [0, 1]")
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        # The k-th smallest of m competes with the m - k + 1 hypotheses that are not rejected yet.
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = running
    return adjusted


def units_needed(
    values: Sequence[float],
    threshold: float,
    level: float = 1 - LEVEL,
    power: float = 0.8,
    clusters: Sequence[Hashable] | None = None,
) -> int | None:
    """How many units would probably put the threshold outside the interval, if mean and sd stay as they are.

    The smallest n whose two-sided t test at 1 - level has the given power against the mean that was seen.

    Returns:
        The number of units in all (not of further ones), or None if there is none up to 100,000, as when the mean is
        the threshold.

    Raises:
        ValueError: as `mean_interval`.
    """
    _check_level(level)
    units = units_of(values, clusters)
    distance = abs(_mean(units) - threshold)
    if constant(units):
        return FEWEST if distance > 0 else None
    effect = distance / float(np.std(units, ddof=1))
    if beyond(effect, MOST_UNITS, 1 - level) < power:
        return None
    short, enough = 1, MOST_UNITS
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if beyond(effect, middle, 1 - level) >= power else (middle, enough)
    return enough


def beyond(effect: NDArray[np.float64] | float, n: int, level: float) -> NDArray[np.float64]:
    """The probability that the interval of n units lies beyond a threshold, for each effect.

    Args:
        effect: how many standard deviations the true mean lies beyond it; negative if it lies short of it.
        n: units.
        level: the two-sided level of the interval, e.g. 0.05.
    """
    shift = np.asarray(effect, np.float64) * math.sqrt(n)
    if n < 2:
        return np.zeros_like(shift)
    if shift.size > 1000:  # simulated draws: between the points of a fine grid, good to 1e-4
        return np.interp(shift, *_beyond_on_grid(n, level))
    critical = stats.t.ppf(1 - level / 2, n - 1)
    power = stats.nct.sf(critical, n - 1, shift)
    return np.where(np.isfinite(power), power, stats.norm.sf(critical - shift))


@functools.cache
def _beyond_on_grid(n: int, level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    critical = float(stats.t.ppf(1 - level / 2, n - 1))
    shifts = np.linspace(-10.0, 4 * critical + 10, 900)
    return shifts, beyond(shifts / math.sqrt(n), n, level)


@dataclass(frozen=True)
class Again:
    """How often another draw of the same looks would come to each end, if the truth is what was seen."""

    reproduced: float
    refuted: float
    open: float


Decide = Callable[[NDArray[np.float64], int], NDArray[np.int8]]
"""What simulated draws come to at a look: (numbers [draws, units, groups], units) -> for each draw 1 for reproduced,
-1 for refuted, 0 for the next look, `ENDED` where further looks would not decide."""

ENDED = 2


def run_looks(samples: NDArray[np.float64], n: int, looks: int, decide: Decide) -> NDArray[np.int8]:
    """What looks at simulated numbers come to: for each draw 1, -1 or 0 (open).

    Args:
        samples: [draws, units of the last look, groups]; a count's are 1 or 0.
        n: units of the first look.
        looks: how many looks there may be.
        decide: what one look comes to.
    """
    ends = np.zeros(len(samples), np.int8)
    for factor in LOOKS[:looks]:
        going = ends == 0
        if going.any():
            ends[going] = decide(samples[going, : n * factor], n * factor)
    return np.where(ends == ENDED, 0, ends).astype(np.int8)


def draw_again(groups: Sequence[Sequence[float]], n: int, looks: int, decide: Decide) -> Again:
    """Simulate the looks of an interval check with the means and spreads that were seen.

    Args:
        groups: the units of each group; groups of equal length are taken for paired and keep their correlation.
        n, looks, decide: as in `run_looks`.
    """
    rng = np.random.default_rng(SIMULATION_SEED)
    means = np.array([_mean(group) for group in groups])
    if len({len(group) for group in groups}) == 1:
        spread = np.atleast_2d(np.cov(np.array(groups)))
    else:
        spread = np.diag([float(np.var(group, ddof=1)) for group in groups])
    most = n * LOOKS[looks - 1]
    draws = min(DRAWS, max(200, 1_000_000 // (most * len(groups))))
    noise = rng.multivariate_normal(np.zeros(len(groups)), spread, size=(draws, most), method="svd")
    return _shares(run_looks(means + noise, n, looks, decide))


def count_again(shares: Sequence[float], n: int, looks: int, decide: Decide) -> Again:
    """Simulate the looks of a count with the shares that were seen.

    Args:
        shares: of passes, by group; groups are taken for independent.
        n, looks, decide: as in `run_looks`.
    """
    rng = np.random.default_rng(SIMULATION_SEED)
    passed = rng.random((DRAWS, n * LOOKS[looks - 1], len(shares))) < np.asarray(shares)
    return _shares(run_looks(passed.astype(np.float64), n, looks, decide))


def _shares(ends: NDArray[np.int8]) -> Again:
    return Again(*(float((ends == end).mean()) for end in (1, -1, 0)))


def units_of(values: Sequence[float], clusters: Sequence[Hashable] | None = None) -> tuple[float, ...]:
    """The independent units in ascending order: the values, or the means of their clusters.

    Raises:
        ValueError: as `mean_interval`.
    """
    numbers = [float(value) for value in values]
    if not all(map(math.isfinite, numbers)):
        raise ValueError("an interval needs finite values")
    if clusters is not None:
        if len(clusters) != len(numbers):
            raise ValueError(f"{len(clusters)} cluster labels for {len(numbers)} values")
        members: dict[Hashable, list[float]] = {}
        for label, number in zip(clusters, numbers, strict=True):
            members.setdefault(label, []).append(number)
        numbers = [_mean(group) for group in members.values()]
    if len(numbers) < 2:
        raise ValueError("an interval needs at least two units")
    return tuple(sorted(numbers))


def _mean(values: Sequence[float]) -> float:
    """The mean, exact to the last digit, so that equal values have themselves as their mean."""
    return math.fsum(values) / len(values)


def constant(units: Sequence[float]) -> bool:
    """Whether the units differ by no more than the rounding of their last digits."""
    return max(units) - min(units) <= ROUNDING * max(map(abs, units))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not at {level}")
