"""Label noise: rates within binomial bounds, masks that tell the truth, levels that nest."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.data import class_dependent_noise, uniform_noise
from assay.data.label_noise import replacement_noise

N = 4000
levels = st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9, 1.0])
classes = st.sampled_from([2, 3, 10, 26])
quick = settings(max_examples=30)


def labels(k):
    return torch.arange(N) % k


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def plausible(hits, n, rate):
    """Within the central 1 - 1e-6 of a binomial."""
    low, high = stats.binom.ppf([5e-7, 1 - 5e-7], n, rate)
    return low <= hits <= high


@quick
@given(levels, classes, st.integers(0, 1000))
def test_uniform_noise_keeps_a_label_with_probability_one_minus_q_plus_q_over_k(level, k, seed):
    y = labels(k)
    noisy, corrupted = uniform_noise(y, level, k, generator(seed))
    assert plausible(int(corrupted.sum()), N, level * (1 - 1 / k))
    assert torch.equal(corrupted, noisy != y)
    assert noisy.dtype == y.dtype and noisy.min() >= 0 and noisy.max() < k


def test_uniform_noise_draws_every_class_alike():
    noisy, _ = uniform_noise(torch.zeros(N, dtype=torch.long), 1.0, 5, generator())
    assert stats.chisquare(noisy.bincount(minlength=5)).pvalue > 1e-4


@quick
@given(levels, classes, st.integers(0, 1000))
def test_class_dependent_noise_turns_a_share_of_each_class_into_the_next(level, k, seed):
    y = labels(k)
    noisy, corrupted = class_dependent_noise(y, level, k, generator(seed))
    assert plausible(int(corrupted.sum()), N, level)
    assert torch.equal(corrupted, noisy != y)
    assert torch.equal(noisy[corrupted], (y[corrupted] + 1) % k)


def test_a_table_may_keep_and_exchange_classes():
    y = labels(4)
    noisy, corrupted = class_dependent_noise(y, 1.0, 4, generator(), table=[1, 0, 2, 2])
    assert [noisy[y == c].unique().tolist() for c in range(4)] == [[1], [0], [2], [2]]
    assert not corrupted[y == 2].any()


@pytest.mark.parametrize("noise", [uniform_noise, class_dependent_noise])
def test_only_the_named_classes_are_noised(noise):
    y = labels(10)
    noisy, corrupted = noise(y, 0.8, 10, generator(), only=[0, 1, 2, 3, 4])
    assert not corrupted[y >= 5].any()
    expected = 0.8 * (0.9 if noise is uniform_noise else 1.0)
    assert plausible(int(corrupted.sum()), N // 2, expected)
    assert torch.equal(noisy[y >= 5], y[y >= 5])


@quick
@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 1000), st.sampled_from([uniform_noise, class_dependent_noise]))
def test_a_higher_level_corrupts_the_same_labels_and_more(a, b, seed, noise):
    low, high = sorted((a, b))
    y = labels(10)
    less, few = noise(y, low, 10, generator(seed))
    more, many = noise(y, high, 10, generator(seed))
    assert not (few & ~many).any()
    assert torch.equal(less[few], more[few])


@pytest.mark.parametrize("noise", [uniform_noise, class_dependent_noise])
def test_noise_is_a_function_of_its_generator_and_leaves_the_labels_alone(noise):
    y = labels(10)
    before = y.clone()
    first, second, other = (noise(y, 0.5, 10, generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(y, before)


@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan")])
def test_a_level_is_a_probability(level):
    with pytest.raises(ValueError, match="noise level"):
        uniform_noise(labels(3), level, 3, generator())


@pytest.mark.parametrize("table", [[0, 1], [0, 1, 3], [0, 1, -1]])
def test_a_table_names_a_class_for_each_class(table):
    with pytest.raises(ValueError, match="a table gives one of 3 classes"):
        class_dependent_noise(labels(3), 0.5, 3, generator(), table=table)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.55, 1.0])
def test_replacement_hits_an_exact_share_with_other_classes(share):
    y = torch.arange(1000) % 5
    noisy, hit = replacement_noise(y, share, 5, torch.Generator().manual_seed(1))
    assert int(hit.sum()) == round(1000 * share) == int((noisy != y).sum())
    assert noisy.min() >= 0 and noisy.max() < 5
    if share == 1:
        counts = torch.bincount((noisy - y) % 5, minlength=5)
        assert counts[0] == 0 and counts[1:].min() > 200
    with pytest.raises(ValueError, match="between 0 and 1"):
        replacement_noise(y, 1.5, 5, torch.Generator())
