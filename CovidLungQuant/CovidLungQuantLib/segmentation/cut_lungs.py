"""Lungs that the field of view cuts: what networks, which know whole chests, need to see them and may miss of them."""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.volume import Volume

from .lung_air import AIR_HU, TISSUE_HU, find_lung_air, padding_mask
from .lungs import label_lungs

MUSCLE_HU = 40
AIRWAY_MM2 = 500.0  # area of a slice through the trachea, at most
HALVED_SHARE = 0.3  # of an image's side that is tissue where the image ends within the body's middle ...
HALVED_RATIO = 1.4  # ... and how many times more that is than on the other side


def with_tissue_for_padding(lps: Volume) -> Volume:
    """Muscle for the padding around a round field of view: beside black, networks take the cut for a lesion's rim."""
    padding = padding_mask(lps.array)
    return lps if padding is None else lps.with_array(np.where(padding, lps.array.dtype.type(MUSCLE_HU), lps.array))


def with_missed_air(lps: Volume, lungs: np.ndarray) -> np.ndarray:
    """Lungs (1 right, 2 left; [k, j, i] in LPS order) with the air-filled lung by HU that a network left out.

    The trachea is not added, nor air that does not go on in their lung. Right and left are told apart anew.
    """
    from scipy import ndimage

    found = find_lung_air(lps)
    near = ndimage.binary_dilation(found.air, np.ones((3, 3, 3)))
    index = [
        np.minimum((np.arange(n) + step // 2) // step, m - 1)
        for n, step, m in zip(lps.array.shape, found.steps, near.shape, strict=True)
    ]
    missed = near[index[0]][:, index[1]][:, :, index[2]] & (lungs == 0) & (lps.array < AIR_HU)
    missed = ndimage.binary_opening(missed, np.ones((1, 3, 3)))  # the rim of a lung is tissue in part
    for k in np.flatnonzero(missed.any((1, 2))):
        missed[k] &= ~_is_airway(missed[k], lungs[k] > 0, float(lps.spacing[0] * lps.spacing[1]))
    missed = _beside_lung(missed, lungs > 0)
    return label_lungs((lungs > 0) | missed, lps.spacing, midline_of_halved_body(lps)) if missed.any() else lungs


def _beside_lung(missed: np.ndarray, lung: np.ndarray) -> np.ndarray:
    """The components of missed air that go on in lung; clothes beside an arm do not."""
    from scipy import ndimage

    numbers, count = ndimage.label(missed)
    reached = numbers[ndimage.binary_dilation(lung, np.ones((3, 3, 3)))]
    touches = np.bincount(reached, minlength=count + 1) > 0
    touches[0] = False
    return touches[numbers]


def _is_airway(missed: np.ndarray, lung: np.ndarray, pixel_mm2: float) -> np.ndarray:
    """Of a slice's missed air, what is no larger than the trachea and lies apart from the lung."""
    from scipy import ndimage

    numbers, count = ndimage.label(missed)
    small = np.bincount(numbers.ravel(), minlength=count + 1) * pixel_mm2 <= AIRWAY_MM2
    small[np.unique(numbers[ndimage.binary_dilation(lung, np.ones((3, 3)))])] = False
    return small[numbers] & missed


def halved_side(lps: Volume) -> str:
    """The patient's side, "right" or "left", on which the image ends within the body's middle; "" where it does not.

    There tissue fills most of the image's side, and much more than where at most a large body's flank is cut.
    """
    right, left = (float((side > TISSUE_HU).mean()) for side in (lps.array[:, :, 0], lps.array[:, :, -1]))
    if max(right, left) < HALVED_SHARE or max(right, left) < HALVED_RATIO * min(right, left):
        return ""
    return "right" if right > left else "left"


def midline_of_halved_body(lps: Volume) -> float | None:
    """Where along i (voxels) the middle of a body lies that the image shows half of, else None.

    A single lung in such an image is that of the other side.
    """
    side = halved_side(lps)
    if not side:
        return None
    return 0.0 if side == "right" else float(lps.array.shape[2] - 1)
