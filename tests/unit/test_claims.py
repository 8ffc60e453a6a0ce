"""Kinds of checks: how the numbers of a look become a verdict, on hand-made results."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from toy import check, results, seeds, verdict

from assay import statistics
from assay.claims import (
    Amendment,
    Bound,
    Check,
    Condition,
    Count,
    Exact,
    Interval,
    Look,
    Mean,
    Report,
    above,
    at_least,
    at_most,
    below,
    between,
    demanded,
    exact,
    scalar,
    unit,
    verdict_of,
)
from assay.measures import Read, Value, function

ACCURACY = scalar("box", "test/accuracy")
BY_WD = scalar("box", "test/accuracy", group="wd")
PAIRS = scalar("box", "test/accuracy", over="pair")
"""Units that are no seeds: one look, the card's number, no coin."""


def groups_of(**groups):
    """One run a seed in each group."""
    return results([row for name, values in groups.items() for row in seeds(values, wd=name)])


def pairs_of(**groups):
    """As `groups_of`, but each group's units are pairs inside one seed."""
    return results([
        {"seed": 1, "wd": name, "pair": f"p{i}", "signature": f"{name}{i}", "test/accuracy": value}
        for name, values in groups.items() for i, value in enumerate(values)
    ])  # fmt: skip


# -- groups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "m", "expected"),
    [
        ("all", 4, (4, 1)),
        ("any", 4, (1, 4)),
        (3, 4, (3, 2)),
        ((2, 3), 4, (2, 3)),
        ("all", 1, (1, 1)),
        ("any", 1, (1, 1)),
    ],
)
def test_how_many_groups_must_hold_and_how_many_refute(groups, m, expected):
    assert demanded(groups, m) == expected


@pytest.mark.parametrize(
    ("groups", "marks", "expected"),
    [
        ("all", "RRR", "reproduced"), ("all", "RRi", "inconclusive"), ("all", "RiF", "refuted"), ("all", "F", "refuted"),
        ("any", "iFR", "reproduced"), ("any", "FFi", "inconclusive"), ("any", "FFF", "refuted"),
        (2, "RRF", "reproduced"), (2, "RiF", "inconclusive"), (2, "RFF", "refuted"), (2, "iiF", "inconclusive"),
        ((3, 2), "RRRF", "reproduced"), ((3, 2), "RRiF", "inconclusive"), ((3, 2), "RRFF", "refuted"),
        ((1, 2), "RFF", "reproduced"), ((2, 3), "RFFF", "refuted"), ((2, 3), "RiFF", "inconclusive"),
        (3, "RR", "inconclusive"), (3, "FF", "inconclusive"), ((3, 2), "FF", "inconclusive"),
    ],
)  # fmt: skip
def test_a_verdict_from_those_of_groups(groups, marks, expected):
    names = {"R": "reproduced", "F": "refuted", "i": "inconclusive"}
    assert verdict_of([names[mark] for mark in marks], groups) == expected
    assert verdict_of([names[mark] for mark in reversed(marks)], groups) == expected


# Means 0.04, 0.02 and -0.04 with standard error 0.01: t = 4, 2, -4 of four degrees of freedom.
UNIT = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) / np.std([-1.0, -0.5, 0.0, 0.5, 1.0], ddof=1) * 0.01 * math.sqrt(5)
STRONG, WEAK, AGAINST = ((mean + UNIT).tolist() for mean in (0.04, 0.02, -0.04))
P_STRONG, P_WEAK = (2 * stats.t.sf(t, 4) for t in (4, 2))


@pytest.mark.parametrize(
    ("groups", "values", "expected", "p"),
    [
        ("all", (STRONG, STRONG, STRONG), "reproduced", P_STRONG),
        ("all", (STRONG, STRONG, WEAK), "inconclusive", P_WEAK),
        ("all", (STRONG, WEAK, AGAINST), "refuted", 3 * P_STRONG),  # the least of three
        ("any", (STRONG, WEAK, WEAK), "reproduced", 3 * P_STRONG),
        ("any", (WEAK, WEAK, AGAINST), "inconclusive", 3 * P_WEAK),
        ("any", (AGAINST, AGAINST, AGAINST), "refuted", P_STRONG),
        (2, (STRONG, STRONG, WEAK), "reproduced", 2 * P_STRONG),
        (2, (STRONG, WEAK, AGAINST), "inconclusive", 2 * P_WEAK),  # what stands against "it holds" is no support
        (2, (STRONG, AGAINST, AGAINST), "refuted", 2 * P_STRONG),
        ((2, 3), (STRONG, AGAINST, AGAINST), "inconclusive", 1.0),
        ((1, 3), (STRONG, AGAINST, AGAINST), "reproduced", 3 * P_STRONG),
    ],
)
def test_groups_of_intervals_and_their_p_values(groups, values, expected, p):
    row = verdict(
        Interval(BY_WD, above(0), groups=groups, level=0.06),
        groups_of(**dict(zip("abc", values, strict=True))),
        looks=1,
    )
    assert (row["verdict"], row["p_value"]) == (expected, pytest.approx(min(1.0, p)))
    assert [d["name"] for d in row["details"]] == ["wd=a", "wd=b", "wd=c"] and row["n"] == 5


