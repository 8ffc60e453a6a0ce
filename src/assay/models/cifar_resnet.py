"""The residual networks that were made for images of 32 pixels: three stages, 16 channels at the start."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from assay.errors import UserError
from assay.models.base import models


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut without parameters: strided pixels and channels of zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))
        return F.relu(out + shortcut)


@models.register("cifar_resnet", source="arXiv 1512.03385, Sec. 4.2", reduced={"depth": 8})
def cifar_resnet(inputs: tuple[int, ...], outputs: int, *, depth: int = 20, width: int = 16) -> nn.Module:
    """ResNet-20, 32, 44, ...: (depth - 2) / 6 blocks in each of three stages of width, 2 width, 4 width channels.

    Args:
        inputs: shape of one image [channels, height, width].
        outputs: number of scores.
        depth: 6 n + 2.
        width: channels of the first stage.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise UserError(f"model.depth={depth}: expected 8, 14, 20, 26, 32, ... (6 n + 2)")
    layers: list[nn.Module] = [nn.Conv2d(inputs[0], width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for stage in range(3):
        channels = width * 2**stage
        for block in range(blocks):
            layers.append(_Block(before, channels, 2 if stage and not block else 1))
            before = channels
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, outputs))
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return net
