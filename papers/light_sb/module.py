"""The method: fit a Gaussian-mixture potential by plain stochastic gradients on samples of the two ends.

The objective is L(theta) = E_{p0} log c(x0) - E_{p1} log v(x1), and L(theta) - L* = KL(T* || T_theta) for the
processes as for their plans, so it is minimised without simulating anything. The potential itself, with c, the
conditional plan and the drift, is the shared model `gaussian_mixture_potential`. Everything runs in double precision:
exponents of size |x|^2 / eps make single precision lose the digits that matter at small eps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from assay.data.marginals import Marginals, pick
from assay.errors import UserError
from assay.metrics.bures_wasserstein import conditional_bw_uvp
from assay.metrics.energy_distance import energy_distance, permutation_test
from assay.models.gaussian_mixture_potential import GaussianMixturePotential
from assay.module import GradientModule, PaperModule, modules
from assay.solvers.euler_maruyama import euler_maruyama
from assay.solvers.sinkhorn import EntropicPlan, sinkhorn
from papers.light_sb.data import Arrays, GaussianPair, MixtureBridge

POINTS = 1000
"""Test points x0 at which conditional plans are looked at."""

MOST_MATCHED = 5000
"""Points on a side for which unregularised transport is still a matter of a minute."""

CHUNK = 100
"""Steps whose samples are drawn in one go; a constant, so that the samples of a step depend on the step alone."""


def light_sb_objective(net: GaussianMixturePotential, x0: Tensor, x1: Tensor) -> Tensor:
    """L = E_{p0} log c(x0) - E_{p1} log v(x1), from samples [n, D] and [m, D]."""
    return net.log_c(x0).mean() - net.log_v(x1).mean()


@torch.no_grad()
def fill_gradients(net: GaussianMixturePotential, x0: Tensor, x1: Tensor) -> Tensor:
    """Put the gradient of L into `.grad` of a potential with diagonal S and return L, faster than autograd.

    With the weights w_k(x0) of the plan's components, the shares rho_k(x1) of v's and means over the samples,

        dL/d log alpha_k = E w_k - E rho_k,
        dL/d r_k         = (E w_k x0 - E rho_k S_k^{-1} (x1 - r_k)) / eps,
        dL/d log s_k     = (E w_k s_k x0^2 - E rho_k (x1 - r_k)^2 / s_k) / (2 eps) + E rho_k / 2.

    Args:
        net: its parameters' gradients are overwritten.
        x0: [n, D] samples of p0.
        x1: [m, D] samples of p1.
    """
    eps, r, s = net.eps, net.r, net.s
    inverse = 1 / s
    square0, square1 = x0.square(), x1.square()
    volume = net.log_s.sum(-1) + net.dimension * math.log(2 * math.pi * eps)
    constant = net.log_alpha - 0.5 * ((r.square() * inverse).sum(-1) / eps + volume)
    # Components come first, [K, n]: sums over them then run along the memory.
    of_c = torch.addmm(net.log_alpha[:, None], r, x0.T, alpha=1 / eps).addmm_(s, square0.T, alpha=0.5 / eps)
    of_v = torch.addmm(constant[:, None], r * inverse, x1.T, alpha=1 / eps).addmm_(inverse, square1.T, alpha=-0.5 / eps)
    log_c, log_v = torch.logsumexp(of_c, 0), torch.logsumexp(of_v, 0)
    w, rho = of_c.sub_(log_c).exp_().div_(len(x0)), of_v.sub_(log_v).exp_().div_(len(x1))
    mass, first = rho.sum(1, keepdim=True), rho @ x1
    net.scaled_log_alpha.grad = (w.sum(1) - mass[:, 0]) / eps
    net.r.grad = (w @ x0 - (first - mass * r) * inverse) / eps
    apart = rho @ square1 - 2 * r * first + mass * r.square()  # of rho_k (x1 - r_k)^2
    net.log_s.grad = (s * (w @ square0) - apart * inverse) / (2 * eps) + mass / 2
    return log_c.mean() - log_v.mean()


def gaussian_bridge(mean0: Tensor, var0: Tensor, mean1: Tensor, var1: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The bridge between Gaussians with diagonal covariances: S and r of its one-component potential, [D] each.

    S = (-eps + sqrt(eps^2 + 4 s0^2 s1^2)) / (2 s0^2) and r = m1 - S m0; then S^2 s0^2 + eps S = s1^2.
    """
    s = (-eps + (eps**2 + 4 * var0 * var1).sqrt()) / (2 * var0)
    return s, mean1 - s * mean0


