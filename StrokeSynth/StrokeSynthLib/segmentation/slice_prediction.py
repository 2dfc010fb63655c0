"""The segmentation network on slices in standard space, and on their mirror images."""

from __future__ import annotations

import numpy as np

from LesionKitLib.models.inference import Runtime

LESION_FROM = 0.5  # probability from which a pixel is lesion


def mirrored_probabilities(network, stack: np.ndarray, runtime: Runtime) -> np.ndarray:
    """The mean of probabilities for the slices and for their mirror images."""
    own, other = (probabilities(network, seen, runtime) for seen in (stack, stack[..., ::-1].copy()))
    return (own + other[..., ::-1]) / 2


def probabilities(network, stack: np.ndarray, runtime: Runtime) -> np.ndarray:
    """(n, 2, h, w) float32: lesion and brain, from the network's channels (n, 3, h, w)."""
    import torch

    with torch.inference_mode(), runtime.autocast():
        images = torch.from_numpy(stack).to(runtime.device, memory_format=torch.channels_last)
        return torch.sigmoid(network(images).float()).cpu().numpy()
