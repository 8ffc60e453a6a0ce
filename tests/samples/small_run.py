"""The configuration of a run of a second: a small classifier on the irises."""

from __future__ import annotations

from assay.config import compose

FIX = {
    "module": "classifier",
    "data": "tabular_sklearn",
    "data.table": "iris",
    "data.val": 0.2,
    "model": "mlp",
    "model.hidden": [5],
    "loss": "aldr_kl",
    "optimizer": "adamw",
    "schedule": "cosine",
    "budget.epochs": 12,
    "budget.batch": 8,
}


def config_of(**more):
    """The run's configuration with other parts or values; a dot in a key is written as two underscores."""
    choices, values = compose.merge([FIX, {key.replace("__", "."): value for key, value in more.items()}])
    return compose.assemble(choices, values, seed=3)
