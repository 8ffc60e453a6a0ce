"""Bandits: Newton's method, the regression behind ChebCB, what they learn, and their state."""

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from assay.bandits import ChebCB, Fixed, Oracle, TsallisINF, TsallisINFBins, TsallisINFCode
from assay.bandits.base import draw
from assay.bandits.cheb_cb import constrained_fit
from assay.bandits.tsallis_inf import probabilities
from assay.seeds import Seeds

VALUES = [1.0, 1.2, 1.4, 1.6]
LEARNERS = {
    "tsallis_inf": TsallisINF,
    "code": TsallisINFCode,
    "bins": lambda: TsallisINFBins(bins=3, low=0.0, high=1.0),
    "cheb_cb": lambda: ChebCB(degree=4, low=0.0, high=1.0),
}


def cost(context, arm):
    """Arm 3 is the best below 1/2, arm 0 above; the others lie between."""
    return 10 + 30 * abs(context - (1 - arm / 3))


def play(bandit, rounds, first=0, price=cost):
    """Rounds first, ..., first + rounds - 1; returns the arms."""
    arms = []
    for t in range(first, first + rounds):
        context = float(Seeds(3).numpy("context", t).random())
        arm, probability = bandit.choose(context, Seeds(3).numpy("play", t))
        bandit.update(context, arm, probability, price(context, arm))
        arms.append(arm)
    return arms


def started(make):
    bandit = make()
    bandit.start(VALUES)
    return bandit


# -- the minimisation of Tsallis-INF --------------------------------------------------------------------------------

estimates = st.lists(st.floats(0, 1e4), min_size=1, max_size=30).map(np.array)


@settings(max_examples=100)
@given(estimates, st.floats(0.02, 2.0))
def test_newton_from_beside_the_root_ends_on_the_simplex(k, eta):
    p, x = probabilities(k, eta, float(k.min() - 2 / eta))
    assert p.sum() == pytest.approx(1, abs=1e-9)
    assert x < k.min()
    assert (np.diff(p[np.argsort(k)]) <= 1e-15).all()  # the dearer, the rarer


@settings(max_examples=50)
@given(estimates, st.floats(0.02, 2.0), st.floats(-100, 100))
def test_only_differences_of_estimates_matter(k, eta, shift):
    p, _ = probabilities(k, eta, float(k.min() - 2 / eta))
    q, _ = probabilities(k + shift, eta, float((k + shift).min() - 2 / eta))
    np.testing.assert_allclose(p, q, atol=1e-7)


def test_first_round_is_uniform_and_the_update_is_importance_weighted():
    bandit = started(TsallisINF)
    np.testing.assert_allclose(bandit.raw_probabilities(), 0.25)
    bandit.update(0.0, 2, 0.25, 11.0)
    assert bandit.estimates.tolist() == [0, 0, 40, 0]
    assert bandit.scale == 10 and bandit.eta == pytest.approx(2 / math.sqrt(2))
    assert bandit.raw_probabilities()[2] == bandit.raw_probabilities().min()


def test_costs_of_one_leave_a_positive_scale():
    bandit = started(TsallisINF)
    play(bandit, 20, price=lambda context, arm: 1.0)
    assert bandit.scale == 1e-6
    np.testing.assert_allclose(bandit.raw_probabilities(), 0.25)


def test_the_published_start_leaves_the_simplex():
    good, code = started(TsallisINF), started(TsallisINFCode)
    play(good, 300)
    play(code, 300)
    assert good.diagnostics()["newton_failures"] == 0 and good.diagnostics()["newton_defect"] < 1e-9
    assert code.diagnostics()["newton_failures"] > 30


def test_the_published_learner_survives_weights_that_cannot_be_drawn():
    bandit = started(TsallisINFCode)
    bandit.estimates[:] = -1.0  # the pole of p is where Newton's method starts
    arm, probability = bandit.choose(0.0, Seeds(0).numpy("round"))
    assert 0 <= arm < 4 and not math.isfinite(probability)
    bandit.update(0.0, arm, probability, 5.0)
    assert 0 <= bandit.choose(0.0, Seeds(0).numpy("next"))[0] < 4


# -- bins -----------------------------------------------------------------------------------------------------------


def test_bins_are_independent_learners():
    bandit = started(LEARNERS["bins"])
    places = [bandit.learners.index(bandit.learner(c)) for c in (-1.0, 0.0, 0.32, 0.34, 0.5, 0.99, 1.0, 7.0)]
    assert places == [0, 0, 0, 1, 1, 2, 2, 2]
    bandit.update(0.1, 2, 0.25, 9.0)
    assert [learner.rounds for learner in bandit.learners] == [1, 0, 0]
    assert bandit.diagnostics()["bins_used"] == 1


# -- ChebCB ---------------------------------------------------------------------------------------------------------


