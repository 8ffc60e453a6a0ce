"""Samplers: the grid, orders of convergence, evaluations, and what teleportation leaves to do."""

import numpy as np
import pytest
import torch

from assay.diffusion.samplers import dpmpp_2m, heun, heun_evaluations, karras_grid, teleport
from assay.diffusion.scores import GaussianScore

LAW = GaussianScore(torch.tensor([1.0, -1.0]).double(), torch.tensor([4.0, 0.01]).double())
START = 80 * torch.randn(6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Counted:
    """A denoiser that counts its calls and remembers the noise levels."""

    def __init__(self, law=LAW):
        self.law, self.sigmas = law, []

    def __call__(self, x, sigma):
        self.sigmas.append(sigma)
        return self.law.denoise(x, sigma)


def test_the_grid_has_the_published_points():
    grid = karras_grid(18)
    assert len(grid) == 19 and grid[0] == 80 and grid[17] == 0.002 and grid[18] == 0
    rounded = [round(t, 1) for t in grid[:10]]
    assert rounded == [80.0, 57.6, 40.8, 28.4, 19.4, 12.9, 8.4, 5.3, 3.3, 1.9]
    assert karras_grid(2, zero=False) == [80.0, 0.002]


@pytest.mark.parametrize("sampler", [heun, dpmpp_2m])
def test_second_order(sampler):
    """Halving the steps of a grid that ends above 0 makes the error four times as large."""
    counts = np.array([40, 80, 160])
    exact = LAW.flow(START, 80.0, 0.002)
    grids = [karras_grid(n, zero=False) for n in counts]
    errors = [float((sampler(LAW.denoise, START, grid) - exact).norm()) for grid in grids]
    slope = np.polyfit(np.log(counts - 1), np.log(errors), 1)[0]
    assert slope == pytest.approx(-2, abs=0.3)


def test_evaluations_are_counted():
    for n, zero in ((5, True), (5, False)):
        counted, grid = Counted(), karras_grid(n, zero=zero)
        heun(counted, START, grid)
        assert len(counted.sigmas) == heun_evaluations(grid)
    counted = Counted()
    dpmpp_2m(counted, START, karras_grid(5))
    assert counted.sigmas == karras_grid(5)[:-1]


def test_a_last_step_to_zero_returns_the_denoised():
    at = START / 1e4
    for sampler in (heun, dpmpp_2m):
        torch.testing.assert_close(sampler(LAW.denoise, at, [0.5, 0.0]), LAW.denoise(at, 0.5))


def test_a_point_mass_is_reached_exactly_from_anywhere():
    """Its slope is constant along a path, so that either method is exact."""
    point = GaussianScore.isotropic(torch.tensor([2.0, 3.0]).double(), 0.0)
    for sampler in (heun, dpmpp_2m):
        torch.testing.assert_close(sampler(point.denoise, START, karras_grid(4)), point.mean.expand(6, 2))


def test_teleportation_leaves_the_other_steps_as_they_are():
    counted, grid = Counted(), karras_grid(18)
    x = teleport(heun, LAW, 4)(counted, START, grid)
    assert counted.sigmas[0] == grid[4] and len(counted.sigmas) == 2 * (18 - 4) - 1
    torch.testing.assert_close(x, heun(LAW.denoise, LAW.flow(START, 80.0, grid[4]), grid[4:]))
    torch.testing.assert_close(teleport(heun, LAW, 0)(LAW.denoise, START, grid), heun(LAW.denoise, START, grid))


def test_watching_sees_every_point_of_the_grid():
    seen = []
    for sampler in (heun, dpmpp_2m):
        sampler(LAW.denoise, START, karras_grid(5), lambda sigma, x, d: seen.append((sigma, x, d)))
    assert [sigma for sigma, _, _ in seen] == 2 * karras_grid(5)[:-1]
    assert all(torch.equal(d, LAW.denoise(x, sigma)) for sigma, x, d in seen)
