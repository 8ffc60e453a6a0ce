"""ImageNet (ILSVRC 2012), decoded as it is indexed.

The set is too big to stay in memory and may not be downloaded without an account: its archives, or the folders that
torchvision makes of them, must lie in `imagenet/` below a data folder. Images are decoded by a pool of threads (Pillow
releases the interpreter while it decodes and resizes), sent to the device as bytes and normalised there.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from assay.data.base import Data, Split, data
from assay.data.fetcher import Found, declare
from assay.data.lazy import LazyRows, batch_seed
from assay.errors import DataMissing, UserError
from assay.seeds import Seeds
from assay.system.places import data_folders

ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Channel moments of ImageNet's training images, as torchvision's recipes use them."""

TRIES = 10
"""Random boxes tried for an image before the middle is taken."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageNetArchives:
    """ImageNet as `fetch` and `verify_all` see it: here or not."""

    name: str = "imagenet"
    title: str = "ImageNet"

    def fetch(self) -> None:
        """It can't be fetched. Raises `DataMissing` unless it is here."""
        for split in ("train", "val"):
            self.open(split)

    def verify(self) -> list[Found]:
        """Whether the images are there; torchvision compared the archives' sums when it unpacked them."""
        here = [split for split in ("train", "val") if any((r / "imagenet" / split).is_dir() for r in data_folders())]
        return [Found(self.name, split, "ok" if split in here else "missing") for split in ("train", "val")]

    def open(self, split: str) -> Any:
        """torchvision's list of a split's images; unpacks the archives if they were not yet."""
        for root in data_folders():
            try:
                return importlib.import_module("torchvision.datasets").ImageNet(root / "imagenet", split)
            except (RuntimeError, OSError):
                continue
        raise DataMissing(
            "ImageNet is not on this machine and needs an account at image-net.org: "
            f"set ASSAY_DATA to a folder that holds imagenet/ with {', '.join(ARCHIVES)}"
        )


ARCHIVE = declare(ImageNetArchives())


@data.register("imagenet", source="Russakovsky et al. (2015), arXiv 1409.0575")
class ImageNet(Data):
    """ImageNet: 1.28 million training images in a thousand classes; its validation images are the test data.

    Training images are cropped and resized at random and flipped; the others are resized to 256/224 of the size and
    cropped in the middle (He et al. 2016).

    Args:
        train, val, test: numbers of images, drawn by seed; None for all, `val` out of the training images.
        size: height and width of an input in pixels.
        augment: whether training images are augmented.
    """

    classes = 1000

    def __init__(
        self,
        *,
        train: int | None = None,
        val: int = 0,
        test: int | None = None,
        size: int = 224,
        augment: bool = True,
    ) -> None:
        super().__init__()
        self.sizes = (train, val, test)
        self.size, self.augment = size, augment

    def load(self, seeds: Seeds) -> None:
        """List the images and draw the splits (axis "split"); augmentation draws from the axis "augment"."""
        train, val, test = self.sizes
        samples, held_out = ARCHIVE.open("train").samples, ARCHIVE.open("val").samples
        train = len(samples) - val if train is None else train
        test = len(held_out) if test is None else test
        if train + val > len(samples) or test > len(held_out) or train < 1:
            raise UserError(f"data: train={train}, val={val}, test={test} does not fit ImageNet")
        order = torch.randperm(len(samples), generator=seeds.torch("split", "train")).tolist()
        root = seeds.axis("augment") if self.augment else None
        self.train = self._split([samples[i] for i in order[:train]], root)
        if val:
            self.val = self._split([samples[i] for i in order[len(samples) - val :]], None)
        if test:
            chosen = torch.randperm(len(held_out), generator=seeds.torch("split", "test"))[:test].sort().values
            self.test = self._split([held_out[i] for i in chosen.tolist()], None)

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Fill the splits with n random images each, for a dry run without the data."""
        generator = seeds.torch("synthetic")
        for name in ("train", "val", "test"):
            x = torch.randn(n, 3, self.size, self.size, generator=generator)
            setattr(self, name, Split(x, torch.randint(self.classes, (n,), generator=generator)))

    def _split(self, samples: Sequence[tuple[str, int]], augment: int | None) -> Split:
        decoder = Decoder([path for path, _ in samples], self.size, augment)
        rows = LazyRows(decoder, (len(samples), 3, self.size, self.size), _normalised)
        return Split(rows.as_tensor(), torch.tensor([label for _, label in samples]))


class Decoder:
    """Decodes images by row number to bytes [b, 3, size, size].

    Args:
        paths: the images' files.
        size: of the result in pixels.
        augment: the root seed of random crops and flips; None for the crop in the middle.
    """

    def __init__(self, paths: Sequence[str], size: int, augment: int | None) -> None:
        self.paths, self.size, self.augment = paths, size, augment

    def __call__(self, index: Tensor) -> Tensor:
        """Decode the rows `index`."""
        rows, draws = index.tolist(), None
        if self.augment is not None:
            draws = np.random.default_rng(batch_seed(self.augment, index)).random((len(rows), 1 + TRIES, 4))
        with ThreadPoolExecutor(_cores()) as pool:
            images = list(pool.map(self._decode, rows, [None] * len(rows) if draws is None else draws))
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)

    def _decode(self, row: int, draws: NDArray[np.float64] | None) -> NDArray[np.uint8]:
        with Image.open(Path(self.paths[row])) as image:
            colour = image.convert("RGB")
        box = middle_box(*colour.size) if draws is None else random_box(*colour.size, draws[1:])
        pixels = np.asarray(colour.resize((self.size, self.size), Image.Resampling.BILINEAR, box))
        flip = draws is not None and draws[0, 0] < 0.5
        return pixels[:, ::-1] if flip else pixels


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def middle_box(width: int, height: int) -> Box:
    """The part that remains when the shorter side is resized to 256/224 of the size and the middle is cut out."""
    side = min(width, height) * 224 / 256
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def random_box(width: int, height: int, draws: NDArray[np.float64]) -> Box:
    """A box of 8 to 100 % of the area with a ratio of 3/4 to 4/3 (Szegedy et al. 2015).

    Args:
        width, height: of the image.
        draws: uniform numbers [tries, 4]: area, ratio, position; the first box that fits is taken, else the middle.
    """
    for area, ratio, across, down in draws.tolist():
        surface = width * height * (0.08 + 0.92 * area)
        shape = math.exp((2 * ratio - 1) * math.log(4 / 3))
        w, h = math.sqrt(surface * shape), math.sqrt(surface / shape)
        if w <= width and h <= height:
            left, top = (width - w) * across, (height - h) * down
            return left, top, left + w, top + h
    return middle_box(width, height)


def _normalised(rows: Tensor) -> Tensor:
    mean, sd = (torch.tensor(moments, device=rows.device).view(1, 3, 1, 1) for moments in (MEAN, SD))
    return rows.to(torch.float32).div_(255).sub_(mean).div_(sd)
