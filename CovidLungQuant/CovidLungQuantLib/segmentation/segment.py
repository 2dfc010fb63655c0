"""Lungs and lesions of a CT in LPS order: the chest is found, networks predict, masks are cleaned and brought back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.models.inference import Runtime
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress

from .chest_box import ChestBox, find_chest
from .cut_lungs import midline_of_halved_body, with_missed_air, with_tissue_for_padding
from .gas import drop_gas
from .lungs import label_lungs
from .native_grid import labels_on_native_grid
from .partial_volume import drop_partial_volume
from .slice_prediction import SliceOutputs, predict_slices

LESION_IN_LUNG = 0.2  # a lesion voxel needs at least this probability of lung


@dataclass(frozen=True)
class Segmentation:
    """lungs, lesions: uint8 on the LPS grid. outputs: the other heads of each network, on the slices of the box.
    lung_share: part of the frame (0..1) that is lung in each of these slices."""

    lungs: np.ndarray
    lesions: np.ndarray
    outputs: tuple[SliceOutputs, ...]
    lung_share: np.ndarray
    box: ChestBox


def segment(lps: Volume, nets, runtime: Runtime, progress: Progress) -> Segmentation:
    """Segment a CT with the mean of the networks' probabilities. Raises UnusableInput where no lungs are found."""
    progress.report("finding the lungs", 0.02)
    box = find_chest(lps)
    shown = with_tissue_for_padding(lps) if box.is_cut else lps
    probabilities, outputs = _mean_probabilities(shown, box, nets, runtime, progress)
    if box.is_cut:  # the mirror image beyond the field of view is no lung of the patient's
        probabilities[..., box.plane.beyond(lps.array.shape[1:])] = 0
    progress.report("cleaning the masks", 0.82)
    sides = clean_masks(probabilities, box.model_spacing(lps), _midline_in_frame(lps, box))
    if not sides.any():
        raise UnusableInput("No lungs were found; this does not look like a chest CT.")
    lungs, lesions = labels_on_native_grid(lps, box, probabilities, sides, progress)
    lung_share = (sides > 0).mean((1, 2))
    del probabilities, sides  # the largest arrays beside the image; what follows needs room
    if box.is_cut or midline_of_halved_body(lps) is not None:
        lungs = with_missed_air(shown, lungs)
    if shown is not lps:  # padding is no lung
        lungs, lesions = (np.where(shown.array == lps.array, labels, np.uint8(0)) for labels in (lungs, lesions))
    lungs, lesions = drop_gas(lps.array, lungs, lesions, lps.spacing)
    if not lungs.any():
        raise UnusableInput("No lungs were found, only gas as in bowel; this does not look like a chest CT.")
    lungs, lesions = drop_partial_volume(lps.array, lungs, lesions, lps.spacing)
    return Segmentation(lungs, lesions, outputs, lung_share, box)


def _mean_probabilities(
    lps: Volume, box: ChestBox, nets, runtime: Runtime, progress: Progress
) -> tuple[np.ndarray, tuple[SliceOutputs, ...]]:
    """As a running mean, so that an ensemble needs the memory of two networks."""
    mean, outputs = None, []
    for n, net in enumerate(nets):
        part = (n / len(nets), (n + 1) / len(nets))
        probabilities, other = predict_slices(lps, box, net, runtime, progress, part)
        outputs.append(other)
        if mean is None:
            mean = probabilities
        else:
            mean += (probabilities - mean) / np.float16(n + 1)
    return mean, tuple(outputs)


def _midline_in_frame(lps: Volume, box: ChestBox) -> float | None:
    midline = midline_of_halved_body(lps)
    return None if midline is None else (midline - box.plane.left) / box.plane.step[1]


def clean_masks(probabilities: np.ndarray, spacing: np.ndarray, midline: float | None = None) -> np.ndarray:
    """Makes ``probabilities`` agree with cleaned lungs, in place; returns their labels (n, h, w): 1 right, 2 left.

    midline: as in lungs.split_left_right, in pixels of the frame.
    """
    lung, lesion = probabilities[:, 0], probabilities[:, 1]
    lesion[lung < LESION_IN_LUNG] = 0
    mask = (lung > 0.5) | (lesion > 0.5)
    sides = label_lungs(mask, spacing, midline)
    lung[(sides > 0) & ~(lung > 0.5)] = 1
    lung[sides == 0] = np.minimum(lung[sides == 0], 0.49)
    lesion[mask & (sides == 0)] = 0
    lung[mask & (sides == 0)] = 0
    return sides
