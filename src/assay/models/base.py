"""The registry of models: factories that learn the shapes of their data when the run is built."""

from __future__ import annotations

from torch import nn

from assay.registry import Registry

models = Registry("model", nn.Module, late=("inputs", "outputs"))
"""A model's first two parameters are `inputs: tuple[int, ...]` (shape of one input) and `outputs: int`."""
