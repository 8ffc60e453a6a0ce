"""A linear rise, then half a cosine: the usual schedule of transformers."""

from __future__ import annotations

import math

from assay.schedules.base import Schedule, schedules
from assay.schedules.cosine import Cosine


@schedules.register("warmup_cosine", source="arXiv 1706.02677 (warm-up), 1608.03983 (cosine)")
class WarmupCosine(Schedule):
    """Rises linearly over the first steps, then falls along half a cosine.

    Args:
        warmup: length of the rise as a fraction of the run.
        floor: what is left of the base rate at the end.
    """

    def __init__(self, *, warmup: float = 0.05, floor: float = 0.0) -> None:
        self.warmup, self.cosine = warmup, Cosine(floor=floor)

    def factor(self, step: int, total: int) -> float:
        """(step + 1)/rise during the rise of `rise` steps, then the cosine over the steps that are left."""
        rise = min(math.ceil(self.warmup * total), total)
        return (step + 1) / rise if step < rise else self.cosine.factor(step - rise, total - rise)
