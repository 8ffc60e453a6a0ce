"""EDM's preconditioning and loss: unit variance in and out, limits, and the loss of a perfect denoiser."""

import pytest
import torch
from torch import nn

from assay.diffusion.edm import EDMPrecond, edm_loss, edm_sigmas
from assay.diffusion.scores import GaussianScore


class Spy(nn.Module):
    """A network that keeps its input and answers with a constant multiple of it."""

    def __init__(self, factor=0.0):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x, c):
        self.seen = (x, c)
        return self.factor * x


def data(n=20_000):
    return 0.5 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sigma", [0.01, 0.5, 20.0])
def test_inputs_and_targets_have_unit_variance(sigma):
    """The target of F is (x_0 - c_skip x) / c_out."""
    net, x0 = Spy(), data()
    x = x0 + sigma * torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    denoised = EDMPrecond(net)(x, sigma)
    assert float(net.seen[0].std()) == pytest.approx(1, abs=0.02)
    assert net.seen[1].tolist() == pytest.approx([torch.tensor(sigma).log().item() / 4])
    c_out = sigma * 0.5 / (sigma**2 + 0.25) ** 0.5
    assert float(((x0 - denoised) / c_out).std()) == pytest.approx(1, abs=0.02)


def test_an_untrained_network_is_an_isotropic_gaussian():
    law, x = GaussianScore.isotropic(torch.zeros(2).double(), 0.25), data(50).double()
    torch.testing.assert_close(EDMPrecond(Spy())(x, 0.7), law.denoise(x, 0.7))


def test_a_level_for_each_row_is_the_same_as_one_for_all():
    denoiser, x = EDMPrecond(Spy(0.3)), data(6)
    both = denoiser(x, torch.tensor([0.2] * 3 + [3.0] * 3))
    torch.testing.assert_close(both, torch.cat([denoiser(x[:3], 0.2), denoiser(x[3:], 3.0)]))
    images = denoiser(x.view(3, 1, 2, 2), torch.tensor([0.2, 0.2, 0.2]))
    torch.testing.assert_close(images.flatten(), denoiser(x, 0.2).flatten())


def test_double_precision_outside_of_the_network():
    net = Spy()
    assert EDMPrecond(net)(data(4).double(), 1.0).dtype == torch.float64
    assert net.seen[0].dtype == torch.float32


def test_the_loss_is_the_weighted_error():
    x0, noise = data(5), data(5)
    sigma = edm_sigmas(5, torch.Generator().manual_seed(0))
    denoiser = EDMPrecond(Spy(0.4))
    weight = (sigma**2 + 0.25) / (0.5 * sigma) ** 2
    error = (denoiser(x0 + sigma[:, None] * noise, sigma) - x0).square().sum(1)
    torch.testing.assert_close(edm_loss(denoiser, x0, sigma, noise), (weight * error).mean())
    assert float(edm_sigmas(50_000, torch.Generator().manual_seed(1)).log().mean()) == pytest.approx(-1.2, abs=0.02)
