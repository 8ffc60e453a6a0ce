"""Pairs of classes: which rows, which label is which, averaged pixels, scaling on the training rows, flips."""

import pytest
import torch

from assay.data import ClassPair, FashionMNIST
from assay.data.labelled import Pool
from assay.errors import UserError
from assay.seeds import Seeds


def images(rows, first):
    """Grey images of three classes in turn; the image of row i is filled with `first` + i."""
    x = (first + torch.arange(rows, dtype=torch.uint8))[:, None, None, None].expand(-1, 1, 4, 4)
    return Pool(x.contiguous(), torch.arange(rows) % 3)


@pytest.fixture
def pair(monkeypatch):
    monkeypatch.setattr(FashionMNIST, "read", lambda self: (images(60, 10), images(30, 100)))

    def load(pair=(2, 0), seed=1, **values):
        data = ClassPair(images="fashion_mnist", pair=list(pair), **values)
        data.load(Seeds(seed))
        return data

    return load


def test_the_second_class_is_one(pair):
    data = pair(scale="half", flatten=False)
    value = ((data.test.x[:, 0, 0, 0] + 1) / 2 * 255).round().int() - 100
    assert sorted(value.tolist()) == [i for i in range(30) if i % 3 != 1]
    assert torch.equal(data.test.y, (value % 3 == 0).long())
    assert data.inputs == (1, 4, 4) and data.classes == 2


def test_equally_many_of_both_in_training(pair):
    data = pair(train=20, val=10)
    assert data.train.y.sum() == 10 and data.val.y.sum() == 5 and len(data.test) == 20
    assert not torch.equal(pair(train=20, seed=2).train.x, pair(train=20, seed=3).train.x)


def test_squares_are_averaged_and_standardised_on_the_training_rows(pair, monkeypatch):
    x = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4).repeat(9, 1, 1, 1)
    x[::3, :, :2, :2] += 40
    monkeypatch.setattr(FashionMNIST, "read", lambda self: (Pool(x, torch.arange(9) % 3), Pool(x, torch.arange(9) % 3)))
    raw = pair((0, 1), pool=2, scale="half").train
    first = (raw.x[raw.y == 0] + 1) / 2 * 255
    torch.testing.assert_close(first[0], torch.tensor([42.5, 4.5, 10.5, 12.5]))
    scaled = pair((0, 1), pool=2).train
    torch.testing.assert_close(scaled.x[:, 0], torch.where(scaled.y == 0, 1.0, -1.0))
    assert (scaled.x[:, 1:] == 0).all()  # constant in training


def test_noise_flips_labels(pair):
    data = pair(noise="class", noise_level=1.0)
    assert torch.equal(data.train.y, 1 - data.train.extra["clean"])


def test_synthetic_rows_have_the_right_shape():
    data = ClassPair(images="cifar10", pair=[3, 5], scale="half", flatten=False)
    data.synthetic(Seeds(1), 8)
    assert data.train.x.shape == (8, 3, 32, 32) and data.train.x.min() >= -1
    assert set(data.train.y.tolist()) == {0, 1}


@pytest.mark.parametrize("pair", [[1, 1], [0, 10], [1], [0, 1, 2]])
def test_a_pair_is_two_classes(pair):
    with pytest.raises(UserError, match="two different classes"):
        ClassPair(images="fashion_mnist", pair=pair)
