"""The part that all networks share: averages the last feature maps and weighs the classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

OUTPUTS = 6  # the five classes and "no X-ray of these"
MEAN, SCALE = 0.5, 0.25  # of the grey values 0..1


class BodyPartNet(nn.Module):
    """An encoder with a head. The encoder gives feature maps (n, channels, h, w) for (n, 3, size, size).

    forward: grey (n, 1, size, size) in 0..1 -> logits (n, 6).
    """

    def __init__(self, encoder: nn.Module, channels: int, dropout: float = 0.2):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(channels, OUTPUTS)

    def maps(self, grey: Tensor) -> Tensor:
        """Feature maps (n, channels, h, w), not negative where the encoder ends in a ReLU."""
        return self.encoder(((grey - MEAN) / SCALE).expand(-1, 3, -1, -1))

    def pooled(self, maps: Tensor) -> Tensor:
        """Features of the whole image (n, channels), float32."""
        return maps.float().mean((2, 3))

    def logits(self, pooled: Tensor) -> Tensor:
        """(n, 6), float32 outside of autocast."""
        with torch.autocast(pooled.device.type, enabled=False):
            return self.classify(self.dropout(pooled))

    def forward(self, grey: Tensor) -> Tensor:
        return self.logits(self.pooled(self.maps(grey)))
