"""The Slurm launcher: runs become arrays of tasks, submitted with submitit; a sweep goes on without its author.

`Launcher.launch` does a wave of runs like the local pool: it submits what is neither done nor on its way, and waits.
What it knows is on disk, so it can be killed, or detached from, at any moment; the next one attaches. The truth about
a run is its record. The scheduler's word only tells whether a task is still on its way and, when it ended without a
record, why: lost runs are submitted again, a bounded number of times by class, with limits that grow.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.errors import UserError
from assay.launch import packing, profiles, site, snapshot, task
from assay.launch.local import Outcome
from assay.launch.profiles import Profile
from assay.launch.sweeps import Job, Limits, Sweep, Wanted, guarded, record_mark
from assay.records.codes import code_of, holds
from assay.records.store import Store
from assay.study.declared import Run
from assay.system import places
from assay.system.entry import prepared

CLASSES = {
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "OUT_OF_MEMORY": "oom",
    "NODE_FAIL": "node",
    "BOOT_FAIL": "node",
}
"""Scheduler states that say why a task left runs undone; any other counts as a lost node, except cancellation."""

CHANGED = (
    "the sources changed while the sweep was submitted, and its jobs refused to mix them; run the same command again"
)

OOM_WORDS = ("exceeded memory limit", "Exceeded job memory limit", "oom-kill event", "oom_kill event")

REQUEUES = 10**6
"""Submitit counts a job's time-outs by a guess; ours are counted by run, so it may always requeue."""


