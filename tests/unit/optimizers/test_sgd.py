"""SGD agrees with torch's where torch has it, and with its definition where torch does not."""

import pytest
import torch

from assay.optimizers import SGD

GRADIENTS = torch.randn(20, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def follow(optimizer, x):
    path = []
    for gradient in GRADIENTS:
        x.grad = gradient + 0.1 * x.detach()
        optimizer.step()
        path.append(x.detach().clone())
    return torch.stack(path)


def start():
    return torch.nn.Parameter(torch.linspace(-1, 1, 4, dtype=torch.float64))


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_agrees_with_torch(momentum, nesterov, weight_decay):
    x, y = start(), start()
    values = {"lr": 0.05, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
    ours, theirs = follow(SGD([x], **values), x), follow(torch.optim.SGD([y], **values), y)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


def test_average_form_and_decoupled_decay_by_hand():
    x, y, average = start(), start().detach().clone(), torch.zeros(4, dtype=torch.float64)
    ours = follow(SGD([x], lr=0.05, momentum=0.9, ema=True, weight_decay=0.3, decoupled=True), x)
    for step, gradient in enumerate(GRADIENTS):
        average = 0.9 * average + 0.1 * (gradient + 0.1 * y)
        y = y - 0.05 * (average + 0.3 * y)
        torch.testing.assert_close(ours[step], y, rtol=0, atol=1e-14)
