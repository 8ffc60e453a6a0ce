"""E4: the price of a European call as a value function, learned by a network from paths of the stock.

X is geometric Brownian motion with the riskless rate as drift and as discount, r = 0 and h(x) = (x - strike)^+. Then J
is the Black-Scholes price. The network f enters as J = h + (T - t) f(t, x / strike), so that J(T, .) = h always holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import numpy as np
import torch
from scipy.special import ndtr
from torch import Tensor, nn

from assay.models.hard_terminal import HardTerminal
from assay.module import GradientModule, even_steps, modules
from assay.solvers.exact_sde import GeometricBrownian

SHOWN = np.linspace(0.6, 1.4, 33)
"""Prices of the stock at which J(T/2, x) is recorded, as multiples of the strike: where paths are at that time."""


def black_scholes(tau: Tensor, x: Tensor, strike: float, rate: float, sigma: float) -> Tensor:
    """x N(d1) - strike e^{-rate tau} N(d2), for tau > 0; the same shape as x."""
    total, spread = tau.double(), sigma * tau.double().sqrt()
    d1 = ((x.double() / strike).log() + (rate + sigma**2 / 2) * total) / spread
    price = x.double() * _normal(d1) - strike * torch.exp(-rate * total) * _normal(d1 - spread)
    return price.to(x.dtype)


def _normal(x: Tensor) -> Tensor:
    return torch.from_numpy(ndtr(x.cpu().numpy())).to(x.device)


@modules.register("ct_policy_eval/option", source="arXiv 2108.06655")
class Option(GradientModule):
    """A network trained by one of three losses on fresh paths at every step.

    With g = e^{-rate dt}, d_i = g J_{i+1} - J_i and G_i = g^{K-i} h(X_T), means over the batch of
        ml         (1/2) sum (G_i - J_i)^2 dt, the martingale loss
        ctd        a step along -sum (grad_th J_i) d_i, CTD(0): d_i is held fixed
        residual   (1/2) sum d_i^2 / dt, the mean-square TD error, with its full gradient

    Args:
        method: see above.
        dates: K, equal steps to maturity.
        test: paths on which the error against Black-Scholes is measured.
        start: X_0.
        strike, horizon, rate, sigma: of the call and the market.
    """

    takes = ("model", "optimizer", "schedule")
    default_parts = {"schedule": "constant", "optimizer": "adam", "model": "mlp"}
    model_part: Callable[..., nn.Module]

    def __init__(
        self,
        *,
        method: Literal["ml", "ctd", "residual"] = "ml",
        dates: int = 25,
        test: int = 10_000,
        start: float = 1.0,
        strike: float = 1.0,
        horizon: float = 1.0,
        rate: float = 0.05,
        sigma: float = 0.2,
    ) -> None:
        super().__init__()
        self.method, self.dates, self.test = method, dates, test
        self.start, self.strike, self.horizon, self.rate, self.sigma = start, strike, horizon, rate, sigma
        self.dt = horizon / dates
        self.g = math.exp(-rate * self.dt)

    def build(self) -> None:
        """The network, the dates, and test paths that all methods of a seed share."""
        with self.seeds.torch_global("init"):
            net = self.model_part((2,), 1)
        self.J = HardTerminal(net, self.payoff, self.horizon, self.strike)
        self.times: Tensor
        self.test_x: Tensor
        self.test_price: Tensor
        self.register_buffer("times", torch.arange(self.dates) * self.dt, persistent=False)
        x = self.paths(self.test, "test")[:, :-1]
        tau = (self.horizon - self.times).expand(len(x), -1)
        self.register_buffer("test_x", x, persistent=False)
        price = black_scholes(tau, x, self.strike, self.rate, self.sigma)
        self.register_buffer("test_price", price, persistent=False)
        self.optimize(self.J.parameters())

    def payoff(self, x: Tensor) -> Tensor:
        """h, [B] for prices [B, 1]."""
        return (x[:, 0] - self.strike).clamp_min(0)

    def paths(self, n: int, *axis: str | int) -> Tensor:
        """[n, K + 1] prices at the dates 0, ..., K, exact in law."""
        noise = self.seeds.numpy(*axis).standard_normal((self.dates, n))
        x = GeometricBrownian(self.rate, self.sigma).paths(self.start, noise, self.dt)
        return torch.from_numpy(x.T.astype(np.float32))

    def batch(self, step: int) -> Tensor:
        """The paths of a step, [batch, K + 1]."""
        return self.paths(self.budget.batch or 256, "paths", step).to(self.device)

    def values(self, x: Tensor) -> Tensor:
        """J at the dates 0, ..., K - 1 of paths x [B, K], [B, K]."""
        t = self.times.expand(len(x), -1)
        values: Tensor = self.J(t.reshape(-1), x.reshape(-1, 1))
        return values.view_as(x)

    def objective(self, index: Tensor) -> Tensor:
        """The scalar whose gradient is the method's direction, on the paths that `batch` returned."""
        J, h = self.values(index[:, :-1]), self.payoff(index[:, -1:])
        if self.method == "ml":
            G = h[:, None] * self.g ** torch.arange(self.dates, 0, -1, device=J.device)
            return 0.5 * self.dt * (G - J).square().sum(1).mean()
        d = self.g * torch.cat([J[:, 1:], h[:, None]], 1) - J
        if self.method == "ctd":
            return -(J * d.detach()).sum(1).mean()
        return 0.5 / self.dt * d.square().sum(1).mean()

    def measure_at(self, total: int) -> Iterable[int]:
        """Twenty times."""
        return even_steps(total, 20)

    @torch.no_grad()
    def measure(self) -> Mapping[str, float]:
        """Root mean square error against Black-Scholes over the dates 0, ..., K - 1 of the test paths."""
        return {"rmse": float((self.values(self.test_x) - self.test_price).square().mean().sqrt())}

    @torch.no_grad()
    def finish(self) -> None:
        """The error, how smooth the process J(t, X_t) is, and J(T/2, x) for the figure."""
        self.scalar("rmse", self.measure()["rmse"])
        J = self.values(self.test_x)
        self.scalar("rmse/first_date", (J[:, 0] - self.test_price[:, 0]).square().mean().sqrt())
        self.scalar("variation/fitted", (self.g * J[:, 1:] - J[:, :-1]).square().sum(1).mean())
        true = self.test_price
        self.scalar("variation/true", (self.g * true[:, 1:] - true[:, :-1]).square().sum(1).mean())
        x = torch.from_numpy(SHOWN.astype(np.float32)).to(self.device) * self.strike
        middle = torch.full_like(x, self.horizon / 2)
        fitted = self.J(middle, x[:, None])
        price = black_scholes(middle, x, self.strike, self.rate, self.sigma)
        for at, value, truth in zip(SHOWN, fitted.tolist(), price.tolist(), strict=True):
            self.unit(f"{at:.3f}", x=float(at), price=value, truth=truth)
