"""MobileNetV1 (Howard 2017, arXiv 1704.04861), written anew: depthwise and pointwise convolutions in turn."""

from __future__ import annotations

from torch import Tensor, nn

from .head import BodyPartNet

# channels and stride of the thirteen blocks (table 1 of the paper)
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
STEM = 32


def _step(channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class MobileNetV1(nn.Module):
    """Feature maps at stride 32; width scales the channels. (n, 3, h, w) -> (n, 1024 width, h / 32, w / 32)."""

    def __init__(self, width: float = 1.0):
        super().__init__()
        before = round(STEM * width)
        layers = [_step(3, before, 3, 2)]
        for channels, stride in BLOCKS:
            channels = round(channels * width)
            layers += [_step(before, before, 3, stride, groups=before), _step(before, channels, 1)]
            before = channels
        self.layers = nn.Sequential(*layers)
        self.channels = before

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class MobileNetV1Router(BodyPartNet):
    """The best network of Pham 2021, trained from random weights."""

    def __init__(self, width: float = 1.0):
        encoder = MobileNetV1(width)
        super().__init__(encoder, encoder.channels)
