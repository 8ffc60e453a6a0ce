"""The module's one output, shared draws, known probabilities, the same numbers after a stop; what the checks compute."""

import math

import polars as pl
import pytest
import torch
from plain import run

from assay.config import compose
from assay.data import SklearnData
from assay.errors import UserError
from assay.module import Budget
from assay.registry import KINDS
from assay.results import Results
from assay.seeds import Seeds
from assay.study.declared import Study, make_plan
from papers.ensloss import claims, exact
from papers.ensloss.data import ReluSum, excess_risk, probability
from papers.ensloss.module import EnsClassifier


def classifier(loss="ens_loss", dropout=0.0, seed=4, data=None, **values):
    compose.load("ensloss")
    rows = data or SklearnData(table="breast_cancer", test=0.3)
    rows.load(Seeds(seed))
    parts = {
        "data": rows,
        "model": KINDS["model"].build({"name": "tab_mlp", "depth": 1, "width": 8, "dropout": dropout}),
        "loss": KINDS["loss"].build({"name": loss, **values}),
        "optimizer": KINDS["optimizer"].build({"name": "sgd", "lr": 0.01}),
        "schedule": KINDS["schedule"].build({"name": "cosine_epochs", "epochs": 5}),
    }
    module = EnsClassifier()
    module.attach(Seeds(seed), Budget(epochs=5, batch=128), parts, {})
    module.build()
    return module


def check(id):
    (found,) = (one for one in claims.CHECKS if one.id == id)
    return found


def results(rows, selections=None, experiment="pairs"):
    common = {"experiment": experiment, "registered": True}
    runs = pl.DataFrame([{**common, "signature": f"{i}", **row} for i, row in enumerate(rows)])
    return Results("ensloss", "desk", runs, pl.DataFrame(), pl.DataFrame(), selections=selections or {})


# -- exact checks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "name", "value"),
    [("1", "fall", 1e-14), ("1", "largest", 0.0), ("1", "size", 1.1), ("1", "concavity", 1e-8), ("1", "unsorted", 0.99),
     ("2", "gradient", 1e-9), ("2", "trajectory", 1e-7), ("3", "mean", -0.765), ("3", "lambda", 2e-3)],
)  # fmt: skip
def test_exact_bounds_can_be_missed(id, name, value):
    found = results([{"arm": "main", "seed": 1, f"exact/{id}/{name}": value}], experiment="exact")
    assert check(id).kind.judge(found).verdict == "refuted"


def test_a_loss_that_is_not_convex_is_seen():
    z = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    convex = torch.tensor([-0.1, -1.0, -0.5], dtype=torch.float64)
    assert exact.concavity(z, convex) <= 0 and exact.fall(z, convex) < 0
    assert exact.concavity(z, convex[[1, 0, 2]]) > 0.1 and exact.fall(z, convex[[1, 0, 2]]) == pytest.approx(0.9)
    phi = exact.induced_loss(z, convex)
    torch.testing.assert_close(phi, torch.tensor([-1.125 - 0.45, 0.0, -1.125], dtype=torch.float64))


# -- the module -----------------------------------------------------------------------------------------------------


def test_one_output_and_the_second_class_above_zero():
    module = run(classifier())
    test = module.data.test
    f = module.net.eval()(test.x).squeeze(1)
    assert f.shape == test.y.shape
    assert module.scalars["test/accuracy"] == pytest.approx(float(((f > 0) == (test.y == 1)).float().mean()))
    assert module.scalars["test/accuracy"] > 0.85
    assert module.scalars["gap"] == module.scalars["train/accuracy"] - module.scalars["test/accuracy"]


def test_arms_share_network_and_order():
    ours, other = classifier(), classifier("bce")
    assert all(torch.equal(p, q) for p, q in zip(ours.net.parameters(), other.net.parameters(), strict=True))
    assert torch.equal(ours.batch(7), other.batch(7))


