"""Vision transformers, as torchvision builds them."""

from __future__ import annotations

from torch import nn

from assay.models.base import models


@models.register("vit_b_16", source="arXiv 2010.11929, torchvision", reduced={"width": 24, "layers": 2, "heads": 3})
def vit_b_16(
    inputs: tuple[int, ...],
    outputs: int,
    *,
    patch: int = 16,
    width: int = 768,
    layers: int = 12,
    heads: int = 12,
    dropout: float = 0.0,
) -> nn.Module:
    """ViT-B/16 for square colour images [3, size, size].

    Args:
        inputs: shape of one image; its size must be a multiple of `patch`.
        outputs: number of scores.
        patch: side of a patch in pixels.
        width: size of a token; the hidden layers of its MLPs are four times as wide.
        layers: transformer blocks.
        heads: attention heads; they divide `width`.
        dropout: dropout rate.
    """
    from torchvision.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        image_size=inputs[1],
        patch_size=patch,
        num_layers=layers,
        num_heads=heads,
        hidden_dim=width,
        mlp_dim=4 * width,
        dropout=dropout,
        num_classes=outputs,
    )
