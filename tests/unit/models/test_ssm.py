"""State space layers: convolutions, scans, gradients, both directions, and what every start shares."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from assay.errors import UserError
from assay.linalg import modes
from assay.models.ssm import (
    ChannelNorm,
    DiagonalSSM,
    S5Layer,
    SequenceClassifier,
    causal_convolution,
    doubling_scan,
    fft_convolution,
    powers,
    recurrence,
    toeplitz_convolution,
)


def start(name="s4d", n=6, size=0.1):
    return modes(n, name, size, np.random.default_rng(0))


@pytest.mark.parametrize("length", [1, 2, 9])
def test_convolutions_agree_with_numpy(length):
    u, k = torch.randn(2, length, 3).double(), torch.randn(2, length).double()
    expected = [[np.convolve(u[h, :, i], k[h])[:length] for i in range(3)] for h in range(2)]
    for convolve in (toeplitz_convolution, fft_convolution, causal_convolution):
        assert np.allclose(convolve(u, k).permute(0, 2, 1), np.array(expected), atol=1e-12)


def test_hand_written_gradients():
    u, k = torch.randn(2, 4, 2).double().requires_grad_(), torch.randn(2, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(toeplitz_convolution, (u, k))
    norm = ChannelNorm(3).double()
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(3, 4, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w, b: _with(norm, w, b, x), (x, norm.weight, norm.bias))


def _with(norm, weight, bias, x):
    return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, (x,))


def test_the_norm_is_torchs_layer_norm():
    x = torch.randn(5, 7, 3)
    expected = F.layer_norm(x.permute(1, 2, 0), (5,)).permute(2, 0, 1)
    assert torch.allclose(ChannelNorm(5)(x), expected, atol=1e-6)


@pytest.mark.parametrize("length", [1, 5, 16, 17])
def test_scans_are_recurrences(length):
    z = torch.polar(torch.rand(3).double(), 6 * torch.rand(3).double())
    v = torch.randn(3, length, 2, dtype=torch.cdouble)
    x, rows = torch.zeros(3, 2, dtype=torch.cdouble), []
    for l in range(length):
        x = z[:, None] * x + v[:, l]
        rows.append(x)
    for scan in (recurrence, doubling_scan):
        assert torch.allclose(scan(z, v), torch.stack(rows, 1), atol=1e-12)
    big, small = powers(z, length)
    flat = (big[..., None] * small[:, None]).flatten(1)[:, :length]
    assert torch.allclose(flat, z[:, None] ** torch.arange(length))


@pytest.mark.parametrize("name", ["s4d", "rank1", "skew"])
def test_the_gain_is_the_kernels_spectrum_without_the_factor_all_share(name):
    layer = DiagonalSSM(3, start(name), dtype=torch.float64)
    with torch.no_grad():
        layer.log_step.fill_(math.log(0.1))
        length = 20000  # long enough for the slowest mode to have died out
        angle = torch.tensor([0.3, 1.0, 2.5], dtype=torch.float64)
        waves = torch.exp(-1j * angle[:, None] * torch.arange(length))
        spectrum = (layer.kernels(length)[0].to(waves.dtype) @ waves.T).abs()
        assert torch.allclose(spectrum, layer.gains(angle) / torch.cos(angle / 2), rtol=1e-6)


def test_s5_is_its_recurrence():
    torch.manual_seed(0)
    layer = S5Layer(3, start(), blocks=2, dtype=torch.float64)
    u = torch.randn(3, 11, 2).double()
    with torch.no_grad():
        z, scale = layer.discretised(layer.log_step.exp())
        b = scale[:, None] * torch.view_as_complex(layer.b)
        c = layer.weights * torch.view_as_complex(layer.c)[0]
        x, rows = 0, []
        for l in range(11):
            x = z[:, None] * x + b @ u[:, l].to(b.dtype)
            rows.append((c @ x).real + layer.d[:, None] * u[:, l])
        assert torch.allclose(layer(u), torch.stack(rows, 1), atol=1e-10)


@pytest.mark.parametrize("layer", [DiagonalSSM, S5Layer])
def test_one_direction_is_causal_and_two_are_not(layer):
    u, v = torch.randn(2, 3, 9, 2)
    v[:, :5] = u[:, :5]
    torch.manual_seed(0)
    one, two = layer(3, start()), layer(3, start(), bidirectional=True)
    assert torch.allclose(one(u)[:, :5], one(v)[:, :5], atol=1e-5)
    assert not torch.allclose(two(u)[:, :5], two(v)[:, :5], atol=1e-3)


def test_starts_share_every_other_draw():
    nets = []
    for name in ("s4d", "rank1", "skew"):
        torch.manual_seed(1)
        nets.append(SequenceClassifier((12, 1), 3, width=4, state=6, start=name))
    first, *others = nets
    for net in others:
        assert torch.equal(net.head.weight, first.head.weight)
        assert torch.equal(net.encoder.weight, first.encoder.weight)
        for a, b in zip(net.blocks, first.blocks, strict=True):
            assert torch.equal(a.ssm.log_step, b.ssm.log_step) and torch.equal(a.ssm.d, b.ssm.d)


@pytest.mark.parametrize("layer", ["s4d", "s5"])
@pytest.mark.parametrize(("inputs", "vocabulary"), [((9, 2), 0), ((2, 3, 4), 0), ((9,), 5), ((2, 9), 5)])
def test_classifiers_of_every_input(layer, inputs, vocabulary):
    net = SequenceClassifier(inputs, 3, layer=layer, width=4, state=4, vocabulary=vocabulary, norm="batch", dropout=0.1)
    x = torch.randint(vocabulary, (5, *inputs)) if vocabulary else torch.randn(5, *inputs)
    scores = net(x)
    scores.sum().backward()
    assert scores.shape == (5, 3)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    assert len(net.slow()) == 2 * 4


def test_padding_does_not_count():
    net = SequenceClassifier((8,), 3, width=4, state=4, vocabulary=5).eval()
    short = torch.tensor([[1, 2, 3, 0, 0, 0, 0, 0]])
    assert torch.allclose(net(short), net(short[:, :3]), atol=1e-5)


def test_blocks_belong_to_s5():
    with pytest.raises(UserError, match="blocks"):
        SequenceClassifier((8, 1), 3, state=4, blocks=2)
    with pytest.raises(UserError, match="blocks"):
        SequenceClassifier((8, 1), 3, layer="s5", state=4, blocks=3)
