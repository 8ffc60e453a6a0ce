"""Which files a run's numbers come from, and whether they still hold what they held.

A run is named by its configuration, and a file's content is not in it: the same name may stand for other numbers
tomorrow. So a run is watched while its data are loaded and its networks are built, the files that it opens are kept in
its record with their sums, and a record whose files have changed is stale. Nobody has to say what a part reads; three
things are for parts of which a look at opened files would tell too little or too much:

    @cached()        instead of `functools.lru_cache` on what reads: a call that is answered from memory counts as the
                     reading that it stands for, and what has changed on disk is read again
    report(path)     a file that is opened where nobody sees it: by a library in C, or inside an installed package
    unwatched()      files that need not be looked at, e.g. because the code holds their sums

A file is kept under a name that tells nothing of the machine and holds on another one: `$DATA/...` below a data folder
(`ASSAY_DATA`, or the checkout's `data/`), `$PACKAGES/...` among the installed packages, a path in the checkout, and
any other path as it is. A file that is not here (any more) can't tell, and its record is taken as it is.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import sysconfig
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

import orjson

from assay.system import places

P = ParamSpec("P")
R = TypeVar("R")

SUMS = "sums.json"
"""Known sums by path, size and times, in the outputs folder."""

FRESH = 2e9
"""Nanoseconds within which a second change of a file might leave its time as it is; such sums are not remembered."""

WRITES = os.O_WRONLY | os.O_RDWR

CODE = frozenset({".py", ".pyc", ".pyi", ".so"})
"""What is opened to be run counts by its code, and not as data."""

_watches: list[tuple[int, set[Path]]] = []
_hooked = False


# -- watching ---------------------------------------------------------------------------------------------------------


@contextmanager
def watched() -> Iterator[set[Path]]:
    """The files that this thread opens for reading meanwhile; installed packages and what the system makes up apart."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_seen)
        _hooked = True
    found: set[Path] = set()
    _watches.append((threading.get_ident(), found))
    try:
        yield found
    finally:
        _watches.pop()


@contextmanager
def unwatched() -> Iterator[None]:
    """Files that are opened meanwhile don't count, but for those that are reported afterwards."""
    with watched():
        yield


def report(path: Path | str) -> None:
    """Count a file as read."""
    if _watches:
        _watches[-1][1].add(_absolute(path))


def _seen(event: str, words: tuple[Any, ...]) -> None:
    """An audit hook: Python calls it for whatever it opens. It can't be taken away, so it is quick when idle."""
    if event != "open" or not _watches or _watches[-1][0] != threading.get_ident():
        return
    path, mode, flags = words
    reads = not (set(mode) & set("wax+")) if isinstance(mode, str) else not (flags or 0) & WRITES
    if reads and isinstance(path, (str, bytes, os.PathLike)):
        absolute = _absolute(os.fsdecode(path))
        apart = any(absolute.is_relative_to(folder) for folder in _ignored())
        if absolute.suffix not in CODE and not apart and not _importing():
            _watches[-1][1].add(absolute)


def _importing() -> bool:
    """Whether it is an import that opens a file: a library that is loaded now reads what it needs for itself."""
    frame: Any = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _absolute(path: Path | str) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (`resolve` would follow links to names that change)


def _ignored() -> tuple[Path, ...]:
    return (*_packages(), *(Path(top) for top in ("/proc", "/sys", "/dev")), places.outputs())


@functools.cache
def _packages() -> tuple[Path, ...]:
    return tuple(
        dict.fromkeys(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib", "platstdlib"))
    )


class Cached(Generic[P, R]):
    """A function that reads files, with its last results; see the module's docstring."""

    def __init__(self, function: Callable[P, R], maxsize: int) -> None:
        self.function, self.maxsize = function, maxsize
        self.kept: OrderedDict[Any, tuple[R, dict[Path, str]]] = OrderedDict()
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's result, from memory if it was called so before and its files are what they were."""
        key = (args, tuple(sorted(kwargs.items())))
        if key in self.kept and any(sum_of(path) != known for path, known in self.kept[key][1].items()):
            del self.kept[key]
        if key not in self.kept:
            with watched() as found:
                result = self.function(*args, **kwargs)
            self.kept[key] = (result, {path: sum_ for path in found if (sum_ := sum_of(path)) is not None})
            if len(self.kept) > self.maxsize:
                self.kept.popitem(last=False)
        self.kept.move_to_end(key)
        result, files = self.kept[key]
        for path in files:
            report(path)
        return result

    def cache_clear(self) -> None:
        """Forget the results."""
        self.kept.clear()


def cached(maxsize: int = 2) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """As `functools.lru_cache` for what reads files: hits count as reading, and changed files are read again."""
    return lambda function: Cached(function, maxsize)


# -- names ------------------------------------------------------------------------------------------------------------


def name_of(path: Path) -> str:
    """A file's name in a record."""
    for folder in places.data_folders():
        if path.is_relative_to(folder.absolute()):
            return f"$DATA/{path.relative_to(folder.absolute()).as_posix()}"
    for folder in _packages():
        if path.is_relative_to(folder):
            return f"$PACKAGES/{path.relative_to(folder).as_posix()}"
    if path.is_relative_to(places.ROOT):
        return path.relative_to(places.ROOT).as_posix()
    return f"~/{path.relative_to(Path.home()).as_posix()}" if path.is_relative_to(Path.home()) else str(path)


def find(name: str) -> Path | None:
    """Where the file of a name is here."""
    top, _, rest = name.partition("/")
    folders = {"$DATA": places.data_folders(), "$PACKAGES": _packages()}.get(top)
    if folders is None:
        folders, rest = [places.ROOT], name
    return next((path for folder in folders if (path := (folder / rest).expanduser()).is_file()), None)


# -- sums -------------------------------------------------------------------------------------------------------------


def sums(paths: Iterable[Path]) -> dict[str, str]:
    """By name, the sums of the files that are there."""
    found = {name_of(path): sum_ for path in paths if (sum_ := sum_of(path)) is not None}
    return dict(sorted(found.items()))


def changed(known: Mapping[str, str] | None) -> list[str]:
    """The names of files that hold something else than they did; None is not known, and so not changed."""
    return [name for name, sum_ in (known or {}).items() if (path := find(name)) is not None and sum_of(path) != sum_]


def sum_of(path: Path) -> str | None:
    """The sha256 of a file's content; None where there is no such file."""
    try:
        stat = path.stat()
        if not path.is_file():
            return None
        mark = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        remembered = _remembered(places.outputs())
        known = remembered.get(str(path))
        if known is not None and known[:3] == mark:
            return str(known[3])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > FRESH:
        remembered[str(path)] = [*mark, digest]
        _remember(places.outputs(), remembered)
    return digest


@functools.lru_cache(maxsize=8)
def _remembered(outputs: Path) -> dict[str, Any]:
    try:
        content = orjson.loads((outputs / SUMS).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(outputs: Path, known: Mapping[str, Any]) -> None:
    """Keep sums for other processes; of two that write at once one is lost, and computed again."""
    temporary = outputs / f".{SUMS}.{os.getpid()}.tmp"
    try:
        if outputs.is_dir():
            temporary.write_bytes(orjson.dumps(known))
            temporary.replace(outputs / SUMS)
    except OSError:
        temporary.unlink(missing_ok=True)
