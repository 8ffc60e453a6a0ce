"""What is exported is what was measured, is explained column by column, and gives the same verdicts again."""

import csv
import json
import math

import numpy as np
import polars as pl
import pytest
from made_up import claims_and_checks, make_results, rules
from scipy import stats

from assay.app import export as module
from assay.app.export import export
from assay.config import loading
from assay.errors import UserError
from assay.records.store import Record, Store
from assay.review import sources
from assay.review.judged import judge
from assay.review.sources import Found
from assay.study import session

CLAIMS, CHECKS = claims_and_checks()


def results_module():
    """What stands for the made-up paper's `claims.py`."""
    return loading.paper_module("made_up", "claims")


@pytest.fixture
def results(monkeypatch):
    """The made-up paper as the only paper, with a record of a failed run beside it."""
    results = make_results()

    class Module:
        pass

    Module.CLAIMS, Module.CHECKS = CLAIMS, CHECKS
    monkeypatch.setattr(loading, "papers", lambda: ["made_up", "empty"])
    monkeypatch.setattr(loading, "paper_module", lambda slug, name: Module)
    monkeypatch.setattr(session, "judge_paper", lambda paper, found: judge(found, CLAIMS, CHECKS))
    monkeypatch.setattr(sources, "local", lambda paper, scale: results if paper == "made_up" else None)
    monkeypatch.setattr(sources, "committed", lambda paper, scale: None)
    loading.load_shared()  # a configuration is cut down to the groups that are registered
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
    with (tmp_path / "dictionary.csv").open(encoding="utf-8") as file:
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
    assert "made_up" in (tmp_path / "README.md").read_text(encoding="utf-8")


class Again:
    """The rules of the export's README, done with scipy on nothing but its files."""

    def __init__(self, folder):
        self.values = list(csv.DictReader((folder / "values.csv").open(encoding="utf-8")))
        self.checks = list(csv.DictReader((folder / "checks.csv").open(encoding="utf-8")))

    def verdict(self, check):
        form = json.loads(check["form"])
        own = [row for row in self.values if row["check"] == check["check"] and row["used"] == "true"]
        if check["kind"] == "report":
            return ""
        if not own:
            return "untested"
        by_id = {row["check"]: row for row in self.checks}
        gates = [by_id[id] for id in form["gate"]]
        if any(gate["verdict"] != "reproduced" for gate in gates):
            return "inconclusive"
        return getattr(self, f"_{check['kind']}")(check, form, own)

    def _exact(self, check, form, own):
        return "reproduced" if all(row["holds"] == "true" for row in own) else "refuted"

    def _grouped(self, form, own, judge):
        groups = {}
        for row in own:
            groups.setdefault(row["group"], []).append(row)
        marks, asked = [judge(rows) for rows in groups.values()], form["groups"]
        need = len(marks) if asked == "all" else 1 if asked == "any" else asked[0] if isinstance(asked, list) else asked
        against = asked[1] if isinstance(asked, list) else len(marks) - need + 1
        if marks.count("reproduced") >= need:
            return "reproduced"
        return "refuted" if marks.count("refuted") >= against else "inconclusive"

    def _mean(self, check, form, own):
        def judge(rows):
            mean = np.mean([float(row["value"]) for row in rows])
            return "reproduced" if inside(bound_in(rows[0]), mean) else "refuted"

        return self._grouped(form, own, judge)

    def _count(self, check, form, own):
        def judge(rows):
            units = {row["unit"] for row in rows if row["role"] == "asked"}
            held = {u: all(r["holds"] == "true" for r in rows if (r["unit"], r["role"]) == (u, "asked")) for u in units}
            left = {row["unit"] for row in rows if row["role"] == "undecided" and row["holds"] == "true"}
            n, k = len(units), sum(held.values())
            most, coin = k + sum(not held[u] and u in left for u in units), check["coin"] == "true"
            scaled = lambda x: x * n if x < 1 else x * n / int(check["units_registered"] or n)  # noqa: E731
            need = n if form["need"] is None else math.ceil(scaled(form["need"]) - 1e-9)
            any_of = len({row["group"] for row in own}) if form["groups"] == "any" else 1
            if k >= need and (not coin or stats.binom.sf(k - 1, n, 0.5) <= 0.05 / any_of):
                return "reproduced"
            if form.get("against") is not None:
                return "refuted" if most <= math.floor(scaled(form["against"]) + 1e-9) else "inconclusive"
            share = 1 if form["need"] is None else scaled(form["need"]) / n
            few = not coin or stats.binom.cdf(most, n, min(share, 0.8)) <= 0.01
            return "refuted" if most < need and few else "inconclusive"

        return self._grouped(form, own, judge)

    def _interval(self, check, form, own):
        if form.get("pool"):
            pooled = {}
            for row in own:
                pooled.setdefault(row["unit"], []).append(float(row["value"]))
            own = [{**own[0], "group": "", "unit": unit, "value": np.mean(v)} for unit, v in pooled.items()]
        odd = []

        def judge(rows):
            values = [(row["unit"], float(row["value"])) for row in rows]
            defined = [(unit, value) for unit, value in values if not math.isnan(value)]
            lost = len(values) - len(defined)
            if lost > form.get("missing", 0) * len(values) or not all(math.isfinite(value) for _, value in defined):
                return odd.append(rows)
            if form.get("clusters"):
                seeds = {}
                for unit, value in defined:
                    seeds.setdefault(unit.partition(",")[0], []).append(value)
                defined = [(seed, np.mean(values)) for seed, values in seeds.items()]
            numbers = np.array([value for _, value in defined])
            low, high = stats.t.interval(
                1 - float(check["level"]), len(numbers) - 1, numbers.mean(), stats.sem(numbers)
            )
            bound, margin = bound_in(rows[0]), form.get("margin", 0)
            wide = [None if end is None or margin == "any" else end + sign * margin
                    for end, sign in ((bound["low"], -1), (bound["high"], 1))]  # fmt: skip
            wide = {"low": wide[0], "high": wide[1], "strict": bound["strict"]}
            if inside(bound, numbers.mean()) and inside(wide, low) and inside(wide, high):
                return "reproduced"
            if form.get("against"):
                return "refuted" if inside(form["against"], low) and inside(form["against"], high) else "inconclusive"
            short = bound["low"] is not None and high < bound["low"]
            return "refuted" if short or (bound["high"] is not None and low > bound["high"]) else "inconclusive"

        verdict = self._grouped(form, own, judge)
        return "inconclusive" if odd else verdict


