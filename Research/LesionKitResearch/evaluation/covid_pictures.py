"""A network on single pictures of unknown pixel size, as the evaluation sets hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from CovidLungQuantLib.segmentation.frames import (
    PICTURE_FRAME,
    PICTURE_ZOOM,
    PICTURE_ZOOMS,
    channels_of_gray,
    place_frame,
)
from LesionKitResearch.datasets.gray_window import as_lung_window

HEALTHY_LUNG = 4  # beside the values of the lesions


def picture_segmenter(network, device: str = "auto") -> Callable[[np.ndarray], np.ndarray]:
    """A function from an 8-bit axial slice (h, w) to labels: 0 none, 1 ground glass, 2 consolidation, 3 effusion,
    HEALTHY_LUNG other lung.

    network: one, or a list of them whose probabilities are averaged.
    """
    from LesionKitLib.models.inference import choose_runtime

    runtime = choose_runtime(device)
    networks = [runtime.prepared(net) for net in (network if isinstance(network, list) else [network])]

    def segment(gray: np.ndarray) -> np.ndarray:
        with runtime.autocast():
            probability = mean_probabilities(networks, gray, PICTURE_ZOOMS, mirrored=True)
        lung = np.where(probability[0] > 0.5, HEALTHY_LUNG, 0)
        return np.where(probability[1] > 0.5, 1 + probability[2:5].argmax(0), lung).astype(np.uint8)

    return segment


def mean_probabilities(
    networks: list, gray: np.ndarray, zooms: tuple[float, ...] = (PICTURE_ZOOM,), mirrored: bool = False
) -> np.ndarray:
    """The mean of the networks' picture_probabilities."""
    return sum(picture_probabilities(network, gray, zooms, mirrored) for network in networks) / len(networks)


def picture_probabilities(
    network, gray: np.ndarray, zooms: tuple[float, ...] = (PICTURE_ZOOM,), mirrored: bool = False
) -> np.ndarray:
    """(5, h, w): lung, any lesion, ground glass, consolidation, effusion, on the picture's own pixels.

    The mean over the zooms and, if mirrored, over the picture and its mirror image.
    """
    whole = as_lung_window(gray / 255.0)
    usual = place_frame(whole)
    total = np.zeros((5, *gray.shape), np.float32)
    for zoom in zooms:
        place = usual.finer(zoom, PICTURE_FRAME)
        frame = place.cut(whole)
        found = _probabilities(network, frame)
        if mirrored:
            found = (found + _probabilities(network, frame[:, ::-1])[..., ::-1]) / 2
        total += place.paste(found, gray.shape)
    return total / len(zooms)


def _probabilities(network, frame: np.ndarray) -> np.ndarray:
    import torch

    with torch.inference_mode():
        return _predict(network, frame).probabilities()[0].float().cpu().numpy()


@dataclass(frozen=True)
class PictureDecision:
    """logit of COVID-19; heat: what spoke for it, float32 (h, w) on the picture's pixels, or None; error of the
    reconstruction, or None."""

    logit: float
    heat: np.ndarray | None
    error: float | None


def decide_picture(network, gray: np.ndarray) -> PictureDecision:
    """The decision on an 8-bit axial slice (h, w), seen in the frame of the training; networks with a decision only."""
    import torch

    from CovidLungQuantLib.networks.heads import lung_window_errors

    place = place_frame(gray / 255.0)
    frame = place.cut(gray / 255.0)
    with torch.inference_mode():
        prediction = _predict(network, frame)
        heat = error = None
        if prediction.heat is not None:
            fine = torch.nn.functional.interpolate(prediction.heat.float(), size=place.shape, mode="bilinear")
            heat = place.paste(fine[0, 0].cpu().numpy(), gray.shape)
        if prediction.reconstruction is not None:
            seen = torch.from_numpy(channels_of_gray(frame[None])).to(prediction.reconstruction.device)
            error = float(lung_window_errors(prediction.reconstruction, seen)[0])
    return PictureDecision(float(prediction.decision[0]), heat, error)


def _predict(network, frame: np.ndarray):
    """What the network predicts for one frame (h, w) of gray values 0..1."""
    import torch

    device = next(network.parameters()).device
    return network(torch.from_numpy(channels_of_gray(frame[None])).to(device))
