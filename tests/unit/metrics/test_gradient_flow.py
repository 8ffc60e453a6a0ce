"""The flow of a linear model against small steps, its end, its norms and its ridge path."""

from __future__ import annotations

import math

import pytest
import torch

from assay.metrics.gradient_flow import LinearFlow


@pytest.fixture(params=[(12, 5), (5, 12)])
def problem(request):
    generator = torch.Generator().manual_seed(0)
    phi = torch.randn(*request.param, generator=generator, dtype=torch.float64)
    return phi, torch.randn(request.param[0], generator=generator, dtype=torch.float64)


def test_the_flow_is_the_limit_of_small_steps(problem):
    phi, y = problem
    v, rate = torch.zeros(phi.shape[1], dtype=phi.dtype), 1e-5
    for _ in range(5000):
        v = v + rate * phi.T @ (y - phi @ v)
    flow = LinearFlow.fit(phi, y)
    times = torch.tensor([5000 * rate], dtype=phi.dtype)
    torch.testing.assert_close(flow.weights(times)[0], v, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(flow.residuals(times)[0], (y - phi @ v).square().sum(), rtol=1e-3, atol=0)
    torch.testing.assert_close(flow.norms(times)[0], v.norm(), rtol=1e-3, atol=0)


def test_it_begins_at_zero_and_ends_at_the_pseudoinverse(problem):
    phi, y = problem
    flow = LinearFlow.fit(phi, y)
    start, end = flow.weights(torch.tensor([0.0, math.inf], dtype=phi.dtype))
    assert not start.any()
    torch.testing.assert_close(end, torch.linalg.pinv(phi) @ y)


def test_ridge_and_predictions(problem):
    phi, y = problem
    flow = LinearFlow.fit(phi, y)
    for g, coordinates in zip((0.1, 3.0), flow.ridge([0.1, 3.0]), strict=True):
        v = torch.linalg.solve(phi.T @ phi + g * torch.eye(phi.shape[1], dtype=phi.dtype), phi.T @ y)
        torch.testing.assert_close(flow.predictions(phi, coordinates[None])[:, 0], phi @ v)
