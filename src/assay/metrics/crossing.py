"""When a curve gets below a level for good: the times that delays (grokking, memorisation, convergence) are made of.

A loss touches a level many times; what matters is when it has passed it for the last time. Curves are logged at a few
steps only, so the time between two of them is interpolated, in log steps, as such curves are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

STEP_ZERO = 0.5
"""Where step 0 is put on the logarithmic axis of steps."""


def last_crossing(steps: Sequence[float], values: Sequence[float], level: float, *, rising: bool = False) -> float:
    """The time after which a curve stays beyond a level until its end.

    With s_k the last logged step on the near side, v the values and l the level,

        log t = log s_k + (log s_{k+1} - log s_k) (g(l) - g(v_k)) / (g(v_{k+1}) - g(v_k)),

    where g is the logarithm for a falling curve (losses) and the identity for a rising one (accuracies).

    Args:
        steps: [n] logged steps, ascending; step 0 counts as 0.5.
        values: [n] the curve at these steps; positive if it falls.
        level: the curve has passed where it is below the level, or, if `rising`, at or above it.
        rising: whether it is to stay above the level and not below.

    Returns:
        The time in steps; the first step if the curve is beyond the level from the start, and infinity if it ends on
        the near side (a NaN counts as the near side).
    """
    s, v = np.maximum(np.asarray(steps, float), STEP_ZERO), np.asarray(values, float)
    if s.shape != v.shape or s.ndim != 1:
        raise ValueError(f"steps and values must be two lists of one length, got {s.shape} and {v.shape}")
    near = np.flatnonzero(~(v >= level if rising else v < level))
    if len(near) == 0:
        return float(s[0]) if len(s) else math.inf
    k = int(near[-1])
    if k == len(s) - 1:
        return math.inf
    if rising:
        share = (level - v[k]) / (v[k + 1] - v[k])
    elif v[k + 1] > 0:
        share = math.log(level / v[k]) / math.log(v[k + 1] / v[k])
    else:
        share = 0.0  # the limit as v_{k+1} -> 0
    if not math.isfinite(share):
        share = 1.0  # from NaN or infinity: beyond the level only at the next logged step
    return float(math.exp(math.log(s[k]) + share * math.log(s[k + 1] / s[k])))


def at_time(steps: Sequence[float], values: Sequence[float], time: float) -> float:
    """A curve's value at a time, linear in log steps between logged ones; NaN outside them. Step 0 counts as 0.5."""
    s = np.log(np.maximum(np.asarray(steps, float), STEP_ZERO))
    if not math.isfinite(time):
        return math.nan
    # A time that `last_crossing` put on a logged step may miss it by a rounding.
    at = math.log(max(time, STEP_ZERO))
    at = min(max(at, s[0]), s[-1]) if math.isclose(at, s[0]) or math.isclose(at, s[-1]) else at
    return float(np.interp(at, s, np.asarray(values, float), left=math.nan, right=math.nan))
