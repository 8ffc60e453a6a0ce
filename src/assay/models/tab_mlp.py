"""A multilayer perceptron with batch normalisation, as classifiers of tables are often built."""

from __future__ import annotations

import itertools
import math

from torch import Tensor, nn

from assay.models.base import models


@models.register("tab_mlp", source="Dai, ICML 2025 (arXiv 2409.00908), its tabular networks")
class TabMLP(nn.Module):
    """Flattens its input; `depth` blocks of linear layer, ReLU, batch normalisation and dropout; then a linear layer.

    Weights start as torch's own layers do.

    Args:
        inputs: shape of one input; it is flattened.
        outputs: number of scores.
        depth: hidden blocks.
        width: units of each.
        dropout: share of the units that is dropped after every block's normalisation.
    """

    def __init__(
        self, inputs: tuple[int, ...], outputs: int, *, depth: int = 3, width: int = 128, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [math.prod(inputs), *[width] * depth]
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in itertools.pairwise(widths):
            layers += [nn.Linear(a, b), nn.ReLU(), nn.BatchNorm1d(b)]
            layers += [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Scores [batch, outputs] of inputs [batch, *inputs]."""
        scores: Tensor = self.layers(x)
        return scores
