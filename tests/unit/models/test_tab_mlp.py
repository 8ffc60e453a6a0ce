"""TabMLP: blocks in the order linear, ReLU, normalisation, dropout, as many as asked for."""

import torch

from assay.models import TabMLP


def test_blocks_are_as_many_and_as_wide_as_asked_for():
    net = TabMLP((4, 3), 1, depth=2, width=8, dropout=0.5)
    names = [type(layer).__name__ for layer in net.layers]
    block = ["Linear", "ReLU", "BatchNorm1d", "Dropout"]
    assert names == ["Flatten", *block, *block, "Linear"]
    assert [tuple(layer.weight.shape) for layer in net.layers if isinstance(layer, torch.nn.Linear)] == [
        (8, 12), (8, 8), (1, 8),
    ]  # fmt: skip
    assert net(torch.randn(5, 4, 3)).shape == (5, 1)


def test_without_dropout_there_is_no_such_layer():
    assert not [layer for layer in TabMLP((3,), 2).layers if isinstance(layer, torch.nn.Dropout)]
