"""The committee machine against autograd and quadrature, resume, other optimizers, and how delays are read off."""

import functools
import itertools
import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import run

from assay.config import compose
from assay.data import Modular
from assay.errors import UserError
from assay.losses import SquaredError
from assay.metrics.kernels import ntk
from assay.models import MLP, Centred
from assay.module import Budget
from assay.optimizers import SGD, AdamW
from assay.optimizers.lion_k import LionK
from assay.registry import KINDS
from assay.results import Results
from assay.schedules import Constant, Cosine
from assay.seeds import Seeds
from assay.study.declared import Study
from papers.grokking_lazy_rich import claims
from papers.grokking_lazy_rich.data import MEAN_SQUARE, QuadraticTarget, Teacher
from papers.grokking_lazy_rich.module import (
    Committee,
    Moments,
    Quadratic,
    committee,
    kernel_predictor,
    moments,
    tangent_kernel,
)
from papers.grokking_lazy_rich.module import test_loss as loss_terms
from papers.grokking_lazy_rich.networks import Delay, DelayedRegression, QuadraticNet, Transformer

PLAIN = functools.partial(SGD, lr=1.0, momentum=0.0)


def toy(steps=60, seed=7, optimizer=PLAIN, schedule=None, batch=None, dim=6, samples=20, **how):
    module = Committee(**{"hidden": 8, **how})
    data = QuadraticTarget(dim=dim, samples=samples, tests=30)
    parts = {"data": data, "optimizer": optimizer, "schedule": schedule or Constant()}
    return attached(module, seed, Budget(steps=steps, batch=batch), parts)


