"""The discriminator of the image translators."""

from __future__ import annotations

from torch import Tensor, nn

from StrokeSynthLib.networks.translators.common import SpatialNorm


class PatchDiscriminator(nn.Module):
    """One score for each overlapping patch of 70 x 70 pixels (Isola et al. 2017, arXiv 1611.07004).

    channels: of the input, which is the image, after its labels where the discriminator is told them.
    """

    def __init__(self, channels: int, width: int = 24):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after, stride in ((width, 2 * width, 2), (2 * width, 4 * width, 2), (4 * width, 4 * width, 1)):
            layers += [nn.Conv2d(before, after, 4, stride, 1), SpatialNorm(), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).float()
