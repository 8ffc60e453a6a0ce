"""A process that is left quickly leaves nothing undone, and says what Python would have said."""

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys, threading, time
from assay.system.entry import leave_after

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
        [sys.executable, "-c", PROGRAM.format(end=end)], capture_output=True, encoding="utf-8", check=False
    )
    assert result.returncode == code
    assert result.stdout.splitlines() == ["main done", "thread done", "at exit"]
    assert err in result.stderr and bool(err) == bool(result.stderr)


INTERRUPTED = """
import atexit, os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
from assay.system.entry import last_word, leave_after, listen, prepared

def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)

class Finalised:
    def __del__(self):
        ctrl_c()

def swallowing():
    try:
        ctrl_c()
    except BaseException:
        pass

def polars():
    "Some libraries have a handler of their own while they work, and raise afterwards."
    raise KeyboardInterrupt

listen()

def main():
    print("begun", end="")
    {body}

leave_after(main)
"""


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("ctrl_c()", "assay: interrupted"),
        ("Finalised()", "assay: interrupted"),
        ("swallowing()", "assay: interrupted"),
        ("polars()", "assay: interrupted"),
        ("atexit.register(ctrl_c)", "assay: interrupted"),
        ("threading.Thread(target=lambda: (time.sleep(0.05), ctrl_c())).start()", "assay: interrupted"),
        ("threading.Thread(target=lambda: (time.sleep(0.05), ctrl_c(), time.sleep(9))).start()", "assay: interrupted"),
        ("last_word('stopped'); ctrl_c()", "stopped"),
        ("last_word('failed'); atexit.register(ctrl_c); sys.exit(1)", "failed"),
        ("with prepared(lambda: None): ctrl_c()", "assay: interrupted"),
        ("with prepared(lambda: None): ctrl_c()\n    last_word('stopped'); sys.exit(1)", "stopped"),
        ("with prepared(lambda: None): ctrl_c()\n    raise OSError('sbatch was\\nkilled')",
         "assay: interrupted (OSError: sbatch was killed)"),
        ("with prepared(lambda: None, lambda: os.write(2, b'at once; ')): ctrl_c(); ctrl_c()",
         "at once; assay: interrupted"),
        ("with prepared(lambda: None): ctrl_c()\n    ctrl_c()", "assay: interrupted"),
    ],
)  # fmt: skip
def test_a_ctrl_c_is_one_line_and_130_whatever_becomes_of_it(body, line):
    result = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(body=body)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=8,
    )
    assert (result.returncode, result.stdout, result.stderr.splitlines()) == (130, "begun", [line])


def test_a_process_that_was_started_with_ctrl_c_ignored_goes_on_ignoring_it():
    program = INTERRUPTED.replace("signal.default_int_handler", "signal.SIG_IGN").format(body="ctrl_c(); print('on')")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)
    assert (result.returncode, result.stdout) == (0, "begunon\n")


def test_a_term_asks_to_stop_and_is_no_ctrl_c():
    body = "with prepared(lambda: print(' asked')): os.kill(os.getpid(), signal.SIGTERM)"
    result = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(body=body)], capture_output=True, encoding="utf-8", check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "begun asked\n", "")


def test_garbage_is_collected_again_whatever_happened():
    import gc

    from assay.system.entry import uncollected

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
