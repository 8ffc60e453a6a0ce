"""Step 1 is trained, step 2 is applied, and both are judged on test functions.

    probconserv/train   a neural process, with or without the penalty on the PDE (SoftC), and step 2 on its predictions
    probconserv/gp      the same step 2 on Gaussian processes with full covariances; nothing is trained

Step 2 is `papers.probconserv.update`, the laws are `assay.data.gpme`, the networks `assay.models.cnp` and `anp`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from assay.data.gpme import GPME
from assay.errors import UserError
from assay.linalg.gaussian_conditioning import weighted_projection
from assay.metrics.conservation import conservation_error, shock_position, trapezoid_weights
from assay.metrics.gaussian_loglik import gaussian_loglik
from assay.models.cnp import NeuralProcess
from assay.module import GradientModule, PaperModule, modules
from papers.probconserv.update import METHODS, Gaussian, information_left, nonnegative, schur

SOURCE = "arXiv 2302.11002"
LEAST = 1e-8
"""Smaller variances count as this one in likelihoods."""
JITTER = 1e-8
"""Added to a covariance before its Cholesky factor is taken for draws."""


class Grid:
    """The test grid of a law: `nx` points in x, times t_max j / times for j = 1, ..., times; in double precision.

    Attributes:
        x: [nx].
        t: [times].
        now: position of the time of interest.
        g: [1, nx], the trapezoid rule.
        points: [times * nx, 2], all (t, x).
    """

    def __init__(self, data: GPME, nx: int, times: int) -> None:
        self.law = data.law
        self.x = torch.linspace(*self.law.x_range, nx, dtype=torch.float64)
        self.t = self.law.t_max * torch.arange(1, times + 1, dtype=torch.float64) / times
        self.now = int((self.t - self.law.t_of_interest).abs().argmin())
        self.g = trapezoid_weights(self.x)[None]
        self.points = torch.cartesian_prod(self.t, self.x)

    def truth(self, parameter: float) -> Tensor:
        """u, [times, nx]."""
        return self.law.solution(self.t[:, None], self.x, torch.tensor(parameter, dtype=torch.float64))

    def b(self, parameter: float) -> Tensor:
        """b(t), [times, 1]."""
        return self.law.mass(self.t, torch.tensor(parameter, dtype=torch.float64))[:, None]

    def front(self, parameter: float) -> float:
        """Where u reaches 0 at the time of interest, for laws whose solutions do."""
        front = self.law.front(self.t[self.now], torch.tensor(parameter, dtype=torch.float64))
        assert front is not None
        return float(front)


def draws(prediction: Gaussian, noise: Tensor) -> Tensor:
    """Draws mean + L z with L L' = cov + jitter, for standard normal z [k, n]; [k, n]."""
    if prediction.cov.ndim == 1:
        return prediction.mean + noise * (prediction.cov + JITTER).sqrt()
    root = torch.linalg.cholesky(prediction.cov + JITTER * torch.eye(len(prediction.mean), dtype=torch.float64))
    return prediction.mean + noise @ root.T


def log_shock_error(grid: Grid, parameter: float, found: Gaussian, noise: Tensor) -> float:
    """log of the mean over draws of |position - x*|, from standard normal numbers [k, nx]."""
    return float((shock_position(draws(found, noise), grid.x) - grid.front(parameter)).abs().mean().log())


class Judged(PaperModule):
    """What all modules here have in common: methods judged on one test function at the time of interest."""

    data: GPME

    def check_data(self) -> None:
        """Refuse data without a law."""
        if not isinstance(self.data, GPME):
            raise UserError("probconserv conditions on a conservation law: data=gpme")

    def judge(self, grid: Grid, parameter: float, name: str, method: str, found: Gaussian, **more: float) -> None:
        """Record a prediction [nx] of a test function as a unit: MSE, log-likelihood, conservation error, shock."""
        truth, b = grid.truth(parameter)[grid.now], grid.b(parameter)[grid.now]
        mse = (found.mean - truth).square().mean()
        signed = float(conservation_error(found.mean, grid.g, b))
        low, high = self.data.law.parameters
        self.unit(
            name,
            method=method,
            parameter=parameter,
            inside=float(low <= parameter <= high),
            mse=float(mse),
            log_mse=float(mse.log()),
            loglik=float(gaussian_loglik(truth, found.mean, found.var, LEAST).mean()),
            ce=signed,
            ce_abs=abs(signed),
            **more,
        )


