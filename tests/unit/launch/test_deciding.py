"""What a launcher makes of the scheduler's word, with a scheduler that says what the test wants."""

import pytest

from assay.launch import site, slurm, watching
from assay.launch.profiles import Profile
from assay.launch.site import Word
from assay.launch.slurm import Launcher
from assay.launch.sweeps import Sweep, folder_of_sweeps
from assay.records.store import Record
from assay.study.declared import Run

CODE = "c0de"


class Scheduler:
    """Stands for Slurm: what is in the queue, how tasks ended, what was submitted."""

    def __init__(self, monkeypatch):
        self.queue, self.ends, self.sent, self.cancelled = {}, {}, [], []
        monkeypatch.setattr(site, "queue", lambda: self.queue)
        monkeypatch.setattr(site, "ended", lambda name: self.ends.get(name))
        monkeypatch.setattr(site, "max_array", lambda: 1001)
        monkeypatch.setattr(site, "named", lambda name: ["99"] if name.startswith("lost") else [])
        monkeypatch.setattr(site, "cancel", self.cancelled.extend)
        monkeypatch.setattr(slurm.snapshot, "take", lambda target: target)
        monkeypatch.setattr(slurm, "submit_tasks", self.submit)
        monkeypatch.setattr(slurm, "code_of", lambda config, store: CODE)

    def submit(self, sweep, job, profile, copy):
        self.sent.append(job)
        identifier = str(len(self.sent))
        self.queue |= {
            (f"{identifier}_{i}" if len(job.tasks) > 1 else identifier): Word("PENDING") for i in range(len(job.tasks))
        }
        return identifier

    def end(self, name, state, code=""):
        del self.queue[name]
        self.ends[name] = Word(state, code)


@pytest.fixture
def scheduler(monkeypatch):
    return Scheduler(monkeypatch)


def launcher(**profile):
    sweep = Sweep(folder_of_sweeps() / "p-desk")
    checked = Profile.model_validate({"pack": {"tasks": 1}, **profile})
    sweep.describe({"paper": "p", "scale": "desk", "options": {}, "profile": checked.model_dump()})
    sweep.store.prepare()
    return Launcher(sweep, checked)


def runs(*names):
    return [Run(name, {"module": {"name": "net"}, "trainer": {"device": "cpu", "threads": 1}}) for name in names]


def done(it, name, code=CODE, status="done", **more):
    it.store.write(Record(name, code, status, {}, **more))


def test_what_is_on_its_way_is_not_submitted_again(scheduler):
    it = launcher()
    assert it.advance(runs("a", "b")) == []
    assert it.advance(runs("a", "b")) == []
    assert launcher().advance(runs("a", "b", "c")) == []
    assert [sorted(job.runs) for job in scheduler.sent] == [["a", "b"], ["c"]]


def test_a_scheduler_that_does_not_answer_decides_nothing(scheduler):
    it = launcher()
    it.advance(runs("a"))
    scheduler.queue = None
    assert it.advance(runs("a")) == []
    assert len(scheduler.sent) == 1


def test_a_scheduler_that_does_not_answer_has_not_forgotten_the_tasks(scheduler, monkeypatch):
    it = launcher()
    it.advance(runs("a", "b"))
    done(it, "a")

    def told():
        return {row["run"]: (row["state"], row["scheduler"]) for row in watching.rows(it.sweep)}

    monkeypatch.setattr(watching.shutil, "which", lambda name: name)
    assert told() == {"a": ("done", "pending"), "b": ("waiting", "pending")}
    scheduler.queue = None
    assert told()["b"] == ("waiting", "no answer")
    monkeypatch.setattr(watching.shutil, "which", lambda name: None)
    assert told()["b"] == ("lost", ""), "where there is no Slurm nobody will answer"


def test_a_record_is_the_truth_whatever_the_scheduler_says(scheduler):
    it = launcher()
    it.advance(runs("a"))
    done(it, "a")
    scheduler.end("1", "FAILED", "1")
    assert [(o.signature, o.state) for o in it.advance(runs("a"))] == [("a", "done")]


