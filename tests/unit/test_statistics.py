"""Intervals, p-values and corrections: properties that any verdict rests on, and comparisons with scipy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay import statistics

numbers = st.floats(-100, 100).map(lambda x: round(x, 3))
few = st.lists(numbers, min_size=2, max_size=9)
many = st.lists(numbers, min_size=10, max_size=24)
some = few | many
levels = st.sampled_from([0.05, 0.5, 0.8, 0.9, 0.95, 0.99])
quick = settings(max_examples=40, deadline=None)


@quick
@given(some, levels)
def test_the_interval_contains_the_mean(values, level):
    result = statistics.mean_interval(values, level=level)
    assert result.low <= result.mean <= result.high
    assert result.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert result.n == len(values)


@quick
@given(some)
def test_a_higher_level_gives_a_wider_interval(values):
    inner, outer = (statistics.mean_interval(values, level=level) for level in (0.8, 0.95))
    assert outer.low <= inner.low and inner.high <= outer.high


@quick
@given(some, st.randoms(use_true_random=False))
def test_the_order_of_the_values_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    assert statistics.mean_interval(shuffled) == statistics.mean_interval(values)
    assert statistics.p_value(shuffled, 1.0) == statistics.p_value(values, 1.0)
    assert statistics.units_needed(shuffled, 1.0) == statistics.units_needed(values, 1.0)


@quick
@given(some, st.integers(-50, 50), st.sampled_from([0.5, 1.0, 4.0]))
def test_shifting_and_scaling_the_values_shifts_and_scales_the_interval(values, shift, scale):
    plain = statistics.mean_interval(values)
    moved = statistics.mean_interval([scale * value + shift for value in values])
    assert moved.low == pytest.approx(scale * plain.low + shift, abs=1e-6)
    assert moved.high == pytest.approx(scale * plain.high + shift, abs=1e-6)


@quick
@given(some, st.floats(-50, 50))
def test_the_p_value_agrees_with_the_interval(values, threshold):
    result = statistics.mean_interval(values)
    nearest = min(abs(threshold - result.low), abs(threshold - result.high))
    if nearest < 1e-6:
        return  # on an end of the interval p is 0.05 up to rounding
    assert (statistics.p_value(values, threshold) < 0.05) == (not result.low <= threshold <= result.high)


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_below_ten_units_it_is_the_t_interval(n):
    values = np.random.default_rng(n).normal(2.0, 3.0, n)
    result = statistics.mean_interval(values, level=0.9)
    half = stats.t.ppf(0.95, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    assert result.method == "t"
    assert (result.low, result.high) == pytest.approx((np.mean(values) - half, np.mean(values) + half))
    assert statistics.p_value(values, 0.5) == pytest.approx(stats.ttest_1samp(values, 0.5).pvalue)


@pytest.mark.parametrize("n", [10, 40])
def test_from_ten_units_it_is_scipys_bca_bootstrap(n):
    values = np.random.default_rng(n).exponential(size=n)
    result = statistics.mean_interval(values)
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, rng=np.random.default_rng(0)).confidence_interval
    assert result.method == "BCa"
    # Two independent sets of resamples agree to a few per cent of the width.
    width = expected.high - expected.low
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high), abs=0.03 * width)


def test_a_bootstrap_p_value_is_close_to_the_t_tests_for_many_normal_units():
    values = np.random.default_rng(3).normal(0.3, 1.0, 60)
    assert statistics.p_value(values, 0.0) == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, abs=0.02)


def test_the_intervals_cover_as_often_as_they_say():
    generator, covered = np.random.default_rng(8), {5: 0, 12: 0}
    for n in covered:
        for _ in range(200):
            result = statistics.mean_interval(generator.normal(size=n))
            covered[n] += result.low <= 0 <= result.high
    # Exact for t; BCa of twelve normal units covers some 91 %. Bounds at about three standard errors.
    assert 0.90 <= covered[5] / 200 <= 0.99
    assert 0.85 <= covered[12] / 200 <= 0.98


def test_a_bootstrap_leaves_the_global_generators_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    statistics.mean_interval(range(12))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_two_valued_units_give_the_same_interval_wherever_zero_is():
    values = [0.0] * 4 + [1.0] * 8
    plain, moved = statistics.mean_interval(values), statistics.mean_interval([value + 0.1 for value in values])
    assert (moved.low - 0.1, moved.high - 0.1) == pytest.approx((plain.low, plain.high), abs=1e-9)


# -- clusters ---------------------------------------------------------------------------------------------------------


def test_clusters_count_as_their_means():
    values, clusters = [1.0, 3.0, 5.0, 7.0, 10.0, 2.0], ["a", "a", "b", "b", "b", "c"]
    means = [2.0, 22 / 3, 2.0]
    assert statistics.mean_interval(values, clusters=clusters) == statistics.mean_interval(means)
    assert statistics.p_value(values, 1.0, clusters) == statistics.p_value(means, 1.0)
    assert statistics.units_needed(values, 1.0, clusters=clusters) == statistics.units_needed(means, 1.0)


@pytest.mark.parametrize(("clusters", "method"), [(9, "t"), (10, "BCa")])
def test_the_number_of_clusters_decides_the_method(clusters, method):
    values = np.random.default_rng(0).normal(size=clusters * 5)
    result = statistics.mean_interval(values, clusters=np.repeat(np.arange(clusters), 5))
    assert (result.method, result.n) == (method, clusters)


def test_repeating_every_value_within_its_cluster_teaches_nothing():
    values = [1.0, 2.0, 4.0, 3.0]
    repeated = statistics.mean_interval(values * 20, clusters=list(range(4)) * 20)
    assert repeated == statistics.mean_interval(values)
    assert statistics.mean_interval(values * 20).high < repeated.high


@quick
@given(many, st.randoms(use_true_random=False))
def test_the_names_and_order_of_clusters_do_not_matter(values, random):
    labels = [i // 2 for i in range(len(values))]
    pairs = random.sample(list(zip(values, labels, strict=True)), len(values))
    renamed = statistics.mean_interval([v for v, _ in pairs], clusters=[f"seed={-k}" for _, k in pairs])
    assert renamed == statistics.mean_interval(values, clusters=labels)


# -- degenerate inputs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 9, 10, 30])
@pytest.mark.parametrize("value", [0.0, 0.1, -3e8, 1e-300])
def test_equal_units_give_a_point(n, value):
    result = statistics.mean_interval([value] * n)
    assert (result.mean, result.low, result.high, result.method) == (value, value, value, "degenerate")
    assert statistics.p_value([value] * n, value) == 1.0
    assert statistics.p_value([value] * n, value + 1) == 0.0
    assert statistics.units_needed([value] * n, value) is None
    assert statistics.units_needed([value] * n, value + 1) == 2


def test_units_that_differ_by_rounding_alone_are_equal():
    assert statistics.mean_interval([0.1 + 0.2, 0.3] * 6).method == "degenerate"


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_too_few_or_useless_values_raise(values):
    for function in (
        statistics.mean_interval,
        lambda v: statistics.p_value(v, 0),
        lambda v: statistics.units_needed(v, 0),
    ):
        with pytest.raises(ValueError, match=r"at least two units|finite values"):
            function(values)


def test_one_cluster_or_missing_labels_raise():
    with pytest.raises(ValueError, match="at least two units"):
        statistics.mean_interval([1.0, 2.0], clusters=[1, 1])
    with pytest.raises(ValueError, match="1 cluster labels for 2 values"):
        statistics.mean_interval([1.0, 2.0], clusters=[1])


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_outside_its_range_raises(level):
    with pytest.raises(ValueError, match="level"):
        statistics.mean_interval([1.0, 2.0], level=level)


# -- shares -----------------------------------------------------------------------------------------------------------


@quick
@given(st.integers(0, 60), st.integers(1, 60), levels)
def test_the_binomial_interval_contains_the_share_and_is_clopper_pearsons(k, n, level):
    k = min(k, n)
    low, high = statistics.binomial_interval(k, n, level)
    tail = (1 - level) / 2
    assert 0 <= low <= k / n <= high <= 1
    assert low == pytest.approx(0.0 if k == 0 else stats.beta.ppf(tail, k, n - k + 1), abs=1e-6)
    assert high == pytest.approx(1.0 if k == n else stats.beta.ppf(1 - tail, k + 1, n - k), abs=1e-6)


def test_no_trials_leave_everything_open():
    assert statistics.binomial_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError):
        statistics.binomial_interval(3, 2)


# -- Holm -------------------------------------------------------------------------------------------------------------

p_values = st.lists(st.floats(0, 1), max_size=6)


@given(p_values)
def test_holm_never_lowers_a_p_value_and_keeps_the_order(raw):
    adjusted = statistics.holm(raw)
    assert all(p <= q <= 1 for p, q in zip(raw, adjusted, strict=True))
    for i, j in itertools.combinations(range(len(raw)), 2):
        if raw[i] <= raw[j]:
            assert adjusted[i] <= adjusted[j]


@given(p_values, st.floats(0.001, 0.5))
def test_holm_is_the_closed_test_of_bonferroni(raw, alpha):
    """A hypothesis falls if Bonferroni rejects every intersection that contains it (small families, by brute force)."""
    adjusted = statistics.holm(raw)
    everyone = range(len(raw))
    subsets = [s for size in range(1, len(raw) + 1) for s in itertools.combinations(everyone, size)]
    for i in everyone:
        # An intersection's Bonferroni p-value is its size times its smallest p-value.
        closed = max(min(1.0, len(s) * min(raw[j] for j in s)) for s in subsets if i in s)
        assert adjusted[i] == pytest.approx(closed)
        if abs(closed - alpha) > 1e-12:
            assert (adjusted[i] < alpha) == (closed < alpha)


def test_holm_by_hand():
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([]) == []


@pytest.mark.parametrize("wrong", [math.nan, -0.1, 1.1])
def test_holm_takes_probabilities_only(wrong):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        statistics.holm([0.5, wrong])


# -- how many units ---------------------------------------------------------------------------------------------------


def test_units_needed_matches_the_textbook():
    # Cohen (1988): d = 0.5, two-sided 0.05, power 0.8 takes 34 units (33.37 before rounding up).
    values = [0.5 - math.sqrt(0.5), 0.5 + math.sqrt(0.5)]  # mean 0.5, sd 1
    assert statistics.units_needed(values, 0.0) == 34
    assert statistics.units_needed(values, 1.0) == 34
    assert statistics.units_needed(values, 0.5) is None
    assert statistics.units_needed(values, 0.5001) is None


@quick
@given(st.lists(numbers, min_size=3, max_size=9), st.integers(1, 40))
def test_farther_thresholds_need_fewer_units_and_more_power_needs_more(values, distance):
    mean = float(np.mean(values))
    near, far = (statistics.units_needed(values, mean + d) for d in (distance, distance + 5))
    assert far is not None and far <= (near or math.inf)
    assert (statistics.units_needed(values, mean + distance, power=0.9) or math.inf) >= (near or 2)


def test_units_needed_decides_about_as_often_as_it_promises():
    pilot = [0.2, 1.4, -0.6, 1.2, 0.1]
    needed = statistics.units_needed(pilot, 0.0)
    generator = np.random.default_rng(5)
    draws = generator.normal(np.mean(pilot), np.std(pilot, ddof=1), (400, needed))
    decided = (stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05).mean()
    assert 0.72 <= decided <= 0.88  # 0.8, four standard errors