@dataclass
class Launcher:
    """Submits the runs of a sweep and follows them.

    Args:
        sweep: the sweep on disk.
        profile: the site.
        seconds: what runs will likely take, by signature.
        report: called after every look at the sweep, for a progress display.
        wait: False to submit and go.
        fresh: somebody asked for these runs now; what became of them in earlier jobs does not count.
    """

    sweep: Sweep
    profile: Profile
    seconds: Mapping[str, float] = field(default_factory=dict)
    report: Callable[[Launcher], None] = lambda launcher: None
    wait: bool = True
    fresh: bool = True
    stopping: bool = False
    interrupted: bool = False
    cancelled: bool = False
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    on_the_way: dict[str, str] = field(default_factory=dict)
    queue: dict[str, site.Word] = field(default_factory=dict)
    total: int = 0
    new: int = 0
    _before: dict[str, str | None] = field(default_factory=dict)
    _settled: set[tuple[int, int]] | None = None
    _copy: Path | None = None

    @property
    def store(self) -> Store:
        """The sweep's records."""
        return self.sweep.store

    def launch(self, runs: Sequence[Run]) -> list[Outcome]:
        """Do the runs of a wave, each once, and return what became of them; on an interrupt, those done so far."""
        open_runs = {run.signature: run for run in runs}
        self.total += len(open_runs)
        if self.fresh:
            self._before |= {signature: record_mark(self.store, signature) for signature in open_runs}
            self.sweep.forget_tries([s for s, mark in self._before.items() if mark])
        finished: list[Outcome] = []
        patience = min(1.0, self.profile.poll_seconds)
        with prepared(self._interrupt):
            while open_runs and not self.stopping:
                for outcome in self._look(list(open_runs.values())):
                    del open_runs[outcome.signature]
                    self.outcomes[outcome.signature] = outcome
                    finished.append(outcome)
                self.report(self)
                if not self.wait and self.on_the_way:
                    self.stopping = True
                if self.cancelled:
                    break
                if open_runs and not self.stopping:
                    self._sleep(patience)
                    patience = min(1.5 * patience, self.profile.poll_seconds)
        return finished

    def _interrupt(self) -> None:
        self.stopping = self.interrupted = True

    def _look(self, runs: Sequence[Run]) -> list[Outcome]:
        """Advance; the scheduler's commands hear a terminal's Ctrl-C, too, and what they say then is no news."""
        try:
            return self.advance(runs)
        except UserError:
            if not self.interrupted:
                raise
            return []

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            time.sleep(0.1)

    # -- one look ---------------------------------------------------------------------------------------------------

    def advance(self, runs: Sequence[Run]) -> list[Outcome]:
        """Look where runs are, submit those that are neither done nor on their way; outcomes of those that ended."""
        found = self._done(runs)
        left = [run for run in runs if run.signature not in found]
        if not left:
            return list(found.values())
        with self.sweep.held():
            self._find_lost_submissions()
            queue = site.queue()
            if queue is None:  # the scheduler does not answer: nothing is known, so nothing is decided
                return list(found.values())
            self.queue = queue
            self._settle()
            self.cancelled = self.sweep.cancelled
            found |= self._done(left)  # a task may have ended since the first look
            left = [run for run in left if run.signature not in found]
            self.on_the_way = self._under_way(left)
            missing = [run for run in left if run.signature not in self.on_the_way]
            if missing and not self.cancelled:
                again, ended = self._lost(missing)
                found |= {outcome.signature: outcome for outcome in ended}
                self._submit(again)
        return list(found.values())

    def _done(self, runs: Iterable[Run]) -> dict[str, Outcome]:
        """Outcomes of runs with a record: done, or failed since they were submitted."""
        last = self._latest()
        found = {}
        for run in runs:
            record = self.store.read(run.signature)
            if record is None or not holds(record, code_of(run.config, self.store)):
                continue
            job = last.get(run.signature)
            if record.status == "done":
                found[run.signature] = Outcome(run.signature, "found" if job is None else "done")
            elif job is not None and record_mark(self.store, run.signature) not in (
                job.runs[run.signature].replaces,
                self._before.get(run.signature),
            ):
                failure = record.failure or {"class": "code", "message": ""}
                if self._another_try(run.signature, failure["class"]):
                    continue
                found[run.signature] = Outcome(run.signature, "failed", f"{failure['class']}: {failure['message']}")
        return found

    def _another_try(self, signature: str, kind: str) -> bool:
        """Whether a run that failed as such is tried again: out of memory with more of it, or a process was lost."""
        if kind not in ("oom", "node") or (kind == "oom" and self.profile.grow.memory <= 1):
            return False
        return bool(self.sweep.tries(signature).get(kind, 0) < getattr(self.profile.retries, kind))

    def _latest(self) -> dict[str, Job]:
        """The job that a run was submitted with last."""
        return {signature: job for job in self.sweep.jobs() if job.id for signature in job.runs}

    def _under_way(self, runs: Iterable[Run]) -> dict[str, str]:
        """Runs that a waiting or running task of this sweep has, with the code that they have now."""
        wanted = {run.signature: run for run in runs}
        found: dict[str, str] = {}
        for job in self.sweep.jobs():
            for index, signatures in enumerate(job.tasks):
                name = job.task_id(index)
                if job.id is None or name not in self.queue:
                    continue
                mine = [s for s in signatures if s in wanted]
                if mine and all(job.runs[s].code != code_of(wanted[s].config, self.store) for s in mine):
                    site.cancel([name])  # all of it would compute what nobody wants any more
                    continue
                found |= dict.fromkeys(mine, name)
        return found

    def _settle(self) -> None:
        """At the first look, tasks of earlier jobs that are gone: whoever asks anew does not ask why."""
        if self._settled is None:
            self._settled = {
                (job.number, index)
                for job in (self.sweep.jobs() if self.fresh else [])
                for index in range(len(job.tasks))
                if job.task_id(index) not in self.queue
            }

    def _find_lost_submissions(self) -> None:
        """Who submitted was killed before the scheduler's answer was kept: end such jobs; their runs are missing."""
        for job in self.sweep.unresolved():
            site.cancel(site.named(job.name))
            self.sweep.submitted(job, "")

    # -- what was lost ----------------------------------------------------------------------------------------------

    def _lost(self, runs: Sequence[Run]) -> tuple[list[Run], list[Outcome]]:
        """Runs whose task is gone without a record: those to submit (again), and those that are given up."""
        last = self._latest()
        again, ended = [], []
        by_task: dict[tuple[int, int], list[Run]] = {}
        for run in runs:
            job = last.get(run.signature)
            if job is None:
                again.append(run)
                continue
            index = next(i for i, signatures in enumerate(job.tasks) if run.signature in signatures)
            if (job.number, index) in (self._settled or ()):
                again.append(run)
                continue
            by_task.setdefault((job.number, index), []).append(run)
        for (number, index), members in by_task.items():
            kept, given_up = self._judge_task(self.sweep.job(number), index, members)
            again += kept
            ended += given_up
        return again, ended

    def _judge_task(self, job: Job, index: int, members: list[Run]) -> tuple[list[Run], list[Outcome]]:
        word = site.ended(job.task_id(index))
        notes = self.sweep.notes(job.number, index)
        stop: dict[str, Any] = next((note for note in reversed(notes) if "stop" in note), {})
        began = max((i for i, note in enumerate(notes) if "begin" in note), default=0)
        code = word.detail if word else ""
        if stop.get("stop") == "disk" or code == str(task.DISK):
            return [], [Outcome(run.signature, "refused", _disk_words(stop, self.store)) for run in members]
        if stop.get("stop") == "code" or code == str(task.CODE):
            return [], [Outcome(run.signature, "refused", CHANGED) for run in members]
        if word is not None and word.state == "CANCELLED":
            return [], [Outcome(run.signature, "interrupted", "cancelled") for run in members]
        kind = self._class(job, index, word, stop)
        blamed = _in_the_middle(notes[began:]) or {run.signature for run in members}
        again, ended = [], []
        for run in members:
            failed = self.store.read(run.signature)
            why = (failed.failure or {})["class"] if failed is not None and failed.status == "failed" else ""
            if why in ("oom", "node"):
                self.sweep.count(run.signature, why)
                again.append(run)
            elif run.signature not in blamed:
                again.append(run)
            elif self._tried(run.signature, kind, stop) > getattr(self.profile.retries, kind):
                ended.append(self._give_up(run, kind, word))
            else:
                again.append(run)
        return again, ended

    def _class(self, job: Job, index: int, word: site.Word | None, stop: Mapping[str, Any]) -> str:
        """Why a task left runs undone. Without cgroups Slurm tells of memory in the task's log only."""
        if stop.get("stop") == "timeout":
            return "timeout"
        kind = CLASSES.get(word.state, "node") if word else "node"
        log = self.sweep.submitit / f"{job.task_id(index)}_0_log.err"
        if (
            kind == "node"
            and log.exists()
            and any(words in log.read_text(errors="replace", encoding="utf-8") for words in OOM_WORDS)
        ):
            return "oom"
        return kind

    def _tried(self, signature: str, kind: str, stop: Mapping[str, Any]) -> int:
        """How often a run was lost to a class, this time included; a task that was warned has counted already."""
        if kind == "timeout" and signature in stop.get("runs", ()):
            return self.sweep.tries(signature).get(kind, 0)
        return self.sweep.count(signature, kind)

    def _give_up(self, run: Run, kind: str, word: site.Word | None) -> Outcome:
        """Record a run as failed: its class, and what the scheduler said."""
        times = self.sweep.tries(run.signature).get(kind, 0)
        said = f"; the scheduler says {word.state}" if word else ""
        message = {
            "timeout": f"over its time limit {times} times",
            "oom": f"out of memory {times} times",
        }.get(kind, f"lost with its task {times} times") + said
        self.store.write_failed(run.signature, code_of(run.config, self.store), run.config, kind, message)
        return Outcome(run.signature, "failed", f"{kind}: {message}")

    # -- submitting -------------------------------------------------------------------------------------------------

    def _submit(self, runs: Sequence[Run]) -> None:
        if not runs:
            return
        paper, scale = self.sweep.about["paper"], self.sweep.about["scale"]
        needs = profiles.needs_of(paper, scale)
        limits = {
            run.signature: packing.limits_of(run, self.profile, needs, self.sweep.tries(run.signature)) for run in runs
        }
        by_name = {run.signature: run for run in runs}
        # One copy for all waves: they are planned by the code that this process has loaded.
        copy = self._copy = self._copy or snapshot.take(self.sweep.folder.parent / ".code")
        most = site.max_array()
        for kind, tasks in packing.pack(runs, limits, self.seconds, self.profile):
            for chunk in packing.chunks(tasks, most):
                number = len(self.sweep.jobs()) + 1
                wanted = {s: self._wanted(by_name[s]) for signatures in chunk for s in signatures}
                job = Job(number, f"{self.sweep.id}.{number}", kind, [*chunk], wanted)
                self.sweep.add(job)
                self.sweep.submitted(job, submit_tasks(self.sweep, job, self.profile, copy))
                self.on_the_way |= {s: job.task_id(i) for i, signatures in enumerate(chunk) for s in signatures}
                self.new += 1

    def _wanted(self, run: Run) -> Wanted:
        return Wanted(run.config, code_of(run.config, self.store), record_mark(self.store, run.signature))


