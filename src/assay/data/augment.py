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
    n, channels, height, width = x.shape
    top = torch.randint(height - crop + 1, (n, 1), generator=generator)
    left = torch.randint(width - crop + 1, (n, 1), generator=generator)
    rows, columns = top + torch.arange(crop), left + torch.arange(crop)  # [n, crop] each
    if flip:
        mirrored = torch.randint(2, (n, 1), generator=generator).bool()
        columns = torch.where(mirrored, columns.flip(1), columns)
    rows, columns = rows.to(x.device), columns.to(x.device)
    image = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    return x[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
