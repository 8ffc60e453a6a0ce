"""Regret of an online learner against the best fixed arm, and how fast it grows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def regret(paid: ArrayLike, costs: ArrayLike) -> NDArray[np.float64]:
    """Cumulative regret against the best fixed arm in hindsight, for every prefix of the rounds.

    regret(T) = sum_{t <= T} paid_t - min_g sum_{t <= T} costs_{t, g}; the best arm is that of the prefix.

    Args:
        paid: [rounds], what the learner paid.
        costs: [rounds, arms], what every arm would have cost.

    Returns:
        [rounds]; negative where the learner did better than any fixed arm.
    """
    return np.cumsum(np.asarray(paid, float)) - np.cumsum(np.asarray(costs, float), axis=0).min(axis=1)


def growth_exponent(rounds: Sequence[int], regrets: Sequence[float]) -> float:
    """Least-squares slope of log regret on log rounds: 1 is linear, 1/2 the square root.

    A regret <= 0 somewhere has no logarithm; its exponent counts as 0.
    """
    values = np.asarray(regrets, float)
    if (values <= 0).any():
        return 0.0
    return float(np.polyfit(np.log(np.asarray(rounds, float)), np.log(values), 1)[0])
