"""Next-token prediction on the source text of Python's own standard library: a corpus that is on every machine.

Tokens depend on the version of Python; `digest` says which stream it was.
"""

from __future__ import annotations

import hashlib
import sysconfig
import tokenize
from collections import Counter
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from assay.data.base import Data, Split, data
from assay.errors import UserError
from assay.seeds import Seeds
from assay.system.contents import cached, report

DROPPED = {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER}
NAMED = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.STRING}
"""Types whose tokens become one symbol each; with the texts of strings 16 % of test tokens would be unknown."""

UNKNOWN = "<unk>"


@cached()
def corpus(tokens: int) -> tuple[tuple[str, ...], ...]:
    """The first `tokens` tokens of the top-level files of the standard library in the order of their names, by file."""
    files, left = [], tokens
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        if left <= 0:
            break
        report(path)
        with path.open("rb") as file:
            found = [
                tokenize.tok_name[token.type] if token.type in NAMED else token.string
                for token in tokenize.tokenize(file.readline)
                if token.type not in DROPPED
            ]
        files.append(tuple(found[:left]))
        left -= len(files[-1])
    return tuple(files)


def digest(tokens: int) -> str:
    """The sha256 of the stream of tokens, 16 hexadecimal digits."""
    text = "\n".join("\x1f".join(file) for file in corpus(tokens))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@data.register("python_tokens", source="the standard library of the running Python", neutral={"test": None})
class PythonTokens(Data):
    """Windows of tokens and the token that follows; files go whole to training, validation or test, in this order.

    `x` holds classes [n, context], `y` the next class, [n]. The last class is everything outside the vocabulary.

    Args:
        tokens: length of the corpus.
        vocabulary: commonest training tokens that are classes of their own, ties by text.
        context: tokens that are seen.
        train: training positions, drawn by the run's seed; None for all.
        val, test: validation and test positions, the same for all seeds; None for all.
        shares: where training and validation end, as shares of the corpus; the nearest ends of files are taken.
    """

    def __init__(
        self,
        *,
        tokens: int = 300_000,
        vocabulary: int = 2000,
        context: int = 5,
        train: int | None = 100_000,
        val: int | None = 10_000,
        test: int | None = None,
        shares: tuple[float, float] = (0.8, 0.9),
    ) -> None:
        super().__init__()
        self.tokens, self.vocabulary, self.context = tokens, vocabulary, context
        self.sizes, self.shares = (train, val, test), shares

    def load(self, seeds: Seeds) -> None:
        """Read, split and number the corpus; draw positions (axis "split")."""
        files = corpus(self.tokens)
        ends = [0, *accumulate(map(len, files))]
        first, second = (min(range(len(ends)), key=lambda i: abs(ends[i] - share * ends[-1])) for share in self.shares)
        parts = [
            [token for file in files[a:b] for token in file] for a, b in ((0, first), (first, second), (second, None))
        ]
        common = sorted(Counter(parts[0]).items(), key=lambda item: (-item[1], item[0]))[: self.vocabulary]
        self.words = [*(word for word, _ in common), UNKNOWN]
        self.classes = len(self.words)
        number = {word: i for i, word in enumerate(self.words)}
        train, val, test = (torch.tensor([number.get(t, self.classes - 1) for t in part]) for part in parts)
        self.train = self._windows(train, self.sizes[0], seeds)
        self.val = self._windows(val, self.sizes[1], Seeds(0))
        self.test = self._windows(test, self.sizes[2], Seeds(0))

    def _windows(self, stream: Tensor, count: int | None, seeds: Seeds) -> Split:
        there = len(stream) - self.context
        if there < (count or 1):
            raise UserError(f"data: {count} positions do not fit the {max(there, 0)} there are")
        starts = torch.arange(there)
        if count is not None and count < there:
            starts = torch.randperm(there, generator=seeds.torch("split"))[:count].sort().values
        windows = stream.unfold(0, self.context + 1, 1)[starts]
        return Split(windows[:, :-1].contiguous(), windows[:, -1].contiguous())
