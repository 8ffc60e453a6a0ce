import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy as scipy_entropy

from assay.metrics.information import binary_entropy, conditional_entropy, entropy, mutual_information, terms

masses = st.floats(0.0, 1.0, allow_subnormal=False)


def laws(shape):
    return arrays(np.float64, shape, elements=masses).filter(lambda a: a.sum() > 1e-3).map(lambda a: a / a.sum())


@given(laws(6))
def test_entropy_is_scipys_and_bounded(p):
    assert float(entropy(p)) == pytest.approx(float(scipy_entropy(p, base=2)), abs=1e-12)
    assert -1e-12 <= float(entropy(p)) <= math.log2(6) + 1e-12


def test_zero_mass_counts_nothing():
    assert terms([0.0, 1.0]).tolist() == [0.0, 0.0]
    assert float(entropy([0.5, 0.5, 0.0])) == 1.0
    assert binary_entropy([0.0, 0.5, 1.0]).tolist() == [0.0, 1.0, 0.0]


def test_axis_keeps_the_other_axes():
    p = np.array([[0.5, 0.5], [1.0, 0.0]])
    assert entropy(p, axis=1).tolist() == [1.0, 0.0]


@given(laws((3, 4)))
def test_mutual_information_is_a_difference_of_entropies(joint):
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    information = mutual_information(joint)
    assert information == pytest.approx(float(entropy(rows) + entropy(columns) - entropy(joint)), abs=1e-10)
    assert -1e-12 <= information <= min(float(entropy(rows)), float(entropy(columns))) + 1e-10
    assert conditional_entropy(joint) == pytest.approx(float(entropy(columns)) - information, abs=1e-10)


def test_independent_variables_share_nothing_and_copies_share_all():
    p = np.array([0.2, 0.3, 0.5])
    assert mutual_information(np.outer(p, p)) == pytest.approx(0.0, abs=1e-15)
    assert mutual_information(np.diag(p)) == pytest.approx(float(entropy(p)))
