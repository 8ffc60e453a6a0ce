"""OpenWebText as GPT-2 tokens, read from disk as it is indexed.

The corpus (9 billion tokens) is tokenised once, from a stream, into one file of 16-bit numbers; a run maps the file
into memory and reads the windows it needs, so that any number of runs share the pages that the system caches.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.data.base import Data, Split, data
from assay.data.fetcher import Found, declare
from assay.data.hub import as_allowed
from assay.data.lazy import LazyRows
from assay.errors import DataMissing, UserError
from assay.seeds import Seeds
from assay.system.contents import report, unwatched
from assay.system.places import data_folders

VOCABULARY = 50257
END = 50256
"""GPT-2's vocabulary, and its token between documents."""

CORPUS, TOKENIZER = "Skylion007/openwebtext", "gpt2"
FILE, SUMS = "tokens.bin", "tokens.json"


@dataclass(frozen=True)
class Tokens:
    """The file of tokens as `fetch` and `verify_all` see it; its sum is written when it is made."""

    name: str = "openwebtext"

    def fetch(self) -> None:
        """Stream and tokenise the corpus unless the file is here: hours, and about 18 GB on disk.

        Raises:
            DataMissing: the corpus or the tokenizer can't be reached.
        """
        if self.path() is not None:
            return
        try:
            with as_allowed():
                corpus = importlib.import_module("datasets").load_dataset(CORPUS, split="train", streaming=True)
                tokenizer = importlib.import_module("transformers").GPT2TokenizerFast.from_pretrained(TOKENIZER)
                write_tokens(data_folders()[0] / self.name, (row["text"] for row in corpus), tokenizer)
        except (OSError, ValueError, RuntimeError) as error:
            raise DataMissing(f"{_HOW} ({type(error).__name__} while streaming it)") from error

    def path(self) -> Path | None:
        """Where the file is."""
        places = [root / self.name / FILE for root in data_folders()]
        return next((path for path in places if path.is_file() and path.with_name(SUMS).is_file()), None)

    def verify(self) -> list[Found]:
        """Hash the file again and compare with the sum that was written when it was made."""
        path = self.path()
        if path is None:
            return [Found(self.name, FILE, "missing")]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        good = digest == json.loads(path.with_name(SUMS).read_text(encoding="utf-8"))["sha256"]
        return [Found(self.name, FILE, "ok" if good else "corrupt", f"{self.name}/{FILE}")]

    def open(self) -> NDArray[np.uint16]:
        """The tokens, mapped into memory. Raises `DataMissing`."""
        path = self.path()
        if path is None:
            raise DataMissing(_HOW)
        report(path.with_name(SUMS))  # 18 GB, whose sum is there
        with unwatched():
            return np.memmap(path, np.uint16, "r")


_HOW = (
    "OpenWebText is not on this machine: run assay.data.fetch('openwebtext') where there is a network (hours, 18 GB), "
    f"or set ASSAY_DATA to a folder that holds openwebtext/{FILE}"
)

TOKENS = declare(Tokens())


def write_tokens(folder: Path, documents: Iterable[str], tokenizer: Any, batch: int = 1000) -> None:
    """Tokenise documents into a folder's token file, each followed by the end token; whole or not at all.

    Args:
        folder: where the file goes.
        documents: texts.
        tokenizer: a tokenizer of the transformers library.
        batch: documents that are tokenised together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part, digest, count = folder / f".{FILE}.{os.getpid()}", hashlib.sha256(), 0
    try:
        with part.open("wb") as out:
            for texts in _batches(documents, batch):
                ids = [np.array([*row, END], np.uint16) for row in tokenizer(texts)["input_ids"]]
                content = np.concatenate(ids).tobytes()
                out.write(content)
                digest.update(content)
                count += len(content) // 2
        sums = {"sha256": digest.hexdigest(), "tokens": count, "corpus": CORPUS, "tokenizer": TOKENIZER}
        (folder / SUMS).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")
        part.replace(folder / FILE)
    finally:
        part.unlink(missing_ok=True)


def _batches(documents: Iterable[str], size: int) -> Iterable[list[str]]:
    batch: list[str] = []
    for document in documents:
        batch.append(document)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@data.register("openwebtext", source="Gokaslan and Cohen (2019), OpenWebText corpus", reduced={"length": 64})
class OpenWebText(Data):
    """Next-token prediction on OpenWebText, in windows of GPT-2 tokens that do not overlap.

    `x` holds windows [n, length], `y` the same shifted by one token. The last windows of the corpus are validation
    and test data; training windows come in the order of the run's axis "order".

    Args:
        length: tokens in a window.
        train: windows to train on, from the start of the corpus; None for all that are left.
        val, test: windows to validate and test on.
    """

    classes = VOCABULARY

    def __init__(self, *, length: int = 1024, train: int | None = None, val: int = 4096, test: int = 0) -> None:
        super().__init__()
        self.length, self.sizes = length, (train, val, test)

    def load(self, seeds: Seeds) -> None:
        """Map the file and cut the corpus."""
        tokens = TOKENS.open()
        train, val, test = self.sizes
        windows = (len(tokens) - 1) // self.length
        train = windows - val - test if train is None else train
        if train < 1 or train + val + test > windows:
            raise UserError(f"data: train={train}, val={val}, test={test} does not fit the {windows} windows there are")
        self.train = self._split(tokens, 0, train)
        if val:
            self.val = self._split(tokens, windows - test - val, val)
        if test:
            self.test = self._split(tokens, windows - test, test)

    def synthetic(self, seeds: Seeds, n: int) -> None:
        """Fill the splits with n random windows each, for a dry run without the data."""
        generator = seeds.torch("synthetic")
        for name, size in zip(("train", "val", "test"), self.sizes, strict=True):
            if size != 0:
                window = torch.randint(VOCABULARY, (n, self.length + 1), generator=generator)
                setattr(self, name, Split(window[:, :-1], window[:, 1:]))

    def _split(self, tokens: NDArray[np.uint16], first: int, count: int) -> Split:
        def windows(shift: int) -> LazyRows:
            def make(index: Tensor) -> Tensor:
                starts = (first + index.numpy()) * self.length + shift
                # One contiguous read a row; the file is far larger than the memory.
                return torch.from_numpy(np.stack([tokens[s : s + self.length] for s in starts]).astype(np.int32))

            return LazyRows(make, (count, self.length), Tensor.long)

        return Split(windows(0).as_tensor(), windows(1).as_tensor())
