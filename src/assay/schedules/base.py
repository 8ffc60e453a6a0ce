"""What every learning-rate schedule of Assay is: a pure function of the step."""

from __future__ import annotations

from assay.registry import Registry


class Schedule:
    """Base class of schedules. Being a pure function of the step, a schedule has no state to checkpoint."""

    def factor(self, step: int, total: int) -> float:
        """The factor on the base learning rate at a step (0-based) of a run of `total` steps."""
        raise TypeError(f"{type(self).__name__} does not define factor")


schedules = Registry("schedule", Schedule)
