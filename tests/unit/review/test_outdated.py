"""Published tables say which code made them, arm by arm, and on what: all of it where it was several things."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from assay.app import foreground
from assay.app.cross import matrix
from assay.app.finished import remember, still_finished
from assay.records import codes, digest
from assay.review import outdated
from assay.review.outdated import arm_parts, code_of_parts, facts_of
from assay.run import execute
from assay.study.session import Session, write_report
from assay.study.tables import _facts, results_of
from assay.system import places

SMALL = ("data.table=iris", "model.hidden=[4]", "budget.epochs=1", "loss=cross_entropy", "optimizer=sgd,lion_k")


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_REPORTS", str(tmp_path / "reports"))
    return Session("p", "desk", made=matrix(SMALL, seeds=1), outputs=tmp_path / "outputs")


@pytest.fixture
def published(session, tmp_path, monkeypatch):
    """Tables of a made-up paper `p` in a checkout where they may be written."""
    plan = session.plan()
    monkeypatch.setattr(places, "PAPERS", tmp_path / "papers")
    results = results_of(plan, session.store, session.states(plan))
    folder = tmp_path / "papers" / "p" / "results" / "desk"
    replace(results, facts={**results.facts, **facts_of(plan)}).save(folder)
    return folder / "results.json"


def test_an_arm_has_one_digest_of_all_that_its_runs_build(session):
    plan = session.plan()
    ((name, arms),) = arm_parts(plan).items()
    ((arm, parts),) = arms.items()
    assert {"optimizer=sgd", "optimizer=lion_k", "loss=cross_entropy", "module=classifier"} <= set(parts)
    facts = facts_of(plan)
    assert facts["parts"] == {name: {arm: parts}} and facts["codes"][name][arm] == code_of_parts(parts)
    assert facts["codes"][name][arm].startswith("2:")
    assert code_of_parts(["loss=nobody_knows"]) is None


def test_tables_older_than_the_code_are_named_by_arm(published, monkeypatch):
    assert outdated.outdated("p", "desk") == [] and outdated.outdated("p", "paper") == []
    content = json.loads(published.read_text(encoding="utf-8"))
    ((name, arms),) = content["facts"]["codes"].items()
    (arm,) = arms
    digest_of = digest.digest_of
    monkeypatch.setattr(digest, "digest_of", lambda parts, *more: digest_of([]))
    assert outdated.outdated("p", "desk") == [(name, arm)]
    monkeypatch.undo()
    monkeypatch.setattr(places, "PAPERS", published.parents[3])
    for codes_ in ({name: {arm: None}}, {name: {arm: arms[arm].removeprefix("2:")}}):
        content["facts"]["codes"] = codes_
        published.write_text(json.dumps(content), encoding="utf-8")
        assert outdated.outdated("p", "desk") == [(name, arm)], "not known, or known by another rule only"


def test_tables_that_do_not_say_are_older(session, published):
    for run in session.plan().runs.values():
        execute.execute(run.config, session.store)
    plan = session.plan()
    results_of(plan, session.store, session.states(plan)).save(published.parent)
    ((name, arms),) = arm_parts(plan).items()
    assert outdated.outdated("p", "desk") == [(name, arm) for arm in arms]


def test_every_version_and_what_is_not_known_are_stated():
    def made(**more):
        return {"commit": "c1", "dirty": False, "versions": {"torch": "2.15.0", "numpy": "2.4.6"}, **more}

    same = _facts({"a": made(), "b": made()})
    assert same["versions"] == {"torch": "2.15.0", "numpy": "2.4.6"}
    assert same["dirty"] is False and same["commits"] == ["c1"]
    mixed = _facts({"a": made(), "b": made(versions={"torch": "2.16.0", "scipy": "1.17"}, commit=None, dirty=None)})
    assert mixed["versions"] == {"torch": "2.15.0, 2.16.0", "numpy": "2.4.6", "scipy": "1.17"}
    assert mixed["dirty"] is None and mixed["commits"] == ["c1", "unknown"]
    assert _facts({"a": made(dirty=None), "b": made(dirty=True)})["dirty"] is True


def test_a_finished_sweep_is_not_finished_once_its_data_have_changed(session, monkeypatch):
    for run in session.plan().runs.values():
        execute.execute(run.config, session.store)
    plan = session.plan()
    write_report(session, plan)
    remember(session, plan.runs)
    assert still_finished(session) is not None
    note = session.store.folder / "finished-desk.json"
    kept = json.loads(note.read_text(encoding="utf-8"))
    assert list(kept["data"]) == ["$PACKAGES/sklearn/datasets/data/iris.csv"]
    note.write_text(json.dumps({**kept, "data": dict.fromkeys(kept["data"], "0" * 64)}), encoding="utf-8")
    assert still_finished(session) is None


def test_a_run_that_computes_nothing_says_so(session, monkeypatch, capsys):
    monkeypatch.setenv("ASSAY_OUTPUTS", str(session.outputs))
    config = next(iter(session.plan().runs.values())).config
    assert foreground.run_here(config, "p") == 0
    assert "nothing computed" not in capsys.readouterr().out
    assert foreground.run_here(config, "p") == 0
    finished = session.store.read(next(iter(session.plan().runs))).provenance["finished"]
    assert f"nothing computed: the record of {finished} holds" in capsys.readouterr().out


def test_a_run_over_several_processes_counts_what_they_do(session, monkeypatch):
    config = next(iter(session.plan().runs.values())).config
    spread = {**config, "trainer": {**config["trainer"], "devices": 2}}
    assert codes.own_code(spread) != codes.own_code(config)
    alone = digest.closure([("assay.run.team", "Team")])
    assert len(alone) > len(digest.closure([]))
