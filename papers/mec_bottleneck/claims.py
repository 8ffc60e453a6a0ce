"""What the paper claims, and the checks registered for it before any run."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from scipy import stats

from assay.claims import (
    Check,
    Claim,
    Condition,
    Count,
    Exact,
    Interval,
    Measure,
    Read,
    Report,
    Value,
    Values,
    above,
    at_least,
    at_most,
    between,
    difference,
    exact,
    function,
    scalar,
    unit,
)
from assay.results import Results

C, BETA = "module.compression", "module.log_beta"

STANDS_FOR = {"desk": "64 messages and 100 episodes for 512 and 200"}

CLAIMS = [
    Claim("C1", "MEC-B extends MEC: with R >= H(X) it reduces to MEC", source="formulation"),
    Claim(
        "C2",
        "I(X;Y) = I(X;T) + I(Y;T) - I(T;X,Y), hence I(X;Y) >= I(X;T) + I(Y;T) - R: encoder and decoder separate",
        source="Lemma 1",
    ),
    Claim("C3", "The EBIM optimum equals R if and only if some function g has H(g(X)) = R", source="Thm 1"),
    Claim(
        "C4",
        "Greedy EBIM is within h(p2) <= 1 bit of the optimum, p2 being the second largest mass, in O(n log n)",
        source="Alg 1, Thm 2",
    ),
    Claim(
        "C5",
        "Optimal couplings next to a deterministic map, with H(T) slightly above or below its entropy",
        source="Thm 3, Fig. 2",
        paper_says="recovers the brute-force optimum for p = (.7, .2, .1)",
    ),
    Claim(
        "C6",
        "Algorithm 1 finds more maps than Shkel et al. (2017) at low rates, and as many at high rates",
        source="Figs. 9 and 10 (binomial and truncated geometric laws)",
    ),
    Claim(
        "C7",
        "Greedy couplings (max- and zero-seeking) beat successive linearisation; the independent coupling is worst",
        source="table over 100 simulations",
        paper_says="mean joint entropy in bits (read second-hand, alphabet unknown): independent 5.443, "
        "successive linearisation 3.225, max-seeking 2.946, zero-seeking 2.937",
    ),
    Claim(
        "C8",
        "In Markov coding games beta trades MDP reward for the receiver's accuracy, and Algorithm 1 is better than a "
        "uniform quantiser, most at low rates",
        source="figures (message of 512 values, 200 episodes a point)",
    ),
    Claim(
        "C9",
        "With more compression the receiver's belief grows more slowly and the couplings are more stochastic",
        source="figures",
    ),
]


# -- measures of this paper -----------------------------------------------------------------------------------------


def accuracy(arm: str) -> Measure:
    """Accuracy of an arm of the game, by seed: the mean over the temperatures, in groups of equal compression.

    The temperature fixes policy and expected reward (check 11), so arms are compared at matched reward.
    """
    return scalar("coding_game", "game/accuracy", arm=arm, over="seed", group=C)


def each_accuracy(arm: str) -> Measure:
    """Accuracy of every run of an arm, in groups of equal compression."""
    return scalar("coding_game", "game/accuracy", arm=arm, over=["seed", BETA], group=C)


@function(Read("coding_game", arms=("greedy",)), over="seed")
def slower_with_compression(results: Results) -> Values:
    """Per seed, Spearman's correlation of c and the steps until the belief exceeds .9 (mean over temperatures)."""
    found = []
    runs = results.of("coding_game", arm="greedy")
    for (seed,), frame in sorted(runs.group_by(["seed"])) if len(runs) else []:
        by_level: dict[float, list[float]] = defaultdict(list)
        for row in frame.iter_rows(named=True):
            by_level[row[C]].append(row["game/confident_at"])
        levels = sorted(by_level)
        if len(levels) > 1:
            means = [float(np.mean(by_level[level])) for level in levels]
            found.append(
                Value(str(seed), float(stats.spearmanr(levels, means).statistic), tuple(sorted(frame["signature"])))
            )
    return found


@function("coding_game")
def reward_differences(results: Results) -> Values:
    """By arm and c > 1, the mean reward minus that at c = 1, in standard errors; pooled over temperatures and seeds.

    Arms play the same messages and world seeds; their positive correlation makes the standard errors too large rather
    than too small.
    """
    runs = results.of("coding_game")
    rows = {(row["arm"], row[C], row[BETA], row["seed"]): row for row in runs.iter_rows(named=True)}
    pairs: dict[tuple[str, float], list[tuple[float, float, str, str]]] = defaultdict(list)
    for (arm, level, beta, seed), row in rows.items():
        base = rows.get((arm, 1.0, beta, seed))
        if base is not None and level > 1:
            gap = row["game/reward"] - base["game/reward"]
            variance = (row["game/reward_variance"] + base["game/reward_variance"]) / row["game/episodes"]
            pairs[arm, level].append((gap, variance, row["signature"], base["signature"]))
    found = []
    for (arm, level), entries in sorted(pairs.items()):
        gaps, variances, *signatures = zip(*entries, strict=True)
        error = np.sqrt(np.sum(variances)) / len(entries)
        z = np.mean(gaps) / error if error > 0 else (0.0 if np.mean(gaps) == 0 else np.inf)
        found.append(Value(f"{arm}, c={level:g}", float(z), tuple(sorted({s for part in signatures for s in part}))))
    return found


