"""One run on several devices: its processes, what they tell each other, and how they find together.

`trainer.nodes` and `trainer.devices` spread a run over nodes x devices processes, one a device. Each holds the whole
module; a step's rows are dealt out, gradients are summed (data parallelism, Lightning's DDP strategy). The first
process is the one that everyone else knows: it holds the lock, takes measurements, writes checkpoints and the record.
The others follow: they do the same steps on their rows and stop where the first one says so.

On a cluster the scheduler starts the processes, and each finds its place in `ASSAY_TEAM`, which the task has set. On a
single machine the first process starts the others itself. Where the first one listens is written in a file that all of
them see, and is chosen by its operating system: a port computed from a job's number could be somebody else's.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from assay.config import compose
from assay.errors import ProcessLost, UserError
from assay.records.store import write_atomically
from assay.system.lightning import ClusterEnvironment

VARIABLE = "ASSAY_TEAM"
PATIENCE = datetime.timedelta(minutes=30)
"""How long a process waits for the others before it gives up; a measurement of the first one has to fit in."""


@dataclass(frozen=True)
class Place:
    """A process's place in a team.

    Args:
        rank: its number, of `world`; 0 is the first.
        world: processes in all.
        local: its number among those of its node, which is also its device's.
        node: its node's number.
        address: the first process's, as the others reach it.
        meeting: the file in which the first process says where it listens.
    """

    rank: int
    world: int
    local: int = 0
    node: int = 0
    address: str = "127.0.0.1"
    meeting: str = ""

    @classmethod
    def given(cls) -> Place | None:
        """The place that whoever started this process has written down, if any."""
        text = os.environ.get(VARIABLE)
        return None if text is None else cls(**json.loads(text))

    def written(self) -> str:
        """What `given` reads."""
        return json.dumps(asdict(self))


@dataclass
class Team:
    """The processes of a run that have found together."""

    place: Place
    device: torch.device
    begun: bool = False

    @property
    def first(self) -> bool:
        """Whether this process is the one that measures and writes."""
        return self.place.rank == 0

    def share(self, index: Tensor) -> Tensor:
        """This process's rows of a step's, every `world`-th (perhaps none); in all together each row comes once."""
        return index[self.place.rank :: self.place.world]

    def combine(self, weight: float, loss: Tensor, grads: Sequence[Tensor]) -> Tensor:
        """Replace gradients by their weighted sum over the processes, in one message; returns that of the loss.

        Args:
            weight: this process's part of the step's rows; over all processes the weights sum to one.
            loss: its mean loss, a scalar.
            grads: its gradients, changed in place.
        """
        flat = torch.cat([loss.detach().reshape(1).to(grads[0].dtype), *(g.reshape(-1) for g in grads)]) * weight
        with _together():
            distributed.all_reduce(flat)
        parts = flat.split([1, *(g.numel() for g in grads)])
        for grad, part in zip(grads, parts[1:], strict=True):
            grad.copy_(part.view_as(grad))
        return parts[0].squeeze(0).to(loss.dtype)

    def any(self, flag: bool) -> bool:
        """Whether any of the processes says yes."""
        word = torch.tensor(int(flag), device=self.device)
        with _together():
            distributed.all_reduce(word, distributed.ReduceOp.MAX)
        return bool(word)

    def agree(self, tensors: Iterator[Tensor]) -> None:
        """Everyone takes the first one's values: running statistics that each has made from its own rows."""
        with _together():
            for tensor in tensors:
                distributed.broadcast(tensor, 0)

    def begin(self, state: Any = None) -> Any:
        """Tell the others from where to go on, or, in the others, hear it; None is that there is nothing to do."""
        self.begun = True
        words = [state]
        with _together():
            distributed.broadcast_object_list(words, 0, device=self.device)
        return words[0]

    def dismiss(self) -> None:
        """Send the others away if they still wait for the beginning."""
        if self.first and not self.begun:
            with contextlib.suppress(ProcessLost):  # they may have met with the same error, and be gone
                self.begin(None)


