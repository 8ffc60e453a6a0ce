"""What three looks cost and bring, simulated with the rules that judge; writes tables into docs/statistics.md.

How often looks err where the truth is the bound itself, and how often two draws of seeds come to opposite verdicts:
intervals by simulation, counts exactly. The rule of one look is shown beside. `--quick` takes fewer draws and only
prints.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from assay import statistics
from assay.claims import Condition, Count, Interval, Look, above
from assay.report.readme import table
from benchmarks.noises import NOISES, Noise, publish

SIZES = (3, 5, 10, 20)
EFFECTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
RULE = Interval(lambda results: [], above(0))

Shares = tuple[float, float]
"""How often reproduced, and how often refuted."""


def interval_looks(noise: Noise, n: int, effect: float, draws: int, looks: int, endless: bool = False) -> Shares:
    """What looks at seeds with this noise come to, where the true mean lies so many sd above the bound.

    Args:
        noise, n, effect: see above; n is the registered number of units.
        draws: how many simulated sets of seeds.
        looks: 1 is the rule of one look at 0.05.
        endless: without the rule that ends hopeless looks.
    """
    last = n * statistics.LOOKS[looks - 1]
    level = statistics.LOOK_LEVEL if looks > 1 else statistics.LEVEL
    rng = np.random.default_rng([n, draws])
    samples = (noise.draw(rng, (draws, last, 1)) - noise.mean) / noise.sd + effect
    bounds = [RULE.bound]
    ends = statistics.run_looks(
        samples, n, looks, lambda seen, units: RULE.decide(bounds, level, 0 if endless else last, seen, units)
    )
    return float((ends == 1).mean()), float((ends == -1).mean())


def opposite(shares: Shares) -> float:
    """How often one of two draws reproduces and the other refutes."""
    return 2 * shares[0] * shares[1]


def errors(draws: int) -> str:
    """How often a verdict is wrong where the truth is the bound itself: both sides together, and the larger one."""
    rows = []
    for name, noise in NOISES.items():
        cells = [interval_looks(noise, n, 0.0, draws, 3) for n in SIZES]
        every = [interval_looks(noise, n, 0.0, draws, 3, endless=True) for n in SIZES]
        rows.append([name, "as judged", *(f"{100 * sum(c):.1f} ({100 * max(c):.1f})" for c in cells)])
        rows.append(["", "all looks taken", *(f"{100 * sum(c):.1f} ({100 * max(c):.1f})" for c in every)])
    return table(["noise", "", *(f"n = {n}" for n in SIZES)], rows, tuple(range(2, 2 + len(SIZES))))


def opposite_intervals(draws: int) -> str:
    """The worst case over effects of two draws with opposite verdicts, per cent."""
    effects = np.arange(-0.6, 0.61, 0.1)
    rows = []
    for name, noise in NOISES.items():
        for looks, words in ((3, "three looks"), (1, "one look at 0.05")):
            worst = [max(opposite(interval_looks(noise, n, float(e), draws, looks)) for e in effects) for n in SIZES]
            rows.append([name if looks == 3 else "", words, *(f"{100 * share:.2f}" for share in worst)])
    return table(["noise", "", *(f"n = {n}" for n in SIZES)], rows, tuple(range(2, 2 + len(SIZES))))


def by_effect(draws: int) -> str:
    """What five seeds with normal noise come to, per cent."""
    rows = []
    for effect in EFFECTS:
        shares = interval_looks(NOISES["normal"], 5, effect, draws, 3)
        rows.append([f"{effect:g}", *(f"{100 * x:.1f}" for x in (*shares, 1 - sum(shares), opposite(shares)))])
    head = ["true mean above the bound, sd", "reproduced", "refuted", "open", "two draws opposite"]
    return table(head, rows, tuple(range(len(head))))


def count_looks(kind: Count, n: int, looks: int, share: float) -> Shares:
    """What looks at seeds that pass with this probability come to, exactly."""
    last, ends = n * statistics.LOOKS[looks - 1], [0.0, 0.0]
    going: NDArray[np.float64] = np.ones(1)  # the probability of each number of passes so far, where nothing is decided
    units = 0
    for factor in statistics.LOOKS[:looks]:
        more = n * factor - units
        units = n * factor
        going = np.convolve(going, stats.binom.pmf(np.arange(more + 1), more, share))
        if looks == 1:  # the old rule: the card's number, no coin
            marks = np.where(np.arange(units + 1) >= kind._needed(units, Look()), 1, -1)
        else:
            look = Look(seeded=True, registered=n, looks=looks, units=units)
            marks = kind._marks(units, 1, look).astype(int)
            chances = kind._chances(np.arange(units + 1) / units, last, 1, look)
            hopeless = (marks == 0) & (chances < statistics.HOPELESS) & (statistics.FEWEST <= units < last)
            marks[hopeless] = statistics.ENDED
        ends[0] += float(going[marks == 1].sum())
        ends[1] += float(going[marks == -1].sum())
        going = np.where(marks == 0, going, 0.0)
    return ends[0], ends[1]


def counts() -> str:
    """Two draws of a count with opposite verdicts, at the worst true share, per cent."""
    rows = []
    for words, need, n in (
        ("8 of 10", 8, 10), ("4 of 5", 4, 5), ("every one of 3", None, 3), ("every one of 5", None, 5),
        ("every one of 10", None, 10),
    ):  # fmt: skip
        kind = Count([Condition(lambda results: [], above(0))], need)
        worst = []
        for looks in (3, 1):
            shares = np.arange(0.0, 1.0001, 0.005)
            found = [(opposite(count_looks(kind, n, looks, float(share))), share) for share in shares]
            worst.append(max(found))
        (three, at), (one, _) = worst
        rows.append([words, f"{100 * three:.1f}", f"{at:.2f}", f"{100 * one:.0f}"])
    return table(["count", "three looks", "at the true share", "one look"], rows, (1, 2, 3))


def main() -> None:
    """Simulate, print, and put the tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    draws = 2000 if quick else 40_000
    tables = {
        "looks": errors(draws),
        "opposite": opposite_intervals(draws // 4),
        "effects": by_effect(draws),
        "counts": counts(),
    }
    publish(tables, quick)


if __name__ == "__main__":
    main()