def test_any_divides_the_level_by_the_number_of_groups():
    """t = 4 of four degrees of freedom has p = 0.016: enough for one group at 0.05, for three, and not for four."""
    assert 0.0160 < P_STRONG < 0.0162
    for m, expected in ((1, "reproduced"), (3, "reproduced"), (4, "inconclusive")):
        values = dict(zip("abcd"[:m], [STRONG, *[WEAK] * (m - 1)], strict=True))
        row = verdict(Interval(BY_WD, above(0), groups="any"), groups_of(**values), looks=1)
        assert row["verdict"] == expected
        low, high = row["details"][0]["interval"]
        half = stats.t.ppf(1 - 0.05 / m / 2, 4) * 0.01
        assert (low, high) == pytest.approx((0.04 - half, 0.04 + half))
    assert verdict(Interval(BY_WD, above(0), groups=1), groups_of(**values), looks=1)["verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("groups", "values", "measured"),
    [
        ("all", (STRONG, WEAK, STRONG), 0.02), ("all", (STRONG, AGAINST, WEAK), -0.04), ("any", (WEAK, STRONG, AGAINST), 0.04),
        (2, (STRONG, WEAK, AGAINST), 0.02), ((2, 2), (AGAINST, STRONG, AGAINST), -0.04),
    ],
)  # fmt: skip
def test_the_group_that_decides_is_the_headline(groups, values, measured):
    row = verdict(Interval(BY_WD, above(0), groups=groups), groups_of(**dict(zip("abc", values, strict=True))))
    assert row["measured"] == pytest.approx(measured)
    assert len(row["runs"]) == 15


def test_too_few_groups_decide_nothing_in_any_kind():
    data = groups_of(a=STRONG, b=STRONG)
    for kind in (Interval(BY_WD, above(0), groups=3), Interval(BY_WD, below(0), groups=3),
                 Count([BY_WD > 0], groups=3), Count([BY_WD < 0], groups=3)):  # fmt: skip
        row = verdict(kind, data)
        assert (row["verdict"], row["note"]) == ("inconclusive", "2 groups, 3 are needed")
    for bound in (above(0), below(0)):
        found = Mean(BY_WD, bound, groups=3).judge(data)
        assert (found.verdict, found.note) == ("inconclusive", "2 groups, 3 are needed")


def test_a_group_may_carry_its_own_measure_and_bound():
    data = results([{**row, "test/loss": x} for row, x in zip(seeds(STRONG), [9.0, 9.1, 9.2, 9.3, 9.4], strict=True)])
    loss = scalar("box", "test/loss")
    gain, fit = Condition(ACCURACY, above(0), "gain"), Condition(loss, below(10), "loss")
    row = verdict(Interval([gain, fit]), data, looks=1)
    assert row["verdict"] == "reproduced" and row["threshold"] == "gain > 0; loss < 10"
    assert [(d["name"], d["verdict"], d["bound"]["low"], d["bound"]["high"]) for d in row["details"]] == [
        ("gain", "reproduced", 0, None), ("loss", "reproduced", None, 10),
    ]  # fmt: skip
    row = verdict(Interval([gain, Condition(loss, below(9), "loss")]), data, looks=1)
    assert (row["verdict"], row["measured"], row["note"]) == ("refuted", pytest.approx(9.2), "1 of 2 groups hold")
    grouped = verdict(Interval([Condition(BY_WD, above(0), "gain"), fit]), groups_of(a=STRONG, b=WEAK), looks=1)
    assert [d["name"] for d in grouped["details"]] == ["gain, wd=a", "gain, wd=b"]
    single = Interval(ACCURACY > 0, name="gain")
    assert single.form() == Interval(ACCURACY, above(0), name="another").form()
    assert single.threshold() == "gain > 0"


# -- exact ----------------------------------------------------------------------------------------------------------


def exact_kind(*names):
    return Exact([Condition(exact("1", name), at_most(1e-9), name) for name in names])


def exact_results(scale="desk", **values):
    row = {"experiment": "exact", **{f"exact/1/{name}": value for name, value in values.items()}}
    return results([row], scale=scale)


def test_exact_needs_every_bound():
    good = verdict(exact_kind("a", "b"), exact_results(a=0.0, b=1e-10))
    assert (good["verdict"], good["n"], good["runs"]) == ("reproduced", 2, ["s000"])
    bad = verdict(exact_kind("a", "b"), exact_results(a=0.0, b=1e-3))
    assert (bad["verdict"], bad["measured"]) == ("refuted", 1e-3)
    assert [d["holds"] for d in bad["details"]] == [True, False]
    assert bad["threshold"] == "a <= 1e-09; b <= 1e-09"
    assert "looks" not in bad and bad["p_value"] is None


def test_exact_shows_the_worst_value_and_takes_nan_for_a_violation():
    kind = Exact([Condition(ACCURACY, at_most(0.5))])
    assert verdict(kind, results(seeds([0.1, 0.9, 0.6])))["measured"] == 0.9
    row = verdict(kind, results(seeds([0.1, math.nan])))
    assert (row["verdict"], row["measured"]) == ("refuted", "nan")


