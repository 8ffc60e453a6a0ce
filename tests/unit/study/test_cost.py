"""Hours are counted once a run, by what it held, and whatever it was for."""

import pytest

from assay.records.store import Record
from assay.study.cost import Costs


def record(name, seconds=3600.0, device="cpu", **own):
    return Record(name, "code", "done", {"trainer": {"device": device}}, provenance={"seconds": seconds, **own})


def test_threads_count_on_the_cpu_and_time_on_a_gpu():
    costs = Costs()
    costs.add("a", "evaluation", record("1", threads=2))
    costs.add("a", "evaluation", record("2", 1800.0, threads=1))
    costs.add("a", "selection", record("3", device="cuda", threads=8, gpu="a card"))
    costs.add("b", "failed", record("4", 900.0, device="cuda"))
    assert costs.rows() == [
        {"experiment": "a", "what": "evaluation", "runs": 2, "CPU-hours": 2.5, "GPU-hours": 0.0},
        {"experiment": "a", "what": "selection", "runs": 1, "CPU-hours": 0.0, "GPU-hours": 1.0},
        {"experiment": "b", "what": "failed", "runs": 1, "CPU-hours": 0.0, "GPU-hours": 0.25},
    ]


def test_a_run_that_two_experiments_share_counts_once():
    costs = Costs()
    for experiment in ("a", "b"):
        costs.add(experiment, "evaluation", record("1"))
    assert [row["experiment"] for row in costs.rows()] == ["a"]


def test_a_record_without_a_time_costs_nothing_known():
    costs = Costs()
    costs.add("a", "failed", Record("1", "code", "failed", {}))
    (row,) = costs.rows()
    assert row["runs"] == 1 and row["CPU-hours"] == pytest.approx(0)


def test_results_count_what_was_selected_from_and_what_failed(tmp_path):
    from types import SimpleNamespace

    from assay.records.store import Store
    from assay.study.tables import _add_others

    store, costs = Store("p", tmp_path), Costs()
    for name in ("tried", "broken", "stale", "evaluated"):
        store.write(record(name))
    costs.add("a", "evaluation", store.read("evaluated"))
    cell = lambda signature, stage: SimpleNamespace(experiment="a", signature=signature, stage=stage)  # noqa: E731
    cells = [
        cell("evaluated", 0),
        cell("tried", 1),
        cell("broken", 0),
        cell("stale", 1),
        cell(None, 0),
        cell("none", 1),
    ]
    states = {"evaluated": "done", "tried": "done", "broken": "failed", "stale": "stale", "none": "missing"}
    _add_others(costs, SimpleNamespace(cells=cells), store, states)
    assert {(row["what"], row["runs"]) for row in costs.rows()} == {("evaluation", 1), ("selection", 1), ("failed", 1)}


def test_what_a_scheduler_held_is_shown_only_where_it_said_so(monkeypatch):
    from types import SimpleNamespace

    from made_up import make_results

    from assay.launch import accounting, sweeps
    from assay.study.session import _with_accounting

    results, plan = make_results(), SimpleNamespace(cells=[])
    monkeypatch.setattr(sweeps, "all_sweeps", list)
    assert _with_accounting(results, plan) is results
    monkeypatch.setattr(sweeps, "all_sweeps", lambda: ["one"])
    for source, expected in (("records", results.facts["held"]), ("accounting", {"GPU-hours": 3.0})):
        held = {"runs": {"s": {"hours": 3.0, "unit": "GPU-hours", "source": source}}, "paper": {"GPU-hours": 3.0}}
        monkeypatch.setattr(accounting, "of_paper", lambda paper, cells, held=held: held)
        assert _with_accounting(results, plan).facts["held"] == expected
