"""Scores in closed form: gradients of their densities, limits of each other, low rank, and the Gaussian's flow."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from assay.diffusion.scores import DeltaMixtureScore, GaussianScore, GMMScore, moments

D = 3


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixture(k=4):
    roots = normal(k, D, D, seed=1)
    return torch.arange(1.0, k + 1, dtype=torch.float64), 2 * normal(k, D, seed=2), roots @ roots.mT


def laws():
    rows = normal(20, D, seed=3)
    return {"gaussian": GaussianScore.of(rows), "delta": DeltaMixtureScore(rows), "gmm": GMMScore.of(*mixture())}


@pytest.mark.parametrize("sigma", [0.3, 4.0])
@pytest.mark.parametrize("name", ["gaussian", "delta", "gmm"])
def test_the_score_is_the_gradient_of_the_density(name, sigma):
    law, x = laws()[name], normal(300, D).requires_grad_()  # more rows than are handled at once
    (gradient,) = torch.autograd.grad(law.log_density(x, sigma).sum(), x)
    torch.testing.assert_close(law(x.detach(), sigma), gradient, rtol=1e-9, atol=1e-9)


def test_a_mixture_has_the_density_that_torch_gives_it():
    weights, means, covariances = mixture()
    noisy = covariances + 0.5**2 * torch.eye(D)
    known = MixtureSameFamily(Categorical(weights), MultivariateNormal(means, noisy))
    x = normal(50, D)
    torch.testing.assert_close(GMMScore.of(weights, means, covariances).log_density(x, 0.5), known.log_prob(x))


def test_clusters_of_one_row_are_the_delta_mixture():
    rows, x = normal(7, D), normal(30, D, seed=4)
    single, delta = GMMScore.clusters(rows, torch.arange(7)), DeltaMixtureScore(rows)
    torch.testing.assert_close(single(x, 0.4), delta(x, 0.4))
    torch.testing.assert_close(single.log_density(x, 0.4), delta.log_density(x, 0.4))


def test_fewer_rows_than_dimensions_leave_directions_without_variance():
    rows, x = normal(4, 6), normal(10, 6, seed=5)
    mean, variances, basis = moments(rows)
    assert basis.shape == (6, 4)
    covariance = (rows - mean).T @ (rows - mean) / 4
    torch.testing.assert_close((basis * variances) @ basis.T, covariance)
    full = MultivariateNormal(mean, covariance + 0.3**2 * torch.eye(6))
    law, cluster = GaussianScore.of(rows), GMMScore.clusters(rows, torch.zeros(4, dtype=torch.int64))
    for one in (law, cluster):
        torch.testing.assert_close(one.log_density(x, 0.3), full.log_prob(x))
    torch.testing.assert_close(law(x, 0.3), cluster(x, 0.3))
    complete = GaussianScore(mean, *torch.linalg.eigh(covariance))
    torch.testing.assert_close(law.flow(x, 3.0, 0.1), complete.flow(x, 3.0, 0.1))


def test_rank_keeps_the_leading_pairs_of_every_cluster():
    rows = torch.cat([normal(30, D) * torch.tensor([3.0, 1.0, 0.1]), normal(2, D, seed=6) + 50])
    labels = torch.tensor([0] * 30 + [1] * 2)
    full, cut = GMMScore.clusters(rows, labels), GMMScore.clusters(rows, labels, rank=1)
    assert full.variances.shape == (2, 3) and cut.variances.shape == (2, 1)
    torch.testing.assert_close(cut.variances[:, 0], full.variances[:, -1])


def test_shares_of_clusters_count_by_rows():
    rows = torch.cat([normal(30, D), normal(10, D) + 100])
    law = GMMScore.clusters(rows, torch.tensor([0] * 30 + [1] * 10))
    torch.testing.assert_close(law.log_weights.exp(), torch.tensor([0.75, 0.25], dtype=torch.float64))


def test_a_point_mass_draws_straight_to_the_mean():
    law, x = GaussianScore.isotropic(torch.ones(D, dtype=torch.float64), 0.0), normal(5, D)
    torch.testing.assert_close(law(x, 2.0), (1 - x) / 4)
    torch.testing.assert_close(law.flow(x, 2.0, 0.5), 1 + (x - 1) / 4)


def test_flow_carries_one_law_into_the_other_and_back():
    law = GaussianScore.of(normal(500, D) * torch.tensor([2.0, 1.0, 0.2]))
    x = law.point(normal(100_000, D, seed=7) * (law.variances + 25).sqrt())
    moved = law.flow(x, 5.0, 0.5)
    torch.testing.assert_close(law.coordinates(moved).var(0), law.variances + 0.25, rtol=0.02, atol=0)
    torch.testing.assert_close(law.flow(moved, 0.5, 5.0), x)


def test_small_noise_overflows_nothing():
    for law in laws().values():
        assert torch.isfinite(law(50 * normal(4, D), 1e-3)).all()
    far = DeltaMixtureScore(torch.tensor([[0.0], [1.0]], dtype=torch.float64))
    density = far.log_density(torch.tensor([[3.0]], dtype=torch.float64), 1e-3)
    assert float(density) == pytest.approx(-2e6 - math.log(2) - 0.5 * math.log(2 * math.pi * 1e-6), rel=1e-12)
