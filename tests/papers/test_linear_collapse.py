"""Exact checks, limits of the closed form, runs against it, starts, the network's objective, resume, measures, figures."""

from __future__ import annotations

import functools
import io
import math

import numpy as np
import polars as pl
import pytest
import torch
from plain import run

from assay.claims import Exact
from assay.data import FashionMNIST
from assay.data.class_counts import ClassCounts
from assay.data.labelled import Pool
from assay.metrics.neural_collapse import frame_distance
from assay.models import BatchNormMLP
from assay.models.unconstrained_features import UnconstrainedFeatures
from assay.module import Budget
from assay.optimizers import Adam
from assay.report.figures import MissingData, collect
from assay.results import Results
from assay.schedules import Step
from assay.seeds import Seeds
from papers.linear_collapse import claims, exact, figures, theory
from papers.linear_collapse.module import CrossEntropy, Layers, Network, Threshold
from papers.linear_collapse.theory import Prediction

# -- exact checks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", exact.Exact.checks)
def test_exact_measurements_keep_the_bounds_of_their_claims(id):
    row = {"experiment": "exact", "arm": "main", "seed": 1, "signature": "0", "registered": True}
    for function in exact.Exact.checks[id]:
        row |= {f"exact/{id}/{name}": float(value) for name, value in function().items()}
    results = Results("linear_collapse", "smoke", pl.DataFrame([row]), pl.DataFrame(), pl.DataFrame())
    (check,) = [check for check in claims.CHECKS if check.id == id]
    assert isinstance(check.kind, Exact)
    assert check.kind.judge(results).verdict == "reproduced"


# -- the closed form ------------------------------------------------------------------------------------------------


def test_thresholds_and_roots_as_known_beforehand():
    assert [round(theory.threshold(depth), 3) for depth in (1, 2, 3, 6)] == [1, 0.5, 0.529, 0.637]
    # The published settings: K = 4, N = 350 or 400 samples, all decays 5e-4.
    six = Prediction(UnconstrainedFeatures((200, 100, 50, 50), 64, (5e-4,) * 6, 5e-4))
    np.testing.assert_allclose(six.x, [2.79, 2.52, 2.28, 2.28], atol=0.01)
    assert six.total / 200 == pytest.approx(4.6e-3, rel=0.02)


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_roots_exist_beyond_the_threshold_where_they_are_not_global(depth):
    t = theory.threshold(depth)
    between = 1.02 * t
    root = theory.largest_root(between, depth)
    assert root is not None and theory.scalar_minimiser(between, depth) == 0
    assert theory.scalar_cost(root, between, depth) > 1
    assert theory.largest_root(3 * t, depth) is None
    tie = theory.tie(depth)
    assert theory.largest_root(t, depth) == pytest.approx(tie)
    assert theory.scalar_cost(tie, t, depth) == pytest.approx(1)


def test_one_layer_is_the_written_out_formula():
    problem = UnconstrainedFeatures((60, 30, 10), 5, (4e-3,), 7e-3)
    sig2 = np.sqrt(np.array([60, 30, 10]) * 7e-3 / 4e-3) - 100 * 7e-3
    np.testing.assert_allclose(Prediction(problem).sig2, sig2)


def test_a_narrow_model_keeps_the_largest_classes():
    x = Prediction(UnconstrainedFeatures((20, 40, 10), 2, (1e-3, 1e-3), 1e-3)).x
    assert x[2] == 0 and x[0] > 0 and x[1] > x[0]


def test_a_bias_gives_a_simplex_and_needs_balance():
    prediction = Prediction(UnconstrainedFeatures((10,) * 4, 6, (1e-3,) * 2, 1e-3, bias=True))
    for gram in (prediction.gram, prediction.gram_of_product(1), prediction.feature_gram, prediction.cross):
        assert frame_distance(gram, np.eye(4) - 1 / 4) < 1e-12
    with pytest.raises(AssertionError, match="balanced"):
        Prediction(UnconstrainedFeatures((10, 5), 6, (1e-3,), 1e-3, bias=True))


