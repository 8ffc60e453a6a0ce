"""What the paper claims, and the checks that were registered before any run."""

from __future__ import annotations

from collections.abc import Callable

from assay.claims import (
    Check,
    Claim,
    Condition,
    Count,
    Exact,
    Interval,
    Measure,
    Report,
    above,
    at_least,
    at_most,
    below,
    difference,
    exact,
    scalar,
    unit,
)

STANDS_FOR = {"desk": "2,000 systems, 5 trials, heat on nx = 25 for 5,000, 40, nx to 400"}

CLAIMS = [
    Claim(
        "C1",
        "A bandit that sees only iteration counts approaches the best fixed omega; its excess over the surrogate grows "
        "as T^(2/3).",
        source="Thm 2.1, Eq. 5; Fig. 2 centre-left, Fig. 5",
    ),
    Claim(
        "C2",
        "Contextual bandits approach the policy that is optimal for every instance: O(T^(3/4)) by discretisation, "
        "about O(T^(9/11) sqrt n) by ChebCB, which is the faster one in practice.",
        source="Thms 2.2 and 3.2; Fig. 2 centre-left, Fig. 5 left",
    ),
    Claim(
        "C3",
        "The surrogate U_t bounds SOR's cost from above, decreases towards omega*, is Lipschitz above it, and is "
        "reasonably tight.",
        source="Lemma 2.1; Fig. 1",
    ),
    Claim(
        "C4",
        "Instance-optimal omegas clearly beat the best fixed omega only when the shifts c_t vary much.",
        source="Fig. 1 centre-right",
    ),
    Claim(
        "C5",
        "The same holds for SSOR-preconditioned CG and, for the expected cost, for symmetric SOR.",
        source="Thms 2.3 and 3.1; Fig. 4",
    ),
    Claim(
        "C6",
        "On the 2-D heat equation with time-varying diffusivity, Tsallis-INF and ChebCB need far fewer SSOR-CG "
        "iterations than CG, omega = 1 and omega = 1.5 (but for nx = 25 and 50, where 1.5 is nearly best).",
        source="Fig. 2, Fig. 6, App. G.2",
        paper_says="about 2.4 and 3.5 times faster than omega = 1 by the clock",
    ),
    Claim("C7", "A learner adds O(d) work an instance and no computation with the matrix.", source="Sec. 2.2"),
    Claim(
        "C8",
        "This is the first learning-theoretic treatment with end-to-end guarantees of setting a solver's parameters; a "
        "claim of novelty that no experiment can test.",
        source="Sec. 1",
    ),
]

LAW = "data.law"
LEARNERS = ("tsallis_inf", "tsallis_inf_cb", "cheb_cb")
FIXED = ("fixed_1_0", "fixed_1_3", "fixed_1_5", "fixed_1_75", "fixed_1_95")


def total(arm: str, name: str = "iterations/total") -> Measure:
    """A total of a learner on the heat equation with nx = 25, by seed."""
    return scalar("heat", name, arm, module__nx=25)


def fixed(arm: str | tuple[str, ...], name: str = "iterations/total") -> Measure:
    """The same of a baseline, which has no seeds: one value, the least of several."""
    return scalar("heat_fixed", name, arm, over=(), reduce="min", module__nx=25)


def seconds(of: Callable[[str, str], Measure], arm: str) -> Measure:
    """Seconds in the solver and in the learner."""
    return of(arm, "time/solver_s") + of(arm, "time/learner_s")


def fewer(arm: str, baseline: str) -> Condition:
    """An arm's iterations on the heat equation less those of a baseline."""
    return Condition(total(arm) - fixed(baseline), below(0), f"iterations of {arm} - {baseline}")


