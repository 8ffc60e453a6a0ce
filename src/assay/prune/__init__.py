"""Pruners: which weights go, and how the others answer."""

from assay.prune.base import Pruner, pruners
from assay.prune.magnitude import Magnitude
from assay.prune.obs import DiagonalFisher, OBSPruner

__all__ = ["DiagonalFisher", "Magnitude", "OBSPruner", "Pruner", "pruners"]
