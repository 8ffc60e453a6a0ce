"""What every paper keeps, by being there: a new paper is tested by existing.

Where the cards lie beside the checkout, every numbered check of a card must stand in the paper's claims.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest
from judgements import differences

from assay.claims import Exact
from assay.config import compose, loading
from assay.records.store import Store
from assay.results import Results
from assay.review.judged import problems
from assay.run import tryout
from assay.study.declared import SCALES, Plan, Study
from assay.study.session import Session, judge_paper
from assay.study.tables import results_of
from assay.system import places

PAPERS = loading.papers()
CARDS = places.ROOT.parent / "shared" / "papers"

pytestmark = pytest.mark.parametrize("paper", PAPERS)


def committed(paper: str) -> list[Path]:
    return sorted((places.PAPERS / paper / "results").glob("*/results.json"))


@functools.cache
def planned(paper: str, scale: str) -> Plan:
    """The plan of a scale without records."""
    return Session(paper, scale).plan()


def test_composes_at_every_scale(paper):
    for scale in SCALES:
        plan = planned(paper, scale)
        assert plan.runs, f"{paper} has nothing to run at scale {scale}"
        for run in plan.runs.values():
            assert compose.signature(run.config) == run.signature


def test_arms_differ(paper):
    """In some cell at least; at smoke scale a shortened selection may make two arms one."""
    for scale in ("desk", "paper"):
        assert planned(paper, scale).twins == []


def test_claims_and_checks_fit_together(paper):
    module, study = loading.paper_module(paper, "claims"), Study.of(paper)
    assert problems(module.CLAIMS, module.CHECKS, study) == []
    for check in module.CHECKS:
        for name in check.experiments:
            # A report may be of the paper's own setting alone; what is judged is judged at the desk.
            judged = check.kind.label != "report"
            assert "desk" in study.experiments[name].scales or not judged, f"check {check.id}: the desk has no {name}"
        if check.amended:
            assert check.amended.date and check.amended.old and check.amended.reason, check.id


def test_every_numbered_check_of_the_card_is_there(paper):
    card = CARDS / f"{paper}.md"
    if not card.exists():
        pytest.skip("the cards do not lie beside this checkout")
    text = card.read_text(encoding="utf-8")
    section = re.search(r"^## Pre-registered checks.*?\n(.*?)^## ", text, re.MULTILINE | re.DOTALL).group(1)
    numbers = set(re.findall(r"^(\d+)\. ", section, re.MULTILINE))
    assert numbers
    there = {re.match(r"\d*", check.id).group(0) for check in loading.paper_module(paper, "claims").CHECKS}
    assert numbers <= there, f"missing: {sorted(numbers - there, key=int)}"


@pytest.mark.slow
def test_smoke_runs_judges_and_draws(paper, tmp_path, monkeypatch):
    """The whole smoke scale in this process, exact checks judged; each module once more, interrupted at a block end."""
    from assay.run import execute

    monkeypatch.setenv("ASSAY_REPORTS", str(tmp_path / "reports"))
    session = Session(paper, "smoke", outputs=tmp_path / "outputs")
    tried: set[str] = set()
    several: set[str] = set()  # runs of several blocks: those that are asked between two whether to stop
    while True:
        plan = session.plan()
        todo = list(session.todo(plan, session.states(plan), tried))
        if not todo:
            break
        for run in todo:
            tried.add(run.signature)
            hooks = execute.Hooks(should_stop=functools.partial(several.add, run.signature))
            record = execute.execute(run.config, session.store, hooks)
            assert record.status == "done", record.failure["traceback"]
    assert not plan.blocked
    from assay.study.session import write_report

    verdicts = write_report(session, strict=False)
    for check in verdicts["checks"]:
        if check["kind"] not in ("exact", "report"):
            assert check["verdict"] == "untested"
    page = (session.report_folder / "index.html").read_text(encoding="utf-8")
    assert len(page) > 10_000
    exact_checks_hold(paper, results_of(plan, session.store, session.states(plan)))
    runs = [plan.runs[signature] for signature in plan.runs if signature in several]
    assert runs, "no run can be interrupted"
    resumed_equals_straight(runs, session.store, tmp_path / "resumed")


def exact_checks_hold(paper, results):
    """What exact.py measures here and now, against the bounds of the checks that read it alone."""
    checks = [
        check
        for check in loading.paper_module(paper, "claims").CHECKS
        if isinstance(check.kind, Exact) and check.experiments == ["exact"]
    ]
    assert checks, "exact checks come before experiments"
    for check in checks:
        finding = check.kind.judge(results)
        assert finding.verdict == "reproduced", (check.id, finding.details)


def resumed_equals_straight(runs, store, folder):
    """One run of every module among runs of several blocks, stopped after the first and gone on with: equal to the bit."""
    from assay.app.attest import compare
    from assay.run import execute

    seen: set[str] = set()
    beside = Store(store.paper, folder)
    for run in runs:
        name = run.config["module"]["name"]
        straight = store.read(run.signature)
        if name in seen or straight.provenance["seconds"] > 10:
            continue
        seen.add(name)
        for needed in run.needs:
            beside.write(store.read(needed))
            for file in store.read(needed).artefacts.values():
                beside.keep_artefact(store.artefact(file).read_bytes())
        with pytest.raises(execute.Interrupted):
            execute.execute(run.config, beside, execute.Hooks(should_stop=lambda: True))
        again = execute.execute(run.config, beside)
        assert compare(straight, again) == "", name


@pytest.mark.slow
def test_paper_scale_builds_and_steps(paper, tmp_path, monkeypatch):
    """Every part of the paper scale, and every module with its data and model: full size on the meta device, one step.

    Not every combination: a loss or an optimizer does not see which of several data sets its numbers come from.
    """
    monkeypatch.setenv("ASSAY_OFFLINE", "1")
    plan = planned(paper, "paper")
    seen: set[tuple[tuple[str, str], ...]] = set()
    for run in plan.runs.values():
        nodes = {kind: node for kind, node in run.config.items() if isinstance(node, dict) and "name" in node}
        parts = {kind: (kind, node["name"]) for kind, node in nodes.items()}
        together = tuple(parts[kind] for kind in ("module", "data", "model") if kind in parts)
        new = {together, *((part,) for part in parts.values())} - seen
        if not new:
            continue
        seen |= new
        tryout.full_size(run.config)
        needed = {signature: plan.runs[signature].config for signature in run.needs}
        module = tryout.one_step(run.config, needed, tmp_path)
        assert module.steps_done == 1


def test_committed_verdicts_follow_from_committed_tables(paper):
    folders = committed(paper)
    if not folders:
        pytest.skip(f"{paper} has no committed results yet")
    for path in folders:
        results = Results.load(path.parent)
        verdicts = json.loads((path.parent / "verdicts.json").read_text(encoding="utf-8"))
        assert list(differences(judge_paper(paper, results), verdicts)) == []
        size = sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
        assert size <= 1_000_000
        for check in verdicts["checks"]:
            if results.scale == "desk" and check["verdict"] is not None:
                assert check["n"] > 0, f"check {check['id']} reads nothing"
                assert check["verdict"] != "untested", f"check {check['id']} is untested"


def test_readme_is_up_to_date(paper):
    from assay.report import readme
    from assay.report.publish import verdicts_text

    text = verdicts_text(paper)
    if text is None:
        pytest.skip(f"{paper} has no committed results yet")
    assert readme.is_current(places.PAPERS / paper / "README.md", "verdicts", text), "run `assay publish`"


def test_module_docstrings(paper):
    for path in (places.PAPERS / paper).glob("*.py"):
        assert path.read_text(encoding="utf-8").lstrip().startswith('"""'), path.name
