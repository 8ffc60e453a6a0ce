"""One run: the same numbers every time, exact resume at any block, failures with their class, one owner."""

from __future__ import annotations

import ctypes
import random
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_run import config_of

from assay.app.attest import compare
from assay.classifier import ClassifierModule
from assay.config import compose
from assay.data.base import Data, Split
from assay.errors import UserError
from assay.module import Diverged, PaperModule, even_steps, log_steps, modules
from assay.records.codes import holds
from assay.records.store import Store
from assay.registry import KINDS
from assay.run import execute
from assay.run.build import build
from assay.study.session import Session
from assay.system import places


@pytest.fixture(scope="module", autouse=True)
def _load():
    compose.load(None)


@pytest.fixture
def store(tmp_path):
    return Store("p", tmp_path)


def test_the_same_run_gives_the_same_bits(store, tmp_path):
    one = execute.execute(config_of(), store)
    torch.rand(5)  # the state of the global generators must not matter
    two = execute.execute(config_of(), Store("p", tmp_path / "again"))
    assert one.status == two.status == "done"
    assert compare(one, two) == ""
    assert len(one.curves["train/loss"]["value"]) > 3


def test_signals_are_those_of_whoever_runs_it(store):
    def mine(number, frame):
        """Whoever runs it decides what a signal means."""

    before, seen = signal.signal(signal.SIGTERM, mine), set()
    try:
        execute.execute(
            config_of(), store, execute.Hooks(progress=lambda *_: seen.add(signal.getsignal(signal.SIGTERM)))
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == {mine}


def test_steps_load_no_library(store, monkeypatch):
    loaded, load = [], ctypes.CDLL.__init__
    monkeypatch.setattr(ctypes.CDLL, "__init__", lambda *words, **more: (loaded.append(words), load(*words, **more))[1])
    record = execute.execute(config_of(optimizer="adam"), store)
    assert record.curves["train/loss"]["step"][-1] > 100 and len(loaded) < 20


def test_interrupted_at_any_block_it_ends_with_the_numbers_of_a_straight_run(store, tmp_path):
    straight = execute.execute(config_of(), store)
    module = build(config_of())
    ends = [block.stop for block in module.blocks()]
    assert len(ends) > 20
    for end in ends[:-1:4]:
        beside = Store("p", tmp_path / f"at{end}")
        seen = []
        hooks = execute.Hooks(should_stop=lambda seen=seen, end=end: bool(seen) and seen[-1] >= end)
        hooks.progress = lambda done, total, seen=seen: seen.append(done)
        with pytest.raises(execute.Interrupted, match=f"after step {end} of"):
            execute.execute(config_of(), beside, hooks)
        resumed = execute.execute(config_of(), beside)
        assert compare(straight, resumed) == "", end


DROPOUT = {"model": "tab_mlp", "model__dropout": 0.4, "model__width": 6, "budget__epochs": 5}


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_an_interrupted_run_has_the_dropout_of_a_straight_one(store, tmp_path, monkeypatch, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    config = config_of(**DROPOUT, trainer__device=device)
    straight = execute.execute(config, store)
    assert straight.status == "done", straight.failure
    other = execute.execute(config_of(**{**DROPOUT, "model__dropout": 0.0}, trainer__device=device), store)
    assert compare(straight, other), "nothing was dropped"
    monkeypatch.setattr(ClassifierModule, "block_steps", 1)
    in_blocks_of_50, straight = straight, execute.execute(config, Store("p", tmp_path / "steps"))
    assert straight.scalars == in_blocks_of_50.scalars
    for end in (1, 2, 7, 20, 35):
        beside = Store("p", tmp_path / f"at{end}")
        seen = []
        hooks = execute.Hooks(should_stop=lambda seen=seen, end=end: seen[-1] >= end)
        hooks.progress = lambda done, total, seen=seen: seen.append(done)
        with pytest.raises(execute.Interrupted, match=f"after step {end} of"):
            execute.execute(config, beside, hooks)
        # Another process, with generators of its own.
        torch.manual_seed(end)
        np.random.seed(end)  # noqa: NPY002
        resumed = execute.execute(config, beside)
        assert compare(straight, resumed) == "", end


def test_what_others_draw_meanwhile_changes_nothing(store, tmp_path):
    config = config_of(**DROPOUT)
    straight = execute.execute(config, store)
    hooks = execute.Hooks(progress=lambda done, total: (torch.rand(3), np.random.rand(3)))  # noqa: NPY002
    assert compare(straight, execute.execute(config, Store("p", tmp_path / "disturbed"), hooks)) == ""


@modules.register("draws")
class Draws(PaperModule):
    """Draws from every global generator in an `advance` of its own."""

    block_steps = 2

    def build(self):
        self.x = []

    def advance(self, start, stop):
        for _ in range(start, stop):
            self.x += [torch.rand(()).item(), np.random.rand(), random.random()]  # noqa: NPY002

    def extra_state(self):
        return {"x": self.x}

    def load_extra_state(self, state):
        self.x = list(state["x"])

    def finish(self):
        self.scalar("sum", sum(self.x))
        self.unit("all", **{f"x{i}": x for i, x in enumerate(self.x)})


def test_every_global_generator_goes_on_where_it_was(store, tmp_path):
    config = compose.assemble({"module": "draws"}, {"budget.steps": 8}, 1)
    straight = execute.execute(config, store)
    for end in (2, 4, 6):
        beside = Store("p", tmp_path / f"at{end}")
        seen = []
        hooks = execute.Hooks(should_stop=lambda seen=seen, end=end: seen[-1] >= end)
        hooks.progress = lambda done, total, seen=seen: seen.append(done)
        with pytest.raises(execute.Interrupted):
            execute.execute(config, beside, hooks)
        assert compare(straight, execute.execute(config, beside)) == "", end


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "numbers.csv"
    path.write_text("1\n2\n3\n", encoding="utf-8")
    return path


@KINDS["data"].register("numbers")
class Numbers(Data):
    """A table that is read without a word about it."""

    def __init__(self):
        super().__init__()

    def load(self, seeds):
        x = torch.from_numpy(np.loadtxt(places.data_folders()[0] / "numbers.csv")).float()[:, None]
        self.train = Split(x, x[:, 0])


@modules.register("sums")
class Sums(PaperModule):
    """Adds a table's numbers up, one a step."""

    takes = ("data",)
    block_steps = 1

    def build(self):
        self.register_buffer("sum", torch.zeros(()))

    def advance(self, start, stop):
        self.sum += self.data.train.y[start:stop].sum()

    def finish(self):
        self.scalar("sum", self.sum)


SUMS = {"module": "sums", "data": "numbers"}


def test_other_data_are_another_run(store, table):
    config = compose.assemble(SUMS, {"budget.steps": 3}, 1)
    first = execute.execute(config, store)
    assert first.scalars["sum"] == 6 and list(first.data) == ["$DATA/numbers.csv"]
    session = Session("p", outputs=store.folder.parent, made=object())
    assert session.state(config, store.read(first.signature)) == "done"
    hooks = execute.Hooks()
    execute.execute(config, store, hooks)
    assert not hooks.computed
    table.write_text("1\n2\n4\n", encoding="utf-8")
    assert session.state(config, store.read(first.signature)) == "stale"
    again = execute.execute(config, store, hooks)
    assert hooks.computed and again.scalars["sum"] == 7 and again.signature == first.signature
    assert session.state(config, store.read(first.signature)) == "done"
    table.unlink()  # downloads need not be there to plan
    assert session.state(config, store.read(first.signature)) == "done"


def test_an_old_record_that_names_no_files_is_taken_as_it_is(store, table):
    config = compose.assemble(SUMS, {"budget.steps": 3}, 1)
    record = execute.execute(config, store)
    store.write(replace(record, data=None))
    table.write_text("1\n2\n4\n", encoding="utf-8")
    assert holds(store.read(record.signature), record.code)


def test_a_checkpoint_of_other_data_is_not_used(store, table):
    config = compose.assemble(SUMS, {"budget.steps": 3}, 1)
    with pytest.raises(execute.Interrupted):
        execute.execute(config, store, execute.Hooks(should_stop=lambda: True))
    table.write_text("10\n20\n30\n", encoding="utf-8")
    assert execute.execute(config, store).scalars["sum"] == 60


def test_files_inside_packages_and_needed_artefacts(store):
    assert list(execute.execute(config_of(budget__epochs=1), store).data) == [
        "$PACKAGES/sklearn/datasets/data/iris.csv"
    ]


def test_a_damaged_checkpoint_is_passed_over(store):
    straight_steps = []

    def interrupt(after):
        hooks = execute.Hooks(should_stop=lambda: len(straight_steps) >= after, checkpoint_seconds=0.0)
        hooks.progress = lambda done, total: straight_steps.append(done)
        with pytest.raises(execute.Interrupted):
            execute.execute(config_of(), store, hooks)

    interrupt(6)
    folder = store.run_folder(compose.signature(config_of()))
    older, newest = sorted(folder.glob("checkpoint-*.pt"))
    newest.write_bytes(newest.read_bytes()[:-100])
    straight_steps.clear()
    first = []
    hooks = execute.Hooks(progress=lambda done, total: first.append(done))
    record = execute.execute(config_of(), store, hooks)
    assert record.status == "done"
    assert first[0] > int(older.stem.split("-")[1])
    assert first[0] <= int(newest.stem.split("-")[1])
    assert not list(folder.glob("checkpoint-*.pt")), "a finished run needs none"


def test_a_checkpoint_of_other_code_is_not_used(store, monkeypatch):
    hooks = execute.Hooks(should_stop=lambda: True)
    with pytest.raises(execute.Interrupted):
        execute.execute(config_of(), store, hooks)
    monkeypatch.setattr(execute, "code_of", lambda config, store: "other")
    first = []
    execute.execute(config_of(), store, execute.Hooks(progress=lambda done, total: first.append(done)))
    assert first[0] == next(build(config_of()).blocks()).stop


def test_checkpoints_hold_no_code(store):
    module = build(config_of())
    for block in list(module.blocks())[:2]:
        module.training_step(block, 0)
    execute._Checkpoints(store.folder, "s", "c", {}).save(module)
    state = execute._Checkpoints(store.folder, "s", "c", {}).newest()  # loads with weights_only
    assert state["steps_done"] == module.steps_done


def test_a_finished_run_is_found_and_not_done_again(store):
    first = execute.execute(config_of(), store)
    hooks = execute.Hooks()
    assert execute.execute(config_of(), store, hooks).provenance == first.provenance
    assert not hooks.computed
    assert execute.execute(config_of(), store, hooks, again=True).provenance["seconds"] > 0
    assert hooks.computed


def test_a_record_tells_no_machine(store):
    import getpass
    import socket
    from pathlib import Path

    execute.execute(config_of(), store)
    text = store.path(compose.signature(config_of())).read_text(encoding="utf-8")
    for secret in (socket.gethostname(), str(Path.home()) + "/", f'"{getpass.getuser()}"'):
        assert secret not in text


def test_a_former_owner_may_not_write(store, monkeypatch):
    real = execute.Lock.owned
    monkeypatch.setattr(execute.Lock, "owned", lambda self: False)
    execute.execute(config_of(), store)
    monkeypatch.setattr(execute.Lock, "owned", real)
    assert store.read(compose.signature(config_of())) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "oom"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "oom"),
        (RuntimeError("CUDA out of memory."), "oom"),
        (Diverged("nan"), "nan"),
        (TimeoutError(), "timeout"),
        (ValueError("x"), "code"),
    ],
)
def test_failure_classes(error, kind):
    assert execute.failure_class(error) == kind


