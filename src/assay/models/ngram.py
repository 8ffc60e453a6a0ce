"""A feed-forward language model: embedded context words, hidden layers, a score a class."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from assay.models.base import models


@models.register("ngram", source="Bengio et al., JMLR 2003", reduced={"embedding": 2, "hidden": [4]})
class NGram(nn.Module):
    """Embeddings N(0, 1) of the context side by side, ReLU layers and a linear one, in PyTorch's default start.

    Args:
        inputs: (context length,); inputs are classes.
        outputs: number of classes, of inputs and of scores.
        embedding: numbers a word.
        hidden: widths of the hidden layers.
    """

    def __init__(
        self, inputs: tuple[int, ...], outputs: int, *, embedding: int = 32, hidden: Sequence[int] = (128, 64)
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(outputs, embedding)
        widths = [inputs[0] * embedding, *hidden]
        pairs = itertools.pairwise(widths)
        self.body = nn.Sequential(*(layer for a, b in pairs for layer in (nn.Linear(a, b), nn.ReLU())))
        self.scores = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Scores, [batch, outputs], of contexts, [batch, context]."""
        scores: Tensor = self.scores(self.body(torch.flatten(self.embedding(x), 1)))
        return scores
