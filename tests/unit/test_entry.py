"""A process that is left quickly leaves nothing undone, and says what Python would have said."""

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys, threading, time
from assay.entry import leave_after

def main():
    atexit.register(lambda: print("at exit"))
    threading.Thread(target=lambda: (time.sleep(0.1), print("thread done"))).start()
    print("main done")
    {end}

leave_after(main)
"""


@pytest.mark.parametrize(
    ("end", "code", "err"),
    [
        ("pass", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("raise SystemExit('a message')", 1, "a message"),
        ("raise ValueError('a fault')", 1, "ValueError: a fault"),
    ],
)
def test_everything_due_is_done_and_the_code_is_kept(end, code, err):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(end=end)], capture_output=True, text=True, check=False
    )
    assert result.returncode == code
    assert result.stdout.splitlines() == ["main done", "thread done", "at exit"]
    assert err in result.stderr and bool(err) == bool(result.stderr)


def test_garbage_is_collected_again_whatever_happened():
    import gc

    from assay.entry import uncollected

    with pytest.raises(KeyError), uncollected():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
