"""The critic of the lesion-mask GAN, after Platscher et al. 2020 (arXiv 2010.02745)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from StrokeSynthLib.networks.mask_gan import CONDITIONS, normalized, positions
from StrokeSynthLib.networks.shapes import CELLS


class MaskCritic(nn.Module):
    """How real a mask looks in its box: one number without bounds. No norm over the batch, as the penalty asks.

    The conditions enter twice: as positions of the cells and by projection (Miyato and Koyama 2018, arXiv 1802.05637).
    """

    def __init__(self, width: int = 16):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(4, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv3d(width, 2 * width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv3d(2 * width, 4 * width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(4 * width * 4**3, 128),
            nn.LeakyReLU(0.2),
        )
        self.last = nn.Linear(128, 1)
        self.projection = nn.Sequential(nn.Linear(CONDITIONS, 64), nn.LeakyReLU(0.2), nn.Linear(64, 128))

    def forward(self, masks: Tensor, conditions: Tensor) -> Tensor:
        """masks: (n, 1, 32, 32, 32); conditions: (n, 7) -> (n,)."""
        features = self.layers(torch.cat([masks, positions(conditions, CELLS)], 1)).float()
        told = (features * self.projection(normalized(conditions)).float()).sum(1) / features.shape[1] ** 0.5
        return self.last(features)[:, 0].float() + told
