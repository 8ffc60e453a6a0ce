"""W&B shows a run the same whether it streamed or was sent afterwards, gives nothing away, and never costs a run."""

from __future__ import annotations

import gzip
import http.server
import json
import math
import os
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from assay.config import compose, loading
from assay.errors import RunFailed, UserError
from assay.records.digest import digits_of
from assay.records.store import Record, Store
from assay.run import execute
from assay.study.declared import Cell, Plan, Run
from assay.tracking import sync, views

wandb = pytest.importorskip("wandb")

NET = {
    "module": "classifier",
    "data": "tabular_sklearn",
    "data.table": "digits",
    "data.val": 0.25,
    "model": "mlp",
    "loss": "cross_entropy",
    "optimizer": "sgd",
    "budget.steps": 12,
    "budget.batch": 32,
}
SECRET = "0123456789abcdef0123456789abcdef01234567"
CLOCK = {"_timestamp", "_runtime", "_wandb.runtime"}
"""Keys of W&B that hold times."""


@pytest.fixture(scope="module", autouse=True)
def _load():
    loading.load_shared()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sync, "_live_is_off", False)
    sync._whereabouts.cache_clear()
    yield
    wandb.teardown()


@dataclass
class Offline:
    """What an offline run's file holds."""

    run: object = None
    rows: list[dict[str, object]] = field(default_factory=list)
    summary: dict[str, object] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def config(self):
        values = {item.key: json.loads(item.value_json) for item in self.run.config.update}
        return {key: value for key, value in values.items() if key != "_wandb"}

    @property
    def named(self):
        run = self.run
        return run.run_id, run.project, run.run_group, run.job_type, run.display_name, list(run.tags)


def read(path: Path) -> Offline:
    """Read a .wandb file: records of W&B's protocol in the log format of LevelDB (blocks of 32 KiB)."""
    from wandb.proto.wandb_internal_pb2 import Record as Message

    content, at, buffer, found = path.read_bytes(), 7, b"", Offline()
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        buffer += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            message = Message()
            message.ParseFromString(buffer)
            buffer = b""
            take(message, found)
    return found


def take(message, found: Offline) -> None:
    def name(item):
        return ".".join(item.nested_key) or item.key

    kind = message.WhichOneof("record_type")
    if kind == "run":
        found.run = message.run
    elif kind == "history":
        found.rows.append({name(item): json.loads(item.value_json) for item in message.history.item})
    elif kind == "summary":
        found.summary |= {name(item): json.loads(item.value_json) for item in message.summary.update}
    elif kind == "exit":
        found.exit_code = message.exit.exit_code


def timeless(values):
    return {key: value for key, value in values.items() if key not in CLOCK}


def config_of(**more):
    choices, values = compose.merge([{**NET, **more}])
    return compose.assemble(choices, values, 1)


def files(store: Store) -> list[Path]:
    wandb.teardown()  # its helper process writes the last lines shortly after `finish`; it has when it is gone
    return sorted((store.folder / "wandb").rglob("*.wandb"), key=lambda path: path.stat().st_mtime_ns)


def train(store: Store, config, **hooks) -> Record | None:
    """A run as every launcher does it."""
    store.prepare()
    signature = compose.signature(config)
    with sync.live_logger(store, signature, config) as logger:
        return execute.execute(config, store, execute.Hooks(logger=logger, **hooks))


def made_up(store: Store, number: int, code: str = "c0dec0dec0de") -> Record:
    record = Record(
        f"{number:020d}", code, "done", config_of(), scalars={"test/accuracy": number / 10},
        curves={
            "train/loss": {"step": [0, 5], "value": [1.0, float("nan")]},
            "test/accuracy": {"step": [5], "value": [0.9]},
        },
        provenance={"finished": f"2026-01-01T00:00:{60 - number:02d}Z"},
    )  # fmt: skip
    store.write(record)
    return record


# -- both ways ------------------------------------------------------------------------------------------------------


