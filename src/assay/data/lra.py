"""The Long Range Arena: lists of operations, reviews as bytes, pairs of documents, and paths in images.

`lra_release` (7.7 GB, from the arena's authors) is read from a data folder as its archive unpacks it; the reviews are
`stanfordnlp/imdb` of the Hugging Face hub. The arena's remaining task, grey CIFAR-10, is `image_sequences` with
`grey`. Tokens and pixels are kept in few bytes and become what a model takes when they are indexed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from assay.data.base import Data, Split, data
from assay.data.hub import hub_rows
from assay.data.lazy import LazyRows
from assay.errors import DataMissing
from assay.seeds import Seeds
from assay.system.contents import cached, unwatched
from assay.system.places import data_folders

Task = Literal["listops", "text", "retrieval", "pathfinder", "pathx"]


@dataclass(frozen=True)
class Shape:
    """A task's inputs: the shape of one, the classes, the vocabulary (0 for pixels)."""

    inputs: tuple[int, ...]
    classes: int
    vocabulary: int = 0


LISTOPS = ("<pad>", *map(str, range(10)), "[MIN", "[MAX", "[MED", "[SM", "]")
"""ListOps' tokens by number. Its parentheses say nothing that the brackets don't and are dropped."""

SHAPES: dict[str, Shape] = {
    "listops": Shape((2048,), 10, len(LISTOPS)),
    "text": Shape((4096,), 2, 257),
    "retrieval": Shape((2, 4000), 2, 257),
    "pathfinder": Shape((1024, 1), 2),
    "pathx": Shape((16384, 1), 2),
}

PATHS = {"pathfinder": "pathfinder32", "pathx": "pathfinder128"}
HARD = "curv_contour_length_14"
"""The folder of the images with the longest paths, which the arena uses."""

Rows = tuple[Tensor, Tensor]


@data.register("lra", source="Tay et al. (2021), arXiv 2011.04006")
class LRA(Data):
    """One task of the arena with its own splits; images are dealt out 8:1:1 by seed. Texts have no validation split.

    Args:
        task: which.
    """

    def __init__(self, *, task: Task) -> None:
        super().__init__()
        self.task, self.shape = task, SHAPES[task]
        self.classes = self.shape.classes

    def load(self, seeds: Seeds) -> None:
        """Read the splits, once a process (axis "split" deals out images)."""
        parts = _read(self.task)
        if self.task in PATHS:
            ((x, y),) = parts.values()
            order = torch.randperm(len(y), generator=seeds.torch("split"))
            first, second = round(0.8 * len(y)), round(0.9 * len(y))
            rows = {"train": order[:first], "val": order[first:second], "test": order[second:]}
            parts = {name: (x[index], y[index]) for name, index in rows.items()}
        for name, (x, y) in parts.items():
            setattr(self, name, self._split(x, y))

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Fill the splits with n random rows each, of the right shape, for a dry run without the data."""
        generator = seeds.torch("synthetic")
        for name in ("train", "val", "test"):
            x = torch.randint(self.shape.vocabulary or 256, (n, *self.shape.inputs), generator=generator)
            setattr(self, name, self._split(x, torch.arange(n) % self.classes))

    def _split(self, x: Tensor, y: Tensor) -> Split:
        finish = _tokens if self.shape.vocabulary else _pixels
        return Split(LazyRows(lambda index: x[index], (len(y), *self.shape.inputs), finish).as_tensor(), y)


def _tokens(rows: Tensor) -> Tensor:
    return rows.long()


def _pixels(rows: Tensor) -> Tensor:
    """Bytes to [-1, 1]."""
    return rows.to(torch.float32).div_(127.5).sub_(1)


@cached(maxsize=1)
def _read(task: Task) -> dict[str, Rows]:
    """A task's rows by split, as stored; those of images together."""
    if task == "text":
        return {"train": _reviews("train"), "test": _reviews("test")}
    if task in PATHS:
        return {"all": read_paths(_folder(PATHS[task]) / HARD, SHAPES[task].inputs)}
    folder, names = {
        "listops": ("listops-1000", ("basic_train.tsv", "basic_val.tsv", "basic_test.tsv")),
        "retrieval": ("tsv_data", ("new_aan_pairs.train.tsv", "new_aan_pairs.eval.tsv", "new_aan_pairs.test.tsv")),
    }[task]
    read: Callable[[Path], Rows] = read_listops if task == "listops" else read_pairs
    paths = [_folder(folder) / name for name in names]
    for path in paths:
        if not path.is_file():
            raise DataMissing(_HOW)
    return dict(zip(("train", "val", "test"), map(read, paths), strict=True))


