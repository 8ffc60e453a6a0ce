"""Half a cosine from the base rate down to (near) zero."""

from __future__ import annotations

import math

from assay.schedules.base import Schedule, schedules


@schedules.register("cosine", source="arXiv 1608.03983, without restarts")
class Cosine(Schedule):
    """Half a cosine from 1 at the first step to `floor` after the last.

    Args:
        floor: what is left of the base rate at the end.
    """

    def __init__(self, *, floor: float = 0.0) -> None:
        self.floor = floor

    def factor(self, step: int, total: int) -> float:
        """floor + (1 - floor) (1 + cos(pi step/total)) / 2"""
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * step / total))
