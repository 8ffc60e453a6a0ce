"""Drops at given moments: the classic recipe for image classifiers."""

from __future__ import annotations

from collections.abc import Sequence

from assay.schedules.base import Schedule, schedules


@schedules.register("step")
class Step(Schedule):
    """Multiplies the rate by `by` at each of the moments `at`.

    Args:
        at: moments as fractions of the run; epochs 30 and 60 of 90 are 1/3 and 2/3.
        by: the factor of each drop.
    """

    def __init__(self, *, at: Sequence[float] = (0.5, 0.75), by: float = 0.1) -> None:
        self.at, self.by = list(at), by

    def factor(self, step: int, total: int) -> float:
        """by ** (moments passed); the drop acts from the first step at or after its moment."""
        # Compared in steps with a slack of a millionth, so that 2/3 written as 0.6666667 still is epoch 60 of 90.
        return float(self.by ** sum(step >= moment * total - 1e-6 * total for moment in self.at))
