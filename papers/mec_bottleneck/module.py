"""The paper's experiments with laws alone, as modules: a step is one law or one limit. The game is in `game.py`.

    ebim            how much information a compressor keeps under an entropy limit, on random laws (Algorithm 1)
    mappings        how many distinct maps a compressor finds on one given law
    neighbourhood   Theorem 3's couplings against a numerical search, between deterministic maps
    couplings       joint entropies of couplings of random laws

MEC-B, the problem: maximise I(X;Y) over Markov chains X -> T -> Y with H(T) <= R and Y ~ q given. The encoder is a
compressor (X -> T), the decoder a coupling of T and Y (Lemma 1 splits the objective).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from scipy import stats

from assay.couplings import Coupling, meet
from assay.metrics.information import binary_entropy, entropy
from assay.module import PaperModule, modules
from papers.mec_bottleneck.compressors import (
    Array,
    Compressor,
    GreedyEBIM,
    TailMerge,
    cell_masses,
    partition_entropies,
)
from papers.mec_bottleneck.ebim import gap_filled, searched

SAME = 1e-9
"""Entropies closer than this, in bits, belong to the same map."""


class Replicated(PaperModule):
    """Base of the modules here: pure numpy, one unit or episode a step, nothing on curves while they run."""

    device_free = True
    block_steps = 10

    def measure_at(self, total: int) -> Iterable[int]:
        """Never: units and final scalars hold all there is to know."""
        return ()


@modules.register("mec_bottleneck/ebim")
class RandomLaws(Replicated):
    """Information kept on laws drawn from Dirichlet(1); one law a step, one unit a law.

    Unit values, in bits over rates R = k H(X) / `rates`, k = 1 .. `rates`: `excess` max of R - I(X;T) - h(p_2),
    `low_gap` and `high_gap` means of R - I(X;T) for R below and from H(X)/2.

    Args:
        symbols: size of X's alphabet.
        rates: number of limits tried on each law.
    """

    takes = ("compressor",)
    compressor: Compressor

    def __init__(self, *, symbols: int = 7, rates: int = 40) -> None:
        super().__init__()
        self.symbols, self.rates = symbols, rates

    def advance(self, start: int, stop: int) -> None:
        """Laws start, ..., stop-1."""
        for draw in range(start, stop):
            p = self.seeds.numpy("law", draw).dirichlet(np.ones(self.symbols))
            rates = float(entropy(p)) * np.arange(1, self.rates + 1) / self.rates
            gaps = rates - [kept(self.compressor, p, rate) for rate in rates]
            second = np.sort(p)[-2]
            low = np.arange(1, self.rates + 1) < self.rates / 2
            self.unit(
                f"law {draw}",
                excess=gaps.max() - float(binary_entropy(second)),
                low_gap=gaps[low].mean(),
                high_gap=gaps[~low].mean(),
            )


def kept(compressor: Compressor, p: Array, rate: float) -> float:
    """I(X;T) = H(T) of a compressor's map, in bits."""
    return float(entropy(cell_masses(p, compressor.labels(p, rate))))


def named_law(family: str, parameter: float, symbols: int) -> Array:
    """Binomial(symbols - 1, parameter), or a geometric law p(k) ~ (1 - parameter)^k cut to `symbols` values."""
    k = np.arange(symbols)
    if family == "binomial":
        return np.asarray(stats.binom.pmf(k, symbols - 1, parameter))
    mass = (1.0 - parameter) ** k
    return mass / mass.sum()


@modules.register("mec_bottleneck/mappings")
class Mappings(Replicated):
    """The maps that a compressor finds on one law; one limit a step, R = (k + 1) H(X) / steps at step k.

    Units, one wherever the information kept changes from one limit to the next: `rate` R / H(X) from which it is kept,
    `information` I(X;T) in bits. Scalars over the limits below H(X)/2: `low/maps`, the number of distinct maps
    (distinct H(T)), and `low/information`, the mean of I(X;T) in bits; `high/...` the same for the other limits.

    Args:
        family: of the law, see `named_law`.
        parameter: the family's parameter.
        symbols: size of X's alphabet.
    """

    takes = ("compressor",)
    compressor: Compressor
    block_steps = 100

    def __init__(
        self, *, family: Literal["binomial", "geometric"] = "binomial", parameter: float = 0.3, symbols: int = 21
    ) -> None:
        super().__init__()
        self.p = named_law(family, parameter, symbols)
        self.history: list[float] = []

    def advance(self, start: int, stop: int) -> None:
        """Limits start, ..., stop-1."""
        for step in range(start, stop):
            share = (step + 1) / self.total
            found = kept(self.compressor, self.p, share * float(entropy(self.p)))
            if not self.history or abs(found - self.history[-1]) > SAME:
                self.unit(f"from {share:g}", rate=share, information=found)
            self.history.append(found)

    def finish(self) -> None:
        """Summaries of low and high limits."""
        half = next((k for k in range(self.total) if (k + 1) / self.total >= 0.5), self.total)
        for name, found in (("low", self.history[:half]), ("high", self.history[half:])):
            if found:
                self.scalar(f"{name}/maps", 1 + int((np.diff(np.sort(found)) > SAME).sum()))
                self.scalar(f"{name}/information", sum(found) / len(found))

    def extra_state(self) -> dict[str, Any]:
        """The information kept so far."""
        return {"history": list(self.history)}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        self.history = list(state["history"])


