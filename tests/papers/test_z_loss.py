"""Ranks and errors of word models, timed steps that are real steps, folding over long runs, choices of (a, b)."""

import functools
import io
import math
from dataclasses import replace

import polars as pl
import pytest
import torch
from plain import run
from torch.nn.functional import cross_entropy

from assay.claims import Condition, Value
from assay.data import Split
from assay.data.base import Data
from assay.losses import CrossEntropy, LogSphericalSoftmax, ZLoss
from assay.models import NGram
from assay.module import Budget
from assay.optimizers import SGD
from assay.results import Results
from assay.schedules import Constant
from assay.seeds import Seeds
from papers.z_loss import claims
from papers.z_loss.module import KS, METHODS, Stability, Timing, Words, dense_softmax, factored_z, hierarchical_softmax


class Chain(Data):
    """The next word is the last one plus one; the last class stands for everything unknown."""

    classes = 8

    def load(self, seeds):
        x = torch.randint(7, (200, 2), generator=seeds.torch("split"))
        self.train = self.val = self.test = Split(x, (x[:, -1] + 1) % 8)


def words(loss, lr=0.3, steps=200):
    data = Chain()
    data.load(Seeds(1))
    module = Words()
    parts = {
        "data": data,
        "model": lambda inputs, outputs: NGram(inputs, outputs, embedding=4, hidden=[16]),
        "loss": loss,
        "optimizer": lambda params: SGD(params, lr=lr, momentum=0.9),
        "schedule": Constant(),
    }
    module.attach(Seeds(1), Budget(steps=steps, batch=50), parts, {})
    module.build()
    return module


# -- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [CrossEntropy(), ZLoss(b=2.0)])
def test_a_learnable_chain_is_learnt(loss):
    module = run(words(loss))
    assert module.scalars["test/error_1"] == 0 and module.scalars["test/mrr"] == 1


class Same(torch.nn.Module):
    """The same scores whatever comes in."""

    def forward(self, x):
        return torch.tensor([[-5.0, 1.0, 0.0, 2.0, 0.5, 0.1, 0.2, 9.0]]).expand(len(x), 8)


def test_ranks_follow_what_the_loss_ranks_by():
    split = Split(torch.zeros(3, 2, dtype=torch.long), torch.tensor([0, 3, 7]))
    for loss, ranks in ((LogSphericalSoftmax(), [2, 3, 1]), (CrossEntropy(), [8, 2, 1])):
        module = words(loss)
        module.net = Same()
        assert module.ranks(split).tolist() == ranks


def test_unknown_targets_are_in_no_error():
    module = words(CrossEntropy())
    module.net = Same()
    module.data.test = module.data.val = Split(torch.zeros(3, 2, dtype=torch.long), torch.tensor([3, 7, 7]))
    module.finish()
    assert module.scalars["test/error_1"] == 100 and module.scalars["test/mrr"] == 0.5  # place 2, behind the unknown


def test_the_unigram_names_the_commonest_known_training_targets():
    module = words(CrossEntropy())
    module.data.train = Split(torch.zeros(9, 2, dtype=torch.long), torch.tensor([7, 7, 7, 7, 2, 2, 2, 4, 4]))
    module.data.test = Split(torch.zeros(5, 2, dtype=torch.long), torch.tensor([2, 4, 7, 0, 2]))
    errors = module.unigram_errors()
    assert errors[1] == 50 and errors[5] <= 25  # two of the four known targets are 2; 4 is the second commonest


def test_of_tokens_as_common_as_each_other_the_first_are_named():
    module = words(CrossEntropy())
    module.data.train = Split(torch.zeros(7, 2, dtype=torch.long), torch.arange(7))
    module.data.test = module.data.train
    assert module.unigram_errors() == pytest.approx({k: 100 * (1 - min(k, 7) / 7) for k in KS})
    module.data.test = Split(torch.zeros(5, 2, dtype=torch.long), torch.tensor([0, 1, 2, 3, 4]))
    assert module.unigram_errors()[5] == 0


def test_a_run_that_leaves_the_finite_numbers_ranks_nothing():
    module = run(words(CrossEntropy(), lr=1e30, steps=60))
    assert module.scalars["val/error_50"] == 100 and module.scalars["val/mrr"] == 0


# -- time ------------------------------------------------------------------------------------------------------------


def layer(m=3, classes=10, d=4):
    generator = torch.Generator().manual_seed(0)
    w, h = torch.randn(classes, d, generator=generator), torch.randn(m, d, generator=generator)
    return w, h, torch.tensor([0, 7, 7])


def test_the_closed_softmax_step_is_autograds():
    w, h, y = layer()
    weight, inputs = w.clone().requires_grad_(), h.clone().requires_grad_()
    cross_entropy(inputs @ weight.T, y, reduction="sum").backward()
    found = dense_softmax(w, h, y, 0.1)()
    torch.testing.assert_close(w, weight.detach() - 0.1 * weight.grad)
    torch.testing.assert_close(found, inputs.grad)


