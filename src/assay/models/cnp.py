"""Neural processes: networks that take a set of points with values and predict mean and sd at other points.

`NeuralProcess` is what they share. The conditional neural process, a deep set, is here; `anp` is the attentive one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from assay.models.base import models
from assay.models.mlp import ACTIVATIONS, Activation


class Fit(NamedTuple):
    """A prediction while training.

    Attributes:
        mean, sd: [B, T, q].
        kl: [B], KL(q(z | targets) || q(z | context)); zero without a latent variable.
    """

    mean: Tensor
    sd: Tensor
    kl: Tensor


class NeuralProcess(nn.Module):
    """Base class. Points are [B, C, d] (context) and [B, T, d] (targets), values [B, C, q] and [B, T, q].

    Attributes:
        stochastic: draws random numbers while training (from torch's global generator).
    """

    stochastic = False

    def fit(self, context: Tensor, values: Tensor, targets: Tensor, truth: Tensor) -> Fit:
        """The prediction that a training step scores; the mean is differentiable in `targets` one by one."""
        raise TypeError(f"{type(self).__name__} does not say how it is fitted")

    def predict(
        self, context: Tensor, values: Tensor, targets: Tensor, draws: int = 1, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean and sd [B, T, q], the latent variable (if any) averaged over `draws`."""
        raise TypeError(f"{type(self).__name__} does not say how it predicts")

    def fit_jet(
        self, context: Tensor, values: Tensor, targets: Tensor, truth: Tensor, twice: int = -1
    ) -> tuple[Fit, Tensor, Tensor]:
        """`fit` of one-dimensional values with derivatives of the mean in the targets, by autograd.

        For a small deep set, derivatives carried forwards through the layers took as long.

        Args:
            context, values, targets, truth: as in `fit`.
            twice: the coordinate that is differentiated twice.

        Returns:
            The fit, first derivatives [B, T, d], and the second derivative in the coordinate `twice` [B, T].
        """
        targets = targets.detach().requires_grad_()
        fit = self.fit(context, values, targets, truth)
        (first,) = torch.autograd.grad(fit.mean.sum(), targets, create_graph=True)
        (second,) = torch.autograd.grad(first[..., twice].sum(), targets, create_graph=True)
        return fit, first, second[..., twice]


def spread(raw: Tensor, floor: float) -> Tensor:
    """sd = floor + softplus(raw)."""
    return floor + F.softplus(raw)


@models.register("cnp", source="arXiv 1807.01613")
class CNP(NeuralProcess):
    """Conditional neural process: an encoder d + q - h - h, its mean over the context, a decoder h + d - h - h - 2 q.

    Args:
        inputs: shape of one point; it is flattened.
        outputs: q, the number of values at a point.
        hidden: h.
        activation: between layers. Anything that needs second derivatives needs one that has them.
        floor: least standard deviation.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        hidden: int = 48,
        activation: Activation = "silu",
        floor: float = 1e-3,
    ) -> None:
        super().__init__()
        d, act = math.prod(inputs), ACTIVATIONS[activation]
        self.encoder = nn.Sequential(nn.Linear(d + outputs, hidden), act(), nn.Linear(hidden, hidden))
        self.first, self.middle = nn.Linear(hidden + d, hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 2 * outputs)
        self.act, self.floor, self.hidden = act(), floor, hidden

    def first_layer(self, context: Tensor, values: Tensor, targets: Tensor) -> Tensor:
        """The decoder's first layer on (r, target) before its activation, [B, T, h]; r's share is computed once."""
        r = self.encoder(torch.cat([context, values], -1)).mean(1)
        mine, theirs = self.first.weight[:, : self.hidden], self.first.weight[:, self.hidden :]
        return F.linear(r, mine, self.first.bias).unsqueeze(1) + F.linear(targets, theirs)

    def forward(self, context: Tensor, values: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and sd at the targets, [B, T, q]."""
        z = self.first_layer(context, values, targets)
        for layer in (self.middle, self.last):
            z = layer(self.act(z))
        mean, raw = z.chunk(2, -1)
        return mean, spread(raw, self.floor)

    def fit(self, context: Tensor, values: Tensor, targets: Tensor, truth: Tensor) -> Fit:
        """The prediction; there is no latent variable."""
        mean, sd = self(context, values, targets)
        return Fit(mean, sd, context.new_zeros(len(context)))

    def predict(
        self, context: Tensor, values: Tensor, targets: Tensor, draws: int = 1, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """The prediction, which is not random."""
        mean, sd = self(context, values, targets)
        return mean, sd
