"""Conditioning on linear facts: the joint Gaussian's Schur complement, exact constraints, batches, precision."""

import numpy as np
import pytest
import torch

from assay.linalg.gaussian_conditioning import gaussian_linear_conditioning, weighted_projection
from assay.metrics.conservation import conservation_error

N = 12


def problem(full, m, batch=(), seed=0):
    rng = np.random.default_rng(seed)
    mean = torch.from_numpy(rng.normal(size=(*batch, N)))
    if full:
        root = torch.from_numpy(rng.normal(size=(*batch, N, N)))
        cov = root @ root.mT + 0.1 * torch.eye(N, dtype=torch.float64)
    else:
        cov = torch.from_numpy(rng.uniform(0.1, 2, size=(*batch, N)))
    return mean, cov, torch.from_numpy(rng.normal(size=(m, N))), torch.from_numpy(rng.normal(size=(*batch, m)))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_it_is_the_schur_complement_of_the_joint_gaussian(full, m, noise):
    mean, cov, g, b = problem(full, m)
    dense = cov if full else cov.diag()
    joint = torch.cat([torch.eye(N, dtype=torch.float64), g])
    joint = joint @ dense @ joint.T
    joint[N:, N:] += noise * torch.eye(m, dtype=torch.float64)
    gain = joint[:N, N:] @ joint[N:, N:].inverse()
    found, covariance = gaussian_linear_conditioning(mean, cov, g, b, noise)
    torch.testing.assert_close(found, mean + gain @ (b - g @ mean), atol=1e-12, rtol=0)
    torch.testing.assert_close(covariance, dense - gain @ joint[N:, :N], atol=1e-12, rtol=0)


@pytest.mark.parametrize("full", [False, True])
def test_without_noise_the_constraint_holds_to_machine_precision(full):
    mean, cov, g, b = problem(full, 1)
    g = g.abs()
    found, covariance = gaussian_linear_conditioning(1e3 * mean, cov, g, b)
    scale = float((g @ (1e3 * mean).abs()).max())
    assert float(conservation_error(found, g, b).abs().max()) <= 8 * torch.finfo(torch.float64).eps * scale
    assert float((covariance @ g.T).abs().max()) <= 1e-13 * float(covariance.abs().max())
    torch.testing.assert_close(found, weighted_projection(1e3 * mean, cov, g, b), atol=0, rtol=0)


def test_a_mean_in_single_precision_is_conditioned_in_double():
    mean, cov, g, b = problem(False, 1)
    found = weighted_projection(mean.float(), cov.float(), g, b)
    assert found.dtype == torch.float64
    assert float((g @ found - b).abs().max()) < 1e-14


@pytest.mark.parametrize("full", [False, True])
def test_a_batch_is_its_members(full):
    mean, cov, g, b = problem(full, 2, batch=(3, 2))
    found, covariance = gaussian_linear_conditioning(mean, cov, g, b, torch.tensor([0.1, 0.2], dtype=torch.float64))
    for i, j in ((0, 0), (2, 1)):
        one = gaussian_linear_conditioning(
            mean[i, j], cov[i, j], g, b[i, j], torch.tensor([0.1, 0.2], dtype=torch.float64)
        )
        torch.testing.assert_close(found[i, j], one[0])
        torch.testing.assert_close(covariance[i, j], one[1])


def test_each_row_of_a_batch_may_have_its_own_facts():
    mean, cov, g, b = problem(False, 2, batch=(3,))
    many = torch.stack([g, 2 * g, g.flip(1)])
    found = weighted_projection(mean, cov, many, b)
    torch.testing.assert_close((many @ found[..., None])[..., 0], b)


def test_equal_variances_give_the_orthogonal_projection():
    mean, _, g, b = problem(False, 2)
    found = weighted_projection(mean, torch.full((N,), 0.7), g, b)
    torch.testing.assert_close(found, mean - torch.linalg.pinv(g) @ (g @ mean - b))


def test_one_fact_after_the_other_is_both_at_once():
    mean, cov, g, b = problem(True, 2)
    first = gaussian_linear_conditioning(mean, cov, g[:1], b[:1], 0.1)
    twice = gaussian_linear_conditioning(*first, g[1:], b[1:], 0.1)
    once = gaussian_linear_conditioning(mean, cov, g, b, 0.1)
    for a, c in zip(twice, once, strict=True):
        torch.testing.assert_close(a, c, atol=1e-11, rtol=0)


def test_it_is_differentiable():
    mean, cov, g, b = problem(False, 1)
    mean.requires_grad_()
    weighted_projection(mean, cov, g, b)[0].backward()
    assert torch.isfinite(mean.grad).all() and float((mean.grad @ (cov * g[0])).abs()) < 1e-12
