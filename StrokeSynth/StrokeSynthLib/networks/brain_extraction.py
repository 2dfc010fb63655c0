"""The brain extraction network: a small 3-D U-Net for whole heads at 4 mm, after SynthStrip (Hoopes et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def convolution(channels: int, width: int) -> nn.Sequential:
    """Instance normalization, because every contrast is another; it takes the place of the bias."""
    return nn.Sequential(
        nn.Conv3d(channels, width, 3, padding=1, bias=False), nn.InstanceNorm3d(width, affine=True), nn.LeakyReLU(0.1)
    )


class BrainExtractionNet(nn.Module):
    """Which voxels of a head are brain, with the cerebrospinal fluid around it.

    forward: (n, 1, k, j, i) float, sizes multiples of 2 ** (len(widths) - 1) -> logits of the same shape.
    """

    def __init__(self, widths: tuple[int, ...] = (12, 24, 48, 64)):
        super().__init__()
        inputs = (1, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(convolution(before, width), convolution(width, width))
            if level
            else convolution(before, width)
            for level, (before, width) in enumerate(zip(inputs, widths, strict=True))
        )
        self.up = nn.ModuleList(
            convolution(coarse + fine, fine) for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv3d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool3d(x, 2) if level else x)
            features.append(x)
        for block, fine in zip(self.up, features[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), fine], 1))
        return self.head(x)
