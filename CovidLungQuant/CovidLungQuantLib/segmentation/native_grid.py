"""From a network's slices to labels on the image's own grid: probabilities are interpolated, then decided."""

from __future__ import annotations

from math import ceil

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.progress import Progress

from .chest_box import ChestBox
from .frames import FramePlacement

REGION_MULTIPLE = 16  # regions begin and end at multiples of this, so that slices share their weights


def labels_on_native_grid(
    lps: Volume, box: ChestBox, probabilities: np.ndarray, sides: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """(lungs, lesions) uint8 on the grid of ``lps``.

    probabilities: (n, 5, h, w) in the box: lung, any lesion, ground glass, consolidation, effusion. sides: (n, h, w),
    1 right, 2 left lung. Only where a probability is above one half can a label be, so only there, and for the kinds
    only where there is a lesion, anything is interpolated.
    """
    lungs, lesions = np.zeros(lps.array.shape, np.uint8), np.zeros(lps.array.shape, np.uint8)
    first, last = box.slices
    shape = lps.array.shape[1:]
    for k in range(first, last):
        if k % 8 == 0:
            progress.report("bringing labels to the image", 0.85 + 0.12 * (k - first) / (last - first))
        low, high, share = slices_around(box, k)
        pair = probabilities[low : high + 1]
        region = _region(box.plane, (pair[:, :2] > 0.5).any((0, 1)))
        if region is None:
            continue
        masks = blend(pair[0][:2][:, *region], pair[-1][:2][:, *region], share)
        left = [(sides[n][region] == 2) * probabilities[n, 0][region] for n in (low, high)]
        (rows, columns), (lung, lesion, left) = _on_image(
            box.plane, region, np.concatenate([masks, blend(*left, share)[None]]), shape
        )
        lesions[k, rows, columns] = lesion > 0.5
        _set_kinds(lesions[k], box.plane, pair, share)
        inside = (lung > 0.5) | (lesion > 0.5)
        lungs[k, rows, columns] = np.where(inside, np.where(left > 0.5 * lung, 2, 1), 0)
    return lungs, lesions


def _set_kinds(lesions: np.ndarray, plane: FramePlacement, pair: np.ndarray, share: float) -> None:
    """In a slice's lesions (0 or 1) the likeliest of ground glass, consolidation and effusion."""
    region = _region(plane, (pair[:, 1] > 0.5).any(0))
    if region is None:
        return
    kinds = blend(pair[0][2:][:, *region], pair[-1][2:][:, *region], share)
    (rows, columns), kinds = _on_image(plane, region, kinds, lesions.shape)
    lesions[rows, columns] *= (1 + np.argmax(kinds, 0)).astype(np.uint8)


def _region(plane: FramePlacement, mask: np.ndarray) -> tuple[slice, slice] | None:
    """Rows and columns of the frame from which everything is interpolated that a pixel of the mask has a part in."""
    region = []
    for axis, step in enumerate(plane.step):
        line = np.flatnonzero(mask.any(1 - axis))
        if not len(line):
            return None
        margin = ceil(max(1.0, 1 / step)) + 1
        start = max(0, int(line[0]) - margin) // REGION_MULTIPLE * REGION_MULTIPLE
        stop = -(-(int(line[-1]) + 1 + margin) // REGION_MULTIPLE) * REGION_MULTIPLE
        region.append(slice(start, min(stop, mask.shape[axis])))
    return tuple(region)


def _on_image(
    plane: FramePlacement, region: tuple[slice, slice], values: np.ndarray, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Values (n, h, w) of a region of the frame: the rows and columns of the image they reach, and what is there."""
    part = plane.part(*region)
    rows, columns = part.covered(shape)
    place = part.moved(-rows.start, -columns.start)
    return (rows, columns), place.paste(values, (rows.stop - rows.start, columns.stop - columns.start))


def slices_around(box: ChestBox, k: int) -> tuple[int, int, float]:
    """The two of the network's slices that slice k of the volume lies between, and how far it is from the first."""
    at = min(max((k - box.slices[0] + 0.5) / box.step - 0.5, 0), box.model_slices - 1)
    return int(at), min(int(at) + 1, box.model_slices - 1), at - int(at)


def blend(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """(1 - share) a + share b, float32."""
    if share == 0:
        return a.astype(np.float32)
    return a.astype(np.float32) * np.float32(1 - share) + b.astype(np.float32) * np.float32(share)
