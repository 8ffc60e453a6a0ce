"""The method against closed forms and identities, its data, its baselines, what the checks measure, the figures."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from plain import run
from torch.distributions import MultivariateNormal, kl_divergence

from assay.config import compose
from assay.errors import DataMissing, UserError
from assay.metrics.bures_wasserstein import conditional_bw_uvp
from assay.models.gaussian_mixture_potential import GaussianMixturePotential
from assay.module import Budget
from assay.registry import KINDS
from assay.report.figures import MissingData, collect
from assay.results import Results
from assay.seeds import Seeds
from papers.light_sb import claims, exact, figures
from papers.light_sb.data import EmbryoidBody, FaceLatents, GaussianPair, MixtureBridge, SingleCells
from papers.light_sb.module import (
    Benchmark,
    GaussianCase,
    LightSB,
    Sampler,
    Sinkhorn,
    Translation,
    fill_gradients,
    gaussian_bridge,
    gaussian_kl,
    light_sb_objective,
)


def build(kind, name, **values):
    compose.load("light_sb")
    return KINDS[kind].build({"name": name, **values})


def loaded(data, seed=1):
    data.load(Seeds(seed))
    return data


def mixture(seed=1, **values):
    return loaded(MixtureBridge(**{"eps": 1.0, "held_out": 500, **values}), seed)


def attached(module, data, steps=20, batch=None, seed=1, lr=1e-2, **model):
    parts = {"data": data}
    if "model" in module.takes:
        parts["model"] = build("model", "gaussian_mixture_potential", **{"components": 5, "eps": 1.0, **model})
        parts["optimizer"] = build("optimizer", "adam", lr=lr)
        parts["schedule"] = build("schedule", "constant")
    module.attach(Seeds(seed), Budget(steps=steps, batch=batch), parts, {})
    module.build()
    return module


def potential(seed, components=4, dimension=2, eps=0.5):
    """A random potential in double precision."""
    generator = torch.Generator().manual_seed(seed)
    net = GaussianMixturePotential((dimension,), dimension, components=components, eps=eps).double()
    r, s = torch.randn(2, components, dimension, generator=generator, dtype=torch.float64)
    net.requires_grad_(False).set(r, 0.2 + s.abs(), torch.randn(components, generator=generator, dtype=torch.float64))
    return net


def table(experiment, rows, name="runs"):
    """Results with these rows in one of their tables."""
    common = {"experiment": experiment, "arm": "main", "seed": 1, "registered": True}
    frame = pl.DataFrame([{**common, "signature": f"{i}", **row} for i, row in enumerate(rows)])
    return Results(
        "light_sb", "desk", **{"runs": pl.DataFrame(), "units": frame, "curves": pl.DataFrame(), name: frame}
    )


def values(measure, results):
    return [value.value for value in measure(results)]


# -- exact checks, and that they can fail -----------------------------------------------------------------------------


def verdict(id):
    measured = {f"exact/{id}/{name}": value for f in exact.Exact.checks[id] for name, value in f().items()}
    (check,) = (one for one in claims.CHECKS if one.id == id)
    return check.kind.judge(table("exact", [measured])).verdict


def without_squares(net, x0):
    """c without its quadratic term."""
    return torch.logsumexp(net.log_alpha + x0 @ net.r.T / net.eps, -1)


def without_volume(net, x, t):
    """The drift without the determinants in the weights of the components."""
    left = 1 - t
    a = t / (net.eps * left) + 1 / (net.eps * net.s)
    h = x[:, None] / (net.eps * left) + net.r / (net.eps * net.s)
    terms = net.log_alpha + 0.5 * (h**2 / a - net.r**2 / (net.eps * net.s)).sum(-1)
    return (torch.einsum("bk,bkd->bd", terms.softmax(-1), h / a) - x) / left


@pytest.mark.parametrize(("id", "method", "wrong"), [("1", "log_c", without_squares), ("2", "drift", without_volume)])
def test_exact_checks_find_a_wrong_formula(id, method, wrong, monkeypatch):
    monkeypatch.setattr(GaussianMixturePotential, method, wrong)
    assert verdict(id) == "refuted"


def test_discrete_transport_tells_two_costs_apart(monkeypatch):
    """With cost |x - y|^2 in place of its half, eps would count half: Sinkhorn must not agree with that."""
    monkeypatch.setattr(exact, "gaussian_bridge", lambda *args: gaussian_bridge(*args[:4], args[4] / 2))
    assert verdict("4") == "refuted"


# -- the objective ----------------------------------------------------------------------------------------------------


def test_the_gap_of_the_objective_is_the_kl_of_the_plans():
    """L(theta) - L(truth) = E log pi*/pi_theta, on the same pairs to rounding; and no potential beats the true one."""
    data, net = mixture(held_out=10), potential(3, eps=1.0)
    x0, x1 = data.pairs(20_000, torch.Generator().manual_seed(0))
    gap = light_sb_objective(net, x0, x1) - light_sb_objective(data.truth, x0, x1)
    kl = (data.truth.log_plan(x0, x1) - net.log_plan(x0, x1)).mean()
    assert float(gap) == pytest.approx(float(kl), rel=1e-10)
    assert float(kl) > 0.1


def test_weights_count_by_their_ratios_alone():
    net, x = potential(1), torch.randn(2, 50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = light_sb_objective(net, *x)
    net.scaled_log_alpha += 3.0
    assert float(light_sb_objective(net, *x)) == pytest.approx(float(before), abs=1e-12)


@pytest.mark.parametrize(("n", "components", "eps"), [(50, 4, 0.5), (3, 1, 0.02)])
def test_the_gradient_in_closed_form_is_that_of_autograd(n, components, eps):
    net = potential(5, components, dimension=3, eps=eps).requires_grad_()
    x0, x1 = torch.randn(2, n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x1 = torch.cat([x1, 3 * x1])  # the two sides need not be as many
    loss = light_sb_objective(net, x0, x1)
    names, parameters = zip(*net.named_parameters(), strict=True)
    expected = torch.autograd.grad(loss, parameters)
    assert float(fill_gradients(net, x0, x1)) == pytest.approx(loss.item(), rel=1e-12)
    for name, parameter, gradient in zip(names, parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-11, msg=name)


def test_full_covariances_are_learned_too():
    module = attached(Benchmark(), mixture(held_out=10), 5, 32, covariance="full")
    before = module.net.generators.detach().clone()
    run(module)
    assert not torch.equal(module.net.generators, before)


def test_without_a_bound_the_objective_has_no_minimum_over_few_samples():
    """A component that collapses onto one of n samples in the plane lowers L by log(100) / n for every 1/100 in S."""
    data, net = mixture(samples=8), potential(2, eps=1.0)
    net.r[0] = data.train.y[0]
    found = []
    for small in (1e-6, 1e-8, 1e-10):
        net.log_s[0] = math.log(small)
        found.append(float(light_sb_objective(net, data.train.x, data.train.y)))
    assert np.diff(found) == pytest.approx([-math.log(100) / 8] * 2, rel=1e-2)


def test_bounds_are_kept_at_every_step():
    module = attached(Benchmark(), mixture(samples=8), 60, lr=0.2, bounds=[0.9, 1.1])
    run(module, until=50)
    assert float(module.net.s.min()) == pytest.approx(0.9) and float(module.net.s.max()) <= 1.1 + 1e-12
    assert run(attached(Benchmark(), mixture(samples=8), 60, lr=0.2)).scalars["model/smallest_s"] < 0.9


# -- Gaussians --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [1e-6, 0.1, 10.0])
def test_the_bridge_between_gaussians_ends_at_the_target(eps):
    mean0, var0, mean1, var1 = (torch.tensor(v, dtype=torch.float64) for v in ([1, -2], [0.25, 4], [3, 0], [1, 0.5]))
    s, r = gaussian_bridge(mean0, var0, mean1, var1, eps)
    torch.testing.assert_close(s * mean0 + r, mean1)
    torch.testing.assert_close(s**2 * var0 + eps * s, var1)
    if eps == 1e-6:  # optimal transport without regularisation
        torch.testing.assert_close(s, (var1 / var0).sqrt(), rtol=1e-5, atol=0)


def test_kl_of_gaussian_plans_is_that_of_the_joint_gaussians():
    eps, mean0, var0 = 0.3, 0.5, 2.0
    (s, r), (s_other, r_other) = (0.7, -0.2), (0.9, 0.4)

    def joint(s, r):
        mean = torch.tensor([mean0, s * mean0 + r], dtype=torch.float64)
        covariance = [[var0, s * var0], [s * var0, s**2 * var0 + eps * s]]
        return MultivariateNormal(mean, torch.tensor(covariance, dtype=torch.float64))

    numbers = (torch.tensor([v], dtype=torch.float64) for v in (s, r, s_other, r_other, mean0, var0))
    expected = kl_divergence(joint(s, r), joint(s_other, r_other))
    assert float(gaussian_kl(*numbers, eps)) == pytest.approx(float(expected), rel=1e-10)


@pytest.mark.parametrize("eps", [0.1, 1.0])
def test_polishing_reaches_the_closed_form_of_the_sample(eps):
    data = loaded(GaussianPair(samples=400, held_out=10))
    rough, polished = (
        run(attached(GaussianCase(polish=polish), data, 100, components=1, eps=eps)).scalars for polish in (0, 500)
    )
    assert polished["sample/s_error"] < 1e-5 and polished["sample/r_error"] < 1e-5
    assert rough["sample/s_error"] > 1e-2
    assert polished["population/s_error"] > 1e-3  # 400 samples are not the population


# -- known plans ------------------------------------------------------------------------------------------------------


def test_problems_of_a_seed_share_their_truth_and_no_others_do():
    truth, same, other = mixture().truth, mixture(eps=0.1, samples=50).truth, mixture(seed=2).truth
    assert torch.equal(truth.r, same.r) and torch.equal(truth.log_s, same.log_s)
    assert not torch.equal(truth.r, other.r)
    assert truth.s.min() >= 0.2 and truth.s.max() <= 0.8


def test_pairs_follow_the_true_plan_and_splits_join_nothing():
    data = mixture(samples=20_000)
    x0, x1 = data.pairs(20_000, torch.Generator().manual_seed(0))
    mean, covariance = data.truth.plan_moments(x0)
    z = (x1 - mean) / covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert z.mean(0).abs().max() < 4 / 20_000**0.5
    assert (z.square().mean(0) - 1).abs().max() < 0.05
    cross = ((x0 - x0.mean(0)).T @ (x1 - x1.mean(0)) / 20_000).abs().max()
    x, y = data.train.x, data.train.y
    assert ((x - x.mean(0)).T @ (y - y.mean(0)) / 20_000).abs().max() < 0.1 < cross
    torch.testing.assert_close(y.mean(0), x1.mean(0), atol=0.06, rtol=0)


def test_the_truth_explains_all_and_a_single_gaussian_does_not():
    truth = attached(Benchmark(start="truth"), mixture(), steps=20, lr=0.0)
    assert run(truth).scalars["test/uvp"] == pytest.approx(0, abs=1e-9)
    assert truth.scalars["test/kl"] == pytest.approx(0, abs=1e-9)
    assert truth.scalars["test/objective"] == pytest.approx(truth.scalars["test/optimum"], abs=1e-9)
    five, one = (run(attached(Benchmark(), mixture(), 300, 128, components=k, lr=3e-2)).scalars for k in (5, 1))
    assert five["test/uvp"] < 10 < one["test/uvp"]
    assert 0 < five["test/kl"] < one["test/kl"]


def test_unexplained_variance_counts_means_and_covariances():
    truth = potential(1)
    x0 = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, covariance = truth.plan_moments(x0)
    moved = (mean + torch.tensor([0.3, 0.4], dtype=torch.float64), covariance)
    assert float(conditional_bw_uvp(moved, (mean, covariance), 2.0)) == pytest.approx(25)  # 0.5^2 of half of 2
    assert float(conditional_bw_uvp((mean, 4 * covariance), (mean, covariance), 2.0)) == pytest.approx(
        100 * float(covariance.diagonal(dim1=-2, dim2=-1).sum(-1).mean())
    )


# -- samples and starts -----------------------------------------------------------------------------------------------


def test_samples_of_a_step_depend_on_the_step_alone():
    forth, back = (attached(LightSB(), mixture(), 250, batch=16) for _ in range(2))
    drawn = {step: forth.batch(step).clone() for step in (0, 99, 100, 249)}
    for step in (249, 0, 100, 99):
        assert torch.equal(back.batch(step), drawn[step])
    rows = torch.cat([batch.flatten(1) for batch in drawn.values()], 1)
    assert len(rows.unique()) == rows.numel()


def test_centres_start_at_distinct_rows_or_near_repeated_ones():
    module = attached(LightSB(), mixture(samples=40), components=30)
    distances = torch.cdist(module.net.r.detach(), module.data.train.y)
    assert distances.min(1).values.max() < 1e-6
    assert len(set(distances.argmin(1).tolist())) == 30
    crowded = attached(LightSB(), mixture(samples=10), components=30)
    assert torch.pdist(crowded.net.r.detach()).min() > 0
    assert torch.cdist(crowded.net.r.detach(), crowded.data.train.y).min(1).values.max() < 1


def test_full_batches_need_as_many_samples_of_both_sides():
    data = build("data", "digits_translation", dimension=2)
    module = attached(LightSB(), loaded(data))
    with pytest.raises(UserError, match=r"set budget\.batch"):
        module.batch(0)


def test_trajectories_begin_at_test_points():
    module = run(attached(LightSB(paths=3, path_steps=50), mixture(), 10, 32))
    assert len(module.units) == 3 * 26
    first = [(unit["x"], unit["y"]) for unit in module.units if unit["t"] == 0]
    torch.testing.assert_close(torch.tensor(first, dtype=torch.float64), module.data.test.x[:3])
    assert {unit["t"] for unit in module.units} >= {0.0, 1.0}


def test_refusals_are_one_line():
    normal = build("data", "tabular_sklearn", table="digits", train=50, val=10, test=10)
    with pytest.raises(UserError, match="two distributions"):
        attached(LightSB(), loaded(normal))
    for module in (Benchmark(), Sinkhorn(), Sampler()):
        with pytest.raises(UserError, match="light_sb/mixture"):
            attached(module, loaded(GaussianPair(samples=10, held_out=10)))
    with pytest.raises(UserError, match=r"set model\.eps"):
        attached(Benchmark(), mixture(), eps=0.1)
    with pytest.raises(UserError, match=r"model\.components=5"):
        attached(Benchmark(start="truth"), mixture(), components=4)
    with pytest.raises(UserError, match="light_sb/gaussians"):
        attached(GaussianCase(), mixture())
    with pytest.raises(UserError, match=r"data\.dimension=3"):
        attached(Sampler(), mixture(dimension=3))


# -- baselines and simulation -----------------------------------------------------------------------------------------


def test_sinkhorn_explains_more_than_independence_and_goes_on_where_it_stopped():
    whole, parts = (attached(Sinkhorn(), mixture(samples=200), steps=40) for _ in range(2))
    run(whole)
    for start in range(0, 40, 10):
        parts.advance(start, start + 10)
    assert torch.equal(whole.log_v, parts.log_v)
    assert whole.scalars["test/uvp"] < 0.5 * whole.scalars["reference/uvp_independent"]


def test_simulation_agrees_with_direct_samples_and_a_drift_of_another_eps_does_not():
    """By the median of p over six starts: among 400 direct samples of one start a draw with p = .001 is one in 1000.

    Seed 1 is such a draw at x0 = (1, -.5): other direct samples of that plan differ from it as simulated points do.
    """

    def ends(seed, *, other=False):
        module, data = Sampler(euler_steps=100, points=4000, compared=400), mixture(seed, held_out=10)
        if other:
            data.truth.drift = potential(1, eps=1.0).drift
        return run(attached(module, data, seed=seed)).units

    right, wrong = ([unit for seed in (1, 2, 3) for unit in ends(seed, other=other)] for other in (False, True))
    assert [unit["unit"] for unit in right] == ["x0=(0, 0)", "x0=(1, -0.5)"] * 3
    assert np.median([unit["p_value"] for unit in right]) > 0.05
    assert {unit["p_value"] for unit in wrong} == {0.001}
    for unit, other in zip(right, wrong, strict=True):
        assert unit["mean_z"] < 4 < other["mean_z"]
        assert unit["variance_error"] < 0.1


# -- data without a known plan ----------------------------------------------------------------------------------------


def test_translation_moves_digits_towards_the_target():
    data = loaded(build("data", "digits_translation", dimension=4))
    values = run(attached(Translation(), data, 200, 64, eps=0.1, scale=0.1)).scalars
    assert values["reference/energy_target"] < values["test/energy"] < values["reference/energy_source"]
    assert values["test/cost"] < values["reference/cost_independent"]


def folder(tmp_path, monkeypatch, name, **arrays):
    (tmp_path / name).mkdir()
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    for file, rows in arrays.items():
        np.save(tmp_path / name / f"{file}.npy", rows)


def test_cells_of_three_days_are_scaled_together(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    days = {day: rng.normal(day, 3.0, (60, 50)) for day in (3, 4, 7)}
    folder(tmp_path, monkeypatch, "msci", **{f"full_cite_pcas_50_day_{day}": rows for day, rows in days.items()})
    data = loaded(SingleCells(days="3-4-7"))
    assert data.middle_time == 0.25
    assert data.scale == pytest.approx(np.concatenate(list(days.values())).std(axis=0).mean())
    np.testing.assert_allclose(data.train.y.numpy() * data.scale, days[7])
    np.testing.assert_allclose(data.middle.numpy() * data.scale, days[4])
    assert data.test is data.train
    module = run(attached(Translation(), data, 20, 16, components=3))
    # Distances at the time between are in the units of the arrays, whose days lie one or more apart in 50 components.
    assert module.scalars["middle/wasserstein"] > 10
    with pytest.raises(DataMissing, match="README"):
        loaded(SingleCells(days="2-3-4"))


def test_the_held_out_time_lies_between_the_ends(tmp_path, monkeypatch):
    labels = np.repeat(np.arange(5), 7)
    folder(tmp_path, monkeypatch, "eb", pcs=np.tile(labels[:, None], (1, 6)).astype(float), labels=labels)
    data = loaded(EmbryoidBody(held_out=2))
    assert data.train.x.shape == (7, 5)
    assert (data.train.x.unique(), data.middle.unique(), data.train.y.unique()) == (1, 2, 3)


def test_faces_are_grouped_by_age_and_gender_and_split_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(FaceLatents, "train_rows", 6)
    age = np.array([30, 5, -1, 40, 17, 18, 60, 3])
    gender = np.array(["male", "female"] * 4)[:, None]
    latents = np.repeat(np.arange(8.0)[:, None], 512, 1)
    folder(tmp_path, monkeypatch, "alae", latents=latents, age=age[:, None], gender=gender)
    grown = loaded(FaceLatents())
    assert grown.train.x[:, 0].tolist() == [0, 3, 5] and grown.train.y[:, 0].tolist() == [1, 4]
    assert grown.test.x[:, 0].tolist() == [6] and grown.test.y[:, 0].tolist() == [7]
    assert loaded(FaceLatents(source="man", target="woman")).train.x[:, 0].tolist() == [0, 2, 4]
    with pytest.raises(UserError, match="both 'man'"):
        FaceLatents(source="man", target="man")


# -- what the checks measure ------------------------------------------------------------------------------------------


def check(id):
    (found,) = (one for one in claims.CHECKS if one.id == id)
    return found.kind


def cells(uvp):
    """Rows of the benchmark from {(eps, D): (UVPs of K = 1, UVPs of K = 50), by seed}."""
    return table(
        "benchmark",
        [
            {"arm": arm, "eps": eps, "data.dimension": d, "seed": seed, "test/uvp": value}
            for (eps, d), sides in uvp.items()
            for arm, side in zip((claims.GAUSSIAN, claims.MIXTURE), sides, strict=True)
            for seed, value in enumerate(side, 1)
        ],
    )


def test_cells_near_a_gaussian_are_left_out_of_the_comparison():
    far, near = ([30.0, 20.0, 25.0], [2.0, 3.0, 4.0]), ([1.0, 3.0, 1.0], [2.0, 2.0, 2.0])
    results = cells({("0.1", 2): far, ("10", 2): near})
    assert values(claims.gap(near_gaussian=False), results) == [28, 17, 21]
    assert values(claims.gap(near_gaussian=True), results) == [-1, 1, -1]
    assert check("5a").judge(results).verdict == check("5b").judge(results).verdict == "reproduced"
    worse = cells({("0.1", 2): ([30.0, 20.0, 25.0], [2.0, 21.0, 4.0])})
    assert check("5a").judge(worse).verdict == check("5b").judge(worse).verdict == "refuted"


def components(by_k):
    rows = [{"seed": s, "model.components": k, "test/objective": v} for k, vs in by_k.items() for s, v in enumerate(vs)]
    return table("components_roll", rows)


def test_more_components_may_rise_by_noise_but_not_by_more():
    falling = {1: [3.0, 3.1, 3.2], 2: [2.0, 2.1, 2.2], 5: [1.9, 2.2, 2.1], 10: [1.0, 1.1, 1.2], 20: [0.9, 1.0, 1.2]}
    assert check("6a").judge(components(falling)).verdict == "reproduced"  # 2 -> 5 rises in a seed
    assert check("6b").judge(components(falling)).verdict == "reproduced"
    rising = falling | {5: [2.1, 2.21, 2.3]}
    assert check("6a").judge(components(rising)).details[0]["k"] == 3
    changes = np.diff([falling[2], falling[5]], axis=0)[0]
    expected = changes.mean() - 2 * changes.std(ddof=1) / 3**0.5
    assert claims.falls(components(falling))[1].value == pytest.approx(expected)


def by_samples(rate):
    """Both starts over N by seed: the one with the lower training L follows N^-rate, the other stays at KL 1."""
    rows = []
    for seed in (1, 2, 3):
        for n in (100, 1000, 10_000):
            good, bad = ("data", "truth") if (seed + n) % 3 else ("truth", "data")
            rows.append((seed, n, good, 1.0, seed * n ** -(rate + 0.01 * seed)))
            rows.append((seed, n, bad, 1.1, 1.0))
    names = ("seed", "data.samples", "module.start", "train/objective", "test/kl")
    return table("sample_size", [dict(zip(names, row, strict=True)) for row in rows])


def test_the_slope_is_that_of_the_better_start():
    assert values(claims.slopes, by_samples(1.0)) == pytest.approx([-1.01, -1.02, -1.03])
    assert check("7").judge(by_samples(1.0)).verdict == "reproduced"
    assert check("7").judge(by_samples(0.2)).verdict == "refuted"


def test_a_kl_that_is_not_positive_has_no_slope():
    frame = by_samples(1.0).runs.with_columns(
        pl.when(pl.col("seed") == 2).then(0.0).otherwise(pl.col("test/kl")).alias("test/kl")
    )
    results = Results("light_sb", "desk", frame, pl.DataFrame(), pl.DataFrame())
    assert math.isnan(values(claims.slopes, results)[1])
    assert check("7").judge(results).verdict == "inconclusive"


def test_dispersion_must_grow_at_every_step_of_eps_in_every_seed():
    def results(*traces):
        rows = [
            {"seed": seed, "eps": eps, "plan/trace": trace}
            for seed, by_eps in enumerate(traces)
            for eps, trace in zip(("1", "0.1", "0.01"), by_eps, strict=True)
        ]
        return table("volatility", rows)

    small, large = check("8").conditions
    assert values(small.measure, results((3.0, 2.0, 0.5), (3.0, 2.5, 1.0))) == [1.5, 1.5]
    assert values(large.measure, results((3.0, 2.0, 0.5), (3.0, 2.5, 1.0))) == [1.0, 0.5]
    assert check("8").judge(results((3.0, 2.0, 0.5))).verdict == "reproduced"
    assert check("8").judge(results((3.0, 2.0, 0.5), (3.0, 0.5, 0.6))).verdict == "refuted"


def test_the_kl_allowed_between_gaussians_depends_on_eps():
    rows = [
        {"seed": seed, "model.eps": eps, "population/s_error": 0.03, "population/kl": kl}
        for seed in (1, 2)
        for eps, kl in ((0.1, 0.03), (1.0, 0.005))
    ]
    assert check("3b").judge(table("gaussian", rows)).verdict == "reproduced"
    rows[1]["population/kl"] = 0.03
    assert check("3b").judge(table("gaussian", rows)).verdict == "refuted"


def test_one_point_of_the_simulation_that_fails_refutes():
    rows = [
        {"data.eps": eps, "unit": unit, "p_value": 0.3, "mean_z": 2.0, "variance_error": 0.05}
        for eps in (0.1, 1.0)
        for unit in ("a", "b")
    ]
    assert [check(id).judge(table("sampler", rows, "units")).verdict for id in ("9a", "9b")] == ["reproduced"] * 2
    rows[3] |= {"p_value": 0.001, "mean_z": 4.5}
    assert [check(id).judge(table("sampler", rows, "units")).verdict for id in ("9a", "9b")] == ["refuted"] * 2


@pytest.mark.parametrize("spec", collect(figures), ids=lambda spec: spec.id)
def test_figures_say_what_is_missing(spec):
    empty = pl.DataFrame()
    with pytest.raises(MissingData):
        spec(Results("light_sb", "smoke", empty, empty, empty))
    with pytest.raises(MissingData):
        spec(table("exact", [{"exact/1/c_error": 0.0}]))
