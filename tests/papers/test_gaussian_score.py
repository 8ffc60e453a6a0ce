"""Comparison, sampling arms, what the checks measure, and that exact checks find wrong formulas."""

import math

import polars as pl
import pytest
import torch
from plain import run

from assay.config import compose
from assay.diffusion.samplers import heun, karras_grid
from assay.diffusion.scores import DeltaMixtureScore, GaussianScore
from assay.module import Budget
from assay.registry import KINDS
from assay.report.figures import MissingData, collect
from assay.results import Results
from assay.seeds import Seeds
from papers.gaussian_score import claims, exact, figures
from papers.gaussian_score.module import Scores, settled
from papers.gaussian_score.references import Comparison, far_out, log_slope
from papers.gaussian_score.sampling import Arm, Sampling, Trajectories, outside_plane, path_of


def build(kind, name, **values):
    compose.load("gaussian_score")
    return KINDS[kind].build({"name": name, **values})


def attached(module, steps=None, batch=None, train=150, lr=1e-3):
    data = build("data", "digits_signed", train=train, test=60)
    data.load(Seeds(1))
    parts = {
        "data": data,
        "model": build("model", "film_mlp", width=16, blocks=1),
        "optimizer": build("optimizer", "adam", lr=lr),
        "schedule": build("schedule", "constant"),
    }
    module.attach(Seeds(1), Budget(steps=steps, batch=batch), parts, {})
    module.build()
    return module


def table(experiment, rows, name="runs"):
    common = {"experiment": experiment, "arm": "main", "seed": 1, "registered": True}
    frame = pl.DataFrame([{**common, "signature": f"{i}", **row} for i, row in enumerate(rows)])
    empty = {key: pl.DataFrame() for key in ("runs", "units", "curves")}
    return Results("gaussian_score", "desk", **{**empty, name: frame})


def check(id):
    (found,) = (one for one in claims.CHECKS if one.id == id)
    return found.kind


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -- exact checks, and that they can fail -----------------------------------------------------------------------------


def verdict(id):
    measured = {f"exact/{id}/{name}": value for f in exact.Exact.checks[id] for name, value in f().items()}
    return check(id).judge(table("exact", [measured])).verdict


@pytest.mark.parametrize("id", exact.Exact.checks)
def test_exact_checks_hold(id):
    assert verdict(id) == "reproduced"


@pytest.mark.parametrize("id", exact.Exact.checks)
def test_exact_checks_find_a_wrong_shrinkage(id, monkeypatch):
    """lambda / (lambda + sigma) for lambda / (lambda + sigma^2)."""

    def wrong(self, x, sigma):
        return self.point(self.variances / (self.variances + sigma + 1e-300) * self.coordinates(x))

    monkeypatch.setattr(GaussianScore, "denoise", wrong)
    assert verdict(id) == "refuted"


def test_far_out_the_two_scores_differ_by_third_moments():
    rows = normal(40, 3).square()
    law, delta = GaussianScore.of(rows), DeltaMixtureScore(rows)
    ratios = far_out(delta, law, normal(64, 3, seed=1))
    assert log_slope(list(ratios), list(ratios.values())) == pytest.approx(-3, abs=0.2)
    stretched = GaussianScore(law.mean, 1.5 * law.variances, law.basis)
    ratios = far_out(delta, stretched, normal(64, 3, seed=1))  # a wrong second order shows as slope -2
    assert log_slope(list(ratios), list(ratios.values())) == pytest.approx(-2, abs=0.2)
    assert math.isnan(log_slope([1, 2], [0.0, 1.0]))


# -- comparison -------------------------------------------------------------------------------------------------------


def test_a_reference_explains_itself_and_nothing_else_as_well():
    comparison = Comparison(normal(80, 4) * torch.tensor([2.0, 1, 0.5, 0.1]), (3,), None, Seeds(1), 50)
    case = comparison.case(0, 0.5)
    for name, score in comparison.scores.items():
        found = dict(comparison.explained(score.denoise, case))
        assert found[name]["unexplained"] == 0
        assert all(values["unexplained"] > 1e-6 for other, values in found.items() if other != name)
    nothing = dict(comparison.explained(lambda x, sigma: comparison.mean.expand_as(x), case))
    assert nothing["isotropic"]["unexplained"] == 0
    assert nothing["gaussian"]["denoised"] == math.inf