def test_a_diverging_run_is_recorded_as_such(store):
    record = execute.execute(config_of(optimizer="sgd", optimizer__lr=1e12, loss="squared"), store)
    assert (record.status, record.failure["class"]) == ("failed", "nan")
    assert "Traceback" in record.failure["traceback"]


def test_a_full_disk_is_no_failure_of_the_run(store, monkeypatch):
    from assay.records.store import StorageError

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(execute.PaperModule, "take_measurement", full)
    with pytest.raises(StorageError, match="no space left"):
        execute.execute(config_of(), store)
    assert store.read(compose.signature(config_of())) is None


def test_block_ends_are_a_function_of_the_configuration():
    class Plain(PaperModule):
        block_steps = 7

        @property
        def total(self):
            return 30

        def measure_at(self, total):
            return [0, 10, 30]

    module = Plain()
    ends = [block.stop for block in module.blocks()]
    assert ends == [7, 10, 14, 21, 28, 30]
    module.steps_done = 10
    assert [block.stop for block in module.blocks()] == [14, 21, 28, 30]


@pytest.mark.parametrize("total", [0, 1, 2, 7, 50, 1000])
def test_grids_of_steps_hold_both_ends(total):
    for grid in (even_steps(total, 50), log_steps(total, 20)):
        assert grid[0] == 0 and grid[-1] == total
        assert grid == sorted(set(grid))


