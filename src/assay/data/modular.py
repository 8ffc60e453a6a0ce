"""Modular arithmetic: the complete table of an operation modulo p, of which a share is for training."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from assay.data.base import Data, Split, data
from assay.errors import UserError
from assay.seeds import Seeds


@data.register("modular", source="Power et al. (2022), arXiv 2201.02177")
class Modular(Data):
    """All p^2 pairs (a, b) with c = a o b mod p as the class; a random share trains and the rest tests.

    Args:
        p: the modulus; a prime for division.
        operation: o; "divide" takes a b^-1 and leaves out b = 0.
        share: part of the pairs in the training set, rounded to the nearest pair.
        encoding: "onehot" makes an input [2p] of two one-hot vectors side by side (float32); "tokens" the sequence
            [a, b, p], where the token p stands for "=" (int64, a vocabulary of p + 1).
    """

    def __init__(
        self,
        *,
        p: int = 97,
        operation: Literal["add", "subtract", "multiply", "divide"] = "add",
        share: float = 0.5,
        encoding: Literal["onehot", "tokens"] = "onehot",
    ) -> None:
        super().__init__()
        if not 0 < share < 1:
            raise UserError(f"data.share={share}: the training share lies between 0 and 1")
        if operation == "divide" and any(p % q == 0 for q in range(2, p)):
            raise UserError(f"data.p={p}: division needs a prime modulus")
        self.p, self.operation, self.share, self.encoding, self.classes = p, operation, share, encoding, p

    def load(self, seeds: Seeds) -> None:
        """Make the table and split it by the axis `split`."""
        a, b = torch.cartesian_prod(torch.arange(self.p), torch.arange(self.p)).T
        if self.operation == "divide":
            a, b = a[b != 0], b[b != 0]
        x, y = self._encode(a, b), self._result(a, b)
        order = torch.randperm(len(x), generator=seeds.torch("split"))
        train, test = order.tensor_split([round(self.share * len(x))])
        self.train, self.test = Split(x[train], y[train]), Split(x[test], y[test])

    def _result(self, a: Tensor, b: Tensor) -> Tensor:
        if self.operation == "add":
            return (a + b) % self.p
        if self.operation == "subtract":
            return (a - b) % self.p
        if self.operation == "multiply":
            return (a * b) % self.p
        inverse = torch.tensor([0, *(pow(i, -1, self.p) for i in range(1, self.p))])
        return (a * inverse[b]) % self.p

    def _encode(self, a: Tensor, b: Tensor) -> Tensor:
        if self.encoding == "tokens":
            return torch.stack([a, b, torch.full_like(a, self.p)], dim=1)
        return torch.nn.functional.one_hot(torch.stack([a, b], dim=1), self.p).flatten(1).float()