def test_exact_is_untested_where_a_condition_has_no_value_unless_another_is_violated():
    assert verdict(exact_kind("a", "b"), exact_results(a=0.0))["verdict"] == "untested"
    assert verdict(exact_kind("a", "b"), exact_results(a=1.0))["verdict"] == "refuted"


# -- count: other units than seeds ----------------------------------------------------------------------------------


def count(need=None, *more, measure=ACCURACY, **rule):
    return Count([Condition(measure, above(0.5), "accuracy"), *more], need, **rule)


def of_pairs(*values):
    return pairs_of(w=values)


def test_units_that_are_no_seeds_have_one_look_the_cards_number_and_no_coin():
    data = of_pairs(0.9, 0.8, 0.7, 0.4)
    row = verdict(count(3, measure=PAIRS), data)
    assert (row["verdict"], row["measured"], row["n"], row["note"]) == ("reproduced", 0.75, 4, "3 of 4")
    assert row["interval"] == pytest.approx([0.19412, 0.99369], abs=1e-5)  # Clopper-Pearson, from tables
    assert row["threshold"] == "accuracy > 0.5 in >= 3"
    assert (row["p_value"], "looks" in row, "again" in row) == (None, False, False)
    assert verdict(count(measure=PAIRS), data)["verdict"] == "refuted"
    assert verdict(count(4, measure=PAIRS), data)["verdict"] == "refuted"
    assert verdict(count(5, measure=PAIRS), of_pairs(*[0.9] * 4))["verdict"] == "refuted"


@pytest.mark.parametrize(("share", "passes", "n"), [(0.55, 11, 20), (0.7, 7, 10), (0.9, 9, 10), (2 / 3, 2, 3)])
def test_a_share_is_met_by_exactly_that_share(share, passes, n):
    for k, expected in ((passes, "reproduced"), (passes - 1, "refuted")):
        assert verdict(count(share, measure=PAIRS), of_pairs(*[0.9] * k, *[0.1] * (n - k)))["verdict"] == expected


def test_a_unit_passes_only_if_every_condition_holds_for_it_and_is_finite():
    rows = [
        {"seed": 1, "pair": p, "test/accuracy": 0.9, "test/loss": loss}
        for p, loss in (("a", 0.1), ("b", 9.0), ("c", math.nan), ("d", -math.inf))
    ]
    loss = Condition(scalar("box", "test/loss", over="pair"), at_most(1))
    assert verdict(count(2, loss, measure=PAIRS), results(rows))["note"] == "1 of 4"


def test_a_count_with_units_that_lack_a_measurement_is_inconclusive():
    rows = [
        {"seed": 1, "pair": "a", "test/accuracy": 0.9, "test/loss": 0.1},
        {"seed": 1, "pair": "b", "test/accuracy": 0.9, "test/loss": None},
    ]
    row = verdict(
        count(1, Condition(scalar("box", "test/loss", over="pair"), at_most(1)), measure=PAIRS), results(rows)
    )
    assert (row["verdict"], row["note"]) == ("inconclusive", "some units lack a measurement")


