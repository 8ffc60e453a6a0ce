"""Numbers of rows by class: the first of each class in stored order, the same for every seed."""

import pytest
import torch

from assay.data import ClassCounts, FashionMNIST
from assay.data.labelled import Pool
from assay.errors import UserError
from assay.seeds import Seeds


@pytest.fixture(autouse=True)
def images(monkeypatch):
    x = torch.arange(200, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4).contiguous()
    monkeypatch.setattr(
        FashionMNIST, "read", lambda self: (Pool(x, torch.arange(200) % 10), Pool(x[:30], torch.arange(30) % 10))
    )


def load(counts, seed=1, **values):
    data = ClassCounts(images="fashion_mnist", counts=counts, **values)
    data.load(Seeds(seed))
    return data


def test_the_first_rows_of_each_class_in_order():
    counts = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
    data = load(counts, scale="unit", flatten=False)
    rows = (data.train.x[:, 0, 0, 0] * 255).round().long()
    assert torch.bincount(data.train.y).tolist() == counts
    assert rows.tolist() == sorted(i for i in range(200) if i // 10 < counts[i % 10])
    assert torch.equal(data.train.y, rows % 10)
    assert len(data.test) == 30 and data.inputs == (1, 4, 4) and data.classes == 10


def test_seeds_do_not_matter_and_one_number_stands_for_all():
    one, two = load([3], seed=1), load([3] * 10, seed=2)
    assert torch.equal(one.train.x, two.train.x) and torch.equal(one.train.y, two.train.y)
    assert load([3], test=0).test is None


def test_standardised_on_the_rows_that_are_kept():
    x = load([4]).train.x
    assert x.shape == (40, 16)
    assert abs(float(x.mean())) < 1e-5 and float(x.std()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("counts", [[1, 2], [0], [21]])
def test_refuses_what_is_not_there(counts):
    with pytest.raises(UserError, match=r"data\.counts"):
        load(counts)


def test_made_up_rows_have_the_shape():
    data = ClassCounts(images="cifar10", counts=[5], flatten=False)
    data.synthetic(Seeds(0), 20)
    assert data.train.x.shape == (20, 3, 32, 32)
