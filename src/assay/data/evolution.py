"""Evolution equations with known solutions: what physics-informed networks are trained on and judged by.

A part says which derivatives its residual needs and forms it from jets (`assay.autodiff.jets`); its reference comes
from an independent solver and is computed when it is first looked at. Inputs of networks are (t, x), time first.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.fft
import scipy.integrate
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.autodiff.jets import Directions, Jets
from assay.data.base import Data, data
from assay.seeds import Seeds
from assay.solvers.etdrk4 import AllenCahn1D, KuramotoSivashinsky1D, Vorticity2D, etdrk4

Array = NDArray[Any]


@dataclass(frozen=True)
class Reference:
    """A solution on a grid: times [T], points [P, dimension] and observed values [T, P, components]."""

    times: Array
    points: Array
    values: Array


class Evolution(Data):
    """An initial-value problem with period `period` in every coordinate of x; a subclass fills in what is below.

    Attributes:
        dimension: of x; 0 for ordinary differential equations.
        low, period: of every coordinate.
        components: names of what is observed; a network puts out `outputs` numbers.
        initial_weights: weights of the components' squared errors in the loss of the initial condition.
    """

    dimension: ClassVar[int] = 1
    low: float = 0.0
    period: float = 1.0
    components: ClassVar[tuple[str, ...]] = ("u",)
    initial_weights: Sequence[float] = (1.0,)
    horizon: float

    def load(self, seeds: Seeds) -> None:
        """Nothing is read; the reference is computed on demand."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """(t, x)."""
        return (1 + self.dimension,)

    @property
    def outputs(self) -> int:
        """Numbers that a network puts out."""
        return 1

    @property
    def directions(self) -> Directions:
        """The derivatives that the residual needs."""
        raise TypeError(f"{type(self).__name__} does not say which derivatives it needs")

    def residual(self, u: Jets) -> Tensor:
        """Residuals [N, equations], weighted such that the loss of a point is the sum of their squares."""
        raise TypeError(f"{type(self).__name__} has no residual")

    @property
    def observed(self) -> Directions:
        """The derivatives that `observe` needs."""
        return {}

    def observe(self, u: Jets) -> Tensor:
        """What is compared with the reference, [N, components]."""
        return u.value

    def reference(self) -> Reference:
        """The solution; its first frame is the initial condition."""
        raise TypeError(f"{type(self).__name__} has no reference")


@functools.lru_cache(maxsize=8)
def _allen_cahn(horizon: float, modes: int, dt: float, frames: int) -> Reference:
    pde = AllenCahn1D(modes)
    return _solved(pde.linear, pde.nonlinear, scipy.fft.rfft(pde.initial()), pde.x, horizon, dt, frames)


def _solved(linear: Array, nonlinear: Any, v: Array, x: Array, horizon: float, dt: float, frames: int) -> Reference:
    """The reference in one dimension from a state in Fourier space."""
    steps = _steps(horizon, dt, frames)
    found = etdrk4(linear, nonlinear, v, horizon / steps, steps, steps // (frames - 1))
    values = scipy.fft.irfft(found, len(x), axis=-1)
    return Reference(np.linspace(0, horizon, frames), x[:, None], values[..., None])


def _steps(horizon: float, dt: float, frames: int) -> int:
    """Steps no longer than dt, as many between any two frames."""
    return (frames - 1) * max(1, int(np.ceil(horizon / dt / (frames - 1) - 1e-9)))


@data.register("allen_cahn", source="arXiv 2203.07404, Sec. 5.1", reduced={"modes": 16, "dt": 1e-2})
class AllenCahn(Evolution):
    """u_t - 1e-4 u_xx + 5 u^3 - 5 u = 0 on [-1, 1] from x^2 cos(pi x).

    Args:
        horizon: last time.
        modes: grid points of the reference (ETDRK4).
        dt: its longest step.
        frames: its times, both ends included.
    """

    low, period = -1.0, 2.0

    def __init__(self, *, horizon: float = 1.0, modes: int = 256, dt: float = 1e-4, frames: int = 101) -> None:
        super().__init__()
        self.horizon, self.modes, self.dt, self.frames = horizon, modes, dt, frames

    @property
    def directions(self) -> Directions:
        """t and x."""
        return {"t": ((1.0, 0.0), 1), "x": ((0.0, 1.0), 2)}

    def residual(self, u: Jets) -> Tensor:
        """u_t - 1e-4 u_xx + 5 u^3 - 5 u."""
        value = u.value
        return torch.add(u("t"), u("x", 2), alpha=-1e-4) + 5 * value * (value.square() - 1)

    def reference(self) -> Reference:
        """By ETDRK4."""
        return _allen_cahn(self.horizon, self.modes, self.dt, self.frames)


@functools.lru_cache(maxsize=8)
def _kuramoto_sivashinsky(case: str, horizon: float, modes: int, dt: float, frames: int) -> Reference:
    pde = kuramoto_sivashinsky(case, modes)
    u = -np.sin(np.pi * pde.x)
    if case == "chaotic":  # it starts where another solution is at t = 0.5
        before = np.cos(pde.x) * (1 + np.sin(pde.x))
        u = _solved(pde.linear, pde.nonlinear, scipy.fft.rfft(before), pde.x, 0.5, dt, 2).values[-1, :, 0]
    return _solved(pde.linear, pde.nonlinear, scipy.fft.rfft(u), pde.x, horizon, dt, frames)


def kuramoto_sivashinsky(case: str, modes: int) -> KuramotoSivashinsky1D:
    """The equation of a case, with its coefficients and its interval."""
    if case == "regular":
        return KuramotoSivashinsky1D(modes, 5.0, 0.5, 0.005, -1.0, 2.0)
    return KuramotoSivashinsky1D(modes, 100 / 16, 100 / 16**2, 100 / 16**4, 0.0, 2 * np.pi)


@data.register("kuramoto_sivashinsky", source="arXiv 2203.07404, Sec. 5.2", reduced={"modes": 16, "dt": 1e-2})
class KuramotoSivashinsky(Evolution):
    """u_t + a u u_x + b u_xx + g u_xxxx = 0.

    "regular": (a, b, g) = (5, .5, .005) on [-1, 1] from -sin(pi x). "chaotic": (100/16, 100/16^2, 100/16^4) on
    [0, 2 pi] from the state at t = 0.5 of the solution that starts from cos x (1 + sin x).

    Args:
        case: which.
        horizon: last time.
        modes: grid points of the reference (ETDRK4).
        dt: its longest step.
        frames: its times, both ends included.
    """

    def __init__(
        self,
        *,
        case: Literal["regular", "chaotic"] = "regular",
        horizon: float = 1.0,
        modes: int = 512,
        dt: float = 1e-5,
        frames: int = 101,
    ) -> None:
        super().__init__()
        self.case, self.horizon, self.modes, self.dt, self.frames = case, horizon, modes, dt, frames
        self.low, self.period = (-1.0, 2.0) if case == "regular" else (0.0, 2 * np.pi)
        self.a, self.b, self.g = (5.0, 0.5, 0.005) if case == "regular" else (100 / 16, 100 / 16**2, 100 / 16**4)

    @property
    def directions(self) -> Directions:
        """t, and x up to the fourth order."""
        return {"t": ((1.0, 0.0), 1), "x": ((0.0, 1.0), 4)}

    def residual(self, u: Jets) -> Tensor:
        """u_t + a u u_x + b u_xx + g u_xxxx."""
        return u("t") + self.a * u.value * u("x", 1) + self.b * u("x", 2) + self.g * u("x", 4)

    def reference(self) -> Reference:
        """By ETDRK4."""
        return _kuramoto_sivashinsky(self.case, self.horizon, self.modes, self.dt, self.frames)


@functools.lru_cache(maxsize=8)
def _lorenz(horizon: float, frames: int) -> Reference:
    def rate(t: float, s: Array) -> list[float]:
        x, y, z = s
        return [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8 / 3 * z]

    times = np.linspace(0, horizon, frames)
    found = scipy.integrate.solve_ivp(
        rate, (0, horizon), [1.0, 1.0, 1.0], method="DOP853", rtol=1e-12, atol=1e-12, t_eval=times
    )
    return Reference(times, np.zeros((1, 0)), found.y.T[:, None, :])


@data.register("lorenz63", source="Lorenz (1963); arXiv 2203.07404, Sec. 5.3")
class Lorenz63(Evolution):
    """x' = 10 (y - x), y' = x (28 - z) - y, z' = x y - (8/3) z from (1, 1, 1).

    Args:
        horizon: last time.
        frames: times of the reference (scipy's DOP853 at tolerances of 1e-12).
    """

    dimension = 0
    components = ("x", "y", "z")
    initial_weights = (1.0, 1.0, 1.0)

    def __init__(self, *, horizon: float = 1.0, frames: int = 1001) -> None:
        super().__init__()
        self.horizon, self.frames = horizon, frames

    @property
    def outputs(self) -> int:
        """Three coordinates."""
        return 3

    @property
    def directions(self) -> Directions:
        """t."""
        return {"t": ((1.0,), 1)}

    def residual(self, u: Jets) -> Tensor:
        """The three residuals."""
        x, y, z = u.value.unbind(1)
        right = torch.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8 / 3 * z], 1)
        return u("t") - right

    def reference(self) -> Reference:
        """By DOP853."""
        return _lorenz(self.horizon, self.frames)


@functools.lru_cache(maxsize=2)
def _navier_stokes(horizon: float, modes: int, dt: float, frames: int, reynolds: float, field: int) -> Reference:
    pde = Vorticity2D(modes, reynolds)
    steps = _steps(horizon, dt, frames)
    start = pde.random_field(Seeds(field).numpy("field"))
    found = etdrk4(pde.linear, pde.nonlinear, start, horizon / steps, steps, steps // (frames - 1))
    observed = [[*pde.velocity(v), scipy.fft.irfft2(v, (modes, modes))] for v in found]
    points = np.stack(np.meshgrid(pde.x, pde.x, indexing="ij"), -1).reshape(-1, 2)
    values = np.asarray(observed).reshape(len(found), 3, -1).transpose(0, 2, 1)
    return Reference(np.linspace(0, horizon, frames), points, values)


@data.register("navier_stokes_2d", source="arXiv 2203.07404, Sec. 5.4", reduced={"modes": 8, "dt": 0.1, "frames": 11})
class NavierStokes2D(Evolution):
    """w_t + u . grad w = Lap w / Re with w = v_x - u_y and div (u, v) = 0 on [0, 2 pi]^2, decaying from a random field.

    A network puts out (u, v). The residual needs mixed derivatives of w up to third order in u and v; they come from
    derivatives along diagonals: 4 f_xy = D^2_{x+y} f - D^2_{x-y} f, 6 f_xyy = D^3_{x+y} f + D^3_{x-y} f - 2 f_xxx.

    Args:
        horizon: last time.
        reynolds: Re.
        modes: grid points a side of the reference (ETDRK4, 2/3 rule).
        dt: its longest step.
        frames: its times, both ends included.
        field: number of the random initial field; one problem for all seeds of a study.
        continuity: weight of (u_x + v_y)^2 in the loss of a point.
        vorticity: weight of the vorticity in the loss of the initial condition.
    """

    dimension = 2
    low, period = 0.0, 2 * np.pi
    components = ("u", "v", "w")

    def __init__(
        self,
        *,
        horizon: float = 1.0,
        reynolds: float = 100.0,
        modes: int = 256,
        dt: float = 1e-3,
        frames: int = 11,
        field: int = 0,
        continuity: float = 100.0,
        vorticity: float = 1.0,
    ) -> None:
        super().__init__()
        self.horizon, self.reynolds, self.continuity = horizon, reynolds, continuity
        self.modes, self.dt, self.frames, self.field = modes, dt, frames, field
        self.initial_weights = (1.0, 1.0, vorticity)

    @property
    def outputs(self) -> int:
        """The velocity."""
        return 2

    @property
    def directions(self) -> Directions:
        """Axes and diagonals."""
        return {
            "x": ((0.0, 1.0, 0.0), 3),
            "y": ((0.0, 0.0, 1.0), 3),
            "x+y": ((0.0, 1.0, 1.0), 3),
            "x-y": ((0.0, 1.0, -1.0), 3),
            "t+x": ((1.0, 1.0, 0.0), 2),
            "t-x": ((1.0, -1.0, 0.0), 2),
            "t+y": ((1.0, 0.0, 1.0), 2),
            "t-y": ((1.0, 0.0, -1.0), 2),
        }

    def residual(self, u: Jets) -> Tensor:
        """(w_t + u w_x + v w_y - Lap w / Re, sqrt(continuity) (u_x + v_y))."""

        def mixed(a: str, b: str) -> Tensor:
            return (u(f"{a}+{b}", 2) - u(f"{a}-{b}", 2)) / 4

        tx, ty, xy = mixed("t", "x"), mixed("t", "y"), mixed("x", "y")
        xxx, yyy = u("x", 3), u("y", 3)
        xxy = (u("x+y", 3) - u("x-y", 3) - 2 * yyy) / 6
        xyy = (u("x+y", 3) + u("x-y", 3) - 2 * xxx) / 6
        w_t = tx[:, 1] - ty[:, 0]
        w_x, w_y = u("x", 2)[:, 1] - xy[:, 0], xy[:, 1] - u("y", 2)[:, 0]
        laplacian = xxx[:, 1] + xyy[:, 1] - xxy[:, 0] - yyy[:, 0]
        transport = w_t + u.value[:, 0] * w_x + u.value[:, 1] * w_y - laplacian / self.reynolds
        divergence = u("x")[:, 0] + u("y")[:, 1]
        return torch.stack([transport, self.continuity**0.5 * divergence], 1)

    @property
    def observed(self) -> Directions:
        """First derivatives, for the vorticity."""
        return {"x": ((0.0, 1.0, 0.0), 1), "y": ((0.0, 0.0, 1.0), 1)}

    def observe(self, u: Jets) -> Tensor:
        """(u, v, v_x - u_y)."""
        return torch.cat([u.value, (u("x")[:, 1] - u("y")[:, 0])[:, None]], 1)

    def reference(self) -> Reference:
        """By ETDRK4."""
        return _navier_stokes(self.horizon, self.modes, self.dt, self.frames, self.reynolds, self.field)
