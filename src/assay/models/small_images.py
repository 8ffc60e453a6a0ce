"""VGG and MobileNetV2 for images of about 32 pixels: torchvision's layers without ImageNet's head or strides."""

from __future__ import annotations

from torch import nn

from assay.models.base import models


def _vgg(name: str, inputs: tuple[int, ...], outputs: int, width: int) -> nn.Module:
    from torchvision.models import vgg

    layers = vgg.cfgs[name]
    narrow = [item if isinstance(item, str) else max(1, item * width // 64) for item in layers]
    features = vgg.make_layers(narrow, batch_norm=True)
    if inputs[0] != 3:
        features[0] = nn.Conv2d(inputs[0], width, 3, padding=1)
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, outputs))


@models.register("vgg16", source="arXiv 1409.1556, torchvision", reduced={"width": 4})
def vgg16(inputs: tuple[int, ...], outputs: int, *, width: int = 64) -> nn.Module:
    """VGG-16 with batch normalisation and one linear layer on the pooled features, for images of about 32 pixels.

    Args:
        inputs: shape of one image [channels, height, width].
        outputs: number of scores.
        width: channels of the first layer; 64 is the published network.
    """
    return _vgg("D", inputs, outputs, width)


@models.register("vgg19", source="arXiv 1409.1556, torchvision", reduced={"width": 4})
def vgg19(inputs: tuple[int, ...], outputs: int, *, width: int = 64) -> nn.Module:
    """VGG-19 with batch normalisation and one linear layer on the pooled features; arguments as of `vgg16`."""
    return _vgg("E", inputs, outputs, width)


@models.register("mobilenet_v2", source="arXiv 1801.04381, torchvision", reduced={"width": 0.1})
def mobilenet_v2(inputs: tuple[int, ...], outputs: int, *, width: float = 1.0) -> nn.Module:
    """MobileNetV2 for small images: the strides of the first layer and of the first strided stage are 1.

    Args:
        inputs: shape of one image [channels, height, width].
        outputs: number of scores.
        width: factor on all channels; 1 is the published network.
    """
    from torchvision.models import MobileNetV2

    stages = [[1, 16, 1, 1], [6, 24, 2, 1], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]]
    net = MobileNetV2(num_classes=outputs, width_mult=width, inverted_residual_setting=stages)
    first = net.features[0]
    first[0] = nn.Conv2d(inputs[0], first[0].out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(first[0].weight, mode="fan_out")
    return net
