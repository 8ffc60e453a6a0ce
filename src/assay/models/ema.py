"""An exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Tensors = tuple[Tensor, ...] | list[Tensor]


def ema_of(net: nn.Module, decay: float) -> AveragedModel:
    """v_t = decay v_{t-1} + (1 - decay) theta_t with v_0 = theta_0, buffers included; call `update_parameters(net)`.

    torch's own average takes theta_1 for the first update, which would forget the start; here it counts from it.
    """
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    average.requires_grad_(False)
    average.n_averaged += 1
    return average


def ema_with_half_life(net: nn.Module, batch: int, half_life: float, ramp_up: float) -> AveragedModel:
    """As `ema_of`, with a half-life counted in samples that grows with the samples seen until it is `half_life`.

    At the t-th update the decay is (1/2)^(batch / min(half_life, ramp_up t batch)): early averages forget the start.

    Source: Karras et al. (2022), arXiv 2206.00364, Appendix F.

    Args:
        net: what is averaged.
        batch: samples between two updates.
        half_life: samples after which a weight counts half.
        ramp_up: half-life as a share of the samples seen, early on.
    """

    @torch.no_grad()
    def towards(averages: Tensors, currents: Tensors, updates: Tensor | int) -> None:
        samples = min(half_life, ramp_up * float(updates) * batch)
        torch._foreach_lerp_(averages, currents, 1 - 0.5 ** (batch / samples))

    average = AveragedModel(net, multi_avg_fn=towards, use_buffers=True)
    average.requires_grad_(False)
    average.n_averaged += 1
    return average
