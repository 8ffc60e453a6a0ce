"""Any registered loss, optimizer or schedule can be put into any paper that takes its kind: a sample of crossings runs."""

from __future__ import annotations

import random

import pytest

from assay import train
from assay.config import compose, loading
from assay.errors import UserError
from assay.records.store import Store
from assay.registry import KINDS, REQUIRED
from assay.run import execute
from assay.study.declared import Study

SAMPLE = 2


def takers():
    """(paper, kind, experiments): the smoke experiments of each paper whose module takes a kind."""
    for paper in loading.papers():
        loading.load_paper(paper)
        for kind in ("loss", "optimizer", "schedule"):
            found = []
            for name, experiment in Study.of(paper).experiments.items():
                module = experiment.fix.get("module") or next(iter(experiment.arms.values())).get("module")
                if "smoke" in experiment.scales and kind in KINDS["module"][module].target.takes:
                    found.append(name)
            if found:
                yield paper, kind, found


@pytest.mark.slow
@pytest.mark.parametrize(("paper", "kind", "experiments"), list(takers()))
def test_crossings(paper, kind, experiments, tmp_path):
    names = [p.name for p in KINDS[kind] if all(f.default is not REQUIRED for f in p.fields.values())]
    for name in random.Random(f"{paper}/{kind}").sample(names, min(SAMPLE, len(names))):
        assert any(runs(paper, experiment, kind, name, Store(paper, tmp_path)) for experiment in experiments), name


def runs(paper, experiment, kind, name, store):
    """Whether an experiment goes with a part; one that compares with a theory of a part may decline, in one line."""
    words = {"paper": paper, "experiment": experiment, "scale": "smoke", kind: name}
    _, config = train.resolve([*words.items()])
    assert config[kind]["name"] == name
    config["budget"] = {**config["budget"], "steps": 3, "epochs": None}
    try:
        record = execute.execute(config, store, execute.Hooks(interactive=True))
    except UserError as declined:
        assert "\n" not in str(declined)
        return False
    # A crossing need not make sense as learning, but it must run; leaving the finite numbers is an answer.
    assert record.status == "done" or record.failure["class"] == "nan", record.failure["traceback"]
    return True


def test_the_one_from_the_documentation(tmp_path):
    words = {
        "paper": "grokking_lazy_rich",
        "experiment": "alpha",
        "scale": "smoke",
        "optimizer": "lion_k",
        "budget.steps": 20,
    }
    _, config = train.resolve([*words.items()])
    assert config["optimizer"]["kappa"]["name"] == "l1"
    assert execute.execute(config, Store("grokking_lazy_rich", tmp_path)).status == "done"
    assert compose.signature(config)
