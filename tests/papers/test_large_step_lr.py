"""Exact checks, counts of the module against plain loops, the limit, pairs of images, resume, measures, figures."""

from __future__ import annotations

import io
import math

import numpy as np
import polars as pl
import pytest
import torch
from plain import run

from assay.data import ClassPair
from assay.data.images import FashionMNIST
from assay.data.labelled import Pool
from assay.data.separable import GaussianSeparable, PerceptronWorstCase, signed_rows
from assay.errors import UserError
from assay.metrics.separation import hull_distance, iterations_to_separation
from assay.module import Budget
from assay.report.figures import MissingData, collect
from assay.results import Results
from assay.seeds import Seeds
from assay.separators import (
    LRGD,
    BatchPerceptron,
    NormalizedBatchPerceptron,
    NormalizedLRGD,
    Perceptron,
    Rows,
)
from papers.large_step_lr import claims, figures
from papers.large_step_lr.data import Pair
from papers.large_step_lr.module import Limit, Margin, Separate, iterates

METHODS = {
    "lr_gd": lambda: LRGD(gamma=30.0),
    "normalized_lr_gd": lambda: NormalizedLRGD(gamma=0.3),
    "batch_perceptron": BatchPerceptron,
    "normalized_batch_perceptron": NormalizedBatchPerceptron,
    "perceptron": Perceptron,
}


def gaussian(seed=1, n=40, d=12):
    data = GaussianSeparable(rows=n, dim=d, margin=0.05)
    data.load(Seeds(seed))
    return data


def separate(name, cap=2000, points=0, data=None):
    module = Separate(points=points)
    module.attach(Seeds(1), Budget(steps=cap), {"data": data or gaussian(), "separator": METHODS[name]()}, {})
    module.build()
    return module


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


