"""The method: residuals of later times count once those of earlier times are small.

    causal_pinn/solve   a physics-informed network on an evolution equation, with causal weights and time windows
    causal_pinn/cost    what the weights cost, and jets against nested differentiation

A slice of time t_i has the loss L_i, the mean over space of the squared residual; the weights are those of
`assay.losses.causal_residual`. With eps = 0 the same code is the plain method, with windows and eps = 0 it is time
marching. Derivatives are jets (`assay.autodiff.jets`). Written from the paper's equations alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from assay.autodiff.flush import flushed_denormals
from assay.autodiff.jets import Directions, Jets, lines, propagate
from assay.autodiff.nested import nested_derivatives
from assay.data.evolution import Evolution
from assay.errors import UserError
from assay.losses.causal_residual import causal_loss, causal_weights, solved
from assay.metrics.ntk_trace import ntk_diagonal
from assay.metrics.relative_l2 import relative_l2
from assay.metrics.scaling import medians_in_turns
from assay.models.periodic import Periodic
from assay.module import Diverged, GradientModule, PaperModule, modules

SOURCE = "arXiv 2203.07404"
MOST_POINTS = 16384
"""Points evaluated at a time."""


def embedded(net: nn.Module, points: Tensor, directions: Directions) -> Jets:
    """Jets of a network's features at points: all that does not depend on its weights."""
    along = lines(points, directions)
    return net.embedding.jets(along) if isinstance(net, Periodic) else along


def outputs(net: nn.Module, features: Jets) -> Jets:
    """Jets of a network's outputs from those of its features."""
    return propagate(net.net if isinstance(net, Periodic) else net, features)


class Residual(nn.Module):
    """The residuals of a network as a module [N, D] -> [N, equations], for tangent kernels."""

    def __init__(self, net: nn.Module, problem: Evolution) -> None:
        super().__init__()
        self.net, self.problem = net, problem

    def forward(self, points: Tensor) -> Tensor:
        """Residuals by jets that autograd can see through."""
        residuals = self.problem.residual(propagate(self.net, lines(points, self.problem.directions, closed=False)))
        return residuals.flatten(1)


