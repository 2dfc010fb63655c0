"""The loss of the brain extraction network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def extraction_loss(logits: Tensor, occupancy: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy plus soft Dice. logits, occupancy (0..1): (n, 1, k, j, i)."""
    logits = logits.float()
    entropy = F.binary_cross_entropy_with_logits(logits, occupancy)
    p = torch.sigmoid(logits)
    overlap, total = (p * occupancy).sum((1, 2, 3, 4)), (p**2 + occupancy**2).sum((1, 2, 3, 4))
    soft = (1 - (2 * overlap + 1) / (total + 1)).mean()
    return 2 * entropy + soft, {"entropy": entropy.item(), "soft dice loss": soft.item()}
