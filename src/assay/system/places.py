"""Where things lie: the checkout's folders and what may move them.

`ASSAY_OUTPUTS` and `ASSAY_REPORTS` move the folders that runs write to, e.g. onto a cluster's scratch space;
`ASSAY_DATA` names a folder that holds data, beside the checkout's own.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CONF = ROOT / "conf"
PAPERS = ROOT / "papers"


def outputs() -> Path:
    """Folder of records, checkpoints and sweeps."""
    return Path(os.environ.get("ASSAY_OUTPUTS") or ROOT / "outputs").resolve()


def reports() -> Path:
    """Folder of pages and verdicts."""
    return Path(os.environ.get("ASSAY_REPORTS") or ROOT / "reports").resolve()


def data_folders() -> list[Path]:
    """Folders that may hold data: `ASSAY_DATA`, if set, and the checkout's `data/`."""
    named = os.environ.get("ASSAY_DATA")
    return [*([Path(named).expanduser()] if named else []), ROOT / "data"]