@modules.register("light_sb/bridge", source="arXiv 2310.01174")
class LightSB(GradientModule):
    """The solver; reports the held-out objective and how dispersed the conditional plan is.

    With `budget.batch` every step sees fresh samples of both ends, a function of the seed and the step; without it,
    every step sees all training rows.

    Args:
        paths: so many trajectories (Euler-Maruyama, first two coordinates) are recorded as units.
        path_steps: their number of steps.
    """

    takes = ("data", "model", "optimizer", "schedule")
    unit_axes = ("t",)
    default_parts = {"schedule": "constant", "optimizer": "adam", "model": "gaussian_mixture_potential"}

    data: Marginals
    net: GaussianMixturePotential

    def __init__(self, *, paths: int = 0, path_steps: int = 100) -> None:
        super().__init__()
        self.paths, self.path_steps = paths, path_steps

    def build(self) -> None:
        """The potential, in double precision, with its centres at samples of p1."""
        if not isinstance(self.data, Marginals):
            raise UserError("light_sb joins two distributions; choose data that have two (data=swiss_roll, ...)")
        with self.seeds.torch_global("init"):
            net = self.model_part(self.data.inputs, self.data.inputs[0])
        if not isinstance(net, GaussianMixturePotential):
            raise UserError("light_sb needs log v and log c in closed form: model=gaussian_mixture_potential")
        self.net = net.double()
        self.place()
        self.optimize(self.net.parameters())
        self._chunk, self._draws = -1, torch.empty(0)

    def place(self) -> None:
        """Start with centres at random training rows of p1; where there are too few, repeated and jittered."""
        rows, generator = self.data.train.y, self.seeds.torch("start")
        k = len(self.net.r)
        if k <= len(rows):
            self.net.set(rows[torch.randperm(len(rows), generator=generator)[:k]])
        else:
            jitter = 0.1 * rows.std(0) * torch.randn(k, rows.shape[1], generator=generator, dtype=torch.float64)
            self.net.set(pick(rows, k, generator) + jitter)

    def batch(self, step: int) -> Tensor:
        """The samples of a step, [2, batch, D]: those of p0 and those of p1."""
        if self.budget.batch is None:
            if len(self.data.train.x) != len(self.data.train.y):
                raise UserError("the full batch needs as many samples of p0 as of p1: set budget.batch")
            if len(self._draws) == 0:
                self._draws = self.here(torch.stack([self.data.train.x, self.data.train.y]))
            return self._draws
        chunk, within = divmod(step, CHUNK)
        if chunk != self._chunk:
            pairs = self.data.draw(CHUNK * self.budget.batch, self.seeds.torch("samples", chunk))
            self._draws = self.here(torch.stack(pairs)).unflatten(1, (CHUNK, self.budget.batch))
            self._chunk = chunk
        return self._draws[:, within]

    def objective(self, index: Tensor) -> Tensor:
        """L on the samples that `batch` returned."""
        return light_sb_objective(self.net, index[0], index[1])

    def gradients(self, index: Tensor) -> Tensor:
        """In closed form for diagonal S, else by autograd."""
        return fill_gradients(self.net, *index) if self.net.generators is None else super().gradients(index)

    def after_step(self, step: int) -> None:
        """Keep S within its bounds."""
        self.net.project()

    def here(self, x: Tensor) -> Tensor:
        """A tensor on the potential's device and in its precision."""
        return x.to(self.net.r)

    @torch.no_grad()
    def finish(self) -> None:
        """L on both splits, the mean trace of Cov pi(.|x0), the smallest eigenvalue of S, and trajectories."""
        assert self.data.test is not None
        for name, split in (("train", self.data.train), ("test", self.data.test)):
            self.scalar(f"{name}/objective", light_sb_objective(self.net, self.here(split.x), self.here(split.y)))
        points = self.here(self.data.test.x[:POINTS])
        self.scalar("plan/trace", self.net.plan_spread(points).mean())
        self.scalar("model/smallest_s", self.net.s.min())
        if self.paths:
            self.record_paths(points[: self.paths])

    def record_paths(self, x0: Tensor) -> None:
        """Trajectories as units: at most 26 times each, with coordinates x and y."""
        generator = self.seeds.torch("paths")
        scale, steps = math.sqrt(self.net.eps), self.path_steps
        paths = euler_maruyama(self.net.drift, x0, scale, steps, generator, path=True).cpu()
        for step in sorted({round(i * steps / 25) for i in range(26)}):
            for i, (x, y) in enumerate(paths[step, :, :2].tolist()):
                self.unit(i, t=step / steps, x=x, y=y)


