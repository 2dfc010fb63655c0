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


def stroke_loss(logits: Tensor, lesion: Tensor, brain: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy plus soft Dice of the lesion, per slice, and a little for the brain.

    logits: (n, 2, h, w); lesion, brain: (n, h, w) float 0/1. Slices without lesion have no Dice to speak of, so they
    enter by cross-entropy alone.
    """
    logits = logits.float()
    entropy = F.binary_cross_entropy_with_logits(logits[:, 0], lesion)
    p = torch.sigmoid(logits[:, 0]) * (brain > 0)
    overlap, total = (p * lesion).sum((1, 2)), p.sum((1, 2)) + lesion.sum((1, 2))
    held = lesion.sum((1, 2)) > 0
    soft = ((1 - (2 * overlap + 1) / (total + 1)) * held).sum() / held.sum().clamp(min=1)
    brains = F.binary_cross_entropy_with_logits(logits[:, 1], brain)
    loss = 2 * entropy + soft + 0.3 * brains
    return loss, {"entropy": entropy.item(), "soft dice loss": soft.item(), "brain": brains.item()}
