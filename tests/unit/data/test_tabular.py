"""Tables from packages: the right sizes, standardised on the training rows, every KEEL table readable."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from assay.data import KeelData, SklearnData
from assay.data.tabular import SKLEARN_CLASSES, keel_tables
from assay.errors import UserError
from assay.registry import KINDS
from assay.seeds import Seeds

SHAPES = {"breast_cancer": (569, 30), "digits": (1797, 64), "wine": (178, 13), "iris": (150, 4), "diabetes": (442, 10)}


def load(part, seed=1):
    part.load(Seeds(seed))
    return part


@pytest.mark.parametrize("table", SHAPES)
def test_scikit_learns_tables(table):
    part = load(SklearnData(table=table, test=0, standardise=False))
    assert tuple(part.train.x.shape) == SHAPES[table]
    assert part.test is None and part.inputs == SHAPES[table][1:]
    if part.classes:
        assert part.train.y.unique().tolist() == list(range(SKLEARN_CLASSES[table]))
    else:
        assert part.train.y.dtype == torch.float32 and part.train.extra == {}


def test_without_standardising_the_numbers_are_the_packages():
    part = load(SklearnData(table="digits", test=0, standardise=False))
    x, y = load_digits(return_X_y=True)
    assert torch.equal(part.train.x, torch.from_numpy(x).float())
    assert torch.equal(part.train.y, torch.from_numpy(y))


def test_standardising_is_fitted_on_the_training_rows_and_constant_features_become_zero():
    how = {"table": "digits", "train": 1000, "val": 297, "test": 500}
    part, raw = load(SklearnData(**how)), load(SklearnData(**how, standardise=False))
    assert (len(part.train), len(part.val), len(part.test)) == (1000, 297, 500)
    scaler = StandardScaler().fit(raw.train.x.double().numpy())
    for name in ("train", "val", "test"):
        expected = scaler.transform(getattr(raw, name).x.double().numpy())
        assert np.allclose(getattr(part, name).x.numpy(), expected, atol=1e-5)
    assert (part.train.x[:, 0] == 0).all()  # the corner pixel is never inked


def test_tables_are_stratified_unless_told_otherwise():
    shares = [
        load(SklearnData(table="breast_cancer", train=0.5, test=0.3, stratify=s)).test.y.float().mean()
        for s in (True, False)
    ]
    assert shares[0] == pytest.approx(357 / 569, abs=0.01) != pytest.approx(shares[1])


@pytest.mark.parametrize("collection", ["balanced", "imbalanced"])
def test_every_keel_table_loads(collection):
    tables = keel_tables(collection)
    assert len(tables) > 40
    for table in tables:
        part = load(KeelData(table=table, collection=collection))
        assert torch.isfinite(part.train.x).all() and torch.isfinite(part.test.x).all(), table
        assert part.classes >= 2 and part.train.y.max() < part.classes
        assert len(part.train) > len(part.test) > 0


@pytest.mark.parametrize(
    ("table", "rows", "features", "classes"),
    [
        ("iris", 150, 4, 3),
        ("letter", 20000, 16, 26),
        ("vowel", 990, 13, 11),
        ("tic-tac-toe", 958, 27, 2),
        ("chess", 3196, 38, 2),
    ],
)
def test_keel_tables_have_their_known_sizes(table, rows, features, classes):
    part = load(KeelData(table=table, test=0))
    assert (*part.train.x.shape, part.classes) == (rows, features, classes)


def test_words_become_indicators_and_numeric_classes_are_in_order():
    # Nine squares with x, o or blank; 36 columns of chess have two words each and become one, but one that has three.
    squares = load(KeelData(table="tic-tac-toe", test=0, standardise=False)).train.x
    assert set(squares.unique().tolist()) == {0.0, 1.0}
    assert (squares.reshape(-1, 9, 3).sum(2) == 1).all()
    vowel = load(KeelData(table="vowel", test=0, standardise=False)).train
    assert vowel.y[:11].tolist() == list(range(11))  # the file counts 0, 1, ..., 10: not 0, 1, 10, 2 as text


def test_rows_with_missing_values_are_left_out():
    part = load(KeelData(table="cleveland-0_vs_4", collection="imbalanced", test=0))
    assert len(part.train) == 173


@pytest.mark.parametrize(("table", "pairs"), [("letter", [("B", "D"), ("U", "V")]), ("vowel", [(0, 1), (8, 9)])])
def test_class_dependent_noise_exchanges_the_pairs_that_are_named(table, pairs):
    part = load(KeelData(table=table, test=0, noise="class", noise_level=1.0))
    clean, noisy = part.train.extra["clean"], part.train.y
    for pair in pairs:
        a, b = (ord(name) - ord("A") if isinstance(name, str) else name for name in pair)
        assert (noisy[clean == a] == b).all() and (noisy[clean == b] == a).all()
    spared = 0 if table == "letter" else 10
    assert (noisy[clean == spared] == spared).all()


@pytest.mark.parametrize("wrong", ["leter", "../raw/letter", "", "LETTER"])
def test_an_unknown_table_names_the_nearest(wrong):
    with pytest.raises(UserError, match=rf"unknown data\.table '{wrong}'"):
        load(KeelData(table=wrong))


def test_the_configuration_refuses_a_wrong_table():
    with pytest.raises(UserError, match=r"data\.table=digit: expected Literal"):
        KINDS["data"].build({"name": "tabular_sklearn", "table": "digit"})
    with pytest.raises(UserError, match=r"data\.table has no value"):
        KINDS["data"].build({"name": "tabular_sklearn"})
