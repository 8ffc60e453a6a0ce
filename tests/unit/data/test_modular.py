"""Modular arithmetic: the table is right, complete, and split by its own axis."""

import pytest
import torch

from assay.data import Modular
from assay.errors import UserError
from assay.seeds import Seeds


def load(seed=1, **how):
    part = Modular(**how)
    part.load(Seeds(seed))
    return part


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide"])
def test_the_table_holds_every_pair_once_with_its_result(operation):
    p, part = 7, load(p=7, operation=operation, encoding="tokens", share=0.4)
    x, y = torch.cat([part.train.x, part.test.x]), torch.cat([part.train.y, part.test.y])
    pairs = {(int(a), int(b)) for a, b, _ in x}
    assert len(pairs) == len(x) == (42 if operation == "divide" else 49)
    for (a, b, equals), c in zip(x.tolist(), y.tolist(), strict=True):
        assert equals == p
        left, right = {
            "add": (c, a + b), "subtract": (c + b, a), "multiply": (c, a * b), "divide": (c * b, a),
        }[operation]  # fmt: skip
        assert left % p == right % p
        assert 0 <= c < p


def test_one_hot_pairs_are_the_tokens():
    tokens, onehot = load(p=5, encoding="tokens"), load(p=5)
    assert onehot.inputs == (10,)
    assert onehot.classes == 5
    assert torch.equal(onehot.train.x[:, :5].argmax(1), tokens.train.x[:, 0])
    assert torch.equal(onehot.train.x[:, 5:].argmax(1), tokens.train.x[:, 1])
    assert torch.equal(onehot.train.x.sum(1), torch.full((len(onehot.train),), 2.0))
    assert torch.equal(onehot.test.y, tokens.test.y)


def test_the_split_follows_the_seed():
    assert len(load(p=23, share=0.9).train) == 476
    assert len(load(p=23, share=0.9).test) == 53
    assert torch.equal(load(2, p=23).train.x, load(2, p=23).train.x)
    assert not torch.equal(load(2, p=23).train.x, load(3, p=23).train.x)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UserError, match="share"):
        Modular(share=1.0)
    with pytest.raises(UserError, match="prime"):
        Modular(p=6, operation="divide")
