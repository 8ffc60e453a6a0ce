"""What the scheduler says: thin doors to Slurm's commands, with its answers as plain values.

Nothing here decides anything. A command that does not answer gives None, never an empty answer: a scheduler that is
being restarted must not look like one that has forgotten all jobs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.errors import UserError, unknown
from assay.launch.profiles import minutes

PATIENCE = 60.0
"""Seconds that a command of the scheduler may take."""


@dataclass(frozen=True)
class Word:
    """The scheduler's word on one task: its state, the reason or the node beside it."""

    state: str
    detail: str = ""


@dataclass(frozen=True)
class Usage:
    """What one task has used: wall seconds, CPUs and GPUs held."""

    seconds: float
    cpus: int
    gpus: int


def ask(*command: str) -> tuple[int, str, str] | None:
    """Exit code, output and errors of a command; None where it does not answer."""
    try:
        # No shell; the command's words are ours, and its path is the user's.
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.returncode, done.stdout, done.stderr


def _lines(*command: str) -> list[str] | None:
    answer = ask(*command)
    return None if answer is None or answer[0] else answer[1].splitlines()


def require() -> None:
    """See that there is a cluster to submit to.

    Raises:
        UserError: one line that says what is missing.
    """
    missing = [name for name in ("sbatch", "squeue", "scancel", "scontrol", "srun") if not shutil.which(name)]
    if missing:
        raise UserError(f"no Slurm on this machine ({missing[0]} is not installed); use the cluster's login node")
    if _lines("scontrol", "ping") is None:
        raise UserError("Slurm's controller does not answer (scontrol ping); try again later")


def check_partition(name: str | None, time: int) -> None:
    """See that a partition exists and allows a time limit in minutes.

    Raises:
        UserError: naming the nearest ones, or the limit.
    """
    rows = [line.split("|") for line in _lines("sinfo", "-h", "-o", "%R|%l|%P") or []]
    if name is not None and rows and name not in {row[0] for row in rows}:
        raise unknown("partition", name, {row[0] for row in rows})
    for row in rows:
        if row[0] != name and not (name is None and row[2].endswith("*")):
            continue
        try:
            limit = minutes(row[1])
        except ValueError:  # "infinite", "n/a"
            continue
        if time > limit:
            raise UserError(f"partition {row[0]} allows {limit} minutes; the profile asks for {time} (time)")


def check_request(flags: Sequence[str]) -> None:
    """Let the scheduler look at a request without submitting it.

    Raises:
        UserError: with the scheduler's own words.
    """
    answer = ask("sbatch", "--test-only", *flags, "--wrap=true")
    if answer is not None and answer[0]:
        words = [line.partition("error:")[2].strip() or line for line in answer[2].splitlines() if line.strip()]
        raise UserError(f"the site refuses such a job: {words[-1] if words else 'no reason given'}")


def max_array() -> int:
    """How many tasks an array may have: MaxArraySize caps the index, and indexes start at 0."""
    for line in _lines("scontrol", "show", "config") or []:
        if line.startswith("MaxArraySize"):
            return max(1, int(line.partition("=")[2]))
    return 1001


def queue() -> dict[str, Word] | None:
    """The user's tasks that wait or run, by "array_index" or by job id; None where the scheduler does not answer."""
    rows = _lines("squeue", "-h", "-r", "--me", "-o", "%i|%T|%r|%N")
    if rows is None:
        return None
    found = {}
    for row in rows:
        task, state, reason, node = [*row.split("|"), "", "", ""][:4]
        found[task] = Word(state, node if state in ("RUNNING", "COMPLETING") else reason)
    return found


def named(name: str) -> list[str]:
    """Ids of the user's waiting or running jobs of a name."""
    return sorted(set(_lines("squeue", "-h", "--me", "-n", name, "-o", "%A") or []))


def ended(task: str) -> Word | None:
    """How a task ended, with its exit code as detail: from the accounting, else from what the controller remembers."""
    for row in _lines("sacct", "-n", "-X", "-P", "-j", task, "-o", "State,ExitCode") or []:
        state, _, code = row.partition("|")
        return Word(state.split()[0], code.partition(":")[0])
    text = " ".join(_lines("scontrol", "-o", "show", "job", task) or [])
    state_found, code_found = re.search(r"JobState=(\w+)", text), re.search(r"ExitCode=(\d+)", text)
    return Word(state_found[1], code_found[1] if code_found else "") if state_found else None


def state(task: str) -> str | None:
    """The state of one task as the controller sees it now."""
    found = re.search(r"JobState=(\w+)", " ".join(_lines("scontrol", "-o", "show", "job", task) or []))
    return found[1] if found else None


def cancel(tasks: Iterable[str]) -> None:
    """Cancel jobs or tasks; those that have ended do not matter."""
    listed = list(tasks)
    for start in range(0, len(listed), 200):
        ask("scancel", *listed[start : start + 200])


def usage(jobs: Iterable[str]) -> dict[str, Usage] | None:
    """What tasks have used, by "array_index" or job id, requeued attempts added up; None without an accounting."""
    listed = ",".join(jobs)
    if not listed or not shutil.which("sacct"):
        return None
    # -D lists every attempt of a requeued task, which is what a budget pays for.
    rows = _lines("sacct", "-n", "-X", "-P", "-D", "-j", listed, "-o", "JobID,ElapsedRaw,AllocCPUS,AllocTRES")
    if not rows:
        return None
    found: dict[str, Usage] = {}
    for row in rows:
        task, seconds, cpus, resources = row.split("|")
        gpus = re.search(r"gres/gpu=(\d+)", resources)
        before = found.get(task, Usage(0.0, 0, 0)).seconds
        found[task] = Usage(before + float(seconds or 0), int(cpus or 0), int(gpus[1]) if gpus else 0)
    return found


def leave_job() -> None:
    """Forget the job that this process runs in, so that what it submits starts from a login node's environment."""
    for name in [
        n for n in os.environ if n.startswith(("SLURM_", "SLURMD_", "SRUN_", "SBATCH_")) and n != "SLURM_CONF"
    ]:
        del os.environ[name]
