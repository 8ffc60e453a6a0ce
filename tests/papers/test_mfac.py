"""Digits and first images, steps to a target, gradients for pruning, one-shot and gradual pruning, measures of checks."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from plain import run

from assay.losses import CrossEntropy
from assay.models import MLP
from assay.module import Budget
from assay.optimizers import MFAC, SGD
from assay.prune import Magnitude, OBSPruner
from assay.registry import KINDS
from assay.results import Results
from assay.schedules import Constant
from assay.seeds import Seeds
from papers.mfac import claims
from papers.mfac.data import Digits
from papers.mfac.module import Dense, Descent, Gradual, OneShot, Scaling, collect_gradients, count, prunable


def digits(train=150):
    data = Digits(train=train)
    data.load(Seeds(1))
    return data


class Clouds(Digits):
    """Digits with rows to test on as well."""

    def load(self, seeds):
        super().load(seeds)
        self.test = self.train


def attached(module, budget, inputs=None, **parts):
    data = Clouds(train=150)
    data.load(Seeds(1))
    model = KINDS["model"].build({"name": "mlp", "hidden": [8], "init": "torch"})
    everything = {"data": data, "model": model, "loss": CrossEntropy(), "schedule": Constant(), **parts}
    module.attach(
        Seeds(1), budget, {kind: everything[kind] for kind in module.takes if kind in everything}, inputs or {}
    )
    module.build()
    return module.double()


def sgd(lr):
    return lambda params: SGD(params, lr=lr, momentum=0.9)


def test_digits_are_numbers_between_zero_and_one_in_double_precision():
    x = digits().train.x
    assert x.dtype == torch.float64 and x.min() == 0 and x.max() == 1 and len(x) == 150


# -- the optimizer ---------------------------------------------------------------------------------------------------


def test_steps_to_the_target_are_counted_from_the_loss_after_every_step():
    module = run(attached(Descent(target=1.0), Budget(steps=40, batch=50), optimizer=sgd(0.3)))
    losses = module.losses.tolist()
    first = next(step for step, loss in enumerate(losses) if loss < 1.0)
    assert 0 < first < 40 and module.scalars["steps/to_target"] == first
    assert losses[-1] == pytest.approx(float(module.train_loss()), abs=1e-15)
    assert first < module.scalars["steps/score"] < first + 1


@pytest.mark.parametrize("optimizer", [sgd(1e300), lambda params: MFAC(params, lr=1e300, m=4)])
def test_a_run_that_leaves_the_finite_numbers_counts_as_never_there(optimizer):
    module = run(attached(Descent(), Budget(steps=60, batch=50), optimizer=optimizer))
    assert module.scalars["steps/to_target"] == 61 and module.scalars["steps/score"] == 62


def test_epochs_hold_whole_batches_only():
    module = attached(Descent(), Budget(steps=6, batch=64), optimizer=sgd(0.1))
    rows = [module.batch(step) for step in range(6)]
    assert all(len(index) == 64 for index in rows)
    for epoch in range(3):  # 150 rows are two batches of 64
        assert len(torch.cat(rows[2 * epoch : 2 * epoch + 2]).unique()) == 128


# -- pruning -------------------------------------------------------------------------------------------------------


def test_gradients_are_of_means_over_rows_without_replacement_and_begin_alike():
    net = MLP((64,), 10, hidden=[8], init="torch").double()
    train = digits(96).train
    few, many = (collect_gradients(net, CrossEntropy(), train, Seeds(3), m, 32) for m in (3, 5))
    assert torch.equal(few, many[:3]) and len(few[0]) == 64 * 8 + 8 * 10
    whole = torch.autograd.grad(CrossEntropy().mean(net(train.x), train.y), prunable(net))
    torch.testing.assert_close(few.mean(0), torch.cat([g.flatten() for g in whole]))


def test_counts_are_floors_of_decimal_products():
    assert [count(s, 79400) for s in (0.5, 0.7, 0.8, 0.9, 0.95)] == [39700, 55580, 63520, 71460, 75430]
    assert count(0.5, 7) == 3


@pytest.fixture
def dense(tmp_path):
    module = run(attached(Dense(), Budget(epochs=20, batch=50), optimizer=sgd(0.3)))
    np.savez(tmp_path / "net.npz", **module.artefacts["net"])
    return module, tmp_path


def test_one_shot_pruning_starts_from_the_dense_network_every_time(dense):
    trained, folder = dense
    parts = {"pruner": OBSPruner(gradients=4)}
    module = run(attached(OneShot(sparsities=[0.9, 0.0]), Budget(steps=1), {"dense": folder}, **parts))
    pruned, whole = module.units
    assert whole["accuracy"] == pytest.approx(trained.scalars["test/accuracy"], abs=1e-6) and whole["moved"] == 0
    assert pruned["accuracy"] < whole["accuracy"] and pruned["moved"] > 0
    for p, q in zip(module.net.parameters(), trained.net.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=0)  # it was stored in double and loaded in single


def test_the_update_repairs_and_magnitude_moves_nothing(dense):
    _, folder = dense
    pruners = {"full": OBSPruner(gradients=16, damp=1e-3), "magnitude": Magnitude()}
    loss, moved = {}, {}
    for name, pruner in pruners.items():
        module = run(attached(OneShot(sparsities=[0.7], rows=8), Budget(steps=1), {"dense": folder}, pruner=pruner))
        (unit,) = module.units
        loss[name], moved[name] = unit["loss"], unit["moved"]
    assert moved["magnitude"] == 0 < moved["full"] and math.isfinite(loss["full"])


@pytest.mark.parametrize("pruner", [Magnitude(), OBSPruner(gradients=4, block=16)])
def test_gradual_pruning_keeps_what_is_removed_at_zero(pruner):
    how = {"dense_epochs": 1, "levels": [0.5, 0.75], "every": 1, "recomputations": 3, "rows": 8}
    parts = {"optimizer": sgd(0.1), "pruner": pruner}
    module = attached(Gradual(**how), Budget(epochs=4, batch=50), **parts)
    module.advance(0, 3)
    assert not module.removed.any() and module.optimizer.param_groups[0]["lr"] == 0.1
    module.advance(3, 4)
    assert int(module.removed.sum()) == 592 // 2 and module.optimizer.param_groups[0]["lr"] == 0.005
    first = module.removed.clone()
    module.steps_done = 4
    module.advance(4, 12)
    module.steps_done = 12
    module.finish()
    assert (module.removed | ~first).all() and module.scalars["sparsity"] == 0.75
    assert module.optimizer.param_groups[0]["lr"] == pytest.approx(0.0005)


# -- cost and measures -----------------------------------------------------------------------------------------------


def test_scaling_times_every_size_and_counts_bytes():
    module = Scaling(d=[50, 100], wide=50, m=[4, 8], window=4, calls=2)
    module.attach(Seeds(1), Budget(steps=1), {}, {})
    run(module)
    assert {"time/exponent/static/product/d", "time/exponent/static/build/m"} <= set(module.scalars)
    assert {f"time/exponent_in_turns/{kind}/product/{axis}" for kind in ("static", "dynamic") for axis in "dm"} <= set(
        module.scalars
    )
    assert "time/exponent/static/build/d" not in module.scalars
    held = (50 * 4 + 4) * 8  # v and q
    allowed = 2 * 50 * 4 * 8 + 3 * 16 * 8 + 4 * 50 * 8
    assert module.units[0]["static_bytes"] == held / allowed


def test_means_are_ordered_pair_by_pair():
    rows = [
        {"experiment": "prune", "arm": arm, "seed": seed, "signature": f"{arm}{seed}", "registered": True, "unit": "0.9",
         "sparsity": 0.9, "accuracy": value + seed / 100}
        for arm, value in (("mfac", 0.8), ("mfac_128", 0.7), ("mfac_10", 0.75))
        for seed in (1, 2)
    ]  # fmt: skip
    results = Results("mfac", "desk", pl.DataFrame(), pl.DataFrame(rows), pl.DataFrame())
    values = claims.falls(results)
    assert [round(v.value, 6) for v in values] == [0.1, -0.05]