@modules.register("probconserv/train", source=SOURCE, reduced={"nx": 21, "times": 2, "draws": 2, "positions": 20})
class Train(Judged, GradientModule):
    """A neural process on random functions of one law; step 2 on its predictions at the end.

    The loss is the negative log-likelihood (and KL of a latent variable) of the targets plus `weight` times the mean
    squared residual of the PDE, taken of the predicted mean at the targets. Units are test functions, once for each
    method at the time of interest; scalars hold what is about all times.

    Args:
        weight: of the PDE term; 0 is the plain process, on which step 2 is judged too.
        soft_from: the step from which the PDE term is there.
        reduction: "mean" divides the likelihood by the number of targets; "sum" adds it up over batch and targets.
        nx: points of the test grid in x.
        times: times of the test grid.
        draws: of the latent variable in a prediction.
        positions: draws behind a shock position.
        cones: whether means under u >= 0, falling u are computed as well, where the law has them.
        profiles: whether to record profiles, masses and shock positions of the first test function, for figures.
    """

    takes = ("data", "model", "optimizer", "schedule")
    unit_axes = ("x", "t")
    default_parts = {"schedule": "constant", "optimizer": "adam"}
    net: NeuralProcess

    def __init__(
        self,
        *,
        weight: float = 0.0,
        soft_from: int = 0,
        reduction: Literal["mean", "sum"] = "mean",
        nx: int = 201,
        times: int = 20,
        draws: int = 100,
        positions: int = 1000,
        cones: bool = True,
        profiles: bool = False,
    ) -> None:
        super().__init__()
        self.weight, self.soft_from, self.reduction = weight, soft_from, reduction
        self.nx, self.times, self.draws, self.positions = nx, times, draws, positions
        self.cones, self.profiles, self.now = cones, profiles, 0

    def build(self) -> None:
        """The network and its optimizer."""
        self.check_data()
        if self.profiles and not self.data.law.jumps:
            raise UserError("module.profiles records shock positions: choose a data.member whose solutions jump")
        with self.seeds.torch_global("init"):
            net = self.model_part(self.data.inputs, self.data.outputs)
        if not isinstance(net, NeuralProcess):
            raise UserError("step 1 predicts from a context: model=cnp or model=anp")
        self.net = net
        self.optimize(self.net.parameters())

    def spreads(self) -> bool:
        """Its random numbers are those of one process."""
        return False

    # -- step 1 --------------------------------------------------------------------------------------------------------

    def batch(self, step: int) -> Tensor:
        """As ever; the objective wants to know the step."""
        self.now = step
        return super().batch(step)

    def objective(self, index: Tensor) -> Tensor:
        """The loss of the functions `index`."""
        rows = self.data.train[index]
        truth = rows.extra["target_y"]
        sets = (self.data.scaled(rows.x), rows.y, self.data.scaled(rows.extra["target_x"]), truth)
        soft = self.weight > 0 and self.now >= self.soft_from
        random = self.seeds.torch_global("latent", self.now) if self.net.stochastic else contextlib.nullcontext()
        with random:
            fit, *jet = self.net.fit_jet(*sets) if soft else (self.net.fit(*sets),)
        loss = fit.kl.sum() - gaussian_loglik(truth, fit.mean, fit.sd.square()).sum()
        if self.reduction == "mean":
            loss = loss / truth.numel()
        if not soft:
            return loss
        penalty = self.residual(fit.mean, *jet, rows.extra["parameter"]).square().mean()
        self.track("train/residual", penalty.detach())
        return loss + self.weight * penalty

    def residual(self, mean: Tensor, first: Tensor, second: Tensor, parameter: Tensor) -> Tensor:
        """The PDE's residual at the targets in raw coordinates, [B, T], from derivatives in scaled ones."""
        rate_t, rate_x = self.data.rates
        return self.data.law.residual(
            mean[..., 0], rate_t * first[..., 0], rate_x * first[..., 1], rate_x**2 * second, parameter
        )

    # -- step 2 and judgement ------------------------------------------------------------------------------------------

    @torch.no_grad()
    def predict(self, grid: Grid, i: int) -> tuple[Tensor, Tensor]:
        """Step 1's mean and variance of test function i, [times, nx] in double precision on the CPU."""
        assert self.data.test is not None
        row = self.data.test[torch.tensor([i])]
        points = self.data.scaled(grid.points.to(row.x))[None]
        generator = self.seeds.torch("latent", "test", i)
        found = self.net.predict(self.data.scaled(row.x), row.y, points, self.draws, generator)
        mean, sd = (value[0, :, 0].cpu().double().unflatten(0, (self.times, self.nx)) for value in found)
        return mean, sd.square()

    def finish(self) -> None:
        """Units, and the worst conservation errors over all functions and times."""
        self.net.eval()
        grid, per = Grid(self.data, self.nx, self.times), self.data.sizes[1]
        worst = dict.fromkeys(("hardc", "probconserv"), 0.0)
        for i, parameter in enumerate(p for p in self.data.parameters for _ in range(per)):
            mean, var = self.predict(grid, i)
            g, b, truth = grid.g, grid.b(parameter), grid.truth(parameter)
            name, noise = f"{parameter:g}/{i % per}", self.noise(i)
            if self.weight > 0:
                found = Gaussian(mean[grid.now], var[grid.now])
                self.judge_one(grid, parameter, name, "softc", found, mean, truth, noise)
                continue
            means = {"step1": mean, "hardc": weighted_projection(mean, torch.ones_like(var), g, b)}
            means["probconserv"] = weighted_projection(mean, var, g, b)
            for method in worst:
                worst[method] = max(worst[method], float(conservation_error(means[method], g, b).abs().max()))
            prior = Gaussian(mean[grid.now], var[grid.now])
            for method, update in METHODS.items():
                found = update(prior, g, b[grid.now])
                self.judge_one(grid, parameter, name, method, found, means.get(method), truth, noise)
            if self.cones and self.data.law.falls:
                for method, falling in (("nonnegative", False), ("falling", True)):
                    found = Gaussian(nonnegative(prior, g, b[grid.now], falling), prior.cov)
                    self.judge(grid, parameter, name, method, found)
        if self.weight == 0:
            for method, error in worst.items():
                self.scalar(f"ce/worst/{method}", error)
        for parameter in self.data.parameters:
            miss = conservation_error(grid.truth(parameter), grid.g, grid.b(parameter))
            self.scalar(f"floor/{parameter:g}", miss[grid.now].abs())
        if self.profiles:
            self.record_profiles(grid)

    def noise(self, *axis: int) -> Tensor | None:
        """Normal numbers behind the shock positions of a test function, the same for every method, [positions, nx]."""
        if not self.data.law.jumps:
            return None
        generator = self.seeds.torch("shock", *axis)
        return torch.randn(self.positions, self.nx, generator=generator, dtype=torch.float64)

    def judge_one(
        self,
        grid: Grid,
        parameter: float,
        name: str,
        method: str,
        found: Gaussian,
        everywhere: Tensor | None,
        truth: Tensor,
        noise: Tensor | None,
    ) -> None:
        """A method with a Gaussian: also the relative error over the grid, calibration, and where it puts the shock.

        `log_shock_sd` takes the standard deviation for the variance, as the published analysis does for step 1 and
        SoftC.
        """
        more: dict[str, float] = {}
        if everywhere is not None:
            more["relative"] = float((everywhere - truth).square().sum() / truth.square().sum())
        if method in ("step1", "softc"):
            error = (found.mean - truth[grid.now]).abs()
            more["rank"] = float(spearmanr(found.var.numpy(), error.numpy()).statistic)
            if noise is not None:
                wide = Gaussian(found.mean, found.cov.sqrt())
                more["log_shock_sd"] = log_shock_error(grid, parameter, wide, noise)
        if noise is not None:
            more["log_shock"] = log_shock_error(grid, parameter, found, noise)
        self.judge(grid, parameter, name, method, found, **more)

    def record_profiles(self, grid: Grid) -> None:
        """Units named "profile" (x by x at the time of interest) and "mass" (time by time), for every method."""
        parameter = self.data.parameters[0]
        (mean, var), g, b = self.predict(grid, 0), grid.g, grid.b(parameter)
        truth, prior = grid.truth(parameter)[grid.now], Gaussian(mean[grid.now], var[grid.now])
        noise = self.noise(0)
        assert noise is not None
        masses = {"step1": mean, "probconserv": weighted_projection(mean, var, g, b)}
        methods = METHODS if self.weight == 0 else {"softc": METHODS["step1"]}
        for method, update in methods.items():
            found = update(prior, g, b[grid.now])
            where = torch.bucketize(shock_position(draws(found, noise), grid.x), grid.x)
            hits = torch.bincount(where, minlength=self.nx).double() / self.positions
            columns = (grid.x, truth, found.mean, found.var.clamp_min(0).sqrt(), hits)
            for x, u, m, sd, share in zip(*(c.tolist() for c in columns), strict=True):
                self.unit("profile", method=method, x=x, truth=u, mean=m, sd=sd, hits=share)
        for method, field in ({"softc": mean} if self.weight > 0 else masses).items():
            total = (field @ g.T)[:, 0]
            for t, value, exact in zip(grid.t.tolist(), total.tolist(), b[:, 0].tolist(), strict=True):
                self.unit("mass", method=method, t=t, mass=value, b=exact)


