"""Optimizers: factories that take `params` when the run is built."""

from assay.optimizers.adam import Adam
from assay.optimizers.adamw import AdamW
from assay.optimizers.base import optimizers
from assay.optimizers.kappas import Kappa, kappas
from assay.optimizers.lion_k import LionK, SignSGD
from assay.optimizers.mfac import MFAC
from assay.optimizers.sgd import SGD

__all__ = ["MFAC", "SGD", "Adam", "AdamW", "Kappa", "LionK", "SignSGD", "kappas", "optimizers"]