def test_the_decay_at_a_level():
    for depth in (1, 2, 5):
        decay = theory.decay_for(7.0, 252, depth)
        problem = UnconstrainedFeatures((128, 64, 32, 16, 8, 4), 16, (decay,) * depth, decay)
        assert Prediction(problem).total == pytest.approx(7.0)


def test_candidates():
    for name, rank in (("etf", 5), ("circle", 2), ("antipodal", 3)):
        direction = theory.candidates(6)[name]
        assert np.linalg.matrix_rank(direction) == rank
        assert theory.nearest_candidate(3 * direction)[0] == name
    assert "antipodal" not in theory.candidates(5)
    circle, pairs = theory.circle_code(4), theory.antipodal_pairs(4)
    order = [0, 2, 1, 3]
    np.testing.assert_allclose(circle[order][:, order], pairs, atol=1e-15)
    assert theory.nearest_candidate(np.zeros((4, 4)))[0] == "zero"


# -- free features --------------------------------------------------------------------------------------------------


def made(cls, budget=None, seed=1, **values):
    module = cls(**values)
    module.attach(Seeds(seed), budget or Budget(steps=1), {}, {})
    module.build()
    return module


def layers(counts=(10, 10, 10), steps=300, **values):
    return made(Layers, Budget(steps=steps), counts=counts, width=8, depth=2, **values)


@pytest.mark.parametrize(
    ("values", "near", "far"),
    [
        ({}, "identity", "etf"),
        ({"bias": True}, "etf", "identity"),
        ({"counts": (20, 10, 5)}, "frame", "etf"),
    ],
)
def test_runs_end_in_the_predicted_geometry(values, near, far):
    module = run(layers(**values))
    found = module.scalars
    assert found["loss/difference"] < 1e-10 and found["gram/error"] < 1e-5
    assert found[f"distance/{near}"] < 1e-4 and found["distance/frame"] < 1e-4 and found[f"closest/{far}"] > 0.1
    assert found["nc1"] < 1e-6 and found["nc3/rows"] < 1e-4
    for row in module.units:
        assert row["w2"] == pytest.approx(row["w2/predicted"], rel=1e-4)
        assert row["h2"] == pytest.approx(row["h2/predicted"], rel=1e-4)
    assert ("slope/measured" in found) == ("counts" in values)