@modules.register("light_sb/benchmark", source="arXiv 2310.01174")
class Benchmark(LightSB):
    """The solver on problems whose plan is known (`data=light_sb/mixture`).

    Args:
        start: "data" puts the centres at samples of p1; "truth" starts from the true potential, which needs as many
            components.
    """

    data: MixtureBridge

    def __init__(self, *, start: Literal["data", "truth"] = "data") -> None:
        super().__init__()
        self.start = start

    def build(self) -> None:
        """As the solver's; refuses data without a known plan."""
        if not isinstance(self.data, MixtureBridge):
            raise UserError("light_sb/benchmark compares with a known plan: data=light_sb/mixture")
        super().build()
        if self.net.eps != self.data.eps:
            raise UserError(f"the true plan has data.eps={self.data.eps:g}; set model.eps to the same")

    def place(self) -> None:
        """Start from data or from the truth."""
        super().place()
        if self.start == "truth":
            truth = self.data.truth
            if truth.r.shape != self.net.r.shape or self.net.generators is not None:
                raise UserError(f"module.start=truth needs diagonal S and model.components={len(truth.r)}")
            self.net.set(truth.r, truth.s, truth.log_alpha)

    @torch.no_grad()
    def finish(self) -> None:
        """The unexplained variance of the conditional plan, KL(pi* || pi_theta), and L of the truth."""
        super().finish()
        assert self.data.test is not None
        x0, x1 = (self.here(x) for x in self.data.pairs(100_000, self.seeds.torch("evaluation")))
        truth = self.data.truth.to(self.net.r)  # after its last samples, which are drawn on the CPU
        self.scalar("test/kl", (truth.log_plan(x0, x1) - self.net.log_plan(x0, x1)).mean())
        self.scalar("test/optimum", light_sb_objective(truth, self.here(self.data.test.x), self.here(self.data.test.y)))
        points, variance = self.here(self.data.test.x[:POINTS]), x1.var(0).sum()
        exact = truth.plan_moments(points)
        self.scalar("test/uvp", conditional_bw_uvp(self.net.plan_moments(points), exact, variance))


@modules.register("light_sb/gaussian", source="arXiv 2310.01174")
class GaussianCase(LightSB):
    """The solver between two Gaussians (`data=light_sb/gaussians`, one component), polished to the minimum.

    For one component L depends on first and second moments only, so its minimiser is the closed form with the
    moments of the sample put in: what is left is the optimiser's error.

    Args:
        polish: iterations of LBFGS (strong Wolfe) on all training rows after the last step.
    """

    data: GaussianPair

    def __init__(self, *, polish: int = 500) -> None:
        super().__init__()
        self.polish = polish

    def build(self) -> None:
        """As the solver's; refuses other data."""
        if not isinstance(self.data, GaussianPair):
            raise UserError("light_sb/gaussian compares with a closed form: data=light_sb/gaussians")
        super().build()

    def finish(self) -> None:
        """Polish, then compare S and r with the closed form of the sample and of the population."""
        self.descend()
        super().finish()
        train, eps = self.data.train, self.net.eps
        s, r = self.net.s.detach()[0].cpu(), self.net.r.detach()[0].cpu()
        x, y = train.x.cpu(), train.y.cpu()
        moments = (x.mean(0), x.var(0, correction=0), y.mean(0), y.var(0, correction=0))
        s_sample, r_sample = gaussian_bridge(*moments, eps)
        self.scalar("sample/s_error", ((s - s_sample) / s_sample).abs().max())
        self.scalar("sample/r_error", (r - r_sample).abs().max())
        pair = self.data
        s_true, r_true = gaussian_bridge(pair.mean0, pair.sd0**2, pair.mean1, pair.sd1**2, eps)
        self.scalar("population/s_error", ((s - s_true) / s_true).abs().max())
        self.scalar("population/kl", gaussian_kl(s_true, r_true, s, r, pair.mean0, pair.sd0**2, eps))

    def descend(self) -> None:
        """LBFGS on the full-batch objective."""
        if not self.polish:
            return
        x0, x1 = self.here(self.data.train.x), self.here(self.data.train.y)
        optimizer = torch.optim.LBFGS(
            self.net.parameters(), max_iter=self.polish, tolerance_grad=1e-10, tolerance_change=1e-14,
            line_search_fn="strong_wolfe",
        )  # fmt: skip

        rows = torch.stack([x0, x1])
        optimizer.step(lambda: self.gradients(rows))


