"""A network on single pictures of unknown pixel size, as the evaluation sets hold them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .frames import PICTURE_FRAME, PICTURE_ZOOM, channels_of_grey, place_frame


def picture_segmenter(network, device: str = "auto") -> Callable[[np.ndarray], np.ndarray]:
    """A function from an 8-bit axial slice (h, w) to labels: 0 none, 1 ground glass, 2 consolidation, 3 effusion."""
    from LesionKitLib.inference import choose_runtime

    runtime = choose_runtime(device)
    network = network.to(runtime.device)

    def segment(grey: np.ndarray) -> np.ndarray:
        with runtime.autocast():
            probability = picture_probabilities(network, grey)
        return np.where(probability[1] > 0.5, 1 + probability[2:5].argmax(0), 0).astype(np.uint8)

    return segment


def picture_probabilities(network, grey: np.ndarray) -> np.ndarray:
    """(5, h, w): lung, any lesion, ground glass, consolidation, effusion, on the picture's own pixels."""
    import torch

    place = place_frame(grey / 255.0).finer(PICTURE_ZOOM, PICTURE_FRAME)
    device = next(network.parameters()).device
    x = torch.from_numpy(channels_of_grey(place.cut(grey / 255.0)[None])).to(device)
    with torch.inference_mode():
        return place.paste(network(x).probabilities()[0].float().cpu().numpy(), grey.shape)
