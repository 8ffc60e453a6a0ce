"""Errors whose message is written for the person at the terminal.

Whatever a user can get wrong (a name, a value, a missing file) is raised as a `UserError`: the command line prints
its message as one line and exits with 2. Everything else is a bug or a failed run and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input; the message is one line that says what to do."""

    exit_code = 2


class DataMissing(UserError):
    """A data set is neither on this machine nor could it be fetched."""


class RunFailed(Exception):
    """One or more runs of a sweep failed; the others finished."""

    exit_code = 1


def unknown(what: str, name: str, known: Iterable[str]) -> UserError:
    """A `UserError` for a name that does not exist, with the nearest names that do."""
    options = sorted(known)
    near = difflib.get_close_matches(name, options, n=3, cutoff=0.5)
    shown = near or options
    hint = "did you mean " if near else "there is "
    more = f" and {len(shown) - 12} more" if len(shown) > 12 else ""
    return UserError(f"unknown {what} '{name}': {hint}{', '.join(shown[:12]) or 'none'}{more}")


class ProcessLost(Exception):
    """Another process of a run that is spread over several is gone."""
