"""The label-distributionally robust losses against their definition as a maximum."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from assay.errors import UserError
from assay.losses import ALDRLoss, LDRLoss
from assay.losses.ldr import aldr_kl, kl_to_uniform, ldr_kl, next_temperature, normalised

temperature = st.floats(0.1, 20.0)
vectors = st.lists(st.floats(-3, 3), min_size=3, max_size=6)


@settings(deadline=None, max_examples=30)
@given(vectors, temperature, st.floats(0, 1))
def test_no_class_weights_beat_the_closed_form(values, lambda_, margin):
    f = np.array(values)
    k = len(f)
    gaps = f - f[0] + margin * (np.arange(k) != 0)

    def negative(free):  # p = softmax(free): the simplex without constraints
        log_p = free - np.logaddexp.reduce(free)
        p = np.exp(log_p)
        gains = gaps - lambda_ * (log_p + math.log(k))
        return -(p @ gains), -p * (gains - p @ gains)

    found = -minimize(negative, np.zeros(k), jac=True, options={"gtol": 1e-9}).fun
    value = ldr_kl(torch.tensor(f)[None], torch.tensor([0]), lambda_, margin)
    assert value.item() == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("how", ["softplus_mean", "l1"])
def test_normalised_scores_keep_their_order_and_have_mean_size_one(how):
    scores = torch.randn(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    scaled = normalised(scores, how)
    assert torch.equal(scaled.argsort(1), scores.argsort(1))
    torch.testing.assert_close(scaled.abs().mean(1), torch.ones(50, dtype=torch.float64))


def test_zero_scores_do_not_divide_by_zero():
    loss = ALDRLoss()
    loss.prepare(2, 3)
    scores = torch.zeros(2, 3, requires_grad=True)
    loss(scores, torch.tensor([0, 2]), torch.tensor([0, 1])).sum().backward()
    assert torch.isfinite(scores.grad).all()


def test_a_temperature_depends_on_how_sharp_the_sample_is():
    flat, sharp = torch.zeros(1, 4), torch.tensor([[50.0, 0.0, 0.0, 0.0]])
    lambda_0, alpha = 3.0, 2.0
    assert next_temperature(flat, lambda_0, lambda_0, alpha).item() == pytest.approx(lambda_0)
    assert next_temperature(sharp, 1.0, lambda_0, alpha, 0.0).item() == pytest.approx(lambda_0 * (1 - 1 / alpha))


@settings(deadline=None, max_examples=50)
@given(vectors, temperature, st.floats(1.01, 5.0), temperature)
def test_temperatures_stay_in_their_bracket(values, lambda_0, alpha, start):
    f = torch.tensor([values], dtype=torch.float64)
    moved = next_temperature(f, start, lambda_0, alpha).item()
    assert lambda_0 * (1 - 1 / alpha) - 1e-12 <= moved <= lambda_0 * (1 + 1e-12)


def test_the_smoothed_weights_are_a_distribution():
    """One round against the official recipe, written out: add 1e-5, normalise, KL to uniform."""
    f = torch.randn(20, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 10
    p = torch.softmax(f / 0.7, 1) + 1e-5
    p = p / p.sum(1, keepdim=True)
    kl = (p * torch.log(5 * p)).sum(1, keepdim=True)
    torch.testing.assert_close(kl_to_uniform(p), kl)
    torch.testing.assert_close(next_temperature(f, 0.7, 2.0, 1.5), 2.0 - 2.0 * kl / (1.5 * math.log(5)))


def test_only_the_batch_moves_and_only_in_training():
    loss = ALDRLoss(lambda_0=2.0)
    loss.prepare(5, 3)
    scores, y, index = torch.randn(2, 3, generator=torch.Generator().manual_seed(2)), torch.tensor([0, 1]), [1, 3]
    index = torch.tensor(index)
    loss.eval()
    loss(scores, y, index)
    loss.train()
    loss(scores, y)
    assert torch.equal(loss.temperatures, torch.full((5,), 2.0))
    value = loss(scores, y, index)
    moved = next_temperature(normalised(scores, "l1"), 2.0, 2.0, 2.0)
    torch.testing.assert_close(loss.temperatures[index], moved.squeeze(1))
    assert torch.equal(loss.temperatures[[0, 2, 4]], torch.full((3,), 2.0))
    torch.testing.assert_close(value, aldr_kl(normalised(scores, "l1"), y, moved, 2.0, 2.0, 0.1))


def test_reading_stores_nothing_and_starts_from_what_is_stored():
    loss = ALDRLoss(lambda_0=1.0, normalise="none")
    loss.prepare(3, 4)
    loss.temperatures[:] = torch.tensor([0.6, 0.8, 1.0])
    scores = torch.randn(3, 4, generator=torch.Generator().manual_seed(3)) * 2
    once = next_temperature(scores, loss.temperatures[:, None], 1.0, 2.0)
    torch.testing.assert_close(loss.read(scores, torch.arange(3), 1), once.squeeze(1))
    twice = next_temperature(scores, once, 1.0, 2.0).squeeze(1)
    torch.testing.assert_close(loss.read(scores, torch.arange(3), 2), twice)
    torch.testing.assert_close(loss.temperatures, torch.tensor([0.6, 0.8, 1.0]))


def test_the_memory_is_in_the_state():
    loss = ALDRLoss()
    loss.prepare(4, 3)
    loss.temperatures[2] = 0.75
    other = ALDRLoss()
    other.prepare(4, 3)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other.temperatures, loss.temperatures)


def test_half_precision_scores_are_computed_in_single():
    scores, y = torch.tensor([[1.0, 2.0, -1.0]]), torch.tensor([1])
    value = LDRLoss(lambda_=10.0)(scores.bfloat16(), y)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, LDRLoss(lambda_=10.0)(scores, y))


@pytest.mark.parametrize(
    "build", [lambda: LDRLoss(lambda_=0.0), lambda: ALDRLoss(alpha=1.0), lambda: ALDRLoss(lambda_0=-1)]
)
def test_impossible_values_are_refused(build):
    with pytest.raises(UserError):
        build()
