"""Which of two methods is better on which data set: the table of paired t-tests that papers of classifiers print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from assay.statistics import holm


@dataclass(frozen=True)
class PairedTable:
    """Names of the data sets on which the first method is significantly better, is not told apart, is worse.

    Attributes:
        better, tied, worse: names, in the order they were given.
        p_better, p_worse: by name, the one-sided p-values, adjusted if that was asked for.
    """

    better: tuple[str, ...]
    tied: tuple[str, ...]
    worse: tuple[str, ...]
    p_better: Mapping[str, float]
    p_worse: Mapping[str, float]

    @property
    def lead(self) -> int:
        """Data sets won minus data sets lost."""
        return len(self.better) - len(self.worse)


def paired_ttest_table(
    a: Mapping[str, Sequence[float]], b: Mapping[str, Sequence[float]], level: float = 0.05, adjust: bool = False
) -> PairedTable:
    """One-sided paired t-tests of a > b and of a < b, data set by data set.

    Args:
        a, b: by data set, one number for each repetition; the k-th of both come from the same repetition.
        level: of each test.
        adjust: Holm's adjustment over all tests of both directions.

    Raises:
        ValueError: the data sets differ, or one has fewer than two repetitions or unequal numbers of them.
    """
    if set(a) != set(b):
        raise ValueError(f"different data sets: {sorted(set(a) ^ set(b))}")
    better = {name: one_sided(a[name], b[name]) for name in a}
    worse = {name: one_sided(b[name], a[name]) for name in a}
    if adjust:
        adjusted = holm([*better.values(), *worse.values()])
        better = dict(zip(a, adjusted[: len(a)], strict=True))
        worse = dict(zip(a, adjusted[len(a) :], strict=True))
    won = tuple(name for name in a if better[name] < level)
    lost = tuple(name for name in a if worse[name] < level)
    return PairedTable(won, tuple(name for name in a if name not in (*won, *lost)), lost, better, worse)


def one_sided(a: Sequence[float], b: Sequence[float]) -> float:
    """The p-value of a paired t-test against "the mean of a is not above that of b".

    Where all differences are equal there is no spread to test with: 0 if they are positive, else 1.
    """
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"{len(a)} and {len(b)} repetitions: expected the same number, at least two")
    differences = np.asarray(a, float) - np.asarray(b, float)
    if np.ptp(differences) <= 8 * np.finfo(float).eps * np.abs(differences).max():
        return float(differences[0] <= 0)
    return float(stats.ttest_rel(a, b, alternative="greater").pvalue)