@modules.register("probconserv/gp", source="sklearn.gaussian_process", reduced={"nx": 21})
class GaussianProcess(Judged):
    """Step 1 by a Gaussian process with fixed kernel, whose covariance is full; a step is a test function.

    RBF with length scales 0.2 on inputs scaled to [0, 1], amplitude the variance of the context's values, nugget 1e-6,
    mean zero; 1e-10 I is added to the predicted covariance. The update is compared with a dense Schur complement.

    Args:
        nx: points of the test grid.
    """

    takes = ("data",)
    device_free = True

    def __init__(self, *, nx: int = 201) -> None:
        super().__init__()
        self.nx = nx

    @property
    def total(self) -> int:
        """One step a test function."""
        assert self.data.test is not None
        return len(self.data.test)

    def measure_at(self, total: int) -> Iterable[int]:
        """There is no curve."""
        return ()

    def build(self) -> None:
        """Refuses other data."""
        self.check_data()

    def predict(self, grid: Grid, i: int) -> Gaussian:
        """Mean and covariance of test function i at the time of interest."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel

        assert self.data.test is not None
        x, y = self.data.test.x[i], self.data.test.y[i, :, 0].double().numpy()
        kernel = ConstantKernel(float(np.var(y)), "fixed") * RBF((0.2, 0.2), "fixed")
        gp = GaussianProcessRegressor(kernel, alpha=1e-6, optimizer=None)
        gp.fit((self.data.scaled(x.double()).numpy() + 1) / 2, y)
        at = torch.stack([grid.t[grid.now].expand(self.nx), grid.x], -1)
        mean, cov = gp.predict((self.data.scaled(at).numpy() + 1) / 2, return_cov=True)
        symmetric = torch.from_numpy((cov + cov.T) / 2)
        return Gaussian(torch.from_numpy(mean), symmetric + 1e-10 * torch.eye(self.nx, dtype=torch.float64))

    def advance(self, start: int, stop: int) -> None:
        """Test functions start, ..., stop-1."""
        grid, per = Grid(self.data, self.nx, 20), self.data.sizes[1]
        for i in range(start, stop):
            parameter, prior = self.data.parameters[i // per], self.predict(grid, i)
            b, name = grid.b(parameter)[grid.now], f"{parameter:g}/{i % per}"
            for method in ("step1", "hardc", "probconserv"):
                found = METHODS[method](prior, grid.g, b)
                more = {}
                if method == "probconserv":
                    mean, cov = schur(prior.mean, prior.cov, grid.g, b, 0.0)
                    more = {
                        "schur_mean": float(np.abs(found.mean.numpy() - mean).max()),
                        "schur_cov": float(np.abs(found.cov.numpy() - cov).max()),
                        "constraint": float((found.cov @ grid.g.T).abs().max()),
                        "trace": abs(information_left(prior, found) - (self.nx - 1)),
                    }
                self.judge(grid, parameter, name, method, found, **more)