@modules.register("mec_bottleneck/neighbourhood", reduced={"starts": 2})
class Neighbourhood(Replicated):
    """Theorem 3's couplings and the best encoder that SLSQP finds, on one small law; one limit a step.

    Limits: `near` of them evenly spaced within `width` bits around the entropy of every set partition of X (those
    outside (0, H(X)) are left out), then `far` evenly spaced over (0, H(X)). Unit values in bits: `rate` R; I(X;T) as
    `theorem`, `searched`, and of two deterministic schemes, `greedy` and `tail_merge`; searched - theorem as
    `near_difference` or `far_difference`.

    The run's length follows from these numbers and not from the budget.

    Args:
        law: of X; at most eight symbols.
        near, far: numbers of limits.
        width: of the neighbourhood on either side, in bits.
        starts: random starts of the search at each limit.
    """

    block_steps = 1

    def __init__(
        self,
        *,
        law: list[float] = [0.7, 0.2, 0.1],  # noqa: B006
        near: int = 30,
        far: int = 20,
        width: float = 0.05,
        starts: int = 200,
    ) -> None:
        super().__init__()
        self.p, self.starts = np.array(law) / sum(law), starts
        self.limits = limits_around(self.p, near, far, width)

    @property
    def total(self) -> int:
        """One step a limit."""
        return len(self.limits)

    def advance(self, start: int, stop: int) -> None:
        """Limits start, ..., stop-1."""
        for step in range(start, stop):
            near, rate = self.limits[step]
            theorem = gap_filled(self.p, rate)
            best = searched(self.p, rate, starts=self.starts, rng=self.seeds.numpy("starts", step))
            place = "near" if near else "far"
            others = {"greedy": kept(GreedyEBIM(), self.p, rate), "tail_merge": kept(TailMerge(), self.p, rate)}
            difference = {f"{place}_difference": best - theorem}
            self.unit(f"{place} {step}", rate=rate, theorem=theorem, searched=best, **difference, **others)


def limits_around(p: Array, near: int, far: int, width: float) -> list[tuple[bool, float]]:
    """The limits of `Neighbourhood`: whether each is near a deterministic map, and R in bits."""
    top = float(entropy(p))
    offsets = width * (2 * (np.arange(near) + 0.5) / near - 1) if near else np.empty(0)
    around = [float(centre + offset) for centre in np.unique(partition_entropies(p).round(12)) for offset in offsets]
    grid = [float(top * k / (far + 1)) for k in range(1, far + 1)]
    return [(True, rate) for rate in around if 0 < rate < top] + [(False, rate) for rate in grid]


@modules.register("mec_bottleneck/couplings")
class RandomPairs(Replicated):
    """Joint entropy of a coupling of two laws drawn from Dirichlet(1); one pair a step, one unit a pair.

    Unit values, in bits: `joint_entropy`; `above_meet`, its distance from the entropy of the laws' majorisation meet
    (a lower bound for every coupling).

    Args:
        symbols: size of both alphabets.
    """

    takes = ("coupling",)
    coupling: Coupling

    def __init__(self, *, symbols: int = 16) -> None:
        super().__init__()
        self.symbols = symbols

    def advance(self, start: int, stop: int) -> None:
        """Pairs start, ..., stop-1."""
        for draw in range(start, stop):
            p, q = self.seeds.numpy("laws", draw).dirichlet(np.ones(self.symbols), 2)
            found = float(entropy(self.coupling.joint(p, q)))
            self.unit(f"pair {draw}", joint_entropy=found, above_meet=found - float(entropy(meet(p, q))))
