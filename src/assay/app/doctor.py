"""Doctor: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

from assay.system import places

Finding = tuple[bool, str, str]
"""(is it there, detail, how to get it)"""


def findings() -> list[dict[str, Any]]:
    """One row for each thing that Assay uses: what, state, detail, how to get it, and whether it cannot do without."""
    rows = []
    for what, needed, look in CHECKS:
        there, detail, cure = look()
        state = "ok" if there else "missing" if needed else "not here"
        rows.append(
            {"what": what, "state": state, "detail": detail, "how to get it": "" if there else cure, "needed": needed}
        )
    return rows


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info >= (3, 11), version, "install Python 3.11 or newer"


def _packages() -> Finding:
    wanted = (
        "torch",
        "pytorch_lightning",
        "hydra",
        "polars",
        "scipy",
        "sklearn",
        "matplotlib",
        "jinja2",
        "typer",
        "rich",
    )
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    return not missing, f"{len(wanted) - len(missing)} of {len(wanted)}", f"make setup (missing: {', '.join(missing)})"


def _outputs() -> Finding:
    folder = places.outputs()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    good = os.access(folder, os.W_OK) and free > 1
    return good, f"{free:.0f} GiB free", "make room, or set ASSAY_OUTPUTS to another folder"


def _gpu() -> Finding:
    import torch

    there = torch.cuda.is_available()
    return there, torch.cuda.get_device_name() if there else "CPU only", "desk scale needs none; paper scale does"


def _fashion() -> Finding:
    from assay import data  # noqa: F401  (declares the resources)
    from assay.data.fetcher import RESOURCES

    there = all(found.state == "ok" for found in RESOURCES["fashion_mnist"].verify())
    return there, "", "apt-get install dataset-fashion-mnist, or put its four files into ASSAY_DATA"


def _slurm() -> Finding:
    there = shutil.which("sbatch") is not None
    return there, "sbatch found" if there else "", "only on a cluster; sweeps run locally without it"


def _wandb() -> Finding:
    there = bool(os.environ.get("WANDB_API_KEY")) or (os.path.exists(os.path.expanduser("~/.netrc")))  # noqa: PTH110, PTH111
    return there, "key found" if there else "", "only for dashboards: wandb login"


def _git() -> Finding:
    return shutil.which("git") is not None, "", "install git; records then name the commit"


CHECKS: list[tuple[str, bool, Callable[[], Finding]]] = [
    ("Python", True, _python),
    ("packages", True, _packages),
    ("outputs folder", True, _outputs),
    ("Fashion-MNIST", False, _fashion),
    ("git", False, _git),
    ("GPU", False, _gpu),
    ("Slurm", False, _slurm),
    ("W&B account", False, _wandb),
]
