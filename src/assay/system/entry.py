"""A command's process, without what only long programs need, and what a Ctrl-C does to it.

Every command imports torch and much else, thousands of modules of objects that live as long as the process. Python
looks through them for garbage again and again while they are made (0.5 s of a command's 4), and takes them apart one
by one at the end (0.8 s).

A Ctrl-C ends a command with one line and exit code 130, whatever it is at. Where something is worth saying or saving
first (workers at their runs, a run in the foreground, jobs on a cluster), `prepared` is told; a second Ctrl-C, and a
first one anywhere else, ends the process on the spot. Nothing is lost by that: what is finished was written whole, and
being killed at any moment is what everything here has to bear anyway. An exception thrown into whatever is being
imported, composed or drawn would be swallowed by some (a finaliser, a library that catches all), and by others be
turned into an error.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

INTERRUPTED = 130
"""What a command exits with after a Ctrl-C, as shells do."""

LINE = "assay: interrupted"

SHOW_CURSOR = b"\x1b[?25h\n"

_asked = False
"""Whether there was a Ctrl-C."""

_told = False
"""Whether the command has had its last word."""


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage while objects are made that stay."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def listen() -> None:
    """From here on a Ctrl-C ends this process on the spot; for commands, before they import anything that takes long.

    Whoever started it with Ctrl-C ignored (in the background of a script) keeps that.
    """
    bear_any_locale()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def bear_any_locale() -> None:
    """A sign that a locale without UTF-8 cannot write becomes a question mark and ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _leave(number: int = signal.SIGINT, frame: Any = None) -> NoReturn:
    """End at once, with one line."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))  # the reader of a pipe may not take what is flushed
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or in the middle of writing
            stream.flush()
    with contextlib.suppress(OSError):
        if os.isatty(1):
            os.write(1, SHOW_CURSOR)  # a progress display has hidden it
        if not _told:
            os.write(2, LINE.encode() + b"\n")
    os._exit(INTERRUPTED)


@contextlib.contextmanager
def prepared(stop: Callable[[], None], at_once: Callable[[], None] = lambda: None) -> Iterator[None]:
    """While the block runs, the first Ctrl-C, and any SIGTERM, asks it to stop; a second Ctrl-C has its usual effect.

    Args:
        stop: asks the block to come to its end; called in a signal handler.
        at_once: called before that.
    """
    previous: dict[int, Any] = {int(n): signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    asked = False

    def handle(number: int, frame: Any) -> None:
        nonlocal asked
        global _asked
        if number == signal.SIGINT:
            if asked:
                at_once()
                before = previous[number]
                (before if callable(before) else signal.default_int_handler)(number, frame)
            asked = _asked = True
        stop()

    try:
        for number in previous:
            signal.signal(number, handle)
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def last_word(line: str) -> None:
    """Say how a command ends, on the error stream; a Ctrl-C after that adds nothing to it."""
    global _told
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        print(line, file=sys.stderr, flush=True)
        _told = True
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_after(main: Callable[[], None]) -> NoReturn:
    """Call a command, do all that is due at the end of a process, and end it.

    What is not a plain exit (an exception, an exit with a message) takes Python's own way, unless there was a Ctrl-C:
    what it interrupts may well fail.
    """
    code = 0
    try:
        main()
    except SystemExit as error:
        if not isinstance(error.code, int | None):
            raise
        code = error.code or 0
    except KeyboardInterrupt:  # from a library that has a handler of its own
        _leave()
    except Exception as error:
        if not _asked:
            raise
        last_word(f"{LINE} ({type(error).__name__}: {' '.join(str(error).split())[:200]})")
    if _asked:
        code = INTERRUPTED
        if not _told:
            last_word(LINE)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
