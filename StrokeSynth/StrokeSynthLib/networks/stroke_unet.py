"""The segmentation network: a U-Net on an ImageNet encoder, for slices in standard space."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from LesionKitLib.models.encoders.efficientnet_lite import EfficientNetLite0

ENCODER_BLOCKS = 15  # the last block, of 320 channels, is left out: a quarter of the weights for little
WIDTHS = {16: 64, 8: 48, 4: 32, 2: 24, 1: 16}  # of the decoder at each stride


class Up(nn.Module):
    """Enlarge the coarse features to the fine ones' size, join them, convolve."""

    def __init__(self, coarse: int, fine: int, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(coarse + fine, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        coarse = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        return self.layers(torch.cat([coarse, fine], 1))


class StrokeUNet(nn.Module):
    """Lesion and brain of a slice.

    forward: (n, 3, h, w) float, the channels of slice_views.py, any size -> (n, 2, h, w) logits of lesion and brain.
    """

    outputs = ("lesion", "brain")

    def __init__(self, dropout: float = 0.2):
        super().__init__()
        self.encoder = EfficientNetLite0(ENCODER_BLOCKS)
        channels = {1: 3, **self.encoder.channels}
        ups, coarse = {}, channels[32]
        for stride, width in WIDTHS.items():
            ups[str(stride)] = Up(coarse, channels[stride], width)
            coarse = width
        self.ups = nn.ModuleDict(ups)
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(coarse, len(self.outputs), 1)
        nn.init.constant_(self.head.bias[:1], -3.0)  # lesion is rare

    def forward(self, x: Tensor) -> Tensor:
        features = {1: x, **self.encoder(x)}
        y = self.dropout(features[32])
        for stride, up in self.ups.items():
            y = up(y, features[int(stride)])
        return self.head(y)
