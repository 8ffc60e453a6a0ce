"""Cluster profiles: what a site calls its partitions and accounts, and how runs are put into its jobs.

A profile is a file of `slurm/profiles/`; what a paper needs at a scale beyond it stands in `slurm/needs.yaml`. Both are
checked here before anything is submitted: a wrong key or value is one line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from assay.config import yamlfile
from assay.errors import UserError, unknown
from assay.system import places

SECRET = re.compile(r"(key|token|secret|passw\w*)\w*\s*=", re.IGNORECASE)
"""A set-up line that would write a secret into a job's script."""

TIMES = (
    (re.compile(r"(\d+)"), (60,)),
    (re.compile(r"(\d+):(\d+)"), (60, 1)),
    (re.compile(r"(\d+):(\d+):(\d+)"), (3600, 60, 1)),
    (re.compile(r"(\d+)-(\d+)"), (86400, 3600)),
    (re.compile(r"(\d+)-(\d+):(\d+)"), (86400, 3600, 60)),
    (re.compile(r"(\d+)-(\d+):(\d+):(\d+)"), (86400, 3600, 60, 1)),
)
"""The forms of a time that sbatch takes, and what each of their numbers is worth in seconds."""


def minutes(value: Any) -> int:
    """A time as Slurm reads it, in whole minutes, rounded up.

    Args:
        value: minutes (a number or a text), or "minutes:seconds", "hours:minutes:seconds", "days-hours",
            "days-hours:minutes" or "days-hours:minutes:seconds".

    Raises:
        ValueError: it is none of these.
    """
    text = "" if isinstance(value, bool) else str(value).strip()
    for form, worth in TIMES:
        match = form.fullmatch(text)
        if match is not None:
            seconds = sum(int(part) * each for part, each in zip(match.groups(), worth, strict=True))
            return math.ceil(seconds / 60)
    raise ValueError('expected minutes, or "minutes:seconds", "h:mm:ss", "days-h", "days-h:mm", "days-h:mm:ss"')


Minutes = Annotated[int, BeforeValidator(minutes), Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pack(_Strict):
    """How small runs share a task.

    Args:
        side: runs side by side in a task without a GPU; each has its own CPUs and memory.
        per_gpu: runs side by side on one GPU.
        minutes: what a task should take, where earlier runs tell how long one takes.
        runs: the most runs of a task (in sequence and side by side) where nothing tells.
        tasks: tasks that the site will likely run at once; work is spread over so many, unless it is too little.
    """

    side: int = Field(default=1, ge=1)
    per_gpu: int = Field(default=1, ge=1)
    minutes: float = Field(default=60.0, gt=0)
    runs: int = Field(default=50, ge=1)
    tasks: int = Field(default=16, ge=1)


class Retries(_Strict):
    """How often a run is tried again, by what ended it; being preempted is not counted."""

    timeout: int = Field(default=3, ge=0)
    node: int = Field(default=3, ge=0)
    oom: int = Field(default=1, ge=0)


class Grow(_Strict):
    """What a retry's limit is multiplied by: 1 for the same limit again."""

    time: float = Field(default=1.0, ge=1)
    memory: float = Field(default=2.0, ge=1)


class Needs(_Strict):
    """What one run of a paper needs at a scale where it differs from the profile; times and memory only ever add."""

    time: Minutes | None = None
    memory_gb: float | None = Field(default=None, gt=0)
    cpus: int | None = Field(default=None, ge=1)
    per_gpu: int | None = Field(default=None, ge=1)


class Profile(_Strict):
    """A site, as its users see it.

    Args:
        about: one line for people.
        partition, account, qos, constraint, exclude: as for sbatch.
        gpu: the GPU's type, where the site has several ("a100").
        time: time limit of a task.
        max_time: what a retry's limit may grow to; `time` if absent.
        memory_gb: memory of one run.
        max_memory_gb: what a retry's memory may grow to; four times `memory_gb` if absent.
        cpus: CPUs of one run.
        signal_seconds: how long before its limit a task is told to stop.
        parallel: tasks of one array that may run at once.
        setup: shell lines before a task starts, e.g. `module load`; no secrets.
        python: the interpreter on the compute nodes, with a container's command before it if need be.
        wandb: offline or online; unset, W&B gets records afterwards (`assay wandb sync`).
        follow: a detached sweep submits a small job that plans its next wave, retries and judges.
        poll_seconds: how often a waiting `reproduce` asks the scheduler.
    """

    about: str = ""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    gpu: str | None = None
    time: Minutes = 240
    max_time: Minutes | None = None
    memory_gb: float = Field(default=4.0, gt=0)
    max_memory_gb: float | None = Field(default=None, gt=0)
    cpus: int = Field(default=1, ge=1)
    signal_seconds: int = Field(default=120, ge=5)
    parallel: int = Field(default=256, ge=1)
    setup: list[str] = []
    python: str | None = None
    wandb: str | None = Field(default=None, pattern="^(offline|online)$")
    follow: bool = True
    poll_seconds: float = Field(default=10.0, gt=0)
    pack: Pack = Pack()
    retries: Retries = Retries()
    grow: Grow = Grow()

    @field_validator("setup")
    @classmethod
    def _no_secrets(cls, lines: list[str]) -> list[str]:
        for line in lines:
            if SECRET.search(line):
                raise ValueError("a set-up line sets a secret; export it in the shell that submits, or log in once")
        return lines


def folder() -> Path:
    """Where profiles lie."""
    return places.ROOT / "slurm" / "profiles"


def load(name: str) -> Profile:
    """Read a profile by its name.

    Raises:
        UserError: there is none of that name, or a key or value is wrong.
    """
    known = {path.stem: path for path in folder().glob("*.yaml")}
    if name not in known:
        raise unknown("profile", name, known)
    return parse(yamlfile.load(known[name]) or {}, f"slurm/profiles/{name}.yaml")


def parse(content: Any, where: str) -> Profile:
    """Check a profile's content."""
    checked: Profile = _checked(Profile, content, where)
    return checked


def needs_of(paper: str, scale: str) -> Needs:
    """What a paper's runs need at a scale, from `slurm/needs.yaml`."""
    path = places.ROOT / "slurm" / "needs.yaml"
    content = yamlfile.load(path) or {} if path.exists() else {}
    found: Needs = _checked(Needs, (content.get(paper) or {}).get(scale) or {}, f"slurm/needs.yaml: {paper}.{scale}")
    return found


def _checked(kind: type[BaseModel], content: Any, where: str) -> Any:
    if not isinstance(content, Mapping):
        raise UserError(f"{where}: expected keys and values")
    try:
        return kind.model_validate(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            fields = _fields(kind, first["loc"][:-1])
            raise UserError(f"{where}: {unknown('key', str(first['loc'][-1]), fields)}") from None
        raise UserError(f"{where}: {key}: {first['msg'].lower()}") from None


def _fields(kind: type[BaseModel], trail: tuple[Any, ...]) -> list[str]:
    for name in trail:
        inner = kind.model_fields[name].annotation
        kind = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else kind
    return list(kind.model_fields)
