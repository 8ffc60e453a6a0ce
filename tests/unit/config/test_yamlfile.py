"""A key that stands twice is an error with both lines, at any depth; anchors and merges work as always."""

from __future__ import annotations

import pytest

from assay.config import yamlfile
from assay.errors import UserError
from assay.launch import profiles
from assay.report import catalogue
from assay.study.declared import Study
from assay.system import places


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"f.yaml, line 3: 'a' stands there a second time \(first in line 1\)"),
        ("x:\n  - {k: 1}\n  - k: 1\n    l: 2\n    k: 3\n", r"line 5: 'k' .* line 3"),
        ("x: {k: 1, l: {m: 1, m: 1}}\n", r"line 1: 'm'"),
        ("a: &a {k: 1}\nb:\n  <<: *a\n  <<: *a\n", r"line 4: '<<'"),
        ("0.1: a\n1e-1: b\n1: c\n1.0: d\n", r"line 4: '1.0'"),
        ("on: 1\nyes: 2\n", r"line 2: 'yes'"),
        ("a: [1\nb: 2\n", r"f.yaml: .*expected"),
        ("a: 1\n<<: 3\n", r"line 2: '<<' takes keys and values"),
        ("[1, 2]: 3\n", r"line 1: a key must be plain"),
    ],
)
def test_what_stands_twice_or_is_no_yaml(text, message):
    with pytest.raises(UserError, match=message):
        yamlfile.parse(text, "f.yaml")


def test_merges_and_anchors():
    text = "a: &a {k: 1, l: [1, 2]}\nb: &b {<<: *a, k: 2}\nc: {m: 3, <<: [*b, *a], l: 4}\nd: *a\ne: {<<: *b}\n"
    a, b = {"k": 1, "l": [1, 2]}, {"k": 2, "l": [1, 2]}
    found = yamlfile.parse(text, "f")
    assert found == {"a": a, "b": b, "c": {"k": 2, "l": 4, "m": 3}, "d": a, "e": b}
    assert list(found["c"]) == ["k", "l", "m"]  # what is merged comes first, and keeps its place where it is overridden
    assert yamlfile.parse("", "f") is None
    assert yamlfile.parse("a: \N{GREEK SMALL LETTER ALPHA}", "f") == {"a": "\N{GREEK SMALL LETTER ALPHA}"}


TWICE = "slug: mfac\nexperiments:\n  box:\n    arms:\n      a: {}\n      a: {}\n    scales: {desk: {}}\n"


def test_every_yaml_file_of_ours_is_read_so(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.setattr(places, "CONF", tmp_path / "conf")
    monkeypatch.setattr(places, "PAPERS", tmp_path / "papers")
    for path in ("conf/paper/mfac.yaml", "slurm/profiles/x.yaml", "slurm/needs.yaml", "papers/catalogue.yaml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(TWICE, encoding="utf-8")
    (tmp_path / "papers" / "mfac").mkdir()
    with pytest.raises(UserError, match=r"conf/paper/mfac.yaml, line 6: 'a'"):
        Study.of("mfac")
    with pytest.raises(UserError, match=r"slurm/profiles/x.yaml, line 6: 'a'"):
        profiles.load("x")
    with pytest.raises(UserError, match=r"slurm/needs.yaml, line 6: 'a'"):
        profiles.needs_of("mfac", "desk")
    with pytest.raises(UserError, match=r"papers/catalogue.yaml, line 6: 'a'"):
        catalogue.load()
