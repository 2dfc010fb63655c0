"""SPADE (Park et al. 2019, arXiv 1903.07291): the label map modulates every norm of a generator grown from a style."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from StrokeSynthLib.labels import LABEL_COUNT
from StrokeSynthLib.networks.shapes import MULTIPLE, STYLE

from .common import SpatialNorm


class Spade(nn.Module):
    """Norm over space, then (1 + gamma) * x + beta, with gamma and beta drawn by the labels at each place."""

    def __init__(self, channels: int, hidden: int = 24):
        super().__init__()
        self.norm = SpatialNorm()
        self.shared = nn.Sequential(nn.Conv2d(LABEL_COUNT + 1, hidden, 3, padding=1), nn.ReLU())
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        hidden = self.shared(told)
        return (1 + self.gamma(hidden)) * self.norm(x) + self.beta(hidden)


class SpadeBlock(nn.Module):
    """Residual block of two modulated convolutions."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.spade1, self.conv1 = Spade(before), nn.Conv2d(before, after, 3, padding=1)
        self.spade2, self.conv2 = Spade(after), nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        y = self.conv1(F.leaky_relu(self.spade1(x, told), 0.2))
        return self.skip(x) + self.conv2(F.leaky_relu(self.spade2(y, told), 0.2))


class SpadeGenerator(nn.Module):
    """The interface is that of the package: style is the seed at the lowest resolution, noise goes with the labels.

    widths: channels at 1/32, 1/16, ... of the image's size; the last at half of it.
    """

    def __init__(self, widths: tuple[int, ...] = (96, 96, 64, 48, 24)):
        super().__init__()
        self.start = widths[0]
        self.first = nn.Linear(STYLE, self.start)
        self.place = nn.Conv2d(LABEL_COUNT + 1, self.start, 3, padding=1)
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.blocks = nn.ModuleList([SpadeBlock(before, after) for before, after in pairs])
        self.full = nn.Conv2d(widths[-1], 16, 3, padding=1)
        self.spade = Spade(16, 16)
        self.last = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, labels: Tensor, noise: Tensor, style: Tensor) -> Tensor:
        told = torch.cat([labels, noise], 1).contiguous(memory_format=torch.channels_last)  # a third faster on a CPU
        small = shrunk(told, tuple(n // MULTIPLE for n in told.shape[-2:]))
        x = self.place(small) + self.first(style)[:, :, None, None]
        for block in self.blocks:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, shrunk(told, x.shape[-2:]))
        x = self.full(F.interpolate(x, size=told.shape[-2:], mode="bilinear", align_corners=False))
        return self.last(F.leaky_relu(self.spade(x, told), 0.2)).float().tanh()


def shrunk(told: Tensor, size: tuple[int, int]) -> Tensor:
    """Labels and noise at a lower resolution: by areas, so that a small lesion does not fall between the pixels."""
    # not adaptive pooling, which ONNX has only for fixed sizes; size divides the labels'
    steps = tuple(int(length) // int(wanted) for length, wanted in zip(told.shape[-2:], size, strict=True))
    return told if steps == (1, 1) else F.avg_pool2d(told, steps)
