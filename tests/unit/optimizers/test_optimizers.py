"""Every registered optimizer minimises, survives a checkpoint, and respects its parameter groups."""

import copy

import pytest
import torch

from assay.optimizers import optimizers

VALUES = {"mfac": {"m": 16, "damp": 1.0}}
"""At its defaults M-FAC's steps are too long for a rate of 0.02: 1 / damp sets their length on a single direction."""

TARGET = torch.linspace(-0.4, 0.4, 6, dtype=torch.float64).reshape(2, 3)


def run(optimizer, x, steps, start=0):
    """Steps on |x - TARGET|^2/2 with a rate that falls to zero over 400 steps."""
    base = [group.setdefault("base", group["lr"]) for group in optimizer.param_groups]
    for step in range(start, start + steps):
        for group, lr in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = lr * (1 - step / 400)
        x.grad = x.detach() - TARGET
        optimizer.step()


def build(name, x, **values):
    # Rates of 0.02 suit both kinds: those that normalise the gradient and those that do not.
    return optimizers.build({"name": name, "lr": 0.02, **VALUES.get(name, {}), **values})([x])


@pytest.mark.parametrize("name", optimizers.parts)
def test_minimises_a_quadratic(name):
    x = torch.nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))
    run(build(name, x), x, 400)
    before, after = TARGET.square().sum(), (x.detach() - TARGET).square().sum()
    assert after < 0.01 * before


@pytest.mark.parametrize("name", optimizers.parts)
def test_goes_on_from_its_state_exactly(name):
    x = torch.nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))
    optimizer = build(name, x)
    run(optimizer, x, 10)
    y = torch.nn.Parameter(x.detach().clone())
    resumed = build(name, y)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(optimizer, x, 10, start=10)
    run(resumed, y, 10, start=10)
    assert torch.equal(x, y)


@pytest.mark.parametrize("name", [part.name for part in optimizers if "weight_decay" in part.fields])
def test_a_group_without_decay_is_not_decayed(name):
    decayed, exempt = (torch.nn.Parameter(torch.full((3,), 5.0)) for _ in range(2))
    groups = [{"params": [decayed]}, {"params": [exempt], "weight_decay": 0.0}]
    optimizer = optimizers.build({"name": name, "weight_decay": 0.5})(groups)
    decayed.grad, exempt.grad = torch.zeros(3), torch.zeros(3)
    for _ in range(3):
        optimizer.step()
    assert (exempt == 5).all() and (decayed < 5).all()


@pytest.mark.parametrize("name", optimizers.parts)
def test_parameters_without_gradient_stay(name):
    x, idle = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = optimizers.build({"name": name})([x, idle])
    x.grad = torch.ones(3)
    optimizer.step()
    assert (idle == 1).all() and (x != 1).all()
