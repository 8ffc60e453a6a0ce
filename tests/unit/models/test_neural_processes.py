"""Neural processes: shapes, symmetry in the context, derivatives against finite differences, latent draws."""

import pytest
import torch

from assay.errors import UserError
from assay.models import ANP, CNP


def sets(seed=0, q=1):
    g = torch.Generator().manual_seed(seed)
    shapes = ((3, 10, 2), (3, 10, q), (3, 7, 2), (3, 7, q))
    return [torch.rand(*shape, generator=g, dtype=torch.float64) for shape in shapes]


def build(kind, **how):
    torch.manual_seed(0)
    return kind((2,), 1, hidden=8, **how).double().eval()


def test_the_desk_network_has_the_layers_of_its_docstring():
    shapes = [tuple(p.shape) for p in CNP((2,), 1).parameters() if p.ndim == 2]
    assert shapes == [(48, 3), (48, 48), (48, 50), (48, 48), (2, 48)]


def test_the_first_layer_is_that_of_concatenated_inputs():
    net, (context, values, targets, _) = build(CNP), sets()
    r = net.encoder(torch.cat([context, values], -1)).mean(1)
    joined = torch.cat([r[:, None].expand(-1, 7, -1), targets], -1)
    torch.testing.assert_close(net.first_layer(context, values, targets), net.first(joined))


@pytest.mark.parametrize("kind", [CNP, ANP])
def test_the_order_of_the_context_does_not_matter(kind):
    net, (context, values, targets, _) = build(kind), sets()
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    one = net.predict(context, values, targets, 3, torch.Generator().manual_seed(2))
    other = net.predict(context[:, order], values[:, order], targets, 3, torch.Generator().manual_seed(2))
    for a, b in zip(one, other, strict=True):
        assert a.shape == (3, 7, 1)
        torch.testing.assert_close(a, b)
    assert (one[1] > 1e-3).all()


@pytest.mark.parametrize("twice", [0, 1])
def test_derivatives_are_finite_differences_and_can_be_trained_through(twice):
    net, (context, values, targets, truth), step = build(CNP), sets(), 1e-4
    fit, first, second = net.fit_jet(context, values, targets, truth, twice=twice)

    def mean(axis, shift):
        moved = targets.clone()
        moved[..., axis] += shift
        return net(context, values, moved)[0][..., 0]

    for axis in (0, 1):
        expected = (mean(axis, step) - mean(axis, -step)) / (2 * step)
        torch.testing.assert_close(first[..., axis], expected, atol=1e-8, rtol=1e-5)
    expected = (mean(twice, step) - 2 * mean(twice, 0) + mean(twice, -step)) / step**2
    torch.testing.assert_close(second, expected, atol=1e-6, rtol=1e-4)
    (fit.mean.sum() + first.square().sum() + second.square().sum() + fit.sd.sum()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_relu_has_no_second_derivative():
    _, first, second = build(CNP, activation="relu").fit_jet(*sets())
    assert first.abs().max() > 0 and second.abs().max() == 0


def test_derivatives_through_attention_are_finite_differences():
    net, (context, values, targets, truth) = build(ANP), sets()
    step = 1e-4

    def mean(shift):
        torch.manual_seed(3)
        moved = targets + torch.tensor([0.0, shift], dtype=torch.float64)
        prior, log_var = net.latent(targets, truth)
        z = prior + (0.5 * log_var).exp() * torch.randn_like(prior)
        return net.decode(net.path(context, values, moved), z, moved)[0][..., 0]

    torch.manual_seed(3)
    _, first, _ = net.fit_jet(context, values, targets, truth)
    torch.testing.assert_close(first[..., 1], (mean(step) - mean(-step)) / (2 * step), atol=1e-6, rtol=1e-5)


def test_kl_is_that_of_torch_and_zero_for_equal_sets():
    net, (context, values, targets, truth) = build(ANP), sets()
    kl = net.fit(context, values, targets, truth).kl
    parts = [net.latent(*pair) for pair in ((targets, truth), (context, values))]
    post, prior = (torch.distributions.Normal(m, (0.5 * v).exp()) for m, v in parts)
    torch.testing.assert_close(kl, torch.distributions.kl_divergence(post, prior).sum(-1))
    torch.testing.assert_close(net.fit(context, values, context, values).kl, torch.zeros(3, dtype=torch.float64))


def test_total_variance_is_mean_of_variances_plus_variance_of_means():
    net, (context, values, targets, _) = build(ANP), sets()
    one = net.predict(context, values, targets, 1, torch.Generator().manual_seed(0))
    many = net.predict(context, values, targets, 50, torch.Generator().manual_seed(0))
    assert (one[1] >= 1e-3).all() and not torch.equal(one[0], many[0])
    again = net.predict(context, values, targets, 50, torch.Generator().manual_seed(0))
    assert torch.equal(many[0], again[0]) and torch.equal(many[1], again[1])


def test_heads_must_divide_the_width():
    with pytest.raises(UserError, match="heads"):
        ANP((2,), 1, hidden=10)
