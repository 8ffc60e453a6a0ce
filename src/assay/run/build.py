"""From a configuration to a module that stands ready for its first step: seeded, its data loaded, its networks drawn.

Everything that runs is built here, and what is done here decides a run's numbers: which generators are seeded by what,
in which order parts are made, where data and networks are. So this file is part of every run's code digest, and holds
nothing else. The processes of a run on several devices (`assay.run.team`) are not among it: they count where a run is
spread over some.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from assay.data.base import Data
from assay.module import Budget, PaperModule
from assay.records.store import Store, input_folder
from assay.registry import KINDS
from assay.seeds import Seeds

if TYPE_CHECKING:
    from assay.run.team import Team


def build(
    config: Mapping[str, Any],
    store: Store | None = None,
    folder: Path | None = None,
    team: Team | None = None,
    load: Callable[[Data, Seeds], None] = lambda data, seeds: data.load(seeds),
) -> PaperModule:
    """The module of a configuration, its data loaded and its networks drawn, ready for the first step.

    Args:
        config: a run's configuration.
        store, folder: where the artefacts of other runs lie, and where they are linked to.
        team: the processes that share the run, if there are several.
        load: has the data loaded.
    """
    torch.set_num_threads(config["trainer"]["threads"])
    seeds = Seeds(config["seed"])
    # Named axes are what papers draw from; the global generators are set for libraries that know no other.
    torch.manual_seed(seeds.axis("global"))
    np.random.seed(seeds.axis("global") % 2**32)  # noqa: NPY002
    random.seed(seeds.axis("global"))
    module: PaperModule = KINDS["module"].build(config["module"])
    built = {kind: KINDS[kind].build(config[kind]) for kind in module.takes}
    inputs = {name: input_folder(name, needed, store, folder) for name, needed in config.get("inputs", {}).items()}
    if "data" in built:
        load(built["data"], seeds)
    module.attach(seeds, Budget(**config["budget"]), built, inputs, config["trainer"].get("clip_norm"))
    module.build()
    module.team = team
    if config["trainer"]["precision"] == "64":
        module.double()  # Lightning would convert only inside `fit`, after a checkpoint has been loaded and rounded
    return module


def move_data(module: PaperModule) -> None:
    """Put a module's data on its device; Lightning moves networks alone."""
    if "data" in module.takes:
        module.data.move(module.device)
