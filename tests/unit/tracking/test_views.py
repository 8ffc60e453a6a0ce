"""W&B views and the report show the papers' runs as they were sent, and are saved once, in order, to change later.

No W&B server was asked: the objects are looked at, and a local server keeps what the client sends.
"""

import http.server
import json
import threading
from dataclasses import replace

import pytest
from made_up import claims_and_checks, make_results

from assay.config import loading
from assay.errors import RunFailed, UserError
from assay.report import style, wording
from assay.review import sources
from assay.review.judged import judge
from assay.review.sources import Found
from assay.study import session
from assay.tracking import sync, views
from assay.tracking.views import build, report, send, spec, workspace, write

CLAIMS, CHECKS = claims_and_checks()


@pytest.fixture(scope="module")
def found():
    results = make_results()
    return Found("made_up", "desk", results, judge(results, CLAIMS, CHECKS))


@pytest.fixture
def papers(found, monkeypatch):
    """Two papers with the same results, and one without any."""
    monkeypatch.setattr(loading, "papers", lambda: ["made_up", "lion_k", "empty"])
    monkeypatch.setattr(session, "judge_paper", lambda paper, results: found.verdicts)
    monkeypatch.setattr(sources, "committed", lambda paper, scale: None)
    monkeypatch.setattr(sources, "local", lambda paper, scale: of(found, paper) if paper != "empty" else None)


def of(found, paper):
    return replace(found.results, paper=paper)


def section(view):
    return spec(view)["spec"]["section"]


def panels(view):
    return {s["name"]: s["panels"] for s in section(view)["panelBankConfig"]["sections"]}


def test_a_view_shows_the_papers_runs_by_experiment_and_setting(found):
    view = workspace(found, "lab", "assay")
    (runs,) = section(view)["runSets"]
    assert [(f["key"]["name"], f["op"], f["value"]) for f in runs["filters"]["filters"]] == [("group", "=", "made_up")]
    assert runs["grouping"] == [{"section": "run", "name": "jobType"}]
    shown = panels(view)
    assert list(shown) == ["exact", "box", "qp"]
    curves = [p["config"] for p in shown["box"] if p["viewType"] == "Run History Line Plot"]
    assert [c["metrics"] for c in curves] == [["train/loss"], ["box/violation"]]  # losses first
    assert all(c["xAxis"] == sync.STEP and c["groupBy"] == "jobType" and c["groupArea"] == "stderr" for c in curves)
    assert [c.get("yLogScale") for c in curves] == [None, True]
    bars = [p["config"]["metrics"][0] for p in shown["box"] if p["viewType"] == "Bar Chart"]
    assert set(bars) == {"box/reached", "test/accuracy", "time/step", "test/loss"}
    assert [p["viewType"] for p in shown["qp"]] == ["Bar Chart"]


def test_a_method_has_the_colour_that_it_has_in_the_figures(found):
    colours = workspace(found, "lab", "assay").runset_settings.group_colors
    assert colours["box/lion [optimizer.weight_decay=5.0]"] == style.PALETTE["rust"]
    assert colours["qp/sgd"] == style.PALETTE["blue"]
    assert colours["box/lion [optimizer.weight_decay=5.0]"] == colours["qp/lion"]
    sent = section(workspace(found, "lab", "assay"))["customRunColors"]
    assert len(sent) == len(colours) == 12 + 2 + 1


def test_the_names_in_views_are_those_that_runs_are_sent_under(found):
    """A setting's name is made by the same function where runs are sent; here from the tables."""
    names = set(workspace(found, "lab", "assay").runset_settings.group_colors)
    assert sync.setting("box", "sgd", {"optimizer.weight_decay": 20.0}) in names
    assert sync.setting("exact", "main", {}) in names


def _told(claim):
    return (
        f"{wording.mark(claim['verdict'], 'desk')}, {wording.held(claim['holds'])}: {claim['id']}. {claim['statement']}"
    )


def test_the_report_tells_every_claim_with_its_verdict(found):
    text = json.dumps(spec(report({"made_up": found}, "lab", "assay")), ensure_ascii=False)
    assert "1 of 56 papers have results, with 7 claims: 3 reproduced, 2 refuted, 1 inconclusive, 1 untested" in text
    for claim in found.verdicts["claims"]:
        assert json.dumps(_told(claim), ensure_ascii=False)[1:-1] in text
    grids = [b for b in spec(report({"made_up": found}, "lab", "assay"))["spec"]["blocks"] if b["type"] == "panel-grid"]
    assert len(grids) == 1
    (runs,) = grids[0]["metadata"]["runSets"]
    assert runs["filters"]["filters"][0]["value"] == "made_up" and "project" not in runs
    layouts = [p["layout"] for p in grids[0]["metadata"]["panelBankSectionConfig"]["panels"]]
    assert len({(at["x"], at["y"]) for at in layouts}) == len(layouts) == 3