def test_a_run_looks_the_same_streamed_or_sent_afterwards(tmp_path, monkeypatch):
    config = config_of()
    streamed, sent = Store("p", tmp_path / "a"), Store("p", tmp_path / "outputs")
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path / "outputs"))
    plain = train(sent, config)
    assert not (sent.folder / "wandb").exists(), "without WANDB_MODE nothing of W&B is touched"
    assert sync.sync("p", offline=True) == (1, 0)
    monkeypatch.setenv("WANDB_MODE", "offline")
    record = train(streamed, config)

    assert (record.scalars, record.curves) == (plain.scalars, plain.curves), "streaming changed a number"
    (live,), (after,) = map(read, files(streamed)), map(read, files(sent))
    assert live.named == after.named
    assert live.named[0] == f"{record.signature}-{digits_of(record.code)[:6]}"
    assert live.named[1:3] == ("assay", "p")
    assert live.config == after.config == json.loads(json.dumps(config))
    assert timeless(live.summary) == timeless(after.summary)
    assert [*map(timeless, live.rows)] == [*map(timeless, after.rows)]
    assert live.exit_code == after.exit_code == 0

    assert len(live.rows) == len(record.curves["val/accuracy"]["step"]) == 13
    last = {name: curve["value"][-1] for name, curve in record.curves.items()}
    assert timeless(live.rows[-1]) == {**last, "trainer/global_step": 12, "_step": 12}
    assert record.scalars.items() <= live.summary.items()


def test_the_step_key_is_lightnings():
    import inspect

    from assay.system.lightning import pl

    assert f'"{sync.STEP}"' in inspect.getsource(pl.loggers.WandbLogger.log_metrics)


def test_a_run_that_goes_on_from_a_checkpoint_leaves_a_whole_history(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    store, config = Store("p", tmp_path), config_of()
    asked = iter([False] * 6 + [True])
    with pytest.raises(execute.Interrupted):
        train(store, config, should_stop=lambda: next(asked))
    time.sleep(1.1)  # W&B names folders by the second
    record = train(store, config)
    first, second = map(read, files(store))
    assert first.named == second.named
    assert (first.exit_code, second.exit_code) == (1, 0)
    assert len(first.rows) < len(second.rows)
    assert [row["_step"] for row in second.rows] == record.curves["val/accuracy"]["step"]


def test_a_failed_run_is_shown_as_failed(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    store = Store("p", tmp_path)
    record = train(store, config_of(**{"optimizer.lr": 1e30}))
    assert record.status == "failed"
    (file,) = files(store)
    assert read(file).exit_code == 1
    assert not list(store.folder.rglob("streamed.json"))


def test_experiments_and_arms_are_tags(tmp_path, monkeypatch):
    store, config = Store("p", tmp_path), config_of()
    signature = compose.signature(config)
    cells = [
        Cell("search", "slow", {"optimizer.lr": 0.1}, 900, signature, stage=1),
        Cell("walk", "slow", {"optimizer.lr": 0.1}, 1, signature),
        Cell("walk", "open", {}, 1, None),
    ]
    plan = Plan("p", "desk", cells, {signature: Run(signature, config)})
    sync.prepare(store, plan)
    assert not (tmp_path / "p").exists(), "nothing streams, nothing is prepared"
    monkeypatch.setenv("WANDB_MODE", "offline")
    sync.prepare(store, plan)
    other_seed = {**config, "seed": 7, "trainer": {**config["trainer"], "device": "cuda"}}
    who = sync.identity(store, compose.signature(other_seed), "c0de" * 4, other_seed)
    assert who.tags == ("search", "slow", "walk")
    assert who.name == "walk/slow [optimizer.lr=0.1] seed 7"
    assert who.kind == "walk/slow [optimizer.lr=0.1]"
    stranger = config_of(**{"optimizer.lr": 0.3})
    assert sync.identity(store, compose.signature(stranger), "c0de" * 4, stranger).tags == ()


# -- whose variables are whose ---------------------------------------------------------------------------------------

OURS = {
    "WANDB_SWEEP_ID": "sw33p", "WANDB_SWEEP_PARAM_PATH": "/nowhere/sweep.yaml", "WANDB_RUN_ID": "another",
    "WANDB_RUN_GROUP": "another group", "WANDB_NAME": "another name", "WANDB_TAGS": "a,b", "WANDB_JOB_TYPE": "eval",
    "WANDB_NOTES": "a note", "WANDB_RESUME": "must", "WANDB_LAUNCH": "true", "WANDB_CONFIG": '{"x": 1}',
    "WANDB_HOST": "a-host", "WANDB_USERNAME": "me", "WANDB_GIT_COMMIT": "abc", "WANDB_SAVE_CODE": "true",
    "WANDB_DOCKER": "an/image", "WANDB_X_LABEL": "a-label", "WANDB__LABEL": "a-label",
}  # fmt: skip


def test_what_the_environment_says_of_a_run_changes_nothing_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path / "outputs"))
    config, plain, given = config_of(), Store("p", tmp_path / "plain"), Store("p", tmp_path / "outputs")
    monkeypatch.setenv("WANDB_MODE", "offline")
    record = train(plain, config)
    (before,) = map(read, files(plain))
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)
    train(given, config)
    (given.run_folder(record.signature) / "streamed.json").unlink()
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)
    assert sync.sync("p", offline=True) == (1, 0)
    live, after = map(read, files(given))
    for found in (live, after):
        assert found.named == before.named and found.config == before.config
        run = found.run
        assert not (run.sweep_id or run.notes or run.host or run.git.commit), run
    marks = json.loads((given.folder / "synced.json").read_text(encoding="utf-8"))
    assert marks == {"offline/assay": {record.signature: before.named[0]}}


