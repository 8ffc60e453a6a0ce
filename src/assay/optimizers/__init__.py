"""Optimizers: factories that take `params` when the run is built."""

from assay.optimizers.adamw import AdamW
from assay.optimizers.base import optimizers
from assay.optimizers.sgd import SGD

__all__ = ["SGD", "AdamW", "optimizers"]
