"""What runs on a compute node: one task of a job, a pool of warm workers over the task's runs.

Submitit pickles a `Task`: names of runs and the folder of its sweep, nothing else. Everything a run needs to know is
read when the task starts, so that a requeued task sees what is true then: finished runs are left out, unfinished ones
resume from their newest whole checkpoint.

Signals have one owner, submitit. On USR2 (the site's warning before a limit, or before a preemption) it calls
`Task.checkpoint`, which lets every run write a checkpoint at its next block and says whether to requeue. On TERM runs
stop in the same way, and the task waits for what Slurm has in mind.

A run over several processes is a task of its own. Slurm starts the task once for each of them: the first one is the
task as ever, the others follow it (see `assay.run.team`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from assay.errors import UserError
from assay.launch.sweeps import Sweep

DISK, CODE, INTERRUPTED = 3, 4, 5
"""Exit codes of a task: results cannot be written; the code is not what was submitted; stopped before it was done.

0 means that every run is done, 1 that some failed and the others are done."""


GRACE = 60.0
"""Seconds that the first process of a spread run has for its record when another one has met with an error."""


class Task:
    """The runs of one task.

    Args:
        sweep: the sweep's folder.
        job: which of its jobs.
        index: which task of the job.
    """

    def __init__(self, sweep: str, job: int, index: int) -> None:
        self.sweep, self.job, self.index = sweep, job, index
        self._pool: Any = None
        self._noted = 0
        self._started: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {"sweep": self.sweep, "job": self.job, "index": self.index}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __call__(self) -> None:
        """Do the runs; exits with a code that tells the truth."""
        from assay.config import compose
        from assay.launch.local import APART, Pool, needs_spawn
        from assay.study.declared import Run

        sweep = Sweep(Path(self.sweep))
        job, store = sweep.job(self.job), sweep.store
        if job.limits.spread:
            from assay.run.team import VARIABLE

            place = _place(job.limits, sweep)
            os.environ[VARIABLE] = place.written()
            if place.rank > 0:
                self._follow(sweep)
                return
        self._clear_leftovers(sweep)
        wanted = {signature: job.runs[signature] for signature in job.tasks[self.index]}
        paper = store.paper
        self._note(begin=os.environ.get("SLURM_RESTART_COUNT", "0"))
        from assay.run import execute  # noqa: F401  (imported once, before the fork, and before the sources are looked at)

        compose.load(paper)
        runs: list[Run] = []
        refused: list[Run] = []
        one_source = not _from_elsewhere()
        for signature, run in wanted.items():
            (runs if one_source and self._same_code(run, store) else refused).append(Run(signature, run.config))
        if refused:
            self._note(stop="code", runs=[run.signature for run in refused])
            print(f"refused: {len(refused)} runs were submitted with other code than lies here", file=sys.stderr)
        spawn = any(needs_spawn(run.config["trainer"]["device"]) for run in runs)
        size = min(job.limits.side, len(runs)) or 1
        # The other processes of a spread run end with its first worker: another one would wait for them in vain.
        once = job.limits.spread
        apart = 0.0 if sweep.about["scale"] == "smoke" else APART
        self._pool = Pool(paper, store.folder.parent, size, spawn=spawn, report=self._report, once=once, apart=apart)
        try:
            outcomes = self._pool.run(runs) if runs else []
        finally:
            self._close()
        self._end(outcomes, bool(refused))

    def _follow(self, sweep: Sweep) -> None:
        """Do a spread run's steps beside its first process, from which everyone else hears how it ends."""
        from assay.launch.local import forget_cluster
        from assay.run.team import follow

        job, store = sweep.job(self.job), sweep.store
        (signature,) = job.tasks[self.index]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the first process decides, and says so at a block's end
        forget_cluster()
        try:
            follow(job.runs[signature].config, store.paper, store.folder.parent)
        except Exception:
            time.sleep(GRACE)  # the first process lives through the same, and has its record to write
            raise

    def checkpoint(self) -> Any:
        """Called by submitit on its signal: runs stop with a checkpoint; what to requeue, or None to end here."""
        from submitit.helpers import DelayedSubmission

        sweep = Sweep(Path(self.sweep))
        running = self._stop(sweep)
        if not self._at_limit(sweep):
            self._note(stop="preempted")
            return DelayedSubmission(self)
        for signature in running:
            sweep.count(signature, "timeout")
        self._note(stop="timeout", runs=running)
        allowed = sweep.about["profile"]["retries"]["timeout"]
        grows = sweep.about["profile"]["grow"]["time"] > 1
        if grows or any(sweep.tries(signature).get("timeout", 0) > allowed for signature in running):
            return None  # the sweep decides: longer limits, or the end of these runs
        return DelayedSubmission(self)

    # -- how it ends ------------------------------------------------------------------------------------------------

    def _end(self, outcomes: list[Any], refused: bool) -> None:
        states = [outcome.state for outcome in outcomes]
        stopped = next((outcome for outcome in outcomes if outcome.state == "refused"), None)
        if stopped is not None:
            self._note(stop="disk", message=stopped.message)
            print(stopped.message, file=sys.stderr)
            raise SystemExit(DISK)
        if self._pool.stopping:
            self._note(stop="terminated")
            self._await_the_end()
            raise SystemExit(INTERRUPTED)
        if refused:
            raise SystemExit(CODE)
        self._note(stop="end")
        if "failed" in states:
            raise SystemExit(1)

    def _await_the_end(self) -> None:
        """After a TERM, wait for what Slurm does as long as it says that the job is running.

        A job that ends by itself during the grace time of a preemption would count as over and not be requeued.
        """
        from assay.launch import site

        name = _task_id()
        until = time.monotonic() + 300
        while name and time.monotonic() < until and site.state(name) == "RUNNING":
            time.sleep(1.0)

    def _stop(self, sweep: Sweep) -> list[str]:
        """Have every run write a checkpoint and stop, within the time that the site gives; which ones were running."""
        if self._pool is None:
            return []
        self._pool.stopping = True
        busy = list(self._pool.running)
        for worker in self._pool.workers:
            with contextlib.suppress(ProcessLookupError, TypeError):
                os.kill(worker.process.pid, signal.SIGTERM)
        until = time.monotonic() + max(3.0, sweep.about["profile"]["signal_seconds"] - 10)
        while time.monotonic() < until and any(_runs(worker.process.pid) for worker in busy):
            time.sleep(0.05)
        return [worker.run.signature for worker in busy if not self._finished(sweep, worker.run.signature)]

    def _finished(self, sweep: Sweep, signature: str) -> bool:
        from assay.records.codes import holds

        record = sweep.store.read(signature)
        return holds(record, sweep.job(self.job).runs[signature].code)

    def _close(self) -> None:
        """End the workers; those that do not listen end with this process."""
        for worker in self._pool.workers:
            if worker.run is not None:
                with contextlib.suppress(ProcessLookupError):
                    worker.process.kill()
        self._pool.close()

    def _at_limit(self, sweep: Sweep) -> bool:
        """Whether the job's time is up; else the warning is of a preemption."""
        limits = sweep.job(self.job).limits
        left = limits.minutes * 60 - _age()
        # Slurm sends its warning up to a minute early.
        return left <= sweep.about["profile"]["signal_seconds"] + 65

    # -- notes ------------------------------------------------------------------------------------------------------

    def _report(self, pool: Any) -> None:
        """Called by the pool after every event."""
        for worker in pool.running:
            signature = worker.run.signature
            if signature not in self._started:
                self._started.add(signature)
                self._note(start=signature)
        for outcome in pool.outcomes[self._noted :]:
            self._note(end=outcome.signature, state=outcome.state, message=outcome.message[:500])
        self._noted = len(pool.outcomes)

    def _note(self, **what: Any) -> None:
        Sweep(Path(self.sweep)).note(self.job, self.index, **what)

    def _same_code(self, run: Any, store: Any) -> bool:
        from assay.records.codes import code_of

        try:
            return code_of(run.config, store) == run.code
        except UserError:
            return False  # a part that is not there any more

    def _clear_leftovers(self, sweep: Sweep) -> None:
        """Submitit gives up where it was killed while writing a pickle before; such a leftover is garbage."""
        name = _task_id()
        if name:
            for path in sweep.submitit.glob(f"{name}_*.save_tmp"):
                path.unlink(missing_ok=True)


