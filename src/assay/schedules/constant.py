"""The learning rate as it is: what a schedule is compared with."""

from __future__ import annotations

from assay.schedules.base import Schedule, schedules


@schedules.register("constant")
class Constant(Schedule):
    """The same rate at every step."""

    def factor(self, step: int, total: int) -> float:
        """1 at every step."""
        return 1.0
