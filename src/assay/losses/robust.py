"""Losses for noisy labels and the margin losses they are compared with.

All take raw scores. In the formulas f are the scores, p = softmax(f), y is the class, K the number of classes.
A loss is called symmetric if its sum over all classes y is the same for every f: such a loss has the same minimiser
under uniform label noise as without it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from assay.errors import UserError
from assay.losses.base import Loss, losses
from assay.losses.ldr import margins


def log_prob(scores: Tensor, y: Tensor) -> Tensor:
    """log p_y, [B]."""
    return F.log_softmax(scores, dim=1).gather(1, y[:, None]).squeeze(1)


def prob(scores: Tensor, y: Tensor) -> Tensor:
    """p_y, [B]."""
    return log_prob(scores, y).exp()


class MarginLoss(Loss):
    """What the two hinges share.

    Args:
        margin: by how much the right class must lead.
    """

    def __init__(self, *, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin


@losses.register("cs", source="Crammer & Singer, JMLR 2001")
class CSLoss(MarginLoss):
    """Crammer-Singer hinge: max(0, max_{k != y} (margin + f_k - f_y)).

    Args:
        margin: see `MarginLoss`.
    """

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        return margins(scores, y, self.margin).amax(1)  # the entry k = y is the 0 in max(0, .)


@losses.register("ww", source="Weston & Watkins, ESANN 1999")
class WWLoss(MarginLoss):
    """Weston-Watkins hinge, averaged over classes: (1/K) sum_{k != y} max(0, margin + f_k - f_y).

    Args:
        margin: see `MarginLoss`.
    """

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        return margins(scores, y, self.margin).clamp(min=0).mean(1)


@losses.register("gce", source="Zhang & Sabuncu, NeurIPS 2018 (arXiv 1805.07836)")
class GCELoss(Loss):
    """Generalised cross entropy: (1 - p_y^q) / q; cross entropy as q -> 0, 1 - p_y at q = 1.

    Args:
        q: in (0, 1].
    """

    def __init__(self, *, q: float = 0.7) -> None:
        super().__init__()
        if not 0 < q <= 1:
            raise UserError(f"q must lie in (0, 1], not {q}")
        self.q = q

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        return -torch.expm1(self.q * log_prob(scores, y)) / self.q


@losses.register("truncated_gce", source="Zhang & Sabuncu, NeurIPS 2018 (arXiv 1805.07836)")
class TruncatedGCELoss(GCELoss):
    """GCE that pays the constant (1 - k^q) / q for pruned samples, those whose p_y was at most k.

    Which samples are pruned is a state, `kept` (one flag a training sample, all true at first); whoever trains calls
    `prune` now and then. Without `index` every sample counts as kept.

    Args:
        q: in (0, 1].
        k: probability at or below which `prune` drops a sample.
    """

    kept: Tensor

    def __init__(self, *, q: float = 0.7, k: float = 0.5) -> None:
        super().__init__(q=q)
        self.k = k
        self.prepare(0, 0)

    def prepare(self, samples: int, classes: int) -> None:
        """Keep all samples."""
        self.register_buffer("kept", torch.ones(samples, dtype=torch.bool))

    @torch.no_grad()
    def prune(self, scores: Tensor, y: Tensor, index: Tensor) -> None:
        """Decide anew for the samples `index` [B] by their scores [B, K]."""
        self.kept[index] = prob(scores, y) > self.k

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]; `index` [B] says whose flags count."""
        loss = super().forward(scores, y)
        if index is None:
            return loss
        return torch.where(self.kept[index], loss, (1 - self.k**self.q) / self.q)


@losses.register("sce", source="Wang et al., ICCV 2019 (arXiv 1908.06112)")
class SCELoss(Loss):
    """Symmetric cross entropy: (1 - balance) CE + balance * a * (1 - p_y).

    The second term is the reverse cross entropy with log 0 := -a.

    Args:
        balance: weight of the reverse term, in [0, 1].
        a: minus the value that stands for log 0.
    """

    def __init__(self, *, balance: float = 0.5, a: float = 4.0) -> None:
        super().__init__()
        self.balance, self.a = balance, a

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        log_p = log_prob(scores, y)
        return -(1 - self.balance) * log_p - self.balance * self.a * torch.expm1(log_p)


@losses.register("rll", source="Patel & Sastry, PAKDD 2021 (arXiv 2107.09957)")
class RLLLoss(Loss):
    """Robust log loss: log((a+1)/a) - log(a + p_y) + (1/(K-1)) sum_{k != y} log(a + p_k). Symmetric.

    Args:
        a: offset inside the logarithms, positive; it bounds the loss.
    """

    def __init__(self, *, a: float = 1.0) -> None:
        super().__init__()
        if not a > 0:
            raise UserError(f"a must be positive, not {a}")
        self.a = a

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        logs = torch.log(self.a + torch.softmax(scores, dim=1))
        own = logs.gather(1, y[:, None]).squeeze(1)
        return math.log((self.a + 1) / self.a) - own + (logs.sum(1) - own) / (scores.shape[1] - 1)


@losses.register("mae", source="Ghosh, Kumar & Sastry, AAAI 2017 (arXiv 1712.09482)")
class MAELoss(Loss):
    """Mean absolute error of the probabilities: 1 - p_y, half the l1 distance between p and the label. Symmetric."""

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        return -torch.expm1(log_prob(scores, y))


@losses.register("brier", source="Ghosh, Kumar & Sastry, AAAI 2017 (arXiv 1712.09482)")
class BrierLoss(Loss):
    """Squared error of the probabilities: sum_k (1[k = y] - p_k)^2; called MSE in the literature on noisy labels."""

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        p = torch.softmax(scores, dim=1)
        return 1 - 2 * p.gather(1, y[:, None]).squeeze(1) + (p * p).sum(1)