@pytest.mark.parametrize(
    ("groups", "expected", "note"),
    [
        ("all", "refuted", "1 of 3"),
        ("any", "reproduced", "3 of 3"),
        (2, "reproduced", "2 of 3"),
        (3, "refuted", "1 of 3"),
    ],
)
def test_groups_of_counts_and_the_one_that_decides(groups, expected, note):
    data = pairs_of(a=[0.9, 0.9, 0.1], b=[0.9, 0.1, 0.1], c=[0.9] * 3)
    kind = Count([scalar("box", "test/accuracy", over="pair", group="wd") > 0.5], 2, groups=groups)
    row = verdict(kind, data)
    assert (row["verdict"], row["note"]) == (expected, note)
    assert [(d["name"], d["verdict"]) for d in row["details"]] == [
        ("wd=a", "reproduced"), ("wd=b", "refuted"), ("wd=c", "reproduced"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("passes", "expected"),
    [(4, "reproduced"), (3, "inconclusive"), (2, "inconclusive"), (1, "refuted"), (0, "refuted")],
)
def test_a_count_may_state_what_refutes_it(passes, expected):
    data = of_pairs(*[0.9] * passes, *[0.1] * (5 - passes))
    assert verdict(count(4, measure=PAIRS, against=1), data)["verdict"] == expected
    assert verdict(count(0.8, measure=PAIRS, against=0.2), data)["verdict"] == expected


@pytest.mark.parametrize(
    ("passes", "undecided", "expected"),
    [
        (3, 2, "reproduced"),
        (2, 2, "inconclusive"),
        (1, 2, "inconclusive"),
        (1, 1, "refuted"),
        (2, 0, "refuted"),
        (0, 3, "inconclusive"),
    ],
)
def test_units_that_a_card_calls_undecided_neither_pass_nor_fail(passes, undecided, expected):
    values = [0.9] * passes + [0.45] * undecided + [0.1] * (5 - passes - undecided)
    row = verdict(count(3, measure=PAIRS, undecided=[PAIRS >= 0.4]), of_pairs(*values))
    assert row["verdict"] == expected
    assert row["details"][0].get("undecided", 0) == undecided


# -- count: seeds ---------------------------------------------------------------------------------------------------


def of_seeds(passes, n):
    return results(seeds([0.9] * passes + [0.1] * (n - passes)))


SEEDS = [
    (None, 5, 5, "reproduced"),  # 1/32
    (None, 4, 5, "inconclusive"),  # one failure forbids reproduction and no more
    (None, 1, 5, "refuted"),  # P(<= 1 of 5 at 0.8) = 0.0067
    (None, 2, 5, "inconclusive"),  # 0.058
    (4, 5, 5, "reproduced"),
    (4, 4, 5, "inconclusive"),  # 6/32 under a coin
    (4, 3, 5, "inconclusive"),
    (4, 1, 5, "refuted"),
    (None, 3, 3, "inconclusive"),  # 1/8
    (None, 1, 3, "inconclusive"),  # 0.104
    (None, 0, 3, "refuted"),  # 0.008
    (8, 9, 10, "reproduced"),  # 11/1024
    (8, 8, 10, "inconclusive"),  # 56/1024
    (8, 5, 10, "inconclusive"),  # 0.033
    (8, 4, 10, "refuted"),  # 0.0064
    (0.55, 2, 10, "inconclusive"),  # P(<= 2 of 10 at 0.55) = 0.027; it would be 0.012 at 6 of 10
    (0.55, 1, 10, "refuted"),  # 0.0045
    (0.25, 5, 10, "inconclusive"),  # the share is met, and half is what a coin gives
    (0.25, 0, 10, "inconclusive"),  # 0.056
]  # fmt: skip


@pytest.mark.parametrize(("need", "passes", "n", "expected"), SEEDS)
def test_a_count_over_seeds_is_held_against_a_coin_and_against_its_share(need, passes, n, expected):
    assert verdict(count(need), of_seeds(passes, n))["verdict"] == expected


def test_the_share_demanded_is_the_registered_one_and_not_a_rounded_number_of_units():
    """5 of 9 misses a half and more of 9 units: held against 0.5, P(<= 0 of 9) = 0.002, P(<= 1 of 9) = 0.0195."""
    kind = count(0.5)
    look = Look(seeded=True, registered=9, units=9, looks=3)
    assert [kind._verdict(k, 0, 9, 1, look) for k in (0, 1)] == ["refuted", "inconclusive"]
    assert statistics.at_most(1, 9, 5 / 9) < statistics.TOO_FEW < statistics.at_most(1, 9, 0.5)


def test_a_registered_number_is_a_share_of_more_seeds():
    kind, look = count(4), Look(seeded=True, registered=5, looks=3)
    assert [kind._needed(n, look) for n in (5, 10, 20, 7)] == [4, 8, 16, 6]
    against = count(4, against=1)
    assert [against._scaled(1, n, look, math.floor) for n in (5, 10, 20, 7)] == [1, 2, 4, 1]


def test_any_divides_the_coins_level_by_the_number_of_groups():
    """5 of 5 has 1/32 = 0.031 under a coin: enough for one group, not for two."""
    kind = Count([BY_WD > 0.5], groups="any")
    assert verdict(kind, groups_of(a=[0.9] * 5))["verdict"] == "reproduced"
    assert verdict(kind, groups_of(a=[0.9] * 5, b=[0.1] * 5))["verdict"] == "inconclusive"
    assert verdict(kind, groups_of(a=[0.9] * 6, b=[0.1] * 6))["verdict"] == "reproduced"  # 1/64


def test_a_counts_own_threshold_for_refuting_needs_no_rare_failures():
    assert verdict(count(4, against=2), of_seeds(2, 5))["verdict"] == "refuted"
    assert verdict(count(4), of_seeds(2, 5))["verdict"] == "inconclusive"
    assert verdict(count(4, against=2), of_seeds(4, 5))["verdict"] == "inconclusive"  # the coin stays


def test_a_value_that_is_not_finite_fails_a_count_over_seeds():
    for odd in (math.nan, math.inf, -math.inf):
        kind = Count([ACCURACY <= 0.5], 4)
        row = verdict(kind, results(seeds([0.1] * 4 + [odd])))
        assert row["note"] == "4 of 5"


def test_p_values_of_counts_over_seeds():
    row = verdict(count(), of_seeds(5, 5))
    assert row["p_value"] == pytest.approx(3 / 32)
    assert verdict(count(8), of_seeds(8, 10))["p_value"] == pytest.approx(3 * 56 / 1024)
    assert verdict(count(8), of_seeds(4, 10))["p_value"] == pytest.approx(3 * stats.binom.cdf(4, 10, 0.8))
    assert verdict(count(), of_seeds(5, 5), looks=1)["p_value"] == pytest.approx(1 / 32)
    both = Count([BY_WD > 0.5], groups=1)
    row = verdict(both, groups_of(a=[0.9] * 5, b=[0.9] * 4 + [0.1]))
    assert row["p_value"] == pytest.approx(3 * 2 / 32)  # (m - k + 1) times the k-th smallest, times the looks


# -- interval -------------------------------------------------------------------------------------------------------


def interval(bound, **more):
    return Interval(ACCURACY, bound, name="accuracy", **more)


FIVE = [0.50, 0.52, 0.54, 0.56, 0.58]  # mean 0.54; the t interval is 0.54 -+ 0.0393 at 0.05, 0.54 -+ 0.0534 at 0.0195


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (above(0.50), "reproduced"), (above(0.54), "inconclusive"), (above(0.58), "refuted"),
        (below(0.58), "reproduced"), (below(0.56), "inconclusive"), (below(0.50), "refuted"),
        (between(0.49, 0.59), "reproduced"), (between(0.51, 0.59), "inconclusive"),
        (between(0.53, 0.55), "inconclusive"), (between(0.59, 0.70), "refuted"), (between(0.30, 0.49), "refuted"),
    ],
)  # fmt: skip
def test_an_interval_lies_inside_outside_or_across_the_bound(bound, expected):
    row = verdict(interval(bound), results(seeds(FIVE)), looks=1)
    assert row["verdict"] == expected
    assert row["measured"] == pytest.approx(0.54)
    assert row["interval"] == pytest.approx([0.54 - 0.0393, 0.54 + 0.0393], abs=1e-4)
    # The p-value excludes an end of the bound exactly where the interval decides.
    assert (row["p_value"] < 0.05) == (expected != "inconclusive")
    assert (row["units_needed"] is None or row["units_needed"] > 5) if expected == "inconclusive" else True