def test_every_variable_of_a_runs_own_is_hidden_and_the_users_are_kept(monkeypatch):
    """Over the fields of the installed client: whatever says what a run is has to be hidden."""
    fields = wandb.Settings.model_fields
    of_a_run = ("run_", "sweep_", "resume", "fork_from", "launch", "git_", "program", "job_", "notebook", "username")
    for name in [name for name in fields if name.startswith(of_a_run)]:
        monkeypatch.setenv(f"WANDB_{name.upper()}", "1")
    kept = ["API_KEY", "BASE_URL", "ENTITY", "PROJECT", "MODE", "DIR", "SILENT", "HTTP_TIMEOUT", "X_PROXIES", "SERVICE"]
    for name in kept:
        monkeypatch.setenv(f"WANDB_{name}", "1")
    sync.client()
    assert {n for n in os.environ if n.startswith("WANDB_")} == {f"WANDB_{n}" for n in [*kept, "ERROR_REPORTING"]}


@pytest.mark.parametrize("given", [{"id": "another"}, {"project": "another"}, {"mode": "offline"}])
def test_a_run_that_is_not_the_one_asked_for_is_not_marked_as_sent(given, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path))
    store, real, mode = Store("p", tmp_path), wandb.init, "online" if "mode" in given else "offline"
    made_up(store, 1)
    monkeypatch.setattr(wandb, "init", lambda **asked: real(**{**asked, **given}))
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    with pytest.raises(RunFailed, match=f"asked for the {mode} run assay/"):
        sync.sync("p", offline=mode == "offline")
    assert not (store.folder / "synced.json").exists()


