"""A new rule of digests relabels what was made by the code just before it, and nothing else."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest
from small_run import config_of

from assay.app.cross import matrix
from assay.config import compose
from assay.errors import UserError
from assay.records.codes import combined, holds, under
from assay.records.store import Record, Store
from assay.review import relabel
from assay.system import places

OLD = """
import hashlib
def digest_of(parts):
    return hashlib.sha256(("OLD" + " ".join(sorted(parts))).encode()).hexdigest()[:16]
"""
NEW = OLD.replace("hexdigest()[:16]", "hexdigest()[:16]\nRULE = 2\n").replace("return ", 'return "2:" + ')
SOURCES = {
    "src/assay/__init__.py": "",
    "src/assay/compose.py": "def load(paper):\n    pass\n",
    "src/assay/registry.py": "class Kind:\n    def __getitem__(self, name):\n        return name\n"
    "class Kinds:\n    def __getitem__(self, kind):\n        return Kind()\nKINDS = Kinds()\n",
    "conf/x.yaml": "",
    "papers/x.py": "",
}


def git(root, *words):
    command = ["git", "-C", str(root), "-c", "user.name=x", "-c", "user.email=x@y", *words]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip()


@pytest.fixture
def history(tmp_path, monkeypatch):
    """Two commits: the last of an old rule, and the one that changed it."""
    root = tmp_path / "checkout"
    commits = []
    for rule in (OLD, NEW):
        for file, text in {**SOURCES, "src/assay/provenance.py": rule}.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(text, encoding="utf-8")
        git(root, *(["init", "-q"] if not commits else ["status"]))
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "x")
        commits.append(git(root, "rev-parse", "HEAD"))
    monkeypatch.setattr(places, "ROOT", root)
    relabel.change.cache_clear()
    yield commits
    relabel.change.cache_clear()


@pytest.fixture
def store(tmp_path):
    compose.load(None)
    return Store("p", tmp_path / "outputs")


def record(signature, code, **more):
    config = {**config_of(**more.pop("config", {})), **({"inputs": more.pop("inputs")} if "inputs" in more else {})}
    return Record(signature * 20, code, "done", config, scalars={"x": 1.0}, **more)


def digests(history, config):
    return [relabel.digests(commit, [("p", tuple(relabel.parts_of(config)))])[0] for commit in history]


def test_the_change_is_found_in_the_history(history):
    assert relabel.change() == tuple(history)


def test_sources_are_asked_by_the_names_of_their_own_layout(history):
    for old, new in (("compose", "config/compose"), ("provenance", "records/digest")):
        (places.ROOT / "src/assay" / new).parent.mkdir()
        git(places.ROOT, "mv", f"src/assay/{old}.py", f"src/assay/{new}.py")
    git(places.ROOT, "commit", "-q", "-m", "rooms")
    asked = [("p", ("loss=x",))]
    flat, rooms = (relabel.digests(commit, asked) for commit in (history[1], git(places.ROOT, "rev-parse", "HEAD")))
    assert flat == rooms != [None]
    assert relabel.change() == tuple(history), "a move is no change of the rule"


def test_what_the_code_just_before_made_is_labelled(history, store):
    was, now = digests(history, config_of())
    assert len(was) == 16 and now.startswith("2:")
    needed = record("a", was)
    store.write(needed)
    store.write(record("b", combined(was, [needed]), inputs={"table": needed.signature}))
    store.write(record("c", "0123456789abcdef"))
    store.write(record("d", "feedfeedfeedfeed"))
    (store.folder / "attested.json").write_text(json.dumps({"d" * 20: [was]}), encoding="utf-8")
    drops = {"model": "tab_mlp", "model__dropout": 0.5}
    store.write(record("e", digests(history, config_of(**drops))[0], config=drops))
    store.write(record("f", was, inputs={"table": "c" * 20}))
    assert relabel.relabel(store) == 3
    labels = {r.signature[0]: r.also for r in store}
    first = store.read("a" * 20)
    assert labels["a"] == labels["d"] == [now] and first.code == was and first.scalars == {"x": 1.0}
    assert holds(first, now) and under(2, first) == now
    assert labels["b"] == [combined(now, [first])], "what it needs counts under the new rule, too"
    assert labels["c"] == labels["e"] == labels["f"] == []
    assert relabel.relabel(store) == 0, "nothing is asked twice"


def test_a_reproduction_says_so_once(history, store, capsys):
    was, _ = digests(history, config_of())
    store.write(record("a", was))
    relabel.relabel_and_say(store)
    assert capsys.readouterr().out.startswith("p: 1 records are of the same code")
    relabel.relabel_and_say(store)
    assert capsys.readouterr().out == ""


def test_without_the_history_records_stay_stale(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(places, "ROOT", tmp_path)
    relabel.change.cache_clear()
    store.write(record("a", "0123456789abcdef"))
    with pytest.raises(UserError, match="history"):
        relabel.relabel(store)
    relabel.relabel_and_say(store)
    assert "count as stale" in capsys.readouterr().err
    assert replace(store.read("a" * 20)).also == []


@pytest.mark.parametrize(
    ("facts", "parts", "verdict"),
    [
        ({"dirty": False}, ("optimizer=sgd,lion_k",), "labelled"),
        ({"dirty": True}, ("optimizer=sgd,lion_k",), "made with uncommitted changes"),
        ({"dirty": False, "commits": "after"}, ("optimizer=sgd,lion_k",), "its code has changed since"),
        (
            {"dirty": False},
            ("model=tab_mlp", "model.dropout=0.0,0.3", "optimizer=sgd"),
            "draws from the global generators",
        ),
    ],
)
def test_published_tables_are_labelled_arm_by_arm(history, tmp_path, monkeypatch, facts, parts, verdict):
    compose.load(None)
    study = matrix(["data.table=iris", "budget.epochs=1", "loss=cross_entropy", *parts], seeds=1)
    monkeypatch.setattr(places, "PAPERS", tmp_path / "papers")
    monkeypatch.setattr(relabel.Study, "of", lambda paper: study)
    before, after = history
    path = tmp_path / "papers" / "p" / "results" / "desk" / "results.json"
    path.parent.mkdir(parents=True)
    commits = [after if facts.get("commits") == "after" else before]
    path.write_text(json.dumps({"facts": {"dirty": facts["dirty"], "commits": commits, "runs": 2}}), encoding="utf-8")
    (row,) = relabel.label_published(["p"], "desk")
    assert row["verdict"] == verdict
    kept = json.loads(path.read_text(encoding="utf-8"))["facts"]
    ((arm, code),) = kept["codes"][row["experiment"]].items()
    assert kept["runs"] == 2 and (code is None) == (verdict != "labelled")
    assert code is None or code == relabel.digests(after, [("p", tuple(kept["parts"][row["experiment"]][arm]))])[0]
