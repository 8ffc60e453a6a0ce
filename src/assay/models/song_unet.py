"""The U-Net of score models ("DDPM++"), with the layout of the published EDM checkpoints.

Parameters have the names that the checkpoints of Karras et al. (2022) give them, so that their weights can be loaded;
what only training with labels or augmentation uses is left out.

Source: Song et al. (2021), arXiv 2011.13456 (DDPM++); Karras et al. (2022), arXiv 2206.00364, Appendix F.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from assay.models.base import models


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, min(32, channels // 4)), channels, eps=1e-6)


class _Block(nn.Module):
    """Two convolutions beside a shortcut, the embedding added between them, then attention where asked for.

    Sums are divided by sqrt(2). `resize` 0.5 averages 2 x 2 pixels, 2 repeats them, before the first convolution.
    """

    def __init__(
        self, into: int, out: int, embedding: int, dropout: float, resize: float = 1.0, attention: bool = False
    ) -> None:
        super().__init__()
        self.resize, self.dropout, self.out_channels = resize, dropout, out
        self.norm0, self.conv0 = _norm(into), nn.Conv2d(into, out, 3, padding=1)
        self.affine = nn.Linear(embedding, out)
        self.norm1, self.conv1 = _norm(out), nn.Conv2d(out, out, 3, padding=1)
        nn.init.zeros_(self.conv1.weight)
        self.skip = nn.Conv2d(into, out, 1) if into != out or resize != 1 else None
        self.norm2 = _norm(out) if attention else None
        self.qkv = nn.Conv2d(out, 3 * out, 1) if attention else None
        self.proj = nn.Conv2d(out, out, 1) if attention else None

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        h = self.conv0(self._resized(F.silu(self.norm0(x))))
        h = F.silu(self.norm1(h + self.affine(embedded)[:, :, None, None]))
        h = self.conv1(F.dropout(h, self.dropout, self.training))
        beside = self._resized(x)
        h = (h + (beside if self.skip is None else self.skip(beside))) / math.sqrt(2)
        return h if self.qkv is None else (h + self._attended(h)) / math.sqrt(2)

    def _resized(self, x: Tensor) -> Tensor:
        if self.resize == 1:
            return x
        return F.avg_pool2d(x, 2) if self.resize < 1 else F.interpolate(x, scale_factor=2.0, mode="nearest")

    def _attended(self, h: Tensor) -> Tensor:
        """One head over all pixels; query, key and value of a channel are neighbours in `qkv`'s output."""
        assert self.norm2 is not None and self.qkv is not None and self.proj is not None
        b, c, height, width = h.shape
        q, k, v = self.qkv(self.norm2(h)).reshape(b, 1, c, 3, -1).unbind(3)
        mixed = F.scaled_dot_product_attention(q.mT, k.mT, v.mT).mT
        out: Tensor = self.proj(mixed.reshape(b, c, height, width))
        return out


@models.register("song_unet", source="arXiv 2206.00364", reduced={"channels": 8, "multipliers": [1, 1], "blocks": 1})
class SongUNet(nn.Module):
    """F(x, c): images of the shape of the input, and one number c a sample, e.g. log(sigma) / 4.

    Args:
        inputs: (channels, height, width) of an image; the sides are equal and even at every halving.
        outputs: not used.
        channels: of the finest level.
        multipliers: of the channels, level by level, each half the resolution of the one before.
        blocks: residual blocks of a level.
        attention: resolutions with attention, besides the coarsest, which always has one.
        dropout: probability.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        channels: int = 128,
        multipliers: Sequence[int] = (2, 2, 2),
        blocks: int = 4,
        attention: Sequence[int] = (16,),
        dropout: float = 0.13,
    ) -> None:
        super().__init__()
        colours, side = inputs[0], inputs[1]
        self.channels, embedding = channels, 4 * channels
        self.map_layer0, self.map_layer1 = nn.Linear(channels, embedding), nn.Linear(embedding, embedding)

        def block(into: int, out: int, resize: float = 1.0, attend: bool = False) -> _Block:
            return _Block(into, out, embedding, dropout, resize, attend)

        sides = [side >> level for level in range(len(multipliers))]
        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()
        out, kept = channels, [channels]
        self.enc[f"{side}x{side}_conv"] = nn.Conv2d(colours, channels, 3, padding=1)
        for level, (s, multiplier) in enumerate(zip(sides, multipliers, strict=True)):
            if level:
                self.enc[f"{s}x{s}_down"] = block(out, out, 0.5)
                kept.append(out)
            for i in range(blocks):
                into, out = out, channels * multiplier
                self.enc[f"{s}x{s}_block{i}"] = block(into, out, attend=s in attention)
                kept.append(out)
        for level, (s, multiplier) in reversed(list(enumerate(zip(sides, multipliers, strict=True)))):
            if level == len(sides) - 1:
                self.dec[f"{s}x{s}_in0"] = block(out, out, attend=True)
                self.dec[f"{s}x{s}_in1"] = block(out, out)
            else:
                self.dec[f"{s}x{s}_up"] = block(out, out, 2.0)
            for i in range(blocks + 1):
                into, out = out + kept.pop(), channels * multiplier
                self.dec[f"{s}x{s}_block{i}"] = block(into, out, attend=i == blocks and s in attention)
        self.dec[f"{side}x{side}_aux_norm"] = _norm(out)
        last = nn.Conv2d(out, colours, 3, padding=1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.dec[f"{side}x{side}_aux_conv"] = last

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """[B, *inputs] of images [B, *inputs] and c [B], or [1] for all."""
        embedded = F.silu(self.map_layer1(F.silu(self.map_layer0(self._features(c)))))
        kept: list[Tensor] = []
        h = x
        for layer in self.enc.values():
            h = layer(h, embedded) if isinstance(layer, _Block) else layer(h)
            kept.append(h)
        for name, layer in self.dec.items():
            if not isinstance(layer, _Block):
                h = layer(F.silu(h)) if name.endswith("aux_conv") else layer(h)
            else:
                # The blocks of a level take up what the encoder left at the same place; the others do not.
                h = layer(torch.cat([h, kept.pop()], 1) if "_block" in name else h, embedded)
        return h

    def _features(self, c: Tensor) -> Tensor:
        """Sines, then cosines of c at frequencies from 1 down to 1e-4, [B, channels]."""
        half = self.channels // 2
        powers = torch.arange(half, dtype=c.dtype, device=c.device) / max(half - 1, 1)
        angles = c[:, None] * (1e-4**powers)
        return torch.cat([angles.sin(), angles.cos()], 1)
