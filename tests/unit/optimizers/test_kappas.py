"""Every registered K keeps the identities of convex analysis that Lion-K's theory rests on."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.optimizers.kappas import L1, L2, GroupL1, Huber, Lp, kappas

ALL = [*(kappas.build({"name": name}) for name in kappas.parts), Lp(p=1.0), Lp(p=1.2, scaled=True), GroupL1(size=3)]
WITH_PROX = [kappa for kappa in ALL if kappa.has_prox]
each = pytest.mark.parametrize("kappa", ALL, ids=lambda k: type(k).__name__)
each_prox = pytest.mark.parametrize("kappa", WITH_PROX, ids=lambda k: type(k).__name__)
vectors = st.lists(st.floats(-5, 5), min_size=8, max_size=8).map(lambda x: torch.tensor(x, dtype=torch.float64))


@each
@given(u=vectors)
def test_subgradients_lie_in_the_domain_of_the_conjugate(kappa, u):
    assert kappa.excess(kappa.subgradient(u)).max() <= 1e-12


@each
@given(u=vectors)
def test_fenchel_young_is_an_equality_at_a_subgradient(kappa, u):
    v = kappa.subgradient(u)
    gap = kappa.value(u) + kappa.conjugate(v) - u @ v
    assert abs(float(gap)) <= 1e-9 * (1 + float(u.abs().sum()))


@each
@given(u=vectors, w=vectors)
def test_fenchel_young_holds_inside_the_domain(kappa, u, w):
    v = kappa.subgradient(w)  # any point of dom K*
    assert kappa.value(u) + kappa.conjugate(v) - u @ v >= -1e-9


@each
@given(u=vectors, w=vectors)
def test_subgradients_support_the_function(kappa, u, w):
    assert kappa.value(w) - kappa.value(u) - kappa.subgradient(u) @ (w - u) >= -1e-9


@each
def test_zero_and_tiny_vectors_do_no_harm(kappa):
    assert not kappa.subgradient(torch.zeros(8)).any()
    tiny = kappa.subgradient(torch.full((8,), 1e-42))
    assert torch.isfinite(tiny).all() and kappa.excess(tiny).max() <= 1e-6


@each
@given(u=vectors, v=vectors)
def test_a_batch_is_its_rows(kappa, u, v):
    batch = torch.stack([u, v])
    for function in (kappa.value, kappa.subgradient, kappa.conjugate, kappa.excess):
        torch.testing.assert_close(function(batch), torch.stack([function(u), function(v)]))


@each_prox
@given(v=vectors, step=st.floats(0.01, 10))
def test_moreau_ties_the_prox_to_the_subgradient(kappa, v, step):
    """z = prox of step K* at v means (v - z)/step is a subgradient of K* at z: Fenchel-Young is an equality there."""
    z = kappa.prox_conjugate(v, step)
    u = (v - z) / step
    assert kappa.excess(z).max() <= 1e-12
    gap = kappa.value(u) + kappa.conjugate(z) - u @ z
    assert abs(float(gap)) <= 1e-9 * (1 + float(u.abs().sum()))


@each_prox
def test_prox_takes_one_step_for_each_row(kappa):
    v, steps = torch.randn(3, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([[0.1], [1.0], [5.0]])
    rows = [kappa.prox_conjugate(v[i], float(steps[i])) for i in range(3)]
    torch.testing.assert_close(kappa.prox_conjugate(v, steps), torch.stack(rows))


@given(u=vectors)
def test_members_of_the_family_meet(u):
    torch.testing.assert_close(Lp(p=2.0).subgradient(u), L2().subgradient(u))
    torch.testing.assert_close(Lp(p=1.0).subgradient(u), L1().subgradient(u))
    torch.testing.assert_close(GroupL1(size=8).subgradient(u), L2().subgradient(u))
    torch.testing.assert_close(GroupL1(size=1).excess(u).squeeze(), L1().excess(u).max())
    torch.testing.assert_close(Huber(e=1e-12).value(u), L1().value(u))


@pytest.mark.parametrize("p", [1.2, 1.5, 2.0])
def test_scaled_norms_step_by_one_in_every_entry(p):
    u = torch.tensor([3.0, -3.0, 3.0, -3.0])
    torch.testing.assert_close(Lp(p=p, scaled=True).subgradient(u), u.sign())


def test_groups_may_end_short():
    u = torch.tensor([3.0, 4.0, 0.0, 2.0])
    torch.testing.assert_close(GroupL1(size=3).subgradient(u), torch.tensor([0.6, 0.8, 0.0, 1.0]))
