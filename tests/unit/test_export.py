"""What is exported is what was measured, is explained column by column, and gives the same verdicts again."""

import csv
import json
import math

import numpy as np
import polars as pl
import pytest
from made_up import claims_and_checks, make_results
from scipy import stats

from assay import export as module
from assay import parts, reproduce, sources
from assay.errors import UserError
from assay.export import export
from assay.judging import judge
from assay.records import Record, Store
from assay.sources import Found

CLAIMS, CHECKS = claims_and_checks()


@pytest.fixture
def results(monkeypatch):
    """The made-up paper as the only paper, with a record of a failed run beside it."""
    results = make_results()

    class Module:
        pass

    Module.CLAIMS, Module.CHECKS = CLAIMS, CHECKS
    monkeypatch.setattr(parts, "papers", lambda: ["made_up", "empty"])
    monkeypatch.setattr(parts, "paper_module", lambda slug, name: Module)
    monkeypatch.setattr(reproduce, "judge_paper", lambda paper, found: judge(found, CLAIMS, CHECKS))
    monkeypatch.setattr(sources, "local", lambda paper, scale: results if paper == "made_up" else None)
    monkeypatch.setattr(sources, "committed", lambda paper, scale: None)
    parts.load_shared()  # a configuration is cut down to the groups that are registered
    config = {"module": {"name": "made_up/net"}, "trainer": {"device": "cpu"}, "seed": 4, "data": {"path": "/home/x/y"}}
    failure = {"class": "nan", "message": "the loss is not finite, at step 3\nand more", "traceback": ""}
    Store("made_up").write(Record("a" * 20, "c0de", "failed", config, failure=failure, provenance={"seconds": 1.5}))
    return results


def read(folder, name, format):
    path = folder / f"{name}.{format}"
    return pl.read_parquet(path) if format == "parquet" else pl.read_csv(path, infer_schema_length=None)


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_measurements_come_back_to_the_last_bit(results, tmp_path, format):
    export(["made_up"], "desk", tmp_path, format)
    for name in ("runs", "units", "curves"):
        found, true = read(tmp_path / "made_up", name, format), getattr(results, name)
        assert found.columns == ["paper", "scale", *true.columns] and len(found) == len(true)
        for column in true.columns:
            assert found[column].to_list() == true[column].to_list(), column


def test_every_column_of_every_table_is_explained(results, tmp_path):
    written = export([], "desk", tmp_path, "parquet")
    with (tmp_path / "dictionary.csv").open() as file:
        rows = list(csv.DictReader(file))
    tables = {
        str(path.relative_to(tmp_path))[: -len(".parquet")]: path for path in written if path.suffix == ".parquet"
    }
    assert set(tables) == {"claims", "checks", "values", "records", "made_up/runs", "made_up/units", "made_up/curves"}
    for name, path in tables.items():
        table = pl.read_parquet(path)
        own = [row for row in rows if row["table"] == name]
        assert [row["column"] for row in own] == table.columns
        assert [row["type"] for row in own] == [str(kind) for kind in table.dtypes]
        assert all(row["meaning"] and row["role"] for row in own)
        assert {int(row["rows"]) for row in own} == {len(table)}
    by = {(row["table"], row["column"]): row for row in rows}
    assert by["made_up/runs", "optimizer.weight_decay"]["role"] == "given"
    assert by["made_up/units", "gap"]["role"] == by["made_up/runs", "box/reached"]["role"] == "measured"
    assert by["made_up/runs", "box/reached"]["meaning"].startswith("a measurement of the experiments box;")
    assert float(by["made_up/runs", "box/reached"]["most"]) == results.runs["box/reached"].max()
    assert "made_up" in (tmp_path / "README.md").read_text()


def test_a_verdict_can_be_made_again_from_the_files_alone(results, tmp_path):
    """The statistics of the README of the export, done with scipy."""
    export(["made_up"], "desk", tmp_path, "csv")
    values, checks = read(tmp_path, "values", "csv"), read(tmp_path, "checks", "csv")
    for check in checks.filter(pl.col("kind") == "interval").iter_rows(named=True):
        own = values.filter((pl.col("check") == check["check"]) & pl.col("registered"))["value"].to_numpy()
        if check["verdict"] == "untested":
            assert len(own) == 0
            continue
        low, high = stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own))
        assert (low, high) == pytest.approx((check["low"], check["high"]), rel=1e-9)
        assert len(own) == check["n"] == 5
    count = values.filter((pl.col("check") == "4a") & pl.col("registered"))
    assert (int(count["holds"].sum()), len(count)) == (19, 20)
    exact = values.filter(pl.col("check") == "1")
    assert exact["holds"].all() and set(exact["condition"]) == {"conjugate", "gradient"}


def test_further_seeds_are_marked(results, tmp_path):
    export(["made_up"], "desk", tmp_path, "parquet")
    values = read(tmp_path, "values", "parquet").filter(pl.col("check") == "5")
    assert values.filter(pl.col("registered"))["unit"].to_list() == ["1", "2", "3", "4", "5"]
    assert values.filter(~pl.col("registered"))["unit"].to_list() == ["6", "7", "8"]


def test_failed_records_and_their_reasons_are_there_without_paths(results, tmp_path):
    export(["made_up"], "desk", tmp_path, "parquet")
    (row,) = read(tmp_path, "records", "parquet").iter_rows(named=True)
    assert (row["status"], row["failure"], row["seconds"]) == ("failed", "nan", 1.5)
    assert json.loads(row["config"])["data"] == {"path": "y"}
    assert read(tmp_path, "records", "parquet").schema["gpu"] == pl.String


def test_what_is_no_number_stays_apart_from_what_is_missing(tmp_path, results, monkeypatch):
    odd = make_results()
    odd = module.Results(
        odd.paper, odd.scale, odd.runs.with_columns(**{"odd/value": pl.Series([math.nan, math.inf, None, -math.inf] + [0.5] * 109)}),
        odd.units, odd.curves, odd.expected,
    )  # fmt: skip
    monkeypatch.setattr(sources, "local", lambda paper, scale: odd if paper == "made_up" else None)
    for format in ("csv", "parquet"):
        export(["made_up"], "desk", tmp_path, format)
        first = read(tmp_path / "made_up", "runs", format)["odd/value"].to_list()[:4]
        assert np.isnan(first[0]) and first[1:] == [math.inf, None, -math.inf]


def test_a_source_can_be_named_and_verdicts_alone_make_no_measurements(results, tmp_path, monkeypatch):
    verdicts = judge(results, CLAIMS, CHECKS)
    monkeypatch.setattr(
        sources, "find", lambda word, papers, scale: {"made_up": Found("made_up", "desk", None, verdicts)}
    )
    export([], "desk", tmp_path, "csv", source="HEAD")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "checks.csv",
        "claims.csv",
        "dictionary.csv",
    ]


@pytest.mark.parametrize(
    ("papers", "format", "message"),
    [
        (["made_up"], "xlsx", "unknown format"),
        (["made"], "csv", "unknown paper"),
        (["empty"], "csv", "no results at scale desk of empty"),
    ],
)
def test_bad_input_is_one_line(results, tmp_path, papers, format, message):
    with pytest.raises(UserError, match=message):
        export(papers, "desk", tmp_path / "new", format)
    assert not (tmp_path / "new").exists()
