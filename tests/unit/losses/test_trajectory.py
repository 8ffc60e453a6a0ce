"""The trajectory divergence against torch's own, its gradient, rows without a past, and the ring of outputs."""

import pytest
import torch
from torch.nn import functional as F

from assay.losses.trajectory import OutputCache, TrajectoryKL, trajectory_kl


def scores(n=6, c=4, seed=1):
    return 3 * torch.randn(2, n, c, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("tau", [1.0, 5.0])
def test_the_divergence_is_that_of_torch_with_the_past_as_target(tau):
    out, ref = scores()
    expected = F.kl_div(torch.log_softmax(out / tau, 1), torch.softmax(ref / tau, 1), reduction="none").sum(1)
    torch.testing.assert_close(trajectory_kl(out, ref, tau), tau**2 * expected)
    assert not torch.allclose(trajectory_kl(out, ref, tau), trajectory_kl(ref, out, tau))


def test_extreme_scores_stay_finite():
    out = torch.tensor([[1e4, 0.0], [0.0, 1e4]], requires_grad=True)
    value = TrajectoryKL(1.0)(out, out.detach().flip(1))
    value.backward()
    assert value.isfinite() and out.grad.isfinite().all()


def test_no_gradient_goes_into_the_past():
    out, ref = scores()
    ref.requires_grad_()
    assert not TrajectoryKL(1.0)(out, ref).requires_grad


def test_rows_without_a_past_are_left_out_of_the_mean():
    out, ref = scores()
    term = TrajectoryKL(0.3, 2.0)
    holes = ref.clone()
    holes[1] = torch.nan
    holes[4, 2] = torch.nan
    kept = torch.tensor([0, 2, 3, 5])
    leaf = out.clone().requires_grad_()
    value = term(leaf, holes)
    torch.testing.assert_close(value.detach(), term(out[kept], ref[kept]))
    value.backward()
    assert (leaf.grad[[1, 4]] == 0).all() and (leaf.grad[kept] != 0).any()
    assert float(term(out, torch.full_like(ref, torch.nan))) == 0


def test_the_ring_keeps_the_last_epochs_and_nothing_else():
    cache = OutputCache(3, 2, 1)
    index = torch.tensor([2, 0])
    assert cache.read(index, 5).isnan().all()
    for epoch in range(4):
        cache.store(index, epoch, torch.tensor([[10.0 + epoch], [20.0 + epoch]]))
        assert cache.read(index, epoch).squeeze(1).tolist() == [10 + epoch, 20 + epoch]
        if epoch:
            assert cache.read(index, epoch - 1).squeeze(1).tolist() == [9 + epoch, 19 + epoch]
    assert cache.read(torch.tensor([1]), 3).isnan().all()


def test_the_ring_is_part_of_the_state_and_may_be_half_as_big():
    cache, other = (OutputCache(4, 3, 2, torch.float16) for _ in range(2))
    out = torch.tensor([[1.0, 2.0]], requires_grad=True)
    cache.store(torch.tensor([3]), 7, out)
    assert cache.outputs.dtype == torch.float16 and not cache.outputs.requires_grad
    other.load_state_dict(cache.state_dict())
    assert other.read(torch.tensor([3]), 7).tolist() == [[1, 2]]
    assert float(TrajectoryKL(1.0)(out.detach(), other.read(torch.tensor([3]), 7))) == 0
