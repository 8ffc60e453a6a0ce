"""Tables that are fetched once by scikit-learn's clients: OpenML's in `TABLES`, and the 20 newsgroups.

The clients check what they download and keep it below the data folder (`openml/`, `newsgroups/`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from assay.data.base import data
from assay.data.fetcher import offline, why_missing
from assay.data.labelled import Pool
from assay.data.tabular import TabularData
from assay.errors import DataMissing
from assay.seeds import Seeds
from assay.system.contents import cached
from assay.system.places import data_folders


def _swaps(classes: int, *pairs: tuple[int, int]) -> list[int]:
    """A noise table that swaps the classes of each pair and keeps the others."""
    table = list(range(classes))
    for a, b in pairs:
        table[a], table[b] = b, a
    return table


Name = Literal[
    "letter", "vowel", "aloi",
    "bioresponse", "guillermo", "riccardo", "hiva_agnostic", "christine",
    "ova_breast", "ova_uterus", "ova_ovary", "ova_kidney", "ova_lung", "ova_omentum", "ova_colon", "ova_endometrium",
    "ova_prostate",
]  # fmt: skip
"""What can be asked for."""


@dataclass(frozen=True)
class Table:
    """A fetched table.

    Attributes:
        id: OpenML's number of it.
        features, classes: its sizes.
        names: its classes in order, where their order in the file is another one.
        held_out: the last rows that are its test part; None where there is none.
        noise: what class-dependent label noise turns each class into; the next class if None.
        test_column: the column that marks test rows with "Test" and is no feature, like the two after it.
    """

    id: int
    features: int
    classes: int
    names: Sequence[str] = ()
    held_out: int | None = None
    noise: Sequence[int] | None = None
    test_column: str = ""


VOWELS = ("hid", "hId", "hEd", "hAd", "hYd", "had", "hOd", "hod", "hUd", "hud", "hed")
"""The eleven words of the vowel data in the order of its authors, which its numbering 0..10 follows."""

TABLES: Mapping[str, Table] = {
    # Letters that look alike, B-D, C-G, E-F, H-N, I-L, K-X, M-W, O-Q, P-R, U-V, are swapped by class-dependent noise.
    "letter": Table(
        id=6,
        features=16,
        classes=26,
        held_out=5000,
        noise=_swaps(26, (1, 3), (2, 6), (4, 5), (7, 13), (8, 11), (10, 23), (12, 22), (14, 16), (15, 17), (20, 21)),
    ),
    "vowel": Table(
        id=307,
        features=10,
        classes=11,
        names=VOWELS,
        noise=_swaps(11, (0, 1), (2, 3), (4, 5), (6, 7), (8, 9)),
        test_column="Train_or_Test",
    ),
    "aloi": Table(id=42396, features=128, classes=1000),
    "bioresponse": Table(id=4134, features=1776, classes=2),
    "guillermo": Table(id=41159, features=4296, classes=2),
    "riccardo": Table(id=41161, features=4296, classes=2),
    "hiva_agnostic": Table(id=1039, features=1617, classes=2),
    "christine": Table(id=41142, features=1636, classes=2),
    **{
        f"ova_{tissue}": Table(id=number, features=10935, classes=2)
        for tissue, number in (
            ("breast", 1128),
            ("uterus", 1138),
            ("ovary", 1166),
            ("kidney", 1134),
            ("lung", 1130),
            ("omentum", 1139),
            ("colon", 1161),
            ("endometrium", 1142),
            ("prostate", 1146),
        )
    },
}


class _FetchedData(TabularData):
    """A table with its number of features known before it is fetched."""

    features: int

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Fill the splits with n normal rows each."""
        generator = seeds.torch("synthetic")
        y = torch.arange(n) % self.classes
        names = [name for name, size in self.sizes.items() if size != 0]
        self._fill({name: Pool(torch.randn(n, self.features, generator=generator), y.clone()) for name in names}, seeds)


