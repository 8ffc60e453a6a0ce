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


@pytest.mark.parametrize("n", [2, 3, 5, 9, 10, 40, 200])
def test_it_is_the_t_interval_at_every_number_of_units(n):
    values = np.random.default_rng(n).exponential(3.0, n)
    result = statistics.mean_interval(values, level=0.9)
    half = stats.t.ppf(0.95, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    assert (result.low, result.high) == pytest.approx((np.mean(values) - half, np.mean(values) + half))
    assert (result.n, result.sd) == (n, pytest.approx(np.std(values, ddof=1)))
    assert statistics.p_value(values, 0.5) == pytest.approx(stats.ttest_1samp(values, 0.5).pvalue)


def test_the_intervals_cover_as_often_as_they_say():
    generator, covered = np.random.default_rng(8), 0
    for _ in range(400):
        result = statistics.mean_interval(generator.normal(size=5))
        covered += result.low <= 0 <= result.high
    assert 0.915 <= covered / 400 <= 0.98  # 0.95, three standard errors


def test_nothing_touches_the_global_generators():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    statistics.mean_interval(range(12))
    statistics.draw_again([[1.0, 2.0, 3.0]], 3, 3, lambda samples, n: np.zeros(len(samples), np.int8))
    statistics.count_again([0.5], 3, 3, lambda samples, n: np.zeros(len(samples), np.int8))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


# -- clusters ---------------------------------------------------------------------------------------------------------


def test_clusters_count_as_their_means():
    values, clusters = [1.0, 3.0, 5.0, 7.0, 10.0, 2.0], ["a", "a", "b", "b", "b", "c"]
    means = [2.0, 22 / 3, 2.0]
    assert statistics.mean_interval(values, clusters=clusters) == statistics.mean_interval(means)
    assert statistics.p_value(values, 1.0, clusters) == statistics.p_value(means, 1.0)
    assert statistics.units_needed(values, 1.0, clusters=clusters) == statistics.units_needed(means, 1.0)


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
    assert (result.mean, result.low, result.high, result.sd) == (value, value, value, 0.0)
    assert statistics.p_value([value] * n, value) == 1.0
    assert statistics.p_value([value] * n, value + 1) == 0.0
    assert statistics.units_needed([value] * n, value) is None
    assert statistics.units_needed([value] * n, value + 1) == 5  # from there on equal units decide


def test_units_that_differ_by_rounding_alone_are_equal():
    assert statistics.mean_interval([0.1 + 0.2, 0.3] * 6).sd == 0
    assert statistics.mean_interval([0.3, 0.3 + 1e-12]).sd > 0
    assert statistics.constant([0.0, 0.0]) and not statistics.constant([0.0, 1e-300])


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
    # At a look's level: (2.335 + 0.842)^2 / 0.25 = 40.4 by the normal distribution, and z^2 / 2 = 2.7 more for t.
    assert statistics.units_needed(values, 0.0, 1 - statistics.LOOK_LEVEL) == 44


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


@pytest.mark.parametrize("n", [2, 5, 20, 80])
@pytest.mark.parametrize("effect", [-0.5, 0.0, 0.7])
def test_how_often_an_interval_lies_beyond_a_threshold(n, effect):
    draws = np.random.default_rng(n).normal(effect, 1.0, (20_000, n))
    means, halves = draws.mean(axis=1), stats.t.ppf(0.975, n - 1) * draws.std(axis=1, ddof=1) / math.sqrt(n)
    assert float(statistics.beyond(effect, n, 0.05)) == pytest.approx((means - halves > 0).mean(), abs=0.015)


def test_the_probability_beyond_a_threshold_holds_for_huge_and_impossible_effects():
    assert statistics.beyond(np.array([1e9, -1e9, 100.0, 0.0]), 20, 0.05) == pytest.approx([1, 0, 1, 0.025])
    assert statistics.beyond(5.0, 1, 0.05) == 0


@pytest.mark.parametrize("n", [2, 5, 80])
def test_many_probabilities_at_once_are_those_of_one_at_a_time(n):
    effects = np.linspace(-30, 30, 2001)
    one = [float(statistics.beyond(effect, n, 0.0195)) for effect in effects[::50]]
    assert statistics.beyond(effects, n, 0.0195)[::50] == pytest.approx(one, abs=2e-4)


# -- tails of counts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n"), [(5, 5), (4, 5), (3, 3), (8, 10), (0, 4)])
def test_tails_are_sums_of_binomial_terms(k, n):
    def term(j, share):
        return math.comb(n, j) * share**j * (1 - share) ** (n - j)

    for share in (0.5, 0.8):
        assert statistics.at_least(k, n, share) == pytest.approx(sum(term(j, share) for j in range(k, n + 1)))
        assert statistics.at_most(k, n, share) == pytest.approx(sum(term(j, share) for j in range(k + 1)))
        assert statistics.exactly(np.array([k]), n, np.array([share]))[0] == pytest.approx(term(k, share))


def test_a_coin_allows_five_of_five_and_not_four_of_five_nor_three_of_three():
    rare = [statistics.at_least(k, n) <= statistics.COIN for k, n in ((5, 5), (4, 5), (3, 3), (9, 10), (8, 10))]
    assert rare == [True, False, False, True, False]


# -- looks, simulated -------------------------------------------------------------------------------------------------


def test_the_first_look_that_decides_counts_and_ended_draws_stay_open():
    """Each draw's numbers are its marks: at each look the newest one decides."""
    draws = [[1, 0, 0, 0], [0, -1, 0, 1], [0, 0, 9, 1], [0, 0, 9, 0], [0, 2, 9, 1], [-1, 1, 9, 1], [0, 0, 9, -1]]
    samples = np.array(draws, float)[:, :, None]

    def newest(seen, n):
        assert seen.shape[1:] == (n, 1)
        return seen[:, -1, 0].astype(np.int8)

    assert statistics.run_looks(samples, 1, 3, newest).tolist() == [1, -1, 1, 0, 0, -1, -1]
    assert statistics.run_looks(samples, 1, 2, newest).tolist() == [1, -1, 0, 0, 0, -1, 0]
    assert statistics.run_looks(samples, 1, 1, newest).tolist() == [1, 0, 0, 0, 0, -1, 0]


def test_another_draw_has_the_means_spreads_and_correlation_that_were_seen():
    seen = []

    def look(samples, n):
        seen.append(samples)
        return np.where(samples[:, :, 0].mean(axis=1) > 1, 1, -1).astype(np.int8)

    groups = [[1.0, 2.0, 3.0, 6.0], [2.0, 4.0, 6.0, 12.0]]
    again = statistics.draw_again(groups, 4, 1, look)
    (samples,) = seen
    assert samples.mean(axis=(0, 1)) == pytest.approx([3, 6], abs=0.15)
    assert samples.std(axis=(0, 1)) == pytest.approx(np.std(groups, axis=1, ddof=1), rel=0.05)
    assert samples[:, :, 1] == pytest.approx(2 * samples[:, :, 0])  # paired, so they keep their correlation
    assert (again.reproduced + again.refuted, again.open) == (1, 0)
    assert again.reproduced == pytest.approx(stats.norm.cdf(2 / (np.std(groups[0], ddof=1) / 2)), abs=0.02)
    assert statistics.draw_again(groups, 4, 1, look) == again
    statistics.draw_again([groups[0], groups[1][:3]], 4, 1, look)  # of other numbers of units: independent
    assert np.corrcoef(seen[-1][:, :, 0].ravel(), seen[-1][:, :, 1].ravel())[0, 1] == pytest.approx(0, abs=0.05)


def test_another_draw_of_a_count_has_the_shares_that_were_seen():
    again = statistics.count_again([0.9], 5, 1, lambda p, n: np.where(p.sum(axis=1)[:, 0] == n, 1, 0).astype(np.int8))
    assert again.reproduced == pytest.approx(0.9**5, abs=0.03) and again.refuted == 0
