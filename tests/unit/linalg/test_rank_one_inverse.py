"""Inverses without matrices against a dense one: every algorithm, windows that are not full, batches, precision."""

import pytest
import torch

from assay.linalg import BlockInverse, DynamicRankOneInverse, RankOneInverse

D, M = 12, 5


def rows(m=M, d=D, seed=0, dtype=torch.float64):
    return torch.randn(m, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype) / d**0.5


def fisher(gradients, damp):
    return damp * torch.eye(gradients.shape[1], dtype=gradients.dtype) + gradients.T @ gradients / len(gradients)


MAKE = {
    "static": RankOneInverse,
    "dynamic": DynamicRankOneInverse,
    "woodbury": lambda g, damp: DynamicRankOneInverse(g, damp, "woodbury"),
    "block": BlockInverse,
}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
@pytest.mark.parametrize("m", [1, 5, 20])
@pytest.mark.parametrize("damp", [1e-3, 10.0])
def test_products_and_diagonals_are_those_of_the_inverse(make, m, damp):
    gradients, x = rows(m), rows(1, seed=1)[0]
    inverse, expected = make(gradients, damp), torch.linalg.inv(fisher(gradients, damp))
    torch.testing.assert_close(inverse.product(x), expected @ x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(inverse.diagonal(), expected.diagonal(), rtol=1e-9, atol=1e-9)


def test_entries_and_the_vectors_behind_them():
    gradients = rows()
    static, dynamic = RankOneInverse(gradients, 0.01), DynamicRankOneInverse(gradients, 0.01)
    expected = torch.linalg.inv(fisher(gradients, 0.01))
    for k, l in ((0, 0), (3, 7), (7, 3)):
        assert float(static.entry(k, l)) == pytest.approx(float(expected[k, l]), abs=1e-9)
    torch.testing.assert_close(dynamic.b @ gradients, static.v)  # v_i = sum_j B_ij g_j
    torch.testing.assert_close(dynamic.q, static.q)


def test_leading_axes_are_independent_blocks():
    blocks, x = torch.stack([rows(seed=s) for s in range(3)]), rows(3, seed=9)
    for make in (RankOneInverse, BlockInverse):
        together = make(blocks, 0.1)
        apart = [make(block, 0.1) for block in blocks]
        torch.testing.assert_close(
            together.product(x), torch.stack([a.product(b) for a, b in zip(apart, x, strict=True)])
        )
        torch.testing.assert_close(together.diagonal(), torch.stack([a.diagonal() for a in apart]))


@pytest.mark.parametrize("backend", ["paper", "woodbury"])
@pytest.mark.parametrize("updates", [2, 13])
def test_a_window_holds_the_last_rows_and_m_normalises_from_the_start(backend, updates):
    stream = rows(updates)
    window = DynamicRankOneInverse.empty(M, stream[0], 0.01, backend)
    for g in stream:
        window.update(g)
    last = torch.zeros(M, D, dtype=torch.float64)
    last[: min(updates, M)] = stream[-M:]
    expected = torch.linalg.solve(fisher(last, 0.01), stream[-1])
    torch.testing.assert_close(window.product(stream[-1]), expected)
    torch.testing.assert_close(window.of_row(window.newest), expected)


def test_the_given_rows_are_not_written_to():
    gradients = rows()
    window = DynamicRankOneInverse(gradients, 0.1)
    window.update(torch.ones(D, dtype=torch.float64))
    torch.testing.assert_close(gradients, rows())


def test_single_precision_is_best_in_the_form_without_cancellation():
    gradients, damp = rows(32, 300, dtype=torch.float32), 1e-5
    exact = torch.linalg.solve(fisher(gradients.double(), damp), gradients[3].double())
    window = DynamicRankOneInverse(gradients, damp, "woodbury")
    errors = [
        float((found - exact).norm() / exact.norm()) for found in (window.of_row(3), window.product(gradients[3]))
    ]
    assert errors[0] < 1e-6 < errors[1] < 1e-3


def test_a_window_goes_on_from_its_state():
    stream = rows(9)
    straight = DynamicRankOneInverse.empty(M, stream[0], 0.01)
    for g in stream[:4]:
        straight.update(g)
    resumed = DynamicRankOneInverse.empty(M, stream[0], 0.01)
    resumed.load(straight.state())
    for g in stream[4:]:
        straight.update(g)
        resumed.update(g)
    assert torch.equal(straight.product(stream[0]), resumed.product(stream[0]))


def test_a_block_in_single_precision_is_inverted_where_the_damp_drowns():
    gradients = 10 * rows(4, 64, dtype=torch.float32)
    found = BlockInverse(gradients, 1e-6)
    expected = torch.linalg.inv(fisher(gradients.double(), 1e-6))
    assert found.inverse.dtype == torch.float32
    torch.testing.assert_close(found.inverse.double(), expected, rtol=1e-5, atol=1e-1)
