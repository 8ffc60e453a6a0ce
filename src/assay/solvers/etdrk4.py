"""Exponential time differencing of order four for u' = L u + N(u) with diagonal L: stiff problems in Fourier space.

The linear part is integrated exactly; what is left are the phi-functions of z = dt L, means of

    (e^(z/2) - 1) / z,   (-4 - z + e^z (4 - 3z + z^2)) / z^3,   (2 + z + e^z (z - 2)) / z^3,
    (-4 - 3z - z^2 + e^z (4 - z)) / z^3

over a circle of radius one about z, since the formulas themselves cancel where z is small (Kassam and Trefethen, 2005;
the scheme is that of Cox and Matthews, 2002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Array = NDArray[Any]

CONTOUR = 64
"""Points on the circle."""


@dataclass(frozen=True)
class Coefficients:
    """The scheme's coefficients for one step size, each of the shape of L; see `etdrk4_step`."""

    whole: Array
    half: Array
    q: Array
    f1: Array
    f2: Array
    f3: Array


def coefficients(linear: Array, dt: float) -> Coefficients:
    """Coefficients for the diagonal `linear` (real) and the step `dt`."""
    angle = 2j * np.pi * (np.arange(CONTOUR) + 0.5) / CONTOUR
    z = dt * linear[..., None] + np.exp(angle)
    e = np.exp(z)

    def mean(values: Array) -> Array:
        return dt * values.mean(-1).real

    return Coefficients(
        whole=np.exp(dt * linear),
        half=np.exp(dt * linear / 2),
        q=mean((np.exp(z / 2) - 1) / z),
        f1=mean((-4 - z + e * (4 - 3 * z + z**2)) / z**3),
        f2=mean((2 + z + e * (z - 2)) / z**3),
        f3=mean((-4 - 3 * z - z**2 + e * (4 - z)) / z**3),
    )


def etdrk4_step(c: Coefficients, nonlinear: Callable[[Array], Array], v: Array) -> Array:
    """One step from v.

    a = e^(z/2) v + q N(v), b = e^(z/2) v + q N(a), c = e^(z/2) a + q (2 N(b) - N(v)),
    v <- e^z v + f1 N(v) + 2 f2 (N(a) + N(b)) + f3 N(c).
    """
    start = nonlinear(v)
    decayed = c.half * v
    a = decayed + c.q * start
    at_a = nonlinear(a)
    at_b = nonlinear(decayed + c.q * at_a)
    at_c = nonlinear(c.half * a + c.q * (2 * at_b - start))
    return c.whole * v + c.f1 * start + 2 * c.f2 * (at_a + at_b) + c.f3 * at_c


def etdrk4(
    linear: Array, nonlinear: Callable[[Array], Array], v: Array, dt: float, steps: int, every: int | None = None
) -> Array:
    """v after 0, every, 2 every, ..., steps steps, [frames, ...]; only the two ends if `every` is None."""
    every = every or steps
    if every and steps % every:
        raise ValueError(f"{steps} steps are not a multiple of {every}")
    c, frames = coefficients(linear, dt), [v]
    for step in range(1, steps + 1):
        v = etdrk4_step(c, nonlinear, v)
        if step % every == 0:
            frames.append(v)
    return np.stack(frames)


