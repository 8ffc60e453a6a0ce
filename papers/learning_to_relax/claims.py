"""What the paper claims, and the checks that were registered before any run."""

from __future__ import annotations

from assay.claims import Check, Claim, Count, Exact, Interval, Measure, Report, exact, scalar, unit

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

late = scalar("learners", "cost/second_half", group=("arm", LAW))
ratio = scalar("learners", "ratio/second_half", group=("arm", LAW))
failures = scalar("learners", "learner/newton_failures", group=("arm", LAW))
total = scalar("learners", "cost/total", group="arm", data__law="high")
gain = scalar("cost_table", "gain/oracle", group=LAW)
learned = scalar("ssor_cg_learners", "cost/second_half", "tsallis_inf")
uniform = scalar("ssor_cg_learners", "cost/uniform_second_half", "tsallis_inf")


def heat(name: str) -> Measure:
    """A total of each learner on the heat equation with nx = 25, by seed."""
    return scalar("heat", name, group="arm", module__nx=25)


def fixed(name: str) -> Measure:
    """The same of each baseline, which has no seeds: one value."""
    return scalar("heat_fixed", name, group="arm", over=(), module__nx=25)


iterations, base = heat("iterations/total"), fixed("iterations/total")
seconds, base_seconds = (of("time/solver_s") + of("time/learner_s") for of in (heat, fixed))