def _in_the_middle(notes: Sequence[Mapping[str, Any]]) -> set[str]:
    """Runs that a task had started and not ended."""
    started = [note["start"] for note in notes if "start" in note]
    ended = {note["end"] for note in notes if "end" in note and note["state"] != "interrupted"}
    return {signature for signature in started if signature not in ended}


def _disk_words(stop: Mapping[str, Any], store: Store) -> str:
    return stop.get("message") or f"a task could not write to {store.folder}; make room and run again"


# -- submitit ---------------------------------------------------------------------------------------------------------


def submit_tasks(sweep: Sweep, job: Job, profile: Profile, copy: Path) -> str:
    """Submit a job's tasks as one array; returns the scheduler's id.

    Raises:
        UserError: the scheduler refuses.
    """
    functions = [task.Task(str(sweep.folder), job.number, index) for index in range(len(job.tasks))]
    executor = _executor(sweep, profile, copy, job.name, REQUEUES)
    parameters = request(job.limits, profile)
    parameters["array_parallelism"] = 1 if job.limits.alone else profile.parallel
    return _sent(executor, parameters, functions)


def submit_follower(sweep: Sweep, profile: Profile, jobs: Iterable[str]) -> str:
    """Submit the small job that goes on with a detached sweep when its tasks have ended; returns its id."""
    from assay.launch.follow import Follow

    copy = snapshot.take(sweep.folder.parent / ".code")
    executor = _executor(sweep, profile, copy, f"{sweep.id}.next", REQUEUES)
    limits = Limits(min(profile.time, 60), min(profile.memory_gb, 4.0), 1)
    parameters = request(limits, profile)
    parameters["dependency"] = ":".join(["afterany", *jobs])
    return _sent(executor, parameters, [Follow(str(sweep.folder))])