@losses.register("js", source="Englesson & Azizpour, NeurIPS 2021 (arXiv 2105.04522)")
class JSLoss(Loss):
    """Generalised Jensen-Shannon divergence of label and probabilities, scaled so that its limits are known.

    With e = onehot(y), weights (w, 1-w) and m = w e + (1-w) p:
    (H(m) - (1-w) H(p)) / (-(1-w) log(1-w)); cross entropy as w -> 0, 1 - p_y as w -> 1.

    Args:
        weight: w, the label's weight, in (0, 1).
    """

    def __init__(self, *, weight: float = 0.5) -> None:
        super().__init__()
        if not 0 < weight < 1:
            raise UserError(f"weight must lie in (0, 1), not {weight}")
        self.weight = weight

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        log_p = F.log_softmax(scores, dim=1)
        p = log_p.exp()
        mixed = (1 - self.weight) * p + self.weight * F.one_hot(y, scores.shape[1])
        # A probability that underflows must give 0 * log 0 = 0 and no gradient.
        entropy = -(mixed * mixed.clamp(min=torch.finfo(mixed.dtype).tiny).log()).sum(1)
        divergence = entropy + (1 - self.weight) * (p * log_p).sum(1)
        return divergence / (-(1 - self.weight) * math.log(1 - self.weight))


@losses.register("nce", source="Ma et al., ICML 2020 (arXiv 2006.13554)")
class NCELoss(Loss):
    """Normalised cross entropy: log p_y / sum_k log p_k, in (0, 1). Symmetric."""

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        log_p = F.log_softmax(scores, dim=1)
        return log_p.gather(1, y[:, None]).squeeze(1) / log_p.sum(1)


@losses.register("rce", source="Wang et al., ICCV 2019 (arXiv 1908.06112)")
class RCELoss(Loss):
    """Reverse cross entropy, -sum_k p_k log 1[k = y] with log 0 := log(floor): -log(floor) (1 - p_y). Symmetric.

    Args:
        floor: stands for 0 inside the logarithm.
    """

    def __init__(self, *, floor: float = 1e-4) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        return math.log(self.floor) * torch.expm1(log_prob(scores, y))


@losses.register("agce", source="Zhou et al., ICML 2021 (arXiv 2106.03110)")
class AGCELoss(Loss):
    """Asymmetric generalised cross entropy: ((a+1)^q - (a+p_y)^q) / q.

    Args:
        a: offset, positive.
        q: power, positive.
    """

    def __init__(self, *, a: float = 3.0, q: float = 1.5) -> None:
        super().__init__()
        self.a, self.q = a, q

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        return ((self.a + 1) ** self.q - (self.a + prob(scores, y)) ** self.q) / self.q


@losses.register("aul", source="Zhou et al., ICML 2021 (arXiv 2106.03110)")
class AULLoss(Loss):
    """Asymmetric unhinged loss: ((a-p_y)^q - (a-1)^q) / q.

    Args:
        a: offset, above 1.
        q: power, positive.
    """

    def __init__(self, *, a: float = 6.0, q: float = 1.5) -> None:
        super().__init__()
        if not a > 1:
            raise UserError(f"a must be above 1, not {a}")
        self.a, self.q = a, q

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        return ((self.a - prob(scores, y)) ** self.q - (self.a - 1) ** self.q) / self.q


class _ActivePassive(Loss):
    """weight * NCE + (total - weight) * a passive loss that the subclass sets."""

    passive: Loss

    def __init__(self, weight: float, total: float) -> None:
        super().__init__()
        self.weight, self.total, self.active = weight, total, NCELoss()

    def forward(self, scores: Tensor, y: Tensor, index: Tensor | None = None) -> Tensor:
        """Per-sample losses [B] of scores [B, K] and classes y [B]."""
        active: Tensor = self.active(scores, y)
        return self.weight * active + (self.total - self.weight) * self.passive(scores, y)


@losses.register("nce_rce", source="Ma et al., ICML 2020 (arXiv 2006.13554)")
class NCERCELoss(_ActivePassive):
    """Active-passive loss: weight * NCE + (total - weight) * RCE.

    Args:
        weight: of the active part.
        total: sum of both weights.
        floor: see `RCELoss`.
    """

    def __init__(self, *, weight: float = 5.0, total: float = 10.0, floor: float = 1e-4) -> None:
        super().__init__(weight, total)
        self.passive = RCELoss(floor=floor)


@losses.register("nce_agce", source="Zhou et al., ICML 2021 (arXiv 2106.03110)")
class NCEAGCELoss(_ActivePassive):
    """Active-passive loss: weight * NCE + (total - weight) * AGCE.

    Args:
        weight: of the active part.
        total: sum of both weights.
        a, q: see `AGCELoss`.
    """

    def __init__(self, *, weight: float = 5.0, total: float = 10.0, a: float = 3.0, q: float = 1.5) -> None:
        super().__init__(weight, total)
        self.passive = AGCELoss(a=a, q=q)


@losses.register("nce_aul", source="Zhou et al., ICML 2021 (arXiv 2106.03110)")
class NCEAULLoss(_ActivePassive):
    """Active-passive loss: weight * NCE + (total - weight) * AUL.

    Args:
        weight: of the active part.
        total: sum of both weights.
        a, q: see `AULLoss`.
    """

    def __init__(self, *, weight: float = 5.0, total: float = 10.0, a: float = 6.0, q: float = 1.5) -> None:
        super().__init__(weight, total)
        self.passive = AULLoss(a=a, q=q)
