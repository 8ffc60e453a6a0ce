"""The tables answer what checks ask of them, also while a sweep has just begun."""

import polars as pl
import pytest
from made_up import make_results

from assay.claims import difference, scalar
from assay.results import Results


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
