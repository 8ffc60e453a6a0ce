"""Every number of the worked example in docs/statistics.md, recomputed."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from assay import statistics
from assay.claims import Check, Condition, Count, Interval, above, difference, scalar
from assay.judging import judge
from assay.results import Expected, Results

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8").split())
ROWS = [[float(cell) for cell in row] for row in re.findall(r"\| (\d) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", TEXT)]


def numbers(pattern):
    """The numbers in the one place of the text that the pattern describes, # standing for each."""
    expression = re.escape(pattern).replace(r"\#", r"(-?\d+(?:\.\d+)?)")
    found = re.findall(expression, TEXT)
    assert len(found) == 1, f"{pattern!r} is there {len(found)} times"
    return [float(number) for number in (found[0] if isinstance(found[0], tuple) else found)]


def verdict(threshold):
    rows = [
        {
            "experiment": "e",
            "arm": arm,
            "seed": int(seed),
            "signature": f"{arm}{seed}",
            "registered": True,
            "test/accuracy": x,
        }
        for seed, a, b, _ in ROWS
        for arm, x in (("A", a), ("B", b))
    ]
    results = Results("p", "desk", pl.DataFrame(rows), pl.DataFrame(), pl.DataFrame(), {"e": Expected(10, 10)})
    measure = difference(*(scalar("e", "test/accuracy", arm) for arm in "AB"))
    return judge(results, [], [Check("1", "", [], Interval(measure, above(threshold)))])["checks"][0]


def test_the_table_is_five_paired_seeds():
    assert [row[0] for row in ROWS] == [1, 2, 3, 4, 5]
    assert all(a - b == pytest.approx(d) for _, a, b, d in ROWS)


def test_the_check_is_reproduced_with_the_interval_that_is_given():
    mean, sd = numbers("have mean # and standard deviation #. With")
    again, quantile, sd_again, n, low, high = numbers("freedom: # -+ # * # / sqrt(#), which is # to #.")
    differences = [row[3] for row in ROWS]
    assert (mean, sd) == (again, sd_again) == (round(np.mean(differences), 4), round(np.std(differences, ddof=1), 4))
    assert (quantile, n) == (round(stats.t.ppf(0.975, len(ROWS) - 1), 3), len(ROWS))
    row = verdict(0.0)
    assert [round(x, 4) for x in row["interval"]] == [low, high]
    assert (row["verdict"], [round(row["p_value"], 4)]) == ("reproduced", numbers("**reproduced**, with p = #."))


def test_the_other_bounds_give_the_other_verdicts():
    asked, p, seeds, power = numbers(
        "for more than #, the interval would cross the bound: **inconclusive**, with p = #. If mean "
        "and spread stay what they are, # seeds would decide with a probability of # %"
    )
    row = verdict(asked)
    assert (row["verdict"], round(row["p_value"], 3), row["units_needed"]) == ("inconclusive", p, seeds)
    assert power == 80
    (asked,) = numbers("for more than #, the interval would lie below: **refuted**")
    assert verdict(asked)["verdict"] == "refuted"


def test_holms_correction():
    *raw, first, second, third = numbers("with p = #, # and #. Holm's correction multiplies the smallest by three, the next "
                                         "by two, the largest by one: #, # and #.")  # fmt: skip
    assert raw[0] == round(verdict(0.0)["p_value"], 4)
    assert statistics.holm(raw) == pytest.approx([first, second, third])
    assert raw[1] < 0.05 < second


def test_the_count():
    k, n, low, high = numbers("A count of # of # is shown with its Clopper-Pearson interval, # to #:")
    assert [round(x, 3) for x in statistics.binomial_interval(int(k), int(n))] == [low, high]
    registered, five, more, twenty = (int(x) for x in numbers("registered as # of # asks for # of # there"))
    assert Count([Condition(scalar("e", "x"), above(0))], registered)._needed(twenty, five) == more


def test_the_bootstrap():
    *units, mean, low, high = numbers(f"with values {', '.join('#' * 12)} have mean # and the interval # to #,")
    result = statistics.mean_interval(units)
    assert (result.method, round(result.mean, 2), round(result.low, 2), round(result.high, 2)) == (
        "BCa",
        mean,
        low,
        high,
    )
    assert numbers("From ten units, BCa bootstrap of the mean** (#,# resamples)") == [9, 999]
    assert statistics.RESAMPLES == 9999 and statistics.BOOTSTRAP_FROM == 10
    assert [round(2 / (statistics.RESAMPLES + 1), 4)] == numbers("p-values below # apart")
