"""`assay cross`: a small matrix of parts, e.g. every classification loss with some optimizers, as a study of its own.

It goes the same way as a paper: cells, records, page. What it has no need of are claims; the page shows the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay import train
from assay.config import compose
from assay.errors import UserError
from assay.registry import KINDS
from assay.study.declared import Study

SLUG = "cross"
DEFAULTS: dict[str, Any] = {
    "module": "classifier",
    "data": "tabular_sklearn",
    "data.table": "digits",
    "data.val": 0.2,
    "model": "mlp",
    "optimizer": ["sgd", "adamw"],
    "budget.epochs": 20,
    "budget.batch": 64,
}


def matrix(words: Sequence[str], seeds: int) -> Study:
    """The study of a matrix.

    Args:
        words: overrides as on the app's command line; keys with several values are the axes. `loss` defaults to all
            registered losses, the rest to a small network on the digits.
        seeds: seeds of every cell.

    Raises:
        UserError: a word that is not accepted, or nothing that varies.
    """
    compose.load(None)
    train.guard(words)
    given = {key: value for key, value, _ in train.parse(words)}
    swept = {key for key, _, is_sweep in train.parse(words) if is_sweep}
    chosen = {**DEFAULTS, "loss": [part.name for part in KINDS["loss"]], **given}
    if given.get("data", DEFAULTS["data"]) != DEFAULTS["data"]:
        chosen = {key: value for key, value in chosen.items() if not key.startswith("data.") or key in given}
    axes = {k: v for k, v in chosen.items() if k in swept or (k not in given and isinstance(v, list))}
    if not axes:
        raise UserError("nothing varies: give a key several values, e.g. optimizer=sgd,adamw")
    fix = {key: value for key, value in chosen.items() if key not in axes}
    scales = {"desk": {"seeds": {"first": 1, "n": seeds}}}
    experiment = {"about": "A matrix of parts", "fix": fix, "axes": axes, "scales": scales}
    return Study.parse({"slug": SLUG, "experiments": {"matrix": experiment}}, "cross")
