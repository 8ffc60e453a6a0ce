"""The registry of optimizers: factories that receive `params` (or parameter groups) when the run is built."""

from __future__ import annotations

from torch.optim import Optimizer

from assay.registry import Registry

optimizers = Registry("optimizer", Optimizer, late=("params",))
