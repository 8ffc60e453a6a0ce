"""What the page's script reads is what the tables hold."""

import json
import math

import numpy as np
import polars as pl
import pytest

from assay.report import payload
from assay.results import Results

CODES = {c: i for i, c in enumerate(payload.ALPHABET)}


def decoded(data, curve):
    """As `templates/page.js` reads a curve."""
    steps, low, high, text, *log = curve
    found = []
    for i, step in enumerate(data["steps"][steps]):
        level = CODES[text[2 * i]] * 64 + CODES[text[2 * i + 1]]
        if level < payload.LEVELS:
            share = level / (payload.LEVELS - 1)
            found.append((step, low * (high / low) ** share if log else low + (high - low) * share))
    return found


def one_curve(values, steps=None):
    row = {"experiment": "e", "arm": "a", "seed": 1, "signature": "s", "registered": True}
    steps = range(len(values)) if steps is None else steps
    curves = [row | {"name": "loss", "step": step, "value": value} for step, value in zip(steps, values, strict=True)]
    frame = pl.DataFrame(curves, schema_overrides={"value": pl.Float64}, strict=False)
    results = Results("p", "desk", pl.DataFrame([row | {"x/y": 1.0}]), pl.DataFrame(), frame)
    data = json.loads(payload.dump(payload.build(results, [], {})))
    return decoded(data, data["experiments"][0]["curves"][0]["runs"][0])


@pytest.mark.parametrize("values", [[3.0, 1.0, 2.0, -1.5], list(np.geomspace(1e-8, 10, 50)), [7.0, 7.0, 7.0]])
def test_curves_come_back(values):
    found = one_curve(values)
    assert [step for step, _ in found] == list(range(len(values)))
    span = max(values) - min(values)
    for (_, value), true in zip(found, values, strict=True):
        assert value == pytest.approx(true, rel=0.006, abs=span / 4000)


def test_points_that_are_no_numbers_are_left_out():
    found = one_curve([1.0, math.nan, math.inf, None, 2.0])
    assert found == [(0, 1.0), (4, 2.0)]
    assert one_curve([math.nan, math.nan]) == []


def test_long_curves_are_thinned_and_keep_their_ends():
    steps = np.unique(np.geomspace(1, 1e6, 900).astype(int))
    found = one_curve(list(np.sin(steps / 1e5)), steps.tolist())
    assert len(found) <= payload.MOST_POINTS
    assert (found[0][0], found[-1][0]) == (1, 1_000_000)


def test_configurations_come_back(results, details):
    data = payload.build(results, [], details)
    for block in data["experiments"]:
        config = block["config"]
        for i, number in enumerate(block["signature"]):
            full = dict(config["common"])
            full |= {v["key"]: v["values"][v["at"][i]] for v in config["varying"] if v["at"][i] >= 0}
            assert full == payload.wording.flat(details[data["signatures"][number]]["config"])
        assert all(len({*v["at"]}) > 1 for v in config["varying"])


def test_every_row_and_number_is_there(results, details):
    data = payload.build(results, [], details)
    assert sum(len(block["seed"]) for block in data["experiments"]) == len(results.runs)
    box = next(block for block in data["experiments"] if block["name"] == "box")
    assert [axis["name"] for axis in box["axes"]] == ["optimizer.weight_decay"]
    frame = results.runs.filter(pl.col("experiment") == "box")
    for scalar in box["scalars"]:
        assert scalar["values"] == pytest.approx(frame[scalar["name"]].to_list(), rel=1e-5)
    assert len(box["extra"]) == len(frame.filter(~pl.col("registered")))


def test_checks_know_their_runs(results, verdicts):
    data = payload.build(results, verdicts["checks"], {})
    for check in verdicts["checks"]:
        numbers = [n for first, last in data["checks"][check["id"]] for n in range(first, last + 1)]
        assert sorted(data["signatures"][n] for n in numbers) == sorted(check["runs"])


def test_commands_are_kept_once_and_fit_every_run(results):
    signatures = results.runs["signature"].to_list()
    data = payload.build(results, [], {s: {"command": f"assay run {s} --paper made_up"} for s in signatures})
    assert [block["commands"] for block in data["experiments"]] == [["assay run SIGNATURE --paper made_up"]] * 3


def test_the_time_of_a_run_is_no_axis(results):
    timed = Results(
        "p", "desk", results.runs.with_columns(seconds=pl.lit(2.5)), results.units, results.curves.head(0)
    )  # fmt: skip
    data = payload.build(timed, [], {})
    assert all("seconds" not in [axis["name"] for axis in block["axes"]] for block in data["experiments"])
    assert {s for block in data["experiments"] for s in block["seconds"]} == {2.5}


def test_awkward_values_become_json():
    values = [math.inf, -math.inf, math.nan, 2**60, [1, math.nan], None, True, 0.1 + 0.2, 3.0]
    expected = ["inf", "-inf", "nan", str(2**60), [1, "nan"], None, True, 0.3, 3]
    assert json.loads(payload.dump([payload._plain(value) for value in values])) == expected


def test_json_cannot_end_its_element():
    text = payload.dump({"</script><script>&": "\u2028<!--"})
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == {"</script><script>&": "\u2028<!--"}


def test_no_runs_at_all():
    empty = Results("p", "desk", pl.DataFrame(), pl.DataFrame(), pl.DataFrame())
    assert payload.build(empty, [], {})["experiments"] == []
