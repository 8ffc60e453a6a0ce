"""The tables answer what checks ask of them, also while a sweep has just begun."""

import itertools

import polars as pl
import pytest
from made_up import make_results

from assay.claims import difference, scalar
from assay.columns import RESERVED
from assay.errors import UserError
from assay.records.store import Record, Store
from assay.results import Results
from assay.study.declared import Cell, Plan
from assay.study.tables import results_of


def gathered(tmp_path, *cells, units=(), scalars=None):
    """Results of (experiment, levels of its axes), each with a record of its own."""
    plan, store, states = Plan("made_up", "desk"), Store("made_up", tmp_path), {}
    for i, (experiment, axes) in enumerate(cells):
        name = f"{i:020x}"
        plan.cells.append(Cell(experiment, "main", axes, 1, name))
        store.write(Record(name, "code", "done", {}, {"x": float(i), **(scalars or {})}, list(units)))
        states[name] = "done"
    found = results_of(plan, store, states)
    found.save(tmp_path / "results")
    return Results.load(tmp_path / "results")


LEVELS = [None, True, False, 1, 500, 0.1, "a", "0.5", [64], [64, 32]]


@pytest.mark.parametrize("levels", [LEVELS, *itertools.combinations(LEVELS, 2)])
def test_levels_of_any_types_are_told_apart(tmp_path, levels):
    """Alone, beside an experiment with numbers, and with a second axis that is always null."""
    cells = [("box", {"at": level, "no.val": None}) for level in levels]
    for more in ([], [("other", {"at": 3.0, "data.val": 0.5})]):
        results = gathered(tmp_path, *cells, *more)
        for i, level in enumerate(levels):
            found = results.of("box", at=level, no__val=None)
            assert found["x"].to_list() == [float(i)], level
            assert {"at", "no.val"} <= set(found.columns)  # they can be grouped by, whatever was filtered
        assert results.of("box", at="b").is_empty() and results.of("box", at=7).is_empty()
        if more:
            assert len(results.of("other", at=3)) == 1
            with pytest.raises(KeyError, match=r"box: 'data\.val' is no axis"):
                results.of("box", data__val=None)


def test_a_number_is_found_however_it_is_written(tmp_path):
    for levels in ([500, 1000], [500.0, 0.5], [500, "all"], [500.0, "all"]):
        results = gathered(tmp_path, *[("box", {"data.train": level}) for level in levels])
        assert len(results.of("box", data__train=500)) == len(results.of("box", data__train=500.0)) == 1
        assert results.of("box", data__train=True).is_empty()


def test_nothing_measured_is_called_like_an_axis(tmp_path):
    with pytest.raises(UserError, match="box: the unit's column 'depth' is called like an axis of the experiment"):
        gathered(tmp_path, ("box", {"depth": 1}), units=[{"unit": "a", "depth": 2}])
    with pytest.raises(UserError, match="box: the scalar 'pair' is called like an axis of the experiment"):
        gathered(tmp_path, ("box", {"pair": "0-6"}), scalars={"pair": 3.0})


def test_an_axis_of_one_experiment_may_be_a_units_column_of_another(tmp_path):
    plan, store = Plan("made_up", "desk"), Store("made_up", tmp_path)
    for i, (experiment, axes, unit) in enumerate([("box", {"depth": 1}, {}), ("net", {}, {"depth": 2.5})]):
        plan.cells.append(Cell(experiment, "main", axes, 1, f"{i:020x}"))
        store.write(Record(f"{i:020x}", "code", "done", {}, {}, [{"unit": "a", **unit}]))
    results = results_of(plan, store, {f"{i:020x}": "done" for i in range(2)})
    assert results.of("box", "units")["depth"].to_list() == [1.0]
    assert results.of("net", "units")["depth"].to_list() == [2.5]


def test_every_column_of_the_tables_is_reserved(tmp_path):
    plan, store = Plan("made_up", "desk"), Store("made_up", tmp_path)
    plan.cells.append(Cell("box", "main", {"axis": 1}, 1, "0" * 20))
    curves = {"c": {"step": [0], "value": [1.0]}}
    store.write(Record("0" * 20, "code", "done", {}, {"s/x": 1.0}, [{"unit": "a", "v": 2.0}], curves))
    results = results_of(plan, store, {"0" * 20: "done"})
    columns = {name for table in (results.runs, results.units, results.curves) for name in table.columns}
    assert columns - {"axis", "s/x", "v"} <= RESERVED


def test_rows_are_filtered_by_experiment_arm_and_axes():
    results = make_results()
    frame = results.of("box", arm="lion", optimizer__weight_decay=5.0)
    assert set(frame["arm"]) == {"lion"} and set(frame["optimizer.weight_decay"]) == {5.0} and len(frame) == 8
    assert "qp/slope" not in frame.columns


def test_a_name_that_the_experiment_does_not_have_is_an_error():
    with pytest.raises(KeyError, match=r"no column 'optimizer\.lr'"):
        make_results().of("box", optimizer__lr=0.1)


def test_an_experiment_of_which_nothing_is_done_has_no_rows_and_no_errors():
    """Its axes are no columns yet, when only other experiments have finished runs."""
    whole = make_results()
    begun = Results("made_up", "desk", whole.of("exact"), pl.DataFrame(), pl.DataFrame(), whole.expected)
    assert "optimizer.weight_decay" not in begun.runs.columns
    assert begun.of("box", optimizer__weight_decay=1.0).is_empty()
    accuracy = lambda decay: scalar("box", "test/accuracy", "lion", optimizer__weight_decay=decay)  # noqa: E731
    assert difference(accuracy(1.0), accuracy(5.0))(begun) == []


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"expected": {"box": {"newer": 1}}}', '{"expected": {}, "newer": 1}']
)
def test_what_is_no_results_is_one_line(tmp_path, content):
    gathered(tmp_path, ("box", {}))
    (tmp_path / "results" / "results.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="holds no results that can be read"):
        Results.load(tmp_path / "results")
