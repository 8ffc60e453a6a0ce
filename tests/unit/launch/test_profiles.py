"""Profiles: what is wrong in one is a line that names it."""

import re

import pytest

from assay.config import yamlfile
from assay.errors import UserError
from assay.launch import profiles, site


def test_the_profiles_that_come_along_are_valid():
    names = [path.stem for path in profiles.folder().glob("*.yaml")]
    assert "default" in names
    for name in names:
        assert profiles.load(name).about
    assert profiles.needs_of("no_such_paper", "paper") == profiles.Needs()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (90, 90), ("90", 90), (" 45 ", 45),
        ("1:30", 2), ("90:00", 90), ("00:30", 1), ("00:00", 0),
        ("4:00:00", 240), ("1:30:00", 90), ("1:30:01", 91), ("36:0:0", 2160),
        ("2-0", 2880), ("1-12", 2160), ("1-12:00", 2160), ("1-2:30", 1590), ("1-02:00:00", 1560), ("0-0:0:1", 1),
    ],
)  # fmt: skip
def test_times_are_what_slurm_takes_them_for(value, expected):
    assert profiles.minutes(value) == expected


@pytest.mark.parametrize(
    "value", ["soon", "", "1:2:3:4", "1-", "-5", "1.5", 1.5, True, None, "1-2-3", "5400s", "infinite"]
)
def test_what_slurm_would_not_take_is_no_time(value):
    with pytest.raises(ValueError, match="expected minutes"):
        profiles.minutes(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("time: 90", 90), ("time: '1:30:00'", 90), ('time: "1-12:00"', 2160), ("time: 1-12:00", 2160),
     ("time: 01:30:00", 90), ("time: 0:30", 1), ("time: 1_000", 1000)],
)  # fmt: skip
def test_times_in_a_file(text, expected):
    assert profiles.parse(yamlfile.parse(text, "where"), "where").time == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("about: x\ntime: 1:30:00", "line 2: YAML reads 1:30:00 as the number 5400; put it in quotes"),
        ("time: 12:30", "line 1: YAML reads 12:30 as the number 750; put it in quotes"),
        ("memory_gb: 1:30.5", "YAML reads 1:30.5 as the number 90.5"),
        ("time: 060", "YAML reads 060 as the number 48"),
        ("pack: {minutes: 1:00}", "YAML reads 1:00 as the number 60"),
        ("time: 0x1F", "YAML reads 0x1F as the number 31"),
    ],
)
def test_a_number_that_is_not_what_it_looks_like_is_refused(text, words, tmp_path, monkeypatch):
    monkeypatch.setattr(profiles.places, "ROOT", tmp_path)
    profiles.folder().mkdir(parents=True)
    (profiles.folder() / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        profiles.load("mine")
    assert str(caught.value).startswith("slurm/profiles/mine.yaml, line ")
    assert "\n" not in str(caught.value)


def test_a_partitions_limit_is_compared_in_slurms_forms(monkeypatch):
    monkeypatch.setattr(site, "_lines", lambda *_: ["gpu|1-12:00:00|gpu*", "long|infinite|long", "odd|n/a|odd"])
    for name in ("gpu", None):
        site.check_partition(name, 2160)
        with pytest.raises(UserError, match="gpu allows 2160 minutes; the profile asks for 2161"):
            site.check_partition(name, 2161)
    site.check_partition("long", 10**6)
    site.check_partition("odd", 10**6)
    with pytest.raises(UserError, match="unknown partition"):
        site.check_partition("gpus", 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"partitoin": "gpu"}, "where: unknown key 'partitoin': did you mean partition"),
        ({"pack": {"sied": 2}}, "unknown key 'sied': did you mean side"),
        ({"time": "soon"}, "where: time: value error, expected minutes, or"),
        ({"time": 0}, "where: time: input should be greater than or equal to 1"),
        ({"setup": ["export WANDB_API_KEY=1"]}, "a set-up line sets a secret"),
        ({"wandb": "maybe"}, "where: wandb:"),
        (["a list"], "expected keys and values"),
    ],
)
def test_what_is_wrong_is_one_line(content, words):
    with pytest.raises(UserError) as caught:
        profiles.parse(content, "where")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
