"""The table of paired t-tests against scipy, by hand, and where there is no spread."""

import pytest
from scipy import stats

from assay.metrics.paired_tests import one_sided, paired_ttest_table

A = {"easy": [0.9, 0.92, 0.91], "same": [0.5, 0.6, 0.4], "hard": [0.1, 0.12, 0.09]}
B = {"easy": [0.8, 0.83, 0.8], "same": [0.6, 0.5, 0.4], "hard": [0.3, 0.31, 0.3]}


def test_wins_ties_and_losses():
    table = paired_ttest_table(A, B)
    assert (table.better, table.tied, table.worse) == (("easy",), ("same",), ("hard",))
    assert table.lead == 0
    assert table.p_better["easy"] == pytest.approx(stats.ttest_rel(A["easy"], B["easy"], alternative="greater").pvalue)
    assert table.p_worse["easy"] == pytest.approx(1 - table.p_better["easy"])


def test_the_other_way_round_is_the_mirror():
    table, mirror = paired_ttest_table(A, B), paired_ttest_table(B, A)
    assert (mirror.better, mirror.worse) == (table.worse, table.better)


def test_holm_over_both_directions():
    plain, adjusted = paired_ttest_table(A, B), paired_ttest_table(A, B, adjust=True)
    values = sorted([*plain.p_better.values(), *plain.p_worse.values()])
    assert min(adjusted.p_better.values()) >= min(values)
    assert min([*adjusted.p_better.values(), *adjusted.p_worse.values()]) == pytest.approx(6 * values[0])


@pytest.mark.parametrize(("shift", "p"), [(0.25, 0.0), (0.0, 1.0), (-0.25, 1.0)])
def test_without_spread_the_sign_decides(shift, p):
    assert one_sided([0.5 + shift, 0.25 + shift], [0.5, 0.25]) == p


def test_what_cannot_be_paired():
    with pytest.raises(ValueError, match="data sets"):
        paired_ttest_table(A, {"easy": B["easy"]})
    with pytest.raises(ValueError, match="repetitions"):
        one_sided([1.0], [2.0])
    with pytest.raises(ValueError, match="repetitions"):
        one_sided([1.0, 2.0], [2.0, 3.0, 4.0])
