"""The command line: bad input is one clear line and exit code 2, and nothing of it is executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from assay import train
from assay.app import cli


def call(monkeypatch, capsys, *words):
    """(exit code, stdout, stderr) of `assay WORDS`, in this process."""
    monkeypatch.setattr(sys, "argv", ["assay", *words])
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reproduce", "lionk"], "unknown paper 'lionk': did you mean lion_k"),
        (["reproduce", "lion_k", "--scale", "dsk"], "unknown scale 'dsk': did you mean desk"),
        (["reproduce", "lion_k", "-e", "nett"], "unknown experiment 'nett': did you mean net"),
        (["reproduce", "lion_k", "--seeds", "0"], "--seeds 0: expected a number of seeds"),
        (["reproduce", "lion_k", "--workers", "-1"], "--workers -1: expected zero or more"),
        (["reproduce", "lion_k", "--launcher", "slrm"], "unknown launcher 'slrm'"),
        (["reproduce", "lion_k", "optimizer.lr=1"], "'optimizer.lr': a registered study changes in its trainer only"),
        (
            ["reproduce", "lion_k", "trainer=gpuu"],
            "lion_k/exact (desk): arm main: unknown trainer 'gpuu': did you mean gpu",
        ),
        (["reproduce", "lion_k", "loss._target_=os.system"], "'loss._target_=os.system': parts are chosen by their"),
        (["reproduce", "lion_k", "--sede", "3"], "No such option"),
        (["reproduce"], "Missing argument"),
        (["report", "lion_k", "--scale", "paper", "--committed"], "lion_k has no committed results at scale paper"),
        (["tryout", "lion_k", "--steps", "0"], "--steps 0 --seconds 5.0: expected positive numbers"),
        (["run", "zzzz", "--paper", "lion_k"], "no run 'zzzz' among the records or the plans"),
        (["parts", "--kind", "los"], "unknown kind 'los': did you mean loss"),
        (["records", "merge", "/nowhere"], "/nowhere is no folder"),
    ],
)
def test_bad_input_is_one_line(monkeypatch, capsys, words, message):
    code, _out, err = call(monkeypatch, capsys, *words)
    assert code == 2, err
    assert err.startswith(f"assay: {message}"), err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["paper=lionk", "experiment=net"], "unknown paper 'lionk': did you mean lion_k"),
        (["paper=lion_k"], "paper=lion_k needs an experiment (add experiment=NAME; there is exact, qp"),
        (["paper=lion_k", "experiment=nett"], "unknown experiment 'nett': did you mean net"),
        (["paper=lion_k", "experiment=net", "arm=lyon"], "unknown arm 'lyon': did you mean lion"),
        (["paper=lion_k", "experiment=net", "scale=big"], "unknown scale 'big'"),
        (["paper=lion_k", "experiment=net", "optimizer.weight_decai=5"], "unknown value of lion_k 'weight_decai'"),
        (
            ["paper=lion_k", "experiment=net", "optimizer.weight_decay=much"],
            "optimizer.weight_decay=much: expected float",
        ),
        (["paper=lion_k", "experiment=net", "seed=one"], "seed=one: expected a whole number"),
        (["paper=lion_k", "experiment=net", "seed=1,2"], "seed has several values; add -m to run them all"),
        (["paper=lion_k", "experiment=net", "loss._target_=os.system"], "'loss._target_=os.system': parts are chosen"),
        (["+hydra.callbacks.x._target_=tempfile.mkdtemp"], "'+hydra.callbacks.x._target_=tempfile.mkdtemp': parts are"),
        (["hydra.callbacks.x=1"], "'hydra.callbacks.x=1': of Hydra's own settings only"),
        (["hydra/launcher=joblib"], "unknown hydra/launcher 'joblib'"),
        (["--config-dir=/tmp", "seed=1"], "'--config-dir=/tmp': configurations come from the checkout"),
        (["data.root=${oc.env:HOME}"], "'data.root=${oc.env:HOME}': interpolations are not accepted"),
        (["~optimizer"], "'~optimizer' is neither key=value nor a flag"),
        (["=1"], "unknown group ''"),
    ],
)
def test_bad_words_of_the_app_are_one_line(capsys, words, message):
    with pytest.raises(SystemExit) as end:
        train.main(words)
    _, err = capsys.readouterr()
    assert end.value.code == 2
    assert err.startswith(f"assay.train: {message}"), err
    assert len(err.strip().splitlines()) == 1


def test_an_unwritable_folder_is_one_line(monkeypatch, capsys, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    monkeypatch.setenv("ASSAY_OUTPUTS", str(blocked / "outputs"))
    code, _, err = call(monkeypatch, capsys, "reproduce", "lion_k", "--scale", "smoke")
    assert code == 2
    assert err.startswith("assay: cannot write to ")
    assert len(err.strip().splitlines()) == 1


def test_missing_data_is_one_line_before_anything_runs(monkeypatch, capsys, tmp_path):
    from assay.data import images

    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    monkeypatch.setenv("ASSAY_OFFLINE", "1")
    monkeypatch.setenv("ASSAY_SYSTEM_DATA", str(tmp_path))
    import dataclasses

    from assay.data.fetcher import RESOURCES

    nowhere = dataclasses.replace(RESOURCES["fashion_mnist"], folders=("nowhere",), system=())
    monkeypatch.setitem(RESOURCES, "fashion_mnist", nowhere)
    monkeypatch.setattr(images.FashionMNIST, "resource", nowhere)
    code, _, err = call(monkeypatch, capsys, "reproduce", "lion_k", "--scale", "smoke", "-e", "net")
    assert code == 2
    assert "Fashion-MNIST is not on this machine" in err
    assert "apt-get install dataset-fashion-mnist" in err
    assert len(err.strip().splitlines()) == 1


def test_tables_have_json(monkeypatch, capsys):
    for words in (["list"], ["parts", "--kind", "loss"], ["doctor"], ["status", "lion_k", "--scale", "smoke"]):
        _, out, _ = call(monkeypatch, capsys, *words, "--json")
        rows = json.loads(out)
        assert rows and isinstance(rows[0], dict), words


def test_parts_know_their_papers(monkeypatch, capsys):
    _, out, _ = call(monkeypatch, capsys, "parts", "--json")
    rows = {(row["kind"], row["name"]): row for row in json.loads(out)}
    assert "lion_k" in rows["optimizer", "lion_k"]["papers"]
    assert rows["kappa", "huber"]["papers"] == "lion_k"
    assert all(row["doc"] for row in rows.values()), [key for key, row in rows.items() if not row["doc"]]


def test_dry_run_shows_the_plan_and_runs_nothing(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "reproduce", "lion_k", "--dry-run")
    assert code == 0
    assert "controls" in out and "distinct runs" in out
    from assay.system import places

    assert not list(places.outputs().rglob("*.jsonl"))


def test_help_needs_no_torch():
    program = "import sys; sys.argv = ['assay', '--help']\nimport atexit\natexit.register(lambda: print('torch' in sys.modules))\nfrom assay.app.cli import main; main()"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=os.environ).stdout
    assert out.strip().endswith("False")
    for command in ("reproduce", "status", "report", "publish"):
        assert command in out


def test_lightning_is_imported_lean():
    program = "import assay.module, sys; print([m for m in ('torchvision', 'transformers', 'torch._dynamo', 'matplotlib', 'scipy.signal') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8").stdout
    assert out.strip() == "[]"


def test_both_roots_and_the_launcher_resolve_from_another_folder(tmp_path):
    program = (
        "import assay, papers\nfrom hydra.core.plugins import Plugins\n"
        "print([p.__name__ for p in Plugins.instance().discover() if 'Assay' in p.__name__])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", cwd=tmp_path)
    assert "AssayLauncher" in result.stdout, result.stderr
