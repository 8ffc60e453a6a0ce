"""Kuzushiji-49 and Tiny-ImageNet without their files: shapes of made-up data, and one line where files are missing."""

import numpy as np
import pytest

from assay.data import large_images
from assay.data.large_images import Kuzushiji49, TinyImageNet
from assay.errors import DataMissing
from assay.seeds import Seeds


@pytest.mark.parametrize(("build", "shape"), [(Kuzushiji49, (1, 28, 28)), (TinyImageNet, (3, 64, 64))])
def test_synthetic_images_have_the_real_shape(build, shape):
    data = build(flatten=False, val=0.2)
    data.synthetic(Seeds(1), 6)
    assert data.inputs == shape
    assert len(data.val) == 6


@pytest.fixture
def k49(monkeypatch, tmp_path):
    """Three training and two test images where four files are looked for."""
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    rows = {"train": 3, "test": 2}
    files = {part: (images, labels, rows[part]) for part, (images, labels, _) in large_images.K49_FILES.items()}
    monkeypatch.setattr(large_images, "K49_FILES", files)
    large_images._read_k49.cache_clear()
    (tmp_path / "k49").mkdir()
    for images, labels, n in files.values():
        np.savez(tmp_path / "k49" / images, np.full((n, 28, 28), 7, np.uint8))
        np.savez(tmp_path / "k49" / labels, np.array([48, 0, 1][:n], np.uint8))
    yield tmp_path / "k49"
    large_images._read_k49.cache_clear()


def test_kuzushiji_is_read_from_the_data_folder(k49):
    data = Kuzushiji49(flatten=False)
    data.load(Seeds(1))
    assert data.train.y.tolist() == [48, 0, 1]
    assert data.test.x.shape == (2, 1, 28, 28)


def test_a_wrong_file_is_refused(k49):
    np.savez(k49 / "k49-train-imgs.npz", np.zeros((2, 28, 28), np.uint8))
    with pytest.raises(DataMissing, match="k49-train-imgs"):
        Kuzushiji49().load(Seeds(1))


def test_a_missing_file_is_named(k49):
    (k49 / "k49-test-labels.npz").unlink()
    with pytest.raises(DataMissing, match="k49-test-labels"):
        Kuzushiji49().load(Seeds(1))
