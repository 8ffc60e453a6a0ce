"""Losses: scores and targets in, one value per sample out."""

from assay.losses.base import Loss, losses
from assay.losses.cross_entropy import CrossEntropy
from assay.losses.ens_loss import EnsLoss
from assay.losses.ldr import ALDRLoss, LDRLoss
from assay.losses.margin import BCELoss, ExponentialLoss, FocalLoss, HingeLoss
from assay.losses.robust import (
    AGCELoss,
    AULLoss,
    BrierLoss,
    CSLoss,
    GCELoss,
    JSLoss,
    MAELoss,
    NCEAGCELoss,
    NCEAULLoss,
    NCELoss,
    NCERCELoss,
    RCELoss,
    RLLLoss,
    SCELoss,
    TruncatedGCELoss,
    WWLoss,
)
from assay.losses.spherical import (
    LogSphericalSoftmax,
    LogTaylorSoftmax,
    SphericalLoss,
    SphericalSquaredError,
    ZLoss,
)
from assay.losses.squared import SquaredError

__all__ = [
    "AGCELoss",
    "ALDRLoss",
    "AULLoss",
    "BCELoss",
    "BrierLoss",
    "CSLoss",
    "CrossEntropy",
    "EnsLoss",
    "ExponentialLoss",
    "FocalLoss",
    "GCELoss",
    "HingeLoss",
    "JSLoss",
    "LDRLoss",
    "LogSphericalSoftmax",
    "LogTaylorSoftmax",
    "Loss",
    "MAELoss",
    "NCEAGCELoss",
    "NCEAULLoss",
    "NCELoss",
    "NCERCELoss",
    "RCELoss",
    "RLLLoss",
    "SCELoss",
    "SphericalLoss",
    "SphericalSquaredError",
    "SquaredError",
    "TruncatedGCELoss",
    "WWLoss",
    "ZLoss",
    "losses",
]
