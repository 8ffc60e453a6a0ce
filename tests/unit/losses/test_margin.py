"""Margin losses: what a margin is with one column and with several, and each phi by its formula."""

import math

import pytest
import torch

from assay.errors import UserError
from assay.losses import BCELoss, ExponentialLoss, FocalLoss, HingeLoss
from assay.losses.margin import Phi, margin

GRID = torch.linspace(-5, 5, 41, dtype=torch.float64)
FORMULAS = {
    BCELoss: lambda z: math.log1p(math.exp(-z)),
    HingeLoss: lambda z: max(0.0, 1 - z),
    ExponentialLoss: lambda z: math.exp(-z),
    FocalLoss: lambda z: (1 / (1 + math.exp(z))) ** 2 * math.log1p(math.exp(-z)),
}


def test_the_margin_of_one_column_has_the_sign_of_the_class():
    assert margin(torch.tensor([[2.0], [2.0], [-3.0]]), torch.tensor([1, 0, 0])).tolist() == [2, -2, 3]


def test_the_margin_of_more_columns_is_the_lead_over_the_best_other():
    scores = torch.tensor([[1.0, 4.0, 2.0], [1.0, 4.0, 2.0]])
    assert margin(scores, torch.tensor([1, 0])).tolist() == [2, -3]
    pair = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 1, 0, 1, 1, 0])
    torch.testing.assert_close(margin(pair, y), margin(pair[:, 1:] - pair[:, :1], y))


@pytest.mark.parametrize("loss", FORMULAS, ids=lambda loss: loss.__name__)
def test_values_are_those_of_the_formula(loss):
    expected = torch.tensor([FORMULAS[loss](float(z)) for z in GRID], dtype=torch.float64)
    torch.testing.assert_close(loss().phi(GRID), expected)
    assert torch.equal(loss()(GRID[:, None], torch.ones(41, dtype=torch.long)), loss().phi(GRID))


def test_the_exponential_goes_on_as_its_tangent():
    z = torch.tensor([-60.0, -61.0, -1000.0], dtype=torch.float64, requires_grad=True)
    ExponentialLoss().phi(z).sum().backward()
    torch.testing.assert_close(z.grad, torch.full((3,), -math.exp(60), dtype=torch.float64))
    assert ExponentialLoss().phi(torch.tensor([-1e4])).isfinite().all()


def test_focal_without_gamma_is_cross_entropy():
    torch.testing.assert_close(FocalLoss(gamma=0.0).phi(GRID), BCELoss().phi(GRID))
    with pytest.raises(UserError):
        FocalLoss(gamma=-1.0)


def test_a_loss_without_phi_says_so():
    with pytest.raises(TypeError, match="phi"):
        Phi()(torch.zeros(1, 1), torch.zeros(1, dtype=torch.long))
