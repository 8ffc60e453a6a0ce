"""What a sweep's one line says."""

import time

import pytest

from assay.launch.local import Pool, Worker
from assay.launch.progress import Display
from assay.study.declared import Run


@pytest.fixture
def pool(tmp_path):
    now = time.monotonic()
    workers = [
        Worker(None, None, Run("a" * 20, {}), 0.5, now - 1),
        Worker(None, None, Run("b" * 20, {}), 0.25, now - 660),
    ]
    return Pool("toy", tmp_path, 2, workers=workers, total=4)


def test_a_run_that_says_nothing_is_named(pool):
    text = Display(None).text(pool)
    assert text.startswith("0 of 4 done, 2 running")
    assert text.endswith("left, 11 min without a word from bbbbbbbb")


def test_while_all_report_nobody_is_named(pool):
    pool.workers[1].heard = time.monotonic()
    assert "without a word" not in Display(None).text(pool)
