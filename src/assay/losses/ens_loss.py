"""EnsLoss: a new random convex, calibrated loss at every step, by its derivative alone.

To a gradient step a loss phi of the margin z = y f(x) is the list of its slopes phi'(z_i) on the batch. A convex phi
has slopes that do not fall as z grows, a classification-calibrated one a negative slope at 0 (Bartlett et al. 2006). So
random negative numbers, sorted along the margins, are slopes of some such loss, and there is no need to know which.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from assay.errors import UserError
from assay.losses.base import Loss, losses
from assay.losses.margin import margin
from assay.seeds import Seeds

Slopes = Literal["sorted", "shuffled", "expected"]

STRICT = 1e-6
"""What is taken off every slope, so that all are negative."""

NODES = 300
"""Of the quadrature for expected order statistics; their mean then is right to 1e-8."""


def inverse_box_cox(v: Tensor, lambda_: float = 0.0) -> Tensor:
    """exp(v) for lambda = 0, else (max(0, 1 + lambda v))^(1/lambda), which may be infinite for lambda < 0."""
    if lambda_ == 0:
        return v.exp()
    return (torch.log1p((lambda_ * v).clamp_min(-1)) / lambda_).exp()


def magnitudes(v: Tensor, lambda_: float = 0.0) -> Tensor:
    """Steps 2 and 3: slopes r = max(-1, -BC^-1(v)) in [-1, 0] of normal draws v, in the order of the draws."""
    return (-inverse_box_cox(v, lambda_)).clamp_min(-1)


def along(r: Tensor, z: Tensor) -> Tensor:
    """Step 4: the k-th smallest slope goes to the sample with the k-th smallest margin, ties in their order, [B]."""
    out = torch.empty_like(r)
    out[z.argsort(stable=True)] = r.sort().values
    return out


def tempered(r: Tensor, z: Tensor) -> Tensor:
    """Steps 5 and 6: slopes beyond z = 1 fade as 1/z, and all are made negative, [B]."""
    return torch.where(z > 1, r / z.clamp_min(1), r) - STRICT


@functools.lru_cache(maxsize=64)
def expected_slopes(batch: int, lambda_: float = 0.0) -> Tensor:
    """E[r_(k)] for k = 1, ..., batch: what sorted magnitudes are on average, ascending, [batch] in double precision.

    The k-th smallest of `batch` slopes is the slope at v = Phi^-1(1 - U) with U the k-th smallest of uniform draws, a
    Beta(k, batch - k + 1); half of the mass (U < 1/2) is clipped to -1, the rest is integrated by Gauss-Legendre.
    """
    from scipy import special  # only this control needs it

    x, weight = np.polynomial.legendre.leggauss(NODES)
    u, weight = 0.75 + 0.25 * x, 0.25 * weight
    size = -magnitudes(torch.from_numpy(-special.ndtri(u)), lambda_).numpy()
    a = np.arange(1, batch + 1)[:, None]
    b = batch - a + 1
    density = np.exp(special.xlogy(a - 1, u) + special.xlog1py(b - 1, -u) - special.betaln(a, b))
    return -torch.from_numpy(special.betainc(a, b, 0.5)[:, 0] + density @ (weight * size))


@losses.register("ens_loss", source="Dai, ICML 2025 (arXiv 2409.00908)")
class EnsLoss(Loss):
    """mean_i g_i z_i with slopes g drawn anew at every step, which are no functions of the parameters.

    The value means nothing; its gradient is that of a random convex, calibrated loss. The slopes of step t are a
    function of a seed and t: of the process's seed, or of the one given to `reseed`. A small batch makes coarse slopes:
    its size is a parameter of the method.

    Args:
        slopes: "sorted" is the method. Two controls: "shuffled" leaves the draws where they fall, which breaks
            convexity; "expected" gives every rank its expected slope, one loss for all batches of a size.
        lambda_: of the inverse Box-Cox map that makes magnitudes of normal draws; 0 is log-normal.
        period: lambda is drawn from U(-1, 1) at every epoch that `period` divides; 0 keeps `lambda_`.
    """

    def __init__(self, *, slopes: Slopes = "sorted", lambda_: float = 0.0, period: int = 0) -> None:
        super().__init__()
        if period < 0 or (period and slopes == "expected"):
            raise UserError(f"period={period}: expected 0, or a number of epochs with slopes that are drawn")
        self.slopes, self.lambda_, self.period = slopes, lambda_, period
        self.root, self.step, self.seen, self.samples = torch.initial_seed(), 0, 0, 1

    def prepare(self, samples: int, classes: int) -> None:
        """The number of training samples says when an epoch is over."""
        self.samples = max(samples, 1)

    def reseed(self, root: int) -> None:
        """Draw from this seed, from step 0 on."""
        self.root, self.step, self.seen = root, 0, 0

    def draw(self, z: Tensor) -> Tensor:
        """Slopes g of the current step at the margins z, [B]; all negative, none above 1 + 1e-6 in size."""
        if self.slopes == "expected":
            return tempered(along(expected_slopes(len(z), self.lambda_).to(z), z), z)
        # Drawn on the CPU, so that a batch has the same slopes on every device.
        v = torch.randn(len(z), generator=Seeds(self.root).torch("slopes", self.step), dtype=z.dtype)
        r = magnitudes(v, self.current_lambda()).to(z.device)
        return tempered(along(r, z) if self.slopes == "sorted" else r, z)

    def current_lambda(self) -> float:
        """The lambda of the current step."""
        if not self.period:
            return self.lambda_
        epoch = self.seen // self.samples
        return float(Seeds(self.root).numpy("lambda", epoch - epoch % self.period).uniform(-1, 1))

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """g_i z_i, [B], for scores [B, 1] or [B, K] and classes y [B]; in training the next call is the next step."""
        z = margin(scores, y)
        g = self.draw(z.detach())
        if self.training:
            self.step, self.seen = self.step + 1, self.seen + len(z)
        return g * z

    def get_extra_state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on with the same slopes."""
        return {"root": self.root, "step": self.step, "seen": self.seen}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from `get_extra_state`."""
        self.root, self.step, self.seen = state["root"], state["step"], state["seen"]
