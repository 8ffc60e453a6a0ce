"""Tests that need a tool of the system are skipped where it is not, with the reason; where it is required, they fail.

`ASSAY_REQUIRED=browser,slurm` says what is required, as in continuous integration; a disk that can be mounted can be, too.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(tool: str, why: str) -> NoReturn:
    """Skip the tests that need a tool, or fail them if it is required here."""
    if tool in os.environ.get("ASSAY_REQUIRED", "").split(","):
        pytest.fail(f"{tool} is required here: {why}")
    pytest.skip(why)
