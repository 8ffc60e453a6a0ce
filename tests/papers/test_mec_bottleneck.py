import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.couplings import MaxSeeking
from assay.metrics.information import binary_entropy, entropy, mutual_information
from assay.module import Budget
from assay.seeds import Seeds
from papers.mec_bottleneck.claims import CHECKS, CLAIMS
from papers.mec_bottleneck.compressors import (
    Exhaustive,
    GreedyEBIM,
    cell_masses,
    compressors,
    encoder_joint,
    partition_entropies,
    partitions,
)
from papers.mec_bottleneck.ebim import bottlenecked, gap_filled, narrow, searched, widen
from papers.mec_bottleneck.game import Channel, CodingGame, action_tests, updated
from papers.mec_bottleneck.module import Mappings, Neighbourhood, RandomLaws, limits_around, named_law

LIMITED = [part.name for part in compressors if part.name != "none"]
BOUNDED = ("greedy", "blob_only", "exhaustive")
"""Compressors for which R - I(X;T) <= h(p_2) is proven."""

laws = st.integers(2, 8).flatmap(
    lambda n: st.lists(st.integers(0, 1000), min_size=n, max_size=n).filter(lambda m: sum(m) > 0)
)
shares = st.floats(0.0, 1.0)


def law(masses):
    return np.array(masses, dtype=np.float64) / sum(masses)


# -- compressors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIMITED)
@settings(max_examples=60)
@given(masses=laws, share=shares)
def test_no_compressor_exceeds_its_limit(name, masses, share):
    p = law(masses)
    # The uniform quantiser is bound by the size of the alphabet, which is what its rate is of.
    rate = share * (math.log2(len(p)) if name == "uniform_quantiser" else float(entropy(p)))
    labels = compressors.build({"name": name}).labels(p, rate)
    assert labels.shape == p.shape and labels.min() >= 0
    assert float(entropy(cell_masses(p, labels))) <= rate + 1e-9


@pytest.mark.parametrize("name", BOUNDED)
@settings(max_examples=100)
@given(masses=laws, share=shares)
def test_what_is_lost_is_at_most_the_binary_entropy_of_the_second_mass(name, masses, share):
    p = law(masses)
    rate = share * float(entropy(p))
    kept = float(entropy(cell_masses(p, compressors.build({"name": name}).labels(p, rate))))
    assert rate - kept <= float(binary_entropy(np.sort(p)[-2])) + 1e-9


@settings(max_examples=100)
@given(masses=laws, share=shares)
def test_algorithm_1_is_the_search_by_merging_columns_one_at_a_time(masses, share):
    """The direct reading: keep a list of cell masses, try the two smallest, else merge the two largest."""
    p = law(masses)
    rate = share * float(entropy(p))
    cells = sorted(p[p > 0], reverse=True)
    while float(entropy(cells)) > rate + 1e-12:
        *rest, a, b = cells
        if float(entropy([*rest, a + b])) <= rate + 1e-12:
            cells = [*rest, a + b]
            break
        cells = [cells[0] + cells[1], *cells[2:]]
    kept = float(entropy(cell_masses(p, GreedyEBIM().labels(p, rate))))
    assert kept == pytest.approx(float(entropy(cells)), abs=1e-9)


@settings(max_examples=40)
@given(masses=laws, share=shares)
def test_nothing_deterministic_beats_the_best_partition(masses, share):
    p = law(masses)
    rate = share * float(entropy(p))
    best = float(entropy(cell_masses(p, Exhaustive().labels(p, rate))))
    for name in ("greedy", "blob_only", "tail_merge", "adaptive_quantiser"):
        kept = float(entropy(cell_masses(p, compressors.build({"name": name}).labels(p, rate))))
        assert kept <= best + 1e-9


def test_partitions_are_all_and_distinct():
    assert [len(partitions(n)) for n in range(1, 9)] == [1, 2, 5, 15, 52, 203, 877, 4140]  # Bell numbers
    assert len({tuple(row) for row in partitions(5)}) == 52
    with pytest.raises(ValueError, match="too many"):
        partitions(9)