def gaussian_kl(
    s_true: Tensor, r_true: Tensor, s: Tensor, r: Tensor, mean0: Tensor, var0: Tensor, eps: float
) -> Tensor:
    """KL(pi* || pi) of two one-component plans over the same p0 with mean `mean0` and variances `var0`, a scalar.

    E_{x0} KL(N(r* + S* x0, eps S*) || N(r + S x0, eps S)), where the mean squared difference of the conditional
    means is (r* - r + (S* - S) m0)^2 + (S* - S)^2 s0^2 in every coordinate.
    """
    ratio = s_true / s
    apart = (r_true - r + (s_true - s) * mean0).square() + (s_true - s).square() * var0
    return 0.5 * (ratio - 1 - ratio.log() + apart / (eps * s)).sum()


@modules.register("light_sb/translation", source="arXiv 2310.01174")
class Translation(LightSB):
    """The solver on data without a known plan, judged by samples: energy distances to the target.

    Also recorded: what an independent sample of the target reaches, what not moving at all reaches, and the mean
    cost |x1 - x0|^2 / 2 of the plan beside that of independent pairs.
    """

    @torch.no_grad()
    def finish(self) -> None:
        """Energy distances at time 1, and at the time between where the data have one."""
        super().finish()
        assert self.data.test is not None
        generator = self.seeds.torch("evaluation")
        x0, x1 = self.here(self.data.test.x), self.here(self.data.test.y)
        moved = self.net.sample(x0, generator)
        self.scalar("test/energy", energy_distance(moved, x1))
        self.scalar("reference/energy_target", energy_distance(self.here(self.data.train.y), x1))
        self.scalar("reference/energy_source", energy_distance(x0, x1))
        self.scalar("test/cost", 0.5 * (moved - x0).square().sum(-1).mean())
        self.scalar("reference/cost_independent", 0.5 * torch.cdist(x0, x1).square().mean())
        if isinstance(self.data, Arrays) and self.data.middle is not None:
            self.between(self.data, x0, generator)

    def between(self, data: Arrays, x0: Tensor, generator: torch.Generator) -> None:
        """Distances at the held-out time, in the data's own units."""
        import ot

        assert data.middle is not None
        reached = data.scale * self.net.bridge(x0, data.middle_time, generator)
        middle = data.scale * self.here(data.middle)
        # The authors' code reports half of the unbiased energy distance.
        self.scalar("middle/half_energy", 0.5 * energy_distance(reached, middle, estimate="u"))
        if max(len(reached), len(middle)) > MOST_MATCHED:
            return
        weights = [torch.full((len(x),), 1 / len(x), dtype=torch.float64).numpy() for x in (reached, middle)]
        self.scalar("middle/wasserstein", ot.emd2(*weights, torch.cdist(reached, middle).cpu().numpy()))


