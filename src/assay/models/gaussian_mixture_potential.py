"""A Schroedinger potential that is a Gaussian mixture: entropic transport with everything in closed form.

Between p0 and p1 on R^D, the entropic plan with cost |x0 - x1|^2 / 2 and regularisation eps has the form
pi(x0, x1) = p0(x0) exp(<x0, x1> / eps) v(x1) / c(x0), where v is the *adjusted* potential,
v(x1) = exp(-|x1|^2 / (2 eps)) phi(x1). With a mixture for v the normaliser c, the conditional plan pi(.|x0), its
moments, its samples and the drift of the diffusion dX = g(X, t) dt + sqrt(eps) dW behind it need no integral and no
simulation. Exponents grow like |x|^2 / eps, so everything stays in log space; for small eps use double precision.

Source: Korotin, Gushchin, Burnaev (2024), arXiv 2310.01174.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from assay.errors import UserError
from assay.models.base import models


@models.register("gaussian_mixture_potential", source="arXiv 2310.01174", reduced={"components": 3})
class GaussianMixturePotential(nn.Module):
    """v(x1) = sum_k alpha_k N(x1 | r_k, eps S_k), with unnormalised weights alpha_k.

    S_k = Q_k diag(s_k) Q_k^T with Q_k = exp(skew-symmetric), or the identity for diagonal S_k. In methods B is the
    number of points, K of components; [B, D] points come in and the stated shapes go out.

    Args:
        inputs: shape of one point, (D,).
        outputs: D, the dimension of the conditional mean that `forward` returns.
        components: K.
        eps: variance of the reference Wiener process, which is the strength of the regularisation.
        covariance: "diagonal" S_k or "full" ones.
        scale: all eigenvalues of S_k at the start.
        bounds: [low, high] for the eigenvalues of S_k, kept by `project`; the objective has no minimum over a finite
            sample without a lower bound (a component that collapses onto a point makes it arbitrarily small).
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        components: int = 50,
        eps: float = 0.1,
        covariance: Literal["diagonal", "full"] = "diagonal",
        scale: float = 1.0,
        bounds: list[float] | None = None,
    ) -> None:
        super().__init__()
        if len(inputs) != 1 or outputs != inputs[0]:
            raise UserError(f"a potential maps R^D to R^D; the data have inputs {list(inputs)} and {outputs} outputs")
        if eps <= 0 or scale <= 0 or components < 1 or (bounds and not 0 < bounds[0] < bounds[1]):
            raise UserError("model: eps, scale, components and bounds must be positive, and bounds ascending")
        dimension = inputs[0]
        self.eps, self.bounds = eps, bounds
        # log alpha is stored times eps, as in the authors' code: this sets the relative learning rate of the weights.
        self.scaled_log_alpha = nn.Parameter(torch.full((components,), -eps * math.log(components)))
        self.r = nn.Parameter(torch.randn(components, dimension))
        self.log_s = nn.Parameter(torch.full((components, dimension), math.log(scale)))
        full = covariance == "full"
        self.generators = nn.Parameter(torch.zeros(components, dimension, dimension)) if full else None

    # -- parameters -----------------------------------------------------------------------------------------------

    @property
    def dimension(self) -> int:
        """D."""
        return self.r.shape[1]

    @property
    def log_alpha(self) -> Tensor:
        """log alpha_k, [K]."""
        return self.scaled_log_alpha / self.eps

    @property
    def s(self) -> Tensor:
        """Eigenvalues of S_k, [K, D]; its diagonal where it is diagonal."""
        return self.log_s.exp()

    @property
    def rotations(self) -> Tensor | None:
        """Q_k, [K, D, D], or None for the identity."""
        if self.generators is None:
            return None
        rotations: Tensor = torch.linalg.matrix_exp(self.generators - self.generators.mT)
        return rotations

    @torch.no_grad()
    def set(self, r: Tensor, s: Tensor | None = None, log_alpha: Tensor | None = None) -> None:
        """Put given values into the parameters: centres [K, D], eigenvalues [K, D], log weights [K]."""
        self.r.copy_(r)
        if s is not None:
            self.log_s.copy_(s.log())
        if log_alpha is not None:
            self.scaled_log_alpha.copy_(self.eps * log_alpha)

    @torch.no_grad()
    def project(self) -> None:
        """Bring the eigenvalues of S_k back between `bounds`, if there are any."""
        if self.bounds is not None:
            self.log_s.clamp_(math.log(self.bounds[0]), math.log(self.bounds[1]))

    # -- the potential and its normaliser -------------------------------------------------------------------------

    def log_v(self, x1: Tensor) -> Tensor:
        """log v(x1), [B]: the log-sum-exp over k of log alpha_k + log N(x1 | r_k, eps S_k)."""
        q, s = self.rotations, self.s
        z, r = _turned(x1, q), self._centres(q)
        # |z - r|^2 / s term by term: one matrix product each, at the price of digits that double precision has.
        distance = _pair(z.square(), 1 / s) - 2 * _pair(z, r / s) + (r.square() / s).sum(-1)
        volume = self.log_s.sum(-1) + self.dimension * math.log(2 * math.pi * self.eps)
        return torch.logsumexp(self.log_alpha - 0.5 * (distance / self.eps + volume), -1)

    def log_c(self, x0: Tensor) -> Tensor:
        """log c(x0), [B], with c(x0) = int exp(<x0, x1> / eps) v(x1) dx1."""
        q = self.rotations
        return torch.logsumexp(self._exponents(_turned(x0, q), q), -1)

    def _exponents(self, z: Tensor, q: Tensor | None) -> Tensor:
        """log alpha_k + (x0^T S_k x0 + 2 r_k^T x0) / (2 eps), [B, K], with z_k = Q_k^T x0."""
        return self.log_alpha + (_pair(z.square(), self.s) + 2 * _pair(z, self._centres(q))) / (2 * self.eps)

    # -- the conditional plan -------------------------------------------------------------------------------------

    def forward(self, x0: Tensor) -> Tensor:
        """E[x1 | x0], [B, D]: the barycentric projection."""
        return self.plan_moments(x0)[0]

    def log_plan(self, x0: Tensor, x1: Tensor) -> Tensor:
        """log pi(x1 | x0) = <x0, x1> / eps + log v(x1) - log c(x0), [B]."""
        return (x0 * x1).sum(-1) / self.eps + self.log_v(x1) - self.log_c(x0)

    def plan_components(self, x0: Tensor) -> tuple[Tensor, Tensor]:
        """pi(.|x0) = sum_k w_k N(m_k, eps S_k): log w [B, K] and means m_k = r_k + S_k x0 [B, K, D]."""
        q = self.rotations
        z = _turned(x0, q)
        return torch.log_softmax(self._exponents(z, q), -1), _back(self._centres(q) + self.s * z, q)

    def plan_moments(self, x0: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [B, D] and covariance [B, D, D] of pi(.|x0)."""
        log_weights, means = self.plan_components(x0)
        weights = log_weights.exp()
        mean = torch.einsum("bk,bkd->bd", weights, means)
        apart = weights.sqrt()[..., None] * (means - mean[:, None])
        return mean, apart.mT @ apart + self.eps * torch.einsum("bk,kde->bde", weights, self.matrices())

    def plan_spread(self, x0: Tensor) -> Tensor:
        """Trace of the covariance of pi(.|x0), [B], without the covariance itself."""
        log_weights, means = self.plan_components(x0)
        weights = log_weights.exp()
        mean = torch.einsum("bk,bkd->bd", weights, means)
        within, between = self.eps * self.s.sum(-1), (means - mean[:, None]).square().sum(-1)
        return (weights * (within + between)).sum(-1)

    def matrices(self) -> Tensor:
        """S_k, [K, D, D]."""
        q = self.rotations
        return torch.diag_embed(self.s) if q is None else (q * self.s[:, None]) @ q.mT

    @torch.no_grad()
    def sample(self, x0: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One draw of x1 ~ pi(.|x0) for each row, [B, D]. The generator lives on the CPU, so devices agree."""
        q, s = self.rotations, self.s
        exponents = self._exponents(_turned(x0, q), q)
        # Gumbel's maximum draws the component; torch.multinomial would lose very small weights.
        uniform = torch.rand(exponents.shape, generator=generator, dtype=torch.float64).to(x0.device)
        component = (exponents - (-uniform.log()).log()).argmax(-1)
        noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64).to(x0)
        stretch, spread = s[component], (self.eps * s[component]).sqrt() * noise
        if q is None:
            return self.r[component] + stretch * x0 + spread
        turn = q[component]
        own = torch.einsum("bde,bd->be", turn, x0)
        return self.r[component] + torch.einsum("bde,be->bd", turn, stretch * own + spread)

    # -- the diffusion --------------------------------------------------------------------------------------------

    def drift(self, x: Tensor, t: float) -> Tensor:
        """g(x, t), [B, D], for 0 <= t < 1.

        With A_k = t / (eps (1-t)) I + S_k^{-1} / eps and h_k = x / (eps (1-t)) + S_k^{-1} r_k / eps,
        g = (sum_k softmax(l)_k A_k^{-1} h_k - x) / (1-t), where l_k is the log of the k-th term of
        int exp(-|x1 - x|^2 / (2 eps (1-t)) + |x1|^2 / (2 eps)) v(x1) dx1 up to what the terms share, and
        g = eps grad_x of the log of that integral.
        """
        q, left = self.rotations, 1 - t
        r, precision = self._centres(q), 1 / (self.eps * self.s)
        a = t / (self.eps * left) + precision  # [K, D]
        h = _turned(x, q) / (self.eps * left) + precision * r  # [B, K, D]
        constant = self.log_alpha - 0.5 * (self.log_s + a.log() + precision * r.square()).sum(-1)
        weights = torch.softmax(constant + 0.5 * (h.square() / a).sum(-1), -1)
        return (torch.einsum("bk,bkd->bd", weights, _back(h / a, q)) - x) / left

    @torch.no_grad()
    def bridge(self, x0: Tensor, t: float, generator: torch.Generator | None = None) -> Tensor:
        """A draw of X_t given X_0 = x0, [B, D]: a Brownian bridge to x1 ~ pi(.|x0), with no simulation."""
        x1 = self.sample(x0, generator)
        noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64).to(x0)
        return t * x1 + (1 - t) * x0 + math.sqrt(t * (1 - t) * self.eps) * noise

    def _centres(self, q: Tensor | None) -> Tensor:
        """Q_k^T r_k, [K, D]."""
        return self.r if q is None else torch.einsum("kd,kde->ke", self.r, q)


def _turned(x: Tensor, q: Tensor | None) -> Tensor:
    """Q_k^T x for every k, [B, K, D], or [B, 1, D] where Q_k is the identity."""
    return x[:, None] if q is None else torch.einsum("bd,kde->bke", x, q)


def _back(z: Tensor, q: Tensor | None) -> Tensor:
    """Q_k z_k, [B, K, D] -> [B, K, D]."""
    return z if q is None else torch.einsum("bke,kde->bkd", z, q)


def _pair(z: Tensor, w: Tensor) -> Tensor:
    """sum_d z_bkd w_kd, [B, K]; one matrix product where z is the same for all k ([B, 1, D])."""
    return z[:, 0] @ w.T if z.shape[1] == 1 else torch.einsum("bkd,kd->bk", z, w)
