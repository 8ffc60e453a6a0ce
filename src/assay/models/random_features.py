"""Random ReLU features: a two-layer network whose first layer stays as it was drawn."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from assay.models.base import models


@models.register("random_features", source="Rahimi and Recht (2007)", reduced={"hidden": 8})
class RandomFeatures(nn.Module):
    """f(x) = V relu(W x) / sqrt(hidden), with W ~ N(0, 1/fan-in) frozen and the readout V starting at zero; no biases.

    Args:
        inputs: shape of one input; it is flattened.
        outputs: number of outputs.
        hidden: number of features.
    """

    first: Tensor

    def __init__(self, inputs: tuple[int, ...], outputs: int, *, hidden: int = 300) -> None:
        super().__init__()
        width = math.prod(inputs)
        self.register_buffer("first", torch.randn(hidden, width, dtype=torch.float64) / math.sqrt(width))
        self.readout = nn.Linear(hidden, outputs, bias=False, dtype=torch.float64)
        nn.init.zeros_(self.readout.weight)

    def features(self, x: Tensor) -> Tensor:
        """relu(W x) / sqrt(hidden), [n, hidden] of inputs [n, ...]."""
        return torch.relu(x.flatten(1).to(self.first.dtype) @ self.first.T) / math.sqrt(len(self.first))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [n, outputs]."""
        outputs: Tensor = self.readout(self.features(x))
        return outputs