@given(
    st.lists(st.integers(-20, 20).map(lambda i: i / 10), min_size=5, max_size=8).filter(lambda v: len(set(v)) > 1),
    st.sampled_from([-1.0, -0.25, 0.0, 0.5]),
    st.sampled_from([0.25, 1.0, 8.0]),
)
@settings(max_examples=15, deadline=None)
def test_a_mirrored_or_scaled_measure_with_its_bound_has_the_same_verdict(values, threshold, scale):
    data = results(seeds(values))
    row = verdict(Interval(ACCURACY, above(threshold)), data)
    mirrored = verdict(Interval(-ACCURACY, below(-threshold)), data)
    scaled = verdict(Interval(ACCURACY * scale, above(threshold * scale)), data)
    other = verdict(Interval(ACCURACY, below(threshold)), data)
    for one in (mirrored, scaled, other):
        assert one["p_value"] == pytest.approx(row["p_value"]) and one["units_needed"] == row["units_needed"]
        assert one.get("looks", {}).get("ends", "") == row.get("looks", {}).get("ends", "")
    opposite = {"reproduced": "refuted", "refuted": "reproduced", "inconclusive": "inconclusive"}
    assert mirrored["verdict"] == scaled["verdict"] == row["verdict"] == opposite[other["verdict"]]


def test_an_inconclusive_interval_says_how_many_units_would_decide():
    one_look = verdict(interval(above(0.52)), results(seeds(FIVE)), looks=1)
    assert one_look["units_needed"] == 22  # d = 0.63; between Cohen's 24 (0.6) and 19 (0.7)
    d, tail = 0.02 / np.std(FIVE, ddof=1), 1 - 0.0195 / 2
    enough = next(n for n in range(2, 99) if stats.nct.sf(stats.t.ppf(tail, n - 1), n - 1, d * math.sqrt(n)) >= 0.8)
    assert verdict(interval(above(0.52)), results(seeds(FIVE)))["units_needed"] == enough == 29
    assert verdict(interval(above(0.54)), results(seeds(FIVE)), looks=1)["units_needed"] is None


def test_a_look_has_its_own_level():
    row = verdict(interval(above(0.49)), results(seeds(FIVE)))
    assert row["interval"] == pytest.approx([0.54 - 0.0534, 0.54 + 0.0534], abs=1e-4)
    assert (row["verdict"], row["p_value"]) == ("inconclusive", pytest.approx(2.6 * 0.02411, abs=1e-4))
    assert verdict(interval(above(0.49), level=0.05), results(seeds(FIVE)))["verdict"] == "reproduced"
    assert verdict(interval(above(0.49)), results(seeds(FIVE)), looks=1)["verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("against", "bound", "expected"),
    [
        (below(0.60), above(0.55), "refuted"),  # the whole interval lies below a smallest effect of interest
        (below(0.57), above(0.55), "inconclusive"),
        (below(0.60), above(0.50), "reproduced"),  # an effect, if a small one
        (above(0.60), between(0.0, 0.51), "inconclusive"),  # one side alone refutes
        (above(0.50), between(0.0, 0.51), "refuted"),
    ],
)
def test_an_interval_may_state_what_refutes_it(against, bound, expected):
    row = verdict(interval(bound, against=against), results(seeds(FIVE)), looks=1)
    assert row["verdict"] == expected
    assert row["p_value"] < 0.05 if expected != "inconclusive" else row["p_value"] >= 0.05


