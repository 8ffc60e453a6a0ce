"""Perturb, then diagonalise: starts of diagonal state space models.

A + E has a well-conditioned eigenbasis for almost every small E, though A has none. `perturb` gives E in four ways,
`modes` what a diagonal layer needs of the result (and of two starts without E): eigenvalues with Im >= 0, the input's
coordinates and the vectors.

Source: Yu, Nigmetov, Morozov, Mahoney and Erichson (2024), arXiv 2310.01698; Gu, Gupta, Goel and Re (2022), arXiv
2206.11893, for the starts without E. The optimiser behind `opt` and the kind `rank1` are not theirs.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from assay.linalg.hippo import Complex, Eigenbasis, Real, dplr_split, eig_ptd, hippo_legs, normal_eigenbasis

Kind = Literal["opt", "ginibre", "skew", "rank1"]
Start = Literal["s4d", "s4d_lin", "opt", "ginibre", "skew", "rank1"]

GAMMA, STEPS = 0.1, 300
"""Of the objective kappa_2(V) + GAMMA ||E||_2 and its descent."""


def perturb(n: int, kind: Kind, size: float, generator: np.random.Generator, *, steps: int = STEPS) -> Real:
    """E for HiPPO-LegS, [n, n].

    Args:
        n: states.
        kind: "rank1" is size p p^T, with which A + E is A at 0 and the normal part at 1; "ginibre" has independent
            normal entries and may make A + E unstable; "skew" is its skew-symmetric part; the norms of both are
            `size` ||A||_2. "opt" is skew-symmetric and minimises kappa_2(V) + GAMMA ||E||_2; it ignores `size`.
        size: see there.
        generator: draws E, or the start of the descent.
        steps: of the descent.
    """
    a, _ = hippo_legs(n)
    if kind == "rank1":
        _, p = dplr_split(n)
        return size * np.outer(p, p)
    x = generator.standard_normal((n, n)) / np.sqrt(n)
    if kind == "opt":
        return _descend(a, x, steps)
    e = x if kind == "ginibre" else (x - x.T) / 2
    return e * (size * np.linalg.norm(a, 2) / np.linalg.norm(e, 2))


def _descend(a: Real, x: Real, steps: int) -> Real:
    """Adam on X with E = (X - X^T)/2. The symmetric part of A + E stays -I/2 - p p^T: no eigenvalue is unstable."""
    scale = float(np.linalg.norm(a, 2))
    fixed, free = torch.from_numpy(a), torch.from_numpy(1e-3 * scale * x).requires_grad_()
    optimizer = torch.optim.Adam([free], lr=1e-2 * scale / len(a))
    for _ in range(steps):
        e = (free - free.T) / 2
        # Columns of unit length; kappa does not see their phases, so its derivative is defined.
        _, vectors = torch.linalg.eig(fixed + e)
        sigma = torch.linalg.svdvals(vectors)
        objective = sigma[0] / sigma[-1] + GAMMA * torch.linalg.matrix_norm(e, 2)
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
    x = free.detach().numpy()
    return (x - x.T) / 2


class Modes(NamedTuple):
    """One start of a diagonal system: a real system's modes with Im >= 0, of which there are m.

    Attributes:
        values: [m], the eigenvalues.
        b: [m], the input's coordinates V^-1 B.
        vectors: [n, m], columns of V; a real readout c has the coordinates c V.
        inverse: [m, n], rows of V^-1, for other inputs than B.
        weights: [m], 2 for a mode that stands for a conjugate pair, 1 for a real eigenvalue.
    """

    values: Complex
    b: Complex
    vectors: Complex
    inverse: Complex
    weights: NDArray[np.float64]

    @property
    def condition(self) -> float:
        """kappa_2 of all of V, whose other columns are conjugates."""
        return float(np.linalg.cond(np.hstack([self.vectors, self.vectors[:, self.weights == 2].conj()])))


def modes(n: int, start: Start, size: float, generator: np.random.Generator, *, steps: int = STEPS) -> Modes:
    """The modes of a start with n states.

    Args:
        n: states.
        start: "s4d" is the normal part with B/2 (with B it would be off by 2 in the limit); "s4d_lin" has values
            -1/2 + i pi j, inputs 1 and the vectors of "s4d"; the others are A + E with B, see `perturb`.
        size, generator, steps: see `perturb`.
    """
    _, b = hippo_legs(n)
    if start == "s4d" or start == "s4d_lin":
        basis = normal_eigenbasis(n)
        found = _half(basis, b / 2)
        if start == "s4d":
            return found
        return found._replace(
            values=-0.5 + 1j * np.pi * np.arange(len(found.values)),
            b=np.ones_like(found.b),
            weights=np.full(len(found.values), 2.0),
        )
    a, _ = hippo_legs(n)
    basis = eig_ptd(a + perturb(n, start, size, generator, steps=steps))
    return _half(basis, b)


def _half(basis: Eigenbasis, b: Real) -> Modes:
    """Of every conjugate pair the mode with Im > 0, with the weight 2; real eigenvalues with the weight 1."""
    tiny = 1e-9 * np.abs(basis.values).max()
    kept = basis.values.imag > -tiny
    real = np.abs(basis.values.imag[kept]) <= tiny
    values = np.where(real, basis.values[kept].real + 0j, basis.values[kept])
    inverse = np.linalg.solve(basis.vectors, np.eye(len(b)))[kept]
    return Modes(values, basis.coordinates(b)[kept], basis.vectors[:, kept], inverse, np.where(real, 1.0, 2.0))
