"""Committed verdicts are judged again on other machines, whose processors round otherwise: how two judgements compare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two judgements differ; numbers may differ in what another processor rounds otherwise."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for key in ours:
            yield from differences(ours[key], theirs[key], f"{where}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{where}/{i}")
    elif type(ours) is float and type(theirs) is float:
        if ours != pytest.approx(theirs, rel=1e-9, abs=1e-12, nan_ok=True):
            yield where, ours, theirs
    elif ours != theirs:
        yield where, ours, theirs
