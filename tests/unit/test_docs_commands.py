"""Every command that a page, a README or a `--help` shows is one that exists, with options that exist."""

from __future__ import annotations

import re
import shlex
from itertools import chain

import pytest
import typer

from assay import train
from assay.app.cli import app
from assay.config import loading
from assay.study.declared import SCALES, Study
from assay.system import places

PAGES = [
    *(places.ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(places.ROOT.glob("docs/*.md")),
    *sorted(places.ROOT.glob("slurm/*.md")),
    *sorted(places.PAPERS.glob("*/README.md")),
]
STARTS = ("assay ", "make ", "python -m assay.train ")
ROOT_COMMAND = typer.main.get_command(app)


def commands_of(text):
    """Commands in fenced blocks (a line each) and in inline code, comments cut off."""
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in chain((line for block in fenced for line in block.splitlines()), inline):
        command = re.split(r"\s{2,}|\s#", line.strip())[0]
        if command.startswith(STARTS) and "..." not in command:
            yield command


def helps(command, path="assay"):
    """The examples in the help of every subcommand."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from helps(inner, f"{path} {name}")
    for line in (command.help or "").splitlines():
        example = re.split(r"\s{2,}", line.strip())[0]
        if example.startswith("assay "):
            yield example


SHOWN = sorted({(page.name, command) for page in PAGES for command in commands_of(page.read_text(encoding="utf-8"))})
HELPS = sorted({("--help", command) for command in helps(ROOT_COMMAND)})


def test_there_are_some():
    assert len(SHOWN) > 20
    assert len(HELPS) > 20


@pytest.mark.parametrize(("where", "command"), [*SHOWN, *HELPS])
def test_commands_exist(where, command):
    words = shlex.split(command)
    {"assay": check_assay, "make": check_make, "python": check_train}[words[0]](words)


def check_assay(words):
    command, rest = ROOT_COMMAND, words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0].isupper():  # "assay COMMAND --help"
            return
        assert rest[0] in command.commands, f"no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    if hasattr(command, "commands"):
        return
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help",
        "-h",
    }
    for word in rest:
        assert not word.startswith("-") or word.partition("=")[0] in known, f"{command.name} has no {word}"


def check_make(words):
    makefile = (places.ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words[1:]:
        name, is_set, value = word.partition("=")
        pattern = rf"^{name} \?=" if is_set else rf"^{name}:"
        assert re.search(pattern, makefile, re.MULTILINE), f"the Makefile has no {name}"
        if name == "SCALE":
            assert value in SCALES
        if name == "PAPER" and value not in ("PAPER", "my_paper"):
            assert value in loading.papers()
    given = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    if "EXPERIMENT" in given:
        assert given["EXPERIMENT"] in Study.of(given["PAPER"]).experiments


def check_train(words):
    words = [word for word in words[3:] if word not in ("-m", "--multirun")]
    if "paper=my_paper" in words:
        return
    train.guard(words)
    first = [(key, value[0] if swept else value) for key, value, swept in train.parse(words)]
    train.resolve([(key, value) for key, value in first if not key.startswith("hydra")])