def test_a_lost_run_is_tried_again_so_often_and_then_failed(scheduler):
    it = launcher(retries={"node": 2})
    outcomes = []
    for attempt in range(1, 4):
        assert it.advance(runs("a")) == []
        assert len(scheduler.sent) == attempt
        it.sweep.note(attempt, 0, begin="0")
        it.sweep.note(attempt, 0, start="a")
        scheduler.end(str(attempt), "NODE_FAIL")
    outcomes = it.advance(runs("a"))
    assert [o.state for o in outcomes] == ["failed"]
    assert it.store.read("a").failure["class"] == "node"
    assert "NODE_FAIL" in it.store.read("a").failure["message"]


def test_only_who_was_in_the_middle_is_blamed(scheduler):
    it = launcher(retries={"timeout": 0})
    it.advance(runs("a", "b", "c"))
    for note in ({"begin": "0"}, {"start": "a"}, {"end": "a", "state": "failed"}, {"start": "b"}):
        it.sweep.note(1, 0, **note)
    done(it, "a", status="failed", failure={"class": "nan", "message": "", "traceback": ""})
    scheduler.end("1", "TIMEOUT")
    outcomes = {o.signature: o.message for o in it.advance(runs("a", "b", "c"))}
    assert set(outcomes) == {"a", "b"}
    assert outcomes["a"].startswith("nan") and outcomes["b"].startswith("timeout")
    assert sorted(scheduler.sent[-1].runs) == ["c"]


def test_a_warned_task_has_counted_its_time_out_itself(scheduler):
    it = launcher(retries={"timeout": 1}, grow={"time": 2}, time=60, max_time=240)
    it.advance(runs("a"))
    it.sweep.note(1, 0, begin="0")
    it.sweep.note(1, 0, start="a")
    it.sweep.count("a", "timeout")
    it.sweep.note(1, 0, stop="timeout", runs=["a"])
    scheduler.end("1", "FAILED", "1")
    assert it.advance(runs("a")) == []
    assert it.sweep.tries("a") == {"timeout": 1}
    assert scheduler.sent[-1].limits.minutes == 120


def test_out_of_memory_by_the_log_s_words(scheduler):
    it = launcher(memory_gb=2)
    it.advance(runs("a"))
    (it.sweep.submitit / "1_0_log.err").write_text("slurmstepd: error: Detected 1 oom-kill event(s)", encoding="utf-8")
    scheduler.end("1", "FAILED", "9")
    it.advance(runs("a"))
    assert it.sweep.tries("a") == {"oom": 1}
    assert scheduler.sent[-1].limits.memory_gb == 4


def test_cancelled_tasks_are_not_submitted_again(scheduler):
    it = launcher()
    it.advance(runs("a"))
    scheduler.end("1", "CANCELLED")
    assert [o.state for o in it.advance(runs("a"))] == ["interrupted"]
    assert len(scheduler.sent) == 1
    assert it.store.read("a") is None


def test_a_full_disk_is_nobody_s_fault(scheduler):
    it = launcher()
    it.advance(runs("a"))
    scheduler.end("1", "FAILED", "3")
    (outcome,) = it.advance(runs("a"))
    assert outcome.state == "refused" and "room" in outcome.message
    again = launcher()  # the user made room and asks anew
    assert again.advance(runs("a")) == []
    assert len(scheduler.sent) == 2


def test_jobs_with_older_code_are_ended_and_done_again(scheduler, monkeypatch):
    launcher().advance(runs("a", "b"))
    monkeypatch.setattr(slurm, "code_of", lambda config, store: "new")
    it = launcher()
    it.advance(runs("a", "b"))
    assert scheduler.cancelled == ["1"]
    assert sorted(scheduler.sent[-1].runs) == ["a", "b"]
    assert scheduler.sent[-1].runs["a"].code == "new"


def test_a_failed_run_is_tried_again_when_somebody_asks(scheduler):
    it = launcher()
    it.advance(runs("a"))
    done(it, "a", status="failed", failure={"class": "nan", "message": "x", "traceback": ""})
    scheduler.end("1", "FAILED", "1")
    assert [o.state for o in it.advance(runs("a"))] == ["failed"]
    asked = launcher()
    asked.wait = False
    asked.launch(runs("a"))
    assert len(scheduler.sent) == 2
    follower = launcher()
    follower.fresh, follower.wait = False, False
    done(it, "a", status="failed", failure={"class": "nan", "message": "again", "traceback": ""})
    scheduler.end("2", "FAILED", "1")
    assert [o.state for o in follower.launch(runs("a"))] == ["failed"], "a follow-up does not ask again"
    assert len(scheduler.sent) == 2
