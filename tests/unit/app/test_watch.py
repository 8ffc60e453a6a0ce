"""Watching judges at once and draws seldom, and knows when a sweep has ended."""

import io
from collections import Counter
from types import SimpleNamespace

import pytest
from rich.console import Console

from assay.app import watch as module


class Sweep:
    """Stands for a session: its states are set by the test, its clock by `at`."""

    paper = "made_up"

    def __init__(self, tmp_path, monkeypatch):
        self.now, self.of_runs, self.drawn, self.judged, self.busy = 0.0, {"a": "missing", "b": "missing"}, [], 0, []
        self.report_folder, self.blocked, self.planned, self.recorded = tmp_path, [], 0, ["a"]
        monkeypatch.setattr(module, "running", lambda session, plan: self.busy)
        monkeypatch.setattr(module, "run_details", lambda session, plan: {})
        monkeypatch.setattr(module, "judge_paper", self.judge)
        monkeypatch.setattr(module, "draw", self.draw)

    def whole(self):
        self.planned += 1
        blocked = [SimpleNamespace(dead_end=why) for why in self.blocked]
        return SimpleNamespace(blocked=blocked, runs=dict(self.of_runs))

    @property
    def store(self):
        return SimpleNamespace(signatures=lambda: set(self.recorded))

    def states(self, plan):
        return dict(self.of_runs)

    def counts(self, plan, states):
        return dict(Counter(states.values()))

    def results(self, plan):
        return None

    def judge(self, paper, results):
        self.judged += 1
        done = all(state == "done" for state in self.of_runs.values())
        claims = [
            {
                "id": "C1",
                "verdict": "reproduced" if done else "untested",
                "statement": "it holds",
                "paper_says": None,
                "holds": [0, 0],
            }
        ]
        return {"paper": "made_up", "scale": "desk", "claims": claims, "checks": []}

    def draw(self, *args):
        self.drawn.append(self.now)
        self.now += 3.0  # what drawing takes


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    return Sweep(tmp_path, monkeypatch)


def test_it_judges_when_there_is_something_new_and_draws_a_tenth_of_the_time(sweep):
    seen = module.Watch(sweep, now=lambda: sweep.now)
    assert seen.look() and sweep.judged == 1 and len(sweep.drawn) == 1
    assert not seen.look() and sweep.judged == 1
    sweep.of_runs = {"a": "done", "b": "missing"}
    assert seen.look() and sweep.judged == 2 and len(sweep.drawn) == 1
    sweep.now += 40
    assert not seen.look() and len(sweep.drawn) == 2
    sweep.of_runs = {"a": "done", "b": "done"}
    assert seen.look() and seen.ended and len(sweep.drawn) == 3  # the last page is drawn at once


def test_it_plans_again_only_while_something_is_blocked(sweep):
    sweep.blocked = [""]
    seen = module.Watch(sweep, now=lambda: sweep.now)
    seen.look()
    assert sweep.planned == 2 and not seen.ended
    seen.look()
    assert sweep.planned == 2
    sweep.blocked, sweep.of_runs = [], {"a": "done", "b": "failed"}
    seen.look()
    assert sweep.planned == 3 and seen.ended
    assert seen.line() == "1 of 2 runs done, 1 failed"


def test_it_plans_again_when_runs_appear_that_the_plan_does_not_know(sweep):
    seen = module.Watch(sweep, now=lambda: sweep.now)
    seen.look()
    assert sweep.planned == 1
    sweep.recorded.append("a further look's")
    seen.look()
    seen.look()
    assert sweep.planned == 2


def test_a_run_at_work_keeps_it_looking(sweep):
    sweep.of_runs, sweep.busy = {"a": "done", "b": "failed"}, ["b"]
    seen = module.Watch(sweep, now=lambda: sweep.now)
    seen.look()
    assert not seen.ended and "1 running" in seen.line()


@pytest.mark.parametrize("terminal", [False, True])
def test_it_tells_what_changes_and_ends(sweep, terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)

    def later(seconds):
        sweep.of_runs["a" if sweep.of_runs["a"] == "missing" else "b"] = "done"
        sweep.now += 60

    verdicts = module.watch(sweep, console, sleep=later)
    assert verdicts["claims"][0]["verdict"] == "reproduced"
    text = console.file.getvalue()
    assert "1 of 2 runs done" in text and "2 of 2 runs done" in text and "reproduced" in text
    if not terminal:
        assert text.splitlines() == [
            "0 of 2 runs done, no one is at work on it; 1 untested",
            "1 of 2 runs done, no one is at work on it; 1 untested",
            "2 of 2 runs done; C1 reproduced",
        ]


def test_it_ends_where_a_selection_has_no_winner_or_waits_for_a_failed_run(sweep):
    sweep.of_runs, sweep.blocked = {"a": "done"}, ["all 2 candidates diverged"]
    seen = module.Watch(sweep, now=lambda: sweep.now)
    seen.look()
    assert seen.ended
    sweep.of_runs, sweep.blocked = {"a": "failed", "b": "missing"}, [""]
    seen.look()
    assert not seen.ended
    sweep.of_runs = {"a": "failed", "b": "done"}
    seen.look()
    assert seen.ended