_HOW = (
    "The Long Range Arena is not on this machine: unpack lra_release.gz of google-research/long-range-arena into data/ "
    "or into the folder ASSAY_DATA"
)


def _folder(name: str) -> Path:
    """A folder of the release, which unpacks to one or two levels of lra_release/."""
    for root in data_folders():
        for top in ("lra_release/lra_release", "lra_release", ""):
            if (root / top / name).is_dir():
                return root / top / name
    raise DataMissing(_HOW)


def read_listops(path: Path) -> Rows:
    """Numbers of tokens [n, 2048] and values, from lines "Source, Target" with a heading."""
    number = {token: i for i, token in enumerate(LISTOPS)}
    with path.open(encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    texts = ([number[word] for word in source.split() if word in number] for source, _ in rows)
    return _padded(texts, len(rows), SHAPES["listops"].inputs[0]), torch.tensor([int(target) for _, target in rows])


def read_pairs(path: Path) -> Rows:
    """Bytes of two documents [n, 2, 4000] and whether they are linked, from lines "label, id, id, text, text"."""
    with path.open("rb") as file:
        rows = [line.rstrip(b"\n").split(b"\t") for line in file]
    length = SHAPES["retrieval"].inputs[1]
    x = [_padded((_bytes(row[column]) for row in rows), len(rows), length) for column in (3, 4)]
    return torch.stack(x, 1), torch.tensor([int(float(row[0])) for row in rows])


def read_paths(folder: Path, shape: tuple[int, ...]) -> Rows:
    """Pixels [n, length, 1] and whether the two dots are on one path, by the files of `metadata` and their lines."""
    side = round(shape[0] ** 0.5)
    names, labels = [], []
    for path in sorted((folder / "metadata").glob("*.npy"), key=lambda path: int(path.stem)):
        for line in path.read_text(encoding="utf-8").splitlines():
            where, file, _, label = line.split()[:4]
            names.append(folder / where / file)
            labels.append(int(label))
    x = torch.empty((len(names), *shape), dtype=torch.uint8)
    for i, name in enumerate(names):
        # Two hundred thousand small files: the lists that name them stand for them.
        with unwatched(), Image.open(name) as image:
            pixels = np.array(image.convert("L"))
        if pixels.shape != (side, side):
            raise DataMissing(f"Long Range Arena: {name.name} is not an image of {side} x {side} pixels")
        x[i] = torch.from_numpy(pixels).view(shape)
    return x, torch.tensor(labels)


def _reviews(split: str) -> Rows:
    rows = hub_rows("stanfordnlp/imdb", split, "IMDB")
    texts = (_bytes(text.encode()) for text in rows["text"])
    return _padded(texts, len(rows), SHAPES["text"].inputs[0]), torch.tensor(rows["label"])


def _bytes(text: bytes) -> Sequence[int]:
    """Bytes as tokens 1, ..., 256."""
    return [byte + 1 for byte in text]


def _padded(texts: Iterable[Sequence[int]], count: int, length: int) -> Tensor:
    """Texts in rows of 16-bit numbers [count, length], cut at the end or padded with zeros."""
    x = torch.zeros((count, length), dtype=torch.int16)
    for i, text in enumerate(texts):
        kept = text[:length]
        x[i, : len(kept)] = torch.tensor(kept, dtype=torch.int16)
    return x
