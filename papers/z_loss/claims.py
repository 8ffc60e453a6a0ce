"""What the paper claims, and the checks that were registered before any run. Its result tables could not be read."""

from __future__ import annotations

from assay.claims import (
    Amendment,
    Check,
    Claim,
    Count,
    Exact,
    Interval,
    Measure,
    Read,
    Report,
    Value,
    Values,
    exact,
    function,
    on_edge,
    scalar,
)
from assay.results import Results

STANDS_FOR = {"desk": "300,000 tokens, 2,001 classes, for Penn Treebank and One Billion Word"}

CLAIMS = [
    Claim("C1", "The loss is spherical: exact gradient and update at a cost that does not depend on D", "algorithm"),
    Claim("C2", "The loss does not change when all scores are shifted or scaled", "definition"),
    Claim("C3", "It does significantly better than the other spherical losses", "Penn Treebank table"),
    Claim("C4", "It beats log-softmax on some ranking scores (top k, k > 1) of word models", "Penn Treebank tables"),
    Claim(
        "C5",
        "One Billion Word: training is 40 times faster than log-softmax, and over 4 times than hierarchical softmax",
        "abstract",
        paper_says="40x, > 4x",
    ),
    Claim("C6", "Two parameters (a, b) fit the loss to the task's own loss", "discussion"),
]

DATE = "2026-11-25"
OTHERS = {"squared": "squared error", "taylor": "log-Taylor softmax", "spherical": "log-spherical softmax"}
SOFTMAX = {1: "softmax_1", 5: "softmax_5", 10: "softmax", 20: "softmax_20", 50: "softmax_50"}
Z = {1: "z_1", 5: "z_5", 10: "z", 20: "z_20", 50: "z_50"}
METHODS = ("factored", "hierarchical", "autograd_softmax", "autograd_z", "dense")


def error(arm: str, k: int) -> Measure:
    """Test error at k in per cent, one value a seed."""
    return scalar("words", f"test/error_{k}", arm)


def time(name: str) -> Measure:
    """A number of the timing run."""
    return scalar("timing", f"time/{name}")


tuned = {k: (error(Z[k], k) - error(SOFTMAX[k], k)).called(f"error at {k}, Z - softmax") for k in Z}
"""Test error at k of the Z-loss tuned for k less that of the softmax tuned for k."""


@function(Read("words", "selections", ("loss.a", "loss.b"), arms=("z_1", "z_50")))
def same_shape(results: Results) -> Values:
    """1 where one and the same (a, b) was chosen for k = 1 and for k = 50, else 0."""
    chosen = {row["per"].get("arm"): row["winner"] for row in results.selections.get("words", []) if row["winner"]}
    if not {"z_1", "z_50"} <= chosen.keys():
        return []
    return [Value("(a, b)", float(all(chosen["z_1"][key] == chosen["z_50"][key] for key in ("loss.a", "loss.b"))))]


