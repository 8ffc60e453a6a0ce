"""A network seen relative to its start and scaled: what takes a network from rich to lazy training and back.

Subtracting the initial function makes the output scale a pure dial: the predictor starts at zero whatever `alpha` is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from assay.models.base import models


@models.register("centred", source="Chizat, Oyallon and Bach (2019), arXiv 1812.07956")
class Centred(nn.Module):
    """alpha (f(x; w) - f(x; w0)) with w0 the initial weights; large alpha is lazy, small alpha is rich.

    The frozen copy at w0 is part of the state (checkpoints hold it) and has no gradient. Squared losses keep their
    speed in function space if the learning rate is scaled by 1 / alpha^2.

    Args:
        inputs: shape of one input.
        outputs: number of outputs.
        net: the network f.
        alpha: output scale.
        sigma: factor on all initial parameters of f, biases included.
        centred: whether f(x; w0) is subtracted.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        net: nn.Module,
        alpha: float = 1.0,
        sigma: float = 1.0,
        centred: bool = True,
    ) -> None:
        super().__init__()
        # A nested model arrives as a factory, because it too waits for its shapes.
        make = cast(Callable[[tuple[int, ...], int], nn.Module], net)
        self.net, self.alpha = make(inputs, outputs), alpha
        with torch.no_grad():
            for p in self.net.parameters():
                p.mul_(sigma)
        self.start = copy.deepcopy(self.net).requires_grad_(False) if centred else None

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [batch, outputs] of inputs [batch, *inputs]."""
        scores: Tensor = self.net(x)
        return self.alpha * (scores if self.start is None else scores - self.start(x))
