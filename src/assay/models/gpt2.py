"""GPT-2, as transformers builds it; untrained, nothing is downloaded."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from assay.models.base import models


class Logits(nn.Module):
    """A language model that returns its scores alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores of the next token, [batch, length, vocabulary], for tokens [batch, length]."""
        scores: Tensor = self.model(tokens, use_cache=False).logits
        return scores


@models.register(
    "gpt2",
    source="Radford et al. (2019), transformers",
    reduced={"width": 24, "layers": 2, "heads": 2, "positions": 64},
)
def gpt2(
    inputs: tuple[int, ...],
    outputs: int,
    *,
    width: int = 768,
    layers: int = 12,
    heads: int = 12,
    positions: int = 1024,
    dropout: float = 0.0,
) -> nn.Module:
    """GPT-2 with tied embeddings.

    Args:
        inputs: (length,) of a row of tokens, at most `positions`.
        outputs: size of the vocabulary.
        width: size of a token.
        layers: transformer blocks.
        heads: attention heads; they divide `width`.
        positions: the longest row.
        dropout: rate of all dropouts; pretraining on a large text goes without.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=outputs,
        n_positions=max(positions, inputs[0]),
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
    )
    return Logits(GPT2LMHeadModel(config))