def test_modules_register_under_the_kind_module():
    assert "classifier" in modules


def test_clipping_bounds_the_gradient_and_is_a_run_of_its_own():
    clipped, free = config_of(trainer__clip_norm=1e-3), config_of()
    assert compose.signature(clipped) != compose.signature(free)
    without = {**free, "trainer": {k: v for k, v in free["trainer"].items() if k != "clip_norm"}}
    assert compose.signature(without) == compose.signature(free)  # records from before keep their names
    norms = {}
    for name, config in (("clipped", clipped), ("free", free)):
        module = build(config)
        module.advance(0, 1)
        norms[name] = torch.cat([p.grad.flatten() for p in module.parameters()]).norm().item()
    assert norms["free"] > 1e-2
    assert norms["clipped"] == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("value", [0, -1.0, "far", True])
def test_a_bound_that_is_none_is_refused(value):
    with pytest.raises(UserError, match=r"trainer.clip_norm=.*expected a positive number"):
        config_of(trainer__clip_norm=value)


def test_no_installed_package_adds_callbacks_of_its_own(monkeypatch):
    """Lightning asks for entry points at every Trainer: slow, and a run would depend on what is installed beside it."""
    asked = []
    monkeypatch.setattr("lightning_fabric.utilities.registry.entry_points", lambda **group: asked.append(group) or [])
    execute.make_trainer(config_of(), [])
    assert asked == []
