"""Drawing splits: a function of the seed, disjoint, nested, stratified; noise and made-up data on top of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.labelled import LabelledData, Pool
from assay.errors import UserError
from assay.seeds import Seeds

quick = settings(max_examples=40)


class Numbered(LabelledData):
    """Row i holds the number i, so that a split shows its rows; test rows of their own start at 1000."""

    classes = 3
    synthetic_shape = (2, 2)
    own_test = False
    x = torch.arange(100).unsqueeze(1)
    y = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)

    def read(self):
        pool = Pool(self.x, self.y)
        return pool, Pool(1000 + torch.arange(50).unsqueeze(1), torch.arange(50) % 3) if self.own_test else None


class WithTest(Numbered):
    own_test = True


def load(kind=Numbered, seed=1, **how):
    part = kind(**how)
    part.load(Seeds(seed))
    return part


def rows(split):
    return [] if split is None else split.x.squeeze(1).tolist()


sizes = st.integers(0, 30)


@quick
@given(st.integers(1, 40), sizes, sizes, st.booleans(), st.integers(0, 99))
def test_splits_of_one_pool_are_disjoint_and_of_the_right_size(train, val, test, stratify, seed):
    part = load(train=train, val=val, test=test, stratify=stratify, seed=seed)
    drawn = [*rows(part.train), *rows(part.val), *rows(part.test)]
    assert len(drawn) == len(set(drawn)) == train + val + test
    assert (len(part.train), len(rows(part.val)), len(rows(part.test))) == (train, val, test)


@quick
@given(st.integers(1, 60), sizes, st.integers(1, 50), st.integers(0, 99))
def test_a_sets_own_test_rows_are_never_trained_on(train, val, test, seed):
    part = load(WithTest, train=train, val=val, test=test, seed=seed)
    assert max([*rows(part.train), *rows(part.val)]) < 1000 <= min(rows(part.test))
    assert not set(rows(part.train)) & set(rows(part.val))


def test_splits_depend_on_the_seed_alone():
    how = {"train": 50, "val": 20, "test": 20}
    first, again, other = load(**how), load(**how), load(seed=2, **how)
    for name in ("train", "val", "test"):
        assert rows(getattr(first, name)) == rows(getattr(again, name)) != rows(getattr(other, name))


@quick
@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_a_smaller_training_set_is_the_start_of_a_larger_one_and_val_and_test_stay(a, b, stratify):
    small, large = (load(train=n, val=10, test=10, stratify=stratify) for n in sorted((a, b)))
    assert rows(large.train)[: len(small.train)] == rows(small.train)
    assert rows(large.val) == rows(small.val) and rows(large.test) == rows(small.test)


@quick
@given(st.integers(1, 70), st.integers(0, 15), st.integers(0, 15), st.integers(0, 99))
def test_stratified_splits_keep_the_classes_shares(train, val, test, seed):
    part = load(train=train, val=val, test=test, stratify=True, seed=seed)
    for name in ("train", "val", "test"):
        split = getattr(part, name)
        if split is not None:
            for k, share in enumerate((0.6, 0.3, 0.1)):
                assert abs(int((split.y == k).sum()) - share * len(split)) <= 2


def test_everything_that_is_left_is_trained_on_and_all_of_it_keeps_its_order():
    assert rows(load().train) == list(range(100))
    assert len(load(val=10, test=5).train) == 85
    part = load(WithTest, val=10)
    assert (len(part.train), len(part.val), rows(part.test)) == (90, 10, list(range(1000, 1050)))
    assert load(WithTest, test=0).test is None


@pytest.mark.parametrize(("size", "rows"), [(0.25, 25), (1.0, 100), (1, 1), (3.0, 3)])
def test_sizes_are_rows_or_shares(size, rows):
    assert len(load(train=size).train) == rows


@pytest.mark.parametrize(
    "wrong",
    [{"train": 101}, {"train": 90, "val": 11}, {"val": 100}, {"train": 0}, {"train": -1}, {"test": 0.6, "val": 0.5}],
)
def test_sizes_that_do_not_fit_are_one_clear_line(wrong):
    with pytest.raises(UserError, match=r"^data: train=.* does not fit the 100 rows there are$"):
        load(**wrong)
    with pytest.raises(UserError, match="there are 50 test rows"):
        load(WithTest, test=51)


def test_two_runs_of_one_process_do_not_share_what_they_may_change():
    first, second = load(), load()
    first.train.y[:] = 7
    first.train.x[:] = -7
    assert (second.train.y != 7).all() and (Numbered.y != 7).all()
    assert rows(second.train) == rows(load().train) == list(range(100))


# -- noise ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["uniform", "class"])
def test_training_and_validation_labels_are_noised_and_test_labels_are_not(noise):
    clean, noisy = load(train=60, val=20, test=20), load(train=60, val=20, test=20, noise=noise, noise_level=0.9)
    for name in ("train", "val"):
        a, b = getattr(clean, name), getattr(noisy, name)
        assert rows(a) == rows(b)
        assert torch.equal(a.y, b.extra["clean"]) and torch.equal(a.extra["clean"], a.y)
        assert (b.y != b.extra["clean"]).float().mean() > 0.3
    assert torch.equal(clean.test.y, noisy.test.y) and noisy.test.extra == {}


def test_noise_has_its_own_axis():
    """A different subset does not come with different noise, and noise does not move the subset."""
    a, b = (load(noise="uniform", noise_level=0.5, seed=seed).train.y for seed in (1, 2))
    assert not torch.equal(a, b)
    assert torch.equal(a, load(noise="uniform", noise_level=0.5).train.y)


def test_a_set_may_bring_its_own_noise_table_and_classes_may_be_spared():
    class Swapped(Numbered):
        noise_table = (1, 0, 2)

    part = load(Swapped, noise="class", noise_level=1.0)
    assert torch.equal(part.train.y, torch.tensor([1, 0, 2])[part.train.extra["clean"]])
    part = load(noise="class", noise_level=1.0, noise_classes=[2])
    assert torch.equal(part.train.y, torch.tensor([0, 1, 0])[part.train.extra["clean"]])


def test_a_noise_level_is_a_probability():
    with pytest.raises(UserError, match=r"data\.noise_level=1\.5"):
        Numbered(noise="uniform", noise_level=1.5)


def test_made_up_data_has_the_right_shape_and_the_splits_that_were_asked_for():
    part = WithTest(val=0, noise="uniform", noise_level=0.5)
    part.synthetic(Seeds(1), 12)
    assert part.train.x.shape == (12, 2, 2) and part.val is None and len(part.test) == 12
    assert set(part.train.extra["clean"].tolist()) == {0, 1, 2}