@modules.register("causal_pinn/solve", source=SOURCE, reduced={"times": 4, "points": 4, "field": []})
class Solve(GradientModule):
    """Trains a network u(t, x) on an evolution equation.

    Time is cut into `windows`; each has a network of its own, in local time, with Adam and learning rate started anew,
    and starts from the end of the one before. In a window the values of `eps` take turns, each for as many steps;
    optimizer and rate run on. With `delta` a value's turn ends early once min w > delta; the steps that are left
    are dropped.

    Args:
        eps: tolerances in their order; [0] is the plain method.
        delta: the stopping rule's threshold; None never stops early.
        test_every: steps between two tests of the rule; it is also tested after the first step of every turn.
        ic: weight of the initial condition in the loss (lambda_ic).
        ic_in_weights: whether L_0 stands in the exponent as well; without it w_1 = 1.
        hard: u = u0 + t net(t, x), which needs no loss of the initial condition (ordinary differential equations).
        windows: number of windows.
        extend: how far slices reach beyond a window's end, as a share of it.
        times, points: slices, and points of space in each (1 for ordinary differential equations).
        sampling: one uniform grid with both ends, or fresh uniform times (sorted) and points at every step.
        every: steps between two measurements.
        profiles: steps after which losses, weights and convergence rates of all slices are recorded.
        field: numbers of times and of points at which the solution is recorded; none by default.
    """

    takes = ("data", "model", "optimizer", "schedule")
    default_parts: ClassVar[Mapping[str, str]] = {"optimizer": "adam", "schedule": "exponential"}
    data: Evolution
    initial: Tensor
    ic_points: Tensor

    def __init__(
        self,
        *,
        eps: Sequence[float] = (1e-2, 1e-1, 1.0, 10.0, 100.0),
        delta: float | None = None,
        test_every: int = 100,
        ic: float = 100.0,
        ic_in_weights: bool = True,
        hard: bool = False,
        windows: int = 1,
        extend: float = 0.0,
        times: int = 32,
        points: int = 64,
        sampling: Literal["grid", "random"] = "grid",
        every: int = 500,
        profiles: Sequence[int] = (),
        field: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.eps, self.delta, self.test_every = list(eps), delta, test_every
        self.ic, self.ic_in_weights, self.hard = ic, ic_in_weights, hard
        self.windows, self.extend, self.sampling = windows, extend, sampling
        self.times, self.points, self.every = times, points, every
        self.profiles, self.field = list(profiles), list(field)

    # -- building ---------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """The most steps of the whole run."""
        return self.budget.total(None)

    def build(self) -> None:
        """The networks of all windows, the initial condition, and the optimizer of the first window."""
        problem = self.data
        if not isinstance(problem, Evolution):
            raise UserError("causal_pinn solves evolution equations: data=allen_cahn, kuramoto_sivashinsky, ...")
        nets = []
        for k in range(self.windows):
            with self.seeds.torch_global("init", *([k] if k else [])):
                nets.append(self.model_part(problem.inputs, problem.outputs))
        if problem.dimension and not isinstance(nets[0], Periodic):
            raise UserError(f"{type(problem).__name__} is periodic in space: model=periodic")
        if isinstance(nets[0], Periodic) and abs(nets[0].embedding.period - problem.period) > 1e-9:
            raise UserError(f"the equation has the period {problem.period:.15g}; set model.period to it")
        self.nets = nn.ModuleList(nets)
        self.length = problem.horizon / self.windows
        dtype = next(nets[0].parameters()).dtype
        truth = problem.reference()
        self.reference_times = torch.from_numpy(truth.times)
        for name, values in (("space", truth.points), ("truth", truth.values)):
            self.register_buffer(name, torch.from_numpy(values).to(dtype), persistent=False)
        start = torch.cat([torch.zeros(len(truth.points), 1, dtype=dtype), self.space], 1)
        self.register_buffer("ic_points", start, persistent=False)
        self.register_buffer("initial", self.truth[0].clone())  # of the current window
        self.turn_steps = max(1, self.total // (self.windows * len(self.eps)))
        self.turn = self.within = self.updates = self.in_window = self.fired = 0
        self.done = False
        self.kept: dict[str, Jets] = {}
        self.optimize(self.net.parameters())

    @property
    def window(self) -> int:
        """The current window; the last one after the end."""
        return min(self.turn // len(self.eps), self.windows - 1)

    @property
    def net(self) -> nn.Module:
        """The current window's network."""
        return self.nets[self.window]

    @property
    def tolerance(self) -> float:
        """The current eps; the last one after the end."""
        return self.eps[self.turn % len(self.eps)] if not self.done else self.eps[-1]

    # -- the loss ---------------------------------------------------------------------------------------------------

    def collocation(self, step: int) -> Tensor:
        """Points (t, x) in local time, slice by slice, [times * points, D]."""
        problem, end, like = self.data, self.length * (1 + self.extend), self.ic_points
        if self.sampling == "grid":
            if problem.dimension > 1:
                raise UserError("in several dimensions points are drawn: module.sampling=random")
            t = torch.linspace(0, end, self.times, dtype=torch.float64)
            x = torch.linspace(problem.low, problem.low + problem.period, self.points, dtype=torch.float64)[:, None]
        else:
            generator = self.seeds.torch("points", step)
            t = torch.rand(self.times, generator=generator, dtype=torch.float64).sort().values * end
            x = torch.rand(self.points, problem.dimension, generator=generator, dtype=torch.float64)
            x = problem.low + problem.period * x
        if problem.dimension == 0:
            return t[:, None].to(like)
        grid = torch.cat([t.repeat_interleave(len(x))[:, None], x.repeat(len(t), 1)], 1)
        return grid.to(like)

    def batch(self, step: int) -> Jets:
        """The features of a step's points; a grid's are kept."""
        if self.sampling == "random":
            return embedded(self.net, self.collocation(step), self.data.directions)
        return self._keep("grid", lambda: embedded(self.net, self.collocation(0), self.data.directions))

    def _keep(self, name: str, make: Any) -> Jets:
        """Features that no step changes, made once on the run's device."""
        if name not in self.kept or self.kept[name].rows.device != self.ic_points.device:
            self.kept[name] = make()
        return self.kept[name]

    def solution(self, features: Jets) -> Jets:
        """Jets of u in the current window."""
        u = outputs(self.net, features)
        return self.lifted(u, features, self.initial) if self.hard else u

    @staticmethod
    def lifted(u: Jets, t: Jets, start: Tensor) -> Jets:
        """Jets of start + t u; `t` are those of the time alone, start is [1, components]."""
        u = u * t.having(t.rows.expand_as(u.rows))
        return u.having(torch.cat([u.rows[:1] + start, u.rows[1:]]))

    def slice_losses(self, features: Jets) -> Tensor:
        """L_i [times]: the mean over the slice's points of the squared residuals, summed over equations."""
        residuals = self.data.residual(self.solution(features))
        return residuals.square().reshape(self.times, -1).sum(1) * (self.times / len(residuals))

    def initial_loss(self) -> Tensor | float:
        """L_0 = lambda_ic L_ic; 0 where the initial condition is built in."""
        if self.hard:
            return 0.0
        features = self._keep("ic", lambda: embedded(self.net, self.ic_points, self.data.observed))
        errors = (self.data.observe(outputs(self.net, features)) - self.initial).square().mean(0)
        if len(errors) == 1:
            return self.ic * errors[0]
        return self.ic * (errors * torch.tensor(self.data.initial_weights).to(errors)).sum()

    def weights_of(self, slices: Tensor, initial: Tensor | float) -> Tensor:
        """w [times] at the current eps."""
        return causal_weights(slices, self.tolerance, initial if self.ic_in_weights else 0.0)

    def objective(self, index: Any) -> Tensor:
        """(1/n) sum_i w_i L_i + L_0 on the features `index`."""
        slices, initial = self.slice_losses(index), self.initial_loss()
        return causal_loss(slices, self.weights_of(slices, initial), initial)

    # -- the steps --------------------------------------------------------------------------------------------------

    def advance(self, start: int, stop: int) -> None:
        """Steps start, ..., stop-1; nothing more once all turns are over."""
        losses = []
        with flushed_denormals():
            for _ in range(start, stop):
                if self.done:
                    break
                losses.append(self.step())
        if losses:
            mean = torch.stack(losses).mean()
            if not torch.isfinite(mean):
                raise Diverged(f"the training loss is {mean.item()} at step {stop} of {self.total}")
            self.track("train/loss", mean)

    def step(self) -> Tensor:
        """One step; returns its loss."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base * self.schedule.factor(self.in_window, self.turn_steps * len(self.eps))
        loss = self.gradients(self.batch(self.updates))
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.clip_norm)
        self.optimizer.step()
        self.updates, self.in_window, self.within = self.updates + 1, self.in_window + 1, self.within + 1
        self.end_turn()
        return loss

    def end_turn(self) -> None:
        """Go on to the next eps, or window, when a turn's steps are used up or its residuals small enough."""
        over = self.within >= self.turn_steps
        if not over and self.delta is not None and (self.within == 1 or self.within % self.test_every == 0):
            over = solved(self.slices_and_weights()[1], self.delta)
            self.fired += over
        if not over:
            return
        self.turn, self.within = self.turn + 1, 0
        if self.turn == self.windows * len(self.eps):
            self.done = True
        elif self.turn % len(self.eps) == 0:
            self.start_window()

    def start_window(self) -> None:
        """The next window starts from the end of the last one, with optimizer and rate as new."""
        before = self.nets[self.window - 1]
        self.initial.copy_(self.observed_by(before, self.length, self.initial))
        self.in_window = 0
        self.optimize(self.net.parameters())

    # -- looking at it ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def slices_and_weights(self) -> tuple[Tensor, Tensor]:
        """L_i and w_i now, at the current eps."""
        slices = self.slice_losses(self.batch(self.updates))
        return slices, self.weights_of(slices, self.initial_loss())

    @torch.no_grad()
    def observed_by(self, net: nn.Module, t: float, start: Tensor) -> Tensor:
        """What a window's network says at a local time at the reference's points, [P, components]."""
        parts, problem = [], self.data
        for x in self.space.split(MOST_POINTS):
            points = torch.cat([torch.full_like(self.ic_points[: len(x), :1], t), x], 1)
            features = embedded(net, points, problem.observed)
            u = outputs(net, features)
            parts.append(problem.observe(self.lifted(u, features, start) if self.hard else u))
        return torch.cat(parts)

    @torch.no_grad()
    def prediction(self) -> Tensor:
        """The solution at the reference's times and points, [T, P, components]; behind the current window, its own."""
        starts = [self.truth[0]]
        for net in self.nets[: self.window]:
            starts.append(self.observed_by(net, self.length, starts[-1]) if self.hard else starts[-1])
        windows = ((self.reference_times - 1e-12) / self.length).floor().clamp(0, self.window).long().tolist()
        frames, times = [], (t.tolist() for t in self.reference_times)
        for k, group in itertools.groupby(zip(windows, times, strict=True), key=lambda pair: pair[0]):
            local = torch.tensor([t - k * self.length for _, t in group], dtype=torch.float64).to(self.space)
            frames.append(self._frames(self.nets[k], local, starts[k]))
        return torch.cat(frames)

    def _frames(self, net: nn.Module, local: Tensor, start: Tensor) -> Tensor:
        """The solution at local times [n] and the reference's points, [n, P, components]."""
        problem, size = self.data, max(1, MOST_POINTS // len(self.space))
        found = []
        for t in local.split(size):
            points = torch.cat([t.repeat_interleave(len(self.space))[:, None], self.space.repeat(len(t), 1)], 1)
            features = embedded(net, points, problem.observed)
            u = outputs(net, features)
            u = self.lifted(u, features, start) if self.hard else u
            found.append(problem.observe(u).unflatten(0, (len(t), len(self.space))))
        return torch.cat(found)

    def measure_at(self, total: int) -> Iterable[int]:
        """Every so many steps, at the profiles, and at the end."""
        return sorted({*range(0, total, self.every), *(p for p in self.profiles if p <= total), total})

    def measure(self) -> Mapping[str, float]:
        """Error, the residuals before the last slice (S), the least weight; nothing more once the run stands still."""
        if self.updates < self.steps_done:
            return {}
        slices, weights = self.slices_and_weights()
        if self.steps_done in self.profiles:
            self.record_profile(slices, weights)
        return {
            "error": relative_l2(self.prediction(), self.truth),
            "residual/earlier": float(slices[:-1].sum()),
            "weights/least": float(weights.min()),
        }

    def record_profile(self, slices: Tensor, weights: Tensor) -> None:
        """L_i, w_i and C(t_i) of every slice, and the rank correlation of C with t."""
        points = self.collocation(self.updates)
        rates = ntk_diagonal(Residual(self.net, self.data), points).reshape(self.times, -1).sum(1) / self.times
        t = points[:: len(points) // self.times, 0]
        self.scalar(f"rate/spearman_{self.steps_done}", spearmanr(rates.tolist(), t.tolist()).statistic)
        for i, row in enumerate(zip(t.tolist(), slices.tolist(), weights.tolist(), rates.tolist(), strict=True)):
            at, loss, weight, rate = row
            self.unit(f"{self.steps_done}/{i}", at_step=self.steps_done, t=at, loss=loss, weight=weight, rate=rate)

    def finish(self) -> None:
        """Errors, residuals, and how many steps it took."""
        found = self.prediction()
        self.scalar("error/all", relative_l2(found, self.truth))
        for i, name in enumerate(self.data.components):
            self.scalar(f"error/{name}", relative_l2(found[..., i], self.truth[..., i]))
        slices, weights = self.slices_and_weights()
        self.scalar("residual/earlier", slices[:-1].sum())
        self.scalar("residual/mean", slices.mean())
        self.scalar("residual/first_quarter", slices[: self.times // 4].sum() / slices.sum())
        self.scalar("weights/least", weights.min())
        self.scalar("steps/done", self.updates)
        self.scalar("steps/fired", self.fired)
        if self.field:
            self.record_field(found)

    def record_field(self, found: Tensor) -> None:
        """The solution and the reference on a coarse grid, as units."""
        rows, columns = (
            torch.linspace(0, n - 1, min(count, n)).round().long().tolist()
            for n, count in zip(found.shape[:2], self.field, strict=True)
        )
        for i, j in itertools.product(rows, columns):
            place = {"t": float(self.reference_times[i]), "x": float(self.space[j, 0])}
            values = {"u": round(float(found[i, j, 0]), 4), "reference": round(float(self.truth[i, j, 0]), 4)}
            self.unit(f"{i}, {j}", **place, **values)

    def extra_state(self) -> dict[str, Any]:
        """Where it is."""
        return {name: getattr(self, name) for name in ("turn", "within", "updates", "in_window", "fired", "done")}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go there, with an optimizer for that window's network."""
        for name, value in state.items():
            setattr(self, name, value)
        self.optimize(self.net.parameters())


@modules.register(
    "causal_pinn/cost", source=f"{SOURCE}, Secs. 3 and 5.2", reduced={"times": 4, "points": 4, "turns": 1}
)
class Cost(PaperModule):
    """What causal weights cost in a step, and nested differentiation against jets; two steps, one for each.

    A plain step computes no weights at all. Seconds are the thread's own, in turns.

    Args:
        times, points: the grid.
        ic: weight of the initial condition.
        eps: tolerance.
        turns: timed steps of each kind.
        calls: timed calls of each way to differentiate.
    """

    takes = ("data", "model", "optimizer", "schedule")
    default_parts = Solve.default_parts
    alone = True
    device_free = True
    block_steps = 1

    def __init__(
        self,
        *,
        times: int = 24,
        points: int = 48,
        ic: float = 100.0,
        eps: float = 1.0,
        turns: int = 300,
        calls: int = 7,
    ) -> None:
        super().__init__()
        self.solve = Solve(eps=[eps], ic=ic, ic_in_weights=False, times=times, points=points)
        self.turns, self.calls = turns, calls

    @property
    def total(self) -> int:
        """Two comparisons."""
        return 2

    def build(self) -> None:
        """A network that can be trained."""
        parts = {"data": self.data, "model": self.model_part, "optimizer": self.optimizer_part}
        self.solve.attach(self.seeds, self.budget, {**parts, "schedule": self.schedule}, {})
        self.solve.build()

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """The comparisons start, ..., stop-1."""
        for step in range(start, stop):
            (self.compare_steps, self.compare_derivatives)[step]()

    def compare_steps(self) -> None:
        """Whole steps with and without weights."""
        solve = self.solve

        def step(weighted: bool) -> None:
            slices, initial = solve.slice_losses(solve.batch(0)), solve.initial_loss()
            loss = (
                causal_loss(slices, solve.weights_of(slices, initial), initial) if weighted else slices.mean() + initial
            )
            solve.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            solve.optimizer.step()

        ways = {"causal": lambda: step(True), "plain": lambda: step(False)}
        with flushed_denormals():
            medians_in_turns(ways, 5)  # warm
            found = medians_in_turns(ways, self.turns)
        for name, seconds in found.items():
            self.scalar(f"time/step_ms/{name}", 1e3 * seconds)
        self.scalar("time/causal_over_plain", found["causal"] / found["plain"])

    def compare_derivatives(self) -> None:
        """u_xxxx on the grid and the gradient of the mean of its square."""
        net, points = self.solve.net, self.solve.collocation(0)
        along = (0.0, 1.0)
        theta = list(net.parameters())

        def gradient(u: Tensor) -> None:
            torch.autograd.grad(u.square().mean(), theta, allow_unused=True)

        ways = {
            "jets": lambda: gradient(propagate(net, lines(points, {"x": (along, 4)}))("x", 4)),
            "jets_autograd": lambda: gradient(propagate(net, lines(points, {"x": (along, 4)}, closed=False))("x", 4)),
            "nested": lambda: gradient(nested_derivatives(net, points, along, 4)[4]),
            "forward": lambda: gradient(forward_derivative(net, points, along, 4)),
        }
        found = medians_in_turns(ways, 1, timed=self.calls, untimed=2)
        for name, seconds in found.items():
            self.scalar(f"time/derivative_ms/{name}", 1e3 * seconds)
            self.scalar(f"time/over_jets/{name}", seconds / found["jets"])


def forward_derivative(net: nn.Module, points: Tensor, direction: Sequence[float], order: int) -> Tensor:
    """d^order/ds^order net(x + s d) at s = 0 by nested forward mode, [N, outputs]."""
    vector = torch.tensor(direction).to(points)

    def nest(function: Any) -> Any:
        return lambda s: torch.func.jvp(function, (s,), (torch.ones_like(s),))[1]

    function: Any = lambda s: net(points + s * vector)  # noqa: E731
    for _ in range(order):
        function = nest(function)
    found: Tensor = function(points.new_zeros(len(points), 1))
    return found