def test_a_mean_between_both_regions_excludes_nothing():
    row = verdict(interval(above(0.7), against=below(0.4)), results(seeds(FIVE)), looks=1)
    assert (row["verdict"], row["p_value"], row["units_needed"]) == ("inconclusive", 1.0, None)


@pytest.mark.parametrize(
    ("bound", "margin", "expected"),
    [
        (at_least(0.52), 0.02, "reproduced"),  # low end 0.5007
        (at_least(0.52), 0.01, "inconclusive"),
        (at_least(0.55), 1.00, "inconclusive"),  # the mean does not keep the bound
        (at_least(0.58), 1.00, "refuted"),  # a margin saves nothing that lies outside
        (at_least(0.52), math.inf, "reproduced"),
        (at_least(0.55), math.inf, "inconclusive"),
        (at_least(0.58), math.inf, "refuted"),
    ],
)
def test_an_interval_may_pass_the_bound_by_a_margin_while_the_mean_keeps_it(bound, margin, expected):
    row = verdict(interval(bound, margin=margin), results(seeds(FIVE)), looks=1)
    assert row["verdict"] == expected
    if math.isfinite(margin) or expected != "reproduced":
        assert (row["p_value"] < 0.05) == (expected != "inconclusive")
    else:
        assert row["p_value"] is None  # nothing was tested


def test_undefined_units_may_be_missing_up_to_a_share():
    values = [0.50, 0.52, 0.54, 0.56, math.nan]
    row = verdict(interval(above(0), missing=0.2), results(seeds(values)))
    assert (row["verdict"], row["n"], row["measured"]) == ("reproduced", 4, pytest.approx(0.53))
    row = verdict(interval(above(0), missing=0.2), results(seeds([*values[:3], math.nan, math.nan])))
    assert (row["verdict"], row["note"]) == ("inconclusive", "2 of 5 units are undefined")
    row = verdict(interval(above(0), missing=0.2), results(seeds([*values[:4], math.inf])))
    assert (row["verdict"], row["note"]) == ("inconclusive", "a value is not finite")


def test_groups_can_be_pooled_unit_by_unit():
    data = groups_of(a=[1.0, 2.0, 3.0, 4.0, 5.0], b=[3.0, 4.0, 5.0, 6.0])
    row = verdict(Interval(BY_WD, above(0), pool=True), data, looks=1)
    assert (row["measured"], row["n"], len(row["details"])) == (3.5, 4, 1)  # seed 5 is not in all groups


def test_equal_units_decide_from_five_units_on():
    for bound, expected in (
        (at_most(0), "reproduced"),
        (above(0), "refuted"),
        (at_least(-1), "reproduced"),
        (below(-1), "refuted"),
    ):
        row = verdict(interval(bound), results(seeds([0.0] * 5)))
        assert (row["verdict"], row["interval"], row["survives_holm"]) == (expected, [0.0, 0.0], True)
        row = verdict(interval(bound), results(seeds([0.0] * 4)))
        assert (row["verdict"], row["p_value"], row["units_needed"]) == ("inconclusive", None, 5)
        assert row["note"] == "all 4 units are equal, which decides from 5 units on"
        assert row["looks"]["next"]["units"] == 8 and "ends" not in row["looks"]


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ([0.5, math.nan, 0.6], "a value is not finite"),
        ([0.5, math.inf, 0.6], "a value is not finite"),
        ([0.5], "fewer than two units"),
    ],
)
def test_an_interval_without_enough_finite_units_is_inconclusive(values, note):
    row = verdict(interval(above(0)), results(seeds(values)))
    assert (row["verdict"], row["note"], row["interval"], row["n"]) == ("inconclusive", note, None, len(values))
    assert ("next" in row.get("looks", {})) is False


def test_one_value_that_is_not_finite_leaves_the_whole_check_open():
    row = verdict(Interval(BY_WD, above(0)), groups_of(a=AGAINST, b=[*STRONG[:4], math.nan]))
    assert (row["verdict"], row["note"], row["p_value"]) == ("inconclusive", "a value is not finite", None)
    assert row["looks"]["ends"] == "a value is not finite" and "next" not in row["looks"]


def nested(seeds_, inside, value):
    return results([], [
        {"seed": s, "unit": str(u), "gap": value(s, u), "signature": f"s{s}"}
        for s in range(1, seeds_ + 1) for u in range(inside)
    ])  # fmt: skip


def test_clustered_units_are_decided_by_their_seeds():
    data = nested(3, 50, lambda s, u: 0.1 * s + 0.001 * u)
    clustered = verdict(Interval(unit("box", "gap"), above(0.15), clusters=True), data, looks=1)
    naive = verdict(Interval(unit("box", "gap"), above(0.15)), data)
    assert (clustered["verdict"], clustered["n"]) == ("inconclusive", 3)
    assert (naive["verdict"], naive["n"], "looks" in naive) == ("reproduced", 150, False)
    assert clustered["units_needed"] > 3
    half = stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert clustered["interval"] == pytest.approx([0.2245 - half, 0.2245 + half])


def test_one_seed_of_many_units_does_not_make_an_interval():
    row = verdict(Interval(unit("box", "gap"), above(0), clusters=True), nested(1, 20, lambda s, u: float(u)))
    assert (row["verdict"], row["note"], row["n"]) == ("inconclusive", "fewer than two units", 1)