CHECKS = [
    Check(
        "1",
        "rho(C_omega) from a dense eigensolver equals the piecewise formula to 1e-8 for 50 omegas away from omega* "
        "(|omega - omega*| > .01), and its minimum is omega* - 1.",
        ["C3"],
        Exact(
            [
                exact("1", "radius_error", "eigensolver - formula") <= 1e-8,
                exact("1", "minimum_error", "min rho - (omega* - 1)") <= 1e-12,
            ]
        ),
    ),
    Check(
        "2",
        "The vectorised cost table equals scalar SOR on 200 random cells (integer equality); the SSOR-CG solution "
        "equals scipy.sparse.linalg.spsolve to 1e-6.",
        [],
        Exact(
            [
                exact("2", "cells_differing", "cells that differ") <= 0,
                exact("2", "solution_error", "relative error of the solution") <= 1e-6,
            ]
        ),
    ),
    Check(
        "3",
        "On the (k, s) of real runs at t = 1, 10, 100, 1000, 2000 (d = 20), p equals the root of sum p = 1 by "
        "brentq on [min(k/s) - 2 sqrt(d)/eta, min(k/s) - 2/eta] to 1e-8, and the SLSQP minimiser of <k/s, p> - "
        "(4/eta) sum sqrt p on the simplex (start uniform, with gradient) at t <= 100 to 1e-5.",
        [],
        Exact(
            [
                exact("3", "root_error", "Newton - brentq") <= 1e-8,
                exact("3", "minimiser_error", "Newton - SLSQP") <= 1e-5,
            ]
        ),
    ),
    Check(
        "4a",
        "U(omega) >= cost(omega) on every grid point of all 40 instances; U is non-increasing below omega*. (True by "
        "construction, tau being taken at k = cost - 1: it tests the code.)",
        ["C3"],
        Exact(
            [
                unit("bounds", "slack").called("min (U - cost)") >= 0,
                unit("bounds", "rise").called("rise of U below omega*") <= 0,
            ]
        ),
        unit="instance",
    ),
    Check(
        "4b",
        "How tight the surrogate is: median and maximum of U/cost over the grid.",
        ["C3"],
        Report(
            [
                unit("bounds", "ratio_median").called("median U/cost, mean over instances").shown(),
                unit("bounds", "ratio_max").max("unit").called("largest U/cost").shown(),
                unit("bounds", "tau").called("tau, mean over instances").shown(),
            ]
        ),
        unit="instance",
    ),
    Check(
        "5a",
        "cost(Tsallis-INF) / cost(best fixed omega) over rounds 1001..2000 is below 1.25 in both laws, mean of the "
        "5 seeds; the best fixed omega is the grid's best over these rounds.",
        ["C1"],
        Count(scalar("learners", "ratio/second_half", "tsallis_inf", over=LAW).called("mean ratio") < 1.25),
        unit="law",
    ),
    Check(
        "5b",
        "Over the same rounds Tsallis-INF costs less than the fixed omega = 1.4, paired t over seeds, in each law.",
        ["C1"],
        Interval(
            late.at(arm="tsallis_inf") - late.at(arm="fixed_1_4") < 0, name="iterations of Tsallis-INF - omega = 1.4"
        ),
    ),
    Check(
        "5c",
        "The slope of log regret(T) on log T, T = 250, 500, 1000, 2000, with regret(T) = cost(1..T) - min_g "
        "cost_g(1..T), is below 1 (upper end of the paired-t interval) in each law; a seed with regret <= 0 "
        "somewhere counts as slope 0.",
        ["C1"],
        Interval(
            scalar("learners", "regret/exponent", "tsallis_inf", group=LAW) < 1, name="exponent of Tsallis-INF's regret"
        ),
    ),
    Check(
        "5d",
        "The learner as the paper's code has it (Newton's method from x = -1), beside the one that converges: ratio"
        " to the best fixed omega in the second half, and rounds of 2000 in which its Newton's method failed.",
        ["C1"],
        Report(
            [
                ratio.at(arm="tsallis_inf").called("ratio, converged").shown(),
                ratio.at(arm="tsallis_inf_code").called("ratio, code").shown(),
                failures.at(arm="tsallis_inf").called("failures").shown(),
                failures.at(arm="tsallis_inf_code").called("failures, code").shown(),
            ]
        ),
    ),
    Check(
        "6a",
        "High-variance law: ChebCB's total cost is below Tsallis-INF's, paired over 5 seeds, the interval excludes 0.",
        ["C2"],
        Interval(total.at(arm="cheb_cb") - total.at(arm="tsallis_inf") < 0, name="iterations of ChebCB - Tsallis-INF"),
    ),
    Check(
        "6b",
        "High-variance law: ChebCB's total cost is below that of Tsallis-INF-CB, paired over 5 seeds, the interval "
        "excludes 0.",
        ["C2"],
        Interval(
            total.at(arm="cheb_cb") - total.at(arm="tsallis_inf_cb") < 0, name="iterations of ChebCB - Tsallis-INF-CB"
        ),
    ),
    Check(
        "7",
        "(best fixed - oracle) / best fixed is larger under Beta(1/2, 3/2) than under Beta(2, 6) in 5 of 5 seeds.",
        ["C4"],
        Count((gain.at(data__law="high") - gain.at(data__law="low")).called("gain of the oracle, high - low") > 0),
    ),
    Check(
        "8a",
        "Heat equation, nx = 25: Tsallis-INF and ChebCB both need fewer iterations in total than CG and than omega "
        "= 1, in 3 of 3 seeds.",
        ["C6"],
        Count(
            [
                (iterations.at(arm=arm) - base.at(arm=other)).called(f"iterations of {arm} - {other}") < 0
                for arm in ("tsallis_inf", "cheb_cb")
                for other in ("cg", "fixed_1_0")
            ]
        ),
    ),
    Check(
        "8b",
        "Heat equation, nx = 25: iterations over those of omega = 1.5 (which the paper calls nearly best there) and"
        " of the best of five fixed omegas.",
        ["C6"],
        Report(
            [
                (iterations.at(arm=arm) / other).called(f"{arm} / {name}").shown()
                for arm in LEARNERS
                for name, other in (
                    ("omega = 1.5", base.at(arm="fixed_1_5")),
                    ("best fixed", base.only(arm=FIXED).min("arm")),
                )
            ]
        ),
    ),
    Check(
        "8c",
        "Heat equation, nx = 25: seconds of omega = 1 over those of the learners, solver and learner together.",
        ["C6"],
        Report([(base_seconds.at(arm="fixed_1_0") / seconds.at(arm=arm)).called(arm).shown() for arm in LEARNERS]),
    ),
    Check(
        "9a",
        "SOR sweeps and products with the matrix counted inside the solver with a learner attached equal those of "
        "replaying the chosen omegas without it.",
        ["C7"],
        Exact(
            [
                exact("9a", "extra_sweeps", "further sweeps") <= 0,
                exact("9a", "extra_matvecs", "further products") <= 0,
            ]
        ),
    ),
    Check(
        "9b",
        "Milliseconds that a learner takes in a round (median) at d = 20, 80, 320.",
        ["C7"],
        Report(
            [scalar("overhead", "time/round_ms", arm, group="module.omegas").called(arm).shown() for arm in LEARNERS]
        ),
    ),
    Check(
        "10",
        "U_CG(omega) >= iterations of SSOR-CG (x0 = 0, ||r|| <= 1e-8 ||b||) for 20 omegas on [2 sqrt 2 - 2, 1.95] "
        "and the 40 shifted copies.",
        ["C5"],
        Exact(unit("bounds", "cg_slack").called("min (U_CG - cost)") >= 0),
        unit="instance",
    ),
    Check(
        "11",
        "SSOR-CG, high-variance law, n = 100, T = 1000: Tsallis-INF's cost in the second half is below that of "
        "uniform play (the mean of the table's rows), paired t over 5 seeds excludes 0.",
        ["C5"],
        Interval(learned - uniform < 0, name="iterations of Tsallis-INF - uniform play"),
    ),
]
