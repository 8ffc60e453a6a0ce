"""Larger image sets for the paper scale: Kuzushiji-49 and Tiny-ImageNet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from assay.data.base import data
from assay.data.hub import hub_rows
from assay.data.images import ImageData
from assay.data.labelled import Pool
from assay.errors import DataMissing
from assay.system.contents import cached
from assay.system.places import data_folders

K49_FILES = {
    "train": ("k49-train-imgs.npz", "k49-train-labels.npz", 232_365),
    "test": ("k49-test-imgs.npz", "k49-test-labels.npz", 38_547),
}


@data.register("kuzushiji49", source="Clanuwat et al. (2018), arXiv 1812.01718")
class Kuzushiji49(ImageData):
    """Kuzushiji-49: 232,365 and 38,547 grey images of 49 hiragana, 28 x 28; the classes are not balanced.

    Its authors offer four npz files; they are read from `k49/` in the data folder and checked by their shapes.
    """

    classes = 49
    synthetic_shape = (1, 28, 28)

    def read(self) -> tuple[Pool, Pool | None]:
        """Read the four files, once a process."""
        return _read_k49("train"), _read_k49("test")


@cached()
def _read_k49(part: str) -> Pool:
    images, labels, rows = K49_FILES[part]
    x, y = (_read_npz(name) for name in (images, labels))
    if x.shape != (rows, 28, 28) or y.shape != (rows,) or x.dtype != torch.uint8 or int(y.max()) != 48:
        raise DataMissing(f"Kuzushiji-49: {images} or {labels} is not what its authors published; fetch it again")
    return Pool(x.unsqueeze(1), y.to(torch.int64))


def _read_npz(name: str) -> Tensor:
    for folder in (root / sub for root in data_folders() for sub in ("k49", "")):
        if (folder / name).is_file():
            with np.load(folder / name, allow_pickle=False) as content:
                return torch.from_numpy(content["arr_0"])
    raise DataMissing(f"Kuzushiji-49 is not on this machine: put {name} into k49/ of data/ or of the folder ASSAY_DATA")


@data.register("tiny_imagenet", source="Le and Yang (2015); zh-plus/tiny-imagenet of Hugging Face datasets")
class TinyImageNet(ImageData):
    """Tiny-ImageNet: 100,000 and 10,000 colour images of 200 classes, 64 x 64; the published validation part tests."""

    classes = 200
    synthetic_shape = (3, 64, 64)

    def read(self) -> tuple[Pool, Pool | None]:
        """Fetch through `datasets` and decode, once a process (1.4 GB of bytes)."""
        return _read_tiny("train"), _read_tiny("valid")


@cached()
def _read_tiny(split: str) -> Pool:
    rows = hub_rows("zh-plus/tiny-imagenet", split, "Tiny-ImageNet")
    x = torch.empty((len(rows), 3, 64, 64), dtype=torch.uint8)
    for i, row in enumerate(rows):
        # A few images are grey; the channels come last in a decoded image.
        x[i] = torch.from_numpy(np.array(row["image"].convert("RGB"))).permute(2, 0, 1)
    return Pool(x, torch.tensor(rows["label"]))
