"""A residual multilayer perceptron told the noise level: the smallest denoiser of images worth training on a CPU."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from assay.models.base import models


class _Block(nn.Module):
    """h + L2(silu(L1(silu(h)) * (1 + g) + b)), with g and b linear in the embedding of the noise level (FiLM)."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.film = nn.Linear(embedding, 2 * width)

    def forward(self, h: Tensor, embedded: Tensor) -> Tensor:
        g, b = self.film(embedded).chunk(2, 1)
        out: Tensor = h + self.second(F.silu(torch.addcmul(b, self.first(F.silu(h)), 1 + g)))
        return out


@models.register("film_mlp", reduced={"width": 16, "blocks": 1})
class FilmMLP(nn.Module):
    """F(x, c): a network of the shape of its input and of one number c a sample, e.g. log(sigma) / 4.

    The last layer starts at zero, so that an untrained EDM denoiser is that of an isotropic Gaussian.

    Args:
        inputs: shape of one input, which is that of an output too; it is flattened.
        outputs: not used.
        width: of the hidden layers.
        blocks: number of residual blocks.
        features: sines and cosines of c, half each, at frequencies from 1 to 30, evenly in log.
        embedding: width of the layer that they go through.
    """

    frequencies: Tensor

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        width: int = 256,
        blocks: int = 4,
        features: int = 32,
        embedding: int = 64,
    ) -> None:
        super().__init__()
        size = math.prod(inputs)
        self.register_buffer("frequencies", torch.linspace(0, math.log(30), features // 2).exp())
        self.embed = nn.Linear(2 * (features // 2), embedding)
        self.enter = nn.Linear(size, width)
        self.blocks = nn.ModuleList([_Block(width, embedding) for _ in range(blocks)])
        self.leave = nn.Linear(width, size)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """[B, *inputs] of inputs [B, *inputs] and c [B], or [1] for all."""
        angles = c[:, None] * self.frequencies
        embedded = F.silu(self.embed(torch.cat([angles.sin(), angles.cos()], 1)))
        h = self.enter(x.flatten(1))
        for block in self.blocks:
            h = block(h, embedded)
        out: Tensor = self.leave(F.silu(h)).view_as(x)
        return out
