"""A command's process, without what only long programs need.

Every command imports torch and much else, thousands of modules of objects that live as long as the process. Python
looks through them for garbage again and again while they are made (0.5 s of a command's 4), and takes them apart one
by one at the end (0.8 s).
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn


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


def leave_after(main: Callable[[], None]) -> NoReturn:
    """Call a command, do all that is due at the end of a process, and end it.

    What is not a plain exit (an exception, an exit with a message) takes Python's own way.
    """
    code = 0
    try:
        main()
    except SystemExit as error:
        if not isinstance(error.code, int | None):
            raise
        code = error.code or 0
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
