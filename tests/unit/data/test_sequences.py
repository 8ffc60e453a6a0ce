"""Images as sequences, Fourier noise, and the files of the Long Range Arena."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from assay.data import LRA, FashionMNIST, ImageSequences, fourier_noise, lra
from assay.data.labelled import Pool
from assay.errors import DataMissing
from assay.seeds import Seeds


@pytest.fixture
def images(monkeypatch):
    x = torch.arange(40 * 16, dtype=torch.int32).remainder(251).to(torch.uint8).view(40, 1, 4, 4)
    monkeypatch.setattr(
        FashionMNIST, "read", lambda self: (Pool(x, torch.arange(40) % 10), Pool(x[:8], torch.arange(8)))
    )
    return x


def test_pixels_follow_each_other_row_by_row(images):
    data = ImageSequences(train=40, test=8)
    data.load(Seeds(0))
    assert data.inputs == (16, 1) and data.classes == 10
    plain = images[:8].view(8, 16, 1).double() / 255
    z = data.test.x.double()
    ratio = (z - z.mean()) / (plain - plain.mean())
    assert torch.allclose(ratio, ratio.mean(), rtol=1e-4)


def test_squares_are_averaged_and_the_training_rows_standardised(images):
    data = ImageSequences(pool=2, train=20, test=8)
    data.load(Seeds(0))
    assert data.inputs == (4, 1)
    assert data.train.x.mean().abs() < 1e-5 and data.train.x.std(correction=0) == pytest.approx(1, abs=1e-5)


def test_noise_is_one_mode_of_the_amplitude_asked_for():
    x = torch.randn(3, 32, 2)
    noise = fourier_noise(x, 5, 0.2, 0.4) - x
    expected = 0.2 * x.abs().amax(1, keepdim=True) * torch.sin(2 * math.pi * 5 * torch.arange(32) / 32 + 0.4)[:, None]
    assert torch.allclose(noise, expected, atol=1e-5)
    spectrum = torch.fft.rfft(noise, dim=1).abs()
    assert (spectrum.argmax(1) == 5).all()


def test_lists_of_operations(tmp_path):
    path = tmp_path / "basic_train.tsv"
    path.write_text("Source\tTarget\n( ( [MAX 3 ) ( 9 ] ) )\t9\n( [SM 1 2 ] )\t3\n", encoding="utf-8")
    x, y = lra.read_listops(path)
    words = [lra.LISTOPS[i] for i in x[0] if i]
    assert words == ["[MAX", "3", "9", "]"] and y.tolist() == [9, 3] and x.shape == (2, 2048)


def test_pairs_of_documents(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"1.0\t7\t8\tab\tc\n0.0\t7\t9\t" + b"x" * 5000 + b"\td\n")
    x, y = lra.read_pairs(path)
    assert x.shape == (2, 2, 4000) and y.tolist() == [1, 0]
    assert x[0, 0, :3].tolist() == [98, 99, 0] and x[1, 1, 0] == ord("d") + 1 and (x[1, 0] == ord("x") + 1).all()


def test_paths_in_images(tmp_path, monkeypatch):
    top = tmp_path / "lra_release" / "pathfinder32" / lra.HARD
    (top / "metadata").mkdir(parents=True)
    (top / "imgs" / "0").mkdir(parents=True)
    lines = []
    for i in range(10):
        Image.fromarray(np.full((32, 32), 20 * i, np.uint8)).save(top / "imgs" / "0" / f"sample_{i}.png")
        lines.append(f"imgs/0 sample_{i}.png {i} {i % 2} 0.1 3")
    (top / "metadata" / "0.npy").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    lra._read.cache_clear()
    data = LRA(task="pathfinder")
    data.load(Seeds(0))
    assert [len(part) for part in (data.train, data.val, data.test)] == [8, 1, 1]
    first = data.train.x[torch.tensor([0, 1])]
    assert first.shape == (2, 1024, 1) and first.dtype == torch.float32
    i = torch.round((first[:, 0, 0] + 1) * 127.5 / 20).long()
    assert torch.equal(data.train.y[:2], i % 2)
    lra._read.cache_clear()


@pytest.mark.parametrize("task", ["listops", "retrieval", "pathx"])
def test_what_is_missing_is_said_in_one_line(task, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    lra._read.cache_clear()
    with pytest.raises(DataMissing, match="lra_release"):
        LRA(task=task).load(Seeds(0))


@pytest.mark.parametrize("task", lra.SHAPES)
def test_made_up_rows_have_the_right_shape(task):
    data = LRA(task=task)
    data.synthetic(Seeds(0), 3)
    assert data.train.x[torch.tensor([0])].shape == (1, *data.shape.inputs) and data.inputs == data.shape.inputs
