"""Tsallis-INF, the bandit algorithm that is optimal for stochastic and for adversarial losses, and its binned form.

Follow the regularised leader with the 1/2-Tsallis entropy (Zimmert and Seldin 2021) in the anytime form of
arXiv 2310.02246: step size 2 / sqrt(t), losses scaled by their running mean, so that no horizon and no bound on the
costs has to be known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from assay.bandits.base import Array, Bandit, bandits, draw

NEWTON_STEPS = 20
LEAST_SCALE = 1e-6
"""Keeps the scale positive when every cost so far was 1."""


def probabilities(estimates: Array, eta: float, x: float) -> tuple[Array, float]:
    """The sampling probabilities by Newton's method on the normalisation, from the start x.

    p_i = 4 (eta (k_i - x))^{-2} minimises <k, p> - (4 / eta) sum_i sqrt(p_i) over the simplex when sum p = 1.

    Args:
        estimates: [d], the scaled cumulative loss estimates k / s.
        eta: step size.
        x: start. From min k - 2 / eta, where sum p >= 1, the iterates fall monotonically to the root.

    Returns:
        p, [d], as it comes from the last step (not renormalised), and the x that it belongs to.
    """
    p: Array = 4 * (eta * (estimates - x)) ** -2.0
    for _ in range(NEWTON_STEPS - 1):
        x -= float((p.sum() - 1) / (eta * (p**1.5).sum()))
        p = 4 * (eta * (estimates - x)) ** -2.0
    return p, x


@bandits.register("tsallis_inf", source="arXiv 2310.02246; Zimmert and Seldin 2021")
class TsallisINF(Bandit):
    """Tsallis-INF with step size 2 / sqrt(t) and Newton's method started beside the root, so that it converges.

    Attributes:
        rounds: rounds played.
        paid: sum of the costs seen.
        estimates: [d], importance-weighted sums of cost - 1.
        defect: the largest |sum p - 1| so far.
        failures: rounds in which Newton's method ended with |sum p - 1| > 1e-3 or beyond the pole at min k / s.
    """

    stateful = ("rounds", "paid", "estimates", "defect", "failures")

    def start(self, values: Sequence[float]) -> None:
        """Begin anew."""
        super().start(values)
        self.rounds, self.failures = 0, 0
        self.paid, self.defect = 0.0, 0.0
        self.estimates: Array = np.zeros(len(values))

    @property
    def scale(self) -> float:
        """s, the mean of cost - 1 so far; 1 before the first round."""
        return max(self.paid / self.rounds - 1, LEAST_SCALE) if self.rounds else 1.0

    @property
    def eta(self) -> float:
        """The step size of the coming round t = rounds + 1."""
        return 2 / float(np.sqrt(self.rounds + 1))

    def newton_start(self, scaled: Array) -> float:
        """Where Newton's method starts."""
        return float(scaled.min() - 2 / self.eta)

    def raw_probabilities(self) -> Array:
        """The probabilities of the coming round as Newton's method leaves them, [d]."""
        scaled = self.estimates / self.scale
        p, x = probabilities(scaled, self.eta, self.newton_start(scaled))
        defect = abs(float(p.sum()) - 1)
        # Written so that a NaN counts as a failure.
        self.failures += not (defect <= 1e-3 and x <= scaled.min())
        self.defect = max(self.defect, defect) if np.isfinite(defect) else float("inf")
        return p

    def choose(self, context: float, generator: np.random.Generator) -> tuple[int, float]:
        """Sample an arm from the renormalised probabilities; uniformly should they not be finite."""
        p = self.raw_probabilities()
        if not np.isfinite(p).all():
            p = np.ones(len(p))
        arm = draw(p, generator)
        return arm, float(p[arm] / p.sum())

    def update(self, context: float, arm: int, probability: float, cost: float) -> None:
        """k_arm += (cost - 1) / p_arm."""
        self.rounds += 1
        self.paid += cost
        self.estimates[arm] += (cost - 1) / probability

    def diagnostics(self) -> Mapping[str, float]:
        """How well Newton's method did."""
        return {"newton_defect": self.defect, "newton_failures": float(self.failures)}


@bandits.register("tsallis_inf_code", source="the code published with arXiv 2310.02246")
class TsallisINFCode(TsallisINF):
    """Tsallis-INF as the paper's code has it: Newton's method from x = -1, importance weights not normalised.

    From there Newton's method overshoots the pole once every arm has been played, so most rounds sample from
    numbers that are not the minimiser. Kept for comparison.
    """

    def newton_start(self, scaled: Array) -> float:
        """x = -1 in every round."""
        return -1.0

    def raw_probabilities(self) -> Array:
        """As in `TsallisINF`, whatever the numbers are."""
        with np.errstate(all="ignore"):
            return super().raw_probabilities()

    def choose(self, context: float, generator: np.random.Generator) -> tuple[int, float]:
        """Sample in proportion to p, uniformly where that is impossible; the weight is the raw p either way."""
        p = self.raw_probabilities()
        total = p.sum()
        arm = draw(p if np.isfinite(total) and total > 0 else np.ones(len(p)), generator)
        return arm, float(p[arm])

    def update(self, context: float, arm: int, probability: float, cost: float) -> None:
        """k_arm += (cost - 1) / p_arm; an infinite p adds nothing, p = 0 makes the estimate infinite."""
        with np.errstate(all="ignore"):
            super().update(context, arm, np.float64(probability), cost)


@bandits.register("tsallis_inf_cb", source="arXiv 2310.02246, Thm 2.2")
class TsallisINFBins(Bandit):
    """An independent Tsallis-INF in each of equally wide bins of the context.

    Args:
        bins: number of bins m.
        low: lower end a of the context interval; contexts beyond an end fall in the bin there.
        high: its upper end b.
    """

    stateful = ("learners",)

    def __init__(self, *, bins: int, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.learners = [TsallisINF() for _ in range(bins)]

    def start(self, values: Sequence[float]) -> None:
        """Begin anew in every bin."""
        super().start(values)
        for learner in self.learners:
            learner.start(values)

    def learner(self, context: float) -> TsallisINF:
        """The learner of a context: the bin whose centre a + (b - a)(j + 1/2) / m is nearest."""
        bins = len(self.learners)
        bin = int(bins * (context - self.low) / (self.high - self.low))
        return self.learners[min(max(bin, 0), bins - 1)]

    def choose(self, context: float, generator: np.random.Generator) -> tuple[int, float]:
        """The choice of the context's learner."""
        return self.learner(context).choose(context, generator)

    def update(self, context: float, arm: int, probability: float, cost: float) -> None:
        """Teach the context's learner."""
        self.learner(context).update(context, arm, probability, cost)

    def diagnostics(self) -> Mapping[str, float]:
        """The worst defect, all failures and the number of bins that were ever used."""
        found = [learner.diagnostics() for learner in self.learners]
        return {
            "newton_defect": max(f["newton_defect"] for f in found),
            "newton_failures": sum(f["newton_failures"] for f in found),
            "bins_used": float(sum(learner.rounds > 0 for learner in self.learners)),
        }