@modules.register("light_sb/sinkhorn", source="ot.sinkhorn")
class Sinkhorn(PaperModule):
    """The discrete baseline: Sinkhorn on the training rows, extended to new points; and the independent coupling.

    A step is one iteration.
    """

    takes = ("data",)

    data: MixtureBridge
    log_u: Tensor
    log_v: Tensor

    def build(self) -> None:
        """Dual potentials at zero."""
        if not isinstance(self.data, MixtureBridge):
            raise UserError("light_sb/sinkhorn compares with a known plan: data=light_sb/mixture")
        train = self.data.train
        self.register_buffer("log_u", torch.zeros(len(train.x), dtype=torch.float64))
        self.register_buffer("log_v", torch.zeros(len(train.y), dtype=torch.float64))

    def measure_at(self, total: int) -> Iterable[int]:
        """Nothing is measured on the way."""
        return ()

    def advance(self, start: int, stop: int) -> None:
        """Iterations start, ..., stop-1."""
        x, y = (rows.to(self.log_u) for rows in (self.data.train.x, self.data.train.y))
        plan = sinkhorn(x, y, self.data.eps, iterations=stop - start, start=(self.log_u, self.log_v))
        self.log_u.copy_(plan.log_u)
        self.log_v.copy_(plan.log_v)

    def finish(self) -> None:
        """The unexplained variance of the Sinkhorn conditional and of the independent coupling."""
        assert self.data.test is not None
        train, points = self.data.train, self.data.test.x[:POINTS].cpu()
        plan = EntropicPlan(train.x.cpu(), train.y.cpu(), self.data.eps, self.log_u.cpu(), self.log_v.cpu())
        _, x1 = self.data.pairs(100_000, self.seeds.torch("evaluation"))
        exact, variance = self.data.truth.plan_moments(points), x1.var(0).sum()
        self.scalar("test/uvp", conditional_bw_uvp(plan.moments(points), exact, variance))
        alone = (x1.mean(0).expand_as(points), x1.T.cov().expand(len(points), -1, -1))
        self.scalar("reference/uvp_independent", conditional_bw_uvp(alone, exact, variance))


@modules.register("light_sb/sampler", source="arXiv 2310.01174")
class Sampler(PaperModule):
    """Simulation against direct samples: end points of Euler-Maruyama under the exact drift of a known bridge.

    A step is one starting point x0; each becomes a unit.

    Args:
        starts: starting points, each [D].
        euler_steps: steps of the scheme.
        points: end points for the mean and the variances.
        compared: end points, and as many direct samples, in the permutation test.
        permutations: relabellings in that test.
    """

    takes = ("data",)
    block_steps = 1

    data: MixtureBridge

    def __init__(
        self,
        *,
        starts: list[list[float]] = [[0.0, 0.0], [1.0, -0.5]],  # noqa: B006 - configuration, never changed
        euler_steps: int = 200,
        points: int = 20_000,
        compared: int = 1000,
        permutations: int = 999,
    ) -> None:
        super().__init__()
        self.starts, self.euler_steps = starts, euler_steps
        self.points, self.compared, self.permutations = points, compared, permutations

    @property
    def total(self) -> int:
        """One step a starting point."""
        return len(self.starts)

    def measure_at(self, total: int) -> Iterable[int]:
        """Nothing is measured on the way."""
        return ()

    def build(self) -> None:
        """Refuses data without a known plan, and starting points of another dimension."""
        if not isinstance(self.data, MixtureBridge):
            raise UserError("light_sb/sampler needs a known bridge: data=light_sb/mixture")
        if any(len(start) != self.data.dimension for start in self.starts):
            raise UserError(f"module.starts must have data.dimension={self.data.dimension} coordinates each")

    def advance(self, start: int, stop: int) -> None:
        """Simulate from starting points start, ..., stop-1."""
        truth = self.data.truth.to(self.device)
        for i in range(start, stop):
            x0 = torch.tensor([self.starts[i]], dtype=torch.float64, device=self.device)
            many = x0.expand(max(self.points, self.compared), -1)
            noise = self.seeds.torch("simulation", i)
            ends = euler_maruyama(truth.drift, many, math.sqrt(truth.eps), self.euler_steps, noise)
            direct = truth.sample(many[: self.compared], self.seeds.torch("direct", i))
            rng = self.seeds.numpy("permutation", i)
            energy, p_value = permutation_test(ends[: self.compared], direct, self.permutations, rng)
            mean, covariance = (moment[0] for moment in truth.plan_moments(x0))
            ends, variance = ends[: self.points], covariance.diagonal()
            self.unit(
                f"x0=({', '.join(f'{c:g}' for c in self.starts[i])})",
                energy=energy,
                p_value=p_value,
                mean_z=float(((ends.mean(0) - mean) / (variance / len(ends)).sqrt()).abs().max()),
                variance_error=float((ends.var(0) / variance - 1).abs().max()),
            )
