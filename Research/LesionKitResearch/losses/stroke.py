"""The loss of the stroke segmentation network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
