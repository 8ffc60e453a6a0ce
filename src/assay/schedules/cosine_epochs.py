"""The cosine as training scripts often step it: once an epoch."""

from __future__ import annotations

from assay.schedules.base import schedules
from assay.schedules.cosine import Cosine


@schedules.register("cosine_epochs", source="torch.optim.lr_scheduler.CosineAnnealingLR, stepped once an epoch")
class CosineEpochs(Cosine):
    """Half a cosine that changes at the start of an epoch and not within it.

    Args:
        epochs: of the run; steps are spread evenly over them.
        floor: what is left of the base rate after the last epoch.
    """

    def __init__(self, *, epochs: int = 100, floor: float = 0.0) -> None:
        super().__init__(floor=floor)
        self.epochs = epochs

    def factor(self, step: int, total: int) -> float:
        """The cosine at the number of whole epochs done."""
        return super().factor(step * self.epochs // total, self.epochs)