def test_slopes_are_an_axis_of_their_own():
    """Dropout draws from the global generator; slopes must not move it."""
    draws = []
    for loss in ("bce", "ens_loss"):
        torch.manual_seed(0)
        module = classifier(loss, dropout=0.5)
        module.advance(0, 2)
        draws.append(torch.rand(1))
    assert torch.equal(*draws)


@pytest.mark.parametrize("values", [{}, {"slopes": "shuffled"}, {"period": 1}], ids=str)
def test_an_interrupted_run_ends_with_the_same_numbers(values):
    straight = run(classifier(**values))
    state = run(classifier(**values), until=6).checkpoint()
    resumed = classifier(**values)
    resumed.resume(state)
    run(resumed)
    assert resumed.scalars == straight.scalars and resumed.curves == straight.curves
    forgetful = classifier(**values)
    forgetful.resume(state)
    forgetful.loss.step = 0
    run(forgetful)
    last = [list(module.net.parameters())[-1] for module in (straight, resumed, forgetful)]
    assert torch.equal(last[0], last[1]) and not torch.equal(last[0], last[2])


def test_a_loss_of_one_score_a_class_has_the_margin_of_the_single_score():
    index = torch.arange(50)
    values = [classifier(loss).objective(index) for loss in ("cross_entropy", "bce")]  # the same loss of the margin
    torch.testing.assert_close(*values)


def test_three_classes_are_refused():
    with pytest.raises(UserError, match="two classes"):
        classifier(data=SklearnData(table="wine"))


# -- known probabilities ---------------------------------------------------------------------------------------------


def test_bayes_error_and_calibration_of_the_synthetic_rows():
    rows = ReluSum().draw(40_000, Seeds(3).torch("test"))
    p = rows.extra["p"]
    assert float(torch.minimum(p, 1 - p).mean()) == pytest.approx(0.2219, abs=0.003)
    for low in (0.1, 0.4, 0.7):
        part = (p > low) & (p < low + 0.2)
        assert float(rows.y[part].double().mean()) == pytest.approx(float(p[part].mean()), abs=0.03)


def test_probability_by_hand():
    x = torch.zeros(1, 200)
    x[0, :100] = 79.788456 / 100
    x[0, 100:] = -7.0
    assert float(probability(x)) == pytest.approx(0.5, abs=1e-5)
    assert float(probability(torch.zeros(1, 200))) == pytest.approx(1 / (1 + math.exp(5)))  # clamped


def test_excess_risk_is_zero_for_the_bayes_rule():
    p = torch.tensor([0.9, 0.2, 0.6], dtype=torch.float64)
    assert float(excess_risk(p - 0.5, p)) == 0
    assert float(excess_risk(torch.tensor([1.0, 1.0, -1.0]), p)) == pytest.approx((0.8 - 0.2 + 0.6 - 0.4) / 3)


def test_test_rows_are_the_same_for_all_seeds_and_training_rows_are_not():
    first, second = ReluSum(train=5, val=2, test=4), ReluSum(train=5, test=4)
    first.load(Seeds(1))
    second.load(Seeds(2))
    assert torch.equal(first.test.x, second.test.x) and not torch.equal(first.train.x, second.train.x)
    assert (len(first.train), len(first.val)) == (5, 2)


# -- selection and plan --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan():
    """The desk plan once every selection run has a score: the larger rate wins but for hinge."""
    compose.load("ensloss")
    known: dict[str, float] = {}
    for _ in range(3):
        plan = make_plan(Study.of("ensloss"), "desk", lambda signature, by: known.get(signature))
        for signature, one in plan.runs.items():
            rate = one.config["optimizer"]["lr"] if "optimizer" in one.config else 0
            known[signature] = -rate if one.config.get("loss", {}).get("name") == "hinge" else rate
    assert not plan.blocked
    return plan