# -- what a last look would say ---------------------------------------------------------------------------------------


def mean_and_sd(mean, sd, n):
    spread = np.linspace(-1, 1, n)
    return (mean + sd * spread / np.std(spread, ddof=1)).tolist()


def test_looks_end_where_the_last_one_would_decide_in_fewer_than_a_tenth_of_draws():
    """With 20 units at 0.0195 a mean 0.24 sd beyond the bound is found in about a tenth of draws."""
    for effect, ends in ((0.15, True), (0.20, True), (0.30, False), (0.4, False)):
        half = stats.t.ppf(1 - 0.0195 / 2, 19)
        shift = effect * math.sqrt(20)
        chance = stats.nct.sf(half, 19, shift) + stats.nct.sf(half, 19, -shift)
        assert (chance < 0.10) == ends
        row = verdict(interval(above(0)), results(seeds(mean_and_sd(effect, 1.0, 5))))
        assert row["verdict"] == "inconclusive"
        assert ("next" in row["looks"]) != ends
        if ends:
            assert row["looks"]["ends"] == f"20 units would decide in {100 * chance:.0f} % of draws at what is seen"


def test_below_five_units_no_look_is_called_hopeless():
    row = verdict(interval(above(0)), results(seeds(mean_and_sd(0.0, 1.0, 4))))
    assert row["looks"]["next"]["units"] == 8 and "ends" not in row["looks"]


@pytest.mark.parametrize(
    ("groups", "effects", "ends"),
    [
        ("all", (0.9, 0.1), True),
        ("all", (0.9, 0.5), False),
        ("any", (0.6, 0.1), False),
        ("any", (0.1, 0.1), True),
        (2, (0.6, 0.6, 0.1), False),
        (2, (0.6, 0.1, 0.1), True),
    ],
)
def test_of_groups_the_one_on_which_the_verdict_hangs_says_whether_looks_end(groups, effects, ends):
    values = {f"g{i}": mean_and_sd(effect, 1.0, 5) for i, effect in enumerate(effects)}
    row = verdict(Interval(BY_WD, above(0), groups=groups), groups_of(**values))
    assert row["verdict"] == "inconclusive" and ("next" in row["looks"]) != ends


def test_a_band_a_margin_and_a_refuting_region_have_their_own_chances():
    def ends(kind, mean, sd=1.0):
        row = verdict(kind, results(seeds(mean_and_sd(mean, sd, 5))))
        assert row["verdict"] == "inconclusive", row
        return "next" not in row["looks"]

    assert ends(interval(between(-0.3, 0.3)), 0.0)  # twenty units are too few for a band this narrow
    assert not ends(interval(between(-1.1, 1.1)), 0.0)
    assert ends(interval(above(0), against=below(-2)), -0.9)  # it would be refuted by all below 0
    assert not ends(interval(above(0)), -0.9)
    assert not ends(interval(at_least(0), margin=math.inf), -0.1)  # the mean alone decides
    assert not ends(interval(at_least(0), margin=0.6), 0.1) and ends(interval(at_least(0)), 0.1)


@pytest.mark.parametrize(
    ("need", "passes", "n", "ends"),
    [(None, 4, 5, True), (8, 8, 10, False), (0.9, 13, 20, False), (0.6, 5, 10, False), (0.5, 5, 10, True)],
)
def test_the_looks_of_a_count_end_at_the_share_that_was_seen(need, passes, n, ends):
    kind, last = count(need), 4 * n
    look = Look(seeded=True, registered=n, units=last, looks=3)
    share = passes / n
    chance = sum(
        stats.binom.pmf(k, last, share) for k in range(last + 1) if kind._verdict(k, 0, last, 1, look) != "inconclusive"
    )
    assert (chance < 0.10) == ends
    row = verdict(kind, of_seeds(passes, n))
    assert row["verdict"] == "inconclusive" and ("next" in row["looks"]) != ends


# -- another draw -----------------------------------------------------------------------------------------------------


def test_another_draw_is_simulated_with_the_rule_itself(monkeypatch):
    """What is simulated comes to the verdicts that judging comes to, look by look."""
    monkeypatch.setattr(statistics, "DRAWS", 2)
    rng = np.random.default_rng(0)
    for kind, groups in (
        (interval(above(0)), 1), (interval(between(-0.5, 0.5)), 1), (interval(above(0), against=below(0.4)), 1),
        (interval(at_least(0), margin=0.2), 1), (Interval(BY_WD, above(0), groups="any"), 3), (Interval(BY_WD, above(0), groups=2), 3),
    ):  # fmt: skip
        bounds = [kind.conditions[0].bound] * groups
        level = statistics.LOOK_LEVEL / (groups if kind.groups == "any" else 1)
        samples = rng.normal(0.3, 1.0, (15, 20, groups))
        samples[0] = 1.0
        decide = lambda seen, n: kind.decide(bounds, level, 20, seen, n)  # noqa: E731, B023
        simulated = statistics.run_looks(samples, 5, 3, decide)
        for draw, end in zip(samples, simulated, strict=True):
            data = results([row for g in range(groups) for row in seeds(draw[:, g].tolist(), registered=5, wd=str(g))])
            row = verdict(kind, data)
            assert {"reproduced": 1, "refuted": -1, "inconclusive": 0}[row["verdict"]] == end, (kind, row["looks"])


