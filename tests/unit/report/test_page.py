"""The page says what the verdicts say, runs nobody's markup, and stays small."""

import base64
import hashlib
import json
import re
import time
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

from assay.report import page, replications, wording
from assay.report.catalogue import Entry
from assay.results import Expected, Results
from assay.review.judged import judge
from benchmarks.pages import records

PAPER = Entry("made_up", "A made-up paper", "optim", "A. Author, B. Author", 2023, "ICLR 2024", "2310.05898")


class Reader(HTMLParser):
    """Elements of a page: tags, attributes, text, and what its scripts hold."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.scripts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem is None:
            self.texts.append(data)

    def values(self, name, tag=None):
        return [attributes[name] for t, attributes in self.elements if name in attributes and tag in (None, t)]

    @property
    def tags(self):
        return Counter(tag for tag, _ in self.elements)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.texts))


@pytest.fixture(scope="module")
def html(results, verdicts, figures, details):
    return page.html(results, verdicts, figures, details=details, paper=PAPER, board="../../index.html")


@pytest.fixture(scope="module")
def read(html):
    return Reader(html)


def test_it_shows_every_claim_and_check_with_its_verdict(read, verdicts):
    anchors = set(read.values("id"))
    for claim in verdicts["claims"]:
        assert f"claim-{claim['id']}" in anchors
        assert claim["statement"] in read.text and (claim["paper_says"] or "") in read.text
    for check in verdicts["checks"]:
        assert f"check-{check['id']}" in anchors and check["statement"] in read.text
    assert "3 of 7 claims reproduced at desk scale" in read.text
    for claim in verdicts["claims"]:
        assert f"{claim['id']} {claim['verdict']} at desk scale:" in read.text
    assert {"reproduced", "refuted", "inconclusive", "untested"} <= {c["verdict"] for c in verdicts["claims"]}


def test_it_shows_what_may_be_held_against_a_verdict(read, verdicts):
    check = next(check for check in verdicts["checks"] if check["amended"])
    assert check["amended"]["old"] in read.text and check["amended"]["reason"] in read.text
    needed = next(check["units_needed"] for check in verdicts["checks"] if check["units_needed"])
    assert f"About {needed} units would likely decide it; 5 were looked at" in read.text
    assert "With further seeds (n = 8)" in read.text
    assert "not enough memory" in read.text and "not finite at step 418" in read.text
    assert "Not drawn: no finished run of imagenet" in read.text
    assert "the most of val/accuracy" in read.text


def test_it_shows_what_the_runs_took(read, results):
    assert "1.5 CPU-hours, 6.5 GPU-hours" in read.text
    assert "held on clusters8 GPU-hours" in read.text
    for row in ("boxevaluation961.250", "boxselection30.250", "imagenetfailed206.5", "all1011.56.5"):
        assert row in read.text.replace(" ", "")
    older = replace(results, facts={"core_seconds": 5400})  # results published before costs were kept by experiment
    text = Reader(page.html(older, judge(older, [], []), [], paper=PAPER)).text
    assert "1.5 CPU-hours" in text and "What the runs took" not in text


def test_a_verdict_that_does_not_survive_holm_says_so(results, verdicts, figures):
    fragile = json.loads(json.dumps(verdicts))
    next(check for check in fragile["checks"] if check["id"] == "5")["survives_holm"] = False
    assert "not after Holm's correction" in Reader(page.html(results, fragile, [], paper=PAPER)).text
    whole = {**verdicts, "checks": [check | {"survives_holm": True} for check in verdicts["checks"]]}
    assert "not after Holm's correction" not in Reader(page.html(results, whole, [], paper=PAPER)).text


def test_looks_gates_errors_and_what_stands_in_are_said(more, ruled):
    text = Reader(page.html(more, ruled, [], paper=PAPER, outdated=["box/lion"])).text
    assert "desk scale: a toy for ImageNet" in text
    for warning in ("a check of the code failed: code", "could not be judged: broken", "older than the code: box/lion"):
        assert warning in text
    assert "It could not be judged: KeyError: 'no such column' (broken, line" in text
    assert "Held back: its gate learns is refuted; without it: reproduced." in text
    assert "gate of held back" in text and "gate of level by level" in text and "Gate: check learns (refuted)" in text
    assert (
        "decided at look 2 of 3, 10 seeds" in text and "look 1 of 3, 5 seeds; no further look: 20 units would" in text
    )
    (told,) = [wording.again(row) for row in ruled["checks"] if row["id"] == "between"]
    assert f"If what was seen is the truth, {told}." in text and "stay open, too, in" in told
    assert "14 of 24 checks hold" in text and "no check of it gives a verdict" in text
    assert "Checks of the code They serve no claim" in text and "Gates They serve no claim" in text


def test_on_how_many_machines_a_verdict_held_is_said(more, ruled):
    own = replications.of_sweep(more.facts, ruled)
    other = own.machine.model_copy(update={"cpu": "another processor"})
    seen = {"any": own.checks["any"].model_copy(update={"verdict": "refuted"})}
    sweeps = [own, own.model_copy(update={"machine": other, "checks": {**own.checks, **seen}})]
    read = Reader(page.html(more, ruled, [], paper=PAPER, sweeps=sweeps))
    assert read.text.count("held on 1 of 2 machines") == 1 and read.text.count("held on 2 of 2 machines") > 5
    assert "another processor, 2 cores, torch 2.15.0: refuted (0.0608)" in read.values("title")
    assert "held on 1" not in Reader(page.html(more, ruled, [], paper=PAPER, sweeps=[own])).text


def test_nothing_is_requested_from_anywhere(read):
    assert not read.tags.keys() & {"iframe", "object", "embed", "base", "form", "audio", "video"}
    assert all(src.startswith("data:") for src in read.values("src"))
    assert all(href.startswith(("data:", "#")) for href in read.values("href", "link"))
    outward = [href for href in read.values("href", "a") if not href.startswith("#")]
    assert sorted(outward) == ["../../index.html", "https://arxiv.org/abs/2310.05898"]


def test_its_policy_allows_its_own_script_and_nothing_else(read):
    (policy,) = [content for content in read.values("content", "meta") if "default-src" in content]
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy
    assert (
        policy.count("script-src") == 1 and "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    )
    digest = base64.b64encode(hashlib.sha256(read.scripts[-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_ids_are_unique_and_inner_links_lead_somewhere(read):
    assert [id for id, n in Counter(read.values("id")).items() if n > 1] == []
    anchors = set(read.values("id")) | {f"run-{s}" for s in json.loads(read.scripts[0])["signatures"]}
    assert [h for h in read.values("href") if h.startswith("#") and h[1:] not in anchors] == []


def test_it_can_be_used_without_seeing_it(read):
    assert read.values("lang", "html") == ["en"]
    pictures = [attributes for tag, attributes in read.elements if tag == "svg"]
    assert pictures and all("aria-label" in p or p.get("aria-hidden") == "true" for p in pictures)
    assert len(read.values("alt", "img")) == read.tags["img"]
    assert read.tags["h1"] == 1


def test_identical_results_give_the_identical_page(html, results, verdicts, figures, details):
    assert html == page.html(results, verdicts, figures, details=details, paper=PAPER, board="../../index.html")


def test_the_table_stands_without_scripts(read, results):
    assert read.tags["noscript"] == 1
    first = results.runs.head(page.ROWS_WITHOUT_SCRIPT)["signature"].to_list()
    assert all(signature in read.text for signature in first)


def test_no_text_becomes_markup(evil, figures):
    results, verdicts, details = evil
    evil_text = "<script>document.title='owned'</script>"
    for known in details.values():
        known["command"] += evil_text
        known["commit"] += evil_text
        known["config"][evil_text] = {evil_text: evil_text}
    results = Results(
        results.paper, results.scale, results.runs.rename({"box/reached": f"box/{evil_text}"}), results.units, results.curves,
        expected={f"{evil_text}": Expected(1, 1), **results.expected},
        selections={evil_text: results.selections["box"]},
        failures=[dict.fromkeys(("signature", "experiment", "arm", "seed", "class", "message", "traceback"), evil_text)],
        facts={evil_text: evil_text, "versions": {evil_text: evil_text}, "list": [evil_text]},
    )  # fmt: skip
    for claim in verdicts["claims"]:
        claim |= {key: claim[key] + evil_text for key in ("id", "statement", "source")} | {"paper_says": evil_text}
    for check in verdicts["checks"]:
        check |= {key: check[key] + evil_text for key in ("statement", "note", "unit", "threshold")}
        for detail in check["details"]:
            detail["name"] += evil_text
    paper = Entry(evil_text, evil_text, evil_text, evil_text, 2023, evil_text, evil_text)
    text = page.html(results, verdicts, figures, details=details, paper=paper, board=f"x{evil_text}")
    read = Reader(text)
    assert read.tags["script"] == 2 and len(read.scripts) == 2
    assert read.tags["img"] == 0
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert text.count(evil_text) == 0 and "<script>document" not in text
    assert evil_text in read.text  # it is there to be read
    assert evil_text in json.dumps(json.loads(read.scripts[0]))


def test_a_smoke_page_says_what_smoke_is_worth(figures, request):
    results = request.getfixturevalue("results")
    smoke = Results("made_up", "smoke", results.runs, results.units, results.curves, expected=results.expected)
    text = Reader(page.html(smoke, {"claims": [], "checks": []}, [], paper=PAPER)).text
    assert "Smoke runs only show that the path runs" in text and "SCALE=smoke" in text


def test_a_page_without_any_run(tmp_path):
    empty = Results("made_up", "desk", pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), expected={"box": Expected(3, 0)})
    path = page.write_page(empty, judge(empty, [], []), [], tmp_path)
    assert path == tmp_path / "index.html" and "No runs yet" in path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]  # nothing half-written is left


@pytest.mark.slow
def test_ten_thousand_records_stay_small_and_quick():
    n = 10_000
    results, details = records(n)
    start = time.process_time()
    text = page.html(results, judge(results, [], []), [], details=details, paper=PAPER)
    assert time.process_time() - start < 10
    assert len(text.encode()) < 15_000_000
    assert len(json.loads(Reader(text).scripts[0])["signatures"]) == n


def test_a_selection_shows_who_diverged_and_what_widening_added(results):
    rows = [
        {"values": {"lr": 0.1}, "score": 0.5},
        {"values": {"lr": 0.3}, "score": None, "diverged": 1, "widened": 1},
    ]
    stage = {"stage": 1, "by": "val/accuracy", "mode": "max", "per": {}, "candidates": rows, "winner": {"lr": 0.1}}
    results = replace(results, selections={"box": [{**stage, "on_edge": True}]})
    text = Reader(page.html(results, judge(results, [], []), [])).text
    assert "diverged" in text and "widening 1" in text and "stands on the edge of the grid" in text
    plain = replace(results, selections={"box": [{**stage, "candidates": rows[:1]}]})
    text = Reader(page.html(plain, judge(plain, [], []), [])).text
    assert "diverged" not in text and "added by" not in text and "stands on the edge" not in text