def test_fits_within_and_at_the_bound():
    rng = np.random.default_rng(0)
    features, truth = rng.standard_normal((30, 3)), np.array([0.3, -0.1, 0.05])
    theta, residual = constrained_fit(features, features @ truth, np.ones(3))
    assert residual is None
    np.testing.assert_allclose(theta, truth, atol=1e-12)
    bound = np.array([0.2, 0.2, 0.2])
    theta, residual = constrained_fit(features, features @ truth, bound)
    assert (np.abs(theta) <= bound + 1e-9).all()
    assert residual == pytest.approx(((features @ theta - features @ truth) ** 2).sum())
    for _ in range(50):  # no other point of the box does better
        other = np.clip(theta + 0.05 * rng.standard_normal(3), -bound, bound)
        assert ((features @ (other - truth)) ** 2).sum() >= residual - 1e-9


def test_constants_and_first_rounds_of_cheb_cb():
    bandit = ChebCB(degree=6, low=-0.15, high=0.65)
    bandit.start(VALUES)
    assert abs(bandit.N - 13.17) < 5e-3
    np.testing.assert_allclose(bandit.weights(0.2), 0.25)
    np.testing.assert_allclose(bandit.features(0.65), np.ones(6))
    np.testing.assert_allclose(bandit.features(0.05), chebyshev.chebvander([-0.5], 5)[0])
    bandit.update(0.1, 2, 0.25, 21.0)
    assert bandit.scale == pytest.approx(21 * bandit.N)
    assert not bandit.theta[[0, 1, 3]].any()
    assert bandit.theta[2] @ bandit.features(0.1) == pytest.approx(20 / bandit.scale)
    # R = (0 - 1/N)^2, no constraint, alpha in closed form, d = 4, t = 1
    alpha = (math.pi + 2 / math.pi * math.log(13)) / (2 * bandit.N * 7)
    assert bandit.eta == pytest.approx(2 * math.sqrt(4 / (bandit.N**-2 + 2 * alpha**2)))
    # A new maximum changes S and refits all that were played; a smaller cost refits its own arm alone.
    refits = bandit.refits
    bandit.update(0.2, 1, 0.25, 31.0)
    assert bandit.refits == refits + 2
    bandit.update(0.3, 1, 0.25, 30.0)
    assert bandit.refits == refits + 3


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1))
def test_weights_of_cheb_cb_are_a_law_that_favours_the_best(seed, eta, context):
    bandit = started(LEARNERS["cheb_cb"])
    bandit.theta = np.random.default_rng(seed).standard_normal((4, 4))
    bandit.eta = eta
    p = bandit.weights(context)
    assert p.sum() == pytest.approx(1) and (p >= 0).all()
    y = bandit.theta @ bandit.features(context)
    assert p[y.argmin()] == p.max() or np.isclose(p[y.argmin()], p.max())


# -- learning -------------------------------------------------------------------------------------------------------


def test_contexts_are_used_by_those_who_see_them():
    totals = {}
    for name, make in LEARNERS.items():
        bandit = started(make)
        arms = play(bandit, 600)
        contexts = [float(Seeds(3).numpy("context", t).random()) for t in range(600)]
        totals[name] = sum(cost(c, a) for c, a in zip(contexts, arms, strict=True))
    assert totals["cheb_cb"] < totals["bins"] < totals["tsallis_inf"]


def test_tsallis_inf_finds_a_best_arm():
    bandit = started(TsallisINF)
    arms = play(bandit, 1500, price=lambda context, arm: 10.0 + 5 * (arm != 1))
    assert np.mean(np.array(arms[1000:]) == 1) > 0.8


def test_comparators():
    oracle, fixed = started(Oracle), started(lambda: Fixed(value=1.35))
    oracle.reveal(np.array([3.0, 2.0, 2.0, 9.0]))
    assert oracle.choose(0.0, Seeds(0).numpy()) == (1, 1.0)
    assert fixed.values == [1.35] and fixed.choose(0.0, Seeds(0).numpy()) == (0, 1.0)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=8).filter(lambda w: sum(w) > 1e-6), st.integers(0, 10**6))
def test_draws_never_hit_an_arm_without_weight(weights, seed):
    arm = draw(np.array(weights), np.random.default_rng(seed))
    assert weights[arm] > 0 or np.isclose(sum(weights[: arm + 1]), sum(weights))


def test_draws_have_their_frequencies():
    rng, weights = np.random.default_rng(0), np.array([1.0, 0.0, 3.0])
    counts = np.bincount([draw(weights, rng) for _ in range(4000)], minlength=3)
    assert counts[1] == 0 and counts[0] / 4000 == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("name", LEARNERS)
def test_state_goes_through_a_file_and_back(name):
    straight = started(LEARNERS[name])
    arms = play(straight, 120)
    first = started(LEARNERS[name])
    assert play(first, 50) == arms[:50]
    torch.save(first.state(), buffer := io.BytesIO())
    buffer.seek(0)
    second = started(LEARNERS[name])
    second.load_state(torch.load(buffer, weights_only=True))
    assert play(second, 70, first=50) == arms[50:]
    assert second.diagnostics() == straight.diagnostics()
