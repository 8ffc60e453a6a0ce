"""Label noise with known corruption, as robust-loss papers define it.

Both kinds draw one uniform number a row, whatever the level: with the same generator the rows hit at a low level are
also hit at a higher one, so that noise levels differ by what they add.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def uniform_noise(
    y: Tensor, level: float, classes: int, generator: torch.Generator, only: Sequence[int] | None = None
) -> tuple[Tensor, Tensor]:
    """With probability `level` replace a label by a uniformly random class, which may be the same.

    A label is kept with probability 1 - level + level / classes.

    Args:
        y: clean labels, [n], integers in [0, classes).
        level: probability in [0, 1].
        classes: number of classes.
        generator: where the randomness comes from.
        only: the clean classes that are noised; all if None.

    Returns:
        Noisy labels [n], and the mask [n] of labels that differ from the clean ones.
    """
    hit = _hit(y, level, generator, only)
    drawn = torch.randint(classes, y.shape, generator=generator)
    return _replaced(y, hit, drawn.to(y.dtype))


def class_dependent_noise(
    y: Tensor,
    level: float,
    classes: int,
    generator: torch.Generator,
    only: Sequence[int] | None = None,
    table: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """With probability `level` map a label by a fixed table.

    Args:
        y: clean labels, [n], integers in [0, classes).
        level: probability in [0, 1].
        classes: number of classes K.
        generator: where the randomness comes from.
        only: the clean classes that are noised; all if None.
        table: the class that each class turns into; (y + 1) mod K if None.

    Returns:
        Noisy labels [n], and the mask [n] of labels that differ from the clean ones.
    """
    target = torch.tensor([(k + 1) % classes for k in range(classes)] if table is None else list(table))
    if len(target) != classes or target.min() < 0 or target.max() >= classes:
        raise ValueError(f"a table gives one of {classes} classes for each of them")
    return _replaced(y, _hit(y, level, generator, only), target.to(y.dtype)[y])


def replacement_noise(y: Tensor, share: float, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Replace exactly the share of labels, rounded to a row, by one of the other classes, all equally likely.

    Args:
        y: clean labels, [n], integers in [0, classes).
        share: of the rows, in [0, 1].
        classes: number of classes, at least 2.
        generator: where the randomness comes from.

    Returns:
        Noisy labels [n], and the mask [n] of labels that differ from the clean ones.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a noise level lies between 0 and 1, not at {share}")
    order = torch.randperm(len(y), generator=generator)
    shift = torch.randint(1, classes, y.shape, generator=generator).to(y.dtype)
    hit = torch.zeros(len(y), dtype=torch.bool)
    hit[order[: round(share * len(y))]] = True
    return _replaced(y, hit, (y + shift) % classes)


def _hit(y: Tensor, level: float, generator: torch.Generator, only: Sequence[int] | None) -> Tensor:
    if not 0 <= level <= 1:
        raise ValueError(f"a noise level lies between 0 and 1, not at {level}")
    hit = torch.rand(y.shape, generator=generator, dtype=torch.float64) < level
    return hit if only is None else hit & torch.isin(y, torch.tensor(list(only), dtype=y.dtype))


def _replaced(y: Tensor, hit: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    noisy = torch.where(hit, new, y)
    return noisy, noisy != y