def test_compressors_by_hand():
    p = np.array([0.1, 0.4, 0.2, 0.3])

    def groups(name, rate):
        labels = compressors.build({"name": name}).labels(p, rate)
        return {frozenset(np.flatnonzero(labels == cell).tolist()) for cell in np.unique(labels)}

    def sets(*cells):
        return {frozenset(cell) for cell in cells}

    # H = 1.846; {.1,.2} together 1.571; {.4,.3} together 1.157; {.4,.3},{.1,.2} .881; {.4,.3,.2},{.1} .469.
    assert groups("greedy", 1.6) == sets({1}, {3}, {0, 2})
    assert groups("greedy", 1.2) == sets({1, 3}, {2}, {0})
    assert groups("greedy", 1.0) == sets({1, 3}, {0, 2})
    assert groups("greedy", 0.5) == sets({1, 3, 2}, {0})
    assert groups("greedy", 0.1) == sets({0, 1, 2, 3})
    assert groups("blob_only", 1.6) == sets({0, 1}, {2}, {3})
    assert groups("tail_merge", 1.0) == sets({1}, {0, 2, 3})
    assert groups("uniform_quantiser", 1.0) == sets({0, 1}, {2, 3})
    assert groups("adaptive_quantiser", 1.0) == sets({1}, {0, 2, 3})
    assert groups("none", 0.0) == sets({0}, {1}, {2}, {3})


def test_equal_masses_are_told_apart_by_index():
    labels = GreedyEBIM().labels(np.full(4, 0.25), 1.5)
    assert labels.tolist() == [0, 1, 2, 2]


# -- encoders -------------------------------------------------------------------------------------------------------


def test_theorem_3_moves_the_right_mass():
    joint = encoder_joint(np.array([0.7, 0.2, 0.1]), np.array([0, 1, 1]))  # cells .7 and .3
    np.testing.assert_allclose(widen(joint, 0.5), [[0.7, 0, 0], [0, 0.2, 0], [0, 0.05, 0.05]])
    np.testing.assert_allclose(narrow(joint, 0.5), [[0.7, 0], [0, 0.2], [0.05, 0.05]])


@pytest.mark.parametrize("rate", [0.2, 0.46, 0.73, 1.1])
def test_theorem_3_meets_the_limit_and_the_search_is_not_worse(rate):
    p = np.array([0.7, 0.2, 0.1])
    best = searched(p, rate, starts=60, rng=np.random.default_rng(0))
    assert gap_filled(p, rate) - 1e-6 <= best < rate
    assert best <= gap_filled(p, rate) + 3e-3


def test_the_search_reaches_a_partition_from_random_starts():
    p = np.array([0.5, 0.3, 0.2])
    rate = float(np.unique(partition_entropies(p).round(12))[2])
    assert searched(p, rate, starts=12, rng=np.random.default_rng(0)) == pytest.approx(rate, abs=1e-6)


def test_gradients_of_the_search_are_those_of_information_and_entropy():
    from papers.mec_bottleneck.ebim import _Encoders

    problem = _Encoders(np.array([0.5, 0.3, 0.2]), 4, 0.7)
    w = np.random.default_rng(0).dirichlet(np.ones(4), 3).ravel()
    joint = problem.p * w.reshape(3, 4)
    assert problem.loss(w)[0] == pytest.approx(-mutual_information(joint))
    assert problem.room(w) == pytest.approx(0.7 - float(entropy(joint.sum(axis=0))))
    for direction in np.eye(12):
        # Along p(t|x) the row sums change: the gradient is right up to the same number in all cells of a row.
        step = 1e-6 * (direction - np.roll(direction.reshape(3, 4), 1, axis=1).ravel())
        slope = (problem.loss(w + step)[0] - problem.loss(w - step)[0]) / 2
        assert problem.loss(w)[1] @ step == pytest.approx(slope, abs=1e-12, rel=1e-4)
        slope = (problem.room(w + step) - problem.room(w - step)) / 2
        assert problem.room_gradient(w) @ step == pytest.approx(slope, abs=1e-12, rel=1e-4)


def test_a_bottleneck_costs_information():
    rng = np.random.default_rng(0)
    for _ in range(20):
        p, q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(5))
        full = mutual_information(bottlenecked(p, q, GreedyEBIM(), MaxSeeking(), 10.0))
        for rate in (0.3, 0.8):
            joint = bottlenecked(p, q, GreedyEBIM(), MaxSeeking(), rate)
            assert mutual_information(joint) <= min(rate, float(entropy(q))) + 1e-12
        assert mutual_information(bottlenecked(p, q, GreedyEBIM(), MaxSeeking(), 0.0)) == pytest.approx(0.0, abs=1e-12)
        assert full > 0.5


def test_limits_lie_around_every_partition():
    p = np.array([0.7, 0.2, 0.1])
    near = [rate for is_near, rate in limits_around(p, 30, 7, 0.05) if is_near]
    assert len(near) == 30 * 3 + 15 * 2  # at 0 and at H(X) half of them would be out of range
    levels = np.unique(partition_entropies(p).round(12))
    assert max(np.abs(levels - rate).min() for rate in near) < 0.05


