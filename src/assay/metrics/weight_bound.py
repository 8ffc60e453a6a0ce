"""Watches weights on their way into the set that a Lion-K optimizer bounds them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from assay.optimizers.kappas import Kappa


class WeightBoundMonitor:
    """Tests at every step that the excess of lambda x over dom K* shrinks by the factor 1 - lr lambda.

    This holds exactly for lr lambda <= 1, whatever the gradients are, because a step is the average of lambda x and a
    point of dom K* (arXiv 2310.05898, the first of its two phases):

        excess_{t+1} <= (1 - lr_t lambda) excess_t.

    Everything is computed in double precision. The slack on the inequality is `tolerance`; for weights in single
    precision it grows with the largest |lambda x|, whose last digit is what they can be off by.

    Args:
        params: the decayed tensors.
        kappa: the optimizer's K.
        decay: its weight decay lambda, > 0.
        rows: vectors are the rows of the tensors rather than whole tensors (see `LionK`).
        tolerance: the slack.

    Attributes:
        violations: how many times a constraint broke the inequality, so far.
        residual: the largest left side minus right side, so far.
    """

    def __init__(
        self, params: Sequence[Tensor], kappa: Kappa, decay: float, *, rows: bool = False, tolerance: float = 1e-6
    ) -> None:
        self.params, self.kappa, self.decay, self.rows, self.tolerance = list(params), kappa, decay, rows, tolerance
        self.violations = torch.zeros((), dtype=torch.int64)
        self.residual = torch.full((), -torch.inf, dtype=torch.float64)
        self._look()

    def update(self, lr: float) -> None:
        """Look at the weights after a step that was made with the rate `lr`."""
        device = self.params[0].device  # the weights may have been moved since the last look
        before, slack = self.excess.to(device), self._slack()
        self._look()
        over = self.excess - (1 - lr * self.decay) * before
        self.violations = self.violations.to(device) + (over > slack).sum()
        self.residual = torch.maximum(self.residual.to(device), over.max())

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold; the excess itself follows from the weights."""
        return {"violations": self.violations, "residual": self.residual}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, after the weights have been restored."""
        self.violations, self.residual = state["violations"], state["residual"]
        self._look()

    @torch.no_grad()
    def _look(self) -> None:
        scaled = [p.detach().double() * self.decay for p in self.params]
        vectors = scaled if self.rows else [p.flatten() for p in scaled]
        if self.kappa.separable:
            vectors = [torch.cat([v.flatten() for v in vectors])]
        self.excess = torch.cat([self.kappa.excess(v).flatten() for v in vectors])
        self.largest = torch.stack([v.abs().max() for v in vectors]).max()

    def _slack(self) -> Tensor | float:
        single = any(p.dtype != torch.float64 for p in self.params)
        return self.tolerance * self.largest.to(self.params[0].device).clamp_min(1) if single else self.tolerance
