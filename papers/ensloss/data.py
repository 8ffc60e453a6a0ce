"""Labels with a known probability: what a classifier loses against the best possible one can be computed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from assay.data.base import Data, Split, data
from assay.seeds import Seeds

MEAN_OF_RELU = math.sqrt(1 / (2 * math.pi))
"""E max(0, x) for standard normal x."""

VARIANCE_OF_RELU = 0.5 - 1 / (2 * math.pi)


@data.register("ensloss/relu_sum", source="synthetic example of the authors' code")
class ReluSum(Data):
    """X ~ N(0, I_d); P(Y = 1 | x) = sigmoid(s), s = 2 (sum_j relu(x_j) - mean) / sd clamped to [-5, 5].

    Mean and standard deviation are those of the distribution, so that the task is the same for every n. The Bayes rule
    errs with probability 0.2219 for d = 200. Test rows are the same for every seed; `extra["p"]` holds P(Y = 1 | x).

    Args:
        train, val, test: numbers of rows.
        d: dimension.
    """

    classes = 2

    def __init__(self, *, train: int = 3000, val: int = 0, test: int = 20_000, d: int = 200) -> None:
        super().__init__()
        self.sizes, self.d = {"train": train, "val": val, "test": test}, d

    def load(self, seeds: Seeds) -> None:
        """Draw training and validation rows from the axis "sample"."""
        drawn = self.draw(self.sizes["train"] + self.sizes["val"], seeds.torch("sample"))
        self.train = drawn[torch.arange(self.sizes["train"])]
        if self.sizes["val"]:
            self.val = drawn[torch.arange(self.sizes["train"], len(drawn))]
        self.test = self.draw(self.sizes["test"], Seeds(0).torch("ensloss", "test"))

    def draw(self, n: int, generator: torch.Generator) -> Split:
        """n rows."""
        x = torch.randn(n, self.d, generator=generator)
        p = probability(x)
        y = torch.rand(n, generator=generator, dtype=torch.float64) < p
        return Split(x, y.long(), {"p": p})


def probability(x: Tensor) -> Tensor:
    """P(Y = 1 | x), [n] in double precision, for x [n, d]."""
    d = x.shape[1]
    total = x.double().relu().sum(1)
    score = 2 * (total - d * MEAN_OF_RELU) / math.sqrt(d * VARIANCE_OF_RELU)
    return torch.sigmoid(score.clamp(-5, 5))


def excess_risk(f: Tensor, p: Tensor) -> Tensor:
    """How much more often sign(f) errs than the Bayes rule: mean of p 1(f < 0) + (1 - p) 1(f >= 0) - min(p, 1 - p).

    Args:
        f: scores, [n].
        p: P(Y = 1 | x), [n].
    """
    return (torch.where(f < 0, p, 1 - p) - torch.minimum(p, 1 - p)).mean()
