"""Labelled data: pools of rows, drawn into splits by seed, prepared on the training rows, with noise on the labels.

What image sets and tables have in common lives here once. A subclass says how to `read` its rows and how to `prepare`
inputs; drawing, scaling and noise are the same for all and depend on the run's seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from assay.data.base import Data, Split
from assay.data.label_noise import class_dependent_noise, uniform_noise
from assay.errors import UserError
from assay.seeds import Seeds

Noise = Literal["none", "uniform", "class"]
Size = int | float | None
"""A number of rows, a share of the pool (a float up to 1), or None for all that are left."""


@dataclass(frozen=True)
class Pool:
    """Rows as they are stored: inputs [n, ...] of any type, targets [n]."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, index: Tensor | None) -> Pool:
        """Some rows; all of them if `index` is None, with the inputs not yet copied."""
        return Pool(self.x, self.y.clone()) if index is None else Pool(self.x[index], self.y[index])


Prepare = Callable[[Tensor], Tensor]


class LabelledData(Data):
    """Base class of classification and regression sets that fit in memory.

    Args:
        train, val, test: sizes; 0 leaves a split out. Sets with test data of their own draw `test` from those, the
            others draw all three from one pool. `train=None` takes what the others leave, `test=None` all test data.
        stratify: keep the classes' shares in every split, to within a row or two.
        noise: "none", "uniform" (a random class) or "class" (by a fixed table, see `noise_table`), on training and
            validation labels. `extra["clean"]` of both holds the labels before.
        noise_level: probability that a label is hit.
        noise_classes: the clean classes that are noised; all if None.
    """

    noise_table: Sequence[int] | None = None
    """What class-dependent noise turns each class into; the next class if None."""

    synthetic_shape: ClassVar[tuple[int, ...]] = ()
    """Shape of a stored row, for data made up in place of a download."""

    def __init__(
        self,
        *,
        train: Size = None,
        val: Size = 0,
        test: Size = None,
        stratify: bool = False,
        noise: Noise = "none",
        noise_level: float = 0.0,
        noise_classes: list[int] | None = None,
    ) -> None:
        super().__init__()
        self.sizes: dict[str, Size] = {"train": train, "val": val, "test": test}
        self.stratify = stratify
        self.noise, self.noise_level, self.noise_classes = noise, noise_level, noise_classes
        if not 0 <= noise_level <= 1:
            raise UserError(f"data.noise_level={noise_level}: expected a probability")

    # -- what a data set fills in -----------------------------------------------------------------------------------

    def read(self) -> tuple[Pool, Pool | None]:
        """The rows to train and validate on, and the test rows where the set has its own.

        Raises:
            DataMissing: one line that says how to get them.
        """
        raise TypeError(f"{type(self).__name__} does not say how to read its rows")

    def prepare(self, x: Tensor) -> Prepare:
        """A map from stored to prepared inputs, fitted on the stored training inputs `x`; it makes new tensors."""
        return lambda rows: rows.clone()

    # -- the splits -------------------------------------------------------------------------------------------------

    def load(self, seeds: Seeds) -> None:
        """Draw the splits (axis "split") and the noise (axis "noise")."""
        pool, held_out = self.read()
        index, test = self._draw(pool, held_out, seeds)
        self._fill({name: pool.rows(rows) for name, rows in index.items()} | test, seeds)

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Fill the splits with n random rows each, of the right shape, for a dry run without the data."""
        generator = seeds.torch("synthetic")
        parts = {}
        for name, size in self.sizes.items():
            if size != 0:
                x = torch.randint(256, (n, *self.synthetic_shape), generator=generator, dtype=torch.uint8)
                parts[name] = Pool(x, torch.arange(n) % self.classes)
        self._fill(parts, seeds)

    def _draw(
        self, pool: Pool, held_out: Pool | None, seeds: Seeds
    ) -> tuple[dict[str, Tensor | None], dict[str, Pool]]:
        """Row numbers of the splits that come from the pool, and the test split where it does not."""
        val = self._count("val", len(pool), 0)
        test = self._count("test", len(pool), 0) if held_out is None else 0
        train = self._count("train", len(pool), len(pool) - val - test)
        if min(train, val, test) < 0 or train == 0 or train + val + test > len(pool):
            wanted = f"train={self.sizes['train']}, val={self.sizes['val']}, test={self.sizes['test']}"
            raise UserError(f"data: {wanted} does not fit the {len(pool)} rows there are")
        order = self._order(pool, seeds, "train") if train < len(pool) else None
        index = {"train": None if order is None else order[:train]}
        if order is not None and val:
            index["val"] = order[len(pool) - test - val : len(pool) - test]
        if order is not None and test:
            index["test"] = order[len(pool) - test :]
        return index, self._draw_test(held_out, seeds)

    def _draw_test(self, held_out: Pool | None, seeds: Seeds) -> dict[str, Pool]:
        if held_out is None:
            return {}
        test = self._count("test", len(held_out), len(held_out))
        if not 0 <= test <= len(held_out):
            raise UserError(f"data.test={test}: there are {len(held_out)} test rows")
        if test == 0:
            return {}
        return {"test": held_out.rows(self._order(held_out, seeds, "test")[:test] if test < len(held_out) else None)}

    def _count(self, name: str, available: int, default: int) -> int:
        size = self.sizes[name]
        if size is None:
            return default
        return round(size * available) if isinstance(size, float) and size <= 1 else int(size)

    def _order(self, pool: Pool, seeds: Seeds, name: str) -> Tensor:
        """A random order of a pool's rows; stratified, every prefix holds the classes in their shares."""
        order = torch.randperm(len(pool), generator=seeds.torch("split", name))
        if not self.stratify or not self.classes:
            return order
        # Row r of the n_k rows of class k goes to the place (r + 1/2) / n_k: the classes are spread out evenly.
        y = pool.y[order]
        place = torch.empty(len(y), dtype=torch.float64)
        for k in y.unique():
            rows = (y == k).nonzero().squeeze(1)
            place[rows] = (torch.arange(len(rows), dtype=torch.float64) + 0.5) / len(rows)
        return order[place.argsort(stable=True)]

    def _fill(self, parts: dict[str, Pool], seeds: Seeds) -> None:
        prepare = self.prepare(parts["train"].x)
        for name, part in parts.items():
            setattr(self, name, self._split(name, part, prepare, seeds))

    def _split(self, name: str, part: Pool, prepare: Prepare, seeds: Seeds) -> Split:
        x, clean = prepare(part.x), part.y
        if name == "test" or not self.classes:
            return Split(x, clean)
        noisy = self._noisy(clean, seeds.torch("noise", name))
        return Split(x, noisy, {"clean": clean})

    def _noisy(self, y: Tensor, generator: torch.Generator) -> Tensor:
        if self.noise == "uniform":
            return uniform_noise(y, self.noise_level, self.classes, generator, self.noise_classes)[0]
        if self.noise == "class":
            table = self.noise_table
            return class_dependent_noise(y, self.noise_level, self.classes, generator, self.noise_classes, table)[0]
        return y
