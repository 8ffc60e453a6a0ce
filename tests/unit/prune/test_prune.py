"""Pruners: exact counts, weights that stay gone, and optimality of the surgeon's answer on a quadratic."""

import pytest
import torch

from assay.prune import DiagonalFisher, Magnitude, OBSPruner, pruners

D, M = 13, 6


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fisher(gradients, damp):
    return damp * torch.eye(gradients.shape[1], dtype=gradients.dtype) + gradients.T @ gradients / len(gradients)


def gone(*places):
    out = torch.zeros(D, dtype=torch.bool)
    out[list(places)] = True
    return out


def seen(pruner, gradients):
    pruner.see(gradients)
    return pruner


@pytest.mark.parametrize("name", pruners.parts)
def test_removes_as_many_as_asked_for_and_none_comes_back(name):
    pruner = seen(pruners.build({"name": name}), draw(M, D))
    w, removed = pruner.prune(draw(D, seed=1), gone(), 4)
    assert int(removed.sum()) == 4 and (w[removed] == 0).all() and (w[~removed] != 0).all()
    pruner.see(draw(M, D, seed=2) * ~removed)
    later, more = pruner.prune(w, removed, 9)
    assert int(more.sum()) == 9 and (more | ~removed).all() and (later[more] == 0).all()
    for impossible in (8, D + 1):
        with pytest.raises(ValueError, match="cannot be gone"):
            pruner.prune(later, more, impossible)


def test_magnitude_and_diagonal_rank_as_they_say():
    w = torch.tensor([0.1, -3.0, 0.5, 2.0])
    gradients = torch.tensor([[10.0, 0.0, 1.0, 0.1]])
    assert Magnitude().prune(w, torch.zeros(4, dtype=torch.bool), 2)[1].tolist() == [True, False, True, False]
    pruner = seen(DiagonalFisher(damp=1e-5), gradients)
    torch.testing.assert_close(pruner.saliency(w), w**2 * (gradients[0] ** 2 + 1e-5) / 2)
    assert pruner.prune(w, torch.zeros(4, dtype=torch.bool), 2)[1].tolist() == [False, True, False, True]


def test_one_removed_weight_is_answered_by_the_constrained_minimum():
    gradients, w, damp = draw(M, D), draw(D, seed=1), 0.1
    pruner = seen(OBSPruner(damp=damp), gradients)
    k = int(pruner.saliency(w).argmin())
    new, removed = pruner.prune(w, gone(), 1)
    assert removed[k] and removed.sum() == 1
    # min dw^T F dw / 2 subject to dw_k = -w_k, solved in the other coordinates.
    f, rest = fisher(gradients, damp), ~gone(k)
    expected = torch.linalg.solve(f[rest][:, rest], f[rest, k] * w[k])
    torch.testing.assert_close((new - w)[rest], expected)
    increase = (new - w) @ f @ (new - w) / 2
    torch.testing.assert_close(pruner.saliency(w)[k], increase)


def test_blocks_ignore_what_joins_them_and_one_block_is_the_full_matrix():
    gradients, w = draw(M, D), draw(D, seed=1)
    apart = seen(OBSPruner(damp=0.1, block=5), gradients)  # 13 weights: the last block is shorter
    mask = torch.block_diag(torch.ones(5, 5), torch.ones(5, 5), torch.ones(3, 3))
    inverse = torch.linalg.inv(fisher(gradients, 0.1) * mask)
    torch.testing.assert_close(apart.saliency(w), w**2 / (2 * inverse.diagonal()))
    t = torch.where(gone(1, 12), -w / inverse.diagonal(), 0.0)
    torch.testing.assert_close(apart.answer(w, gone(1, 12)), w + inverse @ t)
    one, full = (seen(OBSPruner(damp=0.1, block=block), gradients) for block in (D, None))
    torch.testing.assert_close(one.prune(w, gone(), 6)[0], full.prune(w, gone(), 6)[0])


def test_without_update_the_others_stay():
    gradients, w = draw(M, D), draw(D, seed=1)
    moved, still = (seen(OBSPruner(update=update), gradients).prune(w, gone(), 5) for update in (True, False))
    assert torch.equal(moved[1], still[1])
    assert torch.equal(still[0], w.masked_fill(still[1], 0.0)) and not torch.allclose(moved[0], still[0])


def test_weights_that_are_gone_are_not_moved():
    w, removed = draw(D, seed=1).masked_fill(gone(2, 3), 0.0), gone(2, 3)
    pruner = seen(OBSPruner(damp=0.1), draw(M, D) * ~removed)
    assert (pruner.answer(w, gone(5))[removed] == 0).all()
