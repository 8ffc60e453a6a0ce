"""Columns of the tables: their own names, which nothing of a paper can have, and how levels of axes stand in them.

A scalar, an axis or a unit's column that is called like one of the tables' own would take its place, and every check
that filters or groups by it would read something else.
"""

from __future__ import annotations

import json
from typing import Any

from assay.errors import UserError

KEYS = ["experiment", "arm", "seed", "signature", "registered"]
"""Columns that every table has: which cell of which experiment a row belongs to, and its run."""

RESERVED = frozenset(
    [*KEYS, "seconds", "unit", "name", "step", "value", "values", "run", "runs", "group", "paper", "scale"]
)


def check_name(what: str, name: str) -> None:
    """Refuse a name that the tables use.

    Raises:
        UserError: `name` is one of theirs; the message begins with `what` it was to name.
    """
    if name in RESERVED:
        raise UserError(
            f"{what} cannot be called '{name}', which is a column of the tables ({', '.join(sorted(RESERVED))})"
        )


def same(a: Any, b: Any) -> bool:
    """Whether two levels are one: 1 and 1.0 are, 1 and True are not."""
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def as_column(level: Any) -> Any:
    """A level as it stands in the tables: plain values and names as they are, a list as its JSON text."""
    return level if isinstance(level, (int, float, str, bool)) or level is None else json.dumps(level, default=str)


def level_text(level: Any) -> str:
    """A level as text, for a column that holds levels of several types."""
    return json.dumps(level, default=str) if isinstance(level, (bool, list, dict)) or level is None else str(level)
