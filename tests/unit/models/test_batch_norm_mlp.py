"""The MLP with batch normalisation: its layers in order."""

import torch
from torch import nn

from assay.models import BatchNormMLP


def test_layers_in_order():
    net = BatchNormMLP((1, 4, 4), 3, hidden=[8, 6])
    kinds = [nn.Flatten, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in net.layers] == kinds
    assert net(torch.randn(5, 1, 4, 4)).shape == (5, 3)
    assert [layer.out_features for layer in net.layers if isinstance(layer, nn.Linear)] == [8, 6, 3]
