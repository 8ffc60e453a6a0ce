"""Theory at its limits, students in modes and in steps, both networks, noisy images, resume, measures, figures."""

from __future__ import annotations

import io
import math

import numpy as np
import polars as pl
import pytest
import torch
from plain import run

from assay.data.images import FashionMNIST
from assay.data.labelled import Pool
from assay.data.relu_teacher import ReLUTeacher
from assay.errors import UserError
from assay.metrics.marchenko_pastur import Spectrum
from assay.models import MLP, RandomFeatures
from assay.module import Budget
from assay.optimizers.sgd import SGD
from assay.report.figures import MissingData, collect
from assay.results import Results
from assay.seeds import Seeds
from papers.generalization_dynamics import claims, exact, figures
from papers.generalization_dynamics.data import NoisyPair
from papers.generalization_dynamics.module import Linear, Simulation, inputs
from papers.generalization_dynamics.networks import Readout, TwoLayers, two_layers
from papers.generalization_dynamics.theory import (
    Setting,
    best_stopping_time,
    final_error,
    generalisation_error,
    mode_stopping_time,
    ridge_error,
    training_error,
)

ONE = Setting(1.0, 1.0)


def attached(module, parts=None, steps=1, seed=1):
    module.attach(Seeds(seed), Budget(steps=steps), parts or {}, {})
    module.build()
    return module


def teacher(seed=1, samples=30, **how):
    data = ReLUTeacher(dim=5, teacher=4, samples=samples, tests=400, **how)
    data.load(Seeds(seed))
    return data


def readout(hidden=20, seed=1, **how):
    parts = {"data": teacher(seed, **how), "model": lambda i, o: RandomFeatures(i, o, hidden=hidden)}
    return attached(Readout(), parts, seed=seed)


def descended(hidden=12, steps=120, **how):
    parts = {"data": teacher(), "optimizer": lambda params: SGD(params, lr=0.05, momentum=0.0)}
    module = TwoLayers(hidden=hidden, **how)
    module.takes = ("data", "optimizer")
    return attached(module, parts, steps)


def resumed(make, until):
    first = run(make(), until)
    assert 0 < first.steps_done < first.total
    torch.save(first.checkpoint(), buffer := io.BytesIO())
    buffer.seek(0)
    second = make()
    second.resume(torch.load(buffer, weights_only=True))
    return run(second)


def outcome(module):
    return module.scalars, module.units, {name: (c.step, c.value) for name, c in module.curves.items()}


# -- theory ---------------------------------------------------------------------------------------------------------


def test_curves_at_their_ends():
    for alpha in (0.5, 2.0):
        spectrum = Spectrum.marchenko_pastur(alpha)
        start, end = generalisation_error(spectrum, ONE, [0, math.inf])
        assert start == pytest.approx(2 + 1)  # S + se2
        assert end == pytest.approx(final_error(alpha, ONE))
        before, after = training_error(spectrum, ONE, [0, math.inf])
        # At the start y - w X has the variance S of the signal and that of the noise.
        assert before == pytest.approx(3)
        assert after == pytest.approx(max(1 - 1 / alpha, 0), abs=1e-12)
    assert final_error(1.0, ONE) == math.inf


def test_one_mode_is_best_left_at_its_own_time():
    one = Spectrum(np.array([0.7]), np.array([1.0]), 0.0, 1.0)
    setting = Setting(0.5, 0.3)
    times = np.concatenate([[0], np.geomspace(1e-2, 1e2, 40), [math.inf]])
    expected = float(mode_stopping_time(one.values, setting)[0])
    assert best_stopping_time(one, setting, times) == pytest.approx(expected, rel=1e-4)


def test_the_best_ridge_lies_below_every_stopping_time():
    spectrum = Spectrum.of(inputs(Seeds(3), 60, 1.0))
    for noise in (0.1, 1.0, 10.0):
        setting = Setting(noise, 0.0)
        best = generalisation_error(spectrum, setting, np.geomspace(1e-2, 1e4, 200)).min()
        assert ridge_error(spectrum, setting) <= best + 1e-12


