"""The statistics behind verdicts: intervals, p-values, Holm's correction and how many units would decide.

A verdict must not depend on who computes it, when, or in which order the runs arrived. So every function here is a
pure function of the multiset of its values: values are sorted first, and resampling draws from a generator of its own
with a fixed seed. Which method is used follows from the number of independent units alone:

    below ten units   paired t (a bootstrap of three to nine values is too narrow)
    from ten units    BCa bootstrap of the mean, 9999 resamples

Values nested in clusters (problems inside seeds) are not independent. With `clusters` the clusters are the units: each
counts as its mean, and they decide which method is used and are what is resampled. `docs/statistics.md` explains it.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

BOOTSTRAP_FROM = 10
"""The smallest number of units for which the interval is a bootstrap."""

RESAMPLES = 9999
RESAMPLING_SEED = 20251125
MOST_UNITS = 100_000
"""`units_needed` gives no number beyond this one: no sweep will have so many."""

Method = Literal["t", "BCa", "degenerate"]


@dataclass(frozen=True)
class MeanInterval:
    """A mean with its interval.

    Attributes:
        mean: of the units.
        low, high: ends of the two-sided interval.
        n: independent units (clusters where there are clusters).
        method: "t", "BCa", or "degenerate" where all units are equal.
    """

    mean: float
    low: float
    high: float
    n: int
    method: Method


def mean_interval(
    values: Sequence[float], clusters: Sequence[Hashable] | None = None, level: float = 0.95
) -> MeanInterval:
    """The two-sided interval of the mean of independent units.

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
    units = _units(values, clusters)
    mean = _mean(units)
    if _constant(units):
        return MeanInterval(mean, mean, mean, len(units), "degenerate")
    if len(units) < BOOTSTRAP_FROM:
        low, high = stats.ttest_1samp(units, 0.0).confidence_interval(level)
        return MeanInterval(mean, float(low), float(high), len(units), "t")
    low, high = _bca(units, level)
    return MeanInterval(mean, low, high, len(units), "BCa")


def p_value(values: Sequence[float], threshold: float, clusters: Sequence[Hashable] | None = None) -> float:
    """The two-sided p-value of "the mean is `threshold`", consistent with `mean_interval`.

    It is below 1 - level exactly where the threshold lies outside the interval of that level. A bootstrap cannot tell
    p-values below 2 / 10,000 apart and returns that. If all units are equal: 1 at the threshold and 0 elsewhere.

    Raises:
        ValueError: as `mean_interval`.
    """
    units = _units(values, clusters)
    if _constant(units):
        return float(units[0] == threshold)
    if len(units) < BOOTSTRAP_FROM:
        return float(stats.ttest_1samp(units, threshold).pvalue)
    outside, inside = 0.0, 1 - 2 / (RESAMPLES + 1)
    low, high = _bca(units, inside)
    if not low <= threshold <= high:
        return 1 - inside
    for _ in range(30):  # halves the level's bracket: to 1e-9
        level = (outside + inside) / 2
        low, high = _bca(units, level)
        outside, inside = (outside, level) if low <= threshold <= high else (level, inside)
    return 1 - inside


def binomial_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The Clopper-Pearson interval of a share of which k of n were seen; (0, 1) for n = 0."""
    _check_level(level)
    if n == 0 and k == 0:
        return 0.0, 1.0
    interval = stats.binomtest(k, n).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


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
    level: float = 0.95,
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
    units = _units(values, clusters)
    distance = abs(_mean(units) - threshold)
    if _constant(units):
        return 2 if distance > 0 else None
    effect = distance / float(np.std(units, ddof=1))
    if _power(effect, MOST_UNITS, level) < power:
        return None
    short, enough = 1, MOST_UNITS
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if _power(effect, middle, level) >= power else (middle, enough)
    return enough


def _power(effect: float, n: int, level: float) -> float:
    """Power of the two-sided t test with n units, `effect` standard deviations from the hypothesis."""
    if n < 2:
        return 0.0
    critical = stats.t.ppf(0.5 + level / 2, n - 1)
    # The far tail is left out: to be decided on the wrong side is no success.
    power = float(stats.nct.sf(critical, n - 1, effect * math.sqrt(n)))
    return power if math.isfinite(power) else float(stats.norm.sf(critical - effect * math.sqrt(n)))


def _units(values: Sequence[float], clusters: Sequence[Hashable] | None) -> tuple[float, ...]:
    """The independent units in ascending order: the values, or the means of their clusters."""
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


def _constant(units: tuple[float, ...]) -> bool:
    """Whether the units differ by no more than the rounding of their last digits."""
    return units[-1] - units[0] <= 8 * sys.float_info.epsilon * max(abs(units[0]), abs(units[-1]))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not at {level}")


def _bca(units: tuple[float, ...], level: float) -> tuple[float, float]:
    """The BCa interval of the mean at a level."""
    middle, spread, first = _bootstrap(units)
    again = _resample(_standard(units, middle, spread), level, n_resamples=0, bootstrap_result=first)
    low, high = again.confidence_interval
    # BCa moves the interval by its bias correction; at low levels it can pass the mean, which belongs to it.
    return middle + spread * min(float(low), 0.0), middle + spread * max(float(high), 0.0)


@functools.lru_cache(maxsize=64)
def _bootstrap(units: tuple[float, ...]) -> tuple[float, float, Any]:
    """Mean, sd and the bootstrap distribution of the standardised mean; an interval and its p-value share it."""
    middle, spread = _mean(units), float(np.std(units))
    return middle, spread, _resample(_standard(units, middle, spread), 0.95, n_resamples=RESAMPLES)


def _standard(units: tuple[float, ...], middle: float, spread: float) -> NDArray[np.float64]:
    return (np.asarray(units) - middle) / spread


def _resample(sample: NDArray[np.float64], level: float, **how: Any) -> Any:
    return stats.bootstrap(
        (sample,),
        _rounded_mean,
        confidence_level=level,
        method="BCa",
        vectorized=True,
        batch=max(1, 2_000_000 // len(sample)),  # 16 MB at a time, however many units
        rng=np.random.default_rng(RESAMPLING_SEED),
        **how,
    )


def _rounded_mean(sample: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """The mean of standardised values to eleven digits.

    BCa counts the resamples whose mean equals that of the data. Without rounding the last bit would decide which do,
    and the interval of few distinct values would change when a constant is added to all of them.
    """
    return np.asarray(np.mean(sample, axis=axis)).round(11)
