"""Exponential decay by the step, whatever the run's length."""

from __future__ import annotations

from assay.schedules.base import Schedule, schedules


@schedules.register("exponential")
class Exponential(Schedule):
    """by ** (step / every), without jumps.

    Args:
        by: the factor of `every` steps.
        every: steps.
    """

    def __init__(self, *, by: float = 0.9, every: float = 1000.0) -> None:
        self.by, self.every = by, every

    def factor(self, step: int, total: int) -> float:
        """by ** (step / every)."""
        return float(self.by ** (step / self.every))
