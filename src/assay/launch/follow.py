"""Going on with a detached sweep: a small job that starts when the tasks before it have ended.

It does what a waiting `reproduce` does between two waves: plans again, submits what has become possible or was lost,
and, when nothing is left, judges and draws. So a sweep with selections and retries needs nobody at a terminal.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from assay.errors import UserError
from assay.launch.sweeps import Sweep


class Follow:
    """The follow-up job of a sweep; pickled with the sweep's folder only.

    Args:
        sweep: the sweep's folder.
    """

    def __init__(self, sweep: str) -> None:
        self.sweep = sweep

    def __call__(self) -> None:
        """Go on with the sweep: another wave and another follow-up, or its verdicts."""
        from assay.launch import site
        from assay.launch.cluster import follow

        site.leave_job()
        try:
            print(follow(Sweep(Path(self.sweep))))
        except UserError as error:
            print(error, file=sys.stderr)
            raise SystemExit(error.exit_code) from None

    def checkpoint(self) -> Any:
        """On a warning: start again later; everything is on disk."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