def test_descent_is_momentum_as_torch_has_it():
    module = layers(steps=20)
    theta = torch.from_numpy(module.theta.copy()).requires_grad_()
    optimizer = torch.optim.SGD([theta], lr=0.1, momentum=0.9)
    for _ in range(20):
        theta.grad = torch.from_numpy(module.problem.value_and_gradient(theta.detach().numpy())[1])
        optimizer.step()
    module.advance(0, 20)
    np.testing.assert_allclose(module.theta, theta.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_starts_at_the_minimum_and_alive():
    module = made(Threshold, counts=(16, 8, 4), width=6, depth=2, levels=[5.0, 16.5], noise=0.0)
    for start in ("predicted", "alive"):
        decay = theory.decay_for(5.0 * 0.5, 28, 2)
        problem = UnconstrainedFeatures((16, 8, 4), 6, (decay,) * 2, decay)
        prediction = Prediction(problem)
        theta = module.begin(prediction, start, np.random.default_rng(0))
        excess = problem.value_and_gradient(theta)[0] / prediction.loss - 1
        assert abs(excess) < 1e-12 if start == "predicted" else excess > 1e-4
    run(module)
    frame = pl.DataFrame(module.units)
    assert len(frame) == 2 * 3 * 3 and frame["excess"].min() > -1e-9
    low = frame.filter((pl.col("start") == "predicted") & (pl.col("level") == 5.0))
    assert [row["size"] < claims.DEAD for row in low.iter_rows(named=True)] == [
        row["ratio"] > 1 for row in low.iter_rows(named=True)
    ]


def test_just_above_the_threshold_an_alive_start_stays_at_a_higher_loss():
    module = made(Threshold, counts=(16, 8, 4), width=6, depth=3, levels=[8.3], noise=0.001)
    frame = pl.DataFrame(run(module).units)
    alive = frame.filter((pl.col("start") == "alive") & (pl.col("n") == 8)).row(0, named=True)
    predicted = frame.filter((pl.col("start") == "predicted") & (pl.col("n") == 8)).row(0, named=True)
    assert 1 < alive["ratio"] < 1.05
    assert alive["size"] > 0.01 and alive["excess"] > 1e-4
    assert predicted["size"] < claims.DEAD and abs(predicted["excess"]) < 1e-9


def test_the_etf_wins_with_one_layer_and_loses_with_three():
    one, three = (run(made(CrossEntropy, classes=4, depth=depth, c=1e-3)).scalars for depth in (1, 3))
    assert one["loss/etf"] < one["loss/competitor"] and one["loss/lbfgs"] == pytest.approx(one["loss/etf"], abs=1e-9)
    assert one["found/etf"] == 1 and one["etf/distance"] < 1e-3
    assert three["loss/etf"] == pytest.approx(0.01798, abs=1e-5)
    assert three["loss/competitor"] == pytest.approx(0.01660, abs=1e-5)


# -- the network ----------------------------------------------------------------------------------------------------


@pytest.fixture
def images(monkeypatch):
    y = torch.arange(400) % 10
    generator = torch.Generator().manual_seed(0)
    shapes = torch.randint(0, 200, (10, 1, 28, 28), generator=generator)
    x = (shapes[y] + torch.randint(0, 50, (400, 1, 28, 28), generator=generator)).to(torch.uint8)
    monkeypatch.setattr(FashionMNIST, "read", lambda self: (Pool(x, y), None))


def network(budget=None, counts=(4, 4, 6, 6, 8, 8, 10, 10, 12, 12), **values):
    data = ClassCounts(images="fashion_mnist", counts=list(counts))
    data.load(Seeds(1))
    module = Network(**{"width": 16, "depth": 2, **values})
    parts = {
        "data": data,
        "model": functools.partial(BatchNormMLP, hidden=[16]),
        "optimizer": functools.partial(Adam, lr=3e-3),
        "schedule": Step(),
    }
    module.attach(Seeds(1), budget or Budget(epochs=3, batch=32), parts, {})
    module.build()
    return module


def test_epochs_hold_whole_batches(images):
    module = network()
    assert module.total == 3 * (80 // 32) == 6
    for epoch in range(3):
        rows = torch.cat([module.batch(2 * epoch), module.batch(2 * epoch + 1)])
        assert len(rows) == 64 == len(set(rows.tolist()))
    assert network(Budget(epochs=2)).total == 2


def test_the_full_batch_costs_the_theorys_objective(images):
    module = network(Budget(steps=1))
    rows = torch.arange(80)
    value = float(module.objective(rows).detach())
    with torch.no_grad():
        h = module.features(module.data.train.x).double().numpy()
    weights = [layer.weight.detach().double().numpy() for layer in module.head]
    problem = UnconstrainedFeatures(module.problem.counts, 16, (4e-4, 4e-4), 4e-4)
    order = np.argsort(module.data.train.y.numpy(), kind="stable")
    assert value == pytest.approx(problem.value_and_gradient(problem.join(weights, h[order].T))[0], rel=1e-5)
    # A batch stands for all rows: the mean over a partition is the full objective, but for normalisation by batch.
    module.eval()
    parts = [float(module.objective(part).detach()) for part in rows.split(20)]
    assert np.mean(parts) == pytest.approx(float(module.objective(rows).detach()), rel=1e-5)


def test_what_a_network_measures(images):
    module = run(network())
    found = module.scalars
    assert found["loss/ratio"] > 1 and -1 <= found["correlation"] <= 1 and 0 <= found["cosine"] <= 1
    assert {row["n"] for row in module.units} == {4, 6, 8, 10, 12}
    assert module.norm.training
    assert "correlation" not in run(network(counts=[8])).scalars
    entropy = run(network(error="cross_entropy")).scalars
    assert "loss/ratio" not in entropy and "closest/etf" in entropy and math.isfinite(entropy["loss/full"])


# -- resume ---------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "make",
    [
        layers,
        lambda: made(Threshold, counts=(16, 8, 4), width=6, depth=2, levels=[3.0, 9.0]),
        network,
    ],
)
def test_runs_go_on_where_they_stopped(make, images):
    assert outcome(resumed(make, until=2)) == outcome(run(make()))


# -- measures and figures -------------------------------------------------------------------------------------------


def table(*rows):
    common = {"seed": 1, "arm": "main", "registered": True}
    return pl.DataFrame([{**common, "signature": str(i), **row} for i, row in enumerate(rows)])


def results(runs=None, units=None, curves=None):
    empty = pl.DataFrame()
    frames = [empty if frame is None else frame for frame in (runs, units, curves)]
    return Results("linear_collapse", "desk", *frames)


def check(id):
    (found,) = [check for check in claims.CHECKS if check.id == id]
    return found


def test_the_best_seed_counts_in_check_1_and_the_median_in_check_3():
    rows = [
        {"experiment": "layers", "arm": arm, "depth": "2", "seed": seed, "loss/final": loss, "loss/difference": excess,
         "gram/error": 0.0, "distance/identity": distance, "closest/etf": 0.5, "nc1": 0.0}
        for arm in claims.ARMS
        for seed, loss, excess, distance in ((1, 2.0, 1.0, 0.9), (2, 1.0, 1e-12, 0.0), (3, 1.5, 0.5, 0.001))
    ]  # fmt: skip
    found = results(table(*rows))
    assert check("1").kind.judge(found).verdict == "reproduced"
    assert check("3a").kind.judge(found).verdict == "reproduced"
    worse = table(*[{**row, "loss/difference": row["loss/difference"] + 1e-5} for row in rows])
    assert check("1").kind.judge(results(worse)).verdict == "refuted"


def threshold_units(size_of_dead=1e-16):
    return table(
        *(
            {"experiment": "threshold", "module.depth": 2, "unit": f"{start}{seed}{n}", "level": 3.0, "start": start,
             "seed": seed, "n": n, "ratio": ratio, "loss": loss + 0.01 * seed, "excess": loss - 1,
             "size": (1.0 if ratio < 1 else size_of_dead) if start == "predicted" else 1.0}
            for start, loss in (("predicted", 1.0), ("alive", 1.1), ("random", 1.2))
            for seed in (1, 2)
            for n, ratio in ((8, 0.5), (4, 1.02), (2, 2.0))
        )
    )  # fmt: skip


def test_the_lowest_loss_decides_who_is_dead_and_near_ties_are_left_out():
    finding = check("5").kind.judge(results(units=threshold_units()))
    assert finding.verdict == "reproduced" and finding.n == 2
    assert check("5").kind.judge(results(units=threshold_units(1e-3))).verdict == "refuted"
    assert check("5b").kind.judge(results(units=threshold_units())).verdict == "reproduced"


@pytest.mark.parametrize(("lbfgs", "verdict"), [(0.5, "reproduced"), (0.39, "refuted")])
def test_a_start_that_beats_the_etf_is_a_competitor(lbfgs, verdict):
    rows = [
        {"experiment": "cross_entropy", "module.classes": 4, "module.depth": 1, "module.c": 1e-3, "seed": seed,
         "loss/etf": 0.4, "loss/competitor": 0.5, "loss/lbfgs": lbfgs if seed == 2 else 0.4}
        for seed in (1, 2)
    ]  # fmt: skip
    assert check("6").kind.judge(results(table(*rows))).verdict == verdict


@pytest.mark.parametrize(
    ("ratio", "correlation", "verdict"), [(1.1, 0.95, "reproduced"), (1.1, 0.5, "refuted"), (2.0, 0.95, "inconclusive")]
)
def test_a_network_far_from_the_minimum_says_nothing(ratio, correlation, verdict):
    rows = [
        {"experiment": "network", "arm": "imbalanced", "module.depth": depth, "seed": seed, "loss/ratio": at,
         "correlation": correlation, "cosine": 0.05}
        for depth, at in ((1, 1.02), (3, ratio))
        for seed in (1, 2, 3)
    ]  # fmt: skip
    assert check("7").kind.judge(results(table(*rows))).verdict == verdict


def test_nothing_measured_is_untested_and_not_drawn():
    for each in claims.CHECKS:
        assert each.kind.judge(results()).verdict in ("untested", None)
    for spec in collect(figures):
        with pytest.raises(MissingData):
            spec(results())
