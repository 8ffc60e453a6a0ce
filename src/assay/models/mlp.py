"""A multilayer perceptron whose start is written down: papers on optimisation depend on it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from assay.errors import UserError
from assay.models.base import models

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}

Activation = Literal["relu", "gelu", "silu", "tanh", "softplus", "identity"]
Init = Literal["torch", "kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal"]


@models.register("mlp")
class MLP(nn.Module):
    """Flattens its input; hidden layers with one activation, then a linear layer.

    Args:
        inputs: shape of one input; it is flattened.
        outputs: number of scores.
        hidden: widths of the hidden layers; none makes a linear model.
        activation: after every hidden layer.
        init: how weights are drawn. "torch" is `nn.Linear`'s own start, biases included; every other start has zero
            biases and, for Kaiming, the gain of ReLU (variance 2 / fan-in).
        gain: factor on all initial weights (not with "torch").
        bias: whether layers have biases.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        hidden: Sequence[int] = (128, 128),
        activation: Activation = "relu",
        init: Init = "kaiming_uniform",
        gain: float = 1.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if init == "torch" and gain != 1.0:
            raise UserError(f"model.gain={gain}: init=torch is the library's own start and takes no gain")
        widths = [math.prod(inputs), *hidden, outputs]
        linear = [nn.Linear(a, b, bias=bias) for a, b in itertools.pairwise(widths)]
        inner = [layer for each in linear[:-1] for layer in (each, ACTIVATIONS[activation]())]
        self.layers = nn.Sequential(nn.Flatten(), *inner, linear[-1])
        if init != "torch":
            for layer in linear:
                initialise(layer, init, gain)

    def forward(self, x: Tensor) -> Tensor:
        """Scores [batch, outputs] of inputs [batch, *inputs]."""
        scores: Tensor = self.layers(x)
        return scores


def initialise(layer: nn.Linear, init: Init, gain: float) -> None:
    """Draw a layer's weights as `init` says, times `gain`; biases become zero."""
    if init.startswith("kaiming"):
        getattr(nn.init, f"{init}_")(layer.weight, nonlinearity="relu")
    else:
        getattr(nn.init, f"{init}_")(layer.weight)
    layer.weight.data.mul_(gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
