"""What every bandit of Assay is: it picks an arm a round and then sees that arm's cost alone.

Arms have values (e.g. relaxation parameters), rounds may come with a context, and a cost is at least 1 (a number of
iterations); learners that work with losses take cost - 1. Whatever is random is drawn from the generator handed in,
so a round is a pure function of the learner's state and the round's own random axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from assay.registry import Registry

Array = NDArray[np.float64]


class Bandit:
    """Base class of bandits.

    Class attributes:
        stateful: names of the attributes that change from round to round: numbers, arrays, or lists of bandits.
        clairvoyant: whether it is told all costs of a round before it chooses (comparators only).

    Attributes:
        values: the values of its arms, set by `start`; a comparator may play fewer arms than it is offered.
    """

    stateful: ClassVar[tuple[str, ...]] = ()
    clairvoyant: ClassVar[bool] = False
    values: Sequence[float]

    def start(self, values: Sequence[float]) -> None:
        """Begin anew with arms of these values, [d]."""
        self.values = list(values)

    def reveal(self, costs: Array) -> None:
        """Called before `choose` with the costs of all arms, [d], if the bandit is clairvoyant."""

    def choose(self, context: float, generator: np.random.Generator) -> tuple[int, float]:
        """Pick an arm.

        Args:
            context: what is known of the round.
            generator: the round's own random numbers.

        Returns:
            The arm's position in `values` and the probability with which it was picked.
        """
        raise TypeError(f"{type(self).__name__} does not say how to choose")

    def update(self, context: float, arm: int, probability: float, cost: float) -> None:
        """Learn the cost (>= 1) of the arm that `choose` returned."""

    def diagnostics(self) -> Mapping[str, float]:
        """Numbers about the learner's own numerics so far, e.g. how often an inner solver failed."""
        return {}

    def state(self) -> dict[str, Any]:
        """All that changes from round to round, as plain containers and tensors."""
        return {name: _pack(getattr(self, name)) for name in self.stateful}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned, after `start` with the same values."""
        for name in self.stateful:
            value, here = state[name], getattr(self, name)
            if isinstance(here, list):
                for bandit, inner in zip(here, value, strict=True):
                    bandit.load_state(inner)
            else:
                setattr(self, name, value.numpy().copy() if isinstance(value, torch.Tensor) else value)


bandits = Registry("bandit", Bandit)


def draw(weights: Array, generator: np.random.Generator) -> int:
    """A position drawn in proportion to nonnegative finite weights, [d], from one uniform number."""
    cumulative = np.cumsum(weights)
    return min(int(np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right")), len(weights) - 1)


def _pack(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, list):
        return [bandit.state() for bandit in value]
    return value