def _executor(sweep: Sweep, profile: Profile, copy: Path, name: str, timeouts: int) -> Any:
    guarded(sweep.submitit)
    from submitit import SlurmExecutor

    executor = SlurmExecutor(sweep.submitit, max_num_timeout=timeouts, python=profile.python)
    executor.update_parameters(job_name=name, setup=_setup(sweep, profile, copy))
    return executor


def _sent(executor: Any, parameters: Mapping[str, Any], functions: Sequence[Callable[[], Any]]) -> str:
    import subprocess

    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor.update_parameters(**parameters)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if len(functions) == 1:
                return str(executor.submit(functions[0]).job_id)
            with executor.batch():
                sent = [executor.submit(function) for function in functions]
            return str(sent[0].job_id).partition("_")[0]
    except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
        words = [line for line in str(error).splitlines() if "error:" in line] or str(error).splitlines()
        raise UserError(
            f"the scheduler refused the job: {words[-1].partition('error:')[2].strip() or words[-1]}"
        ) from None


def request(limits: Limits, profile: Profile) -> dict[str, Any]:
    """What a task asks for, in submitit's words."""
    asked: dict[str, Any] = {
        "time": limits.minutes,
        "mem": f"{int(limits.memory_gb * 1024)}M",
        "cpus_per_task": limits.cpus,
        "signal_delay_s": profile.signal_seconds,
        # Since 22.05 a step does not inherit the job's CPUs per task.
        "srun_args": [f"--cpus-per-task={limits.cpus}"],
        "additional_parameters": {"requeue": True},
    }
    if limits.spread:
        asked |= {"nodes": limits.nodes, "ntasks_per_node": limits.processes}
        asked["srun_args"] += ["--kill-on-bad-exit=1"]  # a process that is lost takes the others with it
    if limits.gpus:
        asked["gpus_per_node"] = f"{profile.gpu}:{limits.gpus}" if profile.gpu else limits.gpus
    for name in ("partition", "account", "qos", "constraint", "exclude"):
        if getattr(profile, name):
            asked[name] = getattr(profile, name)
    return {**asked, "wckey": None}


def check(profile: Profile, limits: Limits) -> None:
    """See, before anything is submitted, that the site takes such jobs.

    Raises:
        UserError: one line that says what is wrong.
    """
    site.require()
    site.check_partition(profile.partition, limits.minutes)
    asked = request(limits, profile)
    flags = [f"--{name}={asked[name]}" for name in ("partition", "account", "qos", "constraint") if name in asked]
    flags += [f"--time={limits.minutes}", f"--mem={asked['mem']}", f"--cpus-per-task={limits.cpus}"]
    if limits.spread:
        flags += [f"--nodes={limits.nodes}", f"--ntasks-per-node={limits.processes}"]
    if limits.gpus:
        flags.append(f"--gpus-per-node={asked['gpus_per_node']}")
    site.check_request(flags)


def _setup(sweep: Sweep, profile: Profile, copy: Path) -> list[str]:
    """Shell lines before a task: the profile's, then where code, data and results are."""
    import shlex

    data = os.environ.get("ASSAY_DATA") or str(places.ROOT / "data")
    lines = {
        "PYTHONSAFEPATH": "1",  # or `python -m` would look in the folder that the job was submitted from first
        "PYTHONPATH": os.pathsep.join([str(copy / "src"), str(copy)]),
        "ASSAY_OUTPUTS": str(sweep.store.folder.parent),
        "ASSAY_REPORTS": str(places.reports()),
        "ASSAY_DATA": str(Path(data).expanduser().resolve()),
        "OMP_NUM_THREADS": "1",
        **({"WANDB_MODE": profile.wandb} if profile.wandb else {}),
    }
    return [*profile.setup, *(f"export {name}={shlex.quote(value)}" for name, value in lines.items())]
