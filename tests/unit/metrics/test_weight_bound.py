"""The monitor passes Lion-K, catches what breaks the law, and survives a checkpoint."""

import pytest
import torch

from assay.metrics.weight_bound import WeightBoundMonitor
from assay.optimizers import LionK, kappas


def params(dtype=torch.float64):
    generator = torch.Generator().manual_seed(6)
    return [torch.nn.Parameter(5 * torch.randn(4, 8, generator=generator, dtype=dtype)) for _ in range(2)]


def walk(optimizer, monitor, tensors, steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in tensors:
            p.grad = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        optimizer.step()
        monitor.update(0.1)


@pytest.mark.parametrize("name", kappas.parts)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", ["row", "tensor"])
def test_lion_k_keeps_the_law(name, dtype, norm):
    tensors, kappa = params(dtype), kappas.build({"name": name})
    optimizer = LionK(tensors, lr=0.1, weight_decay=2.0, kappa=kappa, norm=norm)
    monitor = WeightBoundMonitor(tensors, kappa, 2.0, rows=norm == "row")
    start = float(monitor.excess.max())
    walk(optimizer, monitor, tensors, 100)
    assert start > 1 and monitor.excess.max() <= 1e-6
    assert monitor.violations == 0


def test_an_optimizer_without_the_law_is_caught():
    tensors = params()
    optimizer = torch.optim.SGD(tensors, lr=0.1, weight_decay=2.0)
    monitor = WeightBoundMonitor(tensors, kappas.build({"name": "l1"}), 2.0)
    walk(optimizer, monitor, tensors, 20)
    assert monitor.violations > 0 and monitor.residual > 0.01


def test_goes_on_from_its_state():
    tensors, kappa = params(), kappas.build({"name": "l1"})
    monitor = WeightBoundMonitor(tensors, kappa, 2.0)
    walk(torch.optim.SGD(tensors, lr=0.1), monitor, tensors, 10)
    copies, state = [p.detach().clone() for p in tensors], monitor.state()
    resumed = WeightBoundMonitor(copies, kappa, 2.0)
    resumed.load(state)
    walk(torch.optim.SGD(tensors, lr=0.1), monitor, tensors, 10, seed=1)
    walk(torch.optim.SGD(copies, lr=0.1), resumed, copies, 10, seed=1)
    assert monitor.violations == resumed.violations > 0
    assert monitor.residual == resumed.residual
