"""Every registered schedule, and the values that each is defined by."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.schedules import Constant, Cosine, CosineEpochs, Exponential, Step, WarmupCosine, schedules


@pytest.mark.parametrize("name", schedules.parts)
@given(total=st.integers(1, 500), data=st.data())
def test_factors_lie_in_zero_one_from_the_first_step_to_the_last(name, total, data):
    schedule = schedules.build({"name": name})
    step = data.draw(st.integers(0, total - 1))
    assert 0 <= schedule.factor(step, total) <= 1
    assert schedule.factor(step, total) == schedule.factor(step, total), "a schedule has no state"


@pytest.mark.parametrize("name", schedules.parts)
def test_training_is_not_over_before_it_starts(name):
    schedule = schedules.build({"name": name})
    assert max(schedule.factor(step, 100) for step in range(100)) > 0.99


def test_constant_is_constant():
    assert {Constant().factor(step, 7) for step in range(7)} == {1.0}


def test_cosine_is_half_a_cosine():
    assert Cosine().factor(0, 8) == 1
    assert Cosine().factor(2, 8) == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert Cosine().factor(4, 8) == pytest.approx(0.5)
    assert Cosine(floor=0.2).factor(8, 8) == pytest.approx(0.2)


def test_step_drops_at_its_moments():
    schedule = Step(at=[1 / 3, 0.6666667], by=0.1)
    assert [schedule.factor(step, 90) for step in (0, 29, 30, 59, 60, 89)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )


def test_warmup_rises_to_one_then_follows_the_cosine():
    schedule = WarmupCosine(warmup=0.1)
    assert [schedule.factor(step, 100) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1, 1])
    assert schedule.factor(55, 100) == pytest.approx(0.5)


def test_no_warmup_is_the_cosine():
    assert [WarmupCosine(warmup=0).factor(s, 9) for s in range(9)] == [Cosine().factor(s, 9) for s in range(9)]


def test_a_cosine_by_epochs_is_that_of_torch_stepped_once_an_epoch():
    epochs, steps = 5, 7
    optimizer = torch.optim.SGD([torch.zeros(1)], 1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    ours = CosineEpochs(epochs=epochs)
    for epoch in range(epochs):
        for step in range(steps):
            found = ours.factor(epoch * steps + step, epochs * steps)
            assert found == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


def test_exponential_decays_by_the_step():
    schedule = Exponential(by=0.9, every=1000)
    assert schedule.factor(0, 7) == 1
    assert schedule.factor(500, 7) == pytest.approx(0.9**0.5)
    assert schedule.factor(2000, 7) == schedule.factor(2000, 10**6) == pytest.approx(0.81)
