"""The factored layer makes exactly the steps of the dense one, repeats of a class in a batch and folds included."""

import pytest
import torch

from assay.linalg import FactoredSphericalLinear
from assay.losses import LogTaylorSoftmax, SphericalSquaredError, ZLoss

CLASSES, D = 20, 4


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense_step(w, h, y, loss, lr):
    w, h = w.clone().requires_grad_(), h.clone().requires_grad_()
    values = loss(h @ w.T, y)
    values.sum().backward()
    return w.detach() - lr * w.grad, values.detach(), h.grad


@pytest.mark.parametrize("m", [1, 6])
@pytest.mark.parametrize(
    ("loss", "lr"), [(ZLoss(a=2.0, b=3.0), 0.1), (SphericalSquaredError(), 0.01), (LogTaylorSoftmax(), 0.05)]
)
def test_steps_are_those_of_the_dense_layer(loss, lr, m):
    dense = 0.1 * draw(CLASSES, D, seed=0)
    layer = FactoredSphericalLinear(dense)
    for t in range(30):
        h, y = draw(m, D, seed=t + 1), torch.randint(3, (m,), generator=torch.Generator().manual_seed(t))
        found = layer.step(h, y, loss, lr)
        dense, values, inputs = dense_step(dense, h, y, loss, lr)
        torch.testing.assert_close(found.losses, values)
        torch.testing.assert_close(found.inputs, inputs)
        if t == 20:
            assert layer.fold(low=1.0, high=1.0)
    torch.testing.assert_close(layer.weight(), dense)
    torch.testing.assert_close(layer.q, dense.T @ dense)
    torch.testing.assert_close(layer.wbar, dense.sum(0))
    assert layer.clipped == 0


def test_folding_keeps_the_weights_and_waits_for_its_bounds():
    layer = FactoredSphericalLinear(0.1 * draw(CLASSES, D, seed=0))
    for t in range(5):
        layer.step(draw(2, D, seed=t), torch.tensor([0, 1]), ZLoss(), 0.1)
    before = layer.weight()
    assert layer.condition > 1 and not layer.fold()
    assert layer.fold(low=0.999, high=1.001) and layer.condition == 1
    torch.testing.assert_close(layer.weight(), before)
    torch.testing.assert_close(layer.q, before.T @ before)


def test_clipping_scales_beta_and_is_counted():
    layer = FactoredSphericalLinear(0.1 * draw(CLASSES, D, seed=0), clip=1e-3)
    layer.step(draw(1, D, seed=1), torch.tensor([0]), SphericalSquaredError(), 0.1)
    assert layer.clipped == 1
    assert layer.condition < 1.01


def test_single_precision_for_the_large_matrix_alone():
    layer = FactoredSphericalLinear(0.1 * draw(CLASSES, D, seed=0), dtype=torch.float32)
    assert layer.v.dtype == torch.float32 and layer.u.dtype == layer.q.dtype == torch.float64
    layer.step(draw(2, D, seed=1), torch.tensor([0, 1]), ZLoss(), 0.1)
    torch.testing.assert_close(layer.q, layer.weight().T @ layer.weight(), rtol=1e-5, atol=1e-6)
