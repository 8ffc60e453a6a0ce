"""PTD: limits of the perturbation, measures of the claims, noise, the toy task, and runs that go on where they stopped."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
import torch

from assay.claims import Exact
from assay.data.base import Split
from assay.linalg import eig_ptd, hippo_legs, perturb
from assay.module import Budget
from assay.report.figures import MissingData, collect
from assay.results import Results
from assay.seeds import Seeds
from papers.ptd_ssm import claims, exact, figures
from papers.ptd_ssm.module import Perturbations, Robust, Sinusoids, Toy, deviation, deviation_of_diagonal, grid

SIZES = (1e-3, 1e-2, 1e-1)


@pytest.mark.parametrize("id", exact.Exact.checks)
def test_exact_measurements_keep_the_bounds_of_their_claims(id):
    row = {"experiment": "exact", "arm": "main", "seed": 1, "signature": "0", "registered": True}
    for function in exact.Exact.checks[id]:
        row |= {f"exact/{id}/{name}": value for name, value in function().items()}
    units = pl.DataFrame(
        [
            {"experiment": "perturbations", "arm": "main", "seed": 1, "signature": "1", "registered": True}
            | {"unit": f"{n}", "kind": "skew", "n": n, "size": 0.1, "deviation": 1.4}
            for n in claims.STATES
        ]
    )
    results = Results("ptd_ssm", "smoke", pl.DataFrame([row]), units, pl.DataFrame())
    (check,) = [check for check in claims.CHECKS if check.id == id]
    assert isinstance(check.kind, Exact)
    assert check.kind.judge(results).verdict == "reproduced", check.kind.judge(results).details


def test_the_card_s_numbers():
    """Measured for the card by other code: constants of the spike, kappa and deviation of rank1."""
    values = exact.spike_law()
    assert values["place_128"] == pytest.approx(1 / math.pi, abs=1e-4)
    assert values["height_128"] == pytest.approx(2 / math.pi, abs=1e-4)
    for n, kappa in ((32, 17.4), (64, 18.2)):
        basis = exact.rank_one_basis(n)
        assert basis.condition == pytest.approx(kappa, abs=0.05)
        assert deviation(n, basis) == pytest.approx(0.0702, abs=1e-4)
    assert exact.ill_posed()["slope"] == pytest.approx(2.50, abs=0.01)


def test_rank_one_goes_from_hippo_to_the_diagonal_start():
    n = 16
    a, _ = hippo_legs(n)
    whole = eig_ptd(a + perturb(n, "rank1", 1.0, np.random.default_rng(0)))
    assert deviation(n, whole, 0.5) == pytest.approx(deviation_of_diagonal(n), rel=1e-9)
    deviations = [deviation(n, exact.rank_one_basis(n, theta)) for theta in (1e-3, 1e-2, 1e-1)]
    assert deviations == sorted(deviations) and deviations[0] < 1e-3


def test_the_grid_sees_every_spike():
    w = grid(8, exact.rank_one_basis(8))
    for basis in (exact.rank_one_basis(8), exact.normal_eigenbasis(8)):
        assert np.abs(w[:, None] - np.abs(basis.values.imag)).min(0).max() < 1e-12


def test_skew_draws_keep_the_bound_and_unstable_ones_are_counted():
    module = Perturbations(states=[16], descent=3)
    module.attach(Seeds(1), Budget(steps=1), {}, {})
    module.build()
    module.advance(0, module.total)
    rows = {row["unit"]: row for row in module.units}
    assert len(rows) == 12
    for name, row in rows.items():
        assert ("deviation" in row) == (row["stable"] == 1), name
    assert all(rows[f"16 skew {size:g}"]["over_bound"] <= 1 for size in SIZES)
    assert rows["16 skew_matched 0"]["ratio"] == pytest.approx(rows["16 opt 0"]["ratio"])


def test_measures_of_perturbations():
    rows = []
    for seed in (1, 2):
        for n in claims.STATES:
            for size in SIZES:
                rows.append(
                    {"experiment": "perturbations", "arm": "main", "seed": seed, "signature": f"{seed}"}
                    | {"registered": True, "unit": f"{n} {size}", "n": n, "kind": "skew", "size": size}
                    | {"ratio": 2 * size, "kappa": 3 / size ** (0.5 * seed), "stable": float(seed == 1)}
                    | {"deviation": 1.0 * seed}
                )
    results = Results("ptd_ssm", "desk", pl.DataFrame(), pl.DataFrame(rows), pl.DataFrame())
    (value,) = claims.kappa.only(n=64)(results)
    assert value.value == pytest.approx(-0.75) and value.runs == ("1", "2")
    (value,) = claims.deviation_slope(results)
    assert value.value == pytest.approx(-1)
    fewer = Results("ptd_ssm", "smoke", pl.DataFrame(), pl.DataFrame(rows).filter(pl.col("n") < 128), pl.DataFrame())
    assert claims.deviation_slope(fewer) == []
    assert [v.value for v in claims.unstable("skew")(results)] == [4, 4, 4]


def test_drops_above_a_frequency_leave_lower_ones_out():
    base = {"experiment": "robustness", "arm": "s4d", "seed": 1, "signature": "a", "registered": True}
    units = [base | {"unit": str(f), "frequency": f, "accuracy": a} for f, a in ((1, 0.2), (10, 0.6), (11, 0.5))]
    results = Results(
        "ptd_ssm", "desk", pl.DataFrame([base | {"noise/clean": 0.9}]), pl.DataFrame(units), pl.DataFrame()
    )
    (value,) = claims.high_drop.at(arm="s4d")(results)
    assert value.value == pytest.approx(0.4) and value.unit == "1"
    assert claims.high_drop.at(arm="ptd_opt")(results) == []


def test_sinusoids_extrapolate_only_in_testing():
    data = Sinusoids(train=50, val=20, test=20)
    data.load(Seeds(1))
    assert data.train.y[:, 1].max() <= 60 <= data.test.y[:, 1].min()
    a, s = data.test.y[3]
    t = torch.arange(256) / 256
    assert torch.allclose(data.test.x[3, :, 0], a * torch.cos(s * t), atol=1e-4)


def test_the_toy_task_is_learnt_where_it_was_seen():
    data = Sinusoids(train=300, val=50, test=50)
    data.load(Seeds(1))
    module = Toy(start="rank1", channels=32)
    module.attach(Seeds(1), Budget(steps=1), {"data": data}, {})
    module.build()
    module.advance(0, 1)
    assert module.scalars["val/error_a"] < 0.1 < 5 * module.scalars["test/error_a"]
    assert len(module.units) == 20


def test_features_are_those_of_the_convolved_sequence():
    data = Sinusoids(length=16, train=5, val=3, test=3)
    data.load(Seeds(1))
    module = Toy(state=4, channels=3)
    module.attach(Seeds(1), Budget(steps=1), {"data": data}, {})
    module.build()
    x, k = data.train.x[..., 0].double().numpy(), module.kernels.numpy()
    expected = [[np.sqrt(np.mean(np.convolve(u, row)[:16] ** 2)) for row in k] for u in x]
    assert np.allclose(module.features(data.train.x), expected)


def test_noise_is_tried_at_every_bin_and_the_worst_one_counts(monkeypatch):
    module = Robust(noisy=4)
    accuracy = {0: 0.9, 1: 0.8, 2: 0.4, 3: 0.7}
    module.data = type("D", (), {"test": Split(torch.zeros(9, 8, 1), torch.zeros(9)), "val": None})()
    module.untrained = {"largest": 3.0}
    module.net = type("N", (), {"modes": type("M", (), {"condition": 1.0, "values": np.ones(2)})})()
    monkeypatch.setattr(Robust.__mro__[1], "finish", lambda self: None)
    monkeypatch.setattr(Robust, "spikes", lambda self: {"largest": 5.0})
    monkeypatch.setattr(Robust, "noised", lambda self, rows, f: Split(rows.x + f, rows.y))
    monkeypatch.setattr(Robust, "right", lambda self, rows: accuracy[int(rows.x[0, 0, 0])])
    module.finish()
    assert module.scalars["noise/drop"] == pytest.approx(0.5) and module.scalars["noise/worst_frequency"] == 2
    assert module.scalars["noise/mean_drop"] == pytest.approx(0.9 - 1.9 / 3)
    assert [row["frequency"] for row in module.units] == [1, 2, 3]
    assert module.scalars["spike/untrained/largest"] == 3 and module.scalars["spike/trained/largest"] == 5


def test_every_claim_is_read_by_a_check():
    served = {claim for check in claims.CHECKS for claim in check.serves}
    assert served == {claim.id for claim in claims.CLAIMS}


@pytest.mark.parametrize("spec", collect(figures), ids=lambda spec: spec.id)
def test_figures_say_what_is_missing(spec):
    empty = pl.DataFrame()
    with pytest.raises(MissingData):
        spec(Results("ptd_ssm", "smoke", empty, empty, empty))
