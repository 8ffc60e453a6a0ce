"""Networks that are periodic in space by construction: boundary conditions that need no loss term."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from assay.autodiff.jets import Jets, product_rows, propagate
from assay.models.base import models


class PeriodicEmbedding(nn.Module):
    """(t, x) -> features that are periodic in every coordinate of x with their derivatives of all orders.

    Along each coordinate (1, cos k w x_i, sin k w x_i) for k = 1..modes with w = 2 pi / period, in several dimensions
    all products of these; before them t, or 10^e t for several exponents e.

    Args:
        dimension: of x.
        period: of every coordinate.
        modes: m.
        exponents: e.
    """

    def __init__(self, dimension: int, period: float, modes: int, exponents: Sequence[int] = (0,)) -> None:
        super().__init__()
        self.dimension, self.period, self.modes, self.exponents = dimension, period, modes, list(exponents)
        self.features = len(exponents) + (2 * modes + 1) ** dimension

    def forward(self, points: Tensor) -> Tensor:
        """Features [N, features] of points [N, 1 + dimension]."""
        return self.jets(Jets(points[None], {})).value

    def jets(self, lines: Jets) -> Jets:
        """Jets of the features along straight lines, i.e. from the jets that `autodiff.jets.lines` gives.

        d^o/ds^o cos(k w x) = (k w d)^o cos(k w x + o pi/2) where x moves with speed d, and so for the sine.
        """
        rows, orders = lines.rows, tuple(lines.orders.values())
        space: Tensor | None = None
        for axis in range(1, 1 + self.dimension):
            one = self._axis(rows[..., axis], orders)
            space = one if space is None else product_rows(space[..., :, None], one[..., None, :], orders).flatten(2)
        assert space is not None
        scales = torch.tensor([10.0**e for e in self.exponents], dtype=rows.dtype, device=rows.device)
        return lines.having(torch.cat([rows[..., :1] * scales, space], -1))

    def _axis(self, rows: Tensor, orders: Sequence[int]) -> Tensor:
        """Jets [K, N, 2 modes + 1] of (1, cos, sin) of one coordinate, whose jets are [K, N]."""
        # Made anew in the precision of the points: a rounded frequency would not be periodic in a higher one.
        waves = 2 * math.pi / self.period * torch.arange(1, self.modes + 1, dtype=rows.dtype, device=rows.device)
        angle = rows[0][:, None] * waves
        ones = torch.ones_like(rows[0])[:, None]
        out = [torch.cat([ones, angle.cos(), angle.sin()], -1)]
        start = 0
        for order in orders:
            for o in range(1, order + 1):
                speed = (rows[start + 1][:, None] * waves) ** o
                # By quarter turns and not by adding pi/2: cos(a + pi/2) would lose digits of a.
                cos = (angle.cos(), -angle.sin(), -angle.cos(), angle.sin())[o % 4]
                sin = (angle.sin(), angle.cos(), -angle.sin(), -angle.cos())[o % 4]
                out.append(torch.cat([torch.zeros_like(ones), speed * cos, speed * sin], -1))
            start += order
        return torch.stack(out)


@models.register("periodic")
class Periodic(nn.Module):
    """A network on a periodic embedding: u(t, x) with u(t, x + period) = u(t, x), exactly.

    Args:
        inputs: shape of one input, (1 + dimension of x,); time comes first.
        outputs: number of outputs.
        net: the network on the features.
        period: of every coordinate of x.
        modes: waves along every coordinate.
        exponents: time enters as 10^e t for these e.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        net: nn.Module,
        period: float = 2.0,
        modes: int = 10,
        exponents: Sequence[int] = (0,),
    ) -> None:
        super().__init__()
        self.embedding = PeriodicEmbedding(math.prod(inputs) - 1, period, modes, exponents)
        # A nested model arrives as a factory, because it too waits for its shapes.
        make = cast(Callable[[tuple[int, ...], int], nn.Module], net)
        self.net = make((self.embedding.features,), outputs)

    def forward(self, points: Tensor) -> Tensor:
        """u [N, outputs] at points [N, 1 + dimension]."""
        out: Tensor = self.net(self.embedding(points))
        return out

    def jets(self, lines: Jets) -> Jets:
        """The jets of u along straight lines."""
        return propagate(self.net, self.embedding.jets(lines))
