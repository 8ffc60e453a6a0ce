"""Judgements that differ by rounding are the same; any other difference is found, wherever it is."""

import copy

import pytest
from judgements import differences

VERDICTS = {"checks": [{"id": "1", "verdict": "reproduced", "measured": 0.25, "interval": [0.1, 0.4], "n": 5}]}


def test_rounding_is_no_difference():
    other = copy.deepcopy(VERDICTS)
    other["checks"][0]["measured"] *= 1 + 1e-15
    assert other != VERDICTS
    assert list(differences(VERDICTS, other)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("verdict", "refuted"),
        ("measured", 0.2500001),
        ("interval", [0.1]),
        ("interval", [0.1, 0.41]),
        ("n", 6),
        ("n", None),
    ],
)
def test_a_changed_entry_is_found(key, value):
    other = copy.deepcopy(VERDICTS)
    other["checks"][0][key] = value
    ((where, *_),) = differences(VERDICTS, other)
    assert where.startswith(f"/checks/0/{key}")


def test_a_missing_entry_is_found():
    assert list(differences(VERDICTS, {"checks": []}))
    assert list(differences(VERDICTS, {}))
