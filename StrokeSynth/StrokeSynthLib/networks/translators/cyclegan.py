"""CycleGAN (Zhu et al. 2017, arXiv 1703.10593): labels to image, learned from unpaired labels and images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from StrokeSynthLib.labels import LABEL_COUNT

from .common import SpatialNorm


class Residual(nn.Module):
    """x plus two convolutions of it."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            SpatialNorm(),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            SpatialNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ResidualTranslator(nn.Module):
    """Pictures of some channels to pictures of others, by residual blocks at a quarter of the resolution."""

    def __init__(self, before: int, after: int, width: int = 16, blocks: int = 4):
        super().__init__()
        w = width
        self.layers = nn.Sequential(
            nn.Conv2d(before, w, 5, padding=2), SpatialNorm(), nn.ReLU(),
            nn.Conv2d(w, 2 * w, 3, 2, 1), SpatialNorm(), nn.ReLU(),
            nn.Conv2d(2 * w, 4 * w, 3, 2, 1), SpatialNorm(), nn.ReLU(),
            *[Residual(4 * w) for _ in range(blocks)],
            nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1), SpatialNorm(), nn.ReLU(),
            nn.ConvTranspose2d(2 * w, w, 4, 2, 1), SpatialNorm(), nn.ReLU(),
            nn.Conv2d(w, after, 5, padding=2),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).float()


class CycleGANGenerator(nn.Module):
    """Labels to image; the interface is that of the package, style is not used."""

    draws_grid = True  # transposed convolutions do

    def __init__(self, width: int = 16, blocks: int = 4):
        super().__init__()
        self.net = ResidualTranslator(LABEL_COUNT + 1, 1, width, blocks)

    def forward(self, labels: Tensor, noise: Tensor, style: Tensor | None = None) -> Tensor:
        return self.net(torch.cat([labels, noise], 1)).tanh()
