"""What a network said before and what it says now: a ring buffer of past outputs, and their divergence from new ones.

The trajectory loss of SAF and MESA (arXiv 2205.14083) holds a network's softened outputs back where they were some
epochs ago. It is no loss of scores and labels, so it stands beside the registry of losses.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def trajectory_kl(out: Tensor, ref: Tensor, tau: float) -> Tensor:
    """tau^2 KL(softmax(ref/tau) || softmax(out/tau)), [B]; differentiable in `out` alone.

    Args:
        out: scores now, [B, C].
        ref: scores to stay near, [B, C].
        tau: temperature; the factor tau^2 keeps gradients of one size for every tau.
    """
    log_p, log_q = F.log_softmax(out / tau, 1), F.log_softmax(ref.detach() / tau, 1)
    return tau**2 * (log_q.exp() * (log_q - log_p)).sum(1)


class TrajectoryKL(nn.Module):
    """(lambda / |B|) sum_i tau^2 KL(softmax(ref_i/tau) || softmax(out_i/tau)), over the rows that have a reference.

    Args:
        lambda_: weight.
        tau: temperature.
    """

    def __init__(self, lambda_: float, tau: float = 5.0) -> None:
        super().__init__()
        self.lambda_, self.tau = lambda_, tau

    def forward(self, out: Tensor, ref: Tensor) -> Tensor:
        """A scalar for scores [B, C]; rows of `ref` with NaN (never seen) are left out of the mean."""
        seen = ~ref.isnan().any(1)
        # Every row goes through, with itself as reference where it has none: no data-dependent shapes on a GPU.
        kl = trajectory_kl(out, torch.where(seen[:, None], ref.to(out.dtype), out.detach()), self.tau)
        return self.lambda_ * (kl * seen).sum() / seen.sum().clamp_min(1)


class OutputCache(nn.Module):
    """The outputs of the last epochs for every training sample, as a ring over epochs; part of a checkpoint.

    Memory is samples x slots x classes numbers.

    Args:
        samples: n.
        slots: epochs that are kept.
        classes: C.
        dtype: of the numbers.
    """

    outputs: Tensor

    def __init__(self, samples: int, slots: int, classes: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        # Not a number until written: what was never seen cannot be taken for an output.
        self.register_buffer("outputs", torch.full((samples, slots, classes), torch.nan, dtype=dtype))

    def store(self, index: Tensor, epoch: int, out: Tensor) -> None:
        """Keep outputs [B, C] of the samples `index` [B] in this epoch, in place of those `slots` epochs ago."""
        self.outputs[index, epoch % self.outputs.shape[1]] = out.detach().to(self.outputs.dtype)

    def read(self, index: Tensor, epoch: int) -> Tensor:
        """The outputs [B, C] of an epoch among the last `slots`; NaN where there were none."""
        return self.outputs[index, epoch % self.outputs.shape[1]]