def entropy_of(arm: str) -> Measure:
    """Joint entropy of a coupling, pair by pair, in groups of equal alphabets."""
    return unit("couplings", "joint_entropy", arm=arm, over="unit", group="module.symbols")


def maps(name: str, arm: str) -> Measure:
    """A scalar of `mappings`, law by law."""
    return scalar("mappings", name, arm=arm, over="law")


CHECKS = [
    Check(
        "1",
        "The identity holds to 1e-10 on 200 random Markov chains, and the inequality always",
        serves=["C2"],
        kind=Exact(
            [
                Condition(exact("1", "identity_error"), at_most(1e-10), "error of the identity (bit)"),
                Condition(exact("1", "inequality_slack"), at_least(-1e-10), "I(X;Y) - [I(X;T) + I(Y;T) - R] (bit)"),
            ]
        ),
    ),
    Check(
        "2",
        "R - I(X;T) of Algorithm 1 <= h(p2) for all draws and rates; for two symbols and R just below H(X) = h(p2) the "
        "gap tends to h(p2)",
        serves=["C4"],
        kind=Exact(
            [
                Condition(exact("2", "excess"), at_most(1e-10), "R - I - h(p2) (bit)"),
                Condition(exact("2", "above_limit"), at_most(1e-10), "H(T) - R (bit)"),
                Condition(exact("2", "tightness"), at_most(1e-6), "|R - I - h(p2)| for n = 2 (bit)"),
                Condition(
                    unit("ebim", "excess", arm="greedy", over=["module.symbols", "seed", "unit"]),
                    at_most(1e-10),
                    "R - I - h(p2) in the sweep (bit)",
                ),
            ]
        ),
        unit="law",
    ),
    Check(
        "3",
        "p = (.7, .2, .1): the search over all encoders gives R (1e-6) when R is the entropy of a set partition, and "
        "less than R - 1e-4 at midpoints between such entropies",
        serves=["C3"],
        kind=Exact(
            [
                Condition(exact("3", "distance_at_maps"), at_most(1e-6), "|R - I| at partitions (bit)"),
                Condition(exact("3", "gap_between_maps"), above(1e-4), "R - I at midpoints (bit)"),
            ]
        ),
    ),
    Check(
        "4a",
        "Theorem 3 against a search from 200 starts at p = (.7, .2, .1), 30 rates within .05 bit of each deterministic "
        "map: search >= theorem - 1e-6, and the difference <= 3e-3 bit; farther away it is reported",
        serves=["C5"],
        kind=Count(
            [
                Condition(
                    unit("neighbourhood", "near_difference"),
                    between(-1e-6, 3e-3),
                    "I(search) - I(theorem) (bit)",
                )
            ]
        ),
        unit="rate",
    ),
    Check(
        "4b",
        "Theorem 3 against the search over the whole range of rates (reported)",
        serves=[],
        kind=Report(
            [
                Condition(unit("neighbourhood", "far_difference", over=[]), at_most(np.inf), "mean difference (bit)"),
                Condition(
                    unit("neighbourhood", "far_difference", over=[], reduce="max"),
                    at_most(np.inf),
                    "largest difference (bit)",
                ),
            ]
        ),
        unit="rate",
    ),
    Check(
        "5",
        "R = H(X): the entropy of MEC-B's coupling equals that of plain MEC to 1e-10; at all R its marginals are exact "
        "to 1e-12",
        serves=["C1"],
        kind=Exact(
            [
                Condition(exact("5", "entropy_difference"), at_most(1e-10), "difference of entropies (bit)"),
                Condition(exact("5", "marginal_error"), at_most(1e-12), "error of the marginals"),
            ]
        ),
    ),
    Check(
        "6a",
        "Mean joint entropy: max-seeking < successive linearisation, paired over 100 draws",
        serves=["C7"],
        kind=Interval(difference(entropy_of("sla"), entropy_of("max_seeking")), above(0.0), name="difference (bit)"),
        unit="pair of laws",
    ),
    Check(
        "6b",
        "Mean joint entropy: successive linearisation < independent, paired over 100 draws",
        serves=["C7"],
        kind=Interval(difference(entropy_of("independent"), entropy_of("sla")), above(0.0), name="difference (bit)"),
        unit="pair of laws",
    ),
    Check(
        "6c",
        "Max-seeking's joint entropy <= H(p meet q) + 1.44",
        serves=["C7"],
        kind=Exact(
            [
                Condition(
                    unit("couplings", "above_meet", arm="max_seeking", over=["module.symbols", "seed", "unit"]),
                    at_most(1.44),
                    "H(X,Y) - H(p meet q) (bit)",
                )
            ]
        ),
        unit="pair of laws",
    ),
    Check(
        "6d",
        "Zero-seeking next to max-seeking (reported)",
        serves=[],
        kind=Report(
            [
                Condition(
                    difference(entropy_of("zero_seeking"), entropy_of("max_seeking")),
                    at_most(np.inf),
                    "zero-seeking - max-seeking (bit)",
                )
            ]
        ),
        unit="pair of laws",
    ),
    Check(
        "7a",
        "Number of distinct rates reached below H/2: Algorithm 1 > tail_merge on every law of both families, and the "
        "mean I(X;T) over low rates is not lower",
        serves=["C6"],
        kind=Count(
            [
                Condition(difference(maps("low/maps", "greedy"), maps("low/maps", "tail_merge")), above(0.0), "maps"),
                Condition(
                    difference(maps("low/information", "greedy"), maps("low/information", "tail_merge")),
                    at_least(0.0),
                    "mean I(X;T) (bit)",
                ),
            ]
        ),
        unit="law",
    ),
    Check(
        "7b",
        "Algorithm 1 minus tail_merge at high rates (reported)",
        serves=[],
        kind=Report(
            [
                Condition(
                    difference(maps("high/maps", "greedy"), maps("high/maps", "tail_merge")), at_most(np.inf), "maps"
                ),
                Condition(
                    difference(maps("high/information", "greedy"), maps("high/information", "tail_merge")),
                    at_most(np.inf),
                    "mean I(X;T) (bit)",
                ),
            ]
        ),
        unit="law",
    ),
    Check(
        "8a",
        "At c in {2, 4}: accuracy at matched reward, Algorithm 1 minus uniform quantiser, paired over 5 seeds, > 0",
        serves=["C8"],
        kind=Interval(
            (accuracy("greedy") - accuracy("uniform_quantiser")).only(**{C: (2.0, 4.0)}),
            above(0.0),
            name="difference of accuracies",
        ),
    ),
    Check(
        "8b",
        "At c in {2, 4}: accuracy at matched reward, Algorithm 1 minus adaptive quantiser, paired over 5 seeds, > 0",
        serves=["C8"],
        kind=Interval(
            (accuracy("greedy") - accuracy("adaptive_quantiser")).only(**{C: (2.0, 4.0)}),
            above(0.0),
            name="difference of accuracies",
        ),
    ),
    Check(
        "8c",
        "At c = 1 all compressors give the same accuracy to 1e-12 (by construction)",
        serves=[],
        kind=Exact(
            [
                Condition(
                    (each_accuracy("greedy") - each_accuracy(arm)).only(**{C: 1.0}),
                    between(-1e-12, 1e-12),
                    f"Algorithm 1 - {arm}",
                )
                for arm in ("uniform_quantiser", "adaptive_quantiser")
            ]
        ),
        unit="run",
    ),
    Check(
        "9a",
        "Empirical action frequencies given the state match pi: chi-square p > .01 in >= 95 % of frequent states",
        serves=[],
        kind=Count(
            [
                Condition(
                    unit("coding_game", "p_value", over=["arm", BETA, C, "seed", "unit"]), above(0.01), "chi-square p"
                )
            ],
            need=0.95,
        ),
        unit="state of a run",
    ),
    Check(
        "9b",
        "Averaged over the messages, the coupling's actions follow pi exactly",
        serves=[],
        kind=Exact([Condition(exact("9", "marginal_error"), at_most(1e-12), "error of the marginal")]),
    ),
    Check(
        "10a",
        "Steps until the belief exceeds .9 increase with c: Spearman's correlation > 0 in 5 of 5 seeds",
        serves=["C9"],
        kind=Count([Condition(slower_with_compression, above(0.0), "Spearman correlation")]),
    ),
    Check(
        "10b",
        "H(A|T), what the action leaves open once the code is known, by c (reported: the couplings' stochasticity)",
        serves=[],
        kind=Report(
            [
                Condition(
                    scalar("coding_game", "game/code_entropy", arm="greedy", over="seed", group=C),
                    at_most(np.inf),
                    "H(A|T) (bit)",
                )
            ]
        ),
    ),
    Check(
        "11a",
        "The expected reward does not depend on the rate: mean rewards at c > 1 and at c = 1 agree within 3 standard "
        "errors",
        serves=[],
        kind=Count([Condition(reward_differences, between(-3.0, 3.0), "standard errors")]),
        unit="arm and c",
    ),
    Check(
        "11b",
        "On all paths of a small game the expected return is the plain policy's and the belief is the posterior",
        serves=[],
        kind=Exact(
            [
                Condition(exact("11", "reward_difference"), at_most(1e-10), "difference of returns"),
                Condition(exact("11", "posterior_error"), at_most(1e-10), "error of the belief"),
            ]
        ),
    ),
]