def test_the_hierarchical_step_is_autograds():
    w, h, y = layer()
    top, leaves, inputs = (torch.zeros(*shape, requires_grad=True) for shape in ((4, 4), (4, 4, 4), (3, 4)))
    step = hierarchical_softmax(w, h, y, 0.5)
    for _ in range(3):  # ceil(sqrt 10) = 4 clusters of 4; both start at zero
        scores = ((leaves[y // 4] @ (h + inputs)[:, :, None])[:, :, 0], (h + inputs) @ top.T)
        loss = sum(cross_entropy(s, t, reduction="sum") for s, t in zip(scores, (y % 4, y // 4), strict=True))
        expected = torch.autograd.grad(loss, (inputs, top, leaves))
        torch.testing.assert_close(step(), expected[0])
        with torch.no_grad():
            top -= 0.5 * expected[1]
            leaves -= 0.5 * expected[2]


def test_the_factored_step_lowers_the_loss():
    w, h, y = layer()
    step = factored_z(w, h, y, 0.05)
    before = step().losses.sum()
    for _ in range(20):
        after = step().losses.sum()
    assert after < before


def test_methods_are_timed_at_every_size_that_is_theirs():
    module = Timing(
        classes=[40, 20, 80], batches=[1, 2], d=4, calls=2, warm_up=1, fitted=[20, 40], autograd_to=40, most=80
    )
    module.attach(Seeds(1), Budget(steps=1), {}, {})
    run(module)
    assert all(module.scalars[f"time/{name}/{m}/{size}"] > 0 for name in METHODS for m in (1, 2) for size in (20, 40))
    assert "time/dense/1/80" in module.scalars and "time/dense/2/80" not in module.scalars
    assert "time/autograd_z/1/80" not in module.scalars
    times = {name: [module.scalars[f"time/{name}/2/{size}"] for size in (20, 40)] for name in ("dense", "factored")}
    slope = math.log(times["dense"][1] / times["dense"][0]) / math.log(2)
    assert module.scalars["time/exponent/dense/2"] == pytest.approx(slope)
    assert module.scalars["time/ratio/dense/2"] == times["dense"][1] / times["factored"][1]


# -- stability ---------------------------------------------------------------------------------------------------------


def stability(steps=300, **how):
    module = Stability(**{"classes": 30, "d": 6, **how})
    module.attach(Seeds(1), Budget(steps=steps), {}, {})
    module.build()
    return module


def test_the_factored_layer_stays_with_the_dense_one_folded_or_not():
    for fold in (True, False):
        module = stability(fold=fold)
        module.layer.fold = functools.partial(module.layer.fold, low=0.99, high=1.01)
        run(module)
        assert module.scalars["distance"] < 1e-11 and module.scalars["drift"] < 1e-11
        assert (module.scalars["folds"] > 0) == fold
    assert run(stability(single=True)).scalars["distance"] > 1e-9


def test_a_run_goes_on_from_its_checkpoint():
    straight, halted = run(stability()), stability()
    halted.block_steps = 100
    run(halted, until=100)
    torch.save(halted.checkpoint(), buffer := io.BytesIO())
    buffer.seek(0)
    resumed = stability()
    resumed.resume(torch.load(buffer, weights_only=True))
    assert run(resumed).scalars == straight.scalars


# -- measures ---------------------------------------------------------------------------------------------------------


def somewhere(**differences):
    """What check 6 makes of differences by k."""
    (check,) = (one for one in claims.CHECKS if one.id == "6")
    values = {k: [Value(str(i), x) for i, x in enumerate(xs)] for k, xs in differences.items()}
    (bound,) = {condition.bound for condition in check.conditions}
    conditions = [Condition(lambda results, k=k: values[k], bound, k) for k in values]
    return replace(check.kind, measure=conditions).judge(None)


CLEAR, WEAK, OPEN = [-1.0, -1.1, -0.9, -1.05, -0.95], [-1.0, -1.8, -0.2, -1.3, -0.7], [-1.0, 1.0, 0.5, -0.5, 0.1]


def test_one_k_is_enough_if_it_survives_the_correction():
    worse = [1.0, 1.1, 0.9, 1.05, 0.95]
    found = somewhere(a=worse, b=OPEN, c=CLEAR, d=OPEN)
    assert found.verdict == "reproduced" and found.measured == pytest.approx(-1)
    assert somewhere(a=WEAK).verdict == "reproduced"
    assert somewhere(a=OPEN, b=WEAK, c=OPEN, d=OPEN).verdict == "inconclusive"
    assert somewhere(a=worse, b=OPEN, c=worse, d=worse).verdict == "inconclusive"
    assert somewhere(a=worse, b=worse, c=worse, d=worse).verdict == "refuted"
    assert somewhere().verdict == "untested"


@pytest.mark.parametrize(("b", "same"), [(3.0, 1.0), (10.0, 0.0)])
def test_the_chosen_shapes_are_compared_without_their_rates(b, same):
    def row(arm, b, lr):
        return {"per": {"arm": arm}, "winner": {"loss.a": 1.0, "loss.b": b, "optimizer.lr": lr}}

    selections = {"words": [row("z_1", 3.0, 0.1), row("z", 28.0, 0.1), row("z_50", b, 1.0)]}
    empty = pl.DataFrame()
    results = Results("z_loss", "desk", empty, empty, empty, selections=selections)
    assert [v.value for v in claims.same_shape(results)] == [same]
