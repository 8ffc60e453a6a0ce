"""Every number of docs/statistics.md, recomputed; and the figures in its words are those of its tables."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from toy import results, seeds, verdict

from assay import statistics
from assay.claims import Condition, Count, Interval, Look, above, difference, scalar
from assay.review import judged as judging
from benchmarks import looks
from benchmarks.noises import NOISES

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
ROWS = [[float(cell) for cell in row] for row in re.findall(r"\| (\d) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", TEXT)]
DIFFERENCES = [row[3] for row in ROWS[:5]]
PASSES = Condition(scalar("box", "test/accuracy"), above(0))


def numbers(pattern):
    """The numbers in the one place of the text that the pattern describes, # standing for each."""
    expression = re.escape(pattern).replace(r"\#", r"(-?\d+(?:\.\d+)?)")
    found = re.findall(expression, TEXT)
    assert len(found) == 1, f"{pattern!r} is there {len(found)} times"
    return [float(number) for number in (found[0] if isinstance(found[0], tuple) else [found[0]])]


def table(name):
    """The cells of a generated table, without its head; numbers as numbers."""
    inside = PAGE.partition(f"<!-- {name}:begin -->")[2].partition(f"<!-- {name}:end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in inside.strip().splitlines()]
    return [[float(c) if re.fullmatch(r"-?[\d.]+", c) else c for c in row] for row in rows[2:]]


def judged(threshold, more=()):
    rows = [row for arm, column in (("A", 1), ("B", 2)) for row in seeds([r[column] for r in ROWS[:5]], arm=arm)]
    rows += seeds(more, registered=0, first=6, arm="A") + seeds([0.0] * len(more), registered=0, first=6, arm="B")
    measure = difference(*(scalar("box", "test/accuracy", arm) for arm in "AB"))
    return verdict(Interval(measure, above(threshold)), results(rows))


def test_the_table_is_five_paired_seeds():
    assert [row[0] for row in ROWS[:5]] == [1, 2, 3, 4, 5]
    assert all(a - b == pytest.approx(d) for _, a, b, d in ROWS[:5])


def test_the_check_is_reproduced_at_the_first_look_with_the_interval_that_is_given():
    mean, sd, level = numbers("have mean # and standard deviation #. The interval at the level # is that")
    again, quantile, sd_again, n, low, high = numbers("freedom: # -+ # * # / sqrt(#), which is # to #.")
    assert (mean, sd) == (again, sd_again) == (round(np.mean(DIFFERENCES), 4), round(np.std(DIFFERENCES, ddof=1), 4))
    assert level == statistics.LOOK_LEVEL
    assert (quantile, n) == (round(stats.t.ppf(1 - level / 2, 4), 3), 5)
    row = judged(0.0)
    assert [round(x, 4) for x in row["interval"]] == [low, high]
    assert (row["verdict"], row["looks"]["taken"]) == ("reproduced", 1)
    (p,) = numbers("at the first look, with p = #. Since")
    factor, again, counts = numbers("this counts as # * # = #.")
    assert p == again == round(statistics.p_value(DIFFERENCES, 0.0), 4)
    assert (factor, counts) == (statistics.LOOK_FACTOR, round(row["p_value"], 4))


def test_the_other_bounds_give_the_other_verdicts():
    (asked,) = numbers("for more than #, the interval would lie below: **refuted**")
    assert judged(asked)["verdict"] == "refuted"
    asked, needed, power = numbers(
        "asked for more than #, the interval would cross the bound: open. If mean and spread stay what they are, # "
        "seeds would decide with a probability of # %"
    )
    row = judged(asked)
    assert (row["verdict"], row["units_needed"], row["looks"]["next"]["units"]) == ("inconclusive", needed, 10)
    assert power == 80 and "The next look takes ten" in TEXT
    *more, mean, low, high, bound = numbers(
        "differences are #, #, #, # and #: now the mean is # and the interval # to #, all of it above #: **reproduced** at "
        "the second look"
    )
    row = judged(asked, more)
    assert (row["verdict"], row["looks"]["taken"], bound) == ("reproduced", 2, asked)
    assert [round(x, 4) for x in (row["measured"], *row["interval"])] == [mean, low, high]
    again, first, rest = (
        judged(asked)["again"],
        *numbers("with more than #, and five seeds seen, another draw would be reproduced in # %"),
    )
    assert (first, round(100 * again["reproduced"])) == (asked, rest) and again["refuted"] == 0


def test_holms_correction():
    *raw, first, second, third, fourth = numbers("with p = #, #, # and #. Holm's correction multiplies the smallest by four, "
                                                 "the next by three, and so on: #, #, # and #.")  # fmt: skip
    assert raw[1] == round(judged(0.0)["p_value"], 4)
    assert statistics.holm(raw) == pytest.approx([first, second, third, fourth], abs=5e-5)
    assert first < 0.05 < second
    assert numbers("so far times # (# / #, rounded up)") == [statistics.LOOK_FACTOR, 0.05, statistics.LOOK_LEVEL]
    assert statistics.LOOK_FACTOR - 0.1 < 0.05 / statistics.LOOK_LEVEL <= statistics.LOOK_FACTOR
    assert numbers("refutes it, times #.") == [len(statistics.LOOKS)]


def test_the_counts():
    (share,) = numbers("4 or 5 of 5 would come up in # % of draws")
    assert round(100 * statistics.at_least(4, 5)) == share
    low, high = numbers("Clopper-Pearson interval: # to # for 4 of 5")
    assert [round(x, 3) for x in statistics.binomial_interval(4, 5)] == [low, high]
    assert numbers("probability of at most # when each seed passes with probability 1/2") == [statistics.COIN]
    assert numbers("probability of at most # when each seed passes with the registered share, or with # where") == [
        statistics.TOO_FEW, statistics.MOST_DEMANDED,
    ]  # fmt: skip
    for words, need in (("| 4 of 5 ", 4), ("| every seed of 5 ", None)):
        cells = numbers(words + "| reproduced by #, refuted by # " * 3 + "|")
        for n, by, refuted in zip((5, 10, 20), cells[::2], cells[1::2], strict=True):
            look = Look(seeded=True, registered=5, looks=3, units=n)
            marks = Count([PASSES], need)._marks(n, 1, look)
            assert (np.flatnonzero(marks == 1)[0], np.flatnonzero(marks == -1)[-1]) == (by, refuted)


def test_the_numbers_of_the_rules():
    assert numbers("at the level # at each of three looks, and at # where") == [statistics.LOOK_LEVEL, statistics.LEVEL]
    assert numbers("decide in fewer than # % of draws") == [100 * statistics.HOPELESS]
    assert statistics.FEWEST == 5 and "From five units on" in TEXT and "below five units the spread" in TEXT
    assert statistics.LOOKS == (1, 2, 4) and "seeds, n, and while it is undecided with 2n and 4n" in TEXT
    assert numbers("Below # the machine was busy") == [judging.QUIET]


def test_the_tables_say_what_the_words_say():
    """And what the rules were registered with: see the amendment."""
    both = {
        (row[0] or above_[0], row[1]): [float(c.split()[0]) for c in row[2:]]
        for above_, row in _with_above(table("looks"))
    }
    assert all(4 <= x <= 5.6 for x in both["normal", "as judged"])
    assert max(both["lognormal, sigma 0.7", "as judged"]) <= 14.5
    opposite = {(row[0] or above_[0], row[1]): row[2:] for above_, row in _with_above(table("opposite"))}
    assert max(max(row) for (_, words), row in opposite.items() if words == "three looks") < 0.3
    assert all(row[1] <= 16 and row[3] == 50 for row in table("counts"))
    covered = {(row[0] or above_[0], row[1]): row[2:] for above_, row in _with_above(table("intervals"))}
    low, high = numbers("hold the truth in # to # % of cases at ten units")
    ten = [row[2] for (_, kind), row in covered.items() if kind == "BCa"]
    assert (round(min(ten)), round(max(ten))) == (low, high)


def _with_above(rows):
    return zip([rows[0], *rows], rows, strict=False)


def test_the_table_of_counts_is_what_is_computed():
    for words, need, n in (("4 of 5", 4, 5), ("every one of 3", None, 3)):
        (row,) = [row for row in table("counts") if row[0] == words]
        for passes, cell in ((3, row[1]), (1, row[3])):
            share = row[2] if passes == 3 else 0.5 ** (1 / n) if need is None else 0.686
            worst = 100 * looks.opposite(looks.count_looks(Count([PASSES], need), n, passes, share))
            assert worst == pytest.approx(cell, abs=0.3)


def test_a_simulation_of_a_few_draws_agrees_with_the_tables():
    shares = looks.interval_looks(NOISES["normal"], 5, 1.0, 1000, 3)
    (row,) = [row for row in table("effects") if row[0] == 1]
    assert 100 * shares[0] == pytest.approx(row[1], abs=4)
