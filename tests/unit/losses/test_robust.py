"""The competing losses: limits, symmetry, bounds and the pruning of truncated GCE."""

import math

import pytest
import torch
from torch.nn import functional as F

from assay.errors import UserError
from assay.losses import losses

CLASSES = 5


def scores(n=40, scale=3.0):
    return scale * torch.randn(n, CLASSES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def labels(n=40):
    return torch.randint(CLASSES, (n,), generator=torch.Generator().manual_seed(1))


def build(name, **values):
    return losses.build({"name": name, **values})


def cross_entropy(f, y):
    return F.cross_entropy(f, y, reduction="none")


def mae(f, y):
    return 1 - f.softmax(1)[torch.arange(len(f)), y]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("gce", {"q": 1e-7}, cross_entropy),
        ("gce", {"q": 1.0}, mae),
        ("sce", {"balance": 0.0}, cross_entropy),
        ("sce", {"balance": 1.0}, lambda f, y: 4 * mae(f, y)),
        ("js", {"weight": 1e-6}, cross_entropy),
        ("js", {"weight": 1 - 1e-12}, mae),
        ("mae", {}, mae),
        ("brier", {}, lambda f, y: ((F.one_hot(y, CLASSES) - f.softmax(1)) ** 2).sum(1)),
        ("rce", {}, lambda f, y: -(f.softmax(1) * F.one_hot(y, CLASSES).double().clamp(min=1e-4).log()).sum(1)),
        ("agce", {"a": 1.0, "q": 1.0}, mae),
        ("aul", {"a": 2.0, "q": 1.0}, mae),
        ("nce", {}, lambda f, y: cross_entropy(f, y) / -f.log_softmax(1).sum(1)),
    ],
)
def test_known_values_and_limits(name, values, expected):
    f, y = scores(), labels()
    tolerance = 1e-4
    if name == "js":  # JS nears MAE only as 1 / log(1/(1-w)), and CE only where p_y is well above w
        tolerance = 0.1 if values["weight"] > 0.5 else 2e-3
    torch.testing.assert_close(build(name, **values)(f, y), expected(f, y), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", ["mae", "rce", "nce", "rll", "ce"])
def test_symmetric_losses_sum_to_a_constant_over_labels(name):
    f = scores()
    loss = cross_entropy if name == "ce" else build(name)
    sums = sum(loss(f, torch.full((len(f),), k)) for k in range(CLASSES))
    spread = (sums.max() - sums.min()).item()
    assert spread > 1 if name == "ce" else spread < 1e-12


@pytest.mark.parametrize("a", [0.1, 1.0, 10.0])
def test_rll_is_zero_where_the_label_is_certain(a):
    f = 200.0 * F.one_hot(torch.tensor([2]), CLASSES).double()
    assert build("rll", a=a)(f, torch.tensor([2])).item() == pytest.approx(0, abs=1e-12)


def test_margin_losses_by_hand():
    f, y = torch.tensor([[2.0, 1.5, 0.0], [5.0, 0.0, 0.0]]), torch.tensor([0, 0])
    torch.testing.assert_close(build("cs")(f, y), torch.tensor([0.5, 0.0]))
    torch.testing.assert_close(build("ww", margin=3.0)(f, y), torch.tensor([(2.5 + 1.0) / 3, 0.0]))


@pytest.mark.parametrize(("name", "passive"), [("nce_rce", "rce"), ("nce_agce", "agce"), ("nce_aul", "aul")])
def test_active_passive_losses_add_up(name, passive):
    f, y = scores(), labels()
    defaults = {"agce": {"a": 3.0, "q": 1.5}, "aul": {"a": 6.0, "q": 1.5}}.get(passive, {})
    expected = 0.1 * build("nce")(f, y) + 9.9 * build(passive, **defaults)(f, y)
    torch.testing.assert_close(build(name, weight=0.1)(f, y), expected)


def test_pruned_samples_pay_a_constant():
    f, y, index = scores(6), labels(6), torch.tensor([7, 2, 4, 0, 1, 6])
    loss, plain = build("truncated_gce", q=0.7, k=0.5), build("gce", q=0.7)
    loss.prepare(8, CLASSES)
    torch.testing.assert_close(loss(f, y, index), plain(f, y))
    loss.prune(f, y, index)
    dropped = mae(f, y) >= 0.5
    assert 0 < dropped.sum() < 6
    constant = torch.full((6,), (1 - math.sqrt(0.5) ** 1.4) / 0.7, dtype=torch.float64)
    torch.testing.assert_close(loss(f, y, index), torch.where(dropped, constant, plain(f, y)))
    # Right after pruning, this is the loss cut off at its value for p_y = k.
    torch.testing.assert_close(loss(f, y, index), torch.minimum(plain(f, y), constant))
    assert loss.kept[[3, 5]].all()  # samples outside the batch are left alone


@pytest.mark.parametrize("name", ["js", "gce", "nce", "brier", "rll", "sce"])
def test_saturated_probabilities_leave_the_gradient_finite(name):
    f = torch.tensor([[-200.0, 200.0, 0.0]], requires_grad=True)
    build(name)(f, torch.tensor([0])).sum().backward()
    assert torch.isfinite(f.grad).all()


@pytest.mark.parametrize(
    ("name", "values"), [("gce", {"q": 0}), ("js", {"weight": 1}), ("rll", {"a": 0}), ("aul", {"a": 1})]
)
def test_impossible_values_are_refused(name, values):
    with pytest.raises(UserError):
        build(name, **values)
