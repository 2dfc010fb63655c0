"""Pix2Pix (Isola et al. 2017, arXiv 1611.07004): a U-Net that draws an image from a label map, against patch scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from StrokeSynthLib.labels import LABEL_COUNT

from .common import SpatialNorm

DROPOUT = 0.3  # as in Platscher et al. 2020


class Down(nn.Sequential):
    """Half the resolution."""

    def __init__(self, before: int, after: int, norm: bool = True):
        parts = [nn.Conv2d(before, after, 4, 2, 1), *([SpatialNorm()] if norm else []), nn.LeakyReLU(0.2)]
        super().__init__(*parts)


class Up(nn.Module):
    """Twice the resolution, joined with the features of the way down."""

    def __init__(self, before: int, beside: int, after: int, dropout: float = 0.0):
        super().__init__()
        self.grow = nn.Sequential(nn.ConvTranspose2d(before, after, 4, 2, 1), SpatialNorm(), nn.ReLU())
        self.mix = nn.Sequential(nn.Conv2d(after + beside, after, 3, padding=1), SpatialNorm(), nn.ReLU())
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        return self.dropout(self.mix(torch.cat([self.grow(x), beside], 1)))


class Pix2PixGenerator(nn.Module):
    """The interface is that of the package; style is not used. width: channels after the first halving."""

    draws_grid = True  # transposed convolutions do

    def __init__(self, width: int = 24):
        super().__init__()
        first = LABEL_COUNT + 1
        w = (width, 2 * width, 4 * width, 4 * width, 4 * width)
        self.down = nn.ModuleList([Down(first, w[0], norm=False)])
        self.down.extend(Down(w[n], w[n + 1], norm=n < 3) for n in range(4))
        self.up = nn.ModuleList([Up(w[4], w[3], w[3], DROPOUT), Up(w[3], w[2], w[2], DROPOUT)])
        self.up.extend([Up(w[2], w[1], w[1]), Up(w[1], w[0], w[0])])
        self.grow = nn.Sequential(nn.ConvTranspose2d(w[0], 16, 4, 2, 1), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(16 + first, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))

    def forward(self, labels: Tensor, noise: Tensor, style: Tensor | None = None) -> Tensor:
        x = told = torch.cat([labels, noise], 1)
        ways = []
        for down in self.down:
            x = down(x)
            ways.append(x)
        for up, beside in zip(self.up, ways[-2::-1], strict=True):
            x = up(x, beside)
        return self.last(torch.cat([self.grow(x), told], 1)).float().tanh()