def test_shares_are_those_of_scores():
    comparison = Comparison(normal(80, 4), (3,), None, Seeds(1), 50)
    case, law = comparison.case(2, 0.7), comparison.scores["gaussian"]
    net = GaussianScore.isotropic(torch.zeros(4).double(), 0.25)
    ours, theirs = net(case.x, 0.7), law(case.x, 0.7)
    values = dict(comparison.explained(net.denoise, case))["gaussian"]
    assert values["unexplained"] == pytest.approx(float((ours - theirs).square().sum() / ours.square().sum()))
    assert values["reverse"] == pytest.approx(float((ours - theirs).square().sum() / theirs.square().sum()))


def test_training_brings_the_score_nearer_to_the_gaussian():
    module = Scores(sigmas=(0.5,), points=100, checkpoints=(0,), clusters=(2,))
    run(attached(module, steps=150, batch=64, lr=3e-3))
    shares = {unit["at_step"]: unit["unexplained"] for unit in module.units if unit["unit"] == "gaussian"}
    assert set(shares) == {0, 150} and shares[150] < 0.8 * shares[0]
    start = {unit["unit"]: unit["unexplained"] for unit in module.units if unit["at_step"] == 0}
    assert start["isotropic_std"] < start["gaussian"]  # untrained, it is an isotropic Gaussian with variance 1/4
    assert set(module.artefacts["net"]) == set(module.net.state_dict())


def test_noise_depends_on_the_step_alone():
    module = attached(Scores(), steps=5, batch=32)
    index = module.batch(3)
    first = module.objective(index)
    module.batch(4)
    other = module.objective(index)
    module.batch(3)
    assert torch.equal(first, module.objective(index)) and not torch.equal(first, other)


# -- samples ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sampler():
    module = attached(Sampling(skips=(0, 8), compared=(8,), dpm_skips=(0,), samples=40, components=8))
    law = GaussianScore.of(module.data.train.x.flatten(1).double())
    module.denoise = law.denoise
    return run(module)


def test_arms_have_the_evaluations_they_should(sampler):
    nfe = {unit["unit"]: unit["nfe"] for unit in sampler.units}
    assert nfe["heun/teleport/0"] == 35 and nfe["dpmpp_2m/teleport/0"] == 18
    saved = {nfe[f"heun/{start}/8"] for start in ("teleport", "fewer", "truncated", "isotropic")}
    assert saved == {19}


def test_for_a_gaussian_teleportation_is_exact_and_the_baselines_are_not(sampler):
    exact_end = sampler.gaussian.flow(80 * sampler.noise, 80.0, 0.0)

    def error(start, skip):
        return float((sampler.sample(Arm("heun", start, skip)) - exact_end).square().mean())

    assert error("teleport", 8) < error("teleport", 0)
    assert error("teleport", 8) < min(error(start, 8) for start in ("fewer", "truncated", "isotropic"))
    assert {unit["mse"] for unit in sampler.units if unit["unit"] == "heun/teleport/0"} == {0.0}


def test_a_truncated_start_has_the_noise_of_its_level(sampler):
    seen = []
    sampler.denoise, kept = (lambda x, sigma: seen.append((x, sigma)) or kept(x, sigma)), sampler.denoise
    sampler.sample(Arm("heun", "truncated", 8))
    sampler.denoise = kept
    x, sigma = seen[0]
    assert sigma == karras_grid(18)[8]
    torch.testing.assert_close(x, sampler.gaussian.mean + sigma * sampler.noise)


def test_trajectories_of_a_gaussian_network():
    module = attached(Trajectories(samples=16, steps=18, fine=72, modes=10, clusters=2))
    module.denoise = GaussianScore.of(module.data.train.x.flatten(1).double()).denoise
    run(module)
    assert module.scalars["mse/gaussian"] < 0.05 * module.scalars["mse/delta"]
    assert module.scalars["emergence/spearman"] == pytest.approx(1)
    for mode in (unit for unit in module.units if "mode" in unit):
        assert mode["sigma_90"] == pytest.approx(0.484 * mode["variance"] ** 0.5, rel=0.05)


def test_settling_counts_from_the_last_time_below():
    values = torch.tensor([[0.0, 1.0], [0.95, 1.0], [0.5, 1.0], [1.0, 1.0]]).double()
    found = settled([8.0, 4.0, 2.0, 1.0], values)
    assert float(found[0]) == pytest.approx(2 ** (1 - 0.8))  # .5 to 1 passes .9 after .8 of the way
    assert float(found[1]) == 8


def test_paths_in_a_plane_have_nothing_outside():
    flat_law = GaussianScore(torch.zeros(5).double(), torch.tensor([4.0] * 5).double())
    path = path_of(flat_law.denoise, 80 * normal(3, 5), karras_grid(6))
    assert path.shape == (7, 3, 5)
    assert float(outside_plane(path)) == pytest.approx(0, abs=1e-12)
    assert torch.equal(path[-1], heun(flat_law.denoise, path[0], karras_grid(6)))
    corner = torch.eye(3).double()[:, None]
    corner[1, 0, 0] = 1  # half of its square lies outside the plane of the first and the third
    assert float(outside_plane(corner)) == pytest.approx(1 / 2)


