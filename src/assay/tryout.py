"""Trying a big configuration out on a small machine: full size on the meta device, one real step reduced.

A paper-scale run needs a cluster, but whether its parts fit together can be seen anywhere: the model is built at
full size without memory, and one step is made with the sizes that parts declare as `reduced` and synthetic data of
the right shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from assay import compose
from assay.errors import DataMissing
from assay.module import Budget, PaperModule
from assay.records import Store
from assay.registry import KINDS
from assay.seeds import Seeds

SAMPLES = 16
"""Rows of synthetic data."""

BATCH = 4


def reduce(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with every part at its reduced values, one step long, on the CPU."""
    small = {kind: _reduced(kind, node) if kind in KINDS else node for kind, node in config.items()}
    batch = config["budget"]["batch"]
    small["budget"] = {"steps": 1, "epochs": None, "batch": min(batch, BATCH) if batch else None}
    small["trainer"] = {**config["trainer"], "device": "cpu", "precision": "32", "threads": 1}
    return small


def _reduced(kind: str, node: Mapping[str, Any]) -> dict[str, Any]:
    part = KINDS[kind][node["name"]]
    out = {**node, **part.reduced}
    for key, item in part.fields.items():
        if item.nests and isinstance(node.get(key), Mapping):
            out[key] = _reduced(item.nests, node[key])
    return out


def full_size(config: Mapping[str, Any]) -> int | None:
    """Parameters of the full-size model, built on the meta device; None for a run without one."""
    if "model" not in config or "data" not in config:
        return None
    data = _data(config)
    with torch.device("meta"):
        model = KINDS["model"].build(config["model"])(data.inputs, data.outputs)
    return sum(p.numel() for p in model.parameters())


def one_step(config: Mapping[str, Any], needed: Mapping[str, Mapping[str, Any]], folder: Path) -> PaperModule:
    """One real step of the reduced configuration.

    Args:
        config: a full-size configuration.
        needed: by signature, the configurations of the runs that it needs; they are tried out first, in full length.
        folder: where their artefacts may go.
    """
    small = reduce(config)
    store = Store("tryout", folder)
    if small.get("inputs"):
        small["inputs"] = {name: _provide(needed[signature], store) for name, signature in small["inputs"].items()}
    module = _built(small, store, folder)
    block = next(module.blocks())
    module.training_step(type(block)(block.start, block.start + 1), 0)
    module.take_measurement()
    return module


def _provide(config: Mapping[str, Any], store: Store) -> str:
    """Do a needed run, reduced, and return the signature of its record."""
    from assay import runner

    small = {**reduce(config), "budget": config["budget"]}
    record = runner.execute(small, store)
    assert record is not None
    if record.status == "failed":
        raise RuntimeError((record.failure or {})["traceback"])
    return compose.signature(small)


def _built(config: Mapping[str, Any], store: Store, folder: Path) -> PaperModule:
    from assay.runner import input_folder

    module: PaperModule = KINDS["module"].build(config["module"])
    built = {kind: KINDS[kind].build(config[kind]) for kind in module.takes if kind != "data"}
    if "data" in module.takes:
        built["data"] = _data(config)
    inputs = {name: input_folder(name, needed, store, folder) for name, needed in config.get("inputs", {}).items()}
    module.attach(Seeds(config["seed"]), Budget(**config["budget"]), built, inputs, config["trainer"].get("clip_norm"))
    module.build()
    return module


def _data(config: Mapping[str, Any]) -> Any:
    """The configuration's data, made up where the set is not on this machine (ASSAY_OFFLINE forbids fetching)."""
    data, seeds = KINDS["data"].build(config["data"]), Seeds(config["seed"])
    try:
        data.load(seeds)
    except DataMissing:
        data.synthetic(seeds, SAMPLES)
    return data