def attached(module, seed, budget, parts):
    parts["data"].load(Seeds(seed))
    module.attach(Seeds(seed), budget, parts, {})
    module.build()
    return module


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def quadrature(dim, points=9):
    """Nodes [n, dim] and weights [n] that integrate polynomials up to degree 17 exactly under N(0, I/dim)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    x = torch.tensor(list(itertools.product(nodes, repeat=dim))) / math.sqrt(dim)
    w = torch.tensor([math.prod(row) for row in itertools.product(weights / weights.sum(), repeat=dim)])
    return x.double(), w.double()


# -- closed forms ---------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.05, 50), st.floats(0.01, 2), st.floats(0.3, 3), st.sampled_from([None, 5]))
def test_gradient_is_that_of_the_definition(seed, alpha, epsilon, sigma, batch):
    module = toy(seed=seed, alpha=alpha, epsilon=epsilon, sigma=sigma)
    start = module.w.detach().clone()
    with torch.no_grad():
        module.w.add_(0.3 * draw(8, 6, seed=seed))
    index = torch.arange(20) if batch is None else torch.tensor([3, 1, 17, 4, 8])
    x, y = module.data.train.x[index], module.data.train.y[index]
    w = module.w.detach().clone().requires_grad_()
    loss = ((alpha * (committee(x, w, epsilon) - committee(x, start, epsilon)) - y) ** 2).mean()
    (reference,) = torch.autograd.grad(loss, w)
    torch.testing.assert_close(module.gradients(index), loss.detach())
    assert (module.w.grad - reference).abs().max() < 1e-10 * reference.abs().max()


def test_test_loss_is_the_integral_and_its_terms_are_what_they_are_called():
    x, weights = quadrature(3)
    beta = draw(3)
    beta *= math.sqrt(3) / beta.norm()
    f = Quadratic(draw(3, seed=1), (b := draw(3, 3, seed=2)) + b.T)
    y = (x @ beta) ** 2 / 2
    terms = loss_terms(f, beta)
    torch.testing.assert_close(sum(terms), (weights * (f(x) - y) ** 2).sum())
    torch.testing.assert_close(terms.linear_power, (weights * (x @ f.linear) ** 2).sum())
    torch.testing.assert_close((weights * y**2).sum().item(), MEAN_SQUARE)
    zero = loss_terms(Quadratic(torch.zeros(3).double(), torch.outer(beta, beta)), beta)
    assert float(sum(zero)) == pytest.approx(0, abs=1e-24)


def test_the_measured_test_loss_is_that_of_the_network():
    module = toy(dim=3, alpha=2.0, epsilon=0.7)
    start = module.w.detach().clone()
    run(module)
    x, weights = quadrature(3)
    f = 2 * (committee(x, module.w.detach(), 0.7) - committee(x, start, 0.7))
    integral = (weights * (f - (x @ module.beta) ** 2 / 2) ** 2).sum() / MEAN_SQUARE
    assert module.scalars["test/loss"] == pytest.approx(float(integral), rel=1e-10)
    parts = [module.scalars[f"test/{name}"] for name in ("variance", "misalignment", "linear_power")]
    assert module.scalars["test/loss"] == pytest.approx(sum(parts))


def test_tangent_kernel_is_the_product_of_jacobians():
    w, x, other = draw(8, 5), draw(6, 5, seed=1), draw(4, 5, seed=2)
    reference = 8 * ntk(lambda p, row: committee(row[None], p["w"], 0.6), x, other, params={"w": w})
    torch.testing.assert_close(tangent_kernel(x, other, moments(w), 0.6), reference)


def test_kernel_regression_is_a_quadratic_function():
    at, x, new, c = moments(draw(8, 5)), draw(6, 5, seed=1), draw(9, 5, seed=2), draw(6, seed=3)
    torch.testing.assert_close(kernel_predictor(x, c, at, 0.6)(new), tangent_kernel(new, x, at, 0.6) @ c)


def test_eigenvalues_of_the_wide_kernel():
    # Under p(x): 1/D for linear functions, 2 eps^2/D^2 for traceless quadratics, eps^2 (1 + 2/D)/D for |x|^2.
    d, epsilon = 3, 0.4
    x, weights = quadrature(d)
    kernel = tangent_kernel(x, x, Moments(torch.zeros(d).double(), torch.eye(d).double()), epsilon)
    for function, value in (
        (x[:, 0], 1 / d),
        (x[:, 0] * x[:, 1], 2 * epsilon**2 / d**2),
        (x[:, 0] ** 2 - x[:, 2] ** 2, 2 * epsilon**2 / d**2),
        ((x**2).sum(1), epsilon**2 / d * (1 + 2 / d)),
    ):
        torch.testing.assert_close(kernel @ (weights * function), value * function)


def test_an_exact_fit_has_the_predicted_norm():
    module = toy(alpha=0.7, epsilon=0.3)
    run(module, until=1)
    target = module.start_second + torch.outer(module.beta, module.beta) / (0.7 * 0.3)
    values, vectors = torch.linalg.eigh(target)
    frame = torch.linalg.qr(draw(8, 6))[0]
    with torch.no_grad():
        module.w.copy_(math.sqrt(8) * frame @ (vectors * values.sqrt()) @ vectors.T)
    module.look(module.total)
    module.growth()
    assert loss_terms(module.predictor(), module.beta).misalignment < 1e-20
    assert abs(module.scalars["weights/growth_error"]) < 1e-12


# -- what a step is -------------------------------------------------------------------------------------------------


def test_the_rate_is_eta_0_n_over_alpha_squared():
    module = toy(alpha=4.0, optimizer=functools.partial(SGD, lr=3.0, momentum=0.0), schedule=Cosine())
    for step in (0, 17):
        module.set_rates(step, 60)
        factor = module.schedule.factor(step, 60)
        assert module.optimizer.param_groups[0]["lr"] == pytest.approx(3.0 * 8 / 16 * factor)


def test_the_first_lazy_step_depends_neither_on_alpha_nor_on_the_width_of_the_readout():
    moved = []
    for alpha in (1e4, 1e6):
        module = toy(alpha=alpha)
        run(module, until=1)
        moved.append(module.predictor()(module.data.train.x))
    x, y = module.data.train.x, module.data.train.y
    kernel = tangent_kernel(x, x, module.start, module.epsilon)
    torch.testing.assert_close(moved[0], 2 / len(x) * kernel @ y, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(moved[1], moved[0], rtol=1e-3, atol=1e-5)


def test_it_starts_at_the_loss_of_zero():
    module = toy(alpha=1e3)
    module.take_measurement()
    assert module.curves["train/loss"].value == [1.0]
    assert module.curves["test/loss"].value == pytest.approx([1.0])


def test_draws_are_shared_by_arms():
    small, large = QuadraticTarget(samples=20), QuadraticTarget(samples=50)
    small.load(Seeds(3))
    large.load(Seeds(3))
    assert torch.equal(small.train.x, large.train.x[:20])
    assert torch.equal(small.beta, large.beta)
    assert float(small.beta.norm()) == pytest.approx(math.sqrt(30))
    assert torch.equal(toy(sigma=2.0, alpha=5.0).w, 2 * toy(epsilon=1.0).w)


@pytest.mark.parametrize(
    "optimizer", [functools.partial(LionK, lr=1e-4), functools.partial(AdamW, lr=1e-3), functools.partial(SGD, lr=0.1)]
)
def test_any_optimizer_learns(optimizer):
    module = run(toy(optimizer=optimizer, schedule=Cosine(), steps=100))
    assert module.scalars["train/loss"] < 1.0


def test_other_data_are_refused():
    with pytest.raises(UserError, match="quadratic"):
        attached(Committee(), 1, Budget(steps=1), {"data": Modular(p=5), "optimizer": PLAIN, "schedule": Constant()})


@pytest.mark.parametrize("batch", [None, 7])
def test_an_interrupted_run_ends_with_the_same_numbers(batch):
    momentum = functools.partial(SGD, lr=0.3, momentum=0.9)
    straight = run(toy(optimizer=momentum, batch=batch))
    state = run(toy(optimizer=momentum, batch=batch), until=20).checkpoint()
    resumed = toy(optimizer=momentum, batch=batch)
    resumed.resume(state)
    run(resumed)
    assert resumed.scalars == straight.scalars
    assert resumed.curves == straight.curves


# -- reading off ----------------------------------------------------------------------------------------------------


def read_off(train, test, power=(1.0, 4.0, 0.5, 0.1)):
    module = toy()
    steps = [0, 10, 100, 1000]
    curves = {"train/loss": train, "test/loss": test, "test/linear_power": list(power)}
    curves |= {"train/within": [0.0, 0.5, 1.0, 1.0], "test/within": [0.0, 0.0, 0.0, 0.5]}
    module.looks, module.history = steps, torch.zeros(4, len(module.logged), dtype=torch.float64)
    for name, values in curves.items():
        module.history[:, module.logged.index(name)] = torch.tensor(values, dtype=torch.float64)
    module.steps_done = 1000
    module.crossings()
    return module.scalars


def test_crossings_are_read_off_more_finely_than_curves_are_drawn():
    module = run(toy())
    looks, drawn_at = module.look_at(8000), list(module.measure_at(8000))
    assert {*range(51), 8000} < {*looks} and max(b / a for a, b in itertools.pairwise(looks[50:])) < 1.09
    assert {0, 1, 8000} < {*drawn_at} < {*looks} and len(drawn_at) <= len(looks) / 2 + 2
    assert not module.history.isnan().any()
    drawn = module.curves["test/loss"]
    assert drawn.value == [module.seen("test/loss")[module.looks.index(step)] for step in drawn.step]


def test_times_and_delay():
    found = read_off([1.0, 0.2 * 10, 0.02, 0.001], [1.0, 1.3, 2.0, 0.02])
    assert found["crossing/train"] == pytest.approx(10**1.5)
    assert found["crossing/test"] == pytest.approx(10**2.5)
    assert found["crossing/delay"] == pytest.approx(1.0)
    assert found["crossing/grokked"] == 1
    assert found["crossing/censored"] == 0
    # The test loss at step 0 and 10 does not count: training was still above one half there.
    assert found["test/rise"] == 2.0
    assert found["test/linear_fall"] == pytest.approx(40)
    assert found["within/train"] == pytest.approx(10 ** (1 + 0.8))
    assert found["within/test"] == 1000


def test_a_test_loss_that_never_crosses_is_censored_at_the_end():
    found = read_off([1.0, 2.0, 0.02, 0.001], [1.0, 1.3, 2.0, 0.9])
    assert found["crossing/test"] == 1000
    assert found["crossing/delay"] == pytest.approx(1.5)
    assert found["crossing/censored"] == 1
    assert found["crossing/grokked"] == 0


def test_training_that_never_fits_has_no_rise():
    found = read_off([1.0, 2.0, 0.9, 0.8], [1.0, 1.3, 2.0, 0.9])
    assert math.isnan(found["test/rise"])
    assert math.isnan(found["test/at_memorisation"])
    assert found["crossing/delay"] == 0


# -- networks -------------------------------------------------------------------------------------------------------


def modular(steps=30, every=4, seed=1):
    module = Delay(every=every)
    descent = functools.partial(SGD, lr=20.0, momentum=0.0)
    parts = {"data": Modular(p=5, share=0.8), "model": functools.partial(QuadraticNet, hidden=12)}
    parts |= {"loss": SquaredError(), "optimizer": descent, "schedule": Constant()}
    return attached(module, seed, Budget(steps=steps), parts)


def test_quadratic_net_is_its_formula():
    with torch.random.fork_rng():
        net = QuadraticNet((2, 3), 4, hidden=5).requires_grad_(False)
    x = torch.randn(7, 2, 3)
    by_hand = [
        [sum(net.w2[k, i] * (net.w1[i] @ row / math.sqrt(6)) ** 2 for i in range(5)) / 5 for k in range(4)]
        for row in x.flatten(1).double()
    ]
    torch.testing.assert_close(net(x), torch.tensor(by_hand))


def test_evaluations_fall_on_their_steps_and_survive_an_interruption():
    straight = run(modular())
    assert list(straight.measure_at(30)) == [*range(0, 30, 4), 30]
    assert not straight.history.isnan().any()
    resumed = modular()
    resumed.resume(run(modular(), until=12).checkpoint())
    run(resumed)
    np.testing.assert_equal(resumed.scalars, straight.scalars)  # to the bit; NaN equals NaN here
    assert torch.equal(resumed.history, straight.history)
    norm = math.sqrt(sum(float(p.detach().square().sum()) for p in straight.net.parameters()))
    assert straight.scalars["weights/norm"] == pytest.approx(norm)


def test_norms_are_read_at_the_crossings():
    def finished(test):
        module = modular(steps=1000, every=250)
        module.history[:, 0] = torch.tensor([0.0, 0.8, 1.0, 1.0, 1.0])
        module.history[:, 2] = torch.tensor(test)
        module.history[:, 4] = torch.tensor([10.0, 12.0, 14.0, 15.0, 16.0])
        module.finish()
        return module

    module = finished([0.0, 0.0, 0.0, 0.9, 1.0])
    assert module.scalars["crossing/train"] == pytest.approx(250 * math.sqrt(2))
    assert module.scalars["crossing/test"] == pytest.approx(750)
    assert module.scalars["crossing/ratio"] == pytest.approx(3 / math.sqrt(2))
    assert module.scalars["weights/growth_at_test"] == pytest.approx(1.5)
    assert module.scalars["weights/growth_between"] == pytest.approx(15 / 13)
    module = finished([0.5] * 5)
    assert module.scalars["crossing/test"] == 1000
    assert module.scalars["crossing/censored"] == 1
    assert math.isnan(module.scalars["weights/growth_at_test"])


def test_transformer_reads_scores_at_the_last_token():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Transformer((3,), 7, width=8, heads=2, mlp=16)
    tokens = torch.tensor([[1, 2, 7], [2, 1, 7], [1, 2, 7]])
    scores = net(tokens)
    assert scores.shape == (3, 7)
    assert torch.equal(scores[0], scores[2])
    assert not torch.allclose(scores[0], scores[1])  # positions tell 1 + 2 from 2 + 1
    # Without its MLP the layer is embedding + attention, of which a lone head of value vectors is easy to follow.
    with torch.no_grad():
        for p in (net.up.weight, net.qkv.weight):
            p.zero_()
    torch.testing.assert_close(net(tokens)[0], net.unembed(net.embed.weight[7] + net.position[2]))


def test_student_of_a_teacher():
    module = DelayedRegression(every=5)
    student = functools.partial(MLP, hidden=[6], activation="tanh", init="torch")
    parts = {"data": Teacher(samples=20, tests=10, hidden=8), "model": functools.partial(Centred, net=student)}
    parts |= {"optimizer": functools.partial(AdamW, lr=1e-2), "schedule": Constant()}
    run(attached(module, 1, Budget(steps=50), parts))
    train = module.data.train
    assert module.curves["train/loss"].value[0] == pytest.approx(float((train.y**2).mean()))
    assert module.scalars["train/loss"] < module.curves["train/loss"].value[0]
    assert module.scalars["crossing/censored"] == 1


@pytest.mark.parametrize(
    ("experiment", "parameters"),
    [
        ("mnist", 784 * 200 + 200 + 200 * 200 + 200 + 200 * 10 + 10),
        # embedding, positions, attention, MLP, unembedding
        ("transformer", 114 * 128 + 3 * 128 + 4 * 128**2 + 2 * 128 * 512 + 512 + 128 + 128 * 113),
        ("teacher", 5 * 100 + 100 + 100 * 100 + 100 + 100 * 5 + 5),
    ],
)
def test_networks_of_the_paper_scale_have_its_size(experiment, parameters):
    compose.load("grokking_lazy_rich")
    of = Study.of("grokking_lazy_rich").experiments[experiment]
    choices, values = compose.merge(next(layers for _, _, layers in of.cells("paper")))
    config = compose.assemble(choices, values, 1)
    shapes = {"mnist": ((784,), 10), "transformer": ((3,), 113), "teacher": ((5,), 5)}
    with torch.device("meta"):
        net = KINDS["model"].build(config["model"])(*shapes[experiment])
    assert sum(p.numel() for p in net.parameters()) == parameters


# -- checks ---------------------------------------------------------------------------------------------------------


def table(rows):
    common = {"arm": "main", "registered": True}
    runs = pl.DataFrame([{**common, "signature": f"{i}", **row} for i, row in enumerate(rows)])
    return Results("grokking_lazy_rich", "desk", runs, pl.DataFrame(), pl.DataFrame())


def test_slope_of_the_delay_is_taken_per_seed():
    rows = [
        {"experiment": "alpha", "seed": seed, "module.alpha": a, "crossing/delay": seed * math.log2(a) + 5}
        for seed in (1, 2)
        for a in (0.25, 0.5, 1.0, 2.0)
    ]
    # A value far outside the registered alphas must not count.
    rows.append({"experiment": "alpha", "seed": 1, "module.alpha": 16.0, "crossing/delay": -99.0})
    values = claims.slope_of_delay(table(rows))
    assert [(v.unit, pytest.approx(v.value)) for v in values] == [("1", 1.0), ("2", 2.0)]


def test_growth_is_judged_where_the_test_loss_is_small():
    rows = [
        {"experiment": "alpha", "seed": 1, "test/loss": 0.01, "weights/growth_error": -0.02},
        {"experiment": "samples", "seed": 1, "test/loss": 0.5, "weights/growth_error": 0.4},
    ]
    assert [v.value for v in claims.growth_error(table(rows))] == [0.02]


def test_rank_correlation_is_of_means():
    rows = [
        {"experiment": "alpha", "seed": seed, "module.alpha": a, "test/loss": a + wiggle}
        for a in (1.0, 2.0, 4.0)
        for seed, wiggle in ((1, -2 * a), (2, 2 * a))
    ]
    (rho,) = next(check for check in claims.CHECKS if check.id == "3b").conditions
    (value,) = rho.measure(table(rows))
    assert value.value == pytest.approx(1.0)