CHECKS = [
    Check(
        "1",
        "200 factored steps against dense ones, m = 1 and 8, D = 50, d = 6, lr .1, a = 1, b = 0, summed losses: W, Q "
        "and wbar agree to 1e-9, and clipping would never have acted",
        ["C1"],
        Exact(
            [
                *(exact("1", name) < 1e-9 for name in ("weights", "q", "wbar", "inputs")),
                exact("1", "clipped", "examples that would be clipped") <= 0,
            ]
        ),
        unit="setting",
    ),
    Check(
        "2",
        "L(k o + t) = L(o) to 1e-10 max(1, L) for k in [.1, 10], |t| <= 3; 1.g = 0 and (o - mu).g = 0 to 1e-10; "
        "autograd against the closed gradient 1e-8; L(one-hot) = softplus(a (b - sqrt(D - 1))) / a",
        ["C2"],
        Exact(
            [
                exact("2", "invariance", "L(k o + t) - L(o)") <= 1e-10,
                exact("2", "shift", "1.g") <= 1e-10,
                exact("2", "scale", "(o - mu).g") <= 1e-10,
                exact("2", "gradient", "autograd - closed form") <= 1e-8,
                exact("2", "one_hot", "L(one-hot) - formula") <= 1e-10,
            ]
        ),
        unit="setting",
        amended=Amendment(
            DATE,
            "L(k o + t) = L(o) for k > 0 to 1e-10",
            "far from zero the variance loses digits in any form: k and t are bounded, the tolerance grows with L",
        ),
    ),
    Check(
        "3",
        "For large a the loss is max(0, b - z_c): error at most log(2) / a",
        ["C6"],
        Exact(exact("3", "ratio", "error a / log 2") <= 1 + 1e-9),
        unit="setting",
        amended=Amendment(DATE, "error < log(2)/a", "at z_c = b it is equal, up to rounding"),
    ),
    Check(
        "4a",
        "Log-log slopes of seconds a step against D in {1e4, 3e4, 1e5, 3e5}: dense softmax in closed form, in place, "
        "in [.85, 1.3] and factored Z in [-.1, .15] at m = 1 and 50; hierarchical softmax in [.25, .65] at m = 50",
        ["C1", "C5"],
        Count(
            [
                *(time(f"exponent/dense/{m}").called(f"dense, m = {m}").within(0.85, 1.3) for m in (1, 50)),
                *(time(f"exponent/factored/{m}").called(f"factored, m = {m}").within(-0.1, 0.15) for m in (1, 50)),
                time("exponent/hierarchical/50").called("hierarchical, m = 50").within(0.25, 0.65),
            ]
        ),
        unit="sitting",
        amended=Amendment(
            DATE,
            "dense in [.8, 1.2], factored in [-.1, .15], hierarchical in [.3, .7] at m = 1",
            "the slopes hang on the implementation: autograd's D x d buffer leaves the cache (1.25), and at m = 1 the "
            "hierarchical step is all call overhead (.12)",
        ),
    ),
    Check(
        "4b",
        "Dense softmax in place takes more than 40 times as long as factored Z at D = 3e5, m = 1",
        ["C5"],
        Count(time("ratio/dense/1").called("dense / factored") > 40),
        unit="sitting",
    ),
    Check(
        "4-report",
        "Seconds of every method over those of factored Z at D = 3e5, and all slopes over the same D",
        [],
        Report(
            [
                *(
                    time(f"ratio/{name}/{m}").called(f"{name} / factored, m = {m}").shown()
                    for name in METHODS[1:]
                    for m in (1, 50)
                ),
                *(
                    time(f"exponent/{name}/{m}").called(f"slope of {name}, m = {m}").shown()
                    for name in METHODS
                    for m in (1, 50)
                ),
            ]
        ),
    ),
    *(
        Check(
            f"5{letter}",
            f"Test error at 10: Z-loss - {OTHERS[arm]} < 0, each at its best validation error at 10",
            ["C3"],
            Interval(error("z", 10) - error(arm, 10) < 0, name=f"error of Z - of {OTHERS[arm]}"),
        )
        for letter, arm in zip("abc", OTHERS, strict=True)
    ),
    Check(
        "6",
        "For some k in {5, 10, 20, 50} the test error at k: Z-loss with a, b and rate chosen for k - softmax with its "
        "rate chosen for k < 0, after Holm's correction over the four; refuted if all four intervals lie above 0",
        ["C4"],
        Interval([tuned[k] < 0 for k in (5, 10, 20, 50)], groups="any"),
        amended=Amendment(
            DATE,
            "top-k error of Z below log-softmax for some k, paired CI on the test split, Holm over k",
            "when the claim counts as refuted was not said, nor that the softmax's rate is chosen for the same k",
        ),
    ),
    Check(
        "6-report",
        "The differences of check 6 for each k, k = 1 included; whether a chosen rate lies at an end of its grid",
        [],
        Report(
            [
                *(difference.shown() for difference in tuned.values()),
                on_edge("words", "optimizer.lr").called("rate at an end of its grid").shown(),
            ]
        ),
    ),
    *(
        Check(
            f"7{letter}",
            f"Error at {k}: the Z-loss tuned for {k} - the one tuned for {other} < 0",
            ["C6"],
            Interval(error(Z[k], k) - error(Z[other], k) < 0, name=f"error at {k}"),
            amended=Amendment(
                DATE,
                "best (a,b) differs between k = 1 and k = 50, or the error surface differs by > 1 point",
                "the best of 16 single noisy runs differs almost surely; now the tuning must pay on the test split",
            ),
        )
        for letter, k, other in (("a", 1, 50), ("b", 50, 1))
    ),
    Check(
        "7c",
        "Different (a, b) are chosen for k = 1 and k = 50",
        ["C6"],
        Count(same_shape.called("the same (a, b)") <= 0),
        unit="choice",
    ),
    Check(
        "8a",
        "20,000 steps with folding: drift of Q < 1e-10 and |W_factored - W| < 1e-10 max |W|",
        ["C1"],
        Exact(
            [
                scalar("stability", "drift", "folded").called("relative drift of Q") < 1e-10,
                scalar("stability", "distance", "folded").called("relative distance of W") < 1e-10,
            ]
        ),
        amended=Amendment(
            DATE,
            "drift of Q relative error < 1e-6",
            "with isotropic inputs nothing happens in 20,000 steps; inputs now differ in variance by 900",
        ),
    ),
    Check(
        "8b",
        "The same run folds at least once and cond(U) stays below 100; without folding it is above 100 at the end",
        ["C1"],
        Count(
            [
                scalar("stability", "folds", "folded").called("folds") >= 1,
                scalar("stability", "condition/largest", "folded").called("cond(U), folded") < 100,
                scalar("stability", "condition/end", "unfolded").called("cond(U), not folded") > 100,
            ]
        ),
        unit="run",
    ),
    Check(
        "8-report",
        "Distance of W from the dense weights in single precision",
        [],
        Report(scalar("stability", "distance", group="arm").called("relative distance").shown()),
    ),
]
