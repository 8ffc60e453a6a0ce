"""Small image sets: Fashion-MNIST, MNIST, Kuzushiji-MNIST, CIFAR-10 and CIFAR-100.

Files are read and parsed once a process and kept as bytes; a run makes its own numbers of them. Integrity is the
fetcher's business (sha256); where the files are offered and how the CIFAR archives are laid out is torchvision's.
"""

from __future__ import annotations

import importlib
import pickle
import tarfile
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from assay.data.base import data
from assay.data.fetcher import Copy, File, Resource, declare
from assay.data.labelled import LabelledData, Pool, Prepare
from assay.system.contents import cached, unwatched

Scale = Literal["unit", "standard"]


class ImageData(LabelledData):
    """Images with classes.

    Args:
        train, val, test: numbers of images; training and validation images are drawn from the set's training data.
        flatten: inputs are vectors [n, pixels] instead of images [n, channels, height, width].
        scale: "unit" divides by 255; "standard" then subtracts the training images' mean over all pixels and divides
            by their standard deviation, channel by channel.
        stratify, noise, noise_level, noise_classes: see `LabelledData`.
    """

    def __init__(
        self,
        *,
        flatten: bool = True,
        scale: Scale = "unit",
        **splits: Any,
    ) -> None:
        super().__init__(**splits)
        self.flatten, self.scale = flatten, scale

    def prepare(self, x: Tensor) -> Prepare:
        """Bytes to numbers; the channel is the first axis after the rows'."""
        scaled = _pixel_statistics(x) if self.scale == "standard" else _shared_unit
        return (lambda rows: scaled(rows).flatten(1)) if self.flatten else scaled


def _unit(rows: Tensor) -> Tensor:
    return rows.to(torch.float32).div_(255)


_units: dict[int, tuple[weakref.ref[Tensor], Tensor]] = {}


def _shared_unit(rows: Tensor) -> Tensor:
    """As `_unit`, made once for the same bytes: a whole set is 188 MB of fresh pages, which cost a run a tenth of a
    second on a quiet machine and several times that where pages are dear. Splits are only read, so runs can share them.
    """
    known = _units.get(id(rows))
    if known is None or known[0]() is not rows:
        key = id(rows)
        known = (weakref.ref(rows, lambda _: _units.pop(key, None)), _unit(rows))
        _units[key] = known
    return known[1]


def _pixel_statistics(x: Tensor) -> Prepare:
    """Standardise channel by channel. The moments come from the counts of the 256 values: exact, and no float copy."""
    count = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in x.unbind(1)]).double()
    value = torch.arange(256, dtype=torch.float64) / 255
    share = count / count.sum(1, keepdim=True)
    mean = (share * value).sum(1)
    sd = (share * (value - mean[:, None]).square()).sum(1).sqrt().clamp_min(1e-12)
    mean, sd = (moment.float().view(1, -1, 1, 1) for moment in (mean, sd))
    return lambda rows: _unit(rows).sub_(mean).div_(sd)


# -- the MNIST family -------------------------------------------------------------------------------------------------

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class _IdxData(ImageData):
    """Ten classes of 28 x 28 grey images, 60,000 for training and 10,000 for testing, in IDX files."""

    resource: ClassVar[Resource]
    classes = 10
    synthetic_shape = (1, 28, 28)

    def read(self) -> tuple[Pool, Pool | None]:
        """Parse the four files, once a process."""
        return _read_idx(self.resource)


@cached()
def _read_idx(resource: Resource) -> tuple[Pool, Pool]:
    images, labels, test_images, test_labels = (parse_idx(resource.read(file)) for file in IDX)
    train = Pool(images.unsqueeze(1), labels.to(torch.int64))
    return train, Pool(test_images.unsqueeze(1), test_labels.to(torch.int64))


def parse_idx(content: bytes) -> Tensor:
    """The array of bytes in an IDX file: two zeros, the type (8: unsigned byte), the rank, big-endian sizes, data."""
    if content[:3] != b"\0\0\x08":
        raise ValueError("not an IDX file of unsigned bytes")
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
    array = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
    return torch.from_numpy(array.reshape(shape.tolist()).copy())


def _idx_files(*table: tuple[tuple[int, str], ...]) -> tuple[File, ...]:
    """The four files, each with (size, sha256) as downloaded, then repacked by Debian, then unpacked."""
    return tuple(
        File(name, tuple(Copy(suffix, *copy) for suffix, copy in zip((".gz", ".gz", ""), copies, strict=False)))
        for name, copies in zip(IDX, table, strict=True)
    )


def _mirrors(name: str) -> Callable[[], list[str]]:
    return lambda: list(_torchvision(name).mirrors)


