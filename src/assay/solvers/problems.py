"""Linear systems that papers solve: the 5-point Poisson matrix and the 2-D heat equation by Crank-Nicolson."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[np.float64]


def poisson2d(side: int, shift: float = 0.0) -> sp.csr_array:
    """The 5-point Laplacian on side x side interior points with zero boundary, plus `shift` times the identity.

    Diagonal 4 + shift, neighbours -1, natural (row by row) ordering, [side^2, side^2], symmetric; positive definite
    for shift > -8 sin^2(pi / (2 (side + 1))). Not scaled by the mesh width.
    """
    line = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(side, side))
    eye = sp.eye_array(side)
    return (sp.kron(line, eye) + sp.kron(eye, line) + shift * sp.eye_array(side * side)).tocsr()


def truncated_gaussian(n: int, generator: np.random.Generator) -> Array:
    """A standard Gaussian vector [n] drawn until its norm is at most sqrt(n); about every second draw is kept."""
    while True:
        b = generator.standard_normal(n)
        if b @ b <= n:
            return b


def bump(points: Array, centre: tuple[float, float], radius: float) -> Array:
    """The smooth bump exp(1 - 1 / (1 - |x - centre|^2 / radius^2)), 1 at the centre and 0 outside; [n, 2] -> [n]."""
    inside = 1.0 - np.minimum(1.0, ((points - np.asarray(centre)) ** 2).sum(1) / radius**2)
    return np.where(inside > 0, np.exp(1.0 - 1.0 / np.where(inside > 0, inside, 1.0)), 0.0)


class HeatEquation2D:
    """u_t = kappa(t) Lap u + f(t, x) on the unit square, u = 0 on its boundary, in Crank-Nicolson steps.

    The setting of arXiv 2310.02246, App. G.2: kappa(t) = max(0.1 sin 2 pi t, -10 sin 2 pi t), a bump of height 32 and
    radius 1/8 moving on a circle as the source, a bump of radius 1/4 in the middle at the start.

    Args:
        nx: cells a side; the mesh width is 1 / nx and there are (nx - 1)^2 unknowns.
        dt: length of a time step.
    """

    def __init__(self, nx: int, dt: float = 1e-3) -> None:
        self.nx, self.dt = nx, dt
        side = nx - 1
        self.laplacian: sp.csr_array = -poisson2d(side) * float(nx**2)
        self.eye = sp.eye_array(side * side, format="csr")
        line = np.arange(1, nx) / nx
        self.points = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)

    @staticmethod
    def diffusivity(t: float) -> float:
        """kappa(t), between 0 and 10."""
        wave = math.sin(2 * math.pi * t)
        return max(0.1 * wave, -10.0 * wave)

    def source(self, t: float) -> Array:
        """f(t, x) at the grid points, [unknowns]."""
        angle = 16 * math.pi * t
        return 32.0 * bump(self.points, (0.5 + math.cos(angle) / 4, 0.5 + math.sin(angle) / 4), 0.125)

    def initial(self) -> Array:
        """u(0, x) at the grid points, [unknowns]."""
        return bump(self.points, (0.5, 0.5), 0.25)

    def system(self, u: Array, step: int) -> tuple[sp.csr_array, Array]:
        """The matrix and right-hand side whose solution is u after step `step` (0-based), from u before it.

        (I - dt/2 kappa Lap_h) u' = (I + dt/2 kappa Lap_h) u + dt f, kappa and f at the middle of the step.
        """
        middle = (step + 0.5) * self.dt
        half = (0.5 * self.dt * self.diffusivity(middle)) * self.laplacian
        return (self.eye - half).tocsr(), u + half @ u + self.dt * self.source(middle)