def test_an_offline_run_whose_file_is_not_there_is_not_marked_as_sent(tmp_path, monkeypatch):
    import shutil

    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path))
    store, real = Store("p", tmp_path), wandb.sdk.wandb_run.Run.finish
    made_up(store, 1)

    def losing(run, **how):
        real(run, **how)
        shutil.rmtree(run.settings.sync_dir)

    monkeypatch.setattr(wandb.sdk.wandb_run.Run, "finish", losing)
    with pytest.raises(RunFailed, match="no file"):
        sync.sync("p", offline=True)
    assert not (store.folder / "synced.json").exists()


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({}, None),
        ({"WANDB_MODE": "online"}, "online"),
        ({"WANDB_MODE": "run"}, "online"),
        ({"WANDB_MODE": "offline"}, "offline"),
        ({"WANDB_MODE": "dryrun"}, "offline"),
        ({"WANDB_MODE": "disabled"}, None),
        ({"WANDB_MODE": "online", "WANDB_DISABLED": "true"}, None),
        ({"WANDB_MODE": "dryrun", "WANDB_DISABLED": "1"}, None),
        ({"WANDB_MODE": "offline", "WANDB_DISABLED": "false"}, "offline"),
    ],
)
def test_modes_mean_what_wandb_means_by_them(variables, mode, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sync.live_mode() == mode
    store = Store("p", tmp_path)
    made_up(store, 1)
    if sync.switched_off():
        for ask in (lambda: sync.sync("p"), views.default_entity):
            with pytest.raises(UserError, match=r"^WANDB_(MODE|DISABLED) is '.*': unset it"):
                ask()
    if mode == "offline":
        assert sync.sync("p") == (1, 0), "offline files, without being asked for them again"
        assert len(files(store)) == 1


# -- nothing is given away ------------------------------------------------------------------------------------------


def test_files_name_no_machine_no_folder_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    monkeypatch.setenv("SOME_TOKEN", SECRET[::-1])
    store = Store("p", tmp_path)
    train(store, config_of())
    (file,) = files(store)
    kept = [path for path in (store.folder / "wandb").rglob("*") if path.is_file()]
    content = b"\n".join(path.read_bytes() for path in kept)
    words = [SECRET, SECRET[::-1], str(Path.home()), str(tmp_path), str(Path.cwd()), "test_tracking"]
    assert not [word for word in words if word.encode() in content]
    assert b"tabular_sklearn" in content and b"trainer/global_step" in content, "the search would find plain text"
    host = socket.gethostname().encode()
    assert not re.search(rb"(?<!\w)" + re.escape(host) + rb"(?!\w)", content)
    run = read(file).run
    assert not (run.host or run.git.remote_url or run.git.commit or run.notes)
    assert {path.suffix for path in kept} == {".wandb"}, "logs, code and requirements are not kept"


def test_a_configuration_is_stripped_of_paths_and_credentials():
    config = {
        "data": {"name": "x", "folder": "/home/someone/sets/cifar", "more": ["~/a", "b/c", 1, None]},
        "loss": {"source": "https://user:word@host.org/file"},
        "seed": 3,
        "note": "not of a run's configuration",
    }
    assert sync.public_config(config) == {
        "data": {"name": "x", "folder": "cifar", "more": ["a", "b/c", 1, None]},
        "loss": {"source": "https://host.org/file"},
        "seed": 3,
    }


# -- W&B in trouble -------------------------------------------------------------------------------------------------


def test_a_broken_wandb_costs_no_run_and_is_said_once(tmp_path, monkeypatch, capsys):
    calls = []

    def broken(**_):
        calls.append(1)
        raise RuntimeError("https://me:word@server says no")

    monkeypatch.setattr(wandb, "init", broken)
    monkeypatch.setenv("WANDB_MODE", "offline")
    store = Store("p", tmp_path)
    records = [train(store, config_of(**{"optimizer.lr": lr})) for lr in (0.1, 0.2)]
    assert [store.read(record.signature).status for record in records] == ["done", "done"]
    said = capsys.readouterr().err
    assert said.count("W&B") == 1 and "server says no" in said and "word" not in said
    assert len(calls) == 1


@pytest.mark.parametrize("where", ["open_run", "log_row", "close_run"])
def test_a_wandb_that_hangs_is_left_behind(where, tmp_path, monkeypatch, capsys):
    hang = threading.Event()
    monkeypatch.setattr(sync, where, lambda *_: hang.wait(20))
    monkeypatch.setattr(sync, "PATIENCE", 0.3)
    monkeypatch.setenv("WANDB_MODE", "offline")
    began = time.monotonic()
    try:
        record = train(Store("p", tmp_path), config_of())
        assert record.status == "done"
        assert time.monotonic() - began < 15
        assert "no end after" in capsys.readouterr().err
    finally:
        hang.set()


def test_the_record_is_there_before_wandb_is_finished(tmp_path, monkeypatch):
    store, config = Store("p", tmp_path), config_of()
    seen = []
    real = sync.close_run

    def watching(run, scalars):
        seen.append(store.path(compose.signature(config)).exists())
        real(run, scalars)

    monkeypatch.setattr(sync, "close_run", watching)
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(store, config)
    assert seen == [True]


def test_without_a_key_one_line_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path))
    made_up(Store("p", tmp_path), 1)
    with pytest.raises(UserError, match="wandb login"):
        sync.sync("p")
    with pytest.raises(UserError, match="no records"):
        sync.sync("q")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with pytest.raises(UserError, match="disabled"):
        sync.sync("p")