# -- what the checks measure ------------------------------------------------------------------------------------------


def comparisons(values):
    """Units of `scores` from {(reference, sigma, step): 1 - EV by seed}."""
    rows = [
        {"seed": seed, "unit": name, "sigma": sigma, "at_step": step, "unexplained": value}
        for (name, sigma, step), by_seed in values.items()
        for seed, value in enumerate(by_seed, 1)
    ]
    return table("scores", rows, "units")


def leads(*means):
    """Gaussian and delta at four noise levels, with these means of 1-EV(delta) - 1-EV(gaussian)."""
    jitter = (-0.01, 0.0, 0.01, 0.005, -0.005)
    pairs = {}
    for sigma, mean in zip((0.2, 0.5, 1.0, 2.0), means, strict=True):
        pairs["gaussian", sigma, 5000] = [0.5] * 5
        pairs["delta", sigma, 5000] = [0.5 + mean + j for j in jitter]
    return comparisons(pairs)


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ((0.1, 0.2, -0.1, -0.1), "reproduced"),
        ((0.1, -0.1, -0.1, -0.1), "refuted"),
        ((0.1, 0.0, 0.0, -0.1), "inconclusive"),
        ((0.0, -0.1, -0.1, 0.0), "inconclusive"),
    ],
)
def test_two_of_four_noise_levels_decide(means, expected):
    finding = check("5").judge(leads(*means))
    assert finding.verdict == expected
    assert finding.n == 5 and len(finding.details) == 4
    if expected == "reproduced":
        assert 0 < finding.p_value < 0.05


def test_every_noise_level_counts_in_the_share_of_the_gaussian():
    levels = (0.5, 1.0, 2.0, 5.0)
    good = {("gaussian", s, 5000): [0.01, 0.02] for s in levels} | {
        ("isotropic_std", s, 5000): [0.1, 0.1] for s in levels
    }
    assert check("4").judge(comparisons(good)).verdict == "reproduced"
    assert check("4").judge(comparisons(good | {("gaussian", 5.0, 5000): [0.01, 0.03]})).verdict == "refuted"


def test_the_early_gaussian_is_judged_at_step_150():
    def shares(gaussian, delta):
        found = {}
        for sigma in (0.05, 0.1, 0.2, 0.5, 1.0):
            found["isotropic_std", sigma, 150] = [0.5]
            for step, g, d in zip((0, 150, 5000), gaussian, delta, strict=True):
                found["gaussian", sigma, step], found["delta", sigma, step] = [g], [d]
        return comparisons(found)

    results = shares((0.6, 0.3, 0.2), (0.7, 0.4, 0.2))
    assert [check(id).judge(results).verdict for id in ("6a", "6b", "6c")] == ["reproduced"] * 3
    results = shares((0.2, 0.4, 0.2), (0.7, 0.3, 0.4))
    assert [check(id).judge(results).verdict for id in ("6a", "6b", "6c")] == ["refuted"] * 3


def samples(frechet):
    """Distances of Heun's samples, by start and number of skipped steps."""
    rows = [
        {"seed": seed, "unit": f"heun/{start}/{skip}", "sampler": "heun", "start": start, "skip": skip}
        | {"frechet": value * (1 + 0.001 * seed)}
        for (start, skip), value in frechet.items()
        for seed in range(1, 6)
    ]
    return table("sampling", rows, "units")


def test_both_skips_must_hold():
    good = {("teleport", 0): 1.0, ("teleport", 4): 1.0, ("teleport", 5): 1.01, ("teleport", 12): 2.0}
    fewer = {("fewer", 4): 1.2, ("fewer", 5): 1.3}
    assert [check(id).judge(samples(good | fewer)).verdict for id in ("9a", "9b", "9c")] == ["reproduced"] * 3
    worse = samples(good | fewer | {("teleport", 5): 1.1, ("teleport", 12): 1.05, ("fewer", 4): 0.9})
    assert [check(id).judge(worse).verdict for id in ("9a", "9b", "9c")] == ["refuted"] * 3


@pytest.mark.parametrize("spec", collect(figures), ids=lambda spec: spec.id)
def test_figures_say_what_is_missing(spec):
    empty = pl.DataFrame()
    with pytest.raises(MissingData):
        spec(Results("gaussian_score", "smoke", empty, empty, empty))
