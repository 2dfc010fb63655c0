"""The generator of the lesion-mask GAN, a 3-D Wasserstein GAN with gradient penalty.

After Platscher et al. 2020 (arXiv 2010.02745), from whom the latent of 128 numbers comes. A mask here is the lesion's
own box, cut into CELLS along each side (see synthesis/occupancy_grid.py), so that small lesions are sampled as finely
as large ones.
Generator and critic are told the box: its seven numbers, and where each cell lies in standard space.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .shapes import CELLS

LATENT = 128
CONDITIONS = 7  # center (3, mm), logarithms of the sides (3, mm) and of the volume (ml)

# What brings the conditions to numbers around 0 of about size 1: the head's and a lesion's usual measures.
_MIDDLE = (35.0, 15.0, 15.0, 3.6, 3.8, 3.6, 2.0)
_SCALE = (25.0, 40.0, 30.0, 0.8, 0.8, 0.8, 2.0)
_HEAD_MM = 80.0


def normalized(conditions: Tensor) -> Tensor:
    """(n, 7) conditions as the networks see them."""
    middle, scale = (torch.tensor(v, dtype=conditions.dtype, device=conditions.device) for v in (_MIDDLE, _SCALE))
    return (conditions - middle) / scale


def positions(conditions: Tensor, cells: int) -> Tensor:
    """(n, 3, cells, cells, cells): where each cell's center lies along L, P and S, in units of 80 mm.

    The last three axes are S, P, L, as in every array of this project.
    """
    steps = (torch.arange(cells, dtype=conditions.dtype, device=conditions.device) + 0.5) / cells - 0.5
    ramps = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")[::-1])  # L, P, S
    centers, sides = conditions[:, :3], conditions[:, 3:6].exp()
    return (centers[:, :, None, None, None] + sides[:, :, None, None, None] * ramps) / _HEAD_MM


class Grow(nn.Module):
    """Twice as many cells: transposed convolution over the features and the cells' positions."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.convolution = nn.ConvTranspose3d(before + 3, after, 4, 2, 1, bias=False)
        self.norm = nn.BatchNorm3d(after)

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        x = torch.cat([x, positions(conditions, x.shape[-1]).to(x.dtype)], 1)
        return F.relu(self.norm(self.convolution(x)))


class MaskGenerator(nn.Module):
    """Latent and box in, occupancy of the box's cells out. width: channels at full resolution."""

    def __init__(self, width: int = 8):
        super().__init__()
        self.first = nn.Linear(LATENT + CONDITIONS, 6 * width * 4**3)
        self.grow = nn.ModuleList([Grow(6 * width, 4 * width), Grow(4 * width, 3 * width), Grow(3 * width, width)])
        self.last = nn.Conv3d(width + 3, 1, 3, padding=1)

    def forward(self, latent: Tensor, conditions: Tensor) -> Tensor:
        """latent: (n, 128), standard normal; conditions: (n, 7) -> (n, 1, 32, 32, 32) in 0..1."""
        x = self.first(torch.cat([latent, normalized(conditions)], 1)).relu().unflatten(1, (-1, 4, 4, 4))
        for grow in self.grow:
            x = grow(x, conditions)
        return self.last(torch.cat([x, positions(conditions, CELLS).to(x.dtype)], 1)).float().sigmoid()


class LesionSampler(nn.Module):
    """What a bundled mask model holds: the generator, and the mixture that places boxes (see lesion_prior.py)."""

    def __init__(self, width: int = 8, parts: int = 8):
        super().__init__()
        self.generator = MaskGenerator(width)
        self.register_buffer("weights", torch.full((parts,), 1 / parts))
        self.register_buffer("means", torch.zeros(parts, CONDITIONS))
        self.register_buffer("roots", torch.eye(CONDITIONS).repeat(parts, 1, 1))
        self.register_buffer("left", torch.tensor(0.5))