FASHION_MNIST = declare(
    Resource(
        name="fashion_mnist",
        title="Fashion-MNIST",
        files=_idx_files(
            (
                (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                (26421856, "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"),
                (47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            ),
            (
                (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
                (29491, "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"),
                (60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            ),
            (
                (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                (4422079, "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"),
                (7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            ),
            (
                (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
                (5125, "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"),
                (10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
            ),
        ),
        licence="MIT",
        folders=("fashion-mnist", "FashionMNIST/raw"),
        system=("/usr/share/datasets/fashion-mnist",),
        sources=_mirrors("FashionMNIST"),
        advice="apt-get install dataset-fashion-mnist",
    )
)

MNIST_DIGITS = declare(
    Resource(
        name="mnist",
        title="MNIST",
        files=_idx_files(
            ((9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),),
            ((28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),),
            ((1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),),
            ((4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),),
        ),
        licence="CC BY-SA 3.0",
        folders=("mnist", "MNIST/raw"),
        sources=_mirrors("MNIST"),
    )
)

KUZUSHIJI_MNIST = declare(
    Resource(
        name="kmnist",
        title="Kuzushiji-MNIST",
        files=_idx_files(
            ((18165135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),),
            ((29497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),),
            ((3041136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),),
            ((5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),),
        ),
        licence="CC BY-SA 4.0",
        folders=("kmnist", "KMNIST/raw"),
        sources=_mirrors("KMNIST"),
    )
)


@data.register("fashion_mnist", source="Xiao, Rasul and Vollgraf (2017), arXiv 1708.07747")
class FashionMNIST(_IdxData):
    """Fashion-MNIST: 70,000 grey images of clothes in ten classes."""

    resource = FASHION_MNIST


@data.register("mnist", source="LeCun, Bottou, Bengio and Haffner (1998)")
class MNIST(_IdxData):
    """MNIST: 70,000 grey images of handwritten digits."""

    resource = MNIST_DIGITS


@data.register("kmnist", source="Clanuwat et al. (2018), arXiv 1812.01718")
class KMNIST(_IdxData):
    """Kuzushiji-MNIST: 70,000 grey images of cursive Japanese characters in ten classes."""

    resource = KUZUSHIJI_MNIST


# -- CIFAR ------------------------------------------------------------------------------------------------------------


class _CifarData(ImageData):
    """32 x 32 colour images, 50,000 for training and 10,000 for testing, in one archive."""

    resource: ClassVar[Resource]
    synthetic_shape = (3, 32, 32)

    def read(self) -> tuple[Pool, Pool | None]:
        """Parse the archive, once a process."""
        return _read_cifar(self.resource, f"CIFAR{self.classes}")


@cached(maxsize=1)
def _read_cifar(resource: Resource, reader: str) -> tuple[Pool, Pool]:
    """Read the archive in memory: unpacking it to disk would race with other processes that do the same."""
    layout = _torchvision(reader)
    path = resource.path(resource.files[0].name)
    with unwatched(), tarfile.open(path) as archive:
        parts = [_cifar_part(archive, layout.base_folder, names) for names in (layout.train_list, layout.test_list)]
    return parts[0], parts[1]


def _cifar_part(archive: tarfile.TarFile, folder: str, members: Sequence[Sequence[str]]) -> Pool:
    x, y = [], []
    for member, _ in members:
        content = archive.extractfile(f"{folder}/{member}")
        assert content is not None
        # A pickle is code; the archive it comes from has been compared with a sha256 known to be harmless.
        batch = pickle.load(content, encoding="latin1")  # noqa: S301
        x.append(torch.from_numpy(batch["data"]).view(-1, 3, 32, 32))
        y.append(torch.tensor(batch.get("fine_labels", batch.get("labels"))))
    return Pool(torch.cat(x), torch.cat(y))


def _torchvision(name: str) -> Any:
    # Loaded when a set is read or fetched: it takes longer to import than all of this package.
    return getattr(importlib.import_module("torchvision.datasets"), name)


def _cifar(name: str, title: str, reader: str, size: int, sha256: str) -> Resource:
    file = File(f"{title.lower()}-python.tar.gz", (Copy("", size, sha256),))
    return Resource(
        name=name,
        title=title,
        files=(file,),
        licence="none stated",
        folders=(name,),
        sources=lambda: [_torchvision(reader).url.removesuffix(file.name)],
    )


@data.register("cifar10", source="Krizhevsky (2009), Learning multiple layers of features from tiny images")
class CIFAR10(_CifarData):
    """CIFAR-10: 60,000 colour images in ten classes."""

    classes = 10
    resource = declare(
        _cifar("cifar10", "CIFAR-10", "CIFAR10", 170498071,
               "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce")
    )  # fmt: skip


@data.register("cifar100", source="Krizhevsky (2009), Learning multiple layers of features from tiny images")
class CIFAR100(_CifarData):
    """CIFAR-100: 60,000 colour images in a hundred classes (the fine labels)."""

    classes = 100
    resource = declare(
        _cifar("cifar100", "CIFAR-100", "CIFAR100", 169001437,
               "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7")
    )  # fmt: skip
