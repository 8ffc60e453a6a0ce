"""Data sets: tensors that stay on the run's device and are indexed."""

from assay.data.base import Data, Split, data
from assay.data.modular import Modular

__all__ = ["Data", "Modular", "Split", "data"]
