"""Fetched tables, with the clients replaced: parsing, class order, test rows, noise tables and missing data."""

import numpy as np
import pandas as pd
import pytest
import torch

from assay.data import openml
from assay.data.openml import TABLES, VOWELS, Newsgroups, OpenMLData, read_openml
from assay.errors import DataMissing
from assay.seeds import Seeds


@pytest.fixture
def client(monkeypatch, tmp_path):
    """Replaces scikit-learn's fetchers by a function; returns how to set it."""
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    monkeypatch.delenv("ASSAY_OFFLINE", raising=False)
    read_openml.cache_clear()
    yield lambda fetch: monkeypatch.setattr(openml, "_sklearn", lambda name: fetch)
    read_openml.cache_clear()


def vowel(**_):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(44, 10)), columns=[f"Feature_{i}" for i in range(10)])
    frame.insert(0, "Sex", "Male")
    frame.insert(0, "Speaker_Number", "Andrew")
    frame.insert(0, "Train_or_Test", ["Train"] * 33 + ["Test"] * 11)
    return {"data": frame, "target": pd.Series([VOWELS[i % 11] for i in range(44)], dtype="category")}


def test_vowel_keeps_its_features_order_and_test_rows(client):
    client(vowel)
    data = OpenMLData(table="vowel", val=11, standardise=False)
    data.load(Seeds(1))
    assert (len(data.train), len(data.val), len(data.test)) == (22, 11, 11)
    assert data.inputs == (10,)
    assert torch.equal(data.test.y, torch.arange(11))
    expected = vowel()["data"].iloc[33:, 3:].to_numpy(np.float32)
    np.testing.assert_array_equal(data.test.x.numpy(), expected)


def test_vowel_noise_swaps_neighbours(client):
    client(vowel)
    data = OpenMLData(table="vowel", noise="class", noise_level=1.0)
    data.load(Seeds(1))
    clean = data.train.extra["clean"]
    assert torch.equal(data.train.y, torch.where(clean == 10, clean, clean ^ 1))


@pytest.mark.parametrize("table", [TABLES["letter"].noise, TABLES["vowel"].noise, Newsgroups.noise_table])
def test_swapping_twice_changes_nothing(table):
    assert [table[k] for k in table] == list(range(len(table)))
    assert table != list(range(len(table)))


def test_letters_that_look_alike_are_swapped():
    table = TABLES["letter"].noise
    pairs = {frozenset((chr(65 + a), chr(65 + b))) for a, b in enumerate(table) if a != b}
    assert pairs == {frozenset(pair) for pair in ["BD", "CG", "EF", "HN", "IL", "KX", "MW", "OQ", "PR", "UV"]}


def test_what_cannot_be_fetched_is_one_line(client):
    def unreachable(**_):
        raise OSError("no network")

    client(unreachable)
    with pytest.raises(DataMissing, match="letter"):
        OpenMLData(table="letter").load(Seeds(1))


def test_offline_asks_nobody(client, monkeypatch):
    def forbidden(**_):
        raise AssertionError("the client was called")

    client(forbidden)
    monkeypatch.setenv("ASSAY_OFFLINE", "1")
    with pytest.raises(DataMissing, match="ASSAY_OFFLINE"):
        OpenMLData(table="letter").load(Seeds(1))


@pytest.mark.parametrize(
    ("build", "features"), [(lambda: OpenMLData(table="aloi", test=0.2), 128), (Newsgroups, 130_107)]
)
def test_synthetic_rows_have_the_real_shape(build, features):
    data = build()
    data.synthetic(Seeds(1), 8)
    assert data.inputs == (features,)
    assert len(data.test) == len(data.train) == 8
    assert int(data.train.y.max()) < data.classes
