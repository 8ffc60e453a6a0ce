"""Lion-K agrees with an independent Lion, and its norms see the vectors that they should."""

import lion_pytorch
import pytest
import torch
from torch import nn

from assay.optimizers.kappas import L1, L2, GroupL1, Huber
from assay.optimizers.lion_k import LionK, SignSGD


def network():
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 3)).double()


def test_agrees_with_lion_pytorch_over_100_steps():
    ours, theirs = network(), network()
    a = LionK(ours.parameters(), lr=1e-2, weight_decay=0.3)
    b = lion_pytorch.Lion(theirs.parameters(), lr=1e-2, weight_decay=0.3)
    generator = torch.Generator().manual_seed(2)
    worst = 0.0
    for _ in range(100):
        x, y = (torch.randn(16, k, generator=generator, dtype=torch.float64) for k in (7, 3))
        for net, optimizer in ((ours, a), (theirs, b)):
            optimizer.zero_grad()
            (net(x) - y).square().mean().backward()
            optimizer.step()
        pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
        worst = max(worst, *(float((p - q).detach().abs().max()) for p, q in pairs))
    moved = (ours[0].weight - network()[0].weight).abs().max()
    assert worst <= 1e-7
    assert moved > 0.1, "both must have gone somewhere"


def test_one_step_by_hand():
    x = nn.Parameter(torch.tensor([0.5, -0.2, 0.0], dtype=torch.float64))
    optimizer = LionK([x], lr=0.1, beta1=0.8, beta2=0.5, weight_decay=2.0, kappa=Huber(e=1.0))
    x.grad = torch.tensor([1.0, -20.0, 0.0], dtype=torch.float64)
    optimizer.step()  # u = -0.2 g, m = -0.5 g
    expected = torch.tensor([0.5 + 0.1 * (-0.2 - 1.0), -0.2 + 0.1 * (1.0 + 0.4), 0.0], dtype=torch.float64)
    torch.testing.assert_close(x.detach(), expected, rtol=0, atol=1e-15)
    before = x.detach().clone()
    x.grad = torch.zeros(3, dtype=torch.float64)
    optimizer.step()  # u = 0.8 m
    m = torch.tensor([-0.5, 10.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(x.detach(), before + 0.1 * ((0.8 * m).clamp(-1, 1) - 2 * before), rtol=0, atol=1e-15)


def first_step(norm, kappa, shapes=((2, 3), (3,))):
    """The directions of a first step from zero on gradients -1, one group for each parameter."""
    params = [nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in shapes]
    optimizer = LionK([{"params": [p]} for p in params], lr=1.0, kappa=kappa, norm=norm)
    for p in params:
        p.grad = -torch.ones_like(p)
    optimizer.step()
    return [p.detach() for p in params]


def test_a_norm_sees_tensors_rows_or_everything():
    matrix, vector = first_step("tensor", L2())
    assert torch.linalg.vector_norm(matrix) == pytest.approx(1) and torch.linalg.vector_norm(vector) == pytest.approx(1)
    matrix, vector = first_step("row", L2())
    torch.testing.assert_close(torch.linalg.vector_norm(matrix, dim=1), torch.ones(2, dtype=torch.float64))
    matrix, vector = first_step("global", L2())
    assert torch.cat([matrix.flatten(), vector]).norm() == pytest.approx(1)
    assert matrix.norm() == pytest.approx((6 / 9) ** 0.5)


def test_groups_run_on_across_a_tensors_rows():
    matrix, _ = first_step("tensor", GroupL1(size=6))
    assert matrix.norm() == pytest.approx(1)


@pytest.mark.parametrize("norm", ["tensor", "global", "row"])
def test_separable_functions_do_not_ask_what_a_vector_is(norm):
    for a, b in zip(first_step(norm, L1()), first_step("tensor", L1()), strict=True):
        assert torch.equal(a, b)


def test_sign_sgd_is_the_sign_of_the_average():
    gradients = torch.randn(30, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    x, y, average = nn.Parameter(torch.zeros(5).double()), torch.zeros(5).double(), torch.zeros(5).double()
    optimizer = SignSGD([x], lr=0.1, momentum=0.7, weight_decay=0.5)
    for gradient in gradients:
        x.grad = gradient
        optimizer.step()
        average = 0.7 * average + 0.3 * gradient
        y = y - 0.1 * (average.sign() + 0.5 * y)
        torch.testing.assert_close(x.detach(), y, rtol=0, atol=1e-12)


def test_one_state_of_the_parameters_shape():
    x = nn.Parameter(torch.ones(4, 2))
    optimizer = LionK([x])
    x.grad = torch.ones(4, 2)
    optimizer.step()
    assert [value.shape for value in optimizer.state[x].values()] == [x.shape]
