"""Verdicts are read back whoever wrote them; what older ones say in prose becomes data once."""

import json
import math

import pytest

from assay.errors import UserError
from assay.measures import Bound
from assay.review import verdicts


def old(kind, threshold, details=(), **more):
    row = {"id": "1", "serves": ["C1"], "kind": kind, "statement": "a test", "verdict": "reproduced", "measured": 1.0,
           "interval": None, "threshold": threshold, "unit": "seed", "n": 5, "runs": [], "details": list(details),
           "note": "", "p_value": None, "units_needed": None, "amended": None}  # fmt: skip
    return {**row, **more}


def migrated(*rows):
    claim = {
        "id": "C1",
        "statement": "it holds",
        "source": "",
        "paper_says": None,
        "verdict": "reproduced",
        "checks": [],
    }
    return verdicts.migrated({"schema": 1, "paper": "p", "scale": "desk", "claims": [claim], "checks": list(rows)})


def names(row):
    return [condition["name"] for condition in row["form"]["conditions"]]


def group(value=0.0, interval=None, holds=True, name=""):
    return {"name": name, "value": value, "interval": interval, "n": 5, "holds": holds}


@pytest.mark.parametrize(
    ("said", "bound", "name"),
    [
        ("gap <= 1e-06", Bound(high=1e-6), "gap"),
        ("max |x| < λ, scaled >= 0.99 and <= 1.01", Bound(0.99, 1.01), "max |x| < λ, scaled"),
        ("error < -1.5", Bound(high=-1.5, strict=True), "error"),
        ("> 0", Bound(low=0, strict=True), ""),
        ("log MSE - step 1's <= 0", Bound(high=0), "log MSE - step 1's"),
    ],
)
def test_bounds_in_prose_become_data(said, bound, name):
    row = migrated(old("interval", said, [group()]))["checks"][0]
    assert names(row) == [name] and verdicts.bounds(row) == bound


def test_margins_and_groups_in_prose_become_data():
    said = "accuracy, SAF minus SAM: mean >= -0.003, interval > -0.005"
    (row,) = migrated(old("interval", said, [group()]))["checks"]
    assert names(row) == ["accuracy, SAF minus SAM"] and verdicts.bounds(row) == Bound(low=-0.003)
    assert verdicts.widened(row["form"], verdicts.bounds(row)) == Bound(low=-0.005)
    (row,) = migrated(old("interval", "accuracy: mean >= -0.003", [group()]))["checks"]
    assert row["form"]["margin"] == "any" and verdicts.widened(row["form"], verdicts.bounds(row)) == Bound()
    (row,) = migrated(old("interval", "1-EV > 0 in >= 2 groups", [group(name=n) for n in "abcd"]))["checks"]
    assert row["form"]["groups"] == [2, 3] and names(row) == ["1-EV"]


@pytest.mark.parametrize(
    ("said", "n", "need"),
    [("gap <= 1 in >= 18", 20, 18), ("a <= 1; b > 0 in every unit", 5, 5), ("gap <= 1 in >= 0.9", 20, 18)],
)
def test_what_a_count_needs_becomes_data(said, n, need):
    detail = {"name": "", "k": n - 1, "n": n, "holds": False}
    (row,) = migrated(old("count", said, [detail]))["checks"]
    assert row["details"][0]["need"] == need and row["details"][0]["verdict"] == "refuted"
    assert len(row["form"]["conditions"]) == said.count(";") + 1
    assert row["form"]["need"] == (None if said.endswith("every unit") else float(said.split()[-1]))


def test_a_group_that_did_not_hold_was_refuted_or_open():
    details = [group(1, [0.5, 1.5]), group(0, [-1, 1], False), group(-1, [-1.5, -0.5], False), group(None, None, False)]
    (row,) = migrated(old("interval", "d > 0", details))["checks"]
    assert [d["verdict"] for d in row["details"]] == ["reproduced", "inconclusive", "refuted", "inconclusive"]
    assert verdicts.level(row) == 0.05


def test_the_tally_and_the_code_are_counted():
    failing = old("exact", "gap <= 1e-06", [{"name": "gap", "value": 1.0, "bound": "<= 1e-06", "holds": False, "n": 1}],
                  id="2", serves=[], verdict="refuted")  # fmt: skip
    content = migrated(old("interval", "d > 0", [group()]), old("report", "", id="3", verdict=None), failing)
    assert content["claims"][0]["holds"] == [1, 1] and content["code"] == {"holds": [0, 1], "failed": ["2"]}
    assert content["schema"] == 2 and content["checks"][2]["details"][0]["bound"]["high"] == 1e-6


def test_a_pair_of_groups_is_a_pair_again():
    assert verdicts.groups_of({"groups": [2, 3]}) == (2, 3) and verdicts.groups_of({}) == "all"


def test_a_bound_without_ends_demands_nothing():
    assert verdicts.bound_of(None) == Bound(-math.inf, math.inf)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "holds no verdicts: Expecting"),
        ("[]", "no list of claims"),
        ('{"claims": 3}', "no list of claims"),
        ('{"claims": [], "schema": 3}', "has schema 3, this version reads 1 to 2"),
        ('{"claims": [], "schema": "x"}', "has schema 'x'"),
    ],
)
def test_what_is_no_verdicts_is_one_line(tmp_path, content, message):
    path = tmp_path / "verdicts.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        verdicts.read(path)
    assert "\n" not in str(caught.value)


def test_current_ones_are_left_as_they_are(tmp_path):
    path = tmp_path / "verdicts.json"
    content = {"schema": 2, "claims": [], "checks": [{"threshold": "x > 0"}]}
    path.write_text(json.dumps(content), encoding="utf-8")
    assert verdicts.read(path) == content
