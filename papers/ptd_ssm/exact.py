"""Closed forms and identities: HiPPO's gain, the diagonal system's, its spikes, what a perturbation may do, kernels.

w runs over the grid of `module.grid`; n is 16, 32, 64, 128 unless a check says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from assay.exact import ExactModule, collect, exact
from assay.linalg import Modes, dplr_split, eig_ptd, hippo_legs, modes, perturb
from assay.linalg.approximate_diagonalization import Start
from assay.linalg.hippo import legs_states, normal_eigenbasis, rank_one_gain
from assay.models import DiagonalSSM
from assay.models.ssm import fft_convolution, toeplitz_convolution
from assay.module import modules
from assay.seeds import Seeds
from papers.ptd_ssm.module import Array, deviation, deviation_of_diagonal, diagonal_states, grid, highest_spike, largest

SEEDS = Seeds(0)
STATES = (16, 32, 64, 128)
THETA = 0.1


def slope(x: object, y: object) -> float:
    """The least-squares slope of log y on log x."""
    return float(np.polyfit(np.log(np.asarray(x, float)), np.log(np.asarray(y, float)), 1)[0])


@exact("1")
def hippo_gain() -> Mapping[str, float]:
    """||(iwI - A)^-1 B||^2, by a solver on the matrix, against n^2/(n^2 + w^2) at 50 w; and the split of A."""
    worst, split = 0.0, 0.0
    for n in STATES:
        a, b = hippo_legs(n)
        a_n, p = dplr_split(n)
        split = max(split, float(np.abs(a_n - np.outer(p, p) - a).max() / np.abs(a).max()))
        w = np.linspace(0, 1.2 * highest_spike(n), 50)
        x = np.stack([np.linalg.solve(1j * v * np.eye(n) - a, b) for v in w])
        worst = max(worst, float(np.abs((np.abs(x) ** 2).sum(1) / (n**2 / (n**2 + w**2)) - 1).max()))
    return {"gain": worst, "split": split}


@exact("2")
def lemma_one() -> Mapping[str, float]:
    """G_diag = G_dplr (1 + k)/2 for five random real C, on the whole grid: relative error (Lemma 1)."""
    worst = 0.0
    for n in STATES:
        w = grid(n)
        c = SEEDS.numpy("C", n).standard_normal((n, 5))
        expected = legs_states(n, w) @ c * ((1 + rank_one_gain(n, w)) / 2)[:, None]
        worst = max(worst, float(np.abs(diagonal_states(n, w) @ c / expected - 1).max()))
    return {"error": worst}


@exact("3")
def spike_law() -> Mapping[str, float]:
    """Where the diagonal gain is largest and how large: slopes on n, and the constants 1/pi and 2/pi at n = 128."""
    places, heights = zip(*(highest(n) for n in STATES), strict=True)
    return {
        "place": slope(STATES, places),
        "height": slope(STATES, heights),
        "place_128": places[-1] / STATES[-1] ** 2,
        "height_128": heights[-1] / STATES[-1],
    }


def highest(n: int) -> tuple[float, float]:
    """The maximum of the diagonal gain: w and height, found between the grid's neighbours of its best point."""
    w = grid(n)
    best = int(np.argmax(np.linalg.norm(diagonal_states(n, w), axis=1)))
    found = minimize_scalar(
        lambda v: -largest(diagonal_states(n, np.array([v]))),
        bounds=(w[best - 1], w[best + 1]),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x), float(-found.fun)


def weak_error(n: int) -> float:
    """sqrt( int_0^inf ||x_diag - x_dplr||^2 |u^|^2 dw / pi ) for u^ = 1/(1 + w^2), trapezoid (Thm 1)."""
    end = 3 * highest_spike(n)
    beside = np.linspace(-5, 5, 120)
    near = (np.abs(normal_eigenbasis(n).values.imag)[:, None] + beside).ravel()
    w = np.unique(np.concatenate([np.geomspace(1e-3, end, 2000), near]))
    w = w[(w >= 1e-3) & (w <= end)]
    squares = (np.abs(diagonal_states(n, w) - legs_states(n, w)) ** 2).sum(1) / (1 + w**2) ** 2
    return math.sqrt(np.trapezoid(squares, w) / math.pi)


@exact("4")
def weak_convergence() -> Mapping[str, float]:
    """The slope of log L2 error on log n for a smooth input."""
    errors = [weak_error(n) for n in STATES]
    return {"slope": slope(STATES, errors), "error_128": errors[-1]}


def rank_one_basis(n: int, theta: float = THETA):
    """The eigenbasis of A + theta p p^T."""
    a, _ = hippo_legs(n)
    return eig_ptd(a + perturb(n, "rank1", theta, SEEDS.numpy("none")))


@exact("5")
def strong_convergence() -> Mapping[str, float]:
    """rank1 at 0.1 over n = 32, 64, 128: spread of the sup deviation, kappa; the slope of S4D's deviation."""
    bases = {n: rank_one_basis(n) for n in STATES[1:]}
    found = [deviation(n, basis) for n, basis in bases.items()]
    return {
        "spread": max(found) / min(found) - 1,
        "kappa": max(basis.condition for basis in bases.values()),
        "deviation": max(found),
        "deviation_scaled": max(deviation(n, basis, 1 - THETA / 2) for n, basis in bases.items()),
        "s4d_slope": slope(STATES[1:], [deviation_of_diagonal(n) for n in STATES[1:]]),
    }


