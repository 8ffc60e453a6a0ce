"""Images with pixels in [-1, 1], as diffusion models take them, with labels kept for those who judge samples."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from assay.data.base import data
from assay.data.images import CIFAR10, MNIST, FashionMNIST
from assay.data.labelled import LabelledData, Pool, Prepare, Size
from assay.data.tabular import sklearn_table
from assay.errors import DataMissing, UserError
from assay.seeds import Seeds
from assay.system.contents import cached
from assay.system.places import data_folders


class SignedImages(LabelledData):
    """Base class: stored pixels from 0 to 255 become numbers from -1 to 1.

    Args:
        pool: side of the squares of pixels that are averaged.
        flatten: inputs are vectors [n, pixels] instead of images [n, channels, height, width].
        split_seed: the splits are drawn by this seed, the same for every run; by the run's own if None.
        train, val, test, stratify, noise, noise_level, noise_classes: see `LabelledData`.
    """

    def __init__(self, *, pool: int = 1, flatten: bool = False, split_seed: int | None = None, **splits: Any) -> None:
        super().__init__(**splits)
        self.pool, self.flatten, self.split_seed = pool, flatten, split_seed

    def load(self, seeds: Seeds) -> None:
        """Draw the splits."""
        super().load(seeds if self.split_seed is None else Seeds(self.split_seed))

    def prepare(self, x: Tensor) -> Prepare:
        """Average the squares and scale."""

        def signed(rows: Tensor) -> Tensor:
            pixels = rows.to(torch.float32).div(127.5).sub(1)
            pooled = F.avg_pool2d(pixels, self.pool) if self.pool > 1 else pixels
            return pooled.flatten(1) if self.flatten else pooled

        return signed


@data.register("fashion_mnist_signed", source="Xiao, Rasul and Vollgraf (2017), arXiv 1708.07747")
class FashionMNISTSigned(SignedImages):
    """Fashion-MNIST from -1 to 1: grey images of 28 x 28 pixels."""

    classes = 10
    synthetic_shape = (1, 28, 28)

    def read(self) -> tuple[Pool, Pool | None]:
        """The bytes of `fashion_mnist`."""
        return FashionMNIST().read()


@data.register("mnist_signed", source="LeCun, Bottou, Bengio and Haffner (1998)")
class MNISTSigned(SignedImages):
    """MNIST from -1 to 1: grey images of 28 x 28 pixels."""

    classes = 10
    synthetic_shape = (1, 28, 28)

    def read(self) -> tuple[Pool, Pool | None]:
        """The bytes of `mnist`."""
        return MNIST().read()


@data.register("cifar10_signed", source="Krizhevsky (2009), Learning multiple layers of features from tiny images")
class CIFAR10Signed(SignedImages):
    """CIFAR-10 from -1 to 1: colour images of 32 x 32 pixels."""

    classes = 10
    synthetic_shape = (3, 32, 32)

    def read(self) -> tuple[Pool, Pool | None]:
        """The bytes of `cifar10`."""
        return CIFAR10().read()


@data.register("digits_signed", source="sklearn.datasets.load_digits (UCI optdigits)")
class DigitsSigned(SignedImages):
    """scikit-learn's 1797 digits from -1 to 1: grey images of 8 x 8 pixels, split by the seed."""

    classes = 10

    def __init__(self, *, test: Size = 0.25, **rest: Any) -> None:
        super().__init__(test=test, **rest)

    def read(self) -> tuple[Pool, Pool | None]:
        """All digits in one pool; 16 is white."""
        images, labels = sklearn_table("digits")
        x = torch.from_numpy(images).view(-1, 1, 8, 8).to(torch.float32) * (255 / 16)
        return Pool(x, torch.from_numpy(labels).to(torch.int64)), None


@data.register("edm_zip", source="Karras et al. (2022), arXiv 2206.00364, dataset_tool.py", reduced={"side": 16})
class EDMZip(SignedImages):
    """A zip file of PNGs as EDM's tool packs it (FFHQ-64, AFHQv2-64, ImageNet-64), from -1 to 1; without test images.

    Args:
        file: its name in the folder `edm` of a data folder, e.g. "ffhq-64x64.zip".
        side: pixels on a side.
        pool, flatten, split_seed, train, val, test: see `SignedImages`.
    """

    classes = 1

    def __init__(self, *, file: str, side: int = 64, **rest: Any) -> None:
        super().__init__(**rest)
        self.file, self.side = file, side
        self.synthetic_shape = (3, side, side)  # type: ignore[misc]

    def read(self) -> tuple[Pool, Pool | None]:
        """Decode it, once a process; labels only if `dataset.json` has them."""
        for folder in data_folders():
            if (folder / "edm" / self.file).is_file():
                pool = _read_zip(folder / "edm" / self.file)
                if pool.x.shape[1:] != self.synthetic_shape:
                    raise UserError(f"data.side={self.side}: {self.file} holds images of {list(pool.x.shape[1:])}")
                return pool, None
        raise DataMissing(
            f"{self.file} is not on this machine: pack it with EDM's dataset_tool.py and put it into edm/ of data/ "
            "or of the folder ASSAY_DATA"
        )


@cached(maxsize=1)
def _read_zip(path: Path) -> Pool:
    image = importlib.import_module("PIL.Image")
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        images = [np.asarray(image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
        listed = json.loads(archive.read("dataset.json")) if "dataset.json" in archive.namelist() else {}
    known = dict(listed.get("labels") or [])
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return Pool(x, torch.tensor([int(known.get(name, 0)) for name in names]))
