"""Two distributions to be joined: what bridges, transport and unpaired translation start from."""

from __future__ import annotations

import torch
from torch import Tensor

from assay.data.base import Data, Split


class Marginals(Data):
    """Samples of two distributions on R^D, with nothing said about which belong together.

    In every split `x` holds samples of p0 and `y` samples of p1, [n, D] and [m, D]. They are independent of each
    other and m may differ from n, so the two sides are indexed apart.
    """

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n fresh samples of p0 and n of p1, [n, D] each, independent; a pure function of the generator.

        Where the distributions are known only by their training rows, these are drawn with replacement.
        """
        return pick(self.train.x, n, generator), pick(self.train.y, n, generator)

    def fill(self, train: int, test: int, generator: torch.Generator) -> None:
        """Fill the splits with fresh samples; for distributions that can be sampled."""
        x, y = self.draw(train + test, generator)
        self.train, self.test = Split(x[:train], y[:train]), Split(x[train:], y[train:])


def pick(rows: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n rows with replacement; the generator lives on the CPU."""
    return rows[torch.randint(len(rows), (n,), generator=generator).to(rows.device)]