def test_another_draw_is_told_where_units_are_seeds():
    row = verdict(interval(above(0.5)), results(seeds(FIVE)))
    assert sum(row["again"].values()) == pytest.approx(1) and row["again"]["refuted"] < 0.01
    assert verdict(count(), of_seeds(5, 5))["again"] == {"reproduced": 1.0, "refuted": 0.0, "open": 0.0}
    assert verdict(count(), of_seeds(0, 5))["again"] == {"reproduced": 0.0, "refuted": 1.0, "open": 0.0}


# -- mean and report --------------------------------------------------------------------------------------------------


def test_a_mean_is_compared_without_a_test():
    data = groups_of(a=[0.1, 0.5], b=[0.9, 0.8])
    assert Mean(BY_WD, above(0.2)).judge(data).verdict == "reproduced"
    assert Mean(BY_WD, above(0.5)).judge(data).verdict == "refuted"
    assert Mean(BY_WD, above(0.5), groups="any").judge(data).verdict == "reproduced"
    assert Mean(BY_WD, above(0.5)).judge(data).measured == pytest.approx(0.3)
    assert Mean(BY_WD, above(0.5), groups="any").judge(data).measured == pytest.approx(0.85)
    assert Mean(ACCURACY, above(0), "accuracy").threshold() == "mean of accuracy > 0"
    for odd in (math.nan, math.inf):
        found = Mean(ACCURACY, below(1)).judge(results(seeds([0.5, odd])))
        assert found.verdict == "inconclusive"


def test_a_report_has_numbers_and_no_verdict():
    row = verdict(Report([Condition(ACCURACY, Bound(), "accuracy")]), results(seeds(FIVE)))
    assert row["verdict"] is None
    assert row["measured"] == pytest.approx(0.54)
    assert row["details"] == [{"name": "accuracy", "value": pytest.approx(0.54), "n": 5}]


# -- checks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [count(), interval(above(0)), exact_kind("a")])
def test_nothing_measured_is_untested(kind):
    empty = results([], expected={})
    assert verdict(kind, empty)["verdict"] == "untested"


def test_what_a_check_reads():
    @function(Read("ring", arms=("p",)), over="seed")
    def declared(results):
        return []

    def plain(results):
        return [Value("1", 1.0)]

    measured = check(Count([ACCURACY > 0.5], undecided=[scalar("net", "x") > 0]), experiment="box")
    assert measured.reads == [
        Read("box", "runs", ("test/accuracy",), columns=("seed",)),
        Read("net", "runs", ("x",), columns=("seed",)),
    ]
    assert check(Interval(declared, above(0))).experiments == ["ring"]
    # A plain function tells nothing: all of what its check names is read.
    assert check(Interval(plain, above(0)), experiment=["box", "net"]).reads == [Read("box"), Read("net")]
    assert check(Interval(ACCURACY - as_function(plain), above(0)), experiment="box").reads[-1] == Read("box")
    assert check(Report([]), gate=["1", "2"], gate_each={"a": "2", "b": "3"}).gates == ["1", "2", "3"]


def as_function(call):
    return function()(call)


def test_a_checks_form_says_what_is_asked_and_no_words():
    one = Check(
        "1", "a statement", ["C1"], Interval(ACCURACY, above(0), name="accuracy"), amended=Amendment("d", "o", "r")
    )
    same = Check("2", "in other words", [], Interval(ACCURACY.called("x"), above(0)))
    assert one.form() == same.form()
    others = [
        Check("1", "", [], Interval(ACCURACY, above(0), **rule))
        for rule in ({"groups": "any"}, {"clusters": True}, {"against": below(1)}, {"margin": 0.1}, {"margin": math.inf}, {"missing": 0.2}, {"pool": True}, {"level": 0.05})
    ]  # fmt: skip
    others += [
        Check("1", "", [], one.kind, **more)
        for more in ({"gate": ["2"]}, {"gate_each": "2"}, {"looks": 1}, {"unit": "pair"})
    ]
    others += [
        Check("1", "", [], kind)
        for kind in (Interval(ACCURACY, at_least(0)), Interval(-ACCURACY, above(0)), Count([ACCURACY > 0]), Count([ACCURACY > 0], 4),
                     Count([ACCURACY > 0], against=1), Count([ACCURACY > 0], undecided=[ACCURACY > -1]), Exact([ACCURACY > 0]), Mean(ACCURACY, above(0)))
    ]  # fmt: skip
    forms = [str(check.form()) for check in [one, *others]]
    assert len(set(forms)) == len(forms)


def test_an_amended_check_says_so():
    amended = Amendment(date="2025-11-25", old="accuracy > 0.9", reason="a slip of the pen")
    assert verdict(count(), results(seeds(FIVE)), amended=amended)["amended"] == vars(amended)