@pytest.fixture
def images(monkeypatch):
    """Fashion-MNIST made up: 60 images of each class, each with its number in the first pixel."""
    y = torch.arange(600) % 10
    x = torch.randint(1, 256, (600, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    x[:, 0, 0, 0] = (torch.arange(600) // 10).to(torch.uint8)
    monkeypatch.setattr(FashionMNIST, "read", lambda self: (Pool(x, y), Pool(x[:100], y[:100])))


def pair(seed=1, **how):
    data = Pair(**{"images": "fashion_mnist", "pair": [7, 9], "train": 40, "test": 0, **how})
    data.load(Seeds(seed))
    return data


# -- exact checks ---------------------------------------------------------------------------------------------------


def test_the_worst_case_needs_the_half_step():
    class WholeStep(BatchPerceptron):
        def coefficients(self, rows, u, t):
            return super().coefficients(rows, u, t) * (2 if t == 0 else 1)

    rows = Rows([[0.5, -1], [0.5, 1]], [1, 999])
    assert iterations_to_separation(BatchPerceptron(), rows, 1000) == 301
    assert iterations_to_separation(WholeStep(), rows, 1000) != 301


@pytest.mark.parametrize("n", claims.GROWTH)
def test_the_worst_case_over_n(n):
    data = PerceptronWorstCase(rows=n)
    data.load(Seeds(0))
    counts = {}
    for name, method in (("bp", BatchPerceptron()), ("nlr_0p1", NormalizedLRGD(gamma=0.1))):
        module = Separate()
        module.attach(Seeds(0), Budget(steps=2000), {"data": data, "separator": method}, {})
        module.build()
        counts[name] = run(module).scalars["iterations"]
    assert abs(counts["nlr_0p1"] - claims.GROWTH[n]) <= 1
    assert counts["bp"] == pytest.approx(0.3 * n + 1, abs=1)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_limit_is_reached(seed):
    module = Limit()
    module.attach(Seeds(seed), Budget(steps=1), {}, {})
    module.build()
    values = run(module).scalars
    assert values["limit/error_1e8"] < 1e-6
    assert values["limit/fall"] < 1e-3
    assert values["limit/perceptron_steps"] >= 3
    assert len(module.units) == 7


def test_degenerate_draws_are_passed_over():
    strict = Limit(degenerate=0.02, rows=50)
    strict.attach(Seeds(0), Budget(steps=1), {}, {})
    strict.build()
    assert strict.redraws > 0
    products = strict.th[1 : strict.T] @ strict.rows.z.T
    assert np.abs(products).min() >= 0.02
    with pytest.raises(ArithmeticError, match="degenerate"):
        hopeless = Limit(degenerate=10.0, rows=50)
        hopeless.attach(Seeds(0), Budget(steps=1), {}, {})
        hopeless.build()


# -- runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_runs_count_as_plain_loops_do(name):
    module = run(separate(name))
    rows = Rows(*signed_rows(gaussian().train))
    theta = iterates(METHODS[name](), rows, 2000)
    right = (theta @ rows.z.T > 0).all(1)
    T = int(right.argmax())
    values = module.scalars
    assert values["iterations"] == T > 1 and not values["censored"]
    losses = np.logaddexp(0, -theta[:T] @ rows.z.T).mean(1)
    assert values["loss/peak"] == pytest.approx(losses.max())
    assert values["loss/peak"] > math.log(2) - 1e-12  # that of theta_0
    assert values["train/accuracy"] == 1
    assert values["margin/final"] == pytest.approx((rows.z @ theta[T]).min() / np.linalg.norm(theta[T]), rel=1e-6)


def test_a_run_that_does_not_get_there_is_marked_and_counts_as_its_cap():
    values = run(separate("normalized_lr_gd", cap=3)).scalars
    assert values["iterations"] == 3 and values["censored"] == 1


def test_curves_end_at_separation():
    module = run(separate("lr_gd", points=60))
    steps = module.curves["train/loss"].step
    assert steps[0] == 0 and steps[-1] <= module.iterations
    assert module.curves["train/loss"].value[0] == pytest.approx(math.log(2))
    assert not run(separate("lr_gd")).curves


def test_margins_of_a_set():
    module = Margin()
    module.attach(Seeds(1), Budget(steps=1), {"data": gaussian()}, {})
    module.build()
    values = run(module).scalars
    z, _ = signed_rows(gaussian().train)
    assert 0 < values["margin/lower_bound"] <= hull_distance(z)
    assert values["margin/rows"] == 40
    assert values["margin/radius"] == pytest.approx(np.linalg.norm(z, axis=1).max())


@pytest.mark.parametrize("name", METHODS)
def test_runs_go_on_where_they_stopped(name):
    class Short(Separate):
        block_steps = 4

    def make():
        module = Short(points=20)
        module.attach(Seeds(1), Budget(steps=2000), {"data": gaussian(), "separator": METHODS[name]()}, {})
        module.build()
        return module

    assert outcome(resumed(make, until=4)) == outcome(run(make()))


def test_the_limit_goes_on_where_it_stopped():
    def make():
        module = Limit(rows=50, exponents=(2, 5, 8))
        module.attach(Seeds(1), Budget(steps=1), {}, {})
        module.build()
        return module

    assert outcome(resumed(make, until=1)) == outcome(run(make()))


# -- images ---------------------------------------------------------------------------------------------------------


def test_pairs_are_balanced_by_default_and_hold_the_minority_asked_for(images):
    for how, first in (({}, 20), ({"minority": 3}, 3), ({"train": 60, "minority": 10}, 10)):
        split = pair(**how).train
        assert (split.y == 0).sum() == first and len(split) == how.get("train", 40)
        assert split.x.dtype == torch.float64 and split.x.shape[1] == 784
        assert split.x.min() >= 0 and split.x.max() <= 1
    assert len(set(pair().train.y[:10].tolist())) == 2  # mixed, not one class after the other


def test_the_rows_of_a_class_are_the_beginning_of_one_order(images):
    def numbers(split, label):
        return (split.x[split.y == label, 0] * 255).round().int().tolist()

    small, large = pair(train=20).train, pair(train=60).train
    for label in (0, 1):
        assert numbers(large, label)[:10] == numbers(small, label)
    assert numbers(pair(seed=2, train=20).train, 0) != numbers(small, 0)


def test_pairs_refuse_what_is_not_there(images):
    with pytest.raises(UserError, match="rows of class"):
        pair(minority=41)
    with pytest.raises(UserError, match="rows of class"):
        pair(train=100, minority=80)


def test_the_first_class_has_label_plus_one(images):
    data = pair(minority=3)
    z, _ = signed_rows(data.train)
    assert isinstance(data, ClassPair)
    assert (z.sum(1) > 0).sum() == 3


# -- claims, figures ------------------------------------------------------------------------------------------------


def table(rows, experiment="balanced"):
    frame = pl.DataFrame(
        [
            {"experiment": experiment, "arm": arm, "pair": p, "seed": seed, "signature": f"{arm}{p}{seed}"}
            | {"registered": True, "iterations": float(n), "censored": float(late), "loss/peak": peak}
            for arm, p, seed, n, late, peak in rows
        ]
    )
    return Results("large_step_lr", "desk", frame, pl.DataFrame(), pl.DataFrame())


def check(id):
    return next(one for one in claims.CHECKS if one.id == id)


def test_censored_runs_count_as_infinitely_many():
    rows = [("lr_10", "a", 0, 50, 0, 2.0), ("lr_0p1", "a", 0, 100, 1, 1.0)]
    rows += [("lr_10", "b", 0, 100, 1, 2.0), ("lr_0p1", "b", 0, 100, 1, 1.0)]
    fewer = check("6").conditions[0]
    late, both = fewer.measure(table(rows))
    assert fewer.bound.holds(late.value) and not fewer.bound.holds(both.value)
    assert check("6").kind.judge(table(rows)).details[0]["k"] == 1


def test_the_fastest_step_is_that_of_the_smallest_median():
    medians = {"lr_0p1": (9, 1, 8), "lr_1": (9, 9, 1), "lr_10": (7, 7, 7)}
    rows = [(arm, "a", s, n, 0, 1.0) for arm, counts in medians.items() for s, n in enumerate(counts)]
    rows += [("lr_0p1", "b", 0, 7, 0, 1.0), ("lr_10", "b", 0, 7, 0, 1.0)]  # of equals the smaller step
    rows += [("lr_0p1", "c", 0, 100, 1, 1.0), ("lr_10", "c", 0, 100, 1, 1.0)]
    (faster,) = check("6b").conditions
    assert [faster.bound.holds(v.value) for v in faster.measure(table(rows))] == [True, False, False]


def test_log_ratios_are_means_over_subsamples_and_need_all_of_them():
    rows = [("lr_100", "a", s, n, 0, 1.0) for s, n in ((0, 20), (1, 80))]
    rows += [("nlr_100", "a", s, n, 0, 1.0) for s, n in ((0, 10), (1, 10))]
    rows += [("lr_100", "b", 0, 30, 0, 1.0)]
    (value,) = claims.log_ratio("balanced")(table(rows))
    assert value.at == {"pair": "a"} and value.value == pytest.approx((math.log(2) + math.log(8)) / 2)
    assert len(value.runs) == 4


def test_bounds_are_those_of_the_runs_own_set():
    runs = table([("nbp", "a", s, 32, 0, 1.0) for s in (0, 1)]).runs
    margins = pl.DataFrame(
        [
            {"experiment": "image_margin", "arm": arm, "pair": "a", "seed": s, "signature": f"m{arm}{s}"}
            | {"registered": True, "margin/rows": 4.0, "margin/radius": 4.0, "margin/lower_bound": mu}
            for arm, s, mu in (("balanced", 0, 1.0), ("balanced", 1, 0.5), ("imbalanced", 0, 9.0))
        ]
    )
    results = Results(
        "large_step_lr", "desk", pl.concat([runs, margins], how="diagonal"), pl.DataFrame(), pl.DataFrame()
    )
    assert [v.value for v in claims.of_bound("balanced", "nbp")(results)] == [32 / 16, 32 / 64]


def test_every_claim_but_the_last_is_tested():
    served = {claim for check in claims.CHECKS for claim in check.serves}
    assert served == {claim.id for claim in claims.CLAIMS} - {"C11"}


@pytest.mark.parametrize("spec", collect(figures), ids=lambda spec: spec.id)
def test_figures_say_what_is_missing(spec):
    empty = pl.DataFrame()
    with pytest.raises(MissingData):
        spec(Results("large_step_lr", "smoke", empty, empty, empty))
