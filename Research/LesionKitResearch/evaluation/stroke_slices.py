"""The segmentation network on slices: those that stand in standard space, and others with the brain in the middle."""

from __future__ import annotations

import numpy as np

from LesionKitLib.models.inference import Runtime
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke import SliceSet
from LesionKitResearch.datasets.stroke_frames import in_frame, is_standard, out_of_frame
from StrokeSynthLib.segmentation.slice_prediction import LESION_FROM, mirrored_probabilities, probabilities
from StrokeSynthLib.segmentation.slice_views import channels, normalized, template_slice


def predict_slices(
    network, slices: SliceSet, runtime: Runtime, progress: Progress | None = None, mirrored: bool = True
) -> np.ndarray:
    """Probabilities of lesion, float32 (n, h, w), 0 outside the brain.

    mirrored: the mean with the prediction for the mirror image (not for sagittal slices, which have none). Slices of
    another size than the standard space's are shown in a frame (stroke_frames.py) and without the template.
    """
    progress = progress or Progress()
    if not is_standard(slices):
        framed = in_frame(slices)
        probability = predict_slices(network, framed, runtime, progress, mirrored)
        return out_of_frame(probability, slices.brains) * slices.brains
    template = template_slice(slices.plane, slices.images.shape[1:])
    network = network.to(runtime.device)
    result = np.zeros(slices.images.shape, np.float32)
    for start in range(0, len(slices), runtime.batch):
        progress.report("segmenting", start / len(slices))
        images = slices.images[start : start + runtime.batch]
        brains = slices.brains[start : start + runtime.batch]
        gray = np.stack([normalized(image, brain) for image, brain in zip(images, brains, strict=True)])
        stack = channels(gray, template, slices.plane)
        see = mirrored_probabilities if mirrored and slices.plane != "sagittal" else probabilities
        part = see(network, stack, runtime)[:, 0]
        result[start : start + runtime.batch] = part * brains
    return result


def mean_dice(probability: np.ndarray, slices: SliceSet, threshold: float = LESION_FROM) -> float:
    """Mean Dice over the slices whose lesion has at least MIN_LESION_PIXELS."""
    from LesionKitLib.imaging.metrics import dice
    from LesionKitResearch.datasets.stroke import MIN_LESION_PIXELS

    rows = np.flatnonzero(slices.areas >= MIN_LESION_PIXELS)
    return float(np.mean([dice(probability[row] > threshold, slices.masks[row]) for row in rows]))
