"""EnsLoss: steps 2 to 6, the two controls, expected slopes, and the same slopes after an interruption."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import UserError
from assay.losses.ens_loss import STRICT, EnsLoss, along, expected_slopes, inverse_box_cox, magnitudes, tempered


def drawn(loss, n=64, seed=3):
    z = torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2
    return z, loss.draw(z)


@pytest.mark.parametrize("lambda_", [-0.9, -0.3, 0.2, 1.0])
def test_box_cox_undoes_the_inverse(lambda_):
    v = torch.linspace(-1, 1, 21, dtype=torch.float64)
    x = inverse_box_cox(v, lambda_)
    torch.testing.assert_close((x**lambda_ - 1) / lambda_, v)


def test_outside_its_range_the_inverse_is_zero_or_infinite():
    assert inverse_box_cox(torch.tensor([-3.0]), 0.5).item() == 0
    assert inverse_box_cox(torch.tensor([3.0]), -0.5).item() == math.inf
    assert magnitudes(torch.tensor([3.0]), -0.5).item() == -1


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=40), st.integers(0, 1000), st.floats(-1, 1))
def test_slopes_are_negative_and_rise_with_the_margin(values, seed, lambda_):
    z = torch.tensor(values, dtype=torch.float64)
    v = torch.randn(len(z), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    g = tempered(along(magnitudes(v, lambda_), z), z)
    assert (g < 0).all() and (g >= -1 - STRICT).all()
    order = z.argsort(stable=True)
    assert (g[order].diff() >= -1e-15).all()


def test_slopes_fade_beyond_one():
    r, z = torch.tensor([-1.0, -1.0, -0.5]), torch.tensor([1.0, 4.0, 10.0])
    torch.testing.assert_close(tempered(r, z), torch.tensor([-1.0, -0.25, -0.05]) - STRICT)


def test_shuffled_slopes_are_the_same_numbers_elsewhere():
    z, g = drawn(EnsLoss())
    _, other = drawn(EnsLoss(slopes="shuffled"))
    low = z <= 1  # beyond, the division depends on the place
    assert (other[z.argsort()].diff() < -1e-3).any()
    assert set(g[low].tolist()) != set(other.tolist())
    loss = EnsLoss()
    below = -torch.arange(8.0, dtype=torch.float64)
    torch.testing.assert_close(loss.draw(below).sort().values, EnsLoss(slopes="shuffled").draw(below).sort().values)


@pytest.mark.parametrize("batch", [1, 2, 104, 128])
def test_expected_slopes_add_up_to_the_mean_of_one(batch):
    """The order statistics of a batch are the batch: E r = -(1/2 + sqrt(e) Phi(-1))."""
    slopes = expected_slopes(batch)
    phi = 0.5 * math.erfc(1 / math.sqrt(2))
    assert slopes.mean().item() == pytest.approx(-(0.5 + math.sqrt(math.e) * phi), abs=1e-7)
    assert (slopes.diff() >= 0).all()


def test_expected_slopes_are_the_mean_of_many_draws():
    v = torch.randn(40_000, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    seen = magnitudes(v).sort(1).values.mean(0)
    torch.testing.assert_close(expected_slopes(8), seen, atol=0.005, rtol=0)


def test_the_controls_with_expected_slopes_are_one_loss():
    loss = EnsLoss(slopes="expected")
    z, first = drawn(loss)
    loss.step += 1
    assert torch.equal(loss.draw(z), first)
    torch.testing.assert_close(first, tempered(along(expected_slopes(64), z), z))


def test_every_training_step_has_slopes_of_its_own_and_evaluation_none():
    loss = EnsLoss()
    loss.reseed(5)
    z = torch.linspace(-1, 1, 16)
    scores, y = z[:, None], torch.ones(16, dtype=torch.long)
    values = [loss(scores, y) for _ in range(2)]
    assert not torch.equal(*values)
    loss.eval()
    assert torch.equal(loss(scores, y), loss(scores, y))
    assert loss.step == 2
    loss.train()
    loss.reseed(5)
    assert torch.equal(loss(scores, y), values[0])


def test_slopes_are_constants_of_the_gradient():
    loss = EnsLoss()
    f = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0, 1, 1, 0, 1, 0, 1, 1, 0])
    z = ((2 * y - 1) * f).detach()
    expected = loss.draw(z) * (2 * y - 1)
    loss(f[:, None], y).sum().backward()
    torch.testing.assert_close(f.grad, expected)


def test_a_checkpoint_goes_on_with_the_same_slopes():
    loss, other = EnsLoss(), EnsLoss()
    loss.reseed(11)
    scores, y = torch.randn(12, 1, generator=torch.Generator().manual_seed(2)), torch.ones(12, dtype=torch.long)
    for _ in range(3):
        loss(scores, y)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other(scores, y), loss(scores, y))
    other.reseed(12)
    assert not torch.equal(other(scores, y), loss(scores, y))


def test_lambda_is_drawn_every_period_of_epochs():
    loss = EnsLoss(period=2)
    loss.prepare(20, 2)
    loss.reseed(1)
    scores, y = torch.zeros(10, 1), torch.ones(10, dtype=torch.long)
    seen = []
    for _ in range(12):  # six epochs of two steps
        seen.append(loss.current_lambda())
        loss(scores, y)
    assert [len(set(seen[i : i + 4])) for i in (0, 4, 8)] == [1, 1, 1]
    assert len(set(seen)) == 3 and all(-1 <= value <= 1 for value in seen)
    with pytest.raises(UserError):
        EnsLoss(period=1, slopes="expected")
