import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay.couplings import Independent, MaxSeeking, SuccessiveLinearisation, ZeroSeeking, couplings, meet
from assay.metrics.information import entropy, mutual_information
from assay.registry import KINDS

CHEAP = [Independent(), MaxSeeking(), ZeroSeeking()]
ALL = [*CHEAP, SuccessiveLinearisation()]


def laws(n):
    values = arrays(np.float64, n, elements=st.floats(0.0, 1.0, allow_subnormal=False))
    return values.filter(lambda a: a.sum() > 1e-3).map(lambda a: a / a.sum())


pairs = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda nm: st.tuples(laws(nm[0]), laws(nm[1])))


@pytest.mark.parametrize("coupling", CHEAP, ids=lambda c: type(c).__name__)
@given(pair=pairs)
def test_marginals_are_exact_and_entropy_is_bounded(coupling, pair):
    p, q = pair
    joint = coupling.joint(p, q)
    assert (joint >= 0).all()
    np.testing.assert_allclose(joint.sum(axis=1), p, rtol=0, atol=1e-12)
    np.testing.assert_allclose(joint.sum(axis=0), q, rtol=0, atol=1e-12)
    assert float(entropy(meet(p, q))) - 1e-9 <= float(entropy(joint)) <= float(entropy(p) + entropy(q)) + 1e-9


@given(pair=pairs)
def test_max_seeking_is_near_the_lower_bound_and_sparse(pair):
    p, q = pair
    joint = MaxSeeking().joint(p, q)
    assert float(entropy(joint)) <= float(entropy(meet(p, q))) + math.log2(math.e) + 1e-9
    assert np.count_nonzero(joint > 1e-12) <= np.count_nonzero(p) + np.count_nonzero(q) - 1


@given(law=st.integers(1, 8).flatmap(laws))
def test_a_law_is_coupled_with_itself_by_the_identity(law):
    assume(np.unique(law).size == law.size)
    for coupling in (MaxSeeking(), ZeroSeeking()):
        np.testing.assert_allclose(coupling.joint(law, law), np.diag(law), rtol=0, atol=1e-15)


def test_max_seeking_by_hand():
    joint = MaxSeeking().joint(np.array([0.5, 0.3, 0.2]), np.array([0.6, 0.4]))
    # .5 meets .6; then .3 meets .4; then .2 meets the .1 left of each.
    np.testing.assert_allclose(joint, [[0.5, 0.0], [0.0, 0.3], [0.1, 0.1]], atol=1e-15)


def test_zero_seeking_by_hand():
    joint = ZeroSeeking().joint(np.array([0.5, 0.3, 0.2]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(joint, [[0.5, 0.0], [0.0, 0.3], [0.0, 0.2]], atol=1e-15)


def test_successive_linearisation_ends_at_a_vertex_below_independence():
    rng = np.random.default_rng(0)
    for _ in range(5):
        p, q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(5))
        joint = SuccessiveLinearisation().joint(p, q)
        np.testing.assert_allclose(joint.sum(axis=1), p, rtol=0, atol=1e-9)
        np.testing.assert_allclose(joint.sum(axis=0), q, rtol=0, atol=1e-9)
        assert np.count_nonzero(joint > 1e-12) <= 6 + 5 - 1
        assert float(entropy(joint)) < float(entropy(p) + entropy(q))


def test_the_independent_coupling_tells_nothing():
    p, q = np.array([0.1, 0.9]), np.array([0.3, 0.3, 0.4])
    assert mutual_information(Independent().joint(p, q)) == pytest.approx(0.0, abs=1e-15)


def test_meet_of_equal_and_of_extreme_laws():
    p = np.array([0.2, 0.5, 0.3])
    np.testing.assert_allclose(meet(p, p), [0.5, 0.3, 0.2])
    np.testing.assert_allclose(meet(p, np.array([1.0])), [0.5, 0.3, 0.2])


def test_every_coupling_is_registered_and_built_by_name():
    assert KINDS["coupling"] is couplings
    assert {type(couplings.build({"name": part.name})) for part in couplings} == {type(c) for c in ALL}


def test_the_registry_holds_the_documented_names():
    assert {part.name for part in couplings} == {"independent", "max_seeking", "zero_seeking", "sla"}
