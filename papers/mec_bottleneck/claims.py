"""What the paper claims, and the checks registered for it before any run."""

from __future__ import annotations

import math

import polars as pl

from assay.claims import (
    Check,
    Claim,
    Count,
    Exact,
    Interval,
    Measure,
    Report,
    Value,
    Values,
    exact,
    function,
    scalar,
    spearman,
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

EACH = ("module.symbols", "seed", "unit")

excess = unit("ebim", "excess", "greedy", over=EACH)
far = unit("neighbourhood", "far_difference")

entropy = unit("couplings", "joint_entropy", over="unit", group=("arm", "module.symbols"))
above_meet = unit("couplings", "above_meet", "max_seeking", over=EACH)

accuracy = scalar("coding_game", "game/accuracy", group=("arm", C), module__compression=(2.0, 4.0))
"""Accuracy in the game at c in {2, 4}, by seed: the mean over the temperatures.

The temperature fixes policy and expected reward (check 11), so arms are compared at matched reward.
"""

uncompressed = scalar("coding_game", "game/accuracy", over=("seed", BETA), group="arm", module__compression=1.0)
p_value = unit("coding_game", "p_value", over=("arm", BETA, C, "seed", "unit"))


def gain(name: str, text: str) -> Measure:
    """A scalar of `mappings`, law by law: Algorithm 1's less that of tail_merge."""
    return (scalar("mappings", name, "greedy", "law") - scalar("mappings", name, "tail_merge", "law")).called(text)


@function("coding_game")
def reward_differences(results: Results) -> Values:
    """By arm and c > 1, the mean reward minus that at c = 1, in standard errors; pooled over temperatures and seeds.

    Arms play the same messages and world seeds; their positive correlation makes the standard errors too large rather
    than too small.
    """
    runs = results.of("coding_game")
    if runs.is_empty():
        return []
    both = runs.filter(pl.col(C) > 1).join(runs.filter(pl.col(C) == 1), on=("arm", BETA, "seed"), suffix=" at 1")
    found = []
    for (arm, level), part in both.sort("arm", C).group_by("arm", C, maintain_order=True):
        gap = (part["game/reward"] - part["game/reward at 1"]).mean()
        variance = (part["game/reward_variance"] + part["game/reward_variance at 1"]) / part["game/episodes"]
        error = math.sqrt(variance.sum()) / len(part)
        z = gap / error if error > 0 else 0.0 if gap == 0 else math.inf
        signatures = tuple(sorted({*part["signature"], *part["signature at 1"]}))
        found.append(Value(f"{arm}, c={level:g}", z, signatures))
    return found


CHECKS = [
    Check(
        "1",
        "The identity holds to 1e-10 on 200 random Markov chains, and the inequality always",
        ["C2"],
        Exact(
            [
                exact("1", "identity_error", "error of the identity (bit)") <= 1e-10,
                exact("1", "inequality_slack", "I(X;Y) - [I(X;T) + I(Y;T) - R] (bit)") >= -1e-10,
            ]
        ),
    ),
    Check(
        "2",
        "R - I(X;T) of Algorithm 1 <= h(p2) for all draws and rates; for two symbols and R just below H(X) = h(p2) the "
        "gap tends to h(p2)",
        ["C4"],
        Exact(
            [
                exact("2", "excess", "R - I - h(p2) (bit)") <= 1e-10,
                exact("2", "above_limit", "H(T) - R (bit)") <= 1e-10,
                exact("2", "tightness", "|R - I - h(p2)| for n = 2 (bit)") <= 1e-6,
                excess.called("R - I - h(p2) in the sweep (bit)") <= 1e-10,
            ]
        ),
        unit="law",
    ),
    Check(
        "3",
        "p = (.7, .2, .1): the search over all encoders gives R (1e-6) when R is the entropy of a set partition, and "
        "less than R - 1e-4 at midpoints between such entropies",
        ["C3"],
        Exact(
            [
                exact("3", "distance_at_maps", "|R - I| at partitions (bit)") <= 1e-6,
                exact("3", "gap_between_maps", "R - I at midpoints (bit)") > 1e-4,
            ]
        ),
    ),
    Check(
        "4a",
        "Theorem 3 against a search from 200 starts at p = (.7, .2, .1), 30 rates within .05 bit of each deterministic "
        "map: search >= theorem - 1e-6, and the difference <= 3e-3 bit; farther away it is reported",
        ["C5"],
        Count(unit("neighbourhood", "near_difference").called("I(search) - I(theorem) (bit)").within(-1e-6, 3e-3)),
        unit="rate",
    ),
    Check(
        "4b",
        "Theorem 3 against the search over the whole range of rates (reported)",
        [],
        Report(
            [far.mean().called("mean difference (bit)").shown(), far.max().called("largest difference (bit)").shown()]
        ),
        unit="rate",
    ),
    Check(
        "5",
        "R = H(X): the entropy of MEC-B's coupling equals that of plain MEC to 1e-10; at all R its marginals are exact "
        "to 1e-12",
        ["C1"],
        Exact(
            [
                exact("5", "entropy_difference", "difference of entropies (bit)") <= 1e-10,
                exact("5", "marginal_error", "error of the marginals") <= 1e-12,
            ]
        ),
    ),
    Check(
        "6a",
        "Mean joint entropy: max-seeking < successive linearisation, paired over 100 draws",
        ["C7"],
        Interval((entropy.at(arm="sla") - entropy.at(arm="max_seeking")).called("difference (bit)") > 0),
        unit="pair of laws",
    ),
    Check(
        "6b",
        "Mean joint entropy: successive linearisation < independent, paired over 100 draws",
        ["C7"],
        Interval((entropy.at(arm="independent") - entropy.at(arm="sla")).called("difference (bit)") > 0),
        unit="pair of laws",
    ),
    Check(
        "6c",
        "Max-seeking's joint entropy <= H(p meet q) + 1.44",
        ["C7"],
        Exact(above_meet.called("H(X,Y) - H(p meet q) (bit)") <= 1.44),
        unit="pair of laws",
    ),
    Check(
        "6d",
        "Zero-seeking next to max-seeking (reported)",
        [],
        Report(
            (entropy.at(arm="zero_seeking") - entropy.at(arm="max_seeking"))
            .called("zero-seeking - max-seeking (bit)")
            .shown()
        ),
        unit="pair of laws",
    ),
    Check(
        "7a",
        "Number of distinct rates reached below H/2: Algorithm 1 > tail_merge on every law of both families, and the "
        "mean I(X;T) over low rates is not lower",
        ["C6"],
        Count([gain("low/maps", "maps") > 0, gain("low/information", "mean I(X;T) (bit)") >= 0]),
        unit="law",
    ),
    Check(
        "7b",
        "Algorithm 1 minus tail_merge at high rates (reported)",
        [],
        Report([gain("high/maps", "maps").shown(), gain("high/information", "mean I(X;T) (bit)").shown()]),
        unit="law",
    ),
    Check(
        "8a",
        "At c in {2, 4}: accuracy at matched reward, Algorithm 1 minus uniform quantiser, paired over 5 seeds, > 0",
        ["C8"],
        Interval(
            (accuracy.at(arm="greedy") - accuracy.at(arm="uniform_quantiser")).called("difference of accuracies") > 0
        ),
    ),
    Check(
        "8b",
        "At c in {2, 4}: accuracy at matched reward, Algorithm 1 minus adaptive quantiser, paired over 5 seeds, > 0",
        ["C8"],
        Interval(
            (accuracy.at(arm="greedy") - accuracy.at(arm="adaptive_quantiser")).called("difference of accuracies") > 0
        ),
    ),
    Check(
        "8c",
        "At c = 1 all compressors give the same accuracy to 1e-12 (by construction)",
        [],
        Exact(
            [
                (uncompressed.at(arm="greedy") - uncompressed.at(arm=arm))
                .called(f"Algorithm 1 - {arm}")
                .within(-1e-12, 1e-12)
                for arm in ("uniform_quantiser", "adaptive_quantiser")
            ]
        ),
        unit="run",
    ),
    Check(
        "9a",
        "Empirical action frequencies given the state match pi: chi-square p > .01 in >= 95 % of frequent states",
        [],
        Count(p_value.called("chi-square p") > 0.01, need=0.95),
        unit="state of a run",
    ),
    Check(
        "9b",
        "Averaged over the messages, the coupling's actions follow pi exactly",
        [],
        Exact(exact("9", "marginal_error", "error of the marginal") <= 1e-12),
    ),
    Check(
        "10a",
        "Steps until the belief exceeds .9 increase with c: Spearman's correlation > 0 in 5 of 5 seeds",
        ["C9"],
        Count(spearman("coding_game", C, "game/confident_at", "greedy").called("Spearman correlation") > 0),
    ),
    Check(
        "10b",
        "H(A|T), what the action leaves open once the code is known, by c (reported: the couplings' stochasticity)",
        [],
        Report(scalar("coding_game", "game/code_entropy", "greedy", group=C).called("H(A|T) (bit)").shown()),
    ),
    Check(
        "11a",
        "The expected reward does not depend on the rate: mean rewards at c > 1 and at c = 1 agree within 3 standard "
        "errors",
        [],
        Count(reward_differences.called("standard errors").within(-3, 3)),
        unit="arm and c",
    ),
    Check(
        "11b",
        "On all paths of a small game the expected return is the plain policy's and the belief is the posterior",
        [],
        Exact(
            [
                exact("11", "reward_difference", "difference of returns") <= 1e-10,
                exact("11", "posterior_error", "error of the belief") <= 1e-10,
            ]
        ),
    ),
]
