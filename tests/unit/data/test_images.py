"""Image sets: parsing, scaling and caching, on small made-up files in the real formats, and on the real Fashion-MNIST."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from assay.data import images
from assay.data.fetcher import Copy, File, Resource
from assay.data.images import CIFAR10, CIFAR100, FASHION_MNIST, IDX, FashionMNIST, parse_idx
from assay.errors import DataMissing
from assay.seeds import Seeds


def load(part, seed=1):
    part.load(Seeds(seed))
    return part


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def resource_of(folder, files, name):
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    copies = [
        File(file, (Copy("", len(content), hashlib.sha256(content).hexdigest()),)) for file, content in files.items()
    ]
    return Resource(name, name, tuple(copies), "MIT", folders=(name,), system=(str(folder),))


@pytest.fixture
def clothes(tmp_path, monkeypatch):
    """60 training and 20 test images of random bytes in Fashion-MNIST's place; gives their arrays."""
    random = np.random.default_rng(0)
    arrays = [
        random.integers(0, 256, (60, 28, 28), np.uint8), np.arange(60, dtype=np.uint8) % 10,
        random.integers(0, 256, (20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10,
    ]  # fmt: skip
    files = {name: idx(array) for name, array in zip(IDX, arrays, strict=True)}
    monkeypatch.setattr(FashionMNIST, "resource", resource_of(tmp_path / "clothes", files, "clothes"))
    images._read_idx.cache_clear()
    yield arrays
    images._read_idx.cache_clear()


def test_idx_files_are_parsed_and_nothing_else():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert torch.equal(parse_idx(idx(array)), torch.from_numpy(array))
    for wrong in (b"", b"\x89PNG", b"\0\0\x0d" + idx(array)[3:]):
        with pytest.raises(ValueError, match="not an IDX file"):
            parse_idx(wrong)
    with pytest.raises(ValueError, match=r"reshape"):
        parse_idx(idx(array)[:-1])


def test_images_are_vectors_in_the_unit_interval_by_default(clothes):
    part = load(FashionMNIST())
    assert (part.inputs, part.classes) == ((784,), 10)
    assert torch.allclose(part.train.x, torch.from_numpy(clothes[0].reshape(60, 784) / 255).float())
    assert part.train.y.tolist() == clothes[1].tolist() and part.train.y.dtype == torch.int64
    assert torch.allclose(part.test.x, torch.from_numpy(clothes[2].reshape(20, 784) / 255).float())


def test_unflattened_images_have_a_channel(clothes):
    part = load(FashionMNIST(flatten=False))
    assert part.inputs == (1, 28, 28)
    assert torch.equal(part.train.x.flatten(1), load(FashionMNIST()).train.x)


def test_standard_scaling_uses_the_drawn_training_images_alone(clothes):
    part, raw = (load(FashionMNIST(train=30, val=20, scale=scale)) for scale in ("standard", "unit"))
    mean, sd = raw.train.x.double().mean(), raw.train.x.double().std(correction=0)
    for name in ("train", "val", "test"):
        expected = (getattr(raw, name).x.double() - mean) / sd
        assert torch.allclose(getattr(part, name).x.double(), expected, atol=1e-5)


def test_files_are_parsed_once_a_process_and_runs_share_the_numbers_of_a_whole_set(clothes, monkeypatch):
    load(FashionMNIST())
    monkeypatch.setattr(Resource, "read", lambda *_: pytest.fail("read again"))
    first, second, part = load(FashionMNIST()), load(FashionMNIST()), load(FashionMNIST(train=10))
    assert first.train.x.data_ptr() == second.train.x.data_ptr()
    assert part.train.x.data_ptr() != first.train.x.data_ptr()
    standard = load(FashionMNIST(scale="standard"))
    assert not torch.equal(standard.train.x, first.train.x) and first.train.x.min() >= 0


def test_missing_files_are_one_line(clothes, monkeypatch, tmp_path):
    empty = Resource("clothes", "Clothes", FASHION_MNIST.files, "MIT", folders=("clothes",))
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    monkeypatch.setenv("ASSAY_OFFLINE", "1")
    monkeypatch.setattr(FashionMNIST, "resource", empty)
    with pytest.raises(DataMissing, match=r"^Clothes is not on this machine .* holds train-images-idx3-ubyte.gz, "):
        load(FashionMNIST())


def test_made_up_images_have_the_real_shape():
    part = FashionMNIST(val=100, flatten=False, scale="standard")
    part.synthetic(Seeds(1), 16)
    assert part.train.x.shape == part.val.x.shape == part.test.x.shape == (16, 1, 28, 28)
    assert part.train.y.max() == 9


# -- CIFAR ------------------------------------------------------------------------------------------------------------


def cifar_archive(label, folder, members):
    content = io.BytesIO()
    random = np.random.default_rng(1)
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for member in members:
            batch = {"data": random.integers(0, 256, (8, 3072), np.uint8), label: [0, 1, 2, 3] * 2}
            packed = pickle.dumps(batch)
            info = tarfile.TarInfo(f"{folder}/{member}")
            info.size = len(packed)
            archive.addfile(info, io.BytesIO(packed))
    return content.getvalue()


CIFARS = {
    CIFAR10: ("labels", "cifar-10-batches-py", [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], 40),
    CIFAR100: ("fine_labels", "cifar-100-python", ["train", "test"], 8),
}


@pytest.mark.parametrize("kind", CIFARS)
def test_cifar_is_read_from_its_archive(kind, tmp_path, monkeypatch):
    label, folder, members, rows = CIFARS[kind]
    archive = {kind.resource.files[0].name: cifar_archive(label, folder, members)}
    monkeypatch.setattr(kind, "resource", resource_of(tmp_path / "archive", archive, "toy"))
    images._read_cifar.cache_clear()
    part = load(kind(flatten=False, scale="standard"))
    images._read_cifar.cache_clear()
    assert part.train.x.shape == (rows, 3, 32, 32) and part.test.x.shape == (8, 3, 32, 32)
    assert part.train.y.tolist() == [0, 1, 2, 3] * (rows // 4)
    # Standardised channel by channel.
    assert torch.allclose(part.train.x.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(part.train.x.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)


def test_sources_come_from_torchvision_and_are_web_addresses():
    for kind in (FashionMNIST, images.MNIST, images.KMNIST, CIFAR10, CIFAR100):
        sources = kind.resource.sources()
        assert sources and all(source.startswith("http") and source.endswith("/") for source in sources)


# -- the real thing ---------------------------------------------------------------------------------------------------

real = pytest.mark.skipif(bool(FASHION_MNIST.missing()), reason="Fashion-MNIST is not on this machine")


@real
def test_the_real_fashion_mnist():
    images._read_idx.cache_clear()
    part = load(FashionMNIST(train=10_000, val=2000, stratify=True, scale="standard", noise="uniform", noise_level=0.3))
    assert (len(part.train), len(part.val), len(part.test)) == (10_000, 2000, 10_000)
    assert part.train.extra["clean"].bincount().tolist() == [1000] * 10
    assert part.val.extra["clean"].bincount().tolist() == [200] * 10
    assert part.test.y.bincount().tolist() == [1000] * 10
    assert float(part.train.x.mean()) == pytest.approx(0, abs=1e-4)
    assert float(part.train.x.std()) == pytest.approx(1, abs=1e-4)
    assert (part.train.y != part.train.extra["clean"]).float().mean() == pytest.approx(0.27, abs=0.02)


@real
def test_the_real_files_have_the_sums_we_know():
    assert [found.state for found in FASHION_MNIST.verify()] == ["ok"] * 4


DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
@pytest.mark.parametrize(
    ("file", "packed_at"), zip(FASHION_MNIST.files, [1504176606] * 2 + [1504176627] * 2, strict=True)
)
def test_debians_files_are_the_original_ones(file, packed_at):
    """Put the name and time back that Debian left out of the gzip headers, and the published sha256 comes out."""
    original, debian, plain = file.copies
    content = (DEBIAN / f"{file.name}.gz").read_bytes()
    header = b"\x1f\x8b\x08\x08" + struct.pack("<I", packed_at) + b"\0\x03" + file.name.encode() + b"\0"
    assert hashlib.sha256(content).hexdigest() == debian.sha256
    assert hashlib.sha256(header + content[10:]).hexdigest() == original.sha256
    assert hashlib.sha256(gzip.decompress(content)).hexdigest() == plain.sha256