CHECKS = [
    Check(
        "1",
        "rho(C_omega) from a dense eigensolver equals the piecewise formula to 1e-8 for 50 omegas away from omega* "
        "(|omega - omega*| > .01), and its minimum is omega* - 1.",
        serves=["C3"],
        kind=Exact(
            [
                Condition(exact("1", "radius_error"), at_most(1e-8), "eigensolver - formula"),
                Condition(exact("1", "minimum_error"), at_most(1e-12), "min rho - (omega* - 1)"),
            ]
        ),
    ),
    Check(
        "2",
        "The vectorised cost table equals scalar SOR on 200 random cells (integer equality); the SSOR-CG solution "
        "equals scipy.sparse.linalg.spsolve to 1e-6.",
        serves=[],
        kind=Exact(
            [
                Condition(exact("2", "cells_differing"), at_most(0), "cells that differ"),
                Condition(exact("2", "solution_error"), at_most(1e-6), "relative error of the solution"),
            ]
        ),
    ),
    Check(
        "3",
        "On the (k, s) of real runs at t = 1, 10, 100, 1000, 2000 (d = 20), p equals the root of sum p = 1 by "
        "brentq on [min(k/s) - 2 sqrt(d)/eta, min(k/s) - 2/eta] to 1e-8, and the SLSQP minimiser of <k/s, p> - "
        "(4/eta) sum sqrt p on the simplex (start uniform, with gradient) at t <= 100 to 1e-5.",
        serves=[],
        kind=Exact(
            [
                Condition(exact("3", "root_error"), at_most(1e-8), "Newton - brentq"),
                Condition(exact("3", "minimiser_error"), at_most(1e-5), "Newton - SLSQP"),
            ]
        ),
    ),
    Check(
        "4a",
        "U(omega) >= cost(omega) on every grid point of all 40 instances; U is non-increasing below omega*. (True by "
        "construction, tau being taken at k = cost - 1: it tests the code.)",
        serves=["C3"],
        kind=Exact(
            [
                Condition(unit("bounds", "slack"), at_least(0), "min (U - cost)"),
                Condition(unit("bounds", "rise"), at_most(0), "rise of U below omega*"),
            ]
        ),
        unit="instance",
    ),
    Check(
        "4b",
        "How tight the surrogate is: median and maximum of U/cost over the grid.",
        serves=["C3"],
        kind=Report(
            [
                Condition(unit("bounds", "ratio_median"), at_least(1), "median U/cost, mean over instances"),
                Condition(unit("bounds", "ratio_max", over="seed", reduce="max"), at_least(1), "largest U/cost"),
                Condition(unit("bounds", "tau"), at_least(0), "tau, mean over instances"),
            ]
        ),
        unit="instance",
    ),
    Check(
        "5a",
        "cost(Tsallis-INF) / cost(best fixed omega) over rounds 1001..2000 is below 1.25 in both laws, mean of the "
        "5 seeds; the best fixed omega is the grid's best over these rounds.",
        serves=["C1"],
        kind=Count(
            [Condition(scalar("learners", "ratio/second_half", "tsallis_inf", over=LAW), below(1.25), "mean ratio")]
        ),
        unit="law",
    ),
    Check(
        "5b",
        "Over the same rounds Tsallis-INF costs less than the fixed omega = 1.4, paired t over seeds, in each law.",
        serves=["C1"],
        kind=Interval(
            difference(
                scalar("learners", "cost/second_half", "tsallis_inf", group=LAW),
                scalar("learners", "cost/second_half", "fixed_1_4", group=LAW),
            ),
            below(0),
            name="iterations of Tsallis-INF - omega = 1.4",
        ),
    ),
    Check(
        "5c",
        "The slope of log regret(T) on log T, T = 250, 500, 1000, 2000, with regret(T) = cost(1..T) - min_g "
        "cost_g(1..T), is below 1 (upper end of the paired-t interval) in each law; a seed with regret <= 0 "
        "somewhere counts as slope 0.",
        serves=["C1"],
        kind=Interval(
            scalar("learners", "regret/exponent", "tsallis_inf", group=LAW),
            below(1),
            name="exponent of Tsallis-INF's regret",
        ),
    ),
    Check(
        "5d",
        "The learner as the paper's code has it (Newton's method from x = -1), beside the one that converges: ratio"
        " to the best fixed omega in the second half, and rounds of 2000 in which its Newton's method failed.",
        serves=["C1"],
        kind=Report(
            [
                Condition(
                    scalar("learners", "ratio/second_half", "tsallis_inf", group=LAW), at_least(0), "ratio, converged"
                ),
                Condition(
                    scalar("learners", "ratio/second_half", "tsallis_inf_code", group=LAW), at_least(0), "ratio, code"
                ),
                Condition(
                    scalar("learners", "learner/newton_failures", "tsallis_inf", group=LAW), at_least(0), "failures"
                ),
                Condition(
                    scalar("learners", "learner/newton_failures", "tsallis_inf_code", group=LAW),
                    at_least(0),
                    "failures, code",
                ),
            ]
        ),
    ),
    Check(
        "6a",
        "High-variance law: ChebCB's total cost is below Tsallis-INF's, paired over 5 seeds, the interval excludes 0.",
        serves=["C2"],
        kind=Interval(
            difference(
                scalar("learners", "cost/total", "cheb_cb", data__law="high"),
                scalar("learners", "cost/total", "tsallis_inf", data__law="high"),
            ),
            below(0),
            name="iterations of ChebCB - Tsallis-INF",
        ),
    ),
    Check(
        "6b",
        "High-variance law: ChebCB's total cost is below that of Tsallis-INF-CB, paired over 5 seeds, the interval "
        "excludes 0.",
        serves=["C2"],
        kind=Interval(
            difference(
                scalar("learners", "cost/total", "cheb_cb", data__law="high"),
                scalar("learners", "cost/total", "tsallis_inf_cb", data__law="high"),
            ),
            below(0),
            name="iterations of ChebCB - Tsallis-INF-CB",
        ),
    ),
    Check(
        "7",
        "(best fixed - oracle) / best fixed is larger under Beta(1/2, 3/2) than under Beta(2, 6) in 5 of 5 seeds.",
        serves=["C4"],
        kind=Count(
            [
                Condition(
                    difference(
                        scalar("cost_table", "gain/oracle", data__law="high"),
                        scalar("cost_table", "gain/oracle", data__law="low"),
                    ),
                    above(0),
                    "gain of the oracle, high - low",
                )
            ]
        ),
    ),
    Check(
        "8a",
        "Heat equation, nx = 25: Tsallis-INF and ChebCB both need fewer iterations in total than CG and than omega "
        "= 1, in 3 of 3 seeds.",
        serves=["C6"],
        kind=Count([fewer(arm, base) for arm in ("tsallis_inf", "cheb_cb") for base in ("cg", "fixed_1_0")]),
    ),
    Check(
        "8b",
        "Heat equation, nx = 25: iterations over those of omega = 1.5 (which the paper calls nearly best there) and"
        " of the best of five fixed omegas.",
        serves=["C6"],
        kind=Report(
            [
                Condition(total(arm) / fixed(base), at_least(0), f"{arm} / {name}")
                for arm in LEARNERS
                for base, name in (("fixed_1_5", "omega = 1.5"), (FIXED, "best fixed"))
            ]
        ),
    ),
    Check(
        "8c",
        "Heat equation, nx = 25: seconds of omega = 1 over those of the learners, solver and learner together.",
        serves=["C6"],
        kind=Report(
            [Condition(seconds(fixed, "fixed_1_0") / seconds(total, arm), at_least(0), arm) for arm in LEARNERS]
        ),
    ),
    Check(
        "9a",
        "SOR sweeps and products with the matrix counted inside the solver with a learner attached equal those of "
        "replaying the chosen omegas without it.",
        serves=["C7"],
        kind=Exact(
            [
                Condition(exact("9a", "extra_sweeps"), at_most(0), "further sweeps"),
                Condition(exact("9a", "extra_matvecs"), at_most(0), "further products"),
            ]
        ),
    ),
    Check(
        "9b",
        "Milliseconds that a learner takes in a round (median) at d = 20, 80, 320.",
        serves=["C7"],
        kind=Report(
            [
                Condition(scalar("overhead", "time/round_ms", arm, group="module.omegas"), at_least(0), arm)
                for arm in LEARNERS
            ]
        ),
    ),
    Check(
        "10",
        "U_CG(omega) >= iterations of SSOR-CG (x0 = 0, ||r|| <= 1e-8 ||b||) for 20 omegas on [2 sqrt 2 - 2, 1.95] "
        "and the 40 shifted copies.",
        serves=["C5"],
        kind=Exact([Condition(unit("bounds", "cg_slack"), at_least(0), "min (U_CG - cost)")]),
        unit="instance",
    ),
    Check(
        "11",
        "SSOR-CG, high-variance law, n = 100, T = 1000: Tsallis-INF's cost in the second half is below that of "
        "uniform play (the mean of the table's rows), paired t over 5 seeds excludes 0.",
        serves=["C5"],
        kind=Interval(
            difference(
                scalar("ssor_cg_learners", "cost/second_half", "tsallis_inf"),
                scalar("ssor_cg_learners", "cost/uniform_second_half", "tsallis_inf"),
            ),
            below(0),
            name="iterations of Tsallis-INF - uniform play",
        ),
    ),
]
