"""The centred network: its start, its scale and what of it is trained."""

import functools

import torch

from assay.models import MLP, Centred, models


def build(**how):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Centred((4,), 3, net=functools.partial(MLP, hidden=[8], init="torch"), **how).double()


X = torch.randn(6, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_it_starts_at_zero_whatever_its_scale():
    for alpha in (1e-4, 1.0, 1e4):
        assert torch.equal(build(alpha=alpha)(X), torch.zeros(6, 3).double())


def test_only_the_moving_copy_is_trained():
    model = build()
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained
    assert all(name.startswith("net.") for name in trained)
    model(X).sum().backward()
    assert all((p.grad is None) == name.startswith("start.") for name, p in model.named_parameters())


def test_moved_weights_change_the_output_by_alpha_times_the_change_of_the_network():
    model, before = build(alpha=7.0), build(centred=False)
    with torch.no_grad():
        for p in model.net.parameters():
            p.add_(0.1)
    torch.testing.assert_close(model(X), 7 * (model.net(X) - before.net(X)))
    assert before.start is None
    torch.testing.assert_close(build(centred=False, alpha=7.0)(X), 7 * before(X))


def test_sigma_scales_every_initial_parameter():
    for a, b in zip(build(sigma=4.0).net.parameters(), build().net.parameters(), strict=True):
        assert torch.equal(a, 4 * b)  # a power of two rounds nothing


def test_the_start_is_restored_from_a_state():
    model = build()
    with torch.no_grad():
        for p in model.net.parameters():
            p.add_(0.1)
    other = build(sigma=2.0)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(X), model(X))


def test_it_is_built_from_a_node_with_a_nested_network():
    make = models.build({"name": "centred", "net": {"name": "mlp", "hidden": [5]}, "alpha": 2.0})
    model = make((2, 2), 3)
    assert model.net.layers[1].weight.shape == (5, 4)