def test_experiments_share_the_runs_that_choose_rates(plan):
    stages = {}
    for cell in plan.cells:
        if cell.stage:
            stages.setdefault(cell.experiment, set()).add(cell.signature)
    assert len(stages["pairs"]) == 6 * 2 * 4 * 2
    for experiment in ("flipped", "controls", "regularised"):
        assert stages[experiment] <= stages["pairs"], experiment
    assert all(plan.runs[run].config["seed"] == 900 for runs in stages.values() for run in runs)
    sizes = {plan.runs[run].config["data"]["train"] for run in stages["pairs"]}
    assert sizes == {800}
    assert len(stages["synthetic"]) == 4 and len(stages["tables"]) == 12 * 4 * 2


def test_controls_take_the_rate_of_their_loss(plan):
    rates = {
        (cell.arm, cell.axes.get("pair")): plan.runs[cell.signature].config["optimizer"]["lr"]
        for cell in plan.evaluation()
        if cell.experiment in ("pairs", "controls")
    }
    assert {rate for (arm, _), rate in rates.items() if arm != "hinge"} == {1e-2}
    assert {rate for (arm, _), rate in rates.items() if arm == "hinge"} == {1e-3}


def test_exponential_alone_is_clipped(plan):
    clips = {(cell.arm == "exp", plan.runs[cell.signature].config["trainer"]["clip_norm"]) for cell in plan.evaluation()
             if cell.experiment in ("pairs", "tables", "flipped")}  # fmt: skip
    assert clips == {(True, 10.0), (False, None)}


def test_no_batch_holds_a_single_row(plan):
    """Batch normalisation cannot train on one."""
    for one in plan.runs.values():
        if one.config["module"]["name"] != "ensloss/classifier":
            continue
        data = KINDS["data"].build(one.config["data"])
        if one.config["data"]["name"] == "tabular_keel" and one.config["seed"] in (1, 900):
            data.load(Seeds(one.config["seed"]))
            assert len(data.train) % 128 != 1, one.config["data"]


# -- what the checks compute ----------------------------------------------------------------------------------------------


def pair_rows(gains, seeds=5, arms=("ens", "bce", "hinge", "exp")):
    """By pair and arm, accuracies .8 plus a gain; over five seeds the arms differ by noise without a mean."""
    rows = []
    for pair, by_arm in gains.items():
        for seed in range(1, seeds + 1):
            noise = (1e-3, -1e-3, 2e-3, -2e-3, 0.0)[seed - 1]
            for k, arm in enumerate(arms):
                value = 0.8 + by_arm.get(arm, 0.0) + k * noise
                rows.append({"arm": arm, "pair": pair, "model.depth": 3, "seed": seed, "test/accuracy": value})
    return rows


def chosen(scores, rate=1e-2):
    """The selection's table: by (arm, pair) the best validation accuracy."""
    rows = []
    for (arm, pair), best in scores.items():
        candidates = [{"values": {"optimizer.lr": r}, "score": best - (r != rate)} for r in (1e-3, 1e-2)]
        per = {"arm": arm, "pair": pair, "model.depth": 3}
        rows.append({"per": per, "candidates": candidates, "winner": {"optimizer.lr": rate}})
    return {"pairs": rows}


def test_the_best_fixed_loss_is_that_of_validation():
    scores = {("bce", "0-6"): 0.8, ("hinge", "0-6"): 0.9, ("exp", "0-6"): 0.9, ("ens", "0-6"): 1.0,
              ("bce", "2-4"): 0.7, ("hinge", "2-4"): 0.6, ("exp", "2-4"): 0.5}  # fmt: skip
    table = results(pair_rows({"0-6": {"hinge": 0.05, "ens": 0.02}, "2-4": {"ens": 0.05}}), chosen(scores))
    assert claims.best_fixed(table, "pairs") == {"0-6": "hinge", "2-4": "bce"}
    gains = claims.gain_on_best("pairs").mean("pair")(table)
    assert [value.unit for value in gains] == ["1", "2", "3", "4", "5"]
    assert all(value.value == pytest.approx((-0.03 + 0.05) / 2, abs=4e-3) for value in gains)
    by_pair = claims.gain_on_best("pairs").mean("seed")(table)
    assert {v.at["pair"]: round(v.value, 2) for v in by_pair} == {"0-6": -0.03, "2-4": 0.05}


