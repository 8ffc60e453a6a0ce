"""Images from -1 to 1: scaling, averaged squares, splits of one seed, and EDM's zip files."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from assay.data import FashionMNIST
from assay.data.labelled import Pool
from assay.data.signed_images import DigitsSigned, EDMZip, FashionMNISTSigned
from assay.errors import DataMissing, UserError
from assay.seeds import Seeds


@pytest.fixture
def fashion(monkeypatch):
    x = torch.arange(40 * 16, dtype=torch.int64).remainder(256).to(torch.uint8).view(40, 1, 4, 4)
    pool = Pool(x, torch.arange(40) % 10)
    monkeypatch.setattr(FashionMNIST, "read", lambda self: (pool, pool.rows(torch.arange(10))))

    def load(seed=1, **values):
        data = FashionMNISTSigned(**values)
        data.load(Seeds(seed))
        return data

    return load


def test_black_is_minus_one_and_white_is_one(fashion):
    data = fashion()
    assert data.train.x.shape == (40, 1, 4, 4)
    assert (data.train.x.min(), data.train.x.max()) == (-1, 1)
    torch.testing.assert_close(data.test.x[0, 0, 0], torch.arange(4) / 127.5 - 1)


def test_squares_are_averaged(fashion):
    pooled, whole = fashion(pool=2), fashion()
    assert pooled.inputs == (1, 2, 2)
    torch.testing.assert_close(pooled.train.x[3, 0, 0, 1], whole.train.x[3, 0, :2, 2:].mean())
    assert fashion(pool=2, flatten=True).inputs == (4,)


def test_a_seed_for_the_split_is_the_same_for_all_runs(fashion):
    first, other = (fashion(seed, train=8, split_seed=0).train.x for seed in (1, 2))
    assert torch.equal(first, other)
    assert not torch.equal(fashion(1, train=8).train.x, fashion(2, train=8).train.x)


def test_digits():
    data = DigitsSigned(train=100, test=50)
    data.load(Seeds(1))
    assert data.inputs == (1, 8, 8) and len(data.test) == 50
    assert (data.train.x.min(), data.train.x.max()) == (-1, 1)
    assert ((data.train.x + 1) * 8).frac().abs().max() < 1e-5


def zipped(folder, labels):
    (folder / "edm").mkdir()
    with zipfile.ZipFile(folder / "edm" / "a.zip", "w") as archive:
        for i in range(3):
            buffer = io.BytesIO()
            Image.fromarray(np.full((4, 4, 3), 100 * i, np.uint8)).save(buffer, "PNG")
            archive.writestr(f"00000/img{i}.png", buffer.getvalue())
        archive.writestr("dataset.json", json.dumps({"labels": labels}))


def test_zip_files_of_edm(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    with pytest.raises(DataMissing, match="edm"):
        EDMZip(file="a.zip", side=4).load(Seeds(1))
    zipped(tmp_path, [["00000/img1.png", 0], ["00000/img2.png", 0], ["00000/img0.png", 0]])
    data = EDMZip(file="a.zip", side=4)
    data.load(Seeds(1))
    assert data.inputs == (3, 4, 4) and data.outputs == 1
    torch.testing.assert_close(data.train.x[:, 0, 0, 0], torch.tensor([0, 100, 200]) / 127.5 - 1)
    with pytest.raises(UserError, match=r"data\.side"):
        EDMZip(file="a.zip", side=8).load(Seeds(1))
