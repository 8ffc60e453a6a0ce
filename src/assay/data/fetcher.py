"""One fetcher for everything that is not generated and not inside a Python package.

A `Resource` says which files a data set consists of, with size and sha256, where copies of it may already lie and who
offers it for download. The order is: the folder named by `ASSAY_DATA`, then `data/` of the checkout, then folders
where the system's packages put it, then the sources. A file counts only if its sha256 is a known one, wherever it was
found, so a damaged or foreign copy is passed over; a download goes to a temporary name and is renamed when its sum is
right. What can't be had raises `DataMissing` with one line that says what to do.

`ASSAY_OFFLINE=1` forbids downloads. Source addresses come from torchvision, which keeps them up to date.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import IO, Literal, Protocol, TypeVar

from assay.errors import DataMissing, unknown
from assay.system import places
from assay.system.contents import unwatched
from assay.system.places import data_folders

TIMEOUT = 10.0
"""Seconds without an answer after which a source counts as out of reach."""

CHUNK = 1 << 20


@dataclass(frozen=True)
class Copy:
    """One form in which a file is handed out: the end of its name, its size in bytes and its sha256 in hex."""

    suffix: str
    size: int
    sha256: str

    @property
    def packed(self) -> bool:
        """Whether it is gzipped."""
        return self.suffix == ".gz"


@dataclass(frozen=True)
class File:
    """A file of a resource in the forms that hold the same content; the sources offer the first."""

    name: str
    copies: tuple[Copy, ...]


State = Literal["ok", "corrupt", "missing"]


@dataclass(frozen=True)
class Found:
    """What `verify` says about one file; `path` is written with `ASSAY_DATA` and the checkout's folder left out."""

    resource: str
    file: str
    state: State
    path: str = ""


@dataclass(frozen=True)
class Resource:
    """A data set's files and where to get them.

    Args:
        name: its short name, e.g. "fashion_mnist".
        title: its proper name, for messages.
        files: what it consists of.
        licence: under which it is offered.
        folders: folders below a data folder where its files may lie; downloads go to the first.
        system: folders where system packages put it.
        sources: gives the addresses that a file's name is appended to, tried in order.
        advice: what to do when it is missing, before "or set ASSAY_DATA ...".
    """

    name: str
    title: str
    files: tuple[File, ...]
    licence: str
    folders: tuple[str, ...]
    system: tuple[str, ...] = ()
    sources: Callable[[], Sequence[str]] = field(default=tuple)
    advice: str = ""

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.copies[0].size for file in self.files)

    def read(self, name: str) -> bytes:
        """The content of one file, unpacked and checked; fetches what is missing.

        Raises:
            DataMissing: it is neither here nor could it be fetched.
        """
        with unwatched():  # the sum is compared with one that the code holds
            path, copy = self._get()[name]
            raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() != copy.sha256:
            raise DataMissing(f"{self.title}: {_shown(path)} is damaged; delete it and try again")
        return gzip.decompress(raw) if copy.packed else raw

    def path(self, name: str) -> Path:
        """Where one file is, checked; fetches what is missing. Raises `DataMissing` as `read`."""
        with unwatched():
            path, copy = self._get()[name]
            good = _matches(path, copy)
        if not good:
            raise DataMissing(f"{self.title}: {_shown(path)} is damaged; delete it and try again")
        return path

    def fetch(self) -> None:
        """Have every file here, with the right sum. Raises `DataMissing` as `read`."""
        for found in self.verify():
            if found.state == "corrupt":
                raise DataMissing(f"{self.title}: {found.path} is damaged; delete it and try again")
        self._get()

    def verify(self) -> list[Found]:
        """Hash every file again. Of several copies the first good one is named."""
        return [self._verify(file) for file in self.files]

    def missing(self) -> list[File]:
        """The files of which no copy of the right size is on this machine."""
        return [file for file in self.files if self._find(file) is None]

    # -- looking --------------------------------------------------------------------------------------------------

    def _verify(self, file: File) -> Found:
        corrupt = ""
        for path, copy, own in self._places(file):
            if path.is_file() and _matches(path, copy):
                return Found(self.name, file.name, "ok", _shown(path))
            if own and path.is_file() and not any(_matches(path, other) for other in file.copies):
                corrupt = corrupt or _shown(path)
        return Found(self.name, file.name, "corrupt" if corrupt else "missing", corrupt)

    def _find(self, file: File) -> tuple[Path, Copy] | None:
        """The first copy of the right size."""
        for path, copy, _ in self._places(file):
            if path.is_file() and path.stat().st_size == copy.size:
                return path, copy
        return None

    def _places(self, file: File) -> Iterator[tuple[Path, Copy, bool]]:
        """Where a file may lie in which form, and whether the place belongs to this resource alone."""
        roots = data_folders()
        own = [root / folder for root in roots for folder in self.folders] + [Path(folder) for folder in self.system]
        for folder in sorted({*own, *roots}, key=[*own, *roots].index):
            for copy in file.copies:
                yield folder / (file.name + copy.suffix), copy, folder in own

    # -- getting --------------------------------------------------------------------------------------------------

    def _get(self) -> dict[str, tuple[Path, Copy]]:
        reason = self._download() if self.missing() else ""
        if absent := self.missing():
            raise DataMissing(self._line(absent, reason))
        return {file.name: found for file in self.files if (found := self._find(file)) is not None}

    def _download(self) -> str:
        """Download what is missing; returns why something could not be had, or nothing."""
        if os.environ.get("ASSAY_OFFLINE", "0") not in ("", "0"):
            return "ASSAY_OFFLINE forbids downloads"
        reason = "nobody offers it for download"
        for source in self.sources():
            try:
                # A source that fails once is left, so that an offline machine waits for one time-out a source.
                for file in self.missing():
                    copy = file.copies[0]
                    _download(source + file.name + copy.suffix, self._target() / (file.name + copy.suffix), copy)
                return ""
            except _WrongContent:
                reason = "a download had the wrong sha256"
            except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ValueError):
                reason = "no source could be reached"
            except OSError as error:
                return f"{_shown(self._target())} can't be written: {(error.strerror or 'error').lower()}"
        return reason

    def _target(self) -> Path:
        return data_folders()[0] / self.folders[0]

    def _line(self, absent: Sequence[File], reason: str) -> str:
        names = ", ".join(file.name + file.copies[0].suffix for file in absent)
        advice = f"{self.advice}, or " if self.advice else ""
        because = f" ({reason})" if reason else ""
        return f"{self.title} is not on this machine{because}: {advice}set ASSAY_DATA to a folder that holds {names}"