def test_verdicts_without_tables_are_told_without_panels(found):
    bare = {"made_up": Found("made_up", "desk", None, found.verdicts)}
    assert "panel-grid" not in json.dumps(spec(report(bare, "lab", "assay")))
    assert panels(workspace(bare["made_up"], "lab", "assay")) == {}


def test_the_same_results_give_the_same_views(papers, tmp_path):
    for folder in ("a", "b"):
        files = write(build([], "desk", "lab", "assay"), tmp_path / folder)
        assert [path.name for path in files] == ["made_up.json", "lion_k.json", "board.json"]
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    ids = [p["__id__"] for name in ("made_up", "lion_k") for s in panels(workspace_of(name)).values() for p in s]
    assert len(set(ids)) == len(ids)


def workspace_of(paper):
    results = make_results()
    return workspace(Found(paper, "desk", results, judge(results, CLAIMS, CHECKS)), "lab", "assay")


def test_a_paper_without_results_is_one_line(papers):
    assert list(build(["lion_k"], "desk", "lab", "assay")) == ["lion_k"]
    with pytest.raises(UserError, match="no results at scale desk of empty"):
        build(["lion_k", "empty"], "desk", "lab", "assay")


# -- sending --------------------------------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Answers what the client asks when views are saved, and keeps the mutations. It is no W&B server."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.saved, self.failing = [], False


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        failed = self.server.failing and "upsertView" in asked["query"]
        content = json.dumps({"errors": [{"message": "no"}]} if failed else {"data": self.answer(asked)}).encode()
        self.send_response(400 if failed else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def answer(self, asked):
        given = asked.get("variables") or {}
        if "upsertView" in asked["query"]:
            self.server.saved.append(given)
            project = {"id": "1", "name": "assay", "entityName": "lab"}
            keys = {key: given[key] for key in ("name", "displayName", "description", "spec")}
            view = {"id": given.get("id") or f"id{len(self.server.saved)}", **keys, "project": project}
            times = {"createdAt": "2026-01-01T00:00:00", "updatedAt": "2026-01-01T00:00:00"}
            return {"upsertView": {"view": {**view, **times}, "inserted": True}}
        if "models(" in asked["query"]:
            node = {"id": "1", "name": "assay", "entityName": "lab", "createdAt": "2026-01-01T00:00:00", "user": None}
            page = {"endCursor": None, "hasNextPage": False}
            return {"models": {"edges": [{"node": {**node, "isBenchmark": False}, "cursor": ""}], "pageInfo": page}}
        teams = {"edges": []}
        return {"viewer": {"id": "1", "entity": "lab", "username": "u", "email": "", "flags": "{}", "teams": teams}}


@pytest.fixture
def server(monkeypatch):
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("WANDB_API_KEY", "local-" + "a" * 40)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    yield server
    import wandb

    wandb.teardown()
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_is_saved_once_in_order_and_changed_the_next_time(papers, server):
    naps = []
    urls = send(build([], "desk", "lab", "assay"), sleep=naps.append)
    assert list(urls) == ["made_up", "lion_k", "board"] and naps == [views.PAUSE] * 2
    assert all(url.startswith(f"http://127.0.0.1:{server.server_port}/lab/assay") for url in urls.values())
    first, server.saved = server.saved, []
    assert [given["displayName"] for given in first][1:] == [
        views.view_name("lion_k"),
        "What held up, claim by claim",
    ]
    assert [given.get("id") for given in first] == [None] * 3
    assert json.loads(first[1]["spec"]) == spec(build(["lion_k"], "desk", "lab", "assay")["lion_k"])["spec"]
    send(build([], "desk", "lab", "assay"), sleep=naps.append)
    assert [given["id"] for given in server.saved] == ["id1", "id2", "id3"]
    assert [given["name"] for given in server.saved[:2]] == [given["name"] for given in first[:2]]
    assert [given["spec"] for given in server.saved] == [given["spec"] for given in first]


def test_what_was_saved_before_a_failure_is_remembered(papers, server):
    def fail(seconds):
        server.failing = True

    with pytest.raises(RunFailed, match="1 of 3 were saved before"):
        send(build([], "desk", "lab", "assay"), sleep=fail)
    server.failing, server.saved = False, []
    send(build([], "desk", "lab", "assay"), sleep=lambda seconds: None)
    assert [given.get("id") for given in server.saved] == ["id1", None, None]


def test_whose_they_are_is_the_environments_word_or_the_accounts(server, monkeypatch):
    assert views.default_entity() == "lab"
    monkeypatch.setenv("WANDB_ENTITY", "team")
    assert views.default_entity() == "team"