def test_named_laws():
    assert named_law("binomial", 0.3, 21).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(named_law("geometric", 0.5, 3), np.array([4, 2, 1]) / 7)


# -- the game -------------------------------------------------------------------------------------------------------


def test_the_receivers_update_is_bayes():
    rng = np.random.default_rng(0)
    policy = rng.dirichlet(np.ones(4), 1)
    channel = Channel(GreedyEBIM(), MaxSeeking(), policy, 1.5)
    belief = rng.dirichlet(np.ones(8))
    labels, joint = channel.code(belief, 0)
    answers = joint[labels] / joint.sum(axis=1)[labels, None]
    np.testing.assert_allclose(belief @ answers, policy[0], atol=1e-12)
    for action in range(4):
        posterior = belief * answers[:, action] / policy[0, action]
        np.testing.assert_allclose(updated(belief, labels, joint, action), posterior, atol=1e-12)


def test_chi_square_pools_rare_actions_and_sees_a_wrong_policy():
    policy = np.array([[0.5, 0.48, 0.01, 0.01], [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    counts = np.array([[260, 240, 4, 3], [100, 0, 0, 0], [10, 5, 5, 5]])
    found = action_tests(counts, policy, frequent=50)
    assert set(found) == {0}  # the second state leaves nothing to test, the third is rare
    assert found[0][1] > 0.3
    assert action_tests(counts[:, ::-1], policy, frequent=50)[0][1] < 1e-10


def game(seed=1, steps=6, **values):
    module = CodingGame(**{"messages": 16, "log_beta": -4.5, "compression": 2.0, "frequent": 10, **values})
    module.attach(Seeds(seed), Budget(steps=steps), {"compressor": GreedyEBIM(), "coupling": MaxSeeking()}, {})
    module.build()
    return module


def play(module):
    for block in module.blocks():
        module.training_step(block, 0)
    module.finish()
    return module


def outcome(module):
    return module.scalars, module.units, {name: (c.step, c.value) for name, c in module.curves.items()}


def test_a_game_interrupted_anywhere_ends_as_a_straight_one():
    straight = outcome(play(game()))
    first = game()
    first.block_steps = 2
    first.training_step(next(iter(first.blocks())), 0)
    second = game()
    second.resume(first.checkpoint())
    assert second.steps_done == 2
    assert outcome(play(second)) == straight


def test_a_warm_agent_without_limit_is_read_by_the_receiver():
    found = play(game(steps=8, compression=1.0)).scalars
    assert found["game/accuracy"] == 1.0 and found["game/goal"] == 1.0
    assert found["game/confident_at"] < 15


def test_compression_is_at_least_one():
    with pytest.raises(ValueError, match="at least 1"):
        CodingGame(compression=0.5)


def test_the_uniform_quantiser_never_tells_the_symbols_of_a_cell_apart():
    module = CodingGame(messages=16, log_beta=-4.5, compression=4.0)
    parts = {"compressor": compressors.build({"name": "uniform_quantiser"}), "coupling": MaxSeeking()}
    module.attach(Seeds(1), Budget(steps=3), parts, {})
    module.build()
    play(module)
    assert module.believed.max() / 3 <= 1 / 8 + 1e-9  # R = 1 bit: two cells of eight messages


# -- modules and checks ---------------------------------------------------------------------------------------------


def test_modules_resume_in_the_middle():
    def laws_module():
        module = RandomLaws(symbols=4, rates=10)
        module.attach(Seeds(3), Budget(steps=4), {"compressor": GreedyEBIM()}, {})
        return module

    def maps_module():
        module = Mappings(family="geometric", parameter=0.2, symbols=8)
        module.attach(Seeds(3), Budget(steps=40), {"compressor": GreedyEBIM()}, {})
        return module

    def near_module():
        module = Neighbourhood(near=1, far=2, starts=1)
        module.attach(Seeds(3), Budget(), {}, {})
        return module

    for make in (laws_module, maps_module, near_module):
        straight = outcome(play(make()))
        first = make()
        first.block_steps = 1
        first.training_step(next(iter(first.blocks())), 0)
        second = make()
        second.resume(first.checkpoint())
        assert outcome(play(second)) == straight
        assert straight[1]


def test_every_claim_has_a_check_and_every_check_its_claims():
    ids = {claim.id for claim in CLAIMS}
    assert {claim for check in CHECKS for claim in check.serves} == ids
    assert {int("".join(c for c in check.id if c.isdigit())) for check in CHECKS} == set(range(1, 12))