class Fetchable(Protocol):
    """What `fetch` and `verify_all` need: a `Resource`, or a set that is had in a way of its own."""

    @property
    def name(self) -> str:
        """Its short name, that of the data part."""

    def fetch(self) -> None:
        """Have it here. Raises `DataMissing`."""

    def verify(self) -> list[Found]:
        """Look whether it is here and whole."""


RESOURCES: dict[str, Fetchable] = {}
"""Everything that is fetched, by name."""

Declared = TypeVar("Declared", bound=Fetchable)


def declare(resource: Declared) -> Declared:
    """Make a resource known to `fetch` and `verify_all`."""
    RESOURCES[resource.name] = resource
    return resource


def fetch(name: str) -> None:
    """Have a data set's files on this machine.

    Raises:
        UserError: there is no resource of that name.
        DataMissing: it is neither here nor could it be fetched.
    """
    if name not in RESOURCES:
        raise unknown("data", name, RESOURCES)
    RESOURCES[name].fetch()


def verify_all() -> list[dict[str, str]]:
    """Hash the files of every data set again; a row a file: resource, file, state (ok, corrupt, missing), path."""
    return [dataclasses.asdict(found) for name in sorted(RESOURCES) for found in RESOURCES[name].verify()]


def offline() -> bool:
    """Whether ASSAY_OFFLINE forbids downloads."""
    return os.environ.get("ASSAY_OFFLINE", "0") not in ("", "0")


def why_missing(error: Exception) -> str:
    """Why a library could not get a data set, for the line that says so."""
    return "ASSAY_OFFLINE forbids downloads" if offline() else type(error).__name__


class _WrongContent(Exception):
    """A download is not what it should be."""


def _download(url: str, target: Path, copy: Copy) -> None:
    """Download to a temporary name beside the target; rename if size and sum are right."""
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"not a web address: {url}")
    # Nothing is made on disk before the source answers.
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                _receive(answer, out, copy)
            Path(part).chmod(0o644)
            Path(part).replace(target)
        finally:
            Path(part).unlink(missing_ok=True)


def _receive(answer: IO[bytes], out: IO[bytes], copy: Copy) -> None:
    digest, received = hashlib.sha256(), 0
    while (chunk := answer.read(CHUNK)) and received <= copy.size:
        received += len(chunk)
        digest.update(chunk)
        out.write(chunk)
    if received != copy.size or digest.hexdigest() != copy.sha256:
        raise _WrongContent


def _matches(path: Path, copy: Copy) -> bool:
    if path.stat().st_size != copy.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == copy.sha256


def _shown(path: Path) -> str:
    """A path for messages, which may end up in records: without the folders that tell whose machine this is."""
    named, checkout = os.environ.get("ASSAY_DATA"), places.ROOT
    if named and path.is_relative_to(Path(named).expanduser()):
        return str(Path("$ASSAY_DATA") / path.relative_to(Path(named).expanduser()))
    return str(path.relative_to(checkout)) if path.is_relative_to(checkout) else str(path)
