"""`python -m assay` is the `assay` command, and so is the script of that name."""

from __future__ import annotations

from typing import NoReturn

from assay.system.entry import leave_after, listen


def enter() -> NoReturn:
    """The command as a process of its own."""
    listen()
    from assay.app.cli import main

    leave_after(main)


if __name__ == "__main__":
    enter()
