"""Rows that are made when indexed behave like the tensor they stand for; ImageNet and OpenWebText on small files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from assay.data import ImageNet, OpenWebText, text
from assay.data.base import Split
from assay.data.imagenet import ARCHIVE, MEAN, SD, Decoder, middle_box, random_box
from assay.data.lazy import LazyRows, batch_seed
from assay.errors import DataMissing, UserError
from assay.seeds import Seeds

# -- lazy rows --------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair():
    full = torch.arange(60.0).reshape(10, 2, 3)
    return full, LazyRows(lambda index: full[index], tuple(full.shape))


@pytest.mark.parametrize(
    "index",
    [
        torch.tensor([3, 1, 1]),
        slice(2, 7),
        slice(None, None, 3),
        torch.arange(10) % 2 == 0,
        torch.tensor([], dtype=torch.long),
    ],
)
def test_indexing_gives_the_tensors_rows(pair, index):
    full, lazy = pair
    assert torch.equal(lazy[index], full[index])


def test_it_has_the_tensors_shape_length_and_parts(pair):
    full, lazy = pair
    assert (lazy.shape, len(lazy)) == (full.shape, len(full))
    assert [part.tolist() for part in lazy.split(4)] == [part.tolist() for part in full.split(4)]


def test_a_split_of_lazy_rows_is_indexed_and_moved_like_any_other(pair):
    full, lazy = pair
    split = Split(lazy.as_tensor(), torch.arange(10)).to("cpu")
    assert len(split) == 10
    assert torch.equal(split[torch.tensor([4, 2])].x, full[[4, 2]])


def test_only_the_rows_asked_for_are_made_and_finished_on_the_device():
    asked = []

    def make(index):
        asked.extend(index.tolist())
        return index.unsqueeze(1)

    lazy = LazyRows(make, (1000, 1), lambda rows: rows * 2.0).to("meta")
    assert lazy[torch.tensor([5, 7])].device.type == "meta"
    assert asked == [5, 7]


def test_a_batchs_seed_depends_on_the_root_and_on_every_row_number():
    index = torch.tensor([1, 2, 3])
    seeds = [batch_seed(0, index), batch_seed(1, index), batch_seed(0, index.flip(0)), batch_seed(0, index + 1)]
    assert len(set(seeds)) == 4
    assert batch_seed(0, index.to(torch.int32)) == seeds[0]


# -- ImageNet ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """An ImageNet of two classes with three photographs each, in the layout that torchvision unpacks to."""
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    folder, random = tmp_path / "imagenet", np.random.default_rng(0)
    for split in ("train", "val"):
        for wnid in ("n001", "n002"):
            (folder / split / wnid).mkdir(parents=True)
            for i in range(3):
                pixels = random.integers(0, 256, (40, 60, 3) if i else (50, 45), np.uint8)  # one is grey
                Image.fromarray(pixels).save(folder / split / wnid / f"{i}.png")
    torch.save(({"n001": ("cat",), "n002": ("dog",)}, []), folder / "meta.bin")


def imagenet(**how):
    part = ImageNet(size=16, **how)
    part.load(Seeds(1))
    return part


def test_imagenet_is_decoded_as_it_is_indexed(photographs):
    part = imagenet(val=2)
    assert (len(part.train), len(part.val), len(part.test)) == (4, 2, 6)
    assert (part.inputs, part.classes) == ((3, 16, 16), 1000)
    batch = part.test[torch.arange(6)]
    assert batch.x.shape == (6, 3, 16, 16) and batch.x.dtype == torch.float32
    assert batch.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.cat(list(part.test.x.split(4))).equal(batch.x)


def test_the_same_batch_is_augmented_in_the_same_way_and_another_otherwise(photographs):
    part, again = imagenet(), imagenet()
    index = torch.tensor([0, 1, 2])
    assert torch.equal(part.train.x[index], again.train.x[index])
    assert not torch.equal(part.train.x[index][0], part.train.x[torch.tensor([0, 2, 1])][0])
    plain = imagenet(augment=False).train.x
    assert torch.equal(plain[index][0], plain[torch.tensor([0, 2, 1])][0])


def test_pixels_are_normalised_with_imagenets_moments(tmp_path):
    Image.new("RGB", (30, 30), (255, 0, 51)).save(tmp_path / "red.png")
    row = Decoder([str(tmp_path / "red.png")], 8, None)(torch.tensor([0]))
    assert row.shape == (1, 3, 8, 8) and row.dtype == torch.uint8
    from assay.data.imagenet import _normalised

    expected = (torch.tensor([1.0, 0.0, 0.2]) - torch.tensor(MEAN)) / torch.tensor(SD)
    assert torch.allclose(_normalised(row)[0, :, 3, 3], expected)


def test_the_middle_is_cut_out_and_random_boxes_fit_the_image():
    assert middle_box(256, 256) == (16, 16, 240, 240)
    assert middle_box(512, 256) == (144, 16, 368, 240)
    random = np.random.default_rng(0)
    for _ in range(200):
        width, height = random.integers(20, 500, 2)
        left, top, right, bottom = random_box(width, height, random.random((10, 4)))
        assert 0 <= left < right <= width + 1e-9 and 0 <= top < bottom <= height + 1e-9
        area = (right - left) * (bottom - top) / (width * height)
        ratio = (right - left) / (bottom - top)
        middle = (left, top, right, bottom) == middle_box(width, height)
        assert middle or (0.08 - 1e-9 <= area <= 1 and 0.75 - 1e-9 <= ratio <= 4 / 3 + 1e-9)


def test_without_imagenet_there_is_one_line_and_it_can_be_made_up(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    with pytest.raises(
        DataMissing, match=r"^ImageNet is not on this machine and needs an account.*ILSVRC2012_img_train\.tar"
    ):
        ARCHIVE.fetch()
    assert [found.state for found in ARCHIVE.verify()] == ["missing", "missing"]
    part = ImageNet(size=8)
    part.synthetic(Seeds(1), 3)
    assert part.train.x.shape == (3, 3, 8, 8)


def test_more_images_than_there_are_is_one_line(photographs):
    with pytest.raises(UserError, match="does not fit ImageNet"):
        imagenet(train=7)


# -- OpenWebText ------------------------------------------------------------------------------------------------------


class Letters:
    """A tokenizer: one token a letter."""

    @classmethod
    def from_pretrained(cls, _):
        return cls()

    def __call__(self, texts):
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    text.write_tokens(tmp_path / "openwebtext", ["hello", "", "world!"], Letters(), batch=2)
    return tmp_path / "openwebtext"


STREAM = [*b"hello", text.END, text.END, *b"world!", text.END]


def openwebtext(**how):
    part = OpenWebText(**{"length": 4, "val": 0, **how})
    part.load(Seeds(1))
    return part


def test_documents_are_written_one_after_the_other_with_a_sum(corpus):
    assert np.fromfile(corpus / "tokens.bin", np.uint16).tolist() == STREAM
    assert json.loads((corpus / "tokens.json").read_text(encoding="utf-8"))["tokens"] == len(STREAM)
    assert [found.state for found in text.TOKENS.verify()] == ["ok"]
    with (corpus / "tokens.bin").open("r+b") as file:
        file.write(b"x")
    assert [found.state for found in text.TOKENS.verify()] == ["corrupt"]


def test_windows_do_not_overlap_and_targets_are_one_token_ahead(corpus):
    part = openwebtext()
    index = torch.tensor([2, 0])
    assert part.train.x[index].tolist() == [STREAM[8:12], STREAM[0:4]]
    assert part.train.y[index].tolist() == [STREAM[9:13], STREAM[1:5]]
    assert part.train.x[index].dtype == part.train.y[index].dtype == torch.int64
    assert (len(part.train), part.inputs, part.classes) == (3, (4,), 50257)


def test_validation_and_test_windows_are_the_last_ones(corpus):
    part = openwebtext(val=1, test=1)
    assert part.train.x[torch.tensor([0])].tolist() == [STREAM[0:4]]
    assert part.val.x[torch.tensor([0])].tolist() == [STREAM[4:8]]
    assert part.test.x[torch.tensor([0])].tolist() == [STREAM[8:12]]
    with pytest.raises(UserError, match="does not fit the 3 windows"):
        openwebtext(train=4)


def test_a_failure_while_writing_leaves_nothing(tmp_path):
    def documents():
        yield "fine"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        text.write_tokens(tmp_path, documents(), Letters(), batch=1)
    assert list(tmp_path.iterdir()) == []


def test_fetching_streams_the_corpus_once(tmp_path, monkeypatch):
    import datasets
    import transformers

    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    calls = []

    def load_dataset(name, split, streaming):
        calls.append((name, split, streaming))
        return [{"text": "hello"}, {"text": ""}, {"text": "world!"}]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(transformers, "GPT2TokenizerFast", Letters)
    text.TOKENS.fetch()
    text.TOKENS.fetch()
    assert calls == [(text.CORPUS, "train", True)]
    assert text.TOKENS.open(encoding="utf-8").tolist() == STREAM


def test_without_the_corpus_there_is_one_line_and_it_can_be_made_up(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: (_ for _ in ()).throw(ConnectionError("no net")))
    with pytest.raises(DataMissing, match=r"\(ConnectionError while streaming it\)$"):
        text.TOKENS.fetch()
    with pytest.raises(DataMissing, match=r"^OpenWebText is not on this machine: .* holds openwebtext/tokens\.bin$"):
        openwebtext()
    part = OpenWebText(length=8)
    part.synthetic(Seeds(1), 3)
    assert part.train.x.shape == part.val.y.shape == (3, 8) and part.test is None
    assert torch.equal(part.train.x[:, 1:], part.train.y[:, :-1])
