"""Learning-rate schedules: pure functions of the step."""

from assay.schedules.base import Schedule, schedules
from assay.schedules.constant import Constant
from assay.schedules.cosine import Cosine
from assay.schedules.cosine_epochs import CosineEpochs
from assay.schedules.exponential import Exponential
from assay.schedules.step import Step
from assay.schedules.warmup_cosine import WarmupCosine

__all__ = ["Constant", "Cosine", "CosineEpochs", "Exponential", "Schedule", "Step", "WarmupCosine", "schedules"]