def test_descent_reaches_the_least_change_that_fits():
    students = exact._students(0.5, size=40, draws=3)
    modes = exact.Modes(students)
    start = students.w.clone()
    end = modes.at(torch.where(modes.values > 0, 0.0, 1.0).double())
    pinv = start + (students.y - start @ students.x) @ torch.linalg.pinv(students.x)
    assert (end - pinv).abs().max() < 1e-10
    assert students.training(end).max() < 1e-20


# -- linear runs ----------------------------------------------------------------------------------------------------


def test_linear_units_hold_all_settings():
    module = run(attached(Linear(alpha=0.5, size=40)))
    assert len(module.units) == 6
    for unit in module.units:
        assert unit["overtraining"] == pytest.approx(unit["final"] - unit["stopped"])
        assert unit["overtraining"] >= 0 and unit["ridge"] >= 1 / unit["snr"]
    small, large = module.units[2], module.units[3]
    assert (small["s02"], large["s02"]) == (0.0, 1.0)
    assert large["final"] - small["final"] == pytest.approx(0.5)  # the frozen half keeps its start


def test_students_follow_the_formula():
    module = run(attached(Simulation(alpha=2.0, size=60, students=200), steps=300))
    curves = {name: curve.value for name, curve in module.curves.items()}
    for name in ("test", "train"):
        for seen, error, formula in zip(
            curves[f"{name}/error"], curves[f"{name}/standard_error"], curves[f"{name}/for_x"], strict=True
        ):
            # Euler's steps are a little off the flow besides.
            assert abs(seen - formula) < 4.5 * error + 0.03 * formula
    assert curves["time"][-1] == pytest.approx(3.0)


# -- student (i) ----------------------------------------------------------------------------------------------------


def test_the_readout_ends_where_least_squares_of_least_norm_does():
    for hidden in (10, 60):
        module = run(readout(hidden))
        data, net = module.data, module.net
        v = torch.linalg.pinv(net.features(data.train.x)) @ data.train.y
        error = (net.features(data.test.x) @ v - data.test.y).square().mean() + 1.0
        assert module.scalars["test/final"] == pytest.approx(float(error), rel=1e-6)
        assert module.scalars["capacity/norm"] == pytest.approx(float(v.norm()), rel=1e-6)
        assert module.scalars["capacity/naive"] == pytest.approx(math.sqrt(min(hidden, 30) / 30))
        fit = (net.features(data.train.x) @ v - data.train.y).square().mean()
        assert module.scalars["train/final"] == pytest.approx(float(fit), abs=1e-9)
        assert module.scalars["test/stopped"] <= module.scalars["test/final"]


def test_the_readout_wants_random_features_and_noise():
    with pytest.raises(UserError, match="random_features"):
        attached(Readout(), {"data": teacher(), "model": lambda i, o: MLP(i, o, hidden=[4])})


# -- student (ii) ---------------------------------------------------------------------------------------------------


def test_two_layers_descend_and_keep_their_rate_in_bounds():
    module = run(descended(hidden=12, dtype="float64"))
    assert module.base_lrs == [0.05]
    train = module.curves["train/error"].value
    assert train[-1] < 0.8 * train[0]
    first, readout_ = module.first.detach(), module.readout.detach()
    error = (two_layers(module.data.test.x, first, readout_) - module.data.test.y).square().mean() + 1.0
    assert module.scalars["test/final"] == pytest.approx(float(error))
    assert module.scalars["parameters"] == 12 * 6
    assert descended(hidden=400).base_lrs == [1 / 101]
    assert descended(hidden=40, scale=3.0).base_lrs == [1 / 91]


def test_two_layers_go_on_where_they_stopped():
    class Short(TwoLayers):
        block_steps = 40

    def make():
        parts = {"data": teacher(), "optimizer": lambda params: SGD(params, lr=0.05, momentum=0.0)}
        module = Short(hidden=6)
        module.takes = ("data", "optimizer")
        return attached(module, parts, 120)

    assert outcome(resumed(make, until=40)) == outcome(run(make()))


