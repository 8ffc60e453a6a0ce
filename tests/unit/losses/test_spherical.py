"""The spherical family: closed gradients, invariances of the Z-loss, and what ranks classes."""

import math

import pytest
import torch
from torch.nn.functional import softplus

from assay.errors import UserError
from assay.losses import LogSphericalSoftmax, LogTaylorSoftmax, SphericalSquaredError, SquaredError, ZLoss

FAMILY = [ZLoss(), ZLoss(a=3.0, b=10.0), SphericalSquaredError(), LogTaylorSoftmax(), LogSphericalSoftmax()]
each = pytest.mark.parametrize("loss", FAMILY, ids=lambda loss: type(loss).__name__)


def scores(n=6, classes=11, seed=0):
    return torch.randn(n, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


Y = torch.tensor([0, 3, 10, 3, 5, 1])


@each
def test_closed_gradients_are_autograds_and_sums_are_enough(loss):
    o = scores().requires_grad_()
    value = loss(o, Y)
    value.sum().backward()
    target, s, q = o.detach().gather(1, Y[:, None])[:, 0], o.detach().sum(1), o.detach().square().sum(1)
    torch.testing.assert_close(loss.of_sums(target, s, q, 11), value.detach())
    alpha, beta, gamma = loss.coefficients(target, s, q, 11)
    found = alpha[:, None] + beta[:, None] * o.detach()
    found[torch.arange(6), Y] += gamma
    torch.testing.assert_close(found, o.grad)


def test_z_loss_does_not_see_shift_and_scale():
    for k, t in ((0.1, 3.0), (10.0, -3.0)):
        torch.testing.assert_close(ZLoss(b=4.0)(k * scores() + t, Y), ZLoss(b=4.0)(scores(), Y))


def test_z_loss_keeps_its_digits_far_from_zero():
    far = scores().float() + 1000
    torch.testing.assert_close(ZLoss()(far, Y), ZLoss()(far.double(), Y).float(), rtol=1e-4, atol=1e-6)


def test_z_loss_of_a_one_hot_vector_and_its_hinge():
    one_hot = torch.eye(17, dtype=torch.float64)[:1]
    z = math.sqrt(16)
    for a, b in ((0.5, 0.0), (2.0, 5.0)):
        found = ZLoss(a=a, b=b)(one_hot, torch.tensor([0]))
        torch.testing.assert_close(found, softplus(torch.tensor([a * (b - z)], dtype=torch.float64)) / a)
    hinge = max(0.0, 5.0 - z)
    assert abs(float(ZLoss(a=100.0, b=5.0)(one_hot, torch.tensor([0]))) - hinge) <= math.log(2) / 100


def test_squared_error_is_the_other_one_in_spherical_form():
    torch.testing.assert_close(SphericalSquaredError()(scores(), Y), SquaredError()(scores(), Y))


def test_polynomial_softmaxes_rank_by_their_probabilities():
    o = torch.tensor([[-6.0, 1.0, 0.0]])
    assert LogSphericalSoftmax().ranking(o).argmax() == 0 and LogTaylorSoftmax().ranking(o).argmax() == 0
    assert ZLoss().ranking(o).argmax() == 1
    assert torch.isfinite(ZLoss()(torch.zeros(1, 3), torch.tensor([0]))).all()


def test_a_must_be_positive():
    with pytest.raises(UserError, match="positive"):
        ZLoss(a=0.0)
