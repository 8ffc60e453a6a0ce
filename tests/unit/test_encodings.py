"""Text is UTF-8 whatever the locale says: nothing reads or writes it without saying so, and no command falls over it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

from assay.system import places

C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}

MODES = set("rwax+tb")


def mode_of(call: ast.Call, place: int) -> str | None:
    """The literal mode of an open call, "" if none is given, None if it is no literal mode."""
    given = next((k.value for k in call.keywords if k.arg == "mode"), None)
    if given is None and len(call.args) > place:
        given = call.args[place]
    if given is None:
        return ""
    value = given.value if isinstance(given, ast.Constant) else None
    return value if isinstance(value, str) and value and set(value) <= MODES else None


def lacks(call: ast.Call) -> bool:
    """Whether a call reads or writes text and names no encoding."""
    names = {k.arg for k in call.keywords}
    if "encoding" in names or None in names:
        return False
    if any(k.arg in ("text", "universal_newlines") and getattr(k.value, "value", 0) is True for k in call.keywords):
        return True
    function = call.func
    if isinstance(function, ast.Name) and function.id == "open":
        mode = mode_of(call, 1)
        return mode is not None and "b" not in mode and len(call.args) < 4
    if not isinstance(function, ast.Attribute):
        return False
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    if function.attr == "read_text" and not call.args:
        return True
    if function.attr == "write_text" and len(call.args) == 1:
        return True
    if function.attr == "open" and owner in ("gzip", "bz2", "lzma"):
        return "t" in (mode_of(call, 1) or "")
    if function.attr == "fdopen":
        mode = mode_of(call, 1)
        return mode is not None and "b" not in mode
    if function.attr in ("NamedTemporaryFile", "TemporaryFile"):
        mode = mode_of(call, 0)
        return bool(mode) and "b" not in mode
    others = owner in ("os", "tarfile", "zipfile", "Image", "webbrowser", "wave") or owner.isupper()  # a resource
    if function.attr == "open" and not others:
        mode = mode_of(call, 0)
        return mode is not None and "b" not in mode and len(call.args) < 3
    return False


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("path.read_text()", True), ("path.write_text(x)", True), ("open(p)", True), ("open(p, 'a')", True),
        ("path.open()", True), ("path.open(mode='w')", True), ("gzip.open(p, 'rt')", True),
        ("subprocess.run(words, text=True)", True), ("os.fdopen(1, 'w')", True), ("NamedTemporaryFile('w')", False),
        ("tempfile.NamedTemporaryFile('w')", True),
        ("path.read_text(encoding='utf-8')", False), ("open(p, 'rb')", False), ("path.open('wb')", False),
        ("gzip.open(p)", False), ("TOKENS.open()", False), ("archive.open(name)", False), ("Image.open(p)", False), ("os.open(p, 0)", False),
        ("subprocess.run(words)", False), ("f(**more)", False),
    ],
)  # fmt: skip
def test_a_call_without_an_encoding_is_seen(call, expected):
    assert lacks(ast.parse(call, mode="eval").body) is expected


def test_no_text_is_read_or_written_in_the_encoding_of_the_surroundings():
    """A linter sees this only where it can tell that something is a path: 11 of the 42 calls that were mended once."""
    found = []
    for folder in ("src", "papers", "scripts", "benchmarks"):
        for path in sorted((places.ROOT / folder).rglob("*.py")):
            calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
            found += [f"{path.relative_to(places.ROOT)}:{call.lineno}" for call in calls if lacks(call)]
    assert not found


def command(*words: str, **surroundings: str) -> str:
    """What a command prints; in such a locale it can be ASCII only."""
    env = {**os.environ, **surroundings}
    done = subprocess.run([sys.executable, "-m", "assay", *words], cwd=places.ROOT, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("ascii" if "LC_ALL" in surroundings else "utf-8")


@pytest.mark.slow
def test_commands_work_where_the_locale_knows_no_utf_8(tmp_path):
    assert "large_step_lr" in command("list", **C_LOCALE)
    told = command("report", "lion_k", "--committed", **C_LOCALE, ASSAY_REPORTS=str(tmp_path / "c"))
    assert "reproduced" in told and "?" in told, "signs that it cannot write are question marks"
    command("report", "lion_k", "--committed", ASSAY_REPORTS=str(tmp_path / "utf-8"))
    pages = [(tmp_path / name / "lion_k" / "desk" / "index.html").read_bytes() for name in ("c", "utf-8")]
    assert pages[0] == pages[1] and not pages[0].isascii()


DIGESTS = """
import sys
from assay.study.session import Session
from assay.records.codes import code_of
session = Session(sys.argv[1], "smoke")
for signature, run in session.plan().runs.items():
    print(signature, code_of(run.config, session.store))
"""


@pytest.mark.slow
def test_signatures_and_digests_do_not_depend_on_the_locale():
    told = [
        subprocess.run(
            [sys.executable, "-c", DIGESTS, "lion_k"], cwd=places.ROOT, env={**os.environ, **surroundings},
            capture_output=True, check=True,
        ).stdout
        for surroundings in ({}, C_LOCALE)
    ]  # fmt: skip
    assert told[0] == told[1] and told[0]
