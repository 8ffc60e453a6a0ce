"""Exact checks: closed forms, identities and independent solvers, measured once and used twice.

A paper's `exact.py` holds plain functions marked `@exact("3")` that return measured numbers by name. The experiment
`exact` records them as scalars `exact/3/<name>`, which the paper's checks read; the tests call the same functions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import ClassVar

from assay.errors import UserError
from assay.module import PaperModule

ExactFunction = Callable[[], Mapping[str, float]]


def exact(id: str) -> Callable[[ExactFunction], ExactFunction]:
    """Mark a function as the measurement behind the card's check `id`.

    Raises:
        UserError: a function of the same name is marked already, and would never be called.
    """

    def decorate(function: ExactFunction) -> ExactFunction:
        code = function.__code__
        before = getattr(sys.modules.get(function.__module__), function.__name__, None)
        # A module that is loaded once more defines the same function on the same line.
        if before is not None and hasattr(before, "exact_id") and before.__code__.co_firstlineno != code.co_firstlineno:
            raise UserError(f"{function.__module__}: two exact functions are called {function.__name__}")
        function.exact_id = id  # type: ignore[attr-defined]
        return function

    return decorate


def collect(module: str) -> dict[str, list[ExactFunction]]:
    """The exact functions defined so far in a module (pass `__name__`), by check id, in order of definition."""
    found: dict[str, list[ExactFunction]] = {}
    for value in vars(sys.modules[module]).values():
        if callable(value) and hasattr(value, "exact_id") and value.__module__ == module:
            found.setdefault(value.exact_id, []).append(value)
    return found


class ExactModule(PaperModule):
    """Runs a paper's exact functions, one a step; `checks` is what `collect` found in the paper's `exact.py`."""

    checks: ClassVar[Mapping[str, list[ExactFunction]]] = {}
    block_steps = 1

    @property
    def functions(self) -> list[tuple[str, ExactFunction]]:
        """All functions with their check's id."""
        return [(id, function) for id, functions in self.checks.items() for function in functions]

    @property
    def total(self) -> int:
        """One step a function."""
        return len(self.functions)

    def advance(self, start: int, stop: int) -> None:
        """Measure and record the functions start, ..., stop-1."""
        for id, function in self.functions[start:stop]:
            for name, value in function().items():
                self.scalar(f"exact/{id}/{name}", value)
