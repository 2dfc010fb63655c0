"""ResNet-18 (He 2016, arXiv 1512.03385), written anew."""

from __future__ import annotations

from torch import Tensor, nn

from .head import BodyPartNet

CHANNELS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, projected where the shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.activate = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self.shortcut(x) + self.body(x))


class ResNet18(nn.Module):
    """Feature maps at stride 32: (n, 3, h, w) -> (n, 512, h / 32, w / 32)."""

    channels = CHANNELS[-1]

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, CHANNELS[0], 7, 2, 3, bias=False),
            nn.BatchNorm2d(CHANNELS[0]),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        blocks, before = [], CHANNELS[0]
        for stage, channels in enumerate(CHANNELS):
            blocks += [BasicBlock(before, channels, 1 if stage == 0 else 2), BasicBlock(channels, channels, 1)]
            before = channels
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x))


class ResNet18Router(BodyPartNet):
    """ResNet-18 trained from random weights."""

    def __init__(self):
        encoder = ResNet18()
        super().__init__(encoder, encoder.channels)