@contextlib.contextmanager
def joined(config: Mapping[str, Any], paper: str, outputs: Path) -> Iterator[Team]:
    """Find the other processes of a run over several, starting them where no one else does.

    Raises:
        UserError: there are not so many devices here, or the run needs several nodes and no cluster.
        ProcessLost: the others do not come.
    """
    trainer = config["trainer"]
    nodes, devices = compose.processes(trainer)
    world = nodes * devices
    cuda = trainer["device"] == "cuda"
    if cuda and torch.cuda.device_count() < devices:
        raise UserError(f"trainer.devices={devices}: this machine has {torch.cuda.device_count()} GPUs")
    with contextlib.ExitStack() as stack:
        place = Place.given()
        if place is None:
            if nodes > 1:
                raise UserError(f"trainer.nodes={nodes}: runs over several nodes need --launcher slurm")
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-team-"))
            place = Place(0, world, meeting=str(Path(folder) / "meeting"))
            stack.enter_context(_followers(place, config, paper, outputs))
        elif place.world != world:
            raise UserError(f"the run asks for {world} processes, and {place.world} were started")
        device = torch.device("cuda", place.local) if cuda else torch.device("cpu")
        if place.address.startswith("127."):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        stack.callback(_part)
        with _together():
            distributed.init_process_group(
                "nccl" if cuda else "gloo", store=_meet(place), world_size=world, rank=place.rank, timeout=PATIENCE
            )
        team = Team(place, device)
        stack.callback(team.dismiss)
        yield team


def _meet(place: Place) -> Any:
    """Where the processes find each other: the first one opens it and says where it is, the others look it up."""
    store: Any = distributed.TCPStore  # type: ignore[attr-defined]  # torch's stubs leave it out
    meeting = Path(place.meeting)
    if place.rank == 0:
        opened = store(place.address, 0, place.world, is_master=True, timeout=PATIENCE, wait_for_workers=False)
        write_atomically(meeting, f"{place.address} {opened.port}".encode())
        return opened
    until = time.monotonic() + PATIENCE.total_seconds()
    while not meeting.exists():
        if time.monotonic() > until:
            raise ProcessLost(f"the first process has not come within {PATIENCE.total_seconds():.0f} s")
        time.sleep(0.05)
    address, port = meeting.read_text(encoding="utf-8").split()
    return store(address, int(port), place.world, is_master=False, timeout=PATIENCE, wait_for_workers=False)


def _part() -> None:
    """Leave the group; that others are gone already is no news here."""
    with contextlib.suppress(RuntimeError):
        if distributed.is_initialized():
            distributed.destroy_process_group()


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """What goes wrong in here is that another process is gone, or not reached."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise ProcessLost(f"another process of this run was lost: {error}") from error


def environment(team: Team) -> ClusterEnvironment:
    """A team as Lightning wants to be told of it."""
    return _Environment(team.place)


class _Environment(ClusterEnvironment):
    def __init__(self, place: Place) -> None:
        self.place = place

    creates_processes_externally = True

    @property
    def main_address(self) -> str:
        return self.place.address

    @property
    def main_port(self) -> int:
        return 0  # the processes have met before Lightning asks

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.place.world

    def set_world_size(self, size: int) -> None:
        """Fixed."""

    def global_rank(self) -> int:
        return self.place.rank

    def set_global_rank(self, rank: int) -> None:
        """Fixed."""

    def local_rank(self) -> int:
        return self.place.local

    def node_rank(self) -> int:
        return self.place.node


@contextlib.contextmanager
def _followers(place: Place, config: Mapping[str, Any], paper: str, outputs: Path) -> Iterator[None]:
    """The other processes of a run on this machine, from their start to their end."""
    started = [_start(replace(place, rank=rank, local=rank), config, paper, outputs) for rank in range(1, place.world)]
    try:
        yield
    finally:
        for process in started:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(place: Place, config: Mapping[str, Any], paper: str, outputs: Path) -> subprocess.Popen[bytes]:
    """A follower on this machine; it gets its run through its standard input and ends with its team."""
    process = subprocess.Popen(
        [sys.executable, "-m", "assay.run.team"],
        stdin=subprocess.PIPE,
        env={**os.environ, VARIABLE: place.written()},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps([config, paper, str(outputs)]).encode())
    process.stdin.close()
    return process


def follow(config: Mapping[str, Any], paper: str, outputs: Path) -> None:
    """Be a follower of one run, to its end or to where the first process stops it."""
    from assay.config import loading
    from assay.records.store import Store
    from assay.run import execute

    compose.load(paper if paper in loading.papers() else None)
    execute.follow(config, Store(paper, outputs))


def main() -> None:
    """A follower that the first process has started."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears of it and says so
    config, paper, outputs = json.load(sys.stdin)
    try:
        follow(config, paper, Path(outputs))
    except (ProcessLost, UserError):
        sys.exit(1)  # whatever it was, the first process lives through it too, and its record tells


if __name__ == "__main__":
    main()