@data.register("openml", source="OpenML; UCI Letter and Vowel, Geusebroek et al. (2005) for ALOI")
class OpenMLData(_FetchedData):
    """A table from OpenML. Letter's last 5,000 rows and vowel's marked rows are test data; the others have none."""

    def __init__(self, *, table: Name, **splits: Any) -> None:
        super().__init__(**splits)
        self.table = table
        known = TABLES[table]
        self.classes, self.features, self.noise_table = known.classes, known.features, known.noise

    def read(self) -> tuple[Pool, Pool | None]:
        """Fetch and parse it, once a process."""
        return read_openml(self.table)


@cached()
def read_openml(name: str) -> tuple[Pool, Pool | None]:
    """Training and test rows of a table; the test rows are None where it has none of its own.

    Raises:
        DataMissing: OpenML can't be reached and the table is not in the data folder.
    """
    known = TABLES[name]
    folder = data_folders()[0] / "openml"

    def fetch() -> Mapping[str, Any]:
        # This client has no switch against downloads; it names what it keeps by the table's number.
        if offline() and not any(folder.rglob(f"*{known.id}*")):
            raise FileNotFoundError
        return _sklearn("fetch_openml")(data_id=known.id, as_frame=True, data_home=str(folder), parser="auto")

    found = _ask(fetch, f"OpenML table {name} (number {known.id})", "openml")
    frame, target = found["data"], found["target"].astype(str)
    names = list(known.names) or sorted(target.unique(), key=lambda text: (len(text), text))
    y = torch.from_numpy(target.map({text: i for i, text in enumerate(names)}).to_numpy(dtype=np.int64, copy=True))
    if known.test_column:
        is_test = torch.from_numpy((frame[known.test_column].astype(str) == "Test").to_numpy(copy=True))
    else:
        is_test = torch.arange(len(y)) >= len(y) - (known.held_out or 0)
    x = torch.from_numpy(frame.iloc[:, -known.features :].to_numpy(dtype=np.float64, copy=True))
    train = Pool(x[~is_test], y[~is_test])
    return train, Pool(x[is_test], y[is_test]) if is_test.any() else None


@data.register("newsgroups20", source="Lang (1995), scikit-learn's word counts")
class Newsgroups(_FetchedData):
    """The 20 newsgroups: 11,314 training and 7,532 test posts as 130,107 word counts, each row of length one.

    Rows are dense on the device: 5.9 GB for training and 3.9 GB for testing. Standardising them would centre zeros,
    so it is off unless asked for.
    """

    classes = 20
    features = 130_107
    noise_table = _swaps(20, (2, 5), (3, 4), (7, 8), (9, 10), (11, 12), (15, 18))

    def __init__(self, *, standardise: bool = False, **splits: Any) -> None:
        super().__init__(standardise=standardise, **splits)

    def read(self) -> tuple[Pool, Pool | None]:
        """Fetch and count it, once a process."""
        return _read_newsgroups("train"), _read_newsgroups("test")


@cached()
def _read_newsgroups(subset: str) -> Pool:
    folder = data_folders()[0] / "newsgroups"
    found = _ask(
        lambda: _sklearn("fetch_20newsgroups_vectorized")(
            subset=subset, data_home=str(folder), download_if_missing=not offline()
        ),
        "The 20 newsgroups",
        "newsgroups",
    )
    x = torch.from_numpy(found["data"].toarray().astype(np.float32))
    return Pool(x, torch.from_numpy(np.asarray(found["target"], np.int64)))


def _sklearn(name: str) -> Callable[..., Mapping[str, Any]]:
    return getattr(importlib.import_module("sklearn.datasets"), name)


def _ask(fetch: Callable[[], Mapping[str, Any]], title: str, folder: str) -> Mapping[str, Any]:
    """Call a client; whatever keeps it from the data becomes one line."""
    try:
        return fetch()
    except (OSError, ValueError) as error:  # URLError is an OSError; a failed checksum is a ValueError
        raise DataMissing(
            f"{title} is not on this machine ({why_missing(error)}): run once where its source can be reached, "
            f"or set ASSAY_DATA to a folder whose {folder}/ scikit-learn has filled"
        ) from None
