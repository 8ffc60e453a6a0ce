"""What other machines found is kept, compared where the same was asked, and told in one line a check."""

import json
from dataclasses import replace

import pytest
from made_up import make_results, rules

from assay.errors import UserError
from assay.report import board, replications
from assay.report.catalogue import Catalogue, Entry
from assay.review.judged import judge
from assay.study.session import write_json
from assay.system import places

FACTS = {"commits": ["c0ffee"], "versions": {"torch": "2.15.0"}, "last": "2026-11-25T10:00:00Z"}


def facts(cpu="a processor", cores=2, commit="c0ffee", day="25"):
    machine = json.dumps({"system": "Linux", "cpu": cpu, "cores": cores})
    return {**FACTS, "machines": [machine], "commits": [commit], "last": f"2026-11-{day}T10:00:00Z"}


def results(**more):
    found = make_results(seeds=range(1, 11))
    return replace(found, facts=facts(**more))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Committed results of the made-up paper."""
    monkeypatch.setattr(places, "PAPERS", tmp_path / "papers")
    folder = tmp_path / "papers" / "made_up" / "results" / "desk"
    results().save(folder)
    write_json(folder / "verdicts.json", judge(results(), *rules()))
    return folder


def verdicts_with(**moved):
    """The verdicts, with those of some checks changed."""
    content = json.loads(json.dumps(judge(results(), *rules())))
    for row in content["checks"]:
        if row["id"] in moved:
            row["verdict"], row["measured"] = moved[row["id"]]
    return content


def entries(folder):
    return json.loads((folder / "replications.json").read_text(encoding="utf-8"))["replications"]


def test_a_sweep_of_another_machine_is_added_and_one_of_the_same_is_a_rerun(folder):
    replications.add(results(cpu="another"), verdicts_with())
    replications.add(results(cpu="another", commit="beef"), verdicts_with())
    replications.add(results(commit="beef"), verdicts_with())
    found = entries(folder)
    assert [(one["machine"]["cpu"], one["commit"], one.get("rerun", False)) for one in found] == [
        ("another", "c0ffee", False),
        ("another", "beef", True),
        ("a processor", "beef", True),
    ]
    assert found[0]["date"] == "2026-11-25" and found[0]["machine"] == {"cpu": "another", "cores": 2, "torch": "2.15.0"}
    assert found[0]["checks"]["two"]["verdict"] == "reproduced"
    assert len(replications.everything(folder)) == 4


def test_the_same_machine_at_the_same_commit_replaces_what_it_said(folder):
    for verdict in ("refuted", "inconclusive"):
        replications.add(results(cpu="another"), verdicts_with(two=(verdict, 0.5)))
    (one,) = entries(folder)
    assert one["checks"]["two"] | {"form": ""} == {"verdict": "inconclusive", "measured": 0.5, "form": ""}
    assert "rerun" not in one


def test_what_was_published_is_no_replication_of_itself(folder):
    with pytest.raises(UserError, match="the committed results are of this machine at this commit"):
        replications.add(results(), verdicts_with())
    (folder / "results.json").unlink()
    with pytest.raises(UserError, match="no committed results at scale desk"):
        replications.add(results(cpu="another"), verdicts_with())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["replications"][0].pop("machine"), r"replications\.0\.machine: Field required"),
        (lambda c: c["replications"][0]["machine"].update(cores=-1), r"replications\.0\.machine\.cores"),
        (lambda c: c["replications"][0]["checks"]["two"].update(verdict="fine"), r"checks\.two\.verdict"),
        (lambda c: c["replications"][0].update(date="yesterday"), r"replications\.0\.date"),
        (lambda c: c.update(schema=9), "schema: Input should be 1"),
        (lambda c: c.update(more=1), "more: Extra inputs"),
    ],
)
def test_nonsense_is_one_clear_line(folder, change, message):
    path = replications.add(results(cpu="another"), verdicts_with())
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        replications.everything(folder)
    assert "\n" not in str(caught.value) and "replications.json" in str(caught.value)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="Invalid JSON"):
        replications.load(path)


def test_numbers_that_are_words_come_back(folder):
    path = replications.add(results(cpu="another"), verdicts_with(two=("inconclusive", "nan")))
    assert replications.load(path)[0].checks["two"].measured == "nan"


def test_machines_are_counted_by_their_latest_sweep_and_only_where_the_same_was_asked(folder):
    replications.add(results(cpu="b"), verdicts_with(two=("refuted", -0.5)))
    replications.add(results(cpu="b", commit="beef", day="26"), verdicts_with(two=("inconclusive", 0.01)))
    amended = verdicts_with(two=("refuted", -0.5))
    for row in amended["checks"]:
        for condition in row["form"]["conditions"]:
            condition["name"] += ", in other words"  # which ask for nothing else
    next(row for row in amended["checks"] if row["id"] == "two")["form"]["groups"] = "any"
    replications.add(results(cpu="c"), amended)
    content = verdicts_with()
    own, *others = replications.everything(folder)
    held = replications.held(own, content, [own, *others])
    assert (held["two"].same, held["two"].of) == (1, 2)
    assert held["two"].others == ["b, 2 cores, torch 2.15.0 (again): inconclusive (0.01)"]
    assert held["any"].text == "held on 3 of 3 machines"
    assert replications.held(own, content, [own]) == {}


def test_a_claim_on_which_machines_disagree_is_marked(folder):
    fine = {row["id"]: ("reproduced", 1.0) for row in verdicts_with()["checks"] if "C1" in row["serves"]}
    replications.add(results(cpu="another"), verdicts_with(**fine))
    (row,) = board.rows(catalogue=Catalogue({}, [Entry("made_up", "M")]), papers=places.PAPERS, claims=lambda s: [])
    assert not row.judged  # not here without its claims
    (folder.parents[1] / "claims.py").touch()
    (row,) = board.rows(catalogue=Catalogue({}, [Entry("made_up", "M")]), papers=places.PAPERS, claims=lambda s: [])
    apart = {claim["id"]: claim["apart"] for claim in row.own.claims}
    assert apart == {"C1": "machines disagree: reproduced on 1, refuted on 1", "C2": ""}
    text = board.markdown([row], {})
    assert "C1: machines disagree: reproduced on 1, refuted on 1" in text


def test_this_machines_runs_are_held_against_the_committed_ones(folder, tmp_path, monkeypatch):
    from assay.records import digest

    (folder.parents[1] / "claims.py").touch()
    fine = {row["id"]: ("reproduced", 1.0) for row in verdicts_with()["checks"] if "C1" in row["serves"]}
    local = {**verdicts_with(**fine)}
    local["claims"][0]["verdict"] = "reproduced"
    write_json(tmp_path / "reports" / "made_up" / "desk" / "verdicts.json", local)

    def apart(cpu):
        monkeypatch.setattr(digest, "machine", lambda: {"cpu": cpu, "cores": 2})
        monkeypatch.setattr(digest, "versions", lambda: {"torch": "2.15.0"})
        (row,) = board.rows(
            catalogue=Catalogue({}, [Entry("made_up", "M")]), papers=places.PAPERS, reports=tmp_path / "reports"
        )
        return row.own.claims[0]["apart"]

    assert apart("mine") == "machines disagree: reproduced on 1, refuted on 1"
    assert apart("a processor") == ""  # the machine of the committed results: its latest word counts


def test_what_differs_from_the_committed_results_is_a_line_a_check(folder):
    moved = verdicts_with(
        two=("inconclusive", 0.22), margin=("refuted", 0.5), nested=("untested", None), exact=("refuted", 1.0)
    )
    every = next(row for row in moved["checks"] if row["id"] == "every seed")
    every["verdict"], every["details"][0]["k"] = "inconclusive", 4
    assert replications.differences("made_up", "desk", moved) == [
        "check two: undecided here, reproduced there; same sign (0.22 here, 0.0592 there)",
        "check margin: refuted here, reproduced there; other side of the bound (0.5 here, 0.878 there)",
        "check every seed: undecided here, reproduced there; 4 of 5 here, 5 of 5 there",
        "check exact: refuted here, reproduced there; 1 here, 3 × 10⁻⁹ there",
    ]
    assert replications.differences("made_up", "desk", verdicts_with()) == []
    assert replications.differences("other", "desk", moved) == []


def test_what_is_not_known_of_a_machine_is_said_to_be(folder):
    machine = replications.machine_of({})
    assert str(machine) == "unknown, 0 cores, torch unknown"
    two = [json.dumps({"cpu": cpu, "cores": cores}) for cpu, cores in (("b", 4), ("a", 2))]
    assert str(replications.machine_of({"machines": two, "versions": {"torch": ["2.14", "2.15"]}})) == (
        "a; b, 4 cores, torch 2.14, 2.15"
    )
