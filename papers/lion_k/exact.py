"""Checks that are identities: the derivative of H along the flow (check 2) and the size of optimizer states (check 8).

Points are drawn from fixed seeds of their own; a run's seed does not enter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from assay.exact import ExactModule, collect, exact
from assay.models import MLP
from assay.module import modules
from assay.optimizers import AdamW, LionK
from assay.optimizers.kappas import Relativistic
from assay.seeds import Seeds
from papers.lion_k.problems import Flow, Quadratics

SEEDS = Seeds(0)

SETTINGS = ((1.0, 1.0, 0.5, 1.0), (1.0, 0.5, 1.5, 2.0), (2.0, 1.0, 0.9, 1.0))
"""(alpha, gamma, eps, lambda) of the three flows."""

POINTS, D = 1000, 5


@exact("2")
def derivative_of_lyapunov() -> Mapping[str, float]:
    """H' along the flow by the chain rule against its closed form, and the same for H with a wrong factor.

    H' = -(c/eps) <m - m~, dK(m) - dK(m~)> - (gamma + c lambda) <dK*(lambda x) - m~, lambda x - dK(m~)>

    Both brackets are monotonicity gaps of a subgradient, hence >= 0: this is the paper's proof that H falls.
    """
    worst, control = 0.0, 0.0
    for i, (alpha, gamma, eps, decay) in enumerate(SETTINGS):
        random = SEEDS.numpy("lyapunov", i)
        f = Quadratics.draw(Seeds(SEEDS.axis("lyapunov", i)), POINTS, D)
        flow = Flow(f, Relativistic(e=0.3), alpha, gamma, eps, decay)
        x = torch.from_numpy(random.uniform(-0.95, 0.95, (POINTS, D))) / decay
        m = torch.from_numpy(random.standard_normal((POINTS, D)))
        expected = closed_form(flow, x, m)
        worst = max(worst, deviation(chain_rule(flow, x, m, flow.c), expected))
        control = max(control, deviation(chain_rule(flow, x, m, 1 - eps * gamma), expected))
    return {"deviation": worst, "control": control}


def chain_rule(flow: Flow, x: Tensor, m: Tensor, factor: float) -> Tensor:
    """<dH/dx, x'> + <dH/dm, m'>, [n], with autograd's derivatives of H."""
    x, m = x.clone().requires_grad_(), m.clone().requires_grad_()
    dx, dm = torch.autograd.grad(flow.lyapunov(x, m, factor).sum(), (x, m))
    with torch.no_grad():
        x_dot, m_dot = flow.velocity(x, m)
    return (dx * x_dot).sum(-1) + (dm * m_dot).sum(-1)


def closed_form(flow: Flow, x: Tensor, m: Tensor) -> Tensor:
    """The right-hand side above, [n]."""
    ahead, scaled = flow.ahead(x, m), (flow.decay * x).requires_grad_()
    (inverse,) = torch.autograd.grad(flow.kappa.conjugate(scaled).sum(), scaled)  # dK*(lambda x)
    dk, scaled = flow.kappa.subgradient, scaled.detach()
    first = ((m - ahead) * (dk(m) - dk(ahead))).sum(-1)
    second = ((inverse - ahead) * (scaled - dk(ahead))).sum(-1)
    return -flow.c / flow.eps * first - (flow.gamma + flow.c * flow.decay) * second


def deviation(found: Tensor, expected: Tensor) -> float:
    """The largest relative deviation over the points."""
    return float(((found - expected) / expected).abs().max())


@exact("8")
def state_sizes() -> Mapping[str, float]:
    """Bytes of optimizer state in tensors of their parameter's shape, Lion / AdamW, on the card's network."""
    lion, adamw = (state_bytes(make) for make in (LionK, AdamW))
    return {"ratio": lion / adamw}


def state_bytes(make: Callable[[Iterable[nn.Parameter]], Optimizer]) -> int:
    """State of an MLP 784-128-128-10 after one step. AdamW's step counter, one number a tensor, is left out."""
    net = MLP((784,), 10)
    optimizer = make(net.parameters())
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    return sum(tensor.nbytes for p in net.parameters() for tensor in _like(p, optimizer.state[p].values()))


def _like(p: Tensor, state: Iterable[Tensor]) -> list[Tensor]:
    return [tensor for tensor in state if tensor.shape == p.shape]


@modules.register("lion_k/exact")
class LionExact(ExactModule):
    """The exact checks above."""

    checks = collect(__name__)
