"""When the trajectory term acts and on what, the two passes of SAM, exact resumption, measures, what the checks compute."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from plain import run
from scipy import stats

from assay.config import compose
from assay.data.base import Split
from assay.errors import UserError
from assay.losses.trajectory import trajectory_kl
from assay.module import Budget
from assay.results import Results
from assay.seeds import Seeds
from papers.saf import claims
from papers.saf.cost import METHODS, Cost, Noise, Stepper, ready
from papers.saf.data import BLACK, StandardFashion
from papers.saf.module import MESA, SAF, SAM, Descent, WatchedDescent

SHARED = {"shift": 1, "pad": BLACK, "probe": 20}
FRESH = {
    "sgd": lambda: WatchedDescent(**SHARED),
    "sam": lambda: SAM(rho=0.1, **SHARED),
    "saf": lambda: SAF(lambda_=1.0, start=2, **SHARED),
    "mesa": lambda: MESA(lambda_=1.0, start=2, beta=0.9, **SHARED),
}


def small(method, epochs=6, seed=3):
    """A run on 40 random images with labels, batches of 16: three steps an epoch, the last one short."""
    x = torch.randn(40, 1, 8, 8, generator=Seeds(9).torch("images"))
    data = Noise(x)
    data.test = Split(x[:20], data.train.y[:20])
    module = ready(method, Seeds(seed), data, (8,), 16, lr=0.1)
    module.budget = Budget(epochs=epochs, batch=16)
    return module


def check(id):
    (found,) = (one for one in claims.CHECKS if one.id == id)
    return found


def results(rows, experiment="fashion", curves=()):
    common = {"experiment": experiment, "registered": True}
    runs = pl.DataFrame([{**common, "signature": f"{i}", **row} for i, row in enumerate(rows)])
    drawn = pl.DataFrame([{**common, "signature": "c", **row} for row in curves]) if curves else pl.DataFrame()
    return Results("saf", "desk", runs, pl.DataFrame(), drawn)


# -- exact checks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "name", "value"),
    [("1", "gradient", 2e-6), ("1", "same_loss", 1e-9), ("1", "different", 1), ("1", "evaluated", 37),
     ("2", "error", 1.0), ("2", "unread", 1), ("3a", "saf_forward", 2), ("3a", "sam_backward", 1),
     ("9", "descent", 2e-3), ("9", "ascent_ratio", 1.0)],
)  # fmt: skip
def test_exact_bounds_can_be_missed(id, name, value):
    found = results([{"arm": "main", "seed": 1, f"exact/{id[0]}/{name}": value}], experiment="exact")
    assert check(id).kind.judge(found).verdict == "refuted"


# -- the methods --------------------------------------------------------------------------------------------------------


def test_saf_pays_for_the_distance_to_the_outputs_of_two_epochs_ago():
    module = small(SAF(lambda_=0.7, start=2, probe=0))
    outputs = {}
    module.net.register_forward_hook(lambda net, args, out: outputs.update({module._step: out.detach()}))
    for step in range(12):
        index = module.batch(step)
        value = module.backward(module.views(index), index)
        module.optimizer.step()
        plain = torch.nn.functional.cross_entropy(outputs[step], module.data.train.y[index])
        if step // 3 <= 2:
            torch.testing.assert_close(value, plain)
            continue
        then = by_sample(module, step // 3 - 2, outputs)
        ref = torch.stack([then[int(i)] for i in index])
        torch.testing.assert_close(value, plain + 0.7 * trajectory_kl(outputs[step], ref, 5.0).mean())
    assert module.evaluated == 3


def by_sample(module, epoch, outputs):
    """By sample, in the order of the epoch, the output it had then; `outputs` by step, three an epoch."""
    order = torch.randperm(40, generator=module.seeds.torch("order", epoch))
    rows = torch.cat([outputs[3 * epoch + k] for k in range(3)])
    return {int(i): row for i, row in zip(order, rows, strict=True)}


def test_mesa_pays_for_the_distance_to_the_average_on_the_same_images():
    module = small(MESA(lambda_=0.7, start=0, beta=0.9, **{**SHARED, "probe": 0}))
    module.advance(0, 4)
    expected = [p.detach().clone() for p in module.net.parameters()]
    index = module.batch(4)
    x = module.views(index)
    out, ref = module.net(x), module.average.module(x)
    plain = torch.nn.functional.cross_entropy(out, module.data.train.y[index])
    torch.testing.assert_close(module.total_loss(x, index), plain + 0.7 * trajectory_kl(out, ref, 5.0).mean())
    fresh = small(MESA(lambda_=0.7, start=0, beta=0.9, **{**SHARED, "probe": 0}))
    average = [p.detach().clone() for p in fresh.net.parameters()]
    for step in range(4):
        fresh.advance(step, step + 1)
        average = [0.9 * v + 0.1 * p.detach() for v, p in zip(average, fresh.net.parameters(), strict=True)]
    for v, p, q in zip(average, module.average.module.parameters(), expected, strict=True):
        torch.testing.assert_close(v, p)
        assert not torch.equal(p, q)


def test_sam_steps_along_the_gradient_uphill():
    module, plain = small(SAM(rho=0.3, probe=0)), small(Descent(probe=0))
    index = module.batch(0)
    plain.gradients(plain.batch(0))
    gradients = [p.grad for p in plain.net.parameters()]
    norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    with torch.no_grad():
        for p, g in zip(plain.net.parameters(), gradients, strict=True):
            p += 0.3 * g / norm
    plain.gradients(plain.batch(0))
    module.gradients(index)
    for p, q in zip(module.net.parameters(), plain.net.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)
    start = small(Descent(probe=0))
    assert all(torch.equal(p, q) for p, q in zip(module.net.parameters(), start.net.parameters(), strict=True))


def test_images_move_by_at_most_the_shift_and_anew_every_epoch():
    module = small(Descent(shift=1, pad=7.0, probe=0))
    index = module.batch(0)
    x, views = module.data.train.x[index], module.views(index)
    assert views.shape == x.shape and torch.equal(views, module.views(index))
    shifts = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    padded = torch.nn.functional.pad(x, [1] * 4, value=7.0)
    for i in range(len(x)):
        found = [s for s in shifts if torch.equal(views[i], padded[i, :, 1 + s[0] : 9 + s[0], 1 + s[1] : 9 + s[1]])]
        assert len(found) == 1
    module.batch(3)
    assert not torch.equal(views, module.views(index))


def test_the_window_must_fit_before_the_start():
    SAF(window=3, start=2)
    for window, start in ((3, 1), (0, 4)):
        with pytest.raises(UserError, match="window"):
            SAF(window=window, start=start)


@pytest.mark.parametrize("name", FRESH)
@pytest.mark.parametrize("until", [4, 11])
def test_an_interrupted_run_ends_with_the_same_numbers(name, until):
    def made():
        module = small(FRESH[name]())
        module.block_steps = 2
        return module

    def numbers(module):
        return {k: v for k, v in module.scalars.items() if not k.startswith("time/")}, module.curves, module.units

    straight = run(made())
    state = run(made(), until=until).checkpoint()
    resumed = made()
    resumed.resume(state)
    assert resumed.steps_done >= until
    run(resumed)
    assert numbers(resumed) == numbers(straight)


def test_a_forgotten_cache_changes_the_run():
    state = run(small(FRESH["saf"]()), until=11).checkpoint()
    state["module"]["cache.outputs"] = torch.full_like(state["module"]["cache.outputs"], 1.0)
    forgetful = small(FRESH["saf"]())
    forgetful.resume(state)
    assert run(forgetful).curves != run(small(FRESH["saf"]())).curves


# -- what is measured ---------------------------------------------------------------------------------------------------


def test_watching_changes_nothing():
    watched, plain = run(small(WatchedDescent(**SHARED))), run(small(Descent(**SHARED)))
    assert all(torch.equal(p, q) for p, q in zip(watched.net.parameters(), plain.net.parameters(), strict=True))
    assert watched.scalars["sharpness/lambda_max"] == plain.scalars["sharpness/lambda_max"]
    assert "ema/accuracy" in watched.scalars


def test_sharpness_leaves_batch_statistics_alone():
    module = small(WatchedDescent(**SHARED))
    module.net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(64), torch.nn.Linear(64, 10))
    module.gradients(module.batch(0))
    before = module.net[1].running_mean.clone()
    assert module.measure()["sharpness/lambda_max"] > 0
    assert torch.equal(module.net[1].running_mean, before) and module.net.training


def test_curves_stand_at_the_epochs():
    module = run(small(WatchedDescent(**SHARED)))
    assert module.curves["sharpness/s_rho"].step == list(range(0, 19, 3))
    assert module.curves["trajectory/kl"].step == list(range(9, 19, 3))  # the ends of epochs 2 to 5
    assert module.curves["sharpness/s_rho"].value[-1] == pytest.approx(module.scalars["sharpness/s_rho"])
    last = module.curves["sharpness/lambda_max"].value[-1]
    assert last == pytest.approx(module.scalars["sharpness/lambda_max"], rel=0.3)
    middle = next(unit for unit in module.units if unit["a"] == 0)
    assert middle["loss"] == pytest.approx(module.scalars["train/probe"], rel=1e-5)


def test_the_divergence_of_an_epoch_is_the_mean_over_its_samples():
    module = small(WatchedDescent(probe=0))
    outs = {}
    module.net.register_forward_hook(lambda net, args, out: outs.update({module._step: out.detach()}))
    for step in range(9):
        module.advance(step, step + 1)
    old, new = by_sample(module, 0, outs), by_sample(module, 2, outs)
    rows = [trajectory_kl(out[None], old[i][None], 5.0) for i, out in new.items()]
    assert float(module._tracked["trajectory/kl"]) == pytest.approx(float(torch.cat(rows).mean()), rel=1e-5)


def test_labels_are_replaced_exactly_and_by_the_data_seed_alone():
    data = StandardFashion(noise="uniform", noise_level=0.2)
    data.synthetic(Seeds(1), 50)
    assert int((data.train.y != data.train.extra["clean"]).sum()) == 10
    assert data.train.x.min() >= BLACK - 1e-6 and data.train.x.shape == (50, 1, 28, 28)
    again = StandardFashion(noise="uniform", noise_level=0.2)
    again.synthetic(Seeds(1), 50)
    assert torch.equal(again.train.y, data.train.y)


# -- costs ------------------------------------------------------------------------------------------------------------------


def test_costs_are_medians_over_sgd():
    module = Cost(hidden=[4], batch=8, block=2, rounds=2)
    module.attach(Seeds(1), Budget(), {}, {})
    module.build()
    module.advance(0, 1)
    state = module.extra_state()
    other = Cost(hidden=[4], batch=8, block=2, rounds=2)
    other.attach(Seeds(1), Budget(), {}, {})
    other.build()
    other.load_extra_state(state)
    other.advance(1, 2)
    assert {name: len(times) for name, times in other.times.items()} == dict.fromkeys(METHODS, 4)
    other.times = {"sgd": [1.0, 2.0, 9.0], "saf": [3.0], "mesa": [4.0], "sam": [1.0, 5.0]}
    other.finish()
    assert {name: other.scalars[f"time/ratio/{name}"] for name in METHODS} == {
        "sgd": 1,
        "saf": 1.5,
        "mesa": 2,
        "sam": 1.5,
    }
    assert other.scalars["time/epoch/saf"] == 3 * 1000


def test_trajectory_terms_are_on_when_they_are_timed():
    for name in ("saf", "mesa"):
        step = Stepper(ready(METHODS[name](), Seeds(1), Noise(torch.randn(16, 5)), (4,), 8))
        for _ in range(5):
            step()
        assert step.module.evaluated == 1, name


@pytest.mark.parametrize(
    ("ratios", "second", "first"),
    [((1.1, 1.4, 2.0), "reproduced", "reproduced"), ((1.2, 1.4, 1.5), "refuted", "refuted")],
)
def test_costs_are_judged(ratios, second, first):
    row = {f"time/ratio/{name}": ratio for name, ratio in zip(("saf", "mesa", "sam"), ratios, strict=True)}
    found = results([{"arm": "main", "net": "wide", "seed": 1, **row}], experiment="cost")
    assert (check("3b").kind.judge(found).verdict, check("3c").kind.judge(found).verdict) == (second, first)


# -- what the checks compute ----------------------------------------------------------------------------------------------


def accuracies(gaps, arm, over, noise="noisy"):
    rows = []
    for seed, gap in enumerate(gaps, 1):
        rows += [{"arm": over, "noise": noise, "seed": seed, "test/accuracy": 0.8}]
        rows += [{"arm": arm, "noise": noise, "seed": seed, "test/accuracy": 0.8 + gap}]
    return rows


SPREAD = np.linspace(-1, 1, 10)


@pytest.mark.parametrize(
    ("mean", "spread", "verdict"),
    [(-0.001, 0.001, "reproduced"), (-0.002, 0.02, "inconclusive"), (-0.004, 1e-4, "refuted")],
)
def test_not_worse_needs_the_mean_and_the_interval(mean, spread, verdict):
    finding = check("6").kind.judge(results(accuracies(mean + spread * SPREAD, "saf", "sam")))
    assert finding.verdict == verdict


def test_without_noise_the_mean_alone_counts():
    rows = accuracies(-0.002 + 0.02 * SPREAD, "saf", "sgd", "clean")
    assert check("5b").kind.judge(results(rows)).verdict == "reproduced"
    rows = accuracies(-0.0031 + 0 * SPREAD, "saf", "sgd", "clean")
    assert check("5b").kind.judge(results(rows)).verdict == "refuted"


def test_flatness_is_judged_with_noise_and_pooled():
    rows = [{"arm": arm, "noise": noise, "seed": seed, "sharpness/lambda_max": math.exp(0.01 * seed * (arm == "sam") + shift)}
            for seed in range(1, 11) for noise in ("clean", "noisy") for arm in ("sgd", "sam")
            for shift in [(-1 if noise == "noisy" else 0.5) * (arm == "sam")]]  # fmt: skip
    noisy, pooled = ({v.unit: v.value for v in one.measure(results(rows))} for one in check("4b").conditions)
    assert len(noisy) == len(pooled) == 10
    assert noisy["3"] == pytest.approx(-0.97) and pooled["3"] == pytest.approx((-0.97 + 0.53) / 2)
    assert check("4b").kind.judge(results(rows)).verdict == "reproduced"
    rows[-1]["sharpness/lambda_max"] = -1.0
    assert check("4b").kind.judge(results(rows)).verdict == "inconclusive"
    assert check("4c").kind.judge(results(rows)).verdict == "refuted"


def curves(kl, sharp, seed=1, epoch=5):
    rows = [("sharpness/s_rho", epoch * e, value) for e, value in enumerate(sharp)]
    rows += [("trajectory/kl", epoch * (e + 1), value) for e, value in enumerate(kl, 2)]
    common = {"arm": "sgd", "noise": "noisy", "seed": seed}
    return [{**common, "name": name, "step": step, "value": float(value)} for name, step, value in rows]


def test_divergence_is_paired_with_the_sharpness_before_its_epoch():
    sharp = [9, 9, 1, 4, 2, 8, 5, 0]  # epochs 0 to 6, and the end
    kl = [10, 40, 20, 80, 50]  # epochs 2 to 6
    table = results([{"arm": "sgd", "noise": "noisy", "seed": 1}], curves=curves(kl, sharp))
    (rho,) = claims.rho(table)
    assert rho.value == pytest.approx(1) and rho.unit == "1"
    (partial,) = claims.partial_rho(table)
    assert partial.value == pytest.approx(1)


def test_a_shared_trend_is_taken_out():
    kl, sharp = [1, 2, 4, 3, 5, 6], [0, 0, 1, 3, 2, 4, 5, 6, 0]
    table = results([{"arm": "sgd", "noise": "noisy", "seed": 1}], curves=curves(kl, sharp))
    (rho,) = claims.rho(table)
    (partial,) = claims.partial_rho(table)
    e = np.arange(6.0)
    left = [s - np.poly1d(np.polyfit(e, s, 1))(e) for s in (stats.rankdata(kl), stats.rankdata(sharp[2:8]))]
    assert rho.value > 0.8 and partial.value < 0
    assert partial.value == pytest.approx(np.corrcoef(*left)[0, 1])


@pytest.mark.parametrize("kl", [[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [3, 3, 3, 3, 3, 3]])
def test_ranks_that_follow_the_epoch_exactly_leave_nothing_to_correlate(kl):
    table = results([{"arm": "sgd", "noise": "noisy", "seed": 1}], curves=curves(kl, [0, 0, 1, 3, 2, 4, 5, 6, 0]))
    assert claims.partial_rho(table) == []


def test_the_share_of_the_average_needs_a_gain():
    rows = []
    for seed in range(1, 11):
        for arm, value, average in (("sgd", 0.8, 0.803), ("mesa", 0.804 + 1e-4 * seed, None)):
            rows.append({"arm": arm, "noise": "noisy", "seed": seed, "test/accuracy": value, "ema/accuracy": average})
    (share,) = claims.share_of_average(results(rows))
    assert share.value == pytest.approx(0.003 / 0.00455)
    for row in rows:
        row["test/accuracy"] += (row["arm"] == "mesa") * (-0.008 if row["seed"] % 2 else 0)
    assert claims.share_of_average(results(rows)) == []


def test_flatness_at_equal_loss_looks_up_the_nearest_epoch():
    row = {"arm": "saf", "noise": "noisy", "seed": 1, "train/probe": 0.52, "sharpness/lambda_max": 6.0}
    sgd = [{"arm": "sgd", "noise": "noisy", "seed": 1, "name": name, "step": step, "value": value}
           for name, series in (("train/probe", (0.9, 0.5, 0.1)), ("sharpness/lambda_max", (1.0, 3.0, 30.0)))
           for step, value in enumerate(series)]  # fmt: skip
    (value,) = claims.flatter_at_equal_loss("saf")(results([row], curves=sgd))
    assert value.value == pytest.approx(math.log(2))


def test_every_claim_has_a_check():
    compose.load("saf")
    assert {claim for one in claims.CHECKS for claim in one.serves} == {claim.id for claim in claims.CLAIMS}
