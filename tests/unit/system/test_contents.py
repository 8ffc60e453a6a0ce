"""The files that a run's numbers come from: seen as they are opened, kept by content, compared later."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from assay.system import contents, places
from assay.system.contents import cached, changed, find, name_of, report, sums, unwatched, watched


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "data").mkdir()
    (tmp_path / "outputs").mkdir()
    contents._remembered.cache_clear()
    return tmp_path


@pytest.fixture
def table(folders):
    path = folders / "data" / "table.csv"
    path.write_text("1,2\n", encoding="utf-8")
    return path


def test_what_is_opened_for_reading_is_seen(table, folders):
    np.save(folders / "data" / "x.npy", np.ones(2))
    torch.save(torch.ones(2), folders / "data" / "x.pt")
    with gzip.open(folders / "data" / "x.gz", "wb") as file:
        file.write(b"1 2")
    readers = {
        "table.csv": lambda path: np.loadtxt(path, delimiter=","),
        "x.npy": np.load,
        "x.pt": torch.load,
        "x.gz": lambda path: torch.from_numpy(np.loadtxt(path)),
    }
    for name, read in readers.items():
        with watched() as found:
            read(folders / "data" / name)
        assert found == {folders / "data" / name}


def test_what_is_written_or_no_data_or_somebody_elses_is_not(table, folders):
    with watched() as found:
        (folders / "data" / "new.txt").write_text("x", encoding="utf-8")
        (folders / "outputs" / "x.bin").write_bytes(b"x")
        (folders / "outputs" / "x.bin").read_bytes()
        (folders / "code.py").write_text("x", encoding="utf-8")
        (folders / "code.py").read_text(encoding="utf-8")
        Path(np.__file__).read_text(encoding="utf-8")
        Path("/proc/self/stat").read_text(encoding="utf-8")
        reader = threading.Thread(target=table.read_text)
        reader.start()
        reader.join()
        with unwatched():
            table.read_text(encoding="utf-8")
        (folders / "reads_itself.py").write_text(f"open({str(table)!r}).read()", encoding="utf-8")
        sys.path.insert(0, str(folders))
        try:
            import reads_itself  # noqa: F401
        finally:
            sys.path.pop(0)
    assert found == set()
    table.read_text(encoding="utf-8")
    assert found == set(), "nobody watches any more"


def test_what_nobody_sees_can_be_reported(table):
    report(table)  # without a watch it is nothing
    with watched() as found:
        report(table)
    assert found == {table}


def test_a_reading_from_memory_counts_and_what_has_changed_is_read_again(table):
    calls = []

    @cached(maxsize=1)
    def read(path):
        calls.append(path)
        return path.read_text(encoding="utf-8")

    for _ in range(2):
        with watched() as found:
            assert read(table) == "1,2\n"
        assert found == {table} and len(calls) == 1
    table.write_text("3,4\n", encoding="utf-8")
    assert read(table) == "3,4\n" and len(calls) == 2
    read.cache_clear()
    assert read(table) == "3,4\n" and len(calls) == 3


def test_names_tell_no_machine_and_lead_back(table, folders):
    import scipy

    for path, name in ((table, "$DATA/table.csv"), (places.ROOT / "pyproject.toml", "pyproject.toml")):
        assert name_of(path) == name and find(name) == path
    package = Path(scipy.__file__)
    assert name_of(package) == "$PACKAGES/scipy/__init__.py" and find(name_of(package)) == package
    assert name_of(Path.home() / "mine.csv") == "~/mine.csv"
    assert find("$DATA/nothing.csv") is None


def test_a_changed_file_is_found_out_and_a_missing_one_is_not_known(table, folders):
    known = sums([table, folders / "nothing"])
    assert list(known) == ["$DATA/table.csv"] and changed(known) == [] and changed(None) == []
    table.write_text("1,3\n", encoding="utf-8")
    assert changed(known) == ["$DATA/table.csv"]
    table.unlink()
    assert changed(known) == []


def test_sums_are_remembered_by_size_and_times(table, monkeypatch):
    first = contents.sum_of(table)
    assert contents._remembered(places.outputs()) == {}, "it may change again within the same tick"
    monkeypatch.setattr(contents, "FRESH", -1)
    assert contents.sum_of(table) == first
    monkeypatch.setattr(contents.hashlib, "file_digest", None)  # hashing again would fail
    assert contents.sum_of(table) == first
    contents._remembered.cache_clear()
    assert contents.sum_of(table) == first, "another process knows it too"
    monkeypatch.undo()
    monkeypatch.setenv("ASSAY_OUTPUTS", str(table.parent.parent / "outputs"))
    stat = table.stat()
    table.write_text("9,9\n", encoding="utf-8")
    os.utime(table, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert contents.sum_of(table) != first


def test_it_needs_no_torch():
    code = "import sys; import assay.system.contents, assay.app.finished; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
