"""Rows that are made when they are indexed, for sets that do not fit in memory.

Modules index `data.train.x[index]` with a batch's row numbers. For ImageNet or a text corpus that expression cannot be
backed by a resident tensor, so it is backed by a `LazyRows`: it has the length, the shape, `split` and `to` of a
tensor, and reads, decodes and moves exactly the rows that are asked for.

Random augmentation must not break exact resume. It draws from a generator seeded by the run's seed and the batch's row
numbers: the same batch is augmented in the same way whenever it is drawn, and as batches are drawn anew every epoch, an
image meets other crops each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor

Make = Callable[[Tensor], Tensor]
"""Row numbers [b] to rows [b, ...], on the CPU."""


class LazyRows:
    """What behaves like a tensor [n, ...] where modules index it.

    Args:
        make: makes rows from row numbers.
        shape: the shape of all rows together, (n, ...).
        finish: applied after the rows are on the device, e.g. from bytes to numbers.
        device: where rows go.
    """

    def __init__(
        self, make: Make, shape: tuple[int, ...], finish: Make = lambda rows: rows, device: torch.device | str = "cpu"
    ) -> None:
        self.make, self.finish, self.device = make, finish, torch.device(device)
        self.shape = torch.Size(shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        if isinstance(index, slice):
            index = torch.arange(*index.indices(len(self)))
        if index.dtype == torch.bool:
            index = index.nonzero().squeeze(1)
        return self.finish(self.make(index.cpu()).to(self.device, non_blocking=True))

    def split(self, chunk: int) -> Iterator[Tensor]:
        """The rows in order, `chunk` at a time."""
        return (self[start : start + chunk] for start in range(0, len(self), chunk))

    def to(self, device: torch.device | str) -> LazyRows:
        """The same rows, made on another device."""
        return LazyRows(self.make, tuple(self.shape), self.finish, device)

    def as_tensor(self) -> Tensor:
        """This, for the type checker: a split's `x` and `y` are declared as tensors."""
        return cast(Tensor, self)


def batch_seed(root: int, index: Tensor) -> int:
    """A seed for augmenting a batch: a pure function of a root seed and the batch's row numbers."""
    digest = hashlib.sha256(f"{root}/".encode() + index.to(torch.int64).contiguous().numpy().tobytes()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
