"""Numbers, bounds and durations read as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.claims import Bound, above, at_least, at_most, below, between
from assay.report import wording

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.03124, "0.0312"),
        (1240, "1,240"),
        (2.1e-7, "2.1 × 10⁻⁷"),
        (1e-6, "10⁻⁶"),
        (-0.5, "−0.5"),
        (0.999, "0.999"),
        (123456.0, "123,456"),
        (-3e12, "−3 × 10¹²"),
        (0.0, "0"),
        ("inf", "∞"),
        ("nan", "not a number"),
        (None, "–"),
        (True, "yes"),
        ("relu", "relu"),
    ],
)
def test_numbers(value, text):
    assert wording.number(value) == text


@given(st.floats(-1e300, 1e300))
def test_a_number_keeps_three_digits(x):
    plain = wording.number(x).replace("−", "-").replace(",", "")
    mantissa, times, power = plain.partition("10" if plain.startswith("10") and plain[-1] in "⁰¹²³⁴⁵⁶⁷⁸⁹" else " × 10")
    exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    value = float(f"{mantissa or 1}e{exponent}") if times else float(plain)
    assert math.isclose(value, x, rel_tol=6e-3, abs_tol=1e-300)


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        (at_most(1e-6), "at most 10⁻⁶"),
        (at_least(0.9), "at least 0.9"),
        (above(0), "above 0"),
        (below(-1.5), "below −1.5"),
        (between(0.99, 1.01), "at least 0.99 and at most 1.01"),
        (Bound(), ""),
    ],
)
def test_bounds_survive_being_written_and_read(bound, words):
    text = f"max |x| < λ, scaled {bound}".removesuffix(" any")
    assert wording.bounds(text) == ("max |x| < λ, scaled", bound.low, bound.high)
    assert wording.demand(text) == words


@given(FINITE, FINITE)
def test_any_bound_is_read_as_it_prints(low, high):
    low, high = float(f"{low:g}"), float(f"{high:g}")
    assert wording.bounds(f"gap {between(low, high)}")[1:] == (low, high)


def test_thresholds():
    assert wording.threshold("gap <= 1e-06 in >= 18") == "gap ≤ 10⁻⁶ in ≥ 18"
    assert wording.threshold("x1 > 0.5 in every unit") == "x1 > 0.5 in every unit"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.012, "12 ms"),
        (4.21, "4.2 s"),
        (99, "99 s"),
        (720, "12 min"),
        (12600, "3.5 h"),
        (3e5, "3.5 days"),
        (None, "–"),
    ],
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text


def test_a_configuration_is_flattened_with_part_names_at_their_keys():
    nested = {"optimizer": {"name": "lion", "lr": 0.1, "kappa": {"name": "l1"}}, "budget": {"steps": 3}, "seed": 1}
    assert wording.flat(nested) == {
        "optimizer": "lion",
        "optimizer.lr": 0.1,
        "optimizer.kappa": "l1",
        "budget.steps": 3,
        "seed": 1,
    }
    assert wording.flat(wording.flat(nested)) == wording.flat(nested)


def test_ids_sort_as_people_count():
    assert sorted(["C10", "C9", "C1a"], key=wording.natural) == ["C1a", "C9", "C10"]


def test_every_verdict_has_its_own_sign():
    for signs in (wording.SYMBOLS, wording.EMOJI):
        assert len({signs[verdict] for verdict in wording.VERDICTS}) == len(wording.VERDICTS)