# -- sync -----------------------------------------------------------------------------------------------------------


def test_sync_goes_in_order_of_finishing_and_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path))
    store = Store("p", tmp_path)
    records = [made_up(store, number) for number in (1, 2, 3)]  # the third finished first
    store.write(
        Record("f" * 20, "c0de", "failed", config_of(), failure={"class": "nan", "message": "", "traceback": ""})
    )
    real, opened = sync.open_run, []

    def limited(who, *rest):
        opened.append(who.id)
        if len(opened) == 2:
            raise ConnectionError("rate limit")
        return real(who, *rest)

    monkeypatch.setattr(sync, "open_run", limited)
    with pytest.raises(RunFailed, match="rate limit; 1 records were sent"):
        sync.sync("p", offline=True)
    assert json.loads((store.folder / "synced.json").read_text(encoding="utf-8")) == {
        "offline/assay": {records[2].signature: f"{records[2].signature}-c0dec0"}
    }
    assert sync.sync(None, offline=True) == (2, 1)
    assert sync.sync("p", offline=True) == (0, 3)
    third, second, again, first = opened
    assert second == again
    assert [first, second, third] == [f"{r.signature}-c0dec0" for r in records]
    sent = read(files(store)[-1])
    assert sent.summary["test/accuracy"] == 0.1, "the scalar wins over the curve of its name"
    assert [row.get("test/accuracy") for row in sent.rows] == [None, 0.9]
    assert [row["_step"] for row in sent.rows] == [0, 5]
    assert math.isnan(sent.rows[-1]["train/loss"]) or sent.rows[-1]["train/loss"] == "NaN"


def test_sync_sends_what_was_computed_anew_and_marks_each_destination(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path))
    store = Store("p", tmp_path)
    made_up(store, 1)
    assert sync.sync("p", offline=True) == (1, 0)
    (store.folder / "synced.json").write_text(
        (store.folder / "synced.json").read_text(encoding="utf-8")[:-5], encoding="utf-8"
    )
    assert sync.sync("p", offline=True) == (1, 0), "a damaged mark only costs time"
    made_up(store, 1, code="0therc0de")
    assert sync.sync("p", offline=True) == (1, 0)
    monkeypatch.setenv("WANDB_PROJECT", "elsewhere")
    assert sync.sync("p", offline=True) == (1, 0)
    assert sync.sync("p", offline=True) == (0, 1)


def test_sync_leaves_out_what_was_streamed(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    store = Store("p", tmp_path)
    train(store, config_of())
    assert sync.sync("p", offline=True) == (0, 1)


def test_two_syncs_of_one_paper_do_not_mix(tmp_path, monkeypatch):
    from assay.records.store import Lock

    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path))
    store = Store("p", tmp_path)
    made_up(store, 1)
    lock = Lock(store.folder / "wandb")
    assert lock.acquire()
    try:
        with pytest.raises(UserError, match="another sync"):
            sync.sync("p", offline=True)
    finally:
        lock.release()


def test_a_mark_names_the_server_without_credentials(monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "https://user:word@wandb.lab.example/")
    monkeypatch.setenv("WANDB_ENTITY", "lab")
    assert sync.destination("online") == "online/wandb.lab.example/lab/assay"
    assert sync.destination("offline") == "offline/assay"


