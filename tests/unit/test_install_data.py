"""`scripts/install_data.sh`: installs only as root on Debian, otherwise one line, and never fails."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install_data.sh"


@pytest.fixture
def run(tmp_path):
    """Runs a copy of the script in a checkout and on a machine without the data; `apt` is what apt-get exits with."""
    checkout = tmp_path / "checkout"
    (checkout / "scripts").mkdir(parents=True)
    (checkout / "conf" / "paper").mkdir(parents=True)
    shutil.copy(SCRIPT, checkout / "scripts")
    (checkout / "conf/paper/clothes.yaml").write_text("fix: {data: fashion_mnist}\n", encoding="utf-8")
    (checkout / "conf/paper/bandit.yaml").write_text("fix: {bandit: linear}\n", encoding="utf-8")

    def start(*arguments, user=0, apt=0, **environment):
        programs, log = tmp_path / "bin", tmp_path / "log"
        programs.mkdir(exist_ok=True)
        fakes = {"id": f"echo {user}", "apt-get": f'echo "$@" >> {log}; exit {apt}'}
        for name, body in fakes.items():
            (programs / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
            (programs / name).chmod(0o755)
        log.write_text("", encoding="utf-8")
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "ASSAY_DATA": str(tmp_path / "data"),
            "ASSAY_SYSTEM_DATA": str(tmp_path / "nowhere"),
            **environment,
        }
        result = subprocess.run(
            ["bash", checkout / "scripts" / SCRIPT.name, *arguments],
            env=environment,
            capture_output=True,
            encoding="utf-8",
        )
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout, log.read_text(encoding="utf-8")

    return start


debian = pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="not Debian")


@debian
def test_root_on_debian_gets_the_package(run):
    said, asked = run()
    assert said == "installing dataset-fashion-mnist (30 MB)\n"
    assert asked.count("install -y -qq dataset-fashion-mnist") == 1


@debian
def test_where_the_package_cannot_be_had_the_lists_are_got_once_and_then_it_says_so(run):
    said, asked = run(apt=1)
    assert "update" in asked
    assert said.splitlines()[-1].startswith(
        "Fashion-MNIST is not on this machine: apt-get install dataset-fashion-mnist"
    )


@pytest.mark.parametrize("how", [{"user": 1000}, {"ASSAY_OFFLINE": "1"}])
def test_others_get_one_line_that_says_what_to_do(run, how):
    said, asked = run(**how)
    assert asked == ""
    assert said.count("\n") == 1 and "apt-get install dataset-fashion-mnist, or set ASSAY_DATA to a folder" in said


@pytest.mark.parametrize("place", ["", "fashion-mnist", "FashionMNIST/raw"])
def test_nothing_happens_where_the_data_are(run, tmp_path, place):
    (tmp_path / "data" / place).mkdir(parents=True)
    (tmp_path / "data" / place / "train-images-idx3-ubyte.gz").write_bytes(b"images")
    assert run() == ("", "")


def test_a_paper_that_does_not_use_them_asks_for_nothing(run):
    assert run("bandit") == ("", "")
    for paper in ("clothes", "no_such_paper"):
        assert run(paper, user=1000)[0] != ""
