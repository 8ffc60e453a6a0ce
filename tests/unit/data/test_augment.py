"""Random crops: squares of the images they come from, by the generator alone."""

import torch

from assay.data.augment import random_crops


def images(n=64, size=6):
    """Every pixel tells its place: 100 * row + column, and the channel's sign."""
    place = 100.0 * torch.arange(size)[:, None] + torch.arange(size)
    return torch.stack([place, -place]).expand(n, 2, size, size).clone()


def test_crops_are_squares_of_the_image_some_of_them_mirrored():
    crops = random_crops(images(), 4, torch.Generator().manual_seed(0))
    assert crops.shape == (64, 2, 4, 4)
    step = crops[:, 0, :, 1:] - crops[:, 0, :, :-1]
    mirrored = (step == -1).all(2).all(1)
    assert (mirrored | (step == 1).all(2).all(1)).all()
    assert 16 < mirrored.sum() < 48
    assert (crops[:, 0, 1:] - crops[:, 0, :-1] == 100).all()
    assert torch.equal(crops[:, 1], -crops[:, 0])
    corners = crops[:, 0].flatten(1).min(1).values
    assert set(corners.tolist()) == {100.0 * r + c for r in range(3) for c in range(3)}


def test_the_generator_decides():
    first, again = (random_crops(images(), 4, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    whole = random_crops(images(), 6, torch.Generator().manual_seed(3), flip=False)
    assert torch.equal(whole, images())
