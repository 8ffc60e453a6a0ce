"""`scripts/install_browser.sh`: quiet where a browser is, installs as root on Debian, and says so where it cannot."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install_browser.sh"


@pytest.fixture
def run(tmp_path):
    """Runs the script with no programs but bash, timeout and these; `apt` is what apt-get exits with."""
    programs, log = tmp_path / "bin", tmp_path / "log"

    def start(user=0, apt=0, browser=False, **environment):
        programs.mkdir()
        fakes = {"id": f"echo {user}", "apt-get": f'echo "$@" >> {log}; exit {apt}'}
        fakes |= {"chromium": "exit 0"} if browser else {}
        for name, body in fakes.items():
            (programs / name).write_text(f"#!{shutil.which('sh')}\n{body}\n", encoding="utf-8")
            (programs / name).chmod(0o755)
        (programs / "timeout").symlink_to(shutil.which("timeout"))
        log.write_text("", encoding="utf-8")
        command = [shutil.which("bash"), SCRIPT]
        result = subprocess.run(
            command, env={"PATH": str(programs), **environment}, capture_output=True, encoding="utf-8"
        )
        return result, log.read_text(encoding="utf-8")

    return start


def test_where_there_is_a_browser_nothing_is_done(run):
    result, asked = run(browser=True)
    assert (result.returncode, result.stdout, result.stderr, asked) == (0, "", "", "")


@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="not Debian")
def test_on_debian_it_is_installed(run):
    result, asked = run()
    assert (result.returncode, result.stderr) == (0, "") and "install -y" in asked and "chromium" in asked


@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="not Debian")
def test_where_that_fails_lists_are_renewed_and_it_is_told(run):
    result, asked = run(apt=100)
    assert result.returncode == 1 and result.stderr.startswith("there is no chromium on this machine")
    assert asked.count("install -y") == 3 and asked.count("update -qq") == 3


@pytest.mark.parametrize("how", [{"user": 1000}, {"ASSAY_OFFLINE": "1"}])
def test_elsewhere_it_only_says_what_to_do(run, how):
    result, asked = run(**how)
    assert (result.returncode, asked) == (1, "") and len(result.stderr.splitlines()) == 1
