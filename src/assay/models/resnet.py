"""Residual networks, as torchvision builds them."""

from __future__ import annotations

from typing import Literal

from torch import nn

from assay.models.base import models

Stem = Literal["imagenet", "small"]


@models.register("resnet18", source="arXiv 1512.03385, torchvision", reduced={"width": 4})
def resnet18(inputs: tuple[int, ...], outputs: int, *, width: int = 64, stem: Stem = "imagenet") -> nn.Module:
    """ResNet-18 for images [channels, height, width].

    Args:
        inputs: shape of one image.
        outputs: number of scores.
        width: channels of the first stage; 64 is the published network.
        stem: "imagenet" is a 7x7 convolution of stride 2 and pooling, "small" a 3x3 convolution for 32-pixel images.
    """
    from torchvision.models.resnet import BasicBlock

    from assay.models.narrow_resnet import NarrowResNet

    return NarrowResNet(BasicBlock, [2, 2, 2, 2], inputs[0], outputs, width=width, small=stem == "small")


@models.register("resnet50", source="arXiv 1512.03385, torchvision", reduced={"width": 4})
def resnet50(inputs: tuple[int, ...], outputs: int, *, width: int = 64, stem: Stem = "imagenet") -> nn.Module:
    """ResNet-50 for images [channels, height, width].

    Args:
        inputs: shape of one image.
        outputs: number of scores.
        width: channels of the first stage before its expansion by 4; 64 is the published network.
        stem: "imagenet" is a 7x7 convolution of stride 2 and pooling, "small" a 3x3 convolution for 32-pixel images.
    """
    from torchvision.models.resnet import Bottleneck

    from assay.models.narrow_resnet import NarrowResNet

    return NarrowResNet(Bottleneck, [3, 4, 6, 3], inputs[0], outputs, width=width, small=stem == "small")


@models.register("resnet34", source="arXiv 1512.03385, torchvision", reduced={"width": 4})
def resnet34(inputs: tuple[int, ...], outputs: int, *, width: int = 64, stem: Stem = "imagenet") -> nn.Module:
    """ResNet-34 for images [channels, height, width]; arguments as of `resnet18`."""
    from torchvision.models.resnet import BasicBlock

    from assay.models.narrow_resnet import NarrowResNet

    return NarrowResNet(BasicBlock, [3, 4, 6, 3], inputs[0], outputs, width=width, small=stem == "small")


@models.register("resnet101", source="arXiv 1512.03385, torchvision", reduced={"width": 4})
def resnet101(inputs: tuple[int, ...], outputs: int, *, width: int = 64, stem: Stem = "imagenet") -> nn.Module:
    """ResNet-101 for images [channels, height, width]; arguments as of `resnet50`."""
    from torchvision.models.resnet import Bottleneck

    from assay.models.narrow_resnet import NarrowResNet

    return NarrowResNet(Bottleneck, [3, 4, 23, 3], inputs[0], outputs, width=width, small=stem == "small")