@exact("6b")
def strong_convergence_normalised() -> Mapping[str, float]:
    """Slopes on n of the sup deviation with unit B and C: of rank1 at 0.1 and of S4D."""
    return {
        "rank1": slope(STATES, [deviation(n, rank_one_basis(n)) / n for n in STATES]),
        "s4d": slope(STATES, [deviation_of_diagonal(n) / n for n in STATES]),
    }


def hippo_eigenvectors(n: int) -> Array:
    """Eigenvectors of A by forward substitution, unit columns: the value -(j+1) belongs to column j.

    The entries of column j are 0 above row j and 1 in it; below, (A + (j+1) I) v = 0 is solved row by row.
    """
    a, _ = hippo_legs(n)
    v = np.eye(n)
    for j in range(n):
        for i in range(j + 1, n):
            v[i, j] = -(a[i, j:i] @ v[j:i, j]) / (a[i, i] + j + 1)
    return v / np.linalg.norm(v, axis=0)


@exact("11")
def ill_posed() -> Mapping[str, float]:
    """The slope of log2 kappa of A's eigenbasis on n = 6, 8, ..., 16, and the residual of A V = V Lambda."""
    sizes, kappas, residual = range(6, 17, 2), [], 0.0
    for n in sizes:
        a, _ = hippo_legs(n)
        v = hippo_eigenvectors(n)
        kappas.append(float(np.linalg.cond(v)))
        off = a @ v + v * (np.arange(n) + 1.0)
        residual = max(residual, float(np.abs(off).max() / np.abs(a).max()))
    return {"slope": float(np.polyfit(list(sizes), np.log2(kappas), 1)[0]), "residual": residual}


STARTS: dict[str, tuple[Start, float, int]] = {
    "s4d": ("s4d", 0.1, 32),
    "ptd_rank1": ("rank1", 0.1, 32),
    "hippo": ("rank1", 0.01, 32),
    "ptd_opt": ("opt", 0.1, 16),
    "skew": ("skew", 0.1, 32),
}


def dense_kernel(n: int, start: Start, size: float, c: Array, step: float, length: int) -> Array:
    """C A_d^l B_d by the recurrence x_0 = B_d, x_l = A_d x_{l-1} in the original basis, [length]."""
    a, b = hippo_legs(n)
    if start == "s4d":
        matrix, b = dplr_split(n)[0], b / 2
    else:
        matrix = a + perturb(n, start, size, SEEDS.numpy("kernel", n))
    left, x = np.eye(n) - step / 2 * matrix, np.empty((length, n))
    x[0] = step * np.linalg.solve(left, b)
    forward = np.linalg.solve(left, np.eye(n) + step / 2 * matrix)
    for l in range(1, length):
        x[l] = forward @ x[l - 1]
    return x @ c


@exact("12")
def kernels() -> Mapping[str, float]:
    """A layer's kernel against the dense recurrence, relative to its largest entry; and both convolutions with it.

    Two channels with steps 1e-3 and 1e-1. `skew` and `ptd_opt` are the first draws with a real eigenvalue.
    """
    worst, real, length = dict.fromkeys((*STARTS, "toeplitz", "fft"), 0.0), 0.0, 196
    for name, (start, size, n) in STARTS.items():
        found: Modes = modes(n, start, size, SEEDS.numpy("kernel", n))
        real += float(name == "skew" and (found.weights == 1).sum())
        with SEEDS.torch_global("kernel", name), torch.no_grad():
            layer = DiagonalSSM(2, found, dtype=torch.float64)
            layer.log_step.copy_(torch.tensor([1e-3, 1e-1], dtype=torch.float64).log())
            c = SEEDS.numpy("readout", n).standard_normal((2, n)) / math.sqrt(n)
            layer.c.copy_(torch.view_as_real(torch.from_numpy(c @ found.vectors))[None])
            k = layer.kernels(length)[0]
        expected = np.stack([dense_kernel(n, start, size, c[h], step, length) for h, step in enumerate((1e-3, 1e-1))])
        error = np.abs(k.numpy() - expected).max(1) / np.abs(expected).max(1)
        worst[name] = float(error.max())
        u = torch.from_numpy(SEEDS.numpy("input").standard_normal((2, length, 3)))
        plain = np.stack([[np.convolve(u[h, :, i], expected[h])[:length] for i in range(3)] for h in range(2)])
        for how, convolve in (("toeplitz", toeplitz_convolution), ("fft", fft_convolution)):
            off = np.abs(convolve(u, k).permute(0, 2, 1).numpy() - plain).max() / np.abs(plain).max()
            worst[how] = max(worst[how], float(off))
    return {**worst, "real_eigenvalues": real}


@modules.register("ptd_ssm/exact")
class Exact(ExactModule):
    """Runs the functions above."""

    checks = collect(__name__)
