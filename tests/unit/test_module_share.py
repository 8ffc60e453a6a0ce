"""A module that measures times says how much of a core it had; a resumed one, over all of its sitting."""

from __future__ import annotations

import pytest

from assay.metrics import scaling
from assay.module import Budget, PaperModule
from assay.seeds import Seeds


class Clock(PaperModule):
    """Times a call that computes half of its second."""

    alone = True

    def __init__(self):
        super().__init__()
        self.attach(Seeds(1), Budget(steps=4), {}, {})

    def advance(self, start, stop):
        for _ in range(start, stop):
            scaling.medians_in_turns({"": self.call}, 1)

    def call(self):
        now["wall"] += 1.0
        now["own"] += 0.5


class Plain(Clock):
    alone = False


now = {"wall": 0.0, "own": 0.0}


@pytest.fixture(autouse=True)
def _made_up_clocks(monkeypatch):
    monkeypatch.setattr(scaling.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(scaling.time, "thread_time", lambda: now["own"])


def test_a_module_that_measures_times_records_its_share():
    module = Clock()
    for block in module.blocks():
        module.training_step(block, 0)
    assert module.scalars == {"time/share": 0.5}


def test_one_that_does_not_records_none():
    module = Plain()
    for block in module.blocks():
        module.training_step(block, 0)
    assert module.scalars == {}


def test_the_share_is_of_what_was_done_before_an_interruption_too():
    first, second = Clock(), Clock()
    first.training_step(next(first.blocks()), 0)
    first.share.passed += 5.0
    second.resume(first.checkpoint())
    assert second.scalars == first.scalars and float(second.share) == float(first.share)
