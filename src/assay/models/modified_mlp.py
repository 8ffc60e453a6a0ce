"""A multilayer perceptron whose hidden layers are gated by two encodings of the input."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from assay.autodiff.jets import Jets, dense
from assay.models.base import models
from assay.models.mlp import Init, initialise


@models.register("modified_mlp", source="Wang, Teng and Perdikaris (2021), arXiv 2001.04536")
class ModifiedMLP(nn.Module):
    """U = tanh(X W1 + b1), V = tanh(X W2 + b2); H <- (1 - Z) U + Z V with Z = tanh(H W + b) in every later layer.

    The first hidden layer is H = tanh(X W + b), the last a linear one. All hidden layers have one width. Its
    derivatives with respect to inputs: `assay.autodiff.jets`.

    Args:
        inputs: shape of one input; it is flattened.
        outputs: number of outputs.
        hidden: widths of the hidden layers, all the same.
        init: how weights are drawn; biases start at zero.
        gated_first: gate the first hidden layer as well, as some published code does.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        hidden: Sequence[int] = (128, 128, 128, 128),
        init: Init = "xavier_normal",
        gated_first: bool = False,
    ) -> None:
        super().__init__()
        if len(set(hidden)) != 1:
            raise ValueError(f"hidden={list(hidden)}: a gated network needs hidden layers of one width")
        features, width = math.prod(inputs), hidden[0]
        self.u, self.v = nn.Linear(features, width), nn.Linear(features, width)
        self.hidden = nn.ModuleList(
            [nn.Linear(features, width), *(nn.Linear(width, width) for _ in range(len(hidden) - 1))]
        )
        self.last = nn.Linear(width, outputs)
        self.gated_first = gated_first
        if init != "torch":
            for layer in (self.u, self.v, *self.hidden, self.last):
                assert isinstance(layer, nn.Linear)
                initialise(layer, init, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [batch, outputs] of inputs [batch, *inputs]."""
        x = x.flatten(1)
        u = torch.tanh(self.u(x))
        step = torch.tanh(self.v(x)) - u
        h = x
        for i, layer in enumerate(self.hidden):
            z = torch.tanh(layer(h))
            h = z if i == 0 and not self.gated_first else u + z * step  # (1 - Z) U + Z V
        out: Tensor = self.last(h)
        return out

    def jets(self, x: Jets) -> Jets:
        """The jets of the outputs from those of the inputs."""
        u = dense(self.u, x)
        step = x.having(dense(self.v, x).rows - u.rows)
        h = x
        for i, layer in enumerate(self.hidden):
            assert isinstance(layer, nn.Linear)
            z = dense(layer, h)
            h = z if i == 0 and not self.gated_first else x.having(u.rows + (z * step).rows)
        return h.linear(self.last)
