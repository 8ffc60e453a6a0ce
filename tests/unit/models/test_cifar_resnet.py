"""ResNet-20 and ResNet-32 have the published sizes."""

import pytest
import torch

from assay.errors import UserError
from assay.models import cifar_resnet


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46)])
def test_published_numbers_of_parameters(depth, millions):
    net = cifar_resnet((3, 32, 32), 10, depth=depth)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)
    assert sum(isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)) for m in net.modules()) == depth


def test_scores_and_depths_that_do_not_exist():
    assert cifar_resnet((1, 16, 16), 5, depth=8, width=4)(torch.randn(2, 1, 16, 16)).shape == (2, 5)
    with pytest.raises(UserError, match="6 n"):
        cifar_resnet((3, 32, 32), 10, depth=18)
