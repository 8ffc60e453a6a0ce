"""torchvision's ResNet with a free width and a stem for small images.

A module of its own so that torchvision is imported only when a ResNet is built.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torchvision.models.resnet import ResNet


class NarrowResNet(ResNet):
    """ResNet whose stages have width, 2 width, 4 width, 8 width channels; 64 is the published size.

    Args:
        block: torchvision's `BasicBlock` or `Bottleneck`.
        layers: blocks in each of the four stages.
        channels: channels of an input image.
        outputs: number of scores.
        width: channels of the first stage.
        small: a 3x3 first convolution without pooling, for images of about 32 pixels.
    """

    def __init__(
        self, block: Any, layers: list[int], channels: int, outputs: int, *, width: int = 64, small: bool = False
    ) -> None:
        self.width = width
        super().__init__(block, layers, num_classes=outputs)
        if small:
            self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            self.maxpool = nn.Identity()  # type: ignore[assignment]
        elif (channels, width) != (3, 64):
            self.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        if width != 64:
            self.bn1 = nn.BatchNorm2d(width)
            self.fc = nn.Linear(8 * width * block.expansion, outputs)

    def _make_layer(self, block: Any, planes: int, blocks: int, stride: int = 1, dilate: bool = False) -> nn.Sequential:
        """A stage; `planes` is the published number of channels, 64 times a power of two."""
        if planes == 64:  # the first stage follows the stem, which has `width` channels
            self.inplanes = self.width
        return super()._make_layer(block, planes * self.width // 64, blocks, stride, dilate)