# -- online, against a server that only answers -----------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Answers W&B's client well enough to be sent a run, and keeps what it was sent. It is no W&B server."""

    known: dict[str, object] | None = None
    """What it says it has of the run already."""

    refuses: str | None = None
    """The end of addresses that it does not take."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.requests: list[tuple[str, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def asked(self, operation: str) -> list[dict[str, object]]:
        """The variables of every query or mutation of a name."""
        bodies = [json.loads(body) for path, body in self.requests if path == "/graphql"]
        return [body["variables"] for body in bodies if body.get("operationName") == operation]

    def history(self) -> tuple[int, list[dict[str, float]]]:
        """Line number of the first row, and the rows."""
        streams = [json.loads(body)["files"] for path, body in self.requests if path.endswith("/file_stream")]
        parts = [files["wandb-history.jsonl"] for files in streams if "wandb-history.jsonl" in (files or {})]
        return parts[0]["offset"], [json.loads(line) for part in parts for line in part["content"]]


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.server.refuses and self.path.endswith(self.server.refuses):
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.server.requests.append((self.path, body))
        content = json.dumps(self.answer(json.loads(body)) if self.path == "/graphql" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_POST

    def answer(self, query):
        given, project = query["variables"], {"id": "1", "name": "assay", "entity": {"id": "1", "name": "lab"}}
        if query.get("operationName") == "RunResumeStatus":
            return {"data": {"model": {**project, "bucket": self.server.known}}}
        if query.get("operationName") == "UpsertBucket":
            bucket = {"id": "1", "name": given["name"], "config": given["config"], "project": project}
            return {"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}}
        files = [{"name": name, "uploadUrl": f"{self.server.url}/{name}"} for name in given.get("files", ())]
        return {"data": {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}}


@pytest.fixture
def server(monkeypatch, tmp_path):
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", f"local-{SECRET}")
    monkeypatch.setenv("ASSAY_OUTPUTS", str(tmp_path))
    yield server
    wandb.teardown()
    server.shutdown()
    server.server_close()
    thread.join()


def test_online_a_run_sends_its_rows_once_and_nothing_of_its_machine(server, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    store = Store("p", tmp_path)
    record = train(store, config_of())
    upsert = server.asked("UpsertBucket")[0]
    assert (upsert["name"], upsert["groupName"]) == (f"{record.signature}-{digits_of(record.code)[:6]}", "p")
    assert not (upsert["host"] or upsert["program"] or upsert["repo"] or upsert["commit"])
    offset, rows = server.history()
    assert offset == 0
    assert [row["_step"] for row in rows] == record.curves["val/accuracy"]["step"]
    sent = b"\n".join(body for _, body in server.requests)
    assert not [w for w in (SECRET, str(Path.home()), str(tmp_path), str(Path.cwd())) if w.encode() in sent]
    names = {name for given in server.asked("CreateRunFiles") for name in given["files"]}
    assert names <= {"wandb-summary.json", "config.yaml"}
    assert sync.sync("p") == (0, 1)


def test_online_rows_that_the_server_has_are_not_sent_again(server, tmp_path):
    store = Store("p", tmp_path)
    record = made_up(store, 1)
    record.curves = {"train/loss": {"step": [0, 5, 9], "value": [3.0, 2.0, 1.0]}}
    store.write(record)
    server.known = {
        "id": "1", "name": "x", "summaryMetrics": "{}", "displayName": "x", "logLineCount": 0, "historyLineCount": 2,
        "eventsLineCount": 0, "historyTail": json.dumps([json.dumps({"_step": 5, "_runtime": 1})]), "eventsTail": "[]",
        "config": "{}", "tags": [], "notes": "", "wandbConfig": '{"t": 1}',
    }  # fmt: skip
    assert sync.sync("p") == (1, 0)
    offset, rows = server.history()
    assert (offset, [row["_step"] for row in rows]) == (2, [9])


def test_online_what_the_server_has_not_taken_is_not_marked_as_sent(server, tmp_path, monkeypatch):
    """The client finishes a run as if nothing were, and says in a warning that it has given its upload up."""
    store = Store("p", tmp_path)
    record = made_up(store, 1)
    server.refuses = "/file_stream"
    with pytest.raises(RunFailed, match="will not be synced"):
        sync.sync("p")
    assert not (store.folder / "synced.json").exists()
    server.refuses = None
    assert sync.sync("p") == (1, 0)
    monkeypatch.setenv("WANDB_MODE", "online")
    server.refuses = "/file_stream"
    train(store, record.config)
    assert not list(store.folder.rglob("streamed.json"))
