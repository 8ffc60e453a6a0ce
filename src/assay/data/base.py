"""What every data set of Assay is: tensors that stay resident and are indexed.

A data set that fits in memory is loaded once, kept as tensors on the run's device and indexed by step; there is no
worker process and no per-sample Python. Larger sets override `batch`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from assay.registry import Registry
from assay.seeds import Seeds
from assay.system.lightning import pl


@dataclass(frozen=True)
class Split:
    """One part of a data set. Its tensors are only read: runs in one process may share them.

    Attributes:
        x: inputs, [n, ...].
        y: targets, [n] class indices or [n, ...] values.
        extra: further tensors with n rows, e.g. the clean labels behind noisy ones.
    """

    x: Tensor
    y: Tensor
    extra: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Tensor) -> Split:
        return Split(self.x[index], self.y[index], {key: value[index] for key, value in self.extra.items()})

    def to(self, device: torch.device | str) -> Split:
        """The same split on a device."""
        extra = {key: value.to(device) for key, value in self.extra.items()}
        return replace(self, x=self.x.to(device), y=self.y.to(device), extra=extra)


class Data(pl.LightningDataModule):
    """Base class of data parts. A subclass fills `train` (and `val`, `test`) in `load`.

    Attributes:
        train, val, test: the splits; `val` and `test` may be absent.
        classes: number of classes; 0 for regression and unlabelled data.
    """

    train: Split
    val: Split | None = None
    test: Split | None = None
    classes: int = 0

    def load(self, seeds: Seeds) -> None:
        """Read or generate the splits; every random choice comes from a named axis of `seeds`.

        Raises:
            DataMissing: one line that says how to get the data.
        """
        raise TypeError(f"{type(self).__name__} does not say how to load its splits")

    @property
    def inputs(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.train.x.shape[1:])

    @property
    def outputs(self) -> int:
        """What a model of these data puts out: a score a class, or one number for each column of the targets."""
        return self.classes or (self.train.y.shape[1] if self.train.y.ndim > 1 else 1)

    def move(self, device: torch.device | str) -> None:
        """Put all splits on a device."""
        for name in ("train", "val", "test"):
            split = getattr(self, name, None)
            if split is not None:
                setattr(self, name, split.to(device))


data = Registry("data", Data)
