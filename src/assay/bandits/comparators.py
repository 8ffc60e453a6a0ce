"""What learners are compared with: one arm for ever, and the cheapest arm of every round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.bandits.base import Array, Bandit, bandits


@bandits.register("fixed")
class Fixed(Bandit):
    """Plays one value for ever, whatever it costs.

    Args:
        value: the value; it need not be among the arms offered.
    """

    def __init__(self, *, value: float) -> None:
        self.value = value

    def start(self, values: Sequence[float]) -> None:
        """There is one arm."""
        super().start([self.value])

    def choose(self, context: float, generator: np.random.Generator) -> tuple[int, float]:
        """The arm."""
        return 0, 1.0


@bandits.register("oracle")
class Oracle(Bandit):
    """Plays the cheapest arm of every round, which it is told: no policy over these arms costs less."""

    clairvoyant = True
    stateful = ("best",)

    def start(self, values: Sequence[float]) -> None:
        """Begin anew."""
        super().start(values)
        self.best = 0

    def reveal(self, costs: Array) -> None:
        """Note the cheapest arm; the first of equals."""
        self.best = int(costs.argmin())

    def choose(self, context: float, generator: np.random.Generator) -> tuple[int, float]:
        """The cheapest arm."""
        return self.best, 1.0
