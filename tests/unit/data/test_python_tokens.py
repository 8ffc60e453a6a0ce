"""Tokens of the standard library: whole files in each split, a vocabulary of training tokens, windows in order."""

import pytest
import torch

from assay.data import PythonTokens
from assay.data.python_tokens import DROPPED, UNKNOWN, corpus, digest
from assay.errors import UserError
from assay.models import NGram
from assay.seeds import Seeds

TOKENS = 120_000


def loaded(seed=1, **how):
    data = PythonTokens(**{"tokens": TOKENS, "vocabulary": 50, "train": 500, "val": 200, **how})
    data.load(Seeds(seed))
    return data


def test_the_stream_has_its_length_and_names_for_what_has_no_text_of_interest():
    files = corpus(TOKENS)
    assert sum(map(len, files)) == TOKENS and len(files) > 10 and DROPPED
    words = {token for file in files for token in file}
    assert {"NEWLINE", "INDENT", "DEDENT", "STRING", "def", "("} <= words
    assert not any(word.startswith(("#", '"', "'")) for word in words)
    assert len(digest(TOKENS)) == 16 and digest(TOKENS) == digest(TOKENS)


def test_training_positions_change_with_the_seed_and_others_do_not():
    one, two = loaded(1), loaded(2)
    assert not torch.equal(one.train.x, two.train.x)
    assert torch.equal(one.val.x, two.val.x) and torch.equal(one.test.x, two.test.x)
    few = loaded(1, test=100)
    assert len(few.test) == 100 and torch.equal(few.test.x, loaded(2, test=100).test.x)
    assert len(one.train) == 500 and len(one.val) == 200 and one.inputs == (5,) and one.classes == 51


def test_windows_are_what_stands_in_the_files():
    data = loaded(train=None, val=None, shares=(0.6, 0.8))
    sizes = [len(split) + 5 for split in (data.train, data.val, data.test)]
    assert sum(sizes) == TOKENS
    text = [token for file in corpus(TOKENS) for token in file]
    known = {word: i for i, word in enumerate(data.words)}
    first = [known.get(token, known[UNKNOWN]) for token in text[:6]]
    assert data.train.x[0].tolist() == first[:5] and int(data.train.y[0]) == first[5]
    assert torch.equal(data.train.x[1:, :-1], data.train.x[:-1, 1:])
    last = [known.get(token, known[UNKNOWN]) for token in text[-6:]]
    assert data.test.x[-1].tolist() == last[:5] and int(data.test.y[-1]) == last[5]


def test_the_vocabulary_is_the_commonest_of_training():
    data = loaded(train=None)
    counts = torch.bincount(data.train.y, minlength=51)[:-1]
    assert (counts[:-1] >= counts[1:] - 5).all()  # the first five tokens are no targets


def test_too_few_tokens_are_refused():
    with pytest.raises(UserError, match="do not fit"):
        loaded(tokens=300)


def test_the_model_scores_every_class():
    net = NGram((5,), 51, embedding=3, hidden=[7])
    assert net(loaded().train.x[:4]).shape == (4, 51)
    assert net.body[0].in_features == 15
