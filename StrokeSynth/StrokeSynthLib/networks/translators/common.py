"""What the translators share: norm, discriminator, adversarial losses, the pool of earlier images."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SpatialNorm(nn.Module):
    """Instance norm: each channel of each sample is brought to mean 0 and variance 1 over all of its space.

    Over both axes of a picture and all three of a volume, never over samples or channels.
    """

    def __init__(self, epsilon: float = 1e-5):
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        space = tuple(range(2, x.dim()))
        values = x.float()
        # torch.var_mean gives the same and takes four times as long on a CPU
        values = values - values.mean(space, keepdim=True)
        variance = values.square().mean(space, keepdim=True)
        return (values * (variance + self.epsilon).rsqrt()).to(x.dtype)


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


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Least squares (Mao et al. 2017, arXiv 1611.04076): real ones are to score 1, fake ones 0."""
    real = (real_scores - torch.ones_like(real_scores)).square().mean()
    fake = (fake_scores - torch.zeros_like(fake_scores)).square().mean()
    return (real + fake) / 2


def generator_loss(fake_scores: Tensor) -> Tensor:
    """Least squares: the generator wants its images to score 1."""
    return (fake_scores - torch.ones_like(fake_scores)).square().mean()


def blurred_sight(images: Tensor, step: int, steps: int, strength: float = 0.2) -> Tensor:
    """Images with noise for the discriminator, less and less until half of the training (Soenderby et al. 2017)."""
    size = strength * max(0.0, 1 - 2 * step / steps)
    return images + size * torch.randn_like(images) if size else images