class AllenCahn1D:
    """u_t = diffusion u_xx + 5 u - 5 u^3 on [-1, 1), periodic, in real Fourier space without de-aliasing.

    Args:
        modes: grid points.
        diffusion: of the second derivative.
    """

    low, period = -1.0, 2.0

    def __init__(self, modes: int, diffusion: float = 1e-4) -> None:
        self.modes = modes
        self.x = self.low + self.period * np.arange(modes) / modes
        self.k = np.pi * np.arange(modes // 2 + 1)
        self.linear = 5.0 - diffusion * self.k**2

    def initial(self) -> Array:
        """x^2 cos(pi x), which has a kink where the ends meet."""
        return self.x**2 * np.cos(np.pi * self.x)

    def nonlinear(self, v: Array) -> Array:
        """-5 u^3."""
        u = scipy.fft.irfft(v, self.modes)
        return -5.0 * scipy.fft.rfft(u * u * u)

    def rate(self, u: Array) -> Array:
        """u_t at the grid points, for a solver of ordinary differential equations."""
        v = scipy.fft.rfft(u)
        return scipy.fft.irfft(self.linear * v + self.nonlinear(v), self.modes)


class KuramotoSivashinsky1D:
    """u_t + a u u_x + b u_xx + g u_xxxx = 0 on [low, low + period), periodic, in real Fourier space.

    No de-aliasing; the Nyquist mode of d/dx is 0, as an odd derivative of a real function has none.

    Args:
        modes: grid points.
        a, b, g: coefficients.
        low, period: of the interval.
    """

    def __init__(self, modes: int, a: float, b: float, g: float, low: float, period: float) -> None:
        self.modes, self.low, self.period = modes, low, period
        self.x = low + period * np.arange(modes) / modes
        k = 2 * np.pi / period * np.arange(modes // 2 + 1)
        self.linear = b * k**2 - g * k**4
        odd = k.copy()
        odd[-1] = 0.0
        self.flux = -0.5j * a * odd

    def nonlinear(self, v: Array) -> Array:
        """-(a/2) (u^2)_x."""
        u = scipy.fft.irfft(v, self.modes)
        return self.flux * scipy.fft.rfft(u * u)


class Vorticity2D:
    """w_t + u . grad w = Lap w / Re with div u = 0 on [0, 2 pi)^2, periodic, in real Fourier space, 2/3 rule.

    Args:
        modes: grid points a side.
        reynolds: Re.
    """

    low, period = 0.0, 2 * np.pi

    def __init__(self, modes: int, reynolds: float = 100.0) -> None:
        self.modes = modes
        self.x = self.period * np.arange(modes) / modes
        self.kx = scipy.fft.fftfreq(modes, 1 / modes)[:, None]
        self.ky = np.arange(modes // 2 + 1)[None, :]
        square = self.kx**2 + self.ky**2
        self.linear = -square / reynolds
        self.inverse = 1 / np.where(square > 0, square, 1) * (square > 0)
        self.kept = (abs(self.kx) < modes / 3) & (self.ky < modes / 3)

    def velocity(self, v: Array) -> tuple[Array, Array]:
        """u = psi_y and v = -psi_x at the grid points, with -Lap psi = w; from w in Fourier space."""
        psi = v * self.inverse
        return self._back(1j * self.ky * psi), self._back(-1j * self.kx * psi)

    def nonlinear(self, v: Array) -> Array:
        """-(u w_x + v w_y)."""
        ux, uy = self.velocity(v)
        advection = ux * self._back(1j * self.kx * v) + uy * self._back(1j * self.ky * v)
        return -(self.kept * scipy.fft.rfft2(advection))

    def _back(self, v: Array) -> Array:
        return scipy.fft.irfft2(v, (self.modes, self.modes))

    def random_field(self, generator: np.random.Generator, peak: float = 3.0, fastest: float = 5.0) -> Array:
        """A random vorticity in Fourier space with energy around the wave number `peak` and speeds up to `fastest`.

        Gaussian noise whose velocities are weighted by exp(-(log2(k / peak) / 0.5)^2 / 2).
        """
        noise = scipy.fft.rfft2(generator.standard_normal((self.modes, self.modes)))
        k = np.sqrt(np.where(self.inverse > 0, self.kx**2 + self.ky**2, 1))
        v = noise * self.kept * (self.inverse > 0) * k * np.exp(-0.5 * (np.log2(k / peak) / 0.5) ** 2)
        ux, uy = self.velocity(v)
        return v * fastest / np.sqrt(ux**2 + uy**2).max()
