"""Records are whole or not used; locks have one owner."""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import time
from dataclasses import asdict

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import UserError
from assay.records import store as records
from assay.records.codes import holds
from assay.records.store import Corrupt, Lock, Record, Store, decode, encode

floats = st.floats(allow_nan=True, allow_infinity=True)


def record(signature="a" * 20, **more):
    return Record(signature, "code", "done", {"module": {"name": "m"}, "seed": 1}, **more)


@given(st.dictionaries(st.text(), floats), st.lists(floats))
def test_what_is_read_is_what_was_written(scalars, values):
    curve = {"train/loss": {"step": list(range(len(values))), "value": values}}
    again = decode(encode(record(scalars=scalars, curves=curve)))
    assert list(again.scalars) == sorted(scalars)
    for name, value in scalars.items():
        assert again.scalars[name] == value or (math.isnan(value) and math.isnan(again.scalars[name]))
    for one, two in zip(again.curves["train/loss"]["value"], values, strict=True):
        assert one == two or (math.isnan(one) and math.isnan(two))


@given(st.data())
def test_any_changed_byte_is_found_out(data):
    content = encode(record(scalars={"x/y": 1.5}))
    position = data.draw(st.integers(0, len(content) - 2))
    changed = bytearray(content)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        again = decode(bytes(changed))
    except (Corrupt, TypeError):
        return
    # Only the header's own punctuation may survive a change, and then the record is the same.
    assert again == record(scalars={"x/y": 1.5})


@given(st.integers(0, 400))
def test_a_truncated_record_is_found_out(length):
    content = encode(record(scalars={"x/y": 1.5}))
    if length < len(content) - 1:
        with pytest.raises(Corrupt):
            decode(content[:length])


def test_store_ignores_what_is_not_whole(tmp_path):
    store = Store("p", tmp_path)
    store.write(record(scalars={"x/y": 2.0}))
    assert store.read("a" * 20).scalars == {"x/y": 2.0}
    path = store.path("a" * 20)
    path.write_bytes(path.read_bytes().replace(b"2.0", b"3.0"))
    assert Store("p", tmp_path).read("a" * 20) is None
    assert Store("p", tmp_path).corrupt() == ["a" * 20]
    store.path("b" * 20).write_bytes(encode(record()))  # a record under another's name
    assert Store("p", tmp_path).read("b" * 20) is None


def test_writing_leaves_no_temporary_file_behind(tmp_path, monkeypatch):
    store = Store("p", tmp_path)
    store.prepare()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="no space left"):
        store.write(record())
    assert list(store.records.iterdir()) == []


def test_merge_takes_whole_records_once(tmp_path):
    here, there = Store("p", tmp_path / "here"), Store("p", tmp_path / "there")
    here.write(record(artefacts={"t": here.keep_artefact(b"bytes")}))
    here.path("c" * 20).parent.mkdir(exist_ok=True)
    here.path("c" * 20).write_bytes(b"{}\nnothing")
    assert records.merge(tmp_path / "here", tmp_path / "there") == (1, 1)
    assert there.artefacts_whole(there.read("a" * 20))
    assert records.merge(tmp_path / "here", tmp_path / "there") == (0, 1)


def test_a_lock_has_one_owner(tmp_path):
    one, two = Lock(tmp_path), Lock(tmp_path)
    assert one.acquire()
    assert not two.acquire()
    assert Lock.held(tmp_path)
    one.release()
    assert not Lock.held(tmp_path)
    assert two.acquire()
    assert not one.owned()
    two.release()


def _die_with_lock(folder):
    assert Lock(folder).acquire()
    os._exit(9)


def test_a_dead_process_owns_nothing(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_die_with_lock, args=(tmp_path,))
    process.start()
    process.join()
    assert (tmp_path / "lock").exists()
    assert not Lock.held(tmp_path)
    lock = Lock(tmp_path)
    assert lock.acquire()
    lock.release()


def test_an_owner_elsewhere_is_judged_by_its_beat(tmp_path, monkeypatch):
    (tmp_path / "lock").write_bytes(
        b'{"token":"x","machine":"elsewhere","boot":"b","pid":1,"start":1,"job":null,"beats":1}'
    )
    monkeypatch.setattr(records, "STILL", 0.2)
    monkeypatch.setattr(Lock, "_watched", {})
    assert not Lock(tmp_path).acquire()  # first seen now
    assert not Lock(tmp_path).acquire()
    time.sleep(0.3)
    lock = Lock(tmp_path)
    assert lock.acquire()
    lock.release()


def test_a_half_written_lock_is_not_taken_at_once(tmp_path, monkeypatch):
    (tmp_path / "lock").write_bytes(b"")
    monkeypatch.setattr(Lock, "_watched", {})
    assert not Lock(tmp_path).acquire()


def _contend(folder, wins, all_there, all_tried):
    lock = Lock(folder)
    all_there.wait(60)
    won = lock.acquire()
    if won:
        wins.put(os.getpid())
    all_tried.wait(60)  # the winner holds it until everyone has looked
    if won:
        lock.release()


def test_of_many_at_once_one_gets_a_dead_owners_lock(tmp_path):
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_die_with_lock, args=(tmp_path,))
    process.start()
    process.join()
    wins = context.Queue()
    meet = [context.Barrier(6), context.Barrier(6)]
    rivals = [context.Process(target=_contend, args=(tmp_path, wins, *meet)) for _ in range(6)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert wins.qsize() == 1


def test_a_late_former_owner_notices(tmp_path):
    lock = Lock(tmp_path)
    assert lock.acquire()
    (tmp_path / "lock").write_bytes(b'{"token":"someone else"}')
    assert not lock.owned()
    lock.release()
    assert (tmp_path / "lock").exists()


def test_a_record_of_an_older_schema_is_read_and_labels_are_kept(tmp_path):
    body = orjson.dumps({k: v for k, v in asdict(record()).items() if k not in ("also", "data")})
    header = orjson.dumps({"schema_version": 1, "sha256": hashlib.sha256(body).hexdigest()})
    old = decode(header + b"\n" + body + b"\n")
    assert old.data is None and old.also == []
    store = Store("p", tmp_path)
    store.write(old)
    store.label(old, "2:0123456789abcdef", {"$DATA/x": "s"})
    store.label(store.read(old.signature), "2:0123456789abcdef")
    labelled = store.read(old.signature)
    assert labelled.code == old.code and labelled.also == ["2:0123456789abcdef"] and labelled.data == {"$DATA/x": "s"}
    assert holds(labelled, old.code) and holds(labelled, "2:0123456789abcdef")
    assert not holds(labelled, "0123456789abcdef"), "the same digits by another rule are another digest"
    assert not holds(None, old.code)
