"""Profiles: what is wrong in one is a line that names it."""

import pytest

from assay.errors import UserError
from assay.launch import profiles


def test_the_profiles_that_come_along_are_valid():
    names = [path.stem for path in profiles.folder().glob("*.yaml")]
    assert "default" in names
    for name in names:
        assert profiles.load(name).about
    assert profiles.needs_of("no_such_paper", "paper") == profiles.Needs()


@pytest.mark.parametrize(
    ("value", "expected"), [("4:00:00", 240), ("30:00", 30), ("00:30", 1), ("1-02:00:00", 1560), (45, 45), ("x", "x")]
)
def test_times_as_slurm_writes_them(value, expected):
    assert profiles.minutes(value) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"partitoin": "gpu"}, "where: unknown key 'partitoin': did you mean partition"),
        ({"pack": {"sied": 2}}, "unknown key 'sied': did you mean side"),
        ({"time": "soon"}, "where: time: input should be a valid integer"),
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