def _from_elsewhere() -> list[str]:
    """Modules of ours that were loaded from another folder than the one that digests are taken from."""
    from assay.system import places

    ours = [m for name, m in sys.modules.items() if name.partition(".")[0] in ("assay", "papers")]
    files = [Path(file).resolve() for module in ours if (file := getattr(module, "__file__", None))]
    return [str(file) for file in files if not file.is_relative_to(places.ROOT)]


def _place(limits: Any, sweep: Sweep) -> Any:
    """Which of a spread run's processes this is, in the scheduler's words. The batch node is the first one's."""
    from assay.run.team import Place

    attempt = f"{os.environ['SLURM_JOB_ID']}-{os.environ.get('SLURM_RESTART_COUNT', '0')}"
    return Place(
        rank=int(os.environ["SLURM_PROCID"]),
        world=limits.nodes * limits.processes,
        local=int(os.environ["SLURM_LOCALID"]),
        node=int(os.environ["SLURM_NODEID"]),
        address=os.environ.get("SLURM_LAUNCH_NODE_IPADDR", "127.0.0.1"),
        meeting=str(sweep.folder / "meetings" / attempt),
    )


def _task_id() -> str | None:
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else os.environ.get("SLURM_JOB_ID")


def _runs(pid: int) -> bool:
    """Whether a process is there and not a zombie; `waitpid` is left to its owner, whom a signal may have stopped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _age() -> float:
    """Seconds since this process started."""
    from assay.records.store import _process_start

    ticks = _process_start(os.getpid())
    if ticks is None:
        return 0.0
    return float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