def bound_in(row):
    low, high = (float(row[key]) if row[key] else None for key in ("bound_low", "bound_high"))
    return {"low": low, "high": high, "strict": row["bound_strict"] == "true"}


def inside(bound, value):
    low, high = (math.inf * sign if bound[key] is None else bound[key] for key, sign in (("low", -1), ("high", 1)))
    return low < value < high if bound["strict"] else low <= value <= high


@pytest.mark.parametrize("registered", [claims_and_checks, rules])
def test_every_verdict_can_be_made_again_from_the_files_alone(results, tmp_path, monkeypatch, registered):
    claims, checks = registered()
    more = make_results(seeds=range(1, 11))
    monkeypatch.setattr(sources, "local", lambda paper, scale: more if paper == "made_up" else None)
    monkeypatch.setattr(session, "judge_paper", lambda paper, found: judge(found, claims, checks))
    monkeypatch.setattr(results_module(), "CHECKS", checks)
    export(["made_up"], "desk", tmp_path, "csv")
    again = Again(tmp_path)
    made = {check["check"]: again.verdict(check) for check in again.checks if not check["error"]}
    assert made == {check["check"]: check["verdict"] for check in again.checks if not check["error"]}
    assert len(made) > 8 and {"reproduced", "refuted", "inconclusive"} <= set(made.values())


def test_further_seeds_are_marked(results, tmp_path):
    export(["made_up"], "desk", tmp_path, "parquet")
    values = read(tmp_path, "values", "parquet").filter(pl.col("check") == "5")
    assert values.filter(pl.col("used"))["unit"].to_list() == ["1", "2", "3", "4", "5"]
    assert values.filter(~pl.col("used"))["unit"].to_list() == ["6", "7", "8"]


def test_the_units_of_the_look_that_decided_are_marked_and_groups_that_a_gate_leaves_out_are_not(
    results, tmp_path, monkeypatch
):
    claims, checks = rules()
    more = make_results(seeds=range(1, 11))
    monkeypatch.setattr(sources, "local", lambda paper, scale: more if paper == "made_up" else None)
    monkeypatch.setattr(session, "judge_paper", lambda paper, found: judge(found, claims, checks))
    monkeypatch.setattr(results_module(), "CHECKS", checks)
    export(["made_up"], "desk", tmp_path, "parquet")
    values, rows = read(tmp_path, "values", "parquet"), read(tmp_path, "checks", "parquet")
    used = values.filter(pl.col("used"))
    assert used.filter(pl.col("check") == "any")["unit"].n_unique() == 10
    assert used.filter(pl.col("check") == "two")["unit"].n_unique() == 5
    assert used.filter(pl.col("check") == "level by level")["group"].unique().sort().to_list() == [
        "optimizer.weight_decay=1.0",
        "optimizer.weight_decay=5.0",
    ]
    row = rows.row(by_predicate=pl.col("check") == "held back", named=True)
    assert (row["verdict"], row["ungated"], row["gates"]) == ("inconclusive", "reproduced", "learns")
    row = rows.row(by_predicate=pl.col("check") == "any", named=True)
    assert (row["look"], row["looks"], row["units_registered"], row["level"]) == (2, 3, 5, 0.0195 / 4)
    assert rows.row(by_predicate=pl.col("check") == "broken", named=True)["error"].startswith("KeyError")
    assert values.filter(pl.col("check") == "broken").is_empty()


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