@pytest.mark.parametrize(("won", "lost", "verdict"), [(2, 0, "reproduced"), (3, 2, "refuted"), (1, 0, "refuted")])
def test_the_count_of_pairs(won, lost, verdict):
    gains = {str(i): {"ens": 0.02 if i < won else -0.02 if i < won + lost else 0.0} for i in range(6)}
    table = results(pair_rows(gains))
    finding = check("5b").kind.judge(table)
    assert {v.unit: v.value for v in check("5b").conditions[0].measure(table)} == dict.fromkeys(
        ("BCE", "hinge", "Exp"), won - lost
    )
    assert finding.verdict == verdict


@pytest.mark.parametrize(
    ("signs", "bce", "hinge"),
    [
        ((1, -1, 0), "reproduced", "reproduced"),
        ((1, 1, 0), "reproduced", "inconclusive"),
        ((1, 1, 1), "reproduced", "refuted"),
        ((0, 0, 0), "inconclusive", "inconclusive"),
    ],
)
def test_each_fixed_loss_may_win_on_some_pair(signs, bce, hinge):
    table = results(pair_rows({str(i): {"bce": 0.03 * sign} for i, sign in enumerate(signs)}))
    assert [check(id).kind.judge(table).verdict for id in ("8a", "8b")] == [bce, hinge]


def test_excess_has_to_fall_at_every_step():
    rows = [{"arm": "ens", "data.train": n, "seed": seed, "test/excess": value + 1e-3 * seed}
            for n, value in ((500, 0.2), (1500, 0.1), (3000, 0.12)) for seed in (1, 2)]  # fmt: skip
    table = results(rows, experiment="synthetic")
    values = {v.unit: v.value for v in claims.excess_steps(table)}
    assert values == {"500 to 1500": pytest.approx(0.1), "1500 to 3000": pytest.approx(-0.02)}
    assert check("4a").kind.judge(table).verdict == "refuted"
    assert check("4a").kind.judge(results(rows[:4], experiment="synthetic")).verdict == "reproduced"


def test_pairs_that_share_a_rate():
    scores = {(arm, pair): 0.5 for arm in ("ens", "bce") for pair in ("0-6", "2-4")}
    selections = chosen(scores)
    selections["pairs"][0]["winner"] = {"optimizer.lr": 1e-3}  # ens on 0-6
    table = results(pair_rows({"0-6": {"ens": 0.5}, "2-4": {"ens": 0.1}}), selections)
    values = claims.common_rate("bce")(table)
    assert len(values) == 5 and all(v.value == pytest.approx(0.1, abs=5e-3) for v in values)


def test_wilcoxon_over_tables():
    rows = [{"arm": arm, "data.table": f"t{i}", "seed": seed, "test/accuracy": 0.5 + 0.01 * i * (arm == "ens")}
            for i in range(1, 6) for arm in ("ens", "bce") for seed in (1, 2)]  # fmt: skip
    (value,) = claims.wilcoxon("bce")(results(rows, experiment="tables"))
    assert value.value == pytest.approx(1 / 32)


def test_regularisers_are_judged_one_by_one():
    rows = [{"arm": arm, "pair": "0-6", "regulariser": name, "seed": seed, "test/accuracy": 0.8 + (arm == "ens") * size}
            for name, size in (("dropout", 0.1), ("weight_decay", -0.1)) for arm in ("ens", "bce") for seed in range(5)]  # fmt: skip
    assert check("9").kind.judge(results(rows, experiment="regularised")).verdict == "refuted"


def test_every_claim_has_a_check():
    assert {claim for one in claims.CHECKS for claim in one.serves} == {claim.id for claim in claims.CLAIMS}
