"""Lungs that the field of view cuts: what networks, which know whole chests, need to see them and may miss of them."""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.volume import Volume

from .lung_air import AIR_HU, TISSUE_HU, find_lung_air, padding_mask
from .lungs import label_lungs

MUSCLE_HU = 40
AIRWAY_MM2 = 500.0  # area of a slice through the trachea, at most
CUT_BODY_SHARE = 0.3  # of an image's side that is tissue, from which the body goes on beyond it


def with_tissue_for_padding(lps: Volume) -> Volume:
    """Muscle for the padding around a round field of view: beside black, networks take the cut for a lesion's rim."""
    padding = padding_mask(lps.array)
    return lps if padding is None else lps.with_array(np.where(padding, lps.array.dtype.type(MUSCLE_HU), lps.array))


def with_missed_air(lps: Volume, lungs: np.ndarray) -> np.ndarray:
    """Lungs (1 right, 2 left; [k, j, i] in LPS order) with the air-filled lung by HU that a network left out.

    The trachea is not added. Right and left are told apart anew.
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
    return label_lungs((lungs > 0) | missed, lps.spacing, midline_of_cut_body(lps)) if missed.any() else lungs


def _is_airway(missed: np.ndarray, lung: np.ndarray, pixel_mm2: float) -> np.ndarray:
    """Of a slice's missed air, what is no larger than the trachea and lies apart from the lung."""
    from scipy import ndimage

    numbers, count = ndimage.label(missed)
    small = np.bincount(numbers.ravel(), minlength=count + 1) * pixel_mm2 <= AIRWAY_MM2
    small[np.unique(numbers[ndimage.binary_dilation(lung, np.ones((3, 3)))])] = False
    return small[numbers] & missed


def body_is_cut(lps: Volume) -> tuple[bool, bool]:
    """Whether the body goes on beyond the image on the patient's (right, left)."""
    sides = (lps.array[:, :, 0], lps.array[:, :, -1])
    right, left = (float((side > TISSUE_HU).mean()) > CUT_BODY_SHARE for side in sides)
    return right, left


def midline_of_cut_body(lps: Volume) -> float | None:
    """Where along i (voxels) a single lung has the body's middle, if the image cuts the body on one side only.

    That side is where the middle lies, so that the lung is the other side's. None where the image does not tell.
    """
    right, left = body_is_cut(lps)
    if right == left:
        return None
    return 0.0 if right else float(lps.array.shape[2] - 1)
