"""The attentive neural process: targets attend to the context, and a latent variable stands for the whole function."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from assay.errors import UserError
from assay.models.base import models
from assay.models.cnp import Fit, NeuralProcess, spread


def linear(a: int, b: int, gain: float = 1.0, bias: bool = True) -> nn.Linear:
    """A linear layer with Xavier's uniform start."""
    layer = nn.Linear(a, b, bias=bias)
    nn.init.xavier_uniform_(layer.weight, gain)
    return layer


class Attention(nn.Module):
    """LayerNorm(query + dropout(Linear(query, heads))), dropout on the attention weights too.

    Args:
        hidden: width, a multiple of the heads.
        heads: number of heads.
        dropout: share that is dropped.
    """

    def __init__(self, hidden: int, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        if hidden % heads:
            raise UserError(f"model.hidden={hidden}: attention with {heads} heads needs a multiple of them")
        self.key, self.value, self.query = (linear(hidden, hidden, bias=False) for _ in range(3))
        self.mix, self.norm, self.drop = linear(2 * hidden, hidden), nn.LayerNorm(hidden), nn.Dropout(dropout)
        self.heads = heads

    def forward(self, key: Tensor, value: Tensor, query: Tensor) -> Tensor:
        """[B, T, h] for keys and values [B, C, h] and queries [B, T, h]."""
        k, v, q = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.key, key), (self.value, value), (self.query, query))
        )
        # Written out: fused kernels have no second derivatives, which soft constraints on a PDE need.
        weights = self.drop((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1))
        seen = (weights @ v).transpose(1, 2).flatten(-2)
        out: Tensor = self.norm(query + self.drop(self.mix(torch.cat([query, seen], -1))))
        return out


@models.register("anp", source="arXiv 1901.05761", reduced={"hidden": 8})
class ANP(NeuralProcess):
    """Attentive neural process, with the layers of arXiv 2302.11002.

    z ~ N(mu, exp(log var)) is encoded from a set by self-attention and a mean; the deterministic path attends from the
    targets to the context; the decoder reads (r, z, target), 3 h wide, through ReLU layers. While training, z is drawn
    from the targets' own encoding, and KL(q(z | targets) || q(z | context)) is returned.

    Args:
        inputs: shape of one point; it is flattened.
        outputs: q, the number of values at a point.
        hidden: h.
        heads: of every attention block.
        dropout: in attention blocks.
        floor: least standard deviation.
    """

    stochastic = True

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        hidden: int = 128,
        heads: int = 4,
        dropout: float = 0.1,
        floor: float = 1e-3,
    ) -> None:
        super().__init__()
        d, relu = math.prod(inputs), nn.init.calculate_gain("relu")

        def blocks() -> nn.ModuleList:
            return nn.ModuleList(Attention(hidden, heads, dropout) for _ in range(2))

        self.latent_in, self.latent_self = linear(d + outputs, hidden), blocks()
        self.latent_mid = linear(hidden, hidden, relu)
        self.latent_mean, self.latent_log_var = linear(hidden, hidden), linear(hidden, hidden)
        self.context_in, self.context_self, self.cross = linear(d + outputs, hidden), blocks(), blocks()
        self.key_in, self.query_in, self.target_in = (linear(d, hidden) for _ in range(3))
        self.decoder = nn.ModuleList(linear(3 * hidden, 3 * hidden, relu) for _ in range(3))
        self.out, self.floor = linear(3 * hidden, 2 * outputs), floor

    def latent(self, points: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of z for a set, [B, h] each."""
        s = self.latent_in(torch.cat([points, values], -1))
        for block in self.latent_self:
            s = block(s, s, s)
        s = self.latent_mid(s.mean(1)).relu()
        return self.latent_mean(s), self.latent_log_var(s)

    def path(self, context: Tensor, values: Tensor, targets: Tensor) -> Tensor:
        """r: what the targets see of the context, [B, T, h]."""
        s = self.context_in(torch.cat([context, values], -1))
        for block in self.context_self:
            s = block(s, s, s)
        keys, query = self.key_in(context), self.query_in(targets)
        for block in self.cross:
            query = block(keys, s, query)
        return query

    def decode(self, r: Tensor, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and sd, [B, T, q], for z [B, h]."""
        s = torch.cat([r, z.unsqueeze(1).expand_as(r), self.target_in(targets)], -1)
        for layer in self.decoder:
            s = layer(s).relu()
        mean, raw = self.out(s).chunk(2, -1)
        return mean, spread(raw, self.floor)

    def fit(self, context: Tensor, values: Tensor, targets: Tensor, truth: Tensor) -> Fit:
        """With z from the targets' encoding; derivatives in the targets go through the query alone."""
        prior, prior_log = self.latent(context, values)
        post, post_log = self.latent(targets.detach(), truth)
        z = post + (0.5 * post_log).exp() * torch.randn_like(post)
        ratio = (post_log.exp() + (post - prior).square()) / prior_log.exp()
        kl = 0.5 * (ratio - 1 + prior_log - post_log).sum(-1)
        mean, sd = self.decode(self.path(context, values, targets), z, targets)
        return Fit(mean, sd, kl)

    def predict(
        self, context: Tensor, values: Tensor, targets: Tensor, draws: int = 1, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """With z from the context's encoding: the variance is the mean of variances plus the variance of means."""
        mu, log_var = self.latent(context, values)
        r = self.path(context, values, targets)
        means, variances = [], []
        for _ in range(draws):
            noise = torch.randn(mu.shape, generator=generator).to(mu)
            mean, sd = self.decode(r, mu + (0.5 * log_var).exp() * noise, targets)
            means.append(mean)
            variances.append(sd.square())
        stacked = torch.stack(means)
        between = stacked.var(0) if draws > 1 else 0.0
        return stacked.mean(0), (torch.stack(variances).mean(0) + between).sqrt()
