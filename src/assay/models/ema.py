"""An exponential moving average of a network's weights."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def ema_of(net: nn.Module, decay: float) -> AveragedModel:
    """v_t = decay v_{t-1} + (1 - decay) theta_t with v_0 = theta_0, buffers included; call `update_parameters(net)`.

    torch's own average takes theta_1 for the first update, which would forget the start; here it counts from it.
    """
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    average.requires_grad_(False)
    average.n_averaged += 1
    return average
