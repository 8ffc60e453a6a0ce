"""Augmentation of image batches on the device they are on, with randomness from a generator that the caller names."""

from __future__ import annotations

import torch
from torch import Tensor


def random_crops(x: Tensor, crop: int, generator: torch.Generator, flip: bool = True) -> Tensor:
    """A random square of every image, mirrored left to right with probability 1/2 if asked for.

    Args:
        x: images [n, channels, height, width].
        crop: side of the square in pixels.
        generator: a CPU generator, so that a batch is the same on every device.
        flip: whether to mirror.

    Returns:
        [n, channels, crop, crop].
    """
    n, _, height, width = x.shape
    top = torch.randint(height - crop + 1, (n, 1), generator=generator)
    left = torch.randint(width - crop + 1, (n, 1), generator=generator)
    windows = x.unfold(2, crop, 1).unfold(3, crop, 1)  # a view: [n, channels, top, left, crop, crop]
    image = torch.arange(n, device=x.device)
    cut = windows[image, :, top.squeeze(1).to(x.device), left.squeeze(1).to(x.device)]
    if flip:
        mirrored = torch.randint(2, (n, 1), generator=generator).bool().to(x.device)
        cut = torch.where(mirrored[:, :, None, None], cut.flip(3), cut)
    return cut