# -- images ---------------------------------------------------------------------------------------------------------


def test_noisy_images(monkeypatch):
    y = torch.arange(600) % 10
    x = torch.randint(256, (600, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    monkeypatch.setattr(FashionMNIST, "read", lambda self: (Pool(x, y), Pool(x[:200], y[:200])))
    data = NoisyPair(images="fashion_mnist", pair=[0, 6], pool=2, train=100, test=20, snr=4.0)
    data.load(Seeds(1))
    train, test = data.train, data.test
    assert train.x.shape == (100, 196) and data.outputs == 1
    assert train.x.mean(0).abs().max() < 1e-12
    assert float(train.x.square().sum(1).mean()) == pytest.approx(196)
    assert set(test.y.tolist()) == {-1.0, 1.0} and set(train.extra["clean"].tolist()) == {-1.0, 1.0}
    assert float((train.y - train.extra["clean"]).std()) == pytest.approx(0.5, rel=0.3)
    assert data.noise_variance == 0.25


# -- claims, figures ------------------------------------------------------------------------------------------------


def check(id):
    (found,) = (one for one in claims.CHECKS if one.id == id)
    return found


def linear_results(rows):
    frame = pl.DataFrame(
        [
            {"experiment": "linear", "arm": "main", "seed": seed, "signature": f"{alpha}{seed}", "registered": True}
            | {"module.alpha": alpha, "unit": "snr=1, s02=0", "overtraining": value}
            for alpha, seed, value in rows
        ]
    )
    return Results("generalization_dynamics", "desk", pl.DataFrame(), frame, pl.DataFrame())


def test_the_peak_is_that_of_medians_and_draws_are_paired():
    results = linear_results([(0.1, s, 0.1 * s) for s in (1, 2, 3)] + [(1.0, s, v) for s, v in ((1, 1), (2, 1), (3, 1e9))]
                             + [(4.0, s, v) for s, v in ((1, 2.0), (2, 2.0), (3, 2.0))])  # fmt: skip
    (peak,) = claims.most_overtrained(results)
    assert peak.value == 4.0
    values = {v.unit: v.value for v in (claims.overtraining.at(module__alpha=0.1) / claims.at_peak)(results)}
    assert values == {"1": pytest.approx(0.1), "2": pytest.approx(0.2), "3": pytest.approx(3e-10)}


def test_measures_over_widths():
    rows = [
        {"experiment": "readout", "arm": "main", "seed": seed, "signature": f"{width}{seed}", "registered": True}
        | {
            "model.hidden": width,
            "test/final": error,
            "test/overtraining": error,
            "capacity/naive": 1.0 * min(width, 300),
            "capacity/reachable": error,
        }
        for seed, errors in ((1, (1.0, 9.0, 2.0)), (2, (1.0, 5.0, 4.0)))
        for width, error in zip((10, 300, 3000), errors, strict=True)
    ]
    results = Results("generalization_dynamics", "desk", pl.DataFrame(rows), pl.DataFrame(), pl.DataFrame())
    ratio, of_medians = (condition.measure(results) for condition in check("6a").conditions)
    assert [v.value for v in ratio] == [pytest.approx((4.5 + 1.25) / 2)]
    assert [v.value for v in of_medians] == [pytest.approx(3 / 7)]
    assert [v.value for v in claims.reachable(results)] == [pytest.approx(1)] * 2
    assert [v.value for v in claims.naive(results)] == [pytest.approx(3 / 12**0.5)] * 2


def test_every_claim_is_tested():
    assert {c for check in claims.CHECKS for c in check.serves} == {claim.id for claim in claims.CLAIMS}


@pytest.mark.parametrize("spec", collect(figures), ids=lambda spec: spec.id)
def test_figures_say_what_is_missing(spec):
    empty = pl.DataFrame()
    with pytest.raises(MissingData):
        spec(Results("generalization_dynamics", "smoke", empty, empty, empty))
