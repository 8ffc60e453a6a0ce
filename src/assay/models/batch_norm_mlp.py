"""A multilayer perceptron with batch normalisation after every hidden layer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn

from assay.models.base import models


@models.register("batch_norm_mlp", reduced={"hidden": [8, 8]})
class BatchNormMLP(nn.Module):
    """Flattens its input; hidden layers (linear, batch normalisation, ReLU), then a linear layer; torch's own start.

    Args:
        inputs: shape of one input; it is flattened.
        outputs: number of outputs.
        hidden: widths of the hidden layers.
    """

    def __init__(self, inputs: tuple[int, ...], outputs: int, *, hidden: Sequence[int] = (256, 256, 256)) -> None:
        super().__init__()
        widths = [math.prod(inputs), *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in itertools.pairwise(widths):
            layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [batch, outputs] of inputs [batch, *inputs]."""
        scores: Tensor = self.layers(x)
        return scores
